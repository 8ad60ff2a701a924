"""The databases that the tap reads, one module each."""

from __future__ import annotations

import sqlalchemy as sa

from tap_sql.dialects.base import Batches, Dialect, LogStream, Query, Since
from tap_sql.dialects.snapshots import Snapshots
from tap_sql.engines import family

__all__ = ["Batches", "Dialect", "LogStream", "Query", "Since", "Snapshots", "dialect_of"]


def dialect_of(engine: sa.Engine, *, statement_timeout: float = 0.0) -> Dialect:
    """The dialect of an engine's database."""
    return _class_of(family(engine.url))(engine, statement_timeout=statement_timeout)


def _class_of(name: str) -> type[Dialect]:
    match name:
        case "postgresql":
            from tap_sql.dialects.postgres import PostgreSQL

            return PostgreSQL
        case "duckdb":
            from tap_sql.dialects.duckdb import DuckDB

            return DuckDB
        case "sqlite":
            from tap_sql.dialects.sqlite import SQLite

            return SQLite
        case _:
            from tap_sql.dialects.reflected import Reflected

            return Reflected
