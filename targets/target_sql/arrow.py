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


def fits(columns: Sequence[Column], batch: pa.RecordBatch) -> bool:
    """Whether each value certainly fits into its column; where that is not sure the rows are looked at one by one."""
    return all(
        column.limit is None or _fits(column, array) for column, array in zip(columns, batch.columns, strict=True)
    )


def _fits(column: Column, array: Any) -> bool:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    limit = column.limit
    if limit is None or array.null_count == len(array):
        return True
    if column.kind is Kind.TEXT and (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        return not limit.fault("x" * pc.max(pc.binary_length(array)).as_py())
    finest = _finest(array.type)
    if finest and limit.takes(finest):
        return True
    try:
        shown = pc.fill_null(array.cast(pa.string()), "null")
    except pa.ArrowException:
        return False
    tokens = "\n".join([*shown.to_pylist(), ""]).encode()
    return tokens.count(b"\n") == len(array) and limit.takes(tokens)


def _finest(kind: pa.DataType) -> bytes:
    """A token that shows as much as values of a type can; nothing if that depends on the value."""
    import pyarrow as pa  # noqa: PLC0415

    shown = ""
    if pa.types.is_decimal(kind) and kind.scale >= 0:
        shown = f"0.{'1' * kind.scale}\n"
    elif pa.types.is_date32(kind):
        shown = "2026-01-01\n"
    elif pa.types.is_timestamp(kind):
        shown = f"2026-01-01 10:00:00{_FRACTIONS[kind.unit]}\n"
    elif pa.types.is_time(kind):
        shown = f"10:00:00{_FRACTIONS[kind.unit]}\n"
    return shown.encode()


_FRACTIONS = {"s": "", "ms": ".111", "us": ".111111", "ns": ".111111111"}


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
    """The same row by row. Nanoseconds, which Python's moments lack, are shown as text."""
    import pyarrow as pa  # noqa: PLC0415

    def plain(array: Any) -> Any:
        fine = (pa.types.is_timestamp(array.type) or pa.types.is_time(array.type)) and array.type.unit == "ns"
        return array.cast(pa.string()) if fine else array

    yield from pa.RecordBatch.from_arrays(list(map(plain, batch.columns)), batch.schema.names).to_pylist()
