"""PostgreSQL's rows as files of Parquet or Arrow: columns leave the server by ADBC, and no row is made of them here."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tap_sql.dialects.base import Dialect
from tap_sql.dialects.postgres_copy import refusal
from tap_sql.engines import told_by_driver
from tap_sql.errors import DriverMissing
from tap_sql.relations import Column, Kind, Relation

ROWS_PER_FILE = {"parquet": 250_000, "arrow": 50_000}
_BYTES_AT_ONCE = 4 << 20
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


def column_files(
    dialect: Dialect, connection: sa.Connection, relation: Relation, folder: Path, form: str
) -> Iterator[tuple[Path, int]]:
    """Files (`parquet`, or `arrow`: its stream form) of the relation's good rows, and how many rows each holds.

    They are of the transaction of `connection`. Raises `DriverMissing`, `DatabaseError`.
    """
    try:
        import adbc_driver_manager
        import pyarrow as pa
        import pyarrow.parquet as pq
        from adbc_driver_postgresql import StatementOptions, dbapi  # type: ignore[import-untyped]
    except ModuleNotFoundError as error:
        raise DriverMissing(f"BATCH in {form} needs ADBC and Arrow", hint="pip install 'antiphon[arrow]'") from error

    def writer_of(path: Path, schema: pa.Schema) -> Any:
        if form == "parquet":
            return pq.ParquetWriter(path, schema, compression="zstd", compression_level=1)
        return pa.ipc.new_stream(str(path), schema)

    selected = ", ".join(
        f"{_expression(c, dialect.quote(c.name))} AS {dialect.quote(c.name)}" for c in relation.columns
    )
    sql = f"SELECT {selected} FROM {dialect.source(relation)} AS antiphon_row WHERE NOT ({_refused(dialect, relation)})"
    snapshot = str(dialect.run(connection, "SELECT pg_export_snapshot()").scalar_one())
    url = dialect.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    kinds = {c.name: pa.decimal128(c.precision, c.scale) for c in relation.columns if c.kind is Kind.NUMBER}
    paths = (folder / f"{stem_of(relation)}-{number:05}.{form}" for number in count(1))
    try:
        with dbapi.connect(url) as adbc, adbc.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
            cursor.execute("SET LOCAL TimeZone = 'UTC'")
            cursor.execute("SET LOCAL IntervalStyle = 'iso_8601'")
            cursor.adbc_statement.set_options(**{StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(_BYTES_AT_ONCE)})
            cursor.execute(sql)
            reader = cursor.fetch_record_batch()
            schema = pa.schema([pa.field(f.name, kinds.get(f.name, f.type)) for f in reader.schema])
            writer, path, rows = None, folder, 0
            for batch in reader:
                if writer is None:
                    path = next(paths)
                    writer = writer_of(path, schema)
                writer.write_batch(batch.cast(schema))
                rows += batch.num_rows
                if rows >= ROWS_PER_FILE[form]:
                    writer.close()
                    yield path, rows
                    writer, rows = None, 0
            if writer is not None:
                writer.close()
                yield path, rows
    except adbc_driver_manager.Error as error:
        raise told_by_driver(f"stream {relation.stream}", error) from error


def stem_of(relation: Relation) -> str:
    """What the names of a stream's files begin with, each read's its own."""
    return f"{re.sub('[^A-Za-z0-9_-]', '_', relation.stream)}-{uuid.uuid4().hex[:12]}"


def _refused(dialect: Dialect, relation: Relation) -> str:
    tests = [refusal(column, f"antiphon_row.{dialect.quote(column.name)}") for column in relation.columns]
    return " OR ".join(f"coalesce({test}, false)" for test in tests if test) or "false"


def _expression(column: Column, name: str) -> str | None:
    if column.kind in _AS_THEY_ARE:
        return name
    if column.kind in _AS_TEXT:  # a cast would take the blanks off the end of char(n)
        return name if column.sql_type.startswith("character(") else f"{name}::text"
    if column.kind is Kind.FLOAT:
        return f"{name}::text::float8" if column.sql_type == "real" else name
    if column.kind is Kind.NUMBER and column.scale is not None and column.scale >= 0 and column.precision is not None:
        return f"{name}::text" if column.precision <= _LARGEST_DECIMAL else None
    return None
