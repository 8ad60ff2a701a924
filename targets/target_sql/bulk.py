"""Plain records without a Python object a record: whole runs of lines become rows of a batch.

A line is decoded into one typed struct whose fields are JSON tokens as they stand in the text. What is out of the
ordinary (another stream, an envelope, a missing column, a deletion, a duplicate property) is left to the way that
reads line by line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from antiphon.protocol import DELETED_AT

if TYPE_CHECKING:
    from target_sql.sinks import SQLSink

_SMALLEST, _LARGEST = 1 << 13, 1 << 20
_NULL = b"null"
_NULL_RAW, _ABSENT = msgspec.Raw(_NULL), msgspec.Raw()


class _Head(msgspec.Struct):
    """What a line is, before all of it is read."""

    type: str
    stream: str | None = None
    sync: msgspec.Raw | None = None


_head = msgspec.json.Decoder(_Head)


class BulkReader:
    """Reads runs of one sink's records. The window grows while all lines of it belong to the run."""

    def __init__(self, sink: SQLSink) -> None:
        self.sink = sink
        self._columns = sink.columns
        properties = [sink.property_of(column) for column in self._columns]
        self._key = [self._columns.index(column) for column in sink.key]
        fields: list[tuple[str, Any]] = [(f"f{number}", msgspec.Raw) for number in range(len(properties))]
        renamed = {f"f{number}": name for number, name in enumerate(properties)}
        deleted: list[tuple[str, Any, Any]] = [("gone", msgspec.Raw, _NULL_RAW)]
        record = msgspec.defstruct("Record", [*fields, *deleted], rename={**renamed, "gone": DELETED_AT}, gc=False)
        message: list[Any] = [("type", str), ("stream", str), ("record", record), ("sync", msgspec.Raw, _ABSENT)]
        self._decoder = msgspec.json.Decoder(msgspec.defstruct("Message", message, gc=False))
        self._window = _SMALLEST
        limits = [(place, sink.table.columns[column].limit) for place, column in enumerate(self._columns)]
        self._limits = [(place, limit) for place, limit in limits if limit is not None]

    def take(self, chunk: bytes, start: int) -> int:
        """Add the run of records that starts at `start` to the sink; up to where it goes."""
        while start < len(chunk):
            end = chunk.rfind(b"\n", start, start + self._window) + 1 or chunk.find(b"\n", start) + 1 or len(chunk)
            messages = self._decoded(chunk[start:end])
            run = self._run(messages) if messages is not None else 0
            if messages is None or run < len(messages):
                self._window = max(_SMALLEST, self._window // 4)
                if not messages or not run:
                    return start
                end = _after(chunk, start, run)
                messages = messages[:run]
            else:
                self._window = min(_LARGEST, self._window * 2)
            self._add(messages)
            start = end
            if run and self.sink.is_full:
                return start
        return start

    def _decoded(self, lines: bytes) -> list[Any] | None:
        try:
            return self._decoder.decode_lines(lines)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None  # an error or a message of another form: the other way tells which

    def _run(self, messages: Sequence[Any]) -> int:
        """How many messages from the first on are plain records of the sink."""
        stream = self.sink.stream_name
        key = [f"f{place}" for place in self._key]
        for number, message in enumerate(messages):
            if message.type != "RECORD" or message.stream != stream or message.sync is not _ABSENT:
                return number
            if message.record.gone is not _NULL_RAW and message.record.gone != _NULL_RAW:
                return number
            for name in key:
                if getattr(message.record, name) == _NULL_RAW:
                    return number
        return len(messages)

    def _add(self, messages: Sequence[Any]) -> None:
        batch = self.sink.bulk_batch()
        rows = [msgspec.structs.astuple(message.record)[:-1] for message in messages]
        lines = [b",".join(row) for row in rows]
        if self._limits and (unfit := self._unfit(rows)):
            for number, reason in unfit.items():
                self.sink.refuse_line(lines[number], *reason)
            lines = [line for number, line in enumerate(lines) if number not in unfit]
        batch.lines += lines
        if self._key:
            keys = self._keys(rows)
            before = len(batch.keys)
            batch.keys.update(keys)
            batch.doubled |= len(batch.keys) - before != len(keys)
        self.sink.took(len(rows))

    def _unfit(self, rows: Sequence[Sequence[Any]]) -> dict[int, tuple[str, str]]:
        """Rows that do not fit into the table unchanged: for each a column, and why."""
        found: dict[int, tuple[str, str]] = {}
        for place, limit in self._limits:
            tokens = b"\n".join([*[row[place] for row in rows], b""])
            found |= {number: (self._columns[place], why) for number, why in limit.unfit(tokens)}
        return found

    def _keys(self, rows: Sequence[Sequence[Any]]) -> list[bytes]:
        if len(self._key) == 1:
            (place,) = self._key
            return [bytes(row[place]) for row in rows]
        return [b",".join([row[place] for place in self._key]) for row in rows]


def stream_of(chunk: bytes, start: int) -> str | None:
    """The stream of the plain record on a line; None if the line is anything else."""
    end = chunk.find(b"\n", start)
    try:
        head = _head.decode(chunk[start : end if end >= 0 else len(chunk)])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return head.stream if head.type == "RECORD" and head.sync is None else None


def _after(chunk: bytes, start: int, lines: int) -> int:
    """Where the line behind so many lines with something on them begins."""
    while lines:
        end = chunk.find(b"\n", start) + 1
        if not chunk[start:end].isspace():
            lines -= 1
        start = end
    return start
