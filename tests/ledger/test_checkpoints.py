"""The write-ahead log of a ledger's file is written back beside the commits, and never lost."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from antiphon.ledger import checkpoints
from antiphon.ledger.checkpoints import Checkpoints
from antiphon.ledger.sql import SqlStore, open_store
from antiphon.ledger.tables import LINK
from tests.ledger.processes import line_of, python
from tests.ledger.rows import link, put

SMALL = 1 << 18

WRITER = """
import itertools, sys
from antiphon.ledger import checkpoints
from antiphon.ledger.sql import open_store
from antiphon.ledger.tables import LINK
from tests.ledger.rows import link, put

store = open_store(f"sqlite:///{sys.argv[1]}")
store.database.checkpoints._limit = store.database.checkpoints._due = 1 << 16
for turn in itertools.count():
    put(store, LINK, *(link(f"{turn}-{n}") for n in range(50)))
    print(turn, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def store(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqlStore]:
    monkeypatch.setattr(Checkpoints.__init__, "__kwdefaults__", {"limit": SMALL})
    made = open_store(f"sqlite:///{path}")
    yield made
    made.close()


def log_of(path: Path) -> int:
    return path.with_name(f"{path.name}-wal").stat().st_size


def write(store: SqlStore, turns: range) -> None:
    for turn in turns:
        put(store, LINK, *(link(f"{turn}-{n}") for n in range(50)))


def test_no_commit_writes_the_log_back_but_the_log_stays_short(store: SqlStore, path: Path) -> None:
    longest, salts = 0, set()
    for turn in range(200):
        write(store, range(turn, turn + 1))
        longest = max(longest, log_of(path))
        salts.add(path.with_name(f"{path.name}-wal").read_bytes()[16:24])
    assert len(salts) > 2, "the log began anew"
    assert store._rows("PRAGMA wal_autocheckpoint")[0][0] == 0
    assert SMALL < longest <= (checkpoints.PATIENCE + 1) * SMALL
    assert store.count(LINK, "state", ("contact", "active")) == 200 * 50


def test_a_reader_that_stays_delays_the_emptying_and_loses_nothing(store: SqlStore, path: Path) -> None:
    write(store, range(1))
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM link").fetchall()
        write(store, range(1, 60))
        assert reader.execute("SELECT count(*) FROM link").fetchall() == [(50,)]
    write(store, range(60, 90))
    deadline = time.monotonic() + 10
    while log_of(path) > checkpoints.PATIENCE * SMALL and time.monotonic() < deadline:
        write(store, range(89, 90))
    assert log_of(path) <= checkpoints.PATIENCE * SMALL
    assert store.count(LINK, "state", ("contact", "active")) == 90 * 50


def test_what_was_committed_survives_a_kill_at_any_moment_of_a_checkpoint(path: Path) -> None:
    for wait in (0, 3, 10, 25):
        with python(WRITER, path) as process:
            said = int(line_of(process.stdout))
            for _ in range(wait):
                said = int(line_of(process.stdout))
            process.kill()
        store = open_store(f"sqlite:///{path}")
        assert store._rows("PRAGMA integrity_check") == [("ok",)]
        assert len(store.find(LINK, "state", [("contact", "active")])) >= 50 * (said + 1)
        with store.transaction():
            store.remove(LINK, [(row.lid,) for row in store.scan(LINK)])
        store.close()
        assert not path.with_name(f"{path.name}-wal").exists()


def test_a_checkpoint_that_fails_is_told_in_the_end(store: SqlStore, path: Path) -> None:
    made = store.database.checkpoints
    assert made is not None
    made._error = sqlite3.OperationalError("disk I/O error")
    with pytest.raises(sqlite3.OperationalError):
        made.wait()
    made.wait()
