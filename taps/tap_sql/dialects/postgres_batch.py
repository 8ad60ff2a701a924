"""PostgreSQL's rows as Parquet files: columns leave the server by ADBC, and no row is made of them on the way."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from tap_sql.dialects.base import Dialect
from tap_sql.dialects.postgres_copy import refusal
from tap_sql.engines import told_by_driver
from tap_sql.errors import DriverMissing
from tap_sql.relations import Column, Kind, Relation

ROWS_PER_FILE = 250_000
_AS_THEY_ARE = (Kind.INTEGER, Kind.BOOLEAN, Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ)
_AS_TEXT = (Kind.TEXT, Kind.UUID, Kind.ENUM, Kind.TIME, Kind.OTHER)
_LARGEST_DECIMAL = 38


def fits(relation: Relation) -> bool:
    """Whether every column has a type in Parquet that every target understands alike."""
    return all(_expression(column, column.name) is not None for column in relation.columns)


def bad_rows(dialect: Dialect, relation: Relation) -> Relation:
    """The rows that hold a value without a JSON form: in Parquet too they are refused."""
    return Relation(
        relation.stream,
        relation.columns,
        relation.key,
        query=f"SELECT * FROM {dialect.source(relation)} AS antiphon_row WHERE {_refused(dialect, relation)}",
    )


def parquet_files(
    dialect: Dialect, connection: sa.Connection, relation: Relation, folder: Path
) -> Iterator[tuple[Path, int]]:
    """Files of the relation's good rows, as of the transaction of `connection`, and how many rows each holds.

    Raises `DriverMissing`, `DatabaseError`.
    """
    try:
        import adbc_driver_manager
        import pyarrow as pa
        import pyarrow.parquet as pq
        from adbc_driver_postgresql import dbapi  # type: ignore[import-untyped]
    except ModuleNotFoundError as error:
        raise DriverMissing("BATCH in Parquet needs ADBC and Arrow", hint="pip install 'antiphon[arrow]'") from error
    selected = ", ".join(
        f"{_expression(c, dialect.quote(c.name))} AS {dialect.quote(c.name)}" for c in relation.columns
    )
    sql = f"SELECT {selected} FROM {dialect.source(relation)} AS antiphon_row WHERE NOT ({_refused(dialect, relation)})"
    snapshot = str(dialect.run(connection, "SELECT pg_export_snapshot()").scalar_one())
    url = dialect.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    kinds = {c.name: pa.decimal128(c.precision, c.scale) for c in relation.columns if c.kind is Kind.NUMBER}
    prefix = f"{re.sub('[^A-Za-z0-9_-]', '_', relation.stream)}-{uuid.uuid4().hex[:12]}"
    try:
        with dbapi.connect(url) as adbc, adbc.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
            cursor.execute("SET LOCAL TimeZone = 'UTC'")
            cursor.execute("SET LOCAL IntervalStyle = 'iso_8601'")
            cursor.execute(sql)
            reader = cursor.fetch_record_batch()
            schema = pa.schema([pa.field(f.name, kinds.get(f.name, f.type)) for f in reader.schema])
            writer, path, rows, number = None, folder, 0, 0
            for batch in reader:
                if writer is None:
                    number += 1
                    path = folder / f"{prefix}-{number:05}.parquet"
                    writer = pq.ParquetWriter(path, schema, compression="zstd", compression_level=1)
                writer.write_batch(batch.cast(schema))
                rows += batch.num_rows
                if rows >= ROWS_PER_FILE:
                    writer.close()
                    yield path, rows
                    writer, rows = None, 0
            if writer is not None:
                writer.close()
                yield path, rows
    except adbc_driver_manager.Error as error:
        raise told_by_driver(f"stream {relation.stream}", error) from error


def _refused(dialect: Dialect, relation: Relation) -> str:
    tests = [refusal(column, f"antiphon_row.{dialect.quote(column.name)}") for column in relation.columns]
    return " OR ".join(f"coalesce({test}, false)" for test in tests if test) or "false"


def _expression(column: Column, name: str) -> str | None:
    if column.kind in _AS_THEY_ARE:
        return name
    if column.kind in _AS_TEXT:
        return f"{name}::text"
    if column.kind is Kind.FLOAT:
        return f"{name}::text::float8" if column.sql_type == "real" else name
    if column.kind is Kind.NUMBER and column.scale is not None and column.scale >= 0 and column.precision is not None:
        return f"{name}::text" if column.precision <= _LARGEST_DECIMAL else None
    return None
