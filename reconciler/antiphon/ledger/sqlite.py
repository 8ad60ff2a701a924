"""What is special about SQLite: how to open it so that nothing is lost, and what its errors ask of the reader."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from antiphon.errors import LedgerBusy, LedgerError
from antiphon.ledger.checkpoints import Checkpoints
from antiphon.ledger.database import Database, missing

_BEGIN = "BEGIN IMMEDIATE"  # takes the lock for writing at once: a transaction that began will not be refused later
BEGIN = {True: ("PRAGMA synchronous = FULL", _BEGIN), False: ("PRAGMA synchronous = NORMAL", _BEGIN)}
"""A full commit makes the log durable to its end, and with it whatever was committed before (`pragma.html`)."""
_KIBIBYTES_OF_CACHE = 64 * 1024


def open_database(url: sa.URL, *, busy_timeout: float, make: bool) -> Database:
    """A database that waits up to `busy_timeout` seconds for others; nothing is written yet.

    Raises `LedgerError` if the folder cannot be made or the file not be opened, and `ConfigError` if the file is not
    there and not to be made.
    """
    place = url.database or ":memory:"
    connection = _connect(url, place, busy_timeout, make=make)
    checkpoints = Checkpoints(Path(place)) if place != ":memory:" else None
    return Database(
        connection,
        place,
        begin=BEGIN,
        explain=partial(explain, place=place),
        prepare=partial(_prepare, connection),
        found=lambda: None,
        foreign="name another file at `ledger:`; this one is left as it is",
        scrub=partial(_scrub, connection, place, checkpoints),
        checkpoints=checkpoints,
    )


def _connect(url: sa.URL, place: str, busy_timeout: float, *, make: bool) -> sa.Connection:
    if url.database and url.database != ":memory:":
        if not make and not Path(url.database).exists():
            raise missing(place)
        folder = Path(url.database).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _touch(Path(url.database))
        except OSError as error:
            raise LedgerError(
                f"the folder {folder} of the ledger cannot be made: {error.strerror}",
                hint="make it yourself, or name another one at `ledger:`",
            ) from error
    # Another thread would write into the transaction of this one, so the driver is to refuse it.
    options = {"timeout": busy_timeout, "check_same_thread": True}
    engine = sa.create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=options)
    try:
        return engine.connect()
    except sa.exc.DBAPIError as error:
        raise explain(error.orig, place) from error


def _touch(file: Path) -> None:
    """A new file, and what SQLite puts beside it, is for its owner alone: it holds what two systems hold of people."""
    with suppress(OSError):  # it is there already; anything else SQLite tells of in its own way
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _prepare(connection: sa.Connection) -> None:
    """Choose durability over speed, readers that never wait, and no remains of deleted values in the file."""
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "secure_delete = ON",
        "wal_autocheckpoint = 0",  # see `ledger.checkpoints`
        f"cache_size = -{_KIBIBYTES_OF_CACHE}",
    ):
        connection.exec_driver_sql(f"PRAGMA {pragma}").close()


def _scrub(connection: sa.Connection, place: str, checkpoints: Checkpoints | None) -> list[str]:
    """`secure_delete` has overwritten what was deleted; VACUUM also drops copies that moved rows left inside pages."""
    try:
        if checkpoints is not None:
            checkpoints.wait()
        connection.exec_driver_sql("VACUUM").close()
        busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar()
    except sa.exc.DBAPIError as error:
        raise explain(error.orig, place) from error
    except sqlite3.Error as error:
        raise explain(error, place) from error
    if busy:
        raise LedgerBusy(
            f"the values are erased, but the write-ahead log of {place} still holds them: another program is reading",
            hint="let it end, then run the same command again",
        )
    return []


def explain(error: BaseException | None, place: str) -> LedgerError:
    """What an error of the driver asks of the user (https://sqlite.org/rescode.html, section 3)."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    make, message, hint = _MEANINGS.get(code, _UNKNOWN)
    return make(f"{message.format(place=place)} ({error})", hint=hint)


_DAMAGED = "restore the last backup; the file is left as it is"
_RETRY = "nothing of it was written; run again"
_UNKNOWN: tuple[Callable[..., LedgerError], str, str] = (LedgerError, "the ledger {place} cannot be used", _RETRY)
_MEANINGS: dict[int, tuple[Callable[..., LedgerError], str, str]] = {
    sqlite3.SQLITE_BUSY: (
        LedgerBusy,
        "the ledger {place} is locked by another process",
        "let it finish, then run again",
    ),
    sqlite3.SQLITE_LOCKED: (
        LedgerBusy,
        "the ledger {place} is locked by itself",
        "let it finish, then run again",
    ),
    sqlite3.SQLITE_READONLY: (
        LedgerError,
        "the ledger {place} is read-only",
        "allow writing to the file and to its folder, then run again",
    ),
    sqlite3.SQLITE_IOERR: (
        LedgerError,
        "the disk failed to read or write the ledger {place}",
        "see whether the disk is full or failing, then run again; nothing half-written is kept",
    ),
    sqlite3.SQLITE_FULL: (
        LedgerError,
        "the disk is full: the ledger {place} cannot grow",
        "make room, then run again; nothing half-written is kept",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        LedgerError,
        "the ledger {place} cannot be opened",
        "see that the path is a file in a folder that you may read and write",
    ),
    sqlite3.SQLITE_CORRUPT: (LedgerError, "the ledger {place} is damaged", _DAMAGED),
    sqlite3.SQLITE_NOTADB: (LedgerError, "the ledger {place} is damaged, or no database at all", _DAMAGED),
    sqlite3.SQLITE_CONSTRAINT: (
        LedgerError,
        "the ledger {place} refused rows that contradict each other",
        "nothing of it was written; please report this, it is a fault of Antiphon",
    ),
}
