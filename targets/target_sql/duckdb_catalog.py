"""What a DuckDB file holds, from its own catalog: its SQLAlchemy dialect cannot reflect on current versions."""

from __future__ import annotations

import re

import sqlalchemy as sa

from target_sql.columns import Column, Kind
from target_sql.limits import limit_of

_COLUMNS = """
SELECT column_name, data_type, is_nullable FROM duckdb_columns()
WHERE table_name = $1 AND schema_name = coalesce($2, current_schema()) AND database_name = current_database()
ORDER BY column_index
"""
_GENERATED = """
SELECT column_name FROM information_schema.columns
WHERE table_name = $1 AND table_schema = coalesce($2, current_schema()) AND is_generated = 'ALWAYS'
"""
_UNIQUE = """
SELECT constraint_type, constraint_column_names FROM duckdb_constraints()
WHERE table_name = $1 AND schema_name = coalesce($2, current_schema()) AND database_name = current_database()
  AND constraint_type IN ('PRIMARY KEY', 'UNIQUE')
UNION ALL
SELECT 'INDEX', string_split(trim(expressions, '[]'), ', ') FROM duckdb_indexes()
WHERE table_name = $1 AND schema_name = coalesce($2, current_schema()) AND database_name = current_database()
  AND is_unique
"""
_KINDS = (
    (r".*(\[\d*\]|LIST)$", Kind.ARRAY),
    (r"(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER)$", Kind.INTEGER),
    (r"DECIMAL", Kind.NUMBER),
    (r"(FLOAT|DOUBLE)$", Kind.FLOAT),
    (r"BOOLEAN$", Kind.BOOLEAN),
    (r"DATE$", Kind.DATE),
    (r"TIMESTAMP WITH TIME ZONE$", Kind.TIMESTAMPTZ),
    (r"TIMESTAMP", Kind.TIMESTAMP),
    (r"TIME$", Kind.TIME),
    (r"UUID$", Kind.UUID),
    (r"JSON$", Kind.JSON),
    (r"BLOB$", Kind.BYTES),
    (r"VARCHAR$", Kind.TEXT),
)


def columns(connection: sa.Connection, schema: str | None, table: str) -> dict[str, Column]:
    """The columns of a table; none if there is no such table."""
    rows = connection.exec_driver_sql(_COLUMNS, (table, schema)).all()
    generated = {name for (name,) in connection.exec_driver_sql(_GENERATED, (table, schema))}
    return {
        name: Column(
            name, _kind(sql), sa.types.NULLTYPE, nullable, name not in generated, sql=sql, limit=limit_of(sql, "duckdb")
        )
        for name, sql, nullable in rows
    }


def unique(connection: sa.Connection, schema: str | None, table: str) -> tuple[tuple[str, ...], set[frozenset[str]]]:
    """The primary key, and all sets of columns that are held unique."""
    primary: tuple[str, ...] = ()
    found = set()
    for kind, names in connection.exec_driver_sql(_UNIQUE, (table, schema)):
        plain = tuple(str(name).strip("\"'") for name in names)
        primary = plain if kind == "PRIMARY KEY" else primary
        found.add(frozenset(plain))
    return primary, found


def _kind(sql: str) -> Kind:
    return next((kind for pattern, kind in _KINDS if re.match(pattern, sql)), Kind.OTHER)
