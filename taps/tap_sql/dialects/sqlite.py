"""SQLite: types are hints there, so every value is looked at, and a moment is whatever text was stored."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tap_sql.dialects.base import Dialect, Since, literally
from tap_sql.dialects.snapshots import Snapshots, SQLiteSnapshots
from tap_sql.engines import told
from tap_sql.relations import Column, Kind, Relation

_KINDS = (
    (r"BOOL", Kind.BOOLEAN),
    (r"INT", Kind.INTEGER),
    (r"DATETIME|TIMESTAMP", Kind.TIMESTAMP),
    (r"DATE", Kind.DATE),
    (r"^TIME", Kind.TIME),
    (r"UUID", Kind.UUID),
    (r"JSON", Kind.JSON),
    (r"CHAR|CLOB|TEXT|STRING|ENUM", Kind.TEXT),
    (r"BLOB|BINARY|BYTEA", Kind.BYTES),
    (r"REAL|FLOA|DOUB", Kind.FLOAT),
    (r"NUMERIC|DECIMAL|MONEY", Kind.NUMBER),
)
"""After "Datatypes In SQLite" section 3.1, with the names that other databases' tables bring along."""

_MOMENTS = (Kind.TIMESTAMP, Kind.DATE)
_TABLES = r"""
SELECT name, type FROM sqlite_master
WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
ORDER BY name
"""


class SQLite(Dialect):
    """A file, read as it is."""

    deleting = ("DIFF",)
    schemas_named = False

    def prepare(self, connection: sa.Connection) -> None:
        """Keep bytes that are no UTF-8, so that their column can be named."""
        raw: Any = connection.connection.dbapi_connection
        raw.text_factory = lambda stored: stored.decode("utf-8", "surrogateescape")

    def relations(self, connection: sa.Connection, schemas: Sequence[str]) -> list[Relation]:
        """Tables and views."""
        with told("discovery"):
            return [
                self._relation(connection, name, is_view=kind == "view")
                for name, kind in connection.execute(literally(_TABLES)).all()
            ]

    def _relation(self, connection: sa.Connection, name: str, *, is_view: bool) -> Relation:
        shown = connection.execute(literally(f"PRAGMA table_xinfo({self.quote(name)})")).all()
        columns, key = [], {}
        for _, column, sql_type, not_null, _, position, hidden in shown:
            if hidden == 1:  # of a virtual table
                continue
            if position:
                key[position] = column
            nullable = not not_null and not (position and sql_type.upper() == "INTEGER")
            columns.append(_column(column, sql_type, nullable=nullable, read_only=hidden in (2, 3)))
        names = tuple(key[position] for position in sorted(key)) or self._unique(connection, name, columns)
        return Relation(name, tuple(columns), names, table=name, is_view=is_view)

    def _unique(self, connection: sa.Connection, name: str, columns: list[Column]) -> tuple[str, ...]:
        filled = {column.name for column in columns if not column.nullable}
        for index in connection.execute(literally(f"PRAGMA index_list({self.quote(name)})")).mappings():
            if index["unique"] and not index["partial"]:
                found = (
                    connection.execute(literally(f"PRAGMA index_info({self.quote(index['name'])})")).mappings().all()
                )
                names = tuple(row["name"] for row in found)
                if all(each in filled for each in names):
                    return names
        return ()

    def columns_of(self, connection: sa.Connection, query: str) -> tuple[Column, ...]:
        """A temporary view tells a query's columns without running it."""
        with told("a query of `queries`"):
            connection.execute(literally(f"CREATE TEMP VIEW antiphon_query AS {query}"))
            found = self._relation(connection, "antiphon_query", is_view=True).columns
            connection.execute(literally("DROP VIEW temp.antiphon_query"))
        return found

    def now(self, connection: sa.Connection) -> str:
        """The time of this machine: there is no server."""
        return str(connection.execute(literally("SELECT strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')")).scalar_one())

    def quote(self, name: str) -> str:
        """By backticks: SQLite takes a name in double quotes that it cannot resolve for a text."""
        return "`" + name.replace("`", "``") + "`"

    def snapshots(self, schema: str) -> Snapshots:
        """In a schema of their own."""
        return SQLiteSnapshots(self, schema)

    def _identity(self, connection: sa.Connection) -> list[str]:
        return ["sqlite", str(Path(self.engine.url.database or "").resolve())]

    def orders(self, column: Column) -> str:
        """`2026-11-20 10:00` and `2026-11-20T10:00` are one moment."""
        quoted = self.quote(column.name)
        return f"replace({quoted}, 'T', ' ')" if column.kind in _MOMENTS else quoted

    def since_value(self, since: Since) -> Any:
        """The text that stored moments are compared with."""
        if since.column.kind not in _MOMENTS:
            return since.value
        text = str(since.value)
        if since.overlap and since.column.kind is Kind.TIMESTAMP:
            moment = datetime.fromisoformat(text) - timedelta(seconds=since.overlap)
            text = moment.isoformat()
        return text.replace("T", " ")


def _column(name: str, sql_type: str, *, nullable: bool, read_only: bool) -> Column:
    kind = next((kind for pattern, kind in _KINDS if re.search(pattern, sql_type, re.IGNORECASE)), Kind.ANY)
    precision, scale = None, None
    size = re.search(r"\((\d+)(?:\s*,\s*(\d+))?\)", sql_type)
    if size and kind is Kind.NUMBER:
        precision, scale = int(size[1]), int(size[2] or 0)
    return Column(name, kind, sql_type, nullable, read_only, precision=precision, scale=scale)
