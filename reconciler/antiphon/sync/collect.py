"""Collect: a tap's messages become observations, and its STATE is kept with them in one transaction.

| a line of the tap                                    | what it costs                                            |
|------------------------------------------------------|----------------------------------------------------------|
| as it was when the record was last read (`sync.lines`) | a hash; nothing is parsed, looked up or written          |
| otherwise, and the record is as it was               | it is parsed; one probe of the ledger                    |
| otherwise                                            | … and the observation is written                         |

What comes of it is the same, line by line or in bulk: a chunk in which one record shows twice, once as it was and once
otherwise, is read record by record.

A complete read also shows what is missing. That a read was complete is not known from its messages, only from the
tap's exit: `ended` leaves absences pending, `absence.complete` proves them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from antiphon.errors import PluginFailed
from antiphon.ledger import Ledger
from antiphon.ledger.erased import Erased
from antiphon.ledger.tables import ABSENCE, CURSOR, OBS
from antiphon.model import Absence, Cursor, Instant, RecordState, Rid, Row, Side, replace
from antiphon.singer.messages import Batch, Ignored, Lines, Message, Record, Schema, State
from antiphon.sync.absence import PRESENT
from antiphon.sync.lines import hash_lines
from antiphon.sync.reading import Reading, Shown, Stored, Stream, lacks
from antiphon.sync.witness import Witness

__all__ = ["CHUNK", "Collector", "Counts", "Stream"]

CHUNK = 2000
"""Records per transaction."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What one read of one stream brought."""

    entity: str
    seen: int
    changed: int
    missing: int
    unreadable: Mapping[Rid, str] = field(default_factory=dict)  # with the reason


