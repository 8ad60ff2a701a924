"""tap-sql and target-sql on both ends: two databases of different kinds, users on both sides."""

import os
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.e2e.crm import BIN

duckdb = pytest.importorskip("duckdb")

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SYNC = """
name: shop
sides:
  crm:
    config: {{url: "sqlite:///{folder}/crm.db"}}
    tap: {{command: tap-sql}}
    target: {{command: target-sql}}
  warehouse:
    config: {{url: "duckdb:///{folder}/warehouse.duckdb"}}
    tap: {{command: tap-sql}}
    target: {{command: target-sql}}
entities:
  contact:
    sides:
      crm: {{stream: contacts, key: id, on_create: {{from: warehouse}}}}
      warehouse: {{stream: main-contacts, key: id, on_create: {{from: crm}}}}
    match: [email]
    initial: {{prefer: crm}}
    policy: park
    fields: {{email: email, city: city, balance: balance}}
"""
TABLE = "CREATE TABLE contacts (id integer PRIMARY KEY, email varchar(80), city varchar(80), balance decimal(12, 2))"


def antiphon(folder: Path, *words: str) -> str:
    path = os.pathsep.join((str(BIN), os.environ["PATH"]))  # our programs are beside Python
    env = {**os.environ, "PATH": path}
    ran = subprocess.run(["antiphon", *words], cwd=folder, capture_output=True, text=True, check=False, env=env)
    assert ran.returncode == 0, ran.stdout + ran.stderr[-3000:]
    return ran.stdout


def sync(folder: Path) -> str:
    return antiphon(folder, "sync")


def test_a_sqlite_file_and_a_duckdb_file_become_one_and_what_one_would_round_waits(tmp_path: Path) -> None:
    (tmp_path / "sync.yml").write_text(SYNC.format(folder=tmp_path), encoding="utf-8")
    with sqlite3.connect(tmp_path / "crm.db") as crm:
        crm.execute(TABLE)
        crm.execute(
            "INSERT INTO contacts VALUES (1, 'ada@example.com', 'Rome', 1.5), (2, 'bob@example.com', 'Oslo', 2)"
        )
    with duckdb.connect(tmp_path / "warehouse.duckdb") as warehouse:
        warehouse.execute(TABLE)
        warehouse.execute("INSERT INTO contacts VALUES (7, 'ada@example.com', 'Turin', 1.50)")

    sync(tmp_path)
    crm.execute("UPDATE contacts SET city = 'Bergen' WHERE id = 2")
    crm.commit()
    with duckdb.connect(tmp_path / "warehouse.duckdb") as warehouse:
        warehouse.execute("UPDATE contacts SET balance = 9.90 WHERE id = 2")
    sync(tmp_path)
    said = sync(tmp_path)

    assert crm.execute("SELECT id, city, balance FROM contacts ORDER BY id").fetchall() == [
        (1, "Rome", 1.5),
        (2, "Bergen", 9.9),
    ]
    with duckdb.connect(tmp_path / "warehouse.duckdb") as warehouse:
        shown = warehouse.execute("SELECT id, city, balance::varchar FROM contacts ORDER BY id").fetchall()
    assert shown == [(2, "Bergen", "9.90"), (7, "Rome", "1.50")]
    assert "Nothing to do." in said

    crm.execute("UPDATE contacts SET balance = 9.905 WHERE id = 2")  # SQLite keeps it, DuckDB would round it
    crm.commit()
    sync(tmp_path)
    waiting = antiphon(tmp_path, "conflicts", "list")
    with duckdb.connect(tmp_path / "warehouse.duckdb") as warehouse:
        assert warehouse.execute("SELECT balance::varchar FROM contacts WHERE id = 2").fetchone() == ("9.90",)
    assert "the column 'balance' cannot hold 9.905" in waiting
    crm.execute("UPDATE contacts SET balance = 9.91 WHERE id = 2")
    crm.commit()
    assert "0 conflicts" in sync(tmp_path)
    with duckdb.connect(tmp_path / "warehouse.duckdb") as warehouse:
        assert warehouse.execute("SELECT balance::varchar FROM contacts WHERE id = 2").fetchone() == ("9.91",)
    crm.close()
