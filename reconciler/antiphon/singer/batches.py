"""Files of a BATCH message: lines of JSON, gzipped or not, and Parquet. Each row comes as the text of a JSON object.

The messages are those of the Singer SDK ("Batch Messages" in its documentation): `encoding` names format and
compression, `manifest` the files.
"""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

import msgspec

from antiphon.errors import PluginFailed

if TYPE_CHECKING:
    import pyarrow as pa

FAULT = "the tap is at fault: it does not keep the Singer specification"
FORMATS = ("jsonl", "parquet")
ROWS = 2000
"""Rows of a Parquet file that are in memory at a time."""

_encoder = msgspec.json.Encoder(decimal_format="number")


def check_encoding(encoding: Mapping[str, Any], where: str) -> None:
    """Raise `PluginFailed` if files of this encoding cannot be read."""
    if encoding.get("format") not in FORMATS:
        raise PluginFailed(
            f"{where}: a BATCH in the format {encoding.get('format')!r}",
            hint="have the tap write jsonl or parquet batches",
        )


def read_file(url: str, encoding: Mapping[str, Any], where: str) -> Iterator[tuple[int, list[bytes]]]:
    """The texts of a file's rows, some at a time, with the number of the first. Raises `PluginFailed`."""
    if "://" in url and not url.startswith("file://"):
        raise PluginFailed(
            f"{where}: a BATCH file that is not on this machine: {url}", hint="have the tap write to a local folder"
        )
    path = Path(unquote(urlparse(url).path)) if "://" in url else Path(url)
    place = f"{where}: the BATCH file {url}"
    try:
        if encoding.get("format") == "parquet":
            yield from _parquet(path, place)
        else:
            yield 1, _lines(path.read_bytes(), encoding, place)
    except OSError as error:
        raise PluginFailed(f"{place} cannot be read: {error.strerror or error}", hint=FAULT) from error


def _lines(content: bytes, encoding: Mapping[str, Any], place: str) -> list[bytes]:
    compression = encoding.get("compression")
    if compression not in (None, "none", "gzip"):
        raise PluginFailed(f"{place} is compressed by {compression!r}", hint="have the tap write gzip, or none")
    try:
        plain = gzip.decompress(content) if compression == "gzip" else content
    except (OSError, EOFError, zlib.error) as error:
        raise PluginFailed(
            f"{place} is no whole gzip file: {error}", hint="the tap is at fault, or the disk full"
        ) from error
    return plain.split(b"\n")


def _parquet(path: Path, place: str) -> Iterator[tuple[int, list[bytes]]]:
    """The rows as JSON: times as ISO 8601 to the microsecond, decimals as numbers, bytes in base 64."""
    try:
        import pyarrow as pa  # noqa: PLC0415 # only taps that write Parquet need it
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        raise PluginFailed(
            f"{place} is Parquet, which needs pyarrow: {error}", hint="pip install 'antiphon[arrow]'"
        ) from error
    first = 1
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=ROWS):
                columns = [_plain(column) for column in batch.columns]
                rows = pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
                yield first, [_text(row, place, first + number) for number, row in enumerate(rows.to_pylist())]
                first += len(batch)
    except pa.ArrowException as error:
        raise PluginFailed(f"{place} is no whole Parquet file: {error}", hint=FAULT) from error


def _plain(column: pa.Array) -> pa.Array:
    """Python's times know no nanoseconds."""
    import pyarrow as pa  # noqa: PLC0415

    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        return column.cast(pa.timestamp("us", column.type.tz), safe=False)
    return column


def _text(row: dict[str, Any], place: str, number: int) -> bytes:
    for name, value in row.items():
        if isinstance(value, float | Decimal) and not math.isfinite(value):
            raise PluginFailed(
                f"{place}, row {number}: {name} is {value}, which is no number", hint="have the tap write null"
            )
    try:
        return _encoder.encode(row)
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise PluginFailed(f"{place}, row {number}: it cannot be told as JSON: {error}", hint=FAULT) from error
