"""How each kind of system is read: its tap's messages, with the faults that taps have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from random import Random
from typing import Any

from antiphon.model import Instant, Value
from antiphon.singer.listening import Ended
from antiphon.singer.messages import Lines, encode
from antiphon.sync.collect import Stream
from tests.simulation.shape import HUBSPOT, OVERLAP, SECOND
from tests.simulation.world import Row, System

LOOKS_BACK = OVERLAP
"""A user's change was seen by an incremental read that began so much later."""


@dataclass(slots=True)
class Reading:
    """What goes wrong in one read."""

    dies_after: int | None = None  # so many messages; the tap ends with an error
    duplicates: bool = False  # a page is shown twice
    shuffle: int | None = None  # records come in another order
    empty: bool = False  # the side shows nothing
    swapped: bool = False  # the side is another account
    hidden: frozenset[str] = frozenset()  # columns that SCHEMA and RECORD lack
    hidden_from: int = 0  # so many records of each stream still show them
    late: bool = False  # the first record comes again at the end, as it was in the beginning
    shows: int | None = None  # so many records of each stream, and it ends as if these were all


@dataclass(slots=True)
class FakeTap:
    """A tap's run: one message at a time as long as users may act in between, else all the rest at once."""

    system: System
    lines: Iterator[dict[str, Any]]
    began: Instant
    full: bool
    faults: Reading
    told: int = 0
    end: Ended | None = None

    @property
    def name(self) -> str:
        """As a process would be called."""
        return f"tap-{self.system.side}"

    def poll(self, _seconds: float) -> Lines | Ended:
        """The next lines, or the end."""
        world, phase = self.system.world, f"read {self.system.side}"
        lines: list[bytes] = []
        while self.end is None:
            world.tick()
            world.moment(phase)
            line = self._next()
            if line is not None:
                lines.append(line)
                if not world.quiet(phase):
                    break
        return Lines(lines, self.name) if lines else self.end or Lines([], self.name)

    def _next(self) -> bytes | None:
        """The next line, if it does not end here."""
        world = self.system.world
        if self.faults.dies_after is not None and self.told >= self.faults.dies_after:
            world.met["tap dies"] += 1
            self.end = Ended(1, "it died")
            return None
        self.told += 1
        line = next(self.lines, None)
        if line is None:
            self._looked()
            self.end = Ended(0, "")
            return None
        if world.shape.timed and line["type"] == "RECORD":
            line = {**line, "time_extracted": iso(world.now)}
        return encode(line).rstrip()

    def _looked(self) -> None:
        """From here on the engine has seen what users did before, unless this read showed not all of it."""
        world, side = self.system.world, self.system.side
        if self.faults.empty or self.faults.swapped or self.faults.shows is not None:
            return
        if self.full:
            world.passed_over.discard(side)
        if side not in world.passed_over:
            world.looked[side] = self.began


def read(system: System, streams: list[Stream], state: Mapping[str, Any] | None, faults: Reading) -> FakeTap:
    """Begin a read. `state` is the bookmark that the tap is handed."""
    full = all(s.full for s in streams)
    began = system.world.now - (0 if full else LOOKS_BACK)
    return FakeTap(system, _lines(system, streams, state or {}, faults), began, full, faults)


def _lines(
    system: System, streams: list[Stream], state: Mapping[str, Any], faults: Reading
) -> Iterator[dict[str, Any]]:
    marks = dict(state.get("bookmarks", {}))
    for stream in streams:
        yield _schema(system, stream, faults, frozenset() if faults.hidden_from else faults.hidden)
        began = system.world.now
        since = None if stream.full else marks.get(stream.stream, {}).get("at", 0) - OVERLAP
        if faults.empty:
            system.world.met["empty"] += 1
        else:
            yield from _records(system, stream, since, faults)
        marks[stream.stream] = {"at": began}
        yield {"type": "STATE", "value": {"bookmarks": dict(marks)}}


