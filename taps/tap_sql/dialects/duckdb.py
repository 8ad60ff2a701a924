"""DuckDB, read through its own system tables: its SQLAlchemy dialect cannot reflect every version."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from tap_sql.dialects.base import SINCE, Dialect, Since, literally
from tap_sql.dialects.snapshots import DuckDBSnapshots, Snapshots
from tap_sql.engines import connected, told
from tap_sql.relations import Column, Kind, Relation

_KINDS = {
    "BOOLEAN": Kind.BOOLEAN,
    "DOUBLE": Kind.FLOAT,
    "FLOAT": Kind.FLOAT,
    "DATE": Kind.DATE,
    "TIMESTAMP WITH TIME ZONE": Kind.TIMESTAMPTZ,
    "TIME": Kind.TIME,
    "UUID": Kind.UUID,
    "JSON": Kind.JSON,
    "BLOB": Kind.BYTES,
    "VARCHAR": Kind.TEXT,
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"), Kind.TIMESTAMP),
    **dict.fromkeys(
        [f"{sign}{name}" for sign in ("", "U") for name in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")],
        Kind.INTEGER,
    ),
}
PATIENCE = 5.0
"""Seconds to wait for a program that has the file: where one writes, DuckDB lets no other in."""
_ITEMS = (Kind.BOOLEAN, Kind.FLOAT, Kind.INTEGER, Kind.NUMBER, Kind.TEXT, Kind.UUID)
_AS_TEXT = (Kind.FLOAT, Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.TIME, Kind.JSON, Kind.OTHER, Kind.ENUM)
_SYSTEM = ("information_schema", "pg_catalog")

_COLUMNS = """
SELECT c.schema_name, c.table_name, c.column_name, c.data_type, c.is_nullable, coalesce(c.comment, ''),
       coalesce(t.comment, v.comment, ''), t.table_name IS NULL
FROM duckdb_columns() c
LEFT JOIN duckdb_tables() t USING (database_name, schema_name, table_name)
LEFT JOIN duckdb_views() v ON (v.database_name, v.schema_name, v.view_name)
                            = (c.database_name, c.schema_name, c.table_name)
WHERE c.database_name = current_database() AND NOT c.internal
ORDER BY c.schema_name, c.table_name, c.column_index
"""
_KEYS = """
SELECT schema_name, table_name, constraint_type, constraint_column_names
FROM duckdb_constraints()
WHERE database_name = current_database() AND constraint_type IN ('PRIMARY KEY', 'UNIQUE')
ORDER BY constraint_type, constraint_index
"""


class DuckDB(Dialect):
    """A file that one process writes, or several read."""

    deleting = ("DIFF",)

    def connect(self, engine: sa.Engine) -> sa.Connection:
        """A new connection; a program that has the file just now is waited for a moment."""
        return connected(engine, PATIENCE)

    def prepare(self, connection: sa.Connection) -> None:
        """Moments are shown in UTC."""
        connection.execute(literally("SET TimeZone = 'UTC'"))

    def relations(self, connection: sa.Connection, schemas: Sequence[str]) -> list[Relation]:
        """Tables and views of the attached file."""
        tables: dict[tuple[str, str], list[Column]] = {}
        facts: dict[tuple[str, str], tuple[str, bool]] = {}
        with told("discovery"):
            for schema, table, name, sql_type, nullable, comment, description, is_view in connection.execute(
                literally(_COLUMNS)
            ):
                if schema in _SYSTEM or (schemas and schema not in schemas):
                    continue
                tables.setdefault((schema, table), []).append(
                    _column(name, sql_type, nullable=nullable, comment=comment)
                )
                facts[schema, table] = description, is_view
            keys: dict[tuple[str, str], tuple[str, ...]] = {}
            for schema, table, kind, names in connection.execute(literally(_KEYS)):
                filled = {column.name for column in tables.get((schema, table), ()) if not column.nullable}
                if kind == "PRIMARY KEY" or filled.issuperset(names):
                    keys.setdefault((schema, table), tuple(names))
        return [
            Relation(
                self.stream_name(*where),
                tuple(columns),
                keys.get(where, ()),
                *where,
                description=facts[where][0],
                is_view=facts[where][1],
            )
            for where, columns in tables.items()
        ]

    def columns_of(self, connection: sa.Connection, query: str) -> tuple[Column, ...]:
        """DESCRIBE plans a query without running it."""
        with told("a query of `queries`"):
            found = connection.execute(literally(f"DESCRIBE {query}")).all()
        return tuple(_column(row[0], row[1], nullable=True, comment="") for row in found)

    def now(self, connection: sa.Connection) -> str:
        """The time of this machine: there is no server."""
        shown = connection.execute(literally("SELECT strftime(now() AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%f+00:00')"))
        return str(shown.scalar_one())

    def snapshots(self, schema: str) -> Snapshots:
        """In a schema of their own."""
        return DuckDBSnapshots(self, schema)

    def _identity(self, connection: sa.Connection) -> list[str]:
        return ["duckdb", str(Path(self.engine.url.database or "").resolve())]

    def reads(self, column: Column) -> str:
        """As text where Python's own value would lose something (or ask for more packages)."""
        quoted = self.quote(column.name)
        return f"CAST({quoted} AS VARCHAR)" if column.kind in _AS_TEXT else quoted

    def starts(self, since: Since) -> str:
        """The bookmark as the column's own type, less the overlap."""
        start = f"CAST(:{SINCE} AS {since.column.sql_type})"
        moment = since.column.kind in (Kind.TIMESTAMP, Kind.TIMESTAMPTZ)
        return f"{start} - to_microseconds({int(since.overlap * 1_000_000)})" if moment and since.overlap else start


def _column(name: str, sql_type: str, *, nullable: bool, comment: str) -> Column:
    decimal = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", sql_type)
    if decimal:
        return Column(
            name, Kind.NUMBER, sql_type, nullable, comment=comment, precision=int(decimal[1]), scale=int(decimal[2])
        )
    if sql_type.startswith("ENUM("):
        labels = tuple(label.replace("''", "'") for label in re.findall(r"'((?:[^']|'')*)'", sql_type))
        return Column(name, Kind.ENUM, sql_type, nullable, comment=comment, labels=labels)
    if sql_type.endswith("[]"):
        item = _column(name, sql_type[:-2], nullable=True, comment="")
        if item.kind in _ITEMS:
            return Column(
                name, Kind.ARRAY, sql_type, nullable, comment=comment,
                precision=item.precision, scale=item.scale, item=item.kind,
            )  # fmt: skip
    return Column(name, _KINDS.get(sql_type, Kind.OTHER), sql_type, nullable, comment=comment)
