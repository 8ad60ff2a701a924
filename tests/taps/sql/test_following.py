"""`follow: true`: the tap stays, says when something changed, and shows it whenever it is asked."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.taps.sql.conftest import Database
from tests.taps.sql.reader import catalog_of, discover, read

STREAM = "public-contacts"
CONTACTS = "CREATE TABLE contacts (id integer PRIMARY KEY, email text)"
ROWS = "INSERT INTO contacts VALUES (1, 'ada@example.com'), (2, 'bob@example.com'), (3, 'eve@example.com')"


class Tap:
    """The tap as a process, asked line by line."""

    def __init__(self, folder: Path, url: str, catalog: dict[str, Any], state: dict[str, Any], slot: str) -> None:
        for name, content in (
            ("config", {"url": url, "slot": slot, "publication": slot, "follow": True}),
            ("catalog", catalog),
            ("state", state),
        ):
            (folder / f"{name}.json").write_text(json.dumps(content))
        arguments = [f"--{name}={folder / name}.json" for name in ("config", "catalog", "state")]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tap_sql", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        self.asked = 0

    def ask(self, question: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(question).encode() + b"\n")

    def heard(self, seconds: float = 20) -> dict[str, Any]:
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], seconds)[0], "the tap says nothing"
        message: dict[str, Any] = json.loads(self.process.stdout.readline())
        return message

    def read(self) -> list[dict[str, Any]]:
        """The messages of an answer."""
        self.asked += 1
        self.ask({"type": "READ", "read": self.asked})
        found = []
        while (message := self.heard()) != {"type": "FOLLOW", "shown": self.asked}:
            if message != {"type": "FOLLOW", "changed": True}:
                found.append(message)
        return found

    def read_much(self) -> list[dict[str, Any]]:
        """The same, in large blocks."""
        assert self.process.stdout is not None
        self.asked += 1
        self.ask({"type": "READ", "read": self.asked})
        blocks = [b""]
        while b'"shown"' not in b"".join(blocks[-2:]):
            assert select.select([self.process.stdout], [], [], 20)[0], "the tap says nothing"
            blocks.append(os.read(self.process.stdout.fileno(), 1 << 20))
        return [json.loads(line) for line in b"".join(blocks).splitlines()]


@contextmanager
def following(folder: Path, url: str, catalog: dict[str, Any], state: dict[str, Any], slot: str) -> Iterator[Tap]:
    tap = Tap(folder, url, catalog, state, slot)
    try:
        yield tap
    finally:
        assert tap.process.stdin is not None
        tap.process.stdin.close()
        assert tap.process.wait(20) == 0
        assert tap.process.stdout is not None
        tap.process.stdout.close()


@pytest.fixture
def log(pg: Database) -> Iterator[Database]:
    """A database with a table, whose slot is dropped in the end."""
    pg.run(CONTACTS, ROWS)
    yield pg
    pg.run(f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{slot_of(pg)}'")


def slot_of(database: Database) -> str:
    return database.url.rpartition("/")[2]


def confirmed(database: Database) -> str:
    query = "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = current_database()"
    return database.ask(query)


def shown(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [message["record"] for message in messages if message["type"] == "RECORD"]


def test_the_log_is_told_of_at_once_shown_when_asked_and_kept_until_its_state_is_stored(
    log: Database, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first = read(log.url, STREAM, method="LOG_BASED", slot=slot_of(log), publication=slot_of(log))
    catalog = catalog_of(discover(log.url)[STREAM], method="LOG_BASED")
    with following(tmp_path, log.url, catalog, first.state, slot_of(log)) as tap:
        assert tap.heard(60) == {"type": "FOLLOW", "pushes": True}
        assert tap.read() == []

        log.run("UPDATE contacts SET email = 'first@example.com' WHERE id = 1")
        assert tap.heard() == {"type": "FOLLOW", "changed": True}
        log.run("UPDATE contacts SET email = 'last@example.com' WHERE id = 1", "DELETE FROM contacts WHERE id = 2")
        answer = tap.read()

        assert [message["type"] for message in answer] == ["SCHEMA", "RECORD", "RECORD", "STATE"]
        assert answer[0]["sync"].keys() == {"account", "clock"}
        assert shown(answer)[0] == {"id": 1, "email": "last@example.com"}
        assert answer[2]["sync"] == {"state": "gone"}
        assert tap.read() == []

        before = confirmed(log)
        tap.ask(answer[-1])
        tap.read()
        assert before < confirmed(log) == answer[-1]["value"]["bookmarks"][STREAM]["lsn"]
    assert '"metric":"log_kept_bytes"' in capfd.readouterr().err

    log.run("UPDATE contacts SET email = 'meanwhile@example.com' WHERE id = 3")
    with following(tmp_path, log.url, catalog, answer[-1]["value"], slot_of(log)) as again:
        assert again.heard(60) == {"type": "FOLLOW", "pushes": True}
        assert shown(again.read()) == [{"id": 3, "email": "meanwhile@example.com"}]


def test_while_nobody_asks_the_server_waits_and_then_everything_is_shown(log: Database, tmp_path: Path) -> None:
    """Of 100 MB the tap keeps 32, and what is on its way: the server has not sent the rest."""
    first = read(log.url, STREAM, method="LOG_BASED", slot=slot_of(log), publication=slot_of(log))
    catalog = catalog_of(discover(log.url)[STREAM], method="LOG_BASED")
    with following(tmp_path, log.url, catalog, first.state, slot_of(log)) as tap:
        assert tap.heard(60) == {"type": "FOLLOW", "pushes": True}
        log.run("ALTER TABLE contacts ALTER COLUMN email SET STORAGE EXTERNAL")
        for begin in range(10, 110, 10):
            log.run(f"INSERT INTO contacts SELECT n, repeat('x', 1000000) FROM generate_series({begin}, {begin + 9}) n")
        assert tap.heard() == {"type": "FOLLOW", "changed": True}
        unsent = (
            "SELECT pg_current_wal_lsn() - sent_lsn FROM pg_stat_replication "
            "JOIN pg_replication_slots ON pid = active_pid WHERE slot_name = current_database()"
        )
        waits = [int(log.ask(unsent))]
        while len(waits) < 2 or waits[-1] != waits[-2]:
            time.sleep(0.5)
            waits.append(int(log.ask(unsent)))
        status = Path(f"/proc/{tap.process.pid}/status").read_text()
        resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
        assert waits[-1] > 10_000_000, (waits, resident)
        assert resident < 250_000, resident
        assert [record["id"] for record in shown(tap.read_much())] == list(range(10, 110))


def test_other_streams_are_read_over_and_over(database: Database, tmp_path: Path) -> None:
    database.run(CONTACTS, ROWS)
    stream = database.stream("contacts")
    catalog = catalog_of(discover(database.url)[stream], method="INCREMENTAL", by="id")
    with following(tmp_path, database.url, catalog, {}, "unused") as tap:
        assert tap.heard(60) == {"type": "FOLLOW", "pushes": False}
        assert [record["id"] for record in shown(tap.read())] == [1, 2, 3]
        database.run("INSERT INTO contacts VALUES (4, 'new@example.com')")
        assert shown(tap.read()) == [{"id": 3, "email": "eve@example.com"}, {"id": 4, "email": "new@example.com"}]
