"""Restore: a backup takes the ledger's place, and nothing is deleted on any side until both were read in full.

What happened since the backup was made is not in it: the sides show it again. What must not come back is kept apart:
the epoch, so that a runner of the time between stays fenced off, and the number of the last operation, so that an old
acknowledgement is not taken for one of a new operation.
"""

from __future__ import annotations

import shutil
from contextlib import closing, suppress
from pathlib import Path

import sqlalchemy as sa

from antiphon.errors import ConfigError, LedgerError
from antiphon.ledger import Ledger
from antiphon.ledger.backup import copy_rows, save
from antiphon.ledger.database import Database
from antiphon.ledger.sql import SqlStore, open_database, open_store
from antiphon.ledger.statements import METADATA
from antiphon.ledger.tables import REVISION
from antiphon.ledger.versions import VERSION, found, revision_of
from antiphon.model import Instance, Instant

RESTORED = "this ledger was restored from a backup: no deletes until both sides were read in full"
_SQLITE = "sqlite:///"


def restore(file: Path, url: str, *, name: str, backups: Path, now: Instant) -> Instance:
    """Put the backup in the ledger's place, all of it or nothing; what it replaces goes to the folder `backups`.

    The caller holds the lease. An older backup is migrated on the way. Returns the ledger's own row as restored.
    Raises `ConfigError` if there is no such file, and `LedgerError` if it is no backup of this sync.
    """
    if not file.is_file():
        raise ConfigError(f"there is no backup {file}", hint="`antiphon backup FILE` makes one")
    backups.mkdir(parents=True, exist_ok=True)
    fresh = backups / "restoring.db"
    try:
        shutil.copyfile(file, fresh)
        fresh.chmod(0o600)
        reached = _put_aside(url, name, backups / f"replaced-{now:016d}.db")
        instance = _made_ready(fresh, name, backups, reached, now)
        if url.startswith(_SQLITE):
            _put_file(fresh, Path(url.removeprefix(_SQLITE)))
        else:
            _put_rows(fresh, url, name)
    except OSError as error:
        raise LedgerError(
            f"the backup {file} cannot be put in the ledger's place: {error.strerror}",
            hint="see that the folder of the ledger may be written and has room; the ledger is as it was",
        ) from error
    finally:
        for part in (fresh, *_beside(fresh)):
            part.unlink(missing_ok=True)
    return instance


def _made_ready(fresh: Path, name: str, backups: Path, reached: tuple[int, int] | None, now: Instant) -> Instance:
    """The copy of the backup as it goes into use."""
    with closing(open_store(f"{_SQLITE}{fresh}", make=False, backups=backups)) as store:
        ledger = Ledger(store)
        instance = ledger.create(ledger_id="", name=name, now=now)
        with store.transaction():
            ledger.update_instance(
                deletes_blocked=instance.deletes_blocked or RESTORED,
                blocked_at=now,
                epoch=max(instance.epoch, reached[0] if reached else 0),
                seq=max(instance.seq, reached[1] if reached else 0),
            )
        return ledger.instance


def _put_aside(url: str, name: str, aside: Path) -> tuple[int, int] | None:
    """Keep what is to be replaced, damaged or not. Returns its epoch and last number, if they can be read."""
    if url.startswith(_SQLITE):
        return _put_file_aside(url, Path(url.removeprefix(_SQLITE)), aside)
    with closing(open_database(url, name=name)) as database:
        try:
            revision = revision_of(database)
            if revision is None:
                return None
            save(database, aside, revision)
            return _reached(database)
        except (LedgerError, sa.exc.DBAPIError):
            rename = f"ALTER SCHEMA {database.schema} RENAME TO {database.schema}_{aside.stem[-8:]}"
            database.connection.exec_driver_sql(rename)
            return None


def _put_file_aside(url: str, place: Path, aside: Path) -> tuple[int, int] | None:
    if not place.exists():
        return None
    try:
        with closing(open_database(url, make=False)) as database:
            save(database, aside, REVISION)
            return _reached(database)
    except (LedgerError, sa.exc.DBAPIError):
        for part in (place, *_beside(place)):
            if part.is_file():
                shutil.copyfile(part, aside.with_name(aside.name + part.name.removeprefix(place.name)))
        return None


def _reached(database: Database) -> tuple[int, int] | None:
    found = database.connection.exec_driver_sql("SELECT epoch, seq FROM instance").first()
    return (int(found[0]), int(found[1])) if found else None


def _put_file(fresh: Path, place: Path) -> None:
    """The write-ahead log of the old file must be gone before the new one stands there, or SQLite would apply it."""
    damaged = suppress(LedgerError, ConfigError, sa.exc.DBAPIError)  # then there is nothing to fold in
    with damaged, closing(open_database(f"{_SQLITE}{place}", make=False)) as old:
        old.connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").close()
    for part in _beside(place):
        part.unlink(missing_ok=True)
    fresh.replace(place)


def _put_rows(fresh: Path, url: str, name: str) -> None:
    with (
        closing(open_database(f"{_SQLITE}{fresh}", make=False)) as source,
        closing(open_database(url, name=name)) as target,
        SqlStore(target).transaction(),
    ):
        target.found()
        METADATA.drop_all(target.connection)
        VERSION.drop(target.connection, checkfirst=True)
        found(target.connection)
        copy_rows(source, target)


def _beside(place: Path) -> tuple[Path, Path]:
    return place.with_name(f"{place.name}-wal"), place.with_name(f"{place.name}-shm")
