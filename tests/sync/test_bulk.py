"""Collect gives the same ledger in bulk, where lines are recognised by their text, as record by record."""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon import model
from antiphon.equivalence import canonical_json, hash_of
from antiphon.errors import PluginFailed
from antiphon.ledger import Ledger
from antiphon.ledger.memory import MemoryStore
from antiphon.ledger.tables import OBS, TABLES
from antiphon.model import Observation
from antiphon.singer import messages
from antiphon.singer.messages import Lines, Message
from antiphon.sync import collect
from antiphon.sync.absence import complete
from antiphon.sync.collect import Collector, Counts, Stream
from antiphon.sync.lines import hash_lines

STREAMS = [
    Stream("contact", "people", ("id",), ("id", "name", "tags")),
    Stream("seat", "seats", ("row", "number"), ("number", "row", "who")),
]
SHAPES: dict[str, dict[str, Any]] = {
    "people": {"id": {}, "name": {"type": ["string", "number", "null"]}, "tags": {}, "unmapped": {}},
    "seats": {"row": {"type": ["string", "null"]}, "number": {}, "who": {"type": ["string", "null"]}},
}
UUID = "0e2b3c4d-0000-4000-8000-00000000000a"

keys = st.sampled_from(["1", "2", "3", "1.0", '"1"', "null", '""', "12345678901234567890123", '"é"', '"\\u00e9"'])
values = st.sampled_from(
    [
        "null",
        "1",
        "1.0",
        "1.50",
        "1e2",
        "100",
        "-0",
        "-0.0",
        "0.1",
        "1e400",
        "99999999999999999999999",
        "true",
        '"1"',
        '"x"',
        '"X"',
        '""',
        '" x"',
        '"é"',
        '"\\u00e9"',
        '"\\ud83d\\ude00"',
        '"😀"',
        '"\\u0000"',
        '"a\\/b"',
        '"a/b"',
        f'"{UUID}"',
        '["a","b"]',
        '[ "a", "b" ]',
        '{"a": {"b": null}}',
        '{"z": 1, "a": 2}',
        '{"a": 2, "z": 1}',
        "[]",
        '"x\\"}, \\"time_extracted\\": \\"2026"',
        '"2026-01-01T00:00:00Z"',
    ]
)
envelopes = st.sampled_from(
    [
        "",
        "",
        "",
        "",
        '"sync": {"state": "live", "birth": "b1"}',
        '"sync": {"state": "gone"}',
        '"sync": {"version": "7"}',
        '"sync": {"state": "merged", "merged_into": 2}',
        '"sync": {"state": "asleep"}',
        '"sync": 7',
        '"version": 9',
    ]
)
times = st.sampled_from(["", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00.5+00:00", "sometime"])


def object_of(members: list[tuple[str, str]], *, spaced: bool) -> str:
    comma, colon = (", ", ": ") if spaced else (",", ":")
    return "{" + comma.join(f'"{name}"{colon}{value}' for name, value in members) + "}"


@st.composite
def records(draw: st.DrawFn) -> str:
    stream = draw(st.sampled_from(["people", "people", "people", "seats", "strangers"]))
    names = ["row", "number", "who"] if stream == "seats" else ["id", "name", "tags", "unmapped"]
    members = [(name, draw(keys if name in ("id", "row", "number") else values)) for name in names]
    if _sometimes(draw, 10):
        members.pop(draw(st.integers(0, len(members) - 1)))
    if _sometimes(draw, 10):
        members.reverse()
    if _sometimes(draw, 20):
        members.append(draw(st.sampled_from([("_sdc_deleted_at", '"2026"'), ("_sdc_deleted_at", "null"), members[-1]])))
    spaced = draw(st.booleans())
    around = [("type", '"RECORD"'), ("stream", f'"{stream}"'), ("record", object_of(members, spaced=spaced))]
    line = object_of(around, spaced=spaced)[:-1]
    for last in (draw(envelopes), f'"time_extracted": "{time}"' if (time := draw(times)) else ""):
        line += (", " if spaced else ",") + last if last else ""
    return line + "}"


@st.composite
def people(draw: st.DrawFn) -> str:
    """A record without fault, and mostly without oddity."""
    key, name = draw(st.integers(1, 12)), draw(st.sampled_from(['"Ann"', '"Bob"', f'"{UUID}"', "1.50", "null"]))
    tags = draw(st.one_of(st.just("[]"), values))
    line = f'{{"type": "RECORD", "stream": "people", "record": {{"id": {key}, "name": {name}, "tags": {tags}}}'
    return line + (f', "time_extracted": "{time}"' if (time := draw(times)) else "") + "}"


@st.composite
def schemas(draw: st.DrawFn) -> str:
    stream = draw(st.sampled_from(["people", "people", "seats"]))
    shapes = dict(SHAPES[stream])
    change = draw(st.integers(0, 5))
    if change == 0:
        shapes[draw(st.sampled_from(sorted(shapes)))] = draw(
            st.sampled_from([{"type": "string"}, {"type": "string", "format": "uuid"}, {"type": ["integer", "null"]}])
        )
    elif change == 1:
        shapes.pop(draw(st.sampled_from(sorted(shapes))))
    return json.dumps({"type": "SCHEMA", "stream": stream, "schema": {"properties": shapes}, "key_properties": []})


FIRST = [
    json.dumps({"type": "SCHEMA", "stream": name, "schema": {"properties": shapes}, "key_properties": []})
    for name, shapes in SHAPES.items()
]
odd = st.sampled_from(
    [
        "",
        "  ",
        '{"type": "STATE", "value": {"at": 1}}',
        '{"type": "STATE", "value": {}}',
        '{"type": "ACTIVATE_VERSION"}',
        '{"type": "STATE", "value": {"at": 2}}',
        "no message",
        '{"type": "RECORD", "stream": "people"}',
        '{"a": NaN}',
        '{"type": "RECORD", "stream": "people", "record": {"id": 1',
        '{"type": "STATE", "value": 7}',
        "\u00e9",
    ]
)


@dataclass(frozen=True)
class Batch:
    """A BATCH file of records: those of the stream `people` among the lines of a read."""

    rows: tuple[str, ...]
    gzipped: bool


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    rows = draw(st.lists(st.tuples(keys, values), max_size=5))
    texts = [object_of([("id", key), ("name", value)], spaced=False) for key, value in rows]
    if _sometimes(draw, 10):
        texts.append(draw(st.sampled_from(["7", "no row", ""])))
    return Batch(tuple(texts), draw(st.booleans()))


@dataclass(frozen=True)
class Read:
    """One read of the tap, and what happens around it."""

    lines: tuple[str | Batch, ...]
    full: bool
    ended: bool
    planned: bool  # the planner looked at the records before
    written: int  # so many records hold what we wrote to them since
    columns: int  # so many columns are mapped


@st.composite
def reads(draw: st.DrawFn) -> list[Read]:
    """Some reads of one tap: each repeats much of the one before, as taps do, and changes a little."""
    known = draw(st.lists(people(), min_size=1, max_size=8, unique_by=lambda line: line.split(",")[2]))
    found = []
    for _ in range(draw(st.integers(2, 4))):
        lines: list[str | Batch] = [draw(schemas()) if _sometimes(draw, 5) else line for line in FIRST]
        lines += known
        for _ in range(draw(st.integers(0, 3))):
            others = [
                people(),
                records(),
                st.sampled_from(known),
                *([schemas(), batches()] if _sometimes(draw, 3) else []),
            ]
            lines.insert(draw(st.integers(2, len(lines))), draw(st.one_of(*others)))
        if _sometimes(draw, 6):
            lines.insert(draw(st.integers(0, len(lines))), draw(odd))
        if _sometimes(draw, 3):
            lines.pop(draw(st.integers(2, len(lines) - 1)))
        found.append(
            Read(
                tuple(lines),
                full=not _sometimes(draw, 5),
                ended=not _sometimes(draw, 5),
                planned=not _sometimes(draw, 5),
                written=draw(st.integers(0, 2)),
                columns=2 if _sometimes(draw, 6) else 3,
            )
        )
        known = [draw(people()) if _sometimes(draw, 6) else line for line in known]
    return found


def _sometimes(draw: st.DrawFn, one_in: int) -> bool:
    return draw(st.integers(1, one_in)) == one_in


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(reads=reads(), chunk=st.integers(1, 7), block=st.integers(1, 9))
def test_in_bulk_and_record_by_record_the_ledger_is_the_same_byte_for_byte(
    reads: list[Read], chunk: int, block: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sides = [_Sync(record_by_record=True), _Sync(record_by_record=False)]
        before, collect.CHUNK = collect.CHUNK, chunk
        try:
            for number, read in enumerate(reads):
                texts = [_written(line, Path(folder) / f"{number}-{at}") for at, line in enumerate(read.lines)]
                told = [sync.read(read, texts, block, number) for sync in sides]
                assert told[0] == told[1]
                assert sides[0].dump() == sides[1].dump()
        finally:
            collect.CHUNK = before


class _Sync:
    """A ledger that one side is read into."""

    def __init__(self, *, record_by_record: bool) -> None:
        self.ledger = Ledger(MemoryStore())
        self.ledger.create(ledger_id="0001", name="contacts", now=1)
        self.record_by_record = record_by_record

    def read(self, read: Read, texts: list[bytes], block: int, number: int) -> tuple[list[Counts], str, Any]:
        """One read: what was counted, the complaint, the STATE."""
        rows = list(self.ledger.store.scan(OBS))
        with self.ledger.transaction():
            if read.planned:
                self.ledger.mark([row.key for row in rows], touched=False)
            for row in rows[: read.written]:
                fields = {**row.fields, "name": "written"}
                self.ledger.put([model.replace(row, fields=fields, hash=hash_of(fields), touched=False)])
        streams = [replace(stream, full=read.full, columns=stream.columns[: read.columns]) for stream in STREAMS]
        collector = Collector(self.ledger, "crm", streams, lambda: 1000 * (number + 1), tap="tap-x")
        counts: list[Counts] = []
        complaint = ""
        try:
            for at in range(0, len(texts), block):
                lines = Lines(texts[at : at + block], "tap-x", at + 1)
                if self.record_by_record:
                    for message in _messages(lines):
                        collector.feed(message)
                else:
                    collector.take(lines)
            if read.ended:
                counts = collector.ended()
                complete(self.ledger, "crm", {s.entity: 0 for s in streams}, accept_empty=True)
            else:
                collector.flush()
        except PluginFailed as error:
            complaint = f"{error.message} | {error.hint}"
        return counts, complaint, collector.state

    def dump(self) -> str:
        """Everything but what only bulk needs."""
        rows = [
            model.replace(row, line=None) if isinstance(row, Observation) else row
            for table in TABLES
            for row in self.ledger.store.scan(table)
        ]
        return "\n".join(canonical_json(row) for row in rows)


def _messages(lines: Lines) -> Iterator[Message]:
    for at in range(len(lines.texts)):
        message = lines.message(at)
        if isinstance(message, messages.Batch):
            for more in message.lines():
                yield from _messages(more)
        elif message is not None:
            yield message


def _written(line: str | Batch, path: Path) -> bytes:
    if isinstance(line, str):
        return line.encode()
    content = "\n".join(line.rows).encode()
    path.write_bytes(gzip.compress(content) if line.gzipped else content)
    encoding = {"format": "jsonl", **({"compression": "gzip"} if line.gzipped else {})}
    message = {"type": "BATCH", "stream": "people", "encoding": encoding, "manifest": [f"file://{path}"]}
    return json.dumps(message).encode()


def test_a_line_that_was_shown_before_is_not_even_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    sync = _Sync(record_by_record=False)
    lines = [text.encode() for text in FIRST] + [_person(number) for number in range(50)]
    for number in (1, 2, 3):
        parsed: list[bytes] = []
        message = Lines.message

        def watched(self: Lines, at: int) -> Message | None:
            parsed.append(self.texts[at])  # noqa: B023 # called within this turn
            return message(self, at)  # noqa: B023

        with monkeypatch.context() as patched:
            patched.setattr(Lines, "message", watched)
            counts, _, _ = sync.read(Read(tuple(FIRST), True, True, True, 0, 3), lines, 20, number)
        assert (counts[0].seen, counts[0].changed) == (50, 50 if number == 1 else 0)
        assert len(set(parsed)) == (2 if number > 1 else 52)


def _person(number: int) -> bytes:
    return b'{"type":"RECORD","stream":"people","record":{"id":%d},"time_extracted":"2026-01-01T00:00:00Z"}' % number


@pytest.mark.parametrize("in_record", [True, False])
def test_only_the_time_of_its_making_may_differ_in_a_line(*, in_record: bool) -> None:
    begin, end = (b'{"record":{"a":1,', b"}}") if in_record else (b'{"record":{"a":1},', b"}")
    one, two = (begin + b'"time_extracted": "%s"' % time + end for time in (b"2026", b"2027"))
    assert (hash_lines([one]) == hash_lines([two])) is not in_record
    assert hash_lines([one, two]) == [*hash_lines([one]), *hash_lines([two])]
