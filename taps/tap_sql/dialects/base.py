"""What differs from database to database."""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa

from tap_sql.dialects.snapshots import Snapshots
from tap_sql.engines import family, make_engine, told
from tap_sql.errors import SettingsError
from tap_sql.pgoutput import Change
from tap_sql.records import Row, rendered
from tap_sql.relations import Column, Relation

FETCH = 2000
"""Rows per round trip."""

SINCE = "antiphon_since"
"""The one parameter of a read."""


@dataclass(frozen=True, slots=True)
class Query:
    """SQL with named parameters."""

    sql: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Since:
    """Where an incremental read starts: rows whose `column` is at or after `value` less `overlap` seconds."""

    column: Column
    value: Any
    overlap: float = 0.0


@dataclass(frozen=True, slots=True)
class Batches:
    """A relation for BATCH messages: files and how many rows each holds, after the `bad` rows, which are in none.

    `encoding` is what the messages say of the files' form.
    """

    encoding: Mapping[str, Any]
    files: Iterator[tuple[Path, int]]
    bad: Relation | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the log, and what the server's clock said there: ISO 8601 with a zone."""

    lsn: str
    clock: str


class LogStream(Protocol):
    """The log as the server sends it, for a reader that stays. `received`: bytes of changes that were read so far."""

    received: int

    def fileno(self) -> int:
        """What is readable when the server has sent something."""

    def now(self) -> Position:
        """Where the log is now: everything that others can see is before it."""

    def sent(self) -> Iterator[Change]:
        """What was sent and not read yet. Does not wait."""

    def until(self, lsn: str, patience: float) -> Iterator[Change]:
        """What was committed before `lsn`, and what came with it, to the end of a transaction."""

    @property
    def reached(self) -> str:
        """Everything before this was sent."""

    @property
    def confirmed(self) -> str:
        """The log before this may go."""

    def confirm(self, lsn: str) -> None:
        """Let go of the log before `lsn`."""


class ChangeLog(ABC):
    """A database's own log of changes."""

    @abstractmethod
    def open(
        self, connection: sa.Connection, relation: Relation, bookmark: str | None, acknowledged: str | None
    ) -> str | None:
        """Have the log kept for a relation, let go of it before `acknowledged`; where it starts, None for nowhere."""

    @abstractmethod
    def position(self, connection: sa.Connection) -> str:
        """How far the log is now."""

    @abstractmethod
    def changes(self, connection: sa.Connection, start: str, until: str) -> Iterator[Change]:
        """What was committed between two positions."""

    @abstractmethod
    def stream(self, connection: sa.Connection, start: str) -> AbstractContextManager[LogStream]:
        """The log from `start` on, as it grows. `connection` is used for it alone from here on."""


