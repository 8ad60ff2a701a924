"""`replication: diff` and `log`: what changed and what was deleted crosses, and an unchanged table sends nothing."""

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from antiphon_sandbox import postgres
from tap_sql.engines import make_engine

duckdb = pytest.importorskip("duckdb")

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

MANY = 300
SYNC = """
name: shop
sides:
  crm:
    config: {{url: "sqlite:///{folder}/crm.db"}}
    tap: {{command: tap-sql}}
    target: {{command: target-sql}}
  warehouse:
    config: {{url: "{url}"}}
    tap: {{command: tap-sql}}
    target: {{command: target-sql}}
entities:
  contact:
    sides:
      crm: {{stream: contacts, key: id, replication: {crm}}}
      warehouse: {{stream: {stream}, key: id, replication: {warehouse}}}
    initial: {{prefer: crm}}
    policy: park
    on_delete: delete
    fields: {{id: id, email: email, notes: notes}}
"""
TABLE = "CREATE TABLE contacts (id integer PRIMARY KEY, email varchar(80), notes text)"
ROWS = [(n, f"{n}@example.com", f"note {n}") for n in range(1, MANY + 1)]


@dataclass
class Shop:
    """Two databases and the sync between them."""

    folder: Path
    url: str

    def write(self, *statements: str) -> None:
        """Edit the warehouse."""
        if self.url.startswith("duckdb:"):
            with duckdb.connect(self.url.removeprefix("duckdb:///")) as warehouse:
                for statement in statements:
                    warehouse.execute(statement)
            return
        engine = make_engine(self.url, read_only=False)
        with engine.begin() as warehouse:
            warehouse.exec_driver_sql("SET synchronous_commit = on")
            for statement in statements:
                warehouse.exec_driver_sql(statement)
        engine.dispose()

    def crm(self, *statements: str) -> list[tuple[object, ...]]:
        """Edit the CRM; its rows afterwards."""
        with sqlite3.connect(self.folder / "crm.db") as crm:
            for statement in statements:
                crm.execute(statement)
            rows = crm.execute("SELECT id, email, notes FROM contacts ORDER BY id").fetchall()
        crm.close()
        return rows

    def warehouse(self) -> list[tuple[object, ...]]:
        """The warehouse's rows."""
        sql = "SELECT id, email, notes FROM contacts ORDER BY id"
        if self.url.startswith("duckdb:"):
            with duckdb.connect(self.url.removeprefix("duckdb:///")) as warehouse:
                return list(warehouse.execute(sql).fetchall())
        engine = make_engine(self.url)
        with engine.connect() as connection:
            rows = [tuple(row) for row in connection.exec_driver_sql(sql)]
        engine.dispose()
        return rows

    def ran(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = ["antiphon", *(arguments or ("sync",))]
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))  # our programs are beside Python
        env = {**os.environ, "PATH": path}
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, env=env)

    def sync(self, *arguments: str) -> str:
        """One round."""
        ran = self.ran("sync", *arguments)
        assert ran.returncode == 0, ran.stdout + ran.stderr[-3000:]
        return ran.stdout + ran.stderr


def shop(folder: Path, *, url: str, stream: str, crm: str, warehouse: str) -> Shop:
    """Both sides hold the same rows."""
    text = SYNC.format(folder=folder, url=url, stream=stream, crm=crm, warehouse=warehouse)
    (folder / "sync.yml").write_text(text, encoding="utf-8")
    made = Shop(folder, url)
    with sqlite3.connect(folder / "crm.db") as table:
        table.execute(TABLE)
        table.executemany("INSERT INTO contacts VALUES (?, ?, ?)", ROWS)
    table.close()
    rows = ", ".join(f"({n}, '{email}', '{notes}')" for n, email, notes in ROWS)
    made.write(TABLE, f"INSERT INTO contacts VALUES {rows}")
    return made


@pytest.fixture(scope="module")
def logged() -> Iterator[str]:
    """The URL of a PostgreSQL database that keeps a logical log."""
    with tempfile.TemporaryDirectory(prefix="antiphon-changes-") as name:  # pytest's own is closed to the server
        data = Path(name) / "cluster"
        with postgres.running(data) as cluster, postgres.connect(cluster) as connection:
            connection.autocommit = True
            connection.execute("ALTER SYSTEM SET wal_level = logical")
        cluster = postgres.start(data)
        postgres.create_database(cluster, "shop")
        yield cluster.url("shop")
        postgres.stop(cluster, mode="immediate")


