"""The ledger in an SQL database. What is special about each kind stands in `ledger.sqlite` and `ledger.postgres`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPICursor

from antiphon.errors import LedgerError, LedgerOutdated
from antiphon.ledger import postgres, sqlite
from antiphon.ledger.backup import save
from antiphon.ledger.database import Database, missing, read_url
from antiphon.ledger.recent import Recent
from antiphon.ledger.statements import PAGE, Statements
from antiphon.ledger.store import Key
from antiphon.ledger.tables import BASE, LINK, OBS, REVISION, TABLES, Table
from antiphon.ledger.versions import found, migrate, revision_of

R = TypeVar("R")

_FIRST = 10
"""So many are read at first of the latest rows of an index, and then a page at a time."""
_FEW = 500
"""So many rows are written before a database that chooses indexes by statistics is asked to take them."""


class SqlStore:
    """`Store` over one connection in autocommit mode, for the thread that made it by `open_store`."""

    def __init__(self, database: Database) -> None:
        self.database = database
        dialect = database.connection.dialect
        self._driver = (
            database.connection.connection
        )  # SQLAlchemy only writes the SQL: in each query it would cost most
        self._error = dialect.loaded_dbapi.Error
        self._writing = False
        self._written: Counter[str] = Counter()
        self._counted: Counter[str] = Counter()
        self._statements = {table.name: Statements(table, dialect) for table in TABLES}
        self._recent = Recent()

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[None]:
        """As `Store.transaction`. Raises `LedgerBusy` if another process is writing for too long."""
        if self._writing:
            raise RuntimeError("transactions are not nested")
        self._writing = True
        try:
            for statement in self.database.begin[durable]:
                self._run(statement)
            yield
            self._run("COMMIT")
        except BaseException:
            self._recent.clear()
            with suppress(self._error):  # the first error counts; after some the database has rolled back by itself
                self._driver.rollback()
            raise
        finally:
            self._writing = False
        if self.database.checkpoints is not None:
            try:
                self.database.checkpoints.committed()
            except self._error as error:
                raise self.database.explain(error) from error

    def get(self, table: Table[R], keys: Iterable[Key]) -> dict[Key, R]:
        """As `Store.get`, in the order of the keys."""
        known, wanted = self._recent.of(table), list(dict.fromkeys(keys))
        read = self._read(table, [key for key in wanted if key not in known])
        found = {key: row for key in wanted if (row := read.get(key, known.get(key))) is not None}
        self._recent.keep(table, list(read.values()))
        return found

    def find(self, table: Table[R], index: str, values: Iterable[Key]) -> list[R]:
        """As `Store.find`. Of an index with a boolean, only the rows in which that is true are found quickly."""
        statements = self._of(table)
        entries = statements.codec.encode_entries(table.indexes[index], list(dict.fromkeys(values)))
        rows = sorted(self._look(statements, index, entries), key=statements.key_of)
        found = [self._decode(statements, row) for row in rows]
        self._recent.keep(table, found)
        return found

    def count(self, table: Table[R], index: str, value: Key, most: int | None = None) -> int:
        """As `Store.count`."""
        statements = self._of(table)
        entry = statements.codec.encode_entries(table.indexes[index], [value])[0]
        return int(self._rows(*statements.count(index, entry, most))[0][0])

    def pick(self, table: Table[R], names: Sequence[str], index: str | None, values: Iterable[Key]) -> Iterator[Key]:
        """As `Store.pick`."""
        statements, shown = self._of(table), tuple(names)
        entries = statements.codec.encode_entries(statements.names(index), list(dict.fromkeys(values)))
        for query in statements.lookups(index, entries, shown):
            cursor = self._run(*query)
            while rows := self._fetch(cursor, PAGE):
                yield from statements.codec.decode_columns(shown, rows)

    def latest(self, table: Table[R], index: str, value: Key, least: int = 0) -> Iterator[R]:
        """As `Store.latest`."""
        statements = self._of(table)
        entry = statements.codec.encode_entries(table.indexes[index], [value])[0]
        start, size = 0, _FIRST
        while rows := self._rows(*statements.latest(index, (*entry, least), size, start)):
            for row in rows:
                yield self._decode(statements, row)
            if len(rows) < size:
                return
            start, size = start + size, PAGE

    def newest(self, table: Table[Any], index: str, values: Iterable[Key]) -> dict[Key, int]:
        """As `Store.newest`: told from the index alone."""
        statements, wanted = self._of(table), list(dict.fromkeys(values))
        entries = statements.codec.encode_entries(table.indexes[index], wanted)
        asked = dict(zip(entries, wanted, strict=True))
        rows = (row for query in statements.newest(index, entries) for row in self._rows(*query))
        return {asked[tuple(entry)]: rider for *entry, rider in rows if rider is not None}

    def scan(self, table: Table[R]) -> Iterator[R]:
        """As `Store.scan`, page by page: a row that is written meanwhile may be shown or not."""
        statements = self._of(table)
        rows = self._rows(statements.first_page)
        while rows:
            for row in rows:
                yield self._decode(statements, row)
            rows = self._rows(statements.next_page, statements.key_of(rows[-1]))

    def put(self, table: Table[R], rows: Sequence[R]) -> None:
        """As `Store.put`."""
        self._recent.drop(table, map(table.key_of, rows))
        statements = self._of(table)
        for start in range(0, len(rows), PAGE):
            self._write(statements.put, [statements.codec.encode(row) for row in rows[start : start + PAGE]])
        self._written[table.name] += len(rows)
        if self.database.analyses and self._written[table.name] > max(_FEW, 2 * self._counted[table.name]):
            self._run(f"ANALYZE {table.name}")
            self._counted[table.name] = self._written[table.name]

    def set(self, table: Table[R], keys: Sequence[Key], name: str, value: object) -> None:
        """As `Store.set`."""
        if keys:
            self._recent.drop(table, keys)
            statements = self._of(table)
            (stored,) = statements.codec.encode_entries((name,), [(value,)])
            entries = statements.codec.encode_entries(table.key, list(keys))
            self._write(statements.set(name), [(*stored, *entry) for entry in entries])

    def remove(self, table: Table[R], keys: Sequence[Key]) -> None:
        """As `Store.remove`."""
        if keys:
            self._recent.drop(table, keys)
            statements = self._of(table)
            self._write(statements.remove, statements.codec.encode_entries(table.key, list(keys)))

    def remember(self) -> None:
        """As `Store.remember`."""
        self._recent = Recent(OBS, LINK, BASE)

    def scrub(self) -> list[str]:
        """As `Store.scrub`. Raises `LedgerBusy` if others are reading, so that not all of it could be done."""
        return self.database.scrub()

    def close(self) -> None:
        """As `Store.close`."""
        self.database.close()

    def _of(self, table: Table[R]) -> Statements[R]:
        return self._statements[table.name]

    def _read(self, table: Table[R], keys: list[Key]) -> dict[Key, R]:
        statements = self._of(table)
        encoded = statements.codec.encode_entries(table.key, keys)
        found = {statements.key_of(row): row for row in self._look(statements, None, encoded)}
        pairs = zip(keys, encoded, strict=True)
        return {key: self._decode(statements, found[stored]) for key, stored in pairs if stored in found}

    def _look(self, statements: Statements[Any], index: str | None, entries: list[Key]) -> list[Any]:
        """The stored rows with one of these values in an index, or as primary key, each once, in no order."""
        return [row for query in statements.lookups(index, entries) for row in self._rows(*query)]

    def _decode(self, statements: Statements[R], row: Any) -> R:
        try:
            return statements.codec.decode(row)
        except (ValueError, KeyError, TypeError, AttributeError, msgspec.MsgspecError) as error:
            raise LedgerError(
                f"the ledger {self.database.place} holds a row of {statements.name!r} that cannot be read: {error}",
                hint="restore the last backup; the file is left as it is",
            ) from error

    def _write(self, text: str, parameters: list[tuple[Any, ...]]) -> None:
        if not self._writing:
            raise RuntimeError("writes happen in transactions")
        try:
            self._driver.cursor().executemany(text, parameters)
        except self._error as error:
            raise self.database.explain(error) from error

    def _rows(self, text: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
        return self._fetch(self._run(text, parameters))

    def _fetch(self, cursor: DBAPICursor, number: int | None = None) -> list[Any]:
        try:
            return list(cursor.fetchall() if number is None else cursor.fetchmany(number))
        except self._error as error:
            raise self.database.explain(error) from error

    def _run(self, text: str, parameters: tuple[Any, ...] = ()) -> DBAPICursor:
        try:
            cursor = self._driver.cursor()
            cursor.execute(text, parameters)
        except self._error as error:
            raise self.database.explain(error) from error
        return cursor


def open_store(
    url: str, *, name: str = "", make: bool = True, busy_timeout: float = 10.0, backups: Path | None = None
) -> SqlStore:
    """Open a ledger by its SQLAlchemy URL, and make it, if it is new.

    `sqlite:///path` is a file and `sqlite://` in memory; the file and its folder are made. `postgresql+psycopg://…` is
    a database; the ledger of the sync `name` has a schema of its own in it, which is made.

    An older ledger is saved to the folder `backups` and migrated; for a caller that has no such folder, because it does
    not hold the lease, `LedgerOutdated` is raised. Waits up to `busy_timeout` seconds whenever another process is
    writing. Raises `LedgerError` before anything is written if what is there is not a ledger, or a newer one, and
    `ConfigError` if the URL names no database we know, or if the ledger is new and not to be made.
    """
    database = open_database(url, name=name, make=make, busy_timeout=busy_timeout)
    try:
        return _open(database, make=make, backups=backups)
    except sa.exc.DBAPIError as error:
        database.close()
        raise database.explain(error.orig) from error
    except BaseException:
        database.close()
        raise


def open_database(url: str, *, name: str = "", make: bool = True, busy_timeout: float = 10.0) -> Database:
    """The database that a ledger's URL names, whatever is in it. Raises as `open_store`."""
    address = read_url(url)
    if address.get_backend_name() == "sqlite":
        return sqlite.open_database(address, busy_timeout=busy_timeout, make=make)
    return postgres.open_database(address, name=name, busy_timeout=busy_timeout)


def _open(database: Database, *, make: bool, backups: Path | None) -> SqlStore:
    store = SqlStore(database)
    revision = revision_of(database)
    if revision is None and not make:
        raise missing(database.place)
    if revision not in (None, REVISION) and backups is None:
        raise LedgerOutdated(
            f"the ledger {database.place} was written by an older Antiphon (its schema is {revision}, this one's is "
            f"{REVISION})",
            hint="run `antiphon sync` or `antiphon plan`, which migrate it",
        )
    database.prepare()
    if revision is None:
        with store.transaction():
            if revision_of(database) is None:  # nobody else made it since
                database.found()
                found(database.connection)
    elif revision != REVISION and backups is not None:
        save(database, backups / f"before-migration-from-{revision}.db", revision)
        with store.transaction():
            migrate(database.connection, REVISION)
            revision_of(database)
    return store
