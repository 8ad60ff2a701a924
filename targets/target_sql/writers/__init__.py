"""How rows and operations get into each database."""

import sqlalchemy as sa

from target_sql.writers.base import Mode, Writer
from target_sql.writers.clouds import CloudWriter


def writer_for(connection: sa.Connection, *, lock_timeout: float) -> Writer:
    """The writer of a connection's database."""
    match connection.dialect.name, connection.dialect.driver:
        case "postgresql", "psycopg":
            from target_sql.writers.postgres import PostgresWriter  # noqa: PLC0415 - its driver is an extra

            return PostgresWriter(connection, lock_timeout=lock_timeout)
        case "duckdb", _:
            from target_sql.writers.duckdb import DuckDBWriter  # noqa: PLC0415 - its driver is an extra

            return DuckDBWriter(connection, lock_timeout=lock_timeout)
        case "snowflake" | "bigquery" | "redshift" | "databricks", _:
            return CloudWriter(connection, lock_timeout=lock_timeout)
        case _:
            return Writer(connection, lock_timeout=lock_timeout)


__all__ = ["Mode", "Writer", "writer_for"]
