from collections.abc import Iterator
from pathlib import Path

import pytest

from antiphon.ledger import Ledger, Store
from antiphon.ledger.memory import MemoryStore
from antiphon.ledger.sql import open_store


@pytest.fixture(params=["memory", "sqlite in memory", "sqlite file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    match request.param:
        case "memory":
            made: Store = MemoryStore()
        case "sqlite in memory":
            made = open_store("sqlite://")
        case _:
            made = open_store(f"sqlite:///{tmp_path}/ledger.db")
    yield made
    made.close()


@pytest.fixture
def ledger(store: Store) -> Ledger:
    made = Ledger(store)
    made.create(ledger_id="0001", name="contacts", now=1)
    return made
