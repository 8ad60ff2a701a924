"""Where and how each database keeps the snapshots of DIFF."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tap_sql.relations import Kind, Relation

if TYPE_CHECKING:
    from tap_sql.dialects.base import Dialect

_LONGEST = 40
_COMPARED = (Kind.INTEGER, Kind.BOOLEAN, Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.TIME, Kind.UUID, Kind.BYTES)
"""Kinds in which equal values look alike; others (1.0 and 1.00, a month and 30 days) are hashed as text."""

_ARGUMENTS = 100
"""SQLite's functions take 127 arguments."""


def table_name(stream: str) -> str:
    """A name that differs whenever the stream's does, within every database's limit."""
    return f"{stream[:_LONGEST]}_{hashlib.sha256(stream.encode()).hexdigest()[:8]}"


class Snapshots(ABC):
    """The snapshots of one database, in a schema of their own."""

    temporary = ""
    """What stands before a temporary table's name, so that no other table is meant."""

    def __init__(self, dialect: Dialect, schema: str) -> None:
        """`schema` is made if it is not there."""
        self.dialect = dialect
        self.schema = schema

    @property
    def registry(self) -> str:
        """The table of all snapshots."""
        return self._in_schema("diff_streams")

    def table(self, stream: str) -> str:
        """A stream's snapshot."""
        return self._in_schema(table_name(stream))

    def index(self, stream: str) -> str:
        """The index of a snapshot's keys."""
        return self.dialect.quote(f"{table_name(stream)}_key")

    def _in_schema(self, name: str) -> str:
        return f"{self.dialect.quote(self.schema)}.{self.dialect.quote(name)}"

    def prepare(self, connection: sa.Connection) -> None:
        """Make the schema."""
        self.dialect.run(connection, f"CREATE SCHEMA IF NOT EXISTS {self.dialect.quote(self.schema)}")

    def begin(self, connection: sa.Connection, table: str) -> None:  # noqa: B027 -- most have nothing to do
        """Start the transaction of a run: nobody else writes to the snapshot until it ends."""

    @abstractmethod
    def row_hash(self, relation: Relation) -> str:
        """An expression of 64 bits over all columns: it differs whenever a row's values look different."""

    def found(self, connection: sa.Connection, changes: str) -> None:  # noqa: B027
        """What to do when a temporary table was filled."""

    def _texts(self, relation: Relation, text: str) -> list[str]:
        quoted = ((column, self.dialect.quote(column.name)) for column in relation.columns)
        return [name if column.kind in _COMPARED else f"CAST({name} AS {text})" for column, name in quoted]


class PostgreSQLSnapshots(Snapshots):
    """Version 14 or newer."""

    temporary = "pg_temp."

    def prepare(self, connection: sa.Connection) -> None:
        """CREATE SCHEMA asks for a right even where the schema is there."""
        sql = "SELECT 1 FROM pg_namespace WHERE nspname = :schema"
        if self.dialect.run(connection, sql, schema=self.schema).first() is None:
            super().prepare(connection)

    def begin(self, connection: sa.Connection, table: str) -> None:
        """One view of table and snapshot for the whole run. The join is worth every core: few rows leave it."""
        for statement in (
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE",
            "SET LOCAL work_mem = '128MB'",
            "SET LOCAL parallel_setup_cost = 0",
            "SET LOCAL parallel_tuple_cost = 0",
        ):
            self.dialect.run(connection, statement)

    def row_hash(self, relation: Relation) -> str:
        """`hash_record_extended`: half the time of hashing the row's text."""
        return f"hash_record_extended(ROW({', '.join(self._texts(relation, 'text'))}), 0)"

    def found(self, connection: sa.Connection, changes: str) -> None:
        """The planner learns how few rows there are."""
        self.dialect.run(connection, f"ANALYZE {changes}")


class DuckDBSnapshots(Snapshots):
    """In the file itself, which must be writable."""

    temporary = "temp."

    def row_hash(self, relation: Relation) -> str:
        """DuckDB's own hash; a version that hashes differently shows every row once more."""
        return f"hash({', '.join(self._texts(relation, 'VARCHAR'))})"


class SQLiteSnapshots(Snapshots):
    """In the file itself. SQLite has no hash: this process lends it one."""

    temporary = "temp."

    def _in_schema(self, name: str) -> str:
        return self.dialect.quote(f"{self.schema}_{name}")

    def prepare(self, connection: sa.Connection) -> None:
        """There are no schemas; the names begin with that of ours."""
        raw: Any = connection.connection.dbapi_connection
        raw.create_function("antiphon_hash", -1, _hash, deterministic=True)

    def begin(self, connection: sa.Connection, table: str) -> None:
        """The one writer of the file from here on."""
        self.dialect.run(connection, "BEGIN IMMEDIATE")

    def row_hash(self, relation: Relation) -> str:
        """`antiphon_hash`, a hundred columns at a time."""
        names = [self.dialect.quote(column.name) for column in relation.columns]
        while len(names) > _ARGUMENTS:
            names = [
                f"antiphon_hash({', '.join(names[start : start + _ARGUMENTS])})"
                for start in range(0, len(names), _ARGUMENTS)
            ]
        return f"antiphon_hash({', '.join(names)})"


def _hash(*values: Any) -> int:
    digest = hashlib.blake2b(repr(values).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)
