"""The ledger in an SQL database. What is special about SQLite stands in `ledger.sqlite`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPICursor

from antiphon.errors import ConfigError, LedgerError
from antiphon.ledger import sqlite
from antiphon.ledger.statements import METADATA, PAGE, Statements
from antiphon.ledger.store import Key
from antiphon.ledger.tables import INSTANCE, SCHEMA_VERSION, TABLES, Table

R = TypeVar("R")

_SIZES = (1, 10, 100)  # how many entries one query looks for: few texts, so that each is prepared once
_FOREIGN = "name another file at `ledger:`; this one is left as it is"


class SqlStore:
    """`Store` over one connection in autocommit mode, for the thread that made it by `open_store`."""

    def __init__(self, connection: sa.Connection, place: str) -> None:
        self._connection = connection
        self._driver = connection.connection  # SQLAlchemy only writes the SQL: in each query it would cost the most
        self._error = connection.dialect.loaded_dbapi.Error
        self._place = place
        self._writing = False
        self._statements = {table.name: Statements(table, connection.dialect) for table in TABLES}

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """As `Store.transaction`. Raises `LedgerBusy` if another process is writing for too long."""
        if self._writing:
            raise RuntimeError("transactions are not nested")
        self._writing = True
        try:
            self._run(sqlite.BEGIN)
            yield
            self._run("COMMIT")
        except BaseException:
            with suppress(self._error):  # the first error counts; after some SQLite has rolled back by itself
                self._driver.rollback()
            raise
        finally:
            self._writing = False

    def get(self, table: Table[R], keys: Iterable[Key]) -> dict[Key, R]:
        """As `Store.get`, in the order of the keys."""
        wanted = list(keys)
        statements = self._of(table)
        found = {statements.key_of(row): row for row in self._look(statements, table.key, wanted)}
        return {key: self._decode(statements, found[key]) for key in wanted if key in found}

    def find(self, table: Table[R], index: str, values: Iterable[Key]) -> list[R]:
        """As `Store.find`. Of an index with a boolean, only the rows in which that is true are found quickly."""
        statements = self._of(table)
        rows = sorted(self._look(statements, table.indexes[index], values), key=statements.key_of)
        return [self._decode(statements, row) for row in rows]

    def count(self, table: Table[R], index: str, value: Key) -> int:
        """As `Store.count`."""
        names = table.indexes[index]
        statements = self._of(table)
        entry = statements.codec.encode_entries(names, [value])[0]
        counted = self._rows(statements.count(names, _shape(entry)), _bound(entry))
        return int(counted[0][0])

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
        statements = self._of(table)
        for start in range(0, len(rows), PAGE):
            self._write(statements.put, [statements.codec.encode(row) for row in rows[start : start + PAGE]])

    def remove(self, table: Table[R], keys: Sequence[Key]) -> None:
        """As `Store.remove`."""
        if keys:
            self._write(self._of(table).remove, list(keys))

    def close(self) -> None:
        """As `Store.close`."""
        self._connection.close()
        self._connection.engine.dispose()

    def _of(self, table: Table[R]) -> Statements[R]:
        return self._statements[table.name]

    def _look(self, statements: Statements[Any], names: tuple[str, ...], entries: Iterable[Key]) -> list[Any]:
        """The stored rows whose columns have one of these values, each once, in no order."""
        rows: list[Any] = []
        for shape, wanted in _by_shape(statements.codec.encode_entries(names, list(dict.fromkeys(entries)))).items():
            for start in range(0, len(wanted), _SIZES[-1]):
                chunk = wanted[start : start + _SIZES[-1]]
                size = next(size for size in _SIZES if size >= len(chunk))
                chunk += chunk[-1:] * (size - len(chunk))
                rows += self._rows(statements.look(names, shape, size), tuple(chain.from_iterable(chunk)))
        return rows

    def _decode(self, statements: Statements[R], row: Any) -> R:
        try:
            return statements.codec.decode(row)
        except (ValueError, KeyError, TypeError, AttributeError, msgspec.MsgspecError) as error:
            raise LedgerError(
                f"the ledger {self._place} holds a row of {statements.name!r} that cannot be read: {error}",
                hint="restore the last backup; the file is left as it is",
            ) from error

    def _write(self, text: str, parameters: list[tuple[Any, ...]]) -> None:
        if not self._writing:
            raise RuntimeError("writes happen in transactions")
        try:
            self._driver.cursor().executemany(text, parameters)
        except self._error as error:
            raise sqlite.explain(error, self._place) from error

    def _rows(self, text: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
        cursor = self._run(text, parameters)
        try:
            return list(cursor.fetchall())
        except self._error as error:
            raise sqlite.explain(error, self._place) from error

    def _run(self, text: str, parameters: tuple[Any, ...] = ()) -> DBAPICursor:
        try:
            cursor = self._driver.cursor()
            cursor.execute(text, parameters)
        except self._error as error:
            raise sqlite.explain(error, self._place) from error
        return cursor


def _by_shape(entries: list[Key]) -> dict[Key, list[Key]]:
    """What to bind, by what stands in the SQL itself: null and booleans, because an index may be made for them."""
    found: dict[Key, list[Key]] = {}
    for entry in entries:
        found.setdefault(_shape(entry), []).append(_bound(entry))
    return found


def _shape(entry: Key) -> Key:
    return tuple(value if value is None or value is True or value is False else ... for value in entry)


def _bound(entry: Key) -> Key:
    return tuple(value for value in entry if not (value is None or value is True or value is False))


def open_store(url: str, *, busy_timeout: float = 10.0) -> SqlStore:
    """Open `sqlite:///path` (or `sqlite://`, in memory); make the file, its folder and the tables if they are new.

    Waits up to `busy_timeout` seconds whenever another process is writing. Raises `LedgerError` before anything is
    written if the file is not a ledger of this version, and `ConfigError` if the URL names no database we know.
    """
    try:
        place = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise ConfigError(f"`ledger:` is no URL: {url!r}", hint="write sqlite:///path/to/ledger.db") from error
    if place.get_backend_name() != "sqlite":
        raise ConfigError(
            f"no ledger can be kept in {place.get_backend_name()!r}", hint="write sqlite:///path/to/ledger.db"
        )
    connection = sqlite.connect(place, busy_timeout)
    store = SqlStore(connection, sqlite.place_of(place))
    try:
        try:
            if _is_new(connection, sqlite.place_of(place)):
                sqlite.prepare(connection)
                with store.transaction():
                    METADATA.create_all(connection)
            else:
                sqlite.prepare(connection)
        except sa.exc.DBAPIError as error:
            raise sqlite.explain(error.orig, sqlite.place_of(place)) from error
    except BaseException:
        store.close()
        raise
    return store


def _is_new(connection: sa.Connection, place: str) -> bool:
    """Whether the database is empty. Raises `LedgerError` if it is neither that nor a ledger of this version."""
    inspector = sa.inspect(connection)
    names = set(inspector.get_table_names())
    if not names:
        return True
    found = {name: {column["name"] for column in inspector.get_columns(name)} for name in names & set(METADATA.tables)}
    if "schema_version" not in found.get(INSTANCE.name, ()):
        raise LedgerError(f"{place} is a database, but not a ledger of Antiphon", hint=_FOREIGN)
    version = connection.execute(sa.select(sa.func.max(METADATA.tables[INSTANCE.name].c.schema_version))).scalar()
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise LedgerError(
            f"the ledger {place} was written by a newer Antiphon (its schema is {version}, "
            f"this one knows {SCHEMA_VERSION})",
            hint="upgrade this installation, or restore a ledger of this version",
        )
    for name, table in METADATA.tables.items():
        if found.get(name) != set(table.c.keys()):
            raise LedgerError(
                f"the ledger {place} is of another version: its table {name!r} is not as this Antiphon knows it",
                hint="use the installation that made it, or restore a ledger of this version",
            )
    return False