class Dialect(ABC):
    """One database. The base class speaks the SQL that all of them share."""

    schemas_named = True
    """Whether a stream is named `schema-table`; else by the table alone."""
    deleting: tuple[str, ...] = ()
    """The methods known here that show deletions, of DIFF and LOG_BASED."""

    def __init__(self, engine: sa.Engine, *, statement_timeout: float = 0.0) -> None:
        """`statement_timeout` in seconds, 0 for none."""
        self.engine = engine
        self.statement_timeout = statement_timeout

    # ---- what is there

    @abstractmethod
    def relations(self, connection: sa.Connection, schemas: Sequence[str]) -> list[Relation]:
        """Tables and views, of `schemas` only if any are named."""

    @abstractmethod
    def columns_of(self, connection: sa.Connection, query: str) -> tuple[Column, ...]:
        """The columns of a query."""

    @abstractmethod
    def now(self, connection: sa.Connection) -> str:
        """The server's time, ISO 8601 with a zone."""

    def account(self, connection: sa.Connection) -> str:
        """A fingerprint of the database, without any secret: the same whoever logs in, and from wherever."""
        return "sql:" + hashlib.sha256("\n".join(self._identity(connection)).encode()).hexdigest()[:16]

    def _identity(self, connection: sa.Connection) -> list[str]:
        url = self.engine.url
        return [url.drivername.partition("+")[0], url.host or "", str(url.port or ""), url.database or ""]

    # ---- sessions

    @contextmanager
    def session(self, *, writing: bool = False) -> Iterator[sa.Connection]:
        """A connection whose output does not depend on the server's settings. Raises `DatabaseError`."""
        engine = make_engine(self.engine.url, read_only=False) if writing else self.engine
        with told(f"connecting to {self.engine.url.render_as_string(hide_password=True)}"):
            connection = self.connect(engine)
        try:
            with told("the start of a session"):
                self.prepare(connection)
            yield connection
        except BaseException:
            connection.invalidate()  # a lost connection cannot be rolled back, and a broken read need not be
            raise
        finally:
            connection.close()

    def connect(self, engine: sa.Engine) -> sa.Connection:
        """A new connection."""
        return engine.connect()

    @abstractmethod
    def prepare(self, connection: sa.Connection) -> None:
        """Make a session's output independent of the server's settings."""

    def stream_name(self, schema: str | None, table: str) -> str:
        """The stream of a table, named as meltanolabs-tap-postgres names it."""
        return f"{schema}-{table}" if schema and self.schemas_named else table

    def snapshots(self, schema: str) -> Snapshots:
        """Where DIFF keeps what it knows. Raises `SettingsError` where it is not supported."""
        raise SettingsError(
            f"DIFF does not know {family(self.engine.url)}",
            hint="it knows postgresql, duckdb and sqlite; INCREMENTAL and FULL_TABLE know every database",
        )

    def batches(self, connection: sa.Connection, relation: Relation, folder: Path, form: str) -> Batches | None:
        """The relation as files of a `form` in `folder`; None where it goes out as records only."""
        return None

    def change_log(self, slot: str, publication: str) -> ChangeLog:
        """The log of LOG_BASED. Raises `SettingsError` where there is none that can be read."""
        del slot, publication
        raise SettingsError(
            f"LOG_BASED does not know {family(self.engine.url)}",
            hint="it knows postgresql; DIFF shows deletions on duckdb and sqlite too",
        )

    def run(self, connection: sa.Connection, sql: str, **values: Any) -> sa.CursorResult[Any]:
        """Execute SQL with parameters written `:name`, and everything else as it stands."""
        return connection.execute(literally(sql, *values), values)

    # ---- reading

    def quote(self, name: str) -> str:
        """An identifier as SQL takes it, whatever is in it."""
        mark = self.engine.dialect.identifier_preparer.initial_quote
        return mark + name.replace(mark, mark * 2) + mark

    def source(self, relation: Relation) -> str:
        """What stands after FROM."""
        if relation.query is not None:
            return f"(\n{relation.query}\n) AS antiphon_query"  # it may end in a comment
        return (
            f"{self.quote(relation.schema)}.{self.quote(relation.table)}"
            if relation.schema
            else self.quote(relation.table)
        )

    def reads(self, column: Column) -> str:
        """The expression that `records.rendered` understands for a column."""
        return self.quote(column.name)

    def orders(self, column: Column) -> str:
        """The expression that a replication key is ordered and compared by."""
        return self.quote(column.name)

    def starts(self, since: Since) -> str:
        """The expression that `orders` is compared with; the parameter `SINCE` stands for the bookmark."""
        return f":{SINCE}"

    def since_value(self, since: Since) -> Any:
        """The value of the parameter `SINCE`."""
        return since.value

    def condition(self, relation: Relation, since: Since | None) -> Query:
        """WHERE and ORDER BY of a read: empty for a full table; rows without a replication key always come."""
        if since is None:
            return Query("")
        key = self.orders(since.column)
        order = ", ".join([key, *(self.quote(name) for name in relation.key if name != since.column.name)])
        empty = f"{self.quote(since.column.name)} IS NULL"
        # NULLs first: a bookmark, once written, must not be followed by rows that it does not cover
        nulls = f"CASE WHEN {empty} THEN 0 ELSE 1 END, " if since.column.nullable else ""
        if since.value is None:
            return Query(f" ORDER BY {nulls}{order}")
        where = f"{key} >= {self.starts(since)}" + (f" OR {empty}" if since.column.nullable else "")
        return Query(f" WHERE {where} ORDER BY {nulls}{order}", {SINCE: self.since_value(since)})

    def select(self, relation: Relation, since: Since | None = None, limit: int | None = None) -> Query:
        """The read of a relation as the generic path takes it."""
        columns = ", ".join(self.reads(column) for column in relation.columns)
        rest = self.condition(relation, since)
        limited = f" LIMIT {limit}" if limit is not None else ""
        return Query(f"SELECT {columns} FROM {self.source(relation)}{rest.sql}{limited}", rest.values)

    def repeated_key(self, connection: sa.Connection, relation: Relation) -> str | None:
        """A key that stands in the relation more than once, or empty in part, where no constraint forbids it."""
        if relation.key_is_guarded or not relation.key:
            return None
        names = ", ".join(self.quote(name) for name in relation.key)
        empty = " OR ".join(f"{self.quote(name)} IS NULL" for name in relation.key)
        sql = f"SELECT {names} FROM {self.source(relation)} GROUP BY {names} HAVING count(*) > 1 OR {empty} LIMIT 1"
        with told(f"stream {relation.stream}"):
            found = connection.execute(literally(sql)).first()
        return None if found is None else ", ".join(str(value) for value in found)

    def read(
        self, connection: sa.Connection, relation: Relation, since: Since | None = None, limit: int | None = None
    ) -> Iterator[Sequence[Row]]:
        """The records of a relation, in chunks. Raises `DatabaseError`."""
        query = self.select(relation, since, limit)
        with told(f"stream {relation.stream}"):
            result = connection.execution_options(stream_results=True, yield_per=FETCH).execute(
                literally(query.sql), query.values
            )
            with closing(result):
                for rows in result.partitions(FETCH):
                    yield list(rendered(relation.columns, rows))


def literally(sql: str, *parameters: str) -> sa.TextClause:
    """SQL as it stands, with no parameters but these: names and literals of users may hold colons and percents."""
    escaped = sql.replace(":", r"\:")
    for name in (SINCE, *parameters):
        escaped = re.sub(rf"\\:{name}\b", f":{name}", escaped)
    return sa.text(escaped)