def _schema(system: System, stream: Stream, faults: Reading, hidden: frozenset[str]) -> dict[str, Any]:
    columns = system.world.shape.mapping.entities[stream.entity].sides[system.side].columns
    system.world.met["swapped"] += faults.swapped
    envelope = {"clock": iso(system.world.now), "account": "another" if faults.swapped else "ours"}
    return {
        "type": "SCHEMA",
        "stream": stream.stream,
        "schema": {"properties": {name: shape for name, shape in columns.items() if name not in hidden}},
        "key_properties": list(stream.key),
        **({"sync": envelope} if system.kind == HUBSPOT else {}),
    }


def _records(system: System, stream: Stream, since: Instant | None, faults: Reading) -> Iterator[dict[str, Any]]:
    system.commit()
    rows = [row for row in system.tables[stream.entity].values() if _shown(system, row, since)]
    met = system.world.met
    if faults.shuffle is not None:
        Random(faults.shuffle).shuffle(rows)
        met["shuffle"] += len(rows) > 1
    if faults.shows is not None and len(rows) > faults.shows:
        rows = rows[: faults.shows]
        met["truncated"] += 1
        if since is not None or system.world.shape.incremental[system.side]:
            system.world.passed_over.add(system.side)
            met["passed over"] += 1
    snapshot = None if system.kind == HUBSPOT else [dict(row.values) for row in rows]
    early = [({**row.key, **row.values}, _envelope(row)) for row in rows[:1] if faults.late and system.kind == HUBSPOT]
    for number, row in enumerate(rows):
        values = row.values if snapshot is None else snapshot[number]
        record = {**row.key, **values}
        if faults.swapped:
            record = _stranger(system, row, record)
        if faults.hidden and number == faults.hidden_from:
            met["column gone" if not number else "column gone mid-read"] += 1
            if number:
                yield _schema(system, stream, faults, faults.hidden)
        if number >= faults.hidden_from:
            record = {name: value for name, value in record.items() if name not in faults.hidden}
        line: dict[str, Any] = {"type": "RECORD", "stream": stream.stream, "record": record}
        if system.kind == HUBSPOT and not faults.swapped:
            line["sync"] = _envelope(row)
        yield line
        if faults.duplicates and number % 3 == 0 and snapshot is not None:
            met["duplicates"] += 1
            yield line
    for record, envelope in early:
        if record != {**rows[0].key, **rows[0].values}:
            met["late record"] += 1
            yield {"type": "RECORD", "stream": stream.stream, "record": record, "sync": envelope}


def _shown(system: System, row: Row, since: Instant | None) -> bool:
    if system.kind != HUBSPOT:
        return row.alive and (since is None or row.updated >= since)
    if since is None:
        return True
    stamps = [stamp for stamp, visible in row.indexed if visible <= system.world.now]
    return bool(stamps) and stamps[-1] >= since


def _envelope(row: Row) -> dict[str, Any]:
    if row.merged_into is not None:
        return {"state": "merged", "merged_into": _ids(row.merged_into), "birth": str(row.born)}
    times = {column: iso(events[-1].at) for column, events in row.history.items() if events}
    return {"state": "live" if row.alive else "gone", "birth": str(row.born), "field_times": times}


@lru_cache(maxsize=4096)
def iso(at: Instant) -> str:
    """An instant as APIs write it."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)).isoformat(timespec="milliseconds")


def _ids(rid: str) -> list[Value]:
    return [rid.removeprefix('["').removesuffix('"]')]


def _stranger(system: System, row: Row, record: dict[str, Value]) -> dict[str, Value]:
    """The same table in another account: other ids, other people."""
    number = row.born // SECOND % 100_000
    changed = {name: f"stranger {number}" if isinstance(v, str) else v for name, v in record.items()}
    for name, value in row.key.items():
        changed[name] = 1_000_000 + int(value) if isinstance(value, int) else f"x{value}"
    return changed