class Collector:
    """One read of one side. `clock` gives our own time in microseconds.

    What is committed need be `durable` if its STATE is told to somebody else than the tap in the next run.
    `started` is when the read began, if that was before now. `quiet_until`: so long nothing is known to have changed.
    """

    def __init__(
        self,
        ledger: Ledger,
        side: Side,
        streams: list[Stream],
        clock: Callable[[], Instant],
        *,
        tap: str = "the tap",
        durable: bool = True,
        started: Instant | None = None,
        quiet_until: Instant = 0,
    ) -> None:
        self._ledger, self._side, self._clock, self._durable = ledger, side, clock, durable
        self.started = clock() if started is None else started
        self.state: Mapping[str, Any] | None = None  # the last STATE that is committed
        self._pending: Mapping[str, Any] | None = None
        self._buffered = 0
        self.taken = 0
        self._erased = Erased(ledger)
        self._witness = Witness(ledger, side, self.started, tap)
        self._readings: dict[str, Reading] = {}
        for stream in streams:
            cursor = ledger.get(CURSOR, side, stream.entity) or Cursor(side, stream.entity)
            blind = lacks(cursor, stream.columns)  # and nobody knows how these were in what it did not show
            low_water = 0 if blind else max(cursor.low_water, quiet_until)
            cursor = replace(
                cursor, low_water=low_water, read_started=self.started, read_ended=0, pending_full=stream.full
            )
            known = (
                sum(ledger.store.count(OBS, "live", (side, stream.entity, s)) for s in PRESENT) if stream.full else 0
            )
            absent = {row.rid for row in ledger.store.find(ABSENCE, "stream", [(side, stream.entity)])}
            self._readings[stream.stream] = Reading(stream, cursor, known, tap, full=stream.full, absent=absent)
        with self._transaction():
            ledger.put(reading.cursor for reading in self._readings.values())

    @property
    def heard_state(self) -> bool:
        """Whether a STATE waits to be committed."""
        return self._pending is not None

    # ---- taking in

    def take(self, lines: Lines) -> None:
        """Take lines in. What they say is durable after the next `flush`, which comes after every `CHUNK` records."""
        at = 0
        while at < len(lines.texts):
            at += self._take(lines.part(at, at + CHUNK - self._buffered))
            self._flush_when_full()

    def feed(self, message: Message) -> None:
        """Take one message in, as `take` takes a line."""
        match message:
            case Record():
                self._observe([(message, None)])
            case State():
                self._note(message)
            case Schema():
                self._declare(message)
            case Batch():
                for lines in message.lines():
                    self.take(lines)
            case Ignored():
                return
        self._flush_when_full()

    def flush(self) -> None:
        """Commit what was taken in, and the STATE that covers it."""
        if self._pending is not None or any(reading.buffer for reading in self._readings.values()):
            with self._transaction():
                self._store_all()
        self._committed()

    def ended(self) -> list[Counts]:
        """The tap's output ended. What a full read did not show is noted, and believed once it is proven complete."""
        found = []
        with self._transaction():
            self._store_all()
            for reading in self._readings.values():
                entity = reading.stream.entity
                missing = self._missing(reading) if reading.full else self._unseen_writes(reading)
                gone = {row.rid: row for row in self._ledger.store.find(ABSENCE, "stream", [(self._side, entity)])}
                back = self._shown(reading, gone)
                self._ledger.store.remove(ABSENCE, [(self._side, entity, rid) for rid in back])
                absent = [
                    Absence(self._side, entity, rid, gone[rid].reads if rid in gone else 0, pending=True)
                    for rid in missing
                ]
                seen = reading.hits + len(reading.shown)
                reading.cursor = replace(
                    reading.cursor,
                    read_ended=self._clock(),
                    known=reading.known,
                    seen=seen,
                    planned=False,
                    pending_full=reading.full,
                )
                self._ledger.put([*absent, reading.cursor])
                found.append(Counts(entity, seen, reading.changed, len(missing), reading.unreadable))
        self._committed()
        return found

    # ---- lines

    def _take(self, lines: Lines) -> int:
        """Take in as many of these lines as can be judged at once, at least one; how many."""
        texts = lines.whole()
        known = [marks for reading in self._readings.values() if (marks := self._marks_of(reading))]
        hashes = hash_lines(texts) if known else [b""] * len(texts)  # where none is known they tell nothing
        hits = {mark for marks in known for mark in marks.intersection(hashes)}
        if hits.issuperset(hashes):
            self._recognise(hits, len(hashes))
            return len(hashes)
        heard, end, stop = self._parse(lines, hashes, hits)
        if end == 0 and isinstance(stop, Schema | Batch):  # what follows depends on it
            self.feed(stop)
            return 1
        hits.intersection_update(hashes[:end])
        records = [(message, texts[at]) for message, at in heard if isinstance(message, Record)]
        if self._shows_again(records, hits):
            hits = set()
            heard, end, stop = self._parse(lines, hashes, hits)
            records = [(message, texts[at]) for message, at in heard if isinstance(message, Record)]
        if hits:
            self._recognise(hits, sum(mark in hits for mark in hashes[:end]))
        self._observe(records)
        for message, _ in heard:
            if isinstance(message, State):
                self._note(message)
        if isinstance(stop, PluginFailed):
            raise stop
        return end

    def _recognise(self, hits: set[bytes], lines: int) -> None:
        for reading in self._readings.values():
            reading.recognise(hits)
        self._buffered += lines
        self.taken += lines

    def _parse(
        self, lines: Lines, hashes: list[bytes], hits: set[bytes]
    ) -> tuple[list[tuple[Message, int]], int, Schema | Batch | PluginFailed | None]:
        """The messages of the lines that are not among the hits, by line, up to a SCHEMA, BATCH or fault, and where.

        The fault is not raised yet: what came before it counts.
        """
        heard: list[tuple[Message, int]] = []
        for at, mark in enumerate(hashes):
            if mark in hits:
                continue
            try:
                message = lines.message(at)
            except PluginFailed as error:
                return heard, at, error
            if isinstance(message, Schema | Batch):
                return heard, at, message
            if message is not None:
                heard.append((message, at))
        return heard, len(hashes), None

    def _shows_again(self, records: list[tuple[Record, bytes]], hits: set[bytes]) -> bool:
        """Whether one of these records is among the hits as well, as it was: then their order counts."""
        if not hits:
            return False
        return any(
            old is not None and old.rid not in reading.shown and reading.mark_of(old) in hits
            for reading, rids in self._ids(records)
            for old in self._ask(reading, rids)
        )

    def _ids(self, records: Sequence[tuple[Record, bytes | None]]) -> Iterator[tuple[Reading, list[Rid]]]:
        """The ids of those records that may also be told by their lines, by stream."""
        for name, reading in self._readings.items():
            if reading.told_by_lines:
                yield reading, [reading.rid_of(record.record) for record, _ in records if record.stream == name]

    # ---- messages

    def _observe(self, records: Sequence[tuple[Record, bytes | None]]) -> None:
        for reading, rids in self._ids(records):
            for old in self._ask(reading, rids):
                if old is not None:
                    reading.claim(old)
        at = self._clock()  # all of them are in our hands
        for message, text in records:
            shown = self._readings.get(message.stream)
            if shown is not None:
                shown.observe(message, at, text)
                self._buffered += 1
                self.taken += 1

    def _note(self, state: State) -> None:
        if state.value:  # an empty STATE would wipe the bookmark (meltano/sdk issue 3000)
            self._pending = state.value

    def _declare(self, schema: Schema) -> None:
        reading = self._readings.get(schema.stream)
        if reading is None:
            return
        self._witness.hear(schema.sync, self._clock())
        reading.declare(schema)
        columns = reading.columns
        if reading.cursor.schema != columns:
            reading.cursor = replace(reading.cursor, schema=columns)
            with self._transaction():
                self._ledger.put([reading.cursor])

    def _flush_when_full(self) -> None:
        if self._buffered >= CHUNK:
            self.flush()

    # ---- the ledger

    def _transaction(self) -> AbstractContextManager[None]:
        return self._ledger.transaction(durable=self._durable)

    def _marks_of(self, reading: Reading) -> set[bytes]:
        """The hashes of the lines that need not be read."""
        if reading.marks is None or not reading.full:
            return set()
        if reading.loaded is None:
            reading.loaded = reading.marks
            if not reading.shown:
                live = (self._side, reading.stream.entity, RecordState.LIVE)
                reading.marks.load(self._ledger.store.pick(OBS, ("hash", "line"), "live", [live]))
                for row_hash, line in self._awaited(reading).values():
                    reading.marks.unseen.discard(reading.marks.recovered(line, row_hash) or b"")
        return reading.loaded.unseen if reading.loaded is reading.marks else set()

    def _awaited(self, reading: Reading) -> dict[Rid, tuple[str, str | None]]:
        """Hash and mark of records of which the ledger wants to know when they were last seen, see `Stored`."""
        names = ("side", "entity", "rid", "hash", "line")
        ours = (self._side, reading.stream.entity)
        return {
            rid: (row_hash, line)
            for index in ("touched", "unseen")
            for side, entity, rid, row_hash, line in self._ledger.store.pick(OBS, names, index, [(True,)])
            if (side, entity) == ours
        }

    def _ask(self, reading: Reading, rids: Iterable[Rid]) -> list[Stored | None]:
        """What the ledger has of these records."""
        wanted = dict.fromkeys(rids)
        entity, stored = reading.stream.entity, reading.stored
        unknown = [rid for rid in wanted if rid not in stored]
        if unknown:
            stored.update(dict.fromkeys(unknown))
            keys = [(self._side, entity, rid) for rid in unknown]
            rows = self._ledger.store.pick(OBS, Stored.__struct_fields__, None, keys)
            stored.update([(row[0], Stored(*row)) for row in rows])
        return [stored[rid] for rid in wanted]

    def _store_all(self) -> None:
        for reading in self._readings.values():
            if reading.buffer:
                self._store(reading)
        if self._pending is not None:
            whole = self._ledger.get(CURSOR, self._side, "") or Cursor(self._side, "")
            self._ledger.put([replace(whole, state=self._pending)])

    def _committed(self) -> None:
        self._buffered = 0
        if self._pending is not None:
            self.state, self._pending = self._pending, None

    def _store(self, reading: Reading) -> None:
        """Write what differs. An unchanged record costs one probe."""
        buffer, reading.buffer = reading.buffer, {}
        self._ask(reading, buffer)
        stored, reading.stored = reading.stored, {}
        changed: list[Shown] = []
        same: dict[Rid, tuple[Shown, str | None]] = {}  # with the mark that is new
        for rid, row in buffer.items():
            old = stored[rid]
            if old is None and self._erased.by_id((self._side, reading.stream.entity, rid)):
                continue
            if old is not None and old.state in PRESENT:
                reading.reappeared.add(rid)
            if old is None or not row.agrees(old):
                changed.append(row)
            elif old.is_awaited or reading.full:
                line = reading.renewal(row, old)
                if old.is_awaited or line is not None:
                    same[rid] = row, line
        reading.changed += len(changed)
        entity = reading.stream.entity
        keys = [(self._side, entity, rid) for rid in [*same, *(row.rid for row in changed)] if stored[rid] is not None]
        before = self._ledger.store.get(OBS, keys)
        rows: list[Row] = []
        for row in changed:
            old_row = before.get((self._side, entity, row.rid))
            rows.append(reading.observation(row, old_row, self._witness.skew))
        for rid, (row, line) in same.items():
            whole = before[self._side, entity, rid]
            if whole.touched or whole.unseen:
                version = row.sync.get("version")
                whole = replace(whole, read_at=self.started, complete_at=row.at, version=version, unseen=False)
            rows.append(replace(whole, line=line or whole.line))
        if reading.uuids != reading.cursor.uuids:
            reading.cursor = replace(reading.cursor, uuids=dict(reading.uuids), schema=reading.columns)
            rows.append(reading.cursor)
        self._ledger.put(rows)

    def _missing(self, reading: Reading) -> list[Rid]:
        if reading.hits + len(reading.reappeared) >= reading.known:
            return []
        found: list[Rid] = []
        awaited = self._awaited(reading)
        for state in PRESENT:
            index = self._side, reading.stream.entity, state
            for rid, row_hash, line in self._ledger.store.pick(OBS, OBS.riders["live"], "live", [index]):
                old = Stored(rid, row_hash, state, None, None, None, rid in awaited, rid in awaited, line)
                if rid not in reading.shown and not reading.was_hit(old):
                    found.append(rid)
        return sorted(found)

    def _unseen_writes(self, reading: Reading) -> list[Rid]:
        """Records that our target wrote since the last complete read, and that a read which tells them does not show.

        Somebody deleted them before any read saw them, so that no read will tell of it. A full read comes next, and
        proves it.
        """
        if not reading.stream.tells_new:
            return []
        rows = self._ledger.store.pick(OBS, ("side", "entity", "rid", "state", "read_at"), "unseen", [(True,)])
        return sorted(
            rid
            for side, entity, rid, state, at in rows
            if (side, entity, state) == (self._side, reading.stream.entity, RecordState.LIVE)
            and at > reading.cursor.low_water
            and rid not in reading.shown
        )

    def _shown(self, reading: Reading, rids: Iterable[Rid]) -> list[Rid]:
        """Which of these records the read showed."""
        asked = [(old, rid) for old, rid in zip(self._ask(reading, rids), rids, strict=True)]
        return [rid for old, rid in asked if rid in reading.shown or (old is not None and reading.was_hit(old))]
