"""Migrations: the tables they make, an older ledger that is opened, and one that fails half-way."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from antiphon.errors import LedgerError, LedgerOutdated
from antiphon.ledger import versions
from antiphon.ledger.database import Database
from antiphon.ledger.sql import open_database, open_store
from antiphon.ledger.tables import LINK, REVISION
from antiphon_sandbox import postgres
from tests.ledger.baseline import BASELINE, rendered
from tests.ledger.rows import link, put

ADDS_AN_INDEX = """
from alembic import op

revision = "0002"
down_revision = "0001"

def upgrade():
    op.create_index("link_created", "link", ["created"])
    op.execute("UPDATE link SET match_rule = 'of the newer schema'")
"""
FAILS_HALF_WAY = ADDS_AN_INDEX + "    raise ValueError('half-way')\n"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    cluster: postgres.Cluster = request.getfixturevalue("cluster")
    return cluster.url()


@pytest.fixture
def newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A version of Antiphon with one more migration; the module to write it to."""
    scripts = tmp_path / "migrations"
    shutil.copytree(versions.MIGRATIONS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    _set_revision(monkeypatch, "0002")
    monkeypatch.setattr(versions, "MIGRATIONS", scripts)
    return scripts / "versions" / "v0002_newer.py"


@contextmanager
def older() -> Iterator[None]:
    """The version before it, for a moment."""
    with pytest.MonkeyPatch.context() as patch:
        _set_revision(patch, "0001")
        yield


def _set_revision(patch: pytest.MonkeyPatch, revision: str) -> None:
    for module in ("versions", "sql", "backup"):
        patch.setattr(f"antiphon.ledger.{module}.REVISION", revision)


def shape(database: Database) -> Any:
    """Every table with its columns, key and indexes, as the database itself describes them."""
    inspector = sa.inspect(database.connection)
    tables = sorted(set(inspector.get_table_names(database.schema)) - {"alembic_version"})
    if database.schema is None:
        found = database.connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql LIKE '% INDEX %'")
    else:
        query = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()"
        found = database.connection.exec_driver_sql(query)
    indexes = {name: " ".join(text.replace(f"{database.schema}.", "").split()) for name, text in found}
    columns = {
        name: {
            column["name"]: (str(column["type"]), column["nullable"], column["default"], column.get("identity"))
            for column in inspector.get_columns(name, database.schema)
        }
        for name in tables
    }
    keys = {name: inspector.get_pk_constraint(name, database.schema)["constrained_columns"] for name in tables}
    return columns, keys, indexes


def test_the_first_migration_is_what_the_row_classes_ask_for() -> None:
    assert BASELINE.read_text(encoding="utf-8") == rendered(), "run `make baseline`"


def test_the_migrations_end_at_the_revision_that_is_stamped() -> None:
    assert ScriptDirectory(versions.MIGRATIONS).get_heads() == [REVISION]


def test_migrations_and_row_classes_make_the_same_tables(url: str, name: str, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path}/migrated.db" if url.startswith("sqlite") else url
    with (
        closing(open_store(url, name=name)) as derived,
        closing(open_database(other, name=f"{name}-migrated")) as migrated,
    ):
        migrated.found()
        versions.migrate(migrated.connection, REVISION)
        assert shape(migrated) == shape(derived.database)
        assert versions.revision_of(migrated) == REVISION


def test_an_older_ledger_is_saved_and_migrated(url: str, name: str, newer: Path, tmp_path: Path) -> None:
    with older(), closing(open_store(url, name=name)) as store:
        put(store, LINK, link("l1"), link("nul\x00and\x01more"))
    newer.write_text(ADDS_AN_INDEX, encoding="utf-8")
    with pytest.raises(LedgerOutdated, match=r"older Antiphon \(its schema is 0001, this one's is 0002\)"):
        open_store(url, name=name)
    with closing(open_store(url, name=name, backups=tmp_path / "backups")) as store:
        assert {row.match_rule for row in store.scan(LINK)} == {"of the newer schema"}
    open_store(url, name=name).close()
    saved = tmp_path / "backups" / "before-migration-from-0001.db"
    with closing(sqlite3.connect(saved)) as backup:
        assert backup.execute("SELECT lid, match_rule FROM link ORDER BY lid").fetchall() == [
            ("l1", ""),
            ("nul\x00and\x01more", ""),
        ]
        assert backup.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
    assert saved.stat().st_mode & 0o077 == 0


def test_a_migration_that_fails_leaves_the_ledger_as_it_was(url: str, name: str, newer: Path, tmp_path: Path) -> None:
    with older(), closing(open_store(url, name=name)) as store:
        put(store, LINK, link("l1"))
        before = shape(store.database)
    newer.write_text(FAILS_HALF_WAY, encoding="utf-8")
    for _ in range(2):
        with pytest.raises(ValueError, match="half-way"):
            open_store(url, name=name, backups=tmp_path / "backups")
    with closing(open_database(url, name=name)) as database:
        assert versions.revision_of(database) == "0001"
        assert shape(database) == before
    newer.write_text(ADDS_AN_INDEX, encoding="utf-8")
    open_store(url, name=name, backups=tmp_path / "backups").close()


def test_without_room_for_a_backup_nothing_is_migrated(url: str, name: str, newer: Path, tmp_path: Path) -> None:
    with older():
        open_store(url, name=name).close()
    newer.write_text(ADDS_AN_INDEX, encoding="utf-8")
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match="no backup of the ledger can be written"):
        open_store(url, name=name, backups=tmp_path / "file" / "backups")
    with closing(open_database(url, name=name)) as database:
        assert versions.revision_of(database) == "0001"
