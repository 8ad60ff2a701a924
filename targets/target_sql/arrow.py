"""BATCH messages whose files are Parquet or Arrow: columns go into the database without becoming rows here."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import types

from target_kit import SettingsError, TargetError
from target_sql.columns import Column, Kind

if TYPE_CHECKING:
    import pyarrow as pa

_DIGITS = 38
FORMATS = ("parquet", "arrow")
ROWS = 50_000


def record_batches(path: Path, form: str, where: str) -> Iterator[pa.RecordBatch]:
    """The file's columns, at most `ROWS` rows at once. Raises `TargetError` naming the file."""
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra, needed only for such files
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"{where}: a BATCH of {form} needs pyarrow", hint="pip install 'antiphon[arrow]'"
        ) from error
    try:
        if form == "parquet":
            with pq.ParquetFile(path) as file:
                yield from file.iter_batches(batch_size=ROWS)
            return
        with pa.memory_map(str(path)) as source:
            try:
                reader: Any = pa.ipc.open_file(source)
                whole: Iterator[Any] = (reader.get_batch(number) for number in range(reader.num_record_batches))
            except pa.ArrowInvalid:
                source.seek(0)
                whole = iter(pa.ipc.open_stream(source))
            for batch in whole:
                for start in range(0, batch.num_rows, ROWS):
                    yield batch.slice(start, ROWS)
    except (OSError, pa.ArrowException) as error:
        raise TargetError(f"{where}: the BATCH file {path} cannot be read: {error}") from error


def has_columns(columns: Sequence[Column], batch: pa.RecordBatch) -> bool:
    """Whether each column's text in CSV is what the database reads: not for bytes, lists and the like."""
    import pyarrow as pa  # noqa: PLC0415

    def plain(column: Column, kind: Any) -> bool:
        nested = pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
        return not (nested or pa.types.is_dictionary(kind)) and column.kind not in {Kind.ARRAY, Kind.BYTES}

    return all(plain(column, field.type) for column, field in zip(columns, batch.schema, strict=True))


def binary_form(columns: Sequence[Column], batch: pa.RecordBatch) -> pa.RecordBatch | None:
    """The columns in the types whose binary form is that of PostgreSQL's own; None where one has no such type."""
    import pyarrow as pa  # noqa: PLC0415

    wanted = [_binary_type(column) for column in columns]
    if any(kind is None for kind in wanted):
        return None
    try:
        arrays = [array.cast(kind) for array, kind in zip(batch.columns, wanted, strict=True)]
    except pa.ArrowException:
        return None
    return pa.RecordBatch.from_arrays(arrays, names=[column.name for column in columns])


def _binary_type(column: Column) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    match column.kind, column.type:
        case Kind.INTEGER, types.SmallInteger():
            return pa.int16()
        case Kind.INTEGER, types.BigInteger():
            return pa.int64()
        case Kind.INTEGER, types.Integer():
            return pa.int32()
        case Kind.FLOAT, types.Double():
            return pa.float64()
        case Kind.NUMBER, types.Numeric(precision=int(precision), scale=int(scale)) if precision <= _DIGITS:
            return pa.decimal128(precision, scale)
        case Kind.BOOLEAN, _:
            return pa.bool_()
        case Kind.DATE, _:
            return pa.date32()
        case Kind.TIMESTAMPTZ, _:
            return pa.timestamp("us", "UTC")
        case Kind.TIMESTAMP, _:
            return pa.timestamp("us")
        case Kind.TEXT, types.Text() | types.VARCHAR():
            return pa.string()
        case _:
            return None


def to_csv(batch: pa.RecordBatch) -> memoryview:
    """CSV in which text is quoted and null is nothing."""
    import pyarrow.csv as pacsv  # noqa: PLC0415

    buffer = io.BytesIO()
    pacsv.write_csv(batch, buffer, pacsv.WriteOptions(include_header=False, batch_size=10_000))
    return buffer.getbuffer()


def all_different(batch: pa.RecordBatch, key: Sequence[int]) -> bool:
    """Whether no key comes twice, as far as that is quick to tell."""
    import pyarrow.compute as pc  # noqa: PLC0415

    return len(key) == 1 and pc.count_distinct(batch.column(key[0]), mode="all").as_py() == batch.num_rows


def rows_of(batch: pa.RecordBatch) -> Iterator[Mapping[str, Any]]:
    """The same row by row."""
    yield from batch.to_pylist()
