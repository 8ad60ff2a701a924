"""Backups: a whole ledger, as of one moment, in one SQLite file, whatever database it is kept in.

A backup is itself a ledger that `sqlite:///FILE` opens. So it needs no tool of the server's, `restore` reads the same
file into either kind of database, and a ledger moves from a file to a server by a backup and a restore.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from antiphon.errors import LedgerError
from antiphon.ledger import sqlite
from antiphon.ledger.columns import with_null_character, without_null_character
from antiphon.ledger.database import Database
from antiphon.ledger.tables import REVISION
from antiphon.ledger.versions import found, migrate
from antiphon.model import Instant

KEPT = 3
"""So many backups of runs are kept."""
CHEAP = 32 * 1024 * 1024
"""Up to this size, in bytes, a ledger's file is copied at the start of each run that may write: a tenth of a second."""

_PAGE = 5000  # rows in memory at a time
_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


def save(database: Database, file: Path, revision: str) -> None:
    """Write what the ledger holds now to `file`, in place of what stands there, and only once all of it is written.

    Other processes may read and write meanwhile; none of what they write is in the file. Raises `LedgerError` if the
    file cannot be written.
    """
    part = file.with_name(f"{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # it holds what the ledger holds
        if database.schema is None:
            _copy_file(database, part)
        else:
            _copy_schema(database, part, revision)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(file)
    except (OSError, sqlite3.Error) as error:
        raise LedgerError(
            f"no backup of the ledger can be written to {file}: {error}",
            hint="see that the folder is there, may be written, and has room",
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def save_run(database: Database, folder: Path, run_id: str, now: Instant) -> bool:
    """Keep the ledger as it is before a run, if that is cheap; false if it is not. Raises as `save`.

    A ledger on a server is left to the server's own backups.
    """
    place = Path(database.place)
    if database.schema is not None or not place.is_file() or place.stat().st_size > CHEAP:
        return False
    save(database, folder / f"run-{now:016d}-{run_id}.db", REVISION)
    for old in sorted(folder.glob("run-*.db"))[:-KEPT]:
        old.unlink(missing_ok=True)
    return True


def _copy_file(database: Database, part: Path) -> None:
    source: Any = database.connection.connection.driver_connection  # the driver's own connection
    with closing(sqlite3.connect(part)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it


def _copy_schema(database: Database, part: Path, revision: str) -> None:
    file = sqlite.open_database(sa.make_url(f"sqlite:///{part}"), busy_timeout=0, make=True)
    with closing(file), _alone(file):
        if revision == REVISION:
            found(file.connection)
        else:
            migrate(file.connection, revision)
        with _snapshot(database):
            copy_rows(database, file)


def copy_rows(source: Database, target: Database) -> None:
    """Copy every row of every table of one ledger into another that has the same tables and no rows."""
    described = sa.MetaData()
    described.reflect(source.connection, schema=source.schema)
    for table in described.sorted_tables:
        if table.name == "alembic_version":
            continue
        into = sa.table(table.name, *(sa.column(c.name) for c in table.columns), schema=target.schema)
        rows = source.connection.execute(sa.select(table), execution_options={"yield_per": _PAGE})
        for page in rows.partitions():
            values = [dict(zip(table.columns.keys(), _converted(row, source, target), strict=True)) for row in page]
            target.connection.execute(sa.insert(into), values)


def _converted(row: Any, source: Database, target: Database) -> tuple[Any, ...]:
    """The row's values for a database of the other kind: only PostgreSQL's texts have no U+0000."""
    if (source.schema is None) is (target.schema is None):
        return tuple(row)
    convert = without_null_character if source.schema is None else with_null_character
    return tuple(convert(value) if isinstance(value, str) else value for value in row)


@contextmanager
def _alone(file: Database) -> Iterator[None]:
    for statement in file.begin[True]:
        file.connection.exec_driver_sql(statement)
    yield
    file.connection.exec_driver_sql("COMMIT")


@contextmanager
def _snapshot(database: Database) -> Iterator[None]:
    database.connection.exec_driver_sql(_SNAPSHOT)
    try:
        yield
    finally:
        database.connection.exec_driver_sql("ROLLBACK")