def by_diff(folder: Path) -> Shop:
    url = f"duckdb:///{folder}/warehouse.duckdb"
    return shop(folder, url=url, stream="main-contacts", crm="diff", warehouse="diff")


def by_log(folder: Path, url: str) -> Shop:
    return shop(folder, url=url, stream="public-contacts", crm="diff", warehouse="log")


@pytest.fixture(params=["diff", "log"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    """A CRM read by diff, and a warehouse read by diff or by log."""
    if request.param == "diff":
        yield by_diff(tmp_path)
        return
    made = by_log(tmp_path, request.getfixturevalue("logged"))
    yield made
    made.write("DROP TABLE contacts")


def test_an_edit_an_insert_and_a_deletion_cross_without_a_full_read(both: Shop) -> None:
    first = both.sync()
    assert f"read warehouse contact: {MANY} records" in first
    second = both.sync()
    assert "read crm contact: 0 records" in second
    assert "read warehouse contact: 0 records" in second

    long = "€" * 3000  # PostgreSQL keeps it apart, and its log does not repeat it
    both.write(
        "UPDATE contacts SET email = 'new@example.com' WHERE id = 1",
        f"INSERT INTO contacts VALUES (1001, 'w@example.com', '{long}')",
        "DELETE FROM contacts WHERE id = 2",
    )
    both.crm(
        "UPDATE contacts SET notes = 'edited' WHERE id = 3",
        "INSERT INTO contacts VALUES (2001, 'c@example.com', NULL)",
        "DELETE FROM contacts WHERE id = 4",
    )
    third = both.sync()
    assert "read crm contact: 3 records, 3 changed" in third
    assert "read warehouse contact: 3 records, 3 changed" in third

    unchanged = [row for row in ROWS if row[0] not in (1, 2, 3, 4)]
    expected = [
        (1, "new@example.com", "note 1"),
        (3, "3@example.com", "edited"),
        *unchanged,
        (1001, "w@example.com", long),
        (2001, "c@example.com", None),
    ]
    assert both.crm() == expected
    assert both.warehouse() == expected
    assert "Nothing to do." in both.sync()  # it is shown what was written, and knows it


def test_a_deletion_that_no_read_tells_of_is_proven_by_two_full_ones(tmp_path: Path) -> None:
    both = by_diff(tmp_path)
    both.crm("INSERT INTO contacts VALUES (2001, 'c@example.com', NULL)")
    both.sync()
    both.write("DELETE FROM contacts WHERE id = 2001")  # our target wrote it, and no read has seen it yet
    assert "read warehouse contact: 0 records, 0 changed, 1 missing" in both.sync()
    both.write("DELETE FROM contacts WHERE id = 7")
    assert f"read warehouse contact: {MANY - 1} records, 0 changed, 2 missing" in both.sync()
    assert len(both.crm()) == MANY

    assert f"read warehouse contact: {MANY - 1} records" in both.sync()
    assert {7, 2001}.isdisjoint(row[0] for row in both.crm())
    assert "read warehouse contact: 0 records" in both.sync()


def test_a_column_that_the_log_does_not_repeat_is_unchanged(tmp_path: Path, logged: str) -> None:
    made = by_log(tmp_path, logged)
    long = "".join(f"{n} not to be compressed away " for n in range(20_000))
    made.write(
        f"UPDATE contacts SET notes = '{long}' WHERE id = 1", "ALTER TABLE contacts ALTER notes SET STORAGE EXTERNAL"
    )
    made.crm(f"UPDATE contacts SET notes = '{long}' WHERE id = 1")
    made.sync()
    made.write("UPDATE contacts SET email = 'moved@example.com' WHERE id = 1")
    made.sync()
    assert made.crm()[0] == (1, "moved@example.com", long)

    made.crm("UPDATE contacts SET notes = 'short' WHERE id = 1")
    made.sync()
    assert made.warehouse()[0] == (1, "moved@example.com", "short")
    made.write("DROP TABLE contacts")


def test_a_method_that_the_tap_does_not_list_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    made = by_diff(tmp_path)
    there = tmp_path / "sync.yml"
    text = there.read_text(encoding="utf-8")
    there.write_text("replication: log".join(text.rsplit("replication: diff", 1)), encoding="utf-8")

    ran = made.ran()

    assert ran.returncode == 64
    assert "entities.contact.sides.warehouse.replication: found 'log', but tap-sql of warehouse" in ran.stderr
    assert "cannot read main-contacts by LOG_BASED; allowed: full, incremental, diff" in ran.stderr
    assert "Traceback" not in ran.stderr
