"""Collect: a tap's messages become observations, and its STATE is kept with them in one transaction.

A complete read also shows what is missing. That a read was complete is not known from its messages, only from the tap's
exit: `ended` leaves absences pending, `complete` proves them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any

from antiphon.equivalence import canonical_json, is_empty, make_rid
from antiphon.errors import PluginFailed
from antiphon.identity import row_hash
from antiphon.ledger import Ledger
from antiphon.ledger.erased import Erased
from antiphon.ledger.tables import ABSENCE, CURSOR, MEMBER, OBS
from antiphon.model import Absence, Cursor, Instant, Observation, RecordState, Rid, Side, Value, replace
from antiphon.plan.guards import Tripped, check_read
from antiphon.protocol import DELETED_AT, UUID
from antiphon.singer.messages import Ignored, Message, Record, Schema, State
from antiphon.sync.witness import Skew, Witness

CHUNK = 2000
"""Records per transaction."""

PRESENT = (RecordState.LIVE, RecordState.ERROR)
"""A record in one of these states is there, readable or not, and is missed when a full read lacks it."""

PROOF = 2
"""A linked record is gone when this many complete reads in a row lacked it."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What is read of one entity on one side. `full`: this read shows every record."""

    entity: str
    stream: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    full: bool = True
    overlap: Instant = 0


@dataclass(slots=True)
class _Reading:
    """One stream's read under way."""

    stream: Stream
    cursor: Cursor
    known: int
    types: Mapping[str, frozenset[type]] | None = None
    full: bool = True
    shown: dict[Rid, str] = field(default_factory=dict)  # rid: hash
    reappeared: set[Rid] = field(default_factory=set)
    buffer: dict[Rid, Observation] = field(default_factory=dict)
    unreadable: dict[Rid, str] = field(default_factory=dict)
    uuid: set[str] = field(default_factory=set)  # text columns that showed a UUID
    not_uuid: set[str] = field(default_factory=set)  # text columns that showed anything else


@dataclass(frozen=True, slots=True)
class Counts:
    """What one read of one stream brought."""

    entity: str
    seen: int
    changed: int
    missing: int
    unreadable: Mapping[Rid, str] = field(default_factory=dict)  # with the reason


class Collector:
    """One read of one side. `clock` gives our own time in microseconds."""

    def __init__(
        self, ledger: Ledger, side: Side, streams: list[Stream], clock: Callable[[], Instant], *, tap: str = "the tap"
    ) -> None:
        self._ledger, self._side, self._clock, self._tap = ledger, side, clock, tap
        self.started = clock()
        self.state: Mapping[str, Any] | None = None  # the last STATE that is committed
        self._pending: Mapping[str, Any] | None = None
        self._buffered = 0
        self.taken = 0
        self._changed: dict[str, int] = {}
        self._erased = Erased(ledger)
        self._witness = Witness(ledger, side, self.started, tap)
        self._readings: dict[str, _Reading] = {}
        for stream in streams:
            cursor = ledger.get(CURSOR, side, stream.entity) or Cursor(side, stream.entity)
            known = (
                sum(ledger.store.count(OBS, "live", (side, stream.entity, s)) for s in PRESENT) if stream.full else 0
            )
            self._readings[stream.stream] = _Reading(stream, cursor, known, full=stream.full)
        for reading in self._readings.values():
            reading.cursor = replace(reading.cursor, read_started=self.started, read_ended=0)
        with ledger.transaction():
            ledger.put(reading.cursor for reading in self._readings.values())

    def feed(self, message: Message) -> None:
        """Take one message in. What it says is durable after the next `flush`."""
        match message:
            case Record():
                reading = self._readings.get(message.stream)
                if reading is not None:
                    self._observe(reading, message)
            case State(value):
                if value:  # an empty STATE would wipe the bookmark (meltano/sdk issue 3000)
                    self._pending = value
            case Schema():
                self._declare(message)
            case Ignored():
                return
        if self._buffered >= CHUNK:
            self.flush()

    def flush(self) -> None:
        """Commit what was taken in, and the STATE that covers it."""
        if not self._buffered and self._pending is None:
            return
        with self._ledger.transaction():
            for reading in self._readings.values():
                self._store(reading)
            if self._pending is not None:
                whole = self._ledger.get(CURSOR, self._side, "") or Cursor(self._side, "")
                self._ledger.put([replace(whole, state=self._pending)])
        if self._pending is not None:
            self.state, self._pending = self._pending, None
        self._buffered = 0

    def ended(self) -> list[Counts]:
        """The tap's output ended. What a full read did not show is noted, and believed once it is proven complete."""
        self.flush()
        found = []
        with self._ledger.transaction():
            for reading in self._readings.values():
                missing = self._missing(reading) if reading.full else []
                gone = {
                    row.rid: row
                    for row in self._ledger.store.find(ABSENCE, "stream", [(self._side, reading.stream.entity)])
                }
                back = [rid for rid in gone if rid in reading.shown]
                self._ledger.store.remove(ABSENCE, [(self._side, reading.stream.entity, rid) for rid in back])
                self._ledger.put(
                    Absence(self._side, reading.stream.entity, rid, gone[rid].reads if rid in gone else 0, pending=True)
                    for rid in missing
                )
                reading.cursor = replace(
                    reading.cursor,
                    read_ended=self._clock(),
                    known=reading.known,
                    seen=len(reading.shown),
                    planned=False,
                    pending_full=reading.full,
                    schema=_with_uuids(reading.cursor.schema or {}, reading.uuid, reading.not_uuid),
                )
                entity = reading.stream.entity
                seen, changed = len(reading.shown), self._changed.get(entity, 0)
                found.append(Counts(entity, seen, changed, len(missing), reading.unreadable))
            self._ledger.put(reading.cursor for reading in self._readings.values())
        return found

    def _declare(self, schema: Schema) -> None:
        reading = self._readings.get(schema.stream)
        if reading is None:
            return
        self._witness.hear(schema.sync, self._clock())
        stream = reading.stream
        absent = [column for column in stream.key if column not in schema.properties]
        if absent:
            raise PluginFailed(
                f"{self._tap}: the stream {schema.stream} has no column {absent[0]!r}, which is its `key` in sync.yml; "
                f"it has {_names(schema.properties)}",
                hint=f"correct `entities.{stream.entity}.sides.{self._side}.key`, "
                "or select the column in the tap's catalog",
            )
        known = reading.cursor.schema or {}
        columns = {
            name: _as_known(shape, known.get(name))
            for name, shape in schema.properties.items()
            if name in stream.columns
        }
        reading.types = {name: _accepted(shape) for name, shape in columns.items()}
        reading.full = reading.full and not (schema.bookmark and not stream.full)
        if reading.cursor.schema != columns:
            reading.cursor = replace(reading.cursor, schema=columns)
            with self._ledger.transaction():
                self._ledger.put([reading.cursor])

    def _observe(self, reading: _Reading, message: Record) -> None:
        if reading.types is None:
            raise PluginFailed(
                f"{self._tap}: a RECORD of {message.stream} came before its SCHEMA",
                hint="the tap does not keep the Singer specification",
            )
        stream, record, sync = reading.stream, message.record, message.sync
        rid = make_rid([record.get(column) for column in stream.key])
        fields = {column: record[column] for column in stream.columns if column in record}
        digest = row_hash(canonical_json(fields))
        state = self._state_of(message)
        if record.get(DELETED_AT) is not None:
            state = RecordState.GONE
        error = self._complaint(reading, rid, record, fields, digest) if state is RecordState.LIVE else None
        if error:
            reading.unreadable[rid] = error
        reading.shown[rid] = digest
        for column, value in fields.items():
            if column not in reading.not_uuid and isinstance(value, str):
                (reading.uuid if UUID.fullmatch(value) else reading.not_uuid).add(column)
        merged = sync.get("merged_into")
        reading.buffer[rid] = Observation(
            side=self._side,
            entity=stream.entity,
            rid=rid,
            state=RecordState.ERROR if error else state,
            fields=fields,
            hash=digest,
            read_at=self.started,
            complete_at=self._clock(),
            merged_into=make_rid(merged if isinstance(merged, list) else [merged]) if merged is not None else None,
            version=sync.get("version"),
            birth=sync.get("birth"),
            origin=sync.get("origin", "unknown"),
            field_times=self._witness.times(sync, message.stream),
            error=error,
        )
        self._buffered += 1
        self.taken += 1

    def _state_of(self, message: Record) -> RecordState:
        shown = message.sync.get("state", RecordState.LIVE)
        try:
            return RecordState(shown)
        except ValueError:
            known = ", ".join(RecordState)
            raise PluginFailed(
                f"{self._tap}: a RECORD of {message.stream} whose envelope says state {shown!r}",
                hint=f"the states are {known}",
            ) from None

    def _complaint(
        self, reading: _Reading, rid: Rid, record: Mapping[str, Value], fields: Mapping[str, Value], digest: str
    ) -> str | None:
        """Why the record cannot be believed, if so."""
        empty = [column for column in reading.stream.key if is_empty(record.get(column))]
        if empty:
            return f"its key column {empty[0]} is empty"
        if reading.full and reading.shown.get(rid, digest) != digest:
            return "one read showed this key twice with different values: the key is not unique"
        for column, value in fields.items():
            accepted = (reading.types or {}).get(column)
            if value is not None and accepted and type(value) not in accepted:
                return f"{column} holds {_type_name(value)}, which its SCHEMA does not allow"
        return None

    def _store(self, reading: _Reading) -> None:
        """Write what differs. An unchanged record costs one probe."""
        buffer, reading.buffer = reading.buffer, {}
        before = self._ledger.store.get(OBS, [row.key for row in buffer.values()])
        changed: list[Observation] = []
        for row in buffer.values():
            old = before.get(row.key)
            if old is None and self._erased.by_id(row.key):
                continue
            if old is not None and old.state in PRESENT:
                reading.reappeared.add(row.rid)
            same = old is not None and (old.hash, old.state, old.merged_into, old.birth, old.error) == (
                row.hash,
                row.state,
                row.merged_into,
                row.birth,
                row.error,
            )
            if same and old is not None:
                if old.touched:
                    changed.append(replace(old, read_at=row.read_at, complete_at=row.complete_at, version=row.version))
                continue
            self._changed[row.entity] = self._changed.get(row.entity, 0) + 1
            changed.append(replace(row, dirty=_intervals(old, row, reading.cursor.low_water, self._witness.skew)))
        self._ledger.put(changed)

    def _missing(self, reading: _Reading) -> list[Rid]:
        if len(reading.reappeared) >= reading.known:
            return []
        live = (
            row
            for state in PRESENT
            for row in self._ledger.store.find(OBS, "live", [(self._side, reading.stream.entity, state)])
        )
        return [row.rid for row in live if row.rid not in reading.shown]


def complete(
    ledger: Ledger, side: Side, overlaps: Mapping[str, Instant], *, accept_empty: bool = False
) -> list[Tripped]:
    """The read of these entities ended well: what it lacked was not there. Returns the guards that refuse it.

    `overlaps` gives, per entity, how late a change may become visible to an incremental read.
    """
    tripped = []
    with ledger.transaction():
        for entity, overlap in overlaps.items():
            cursor = ledger.get(CURSOR, side, entity)
            if cursor is None or not cursor.read_ended:
                continue
            absent = ledger.store.find(ABSENCE, "stream", [(side, entity)])
            pending = [row for row in absent if row.pending]
            linked = {
                m.rid for m in ledger.store.find(MEMBER, "holder", [(side, entity, row.rid, True) for row in pending])
            }
            reappeared = cursor.known - len(pending)
            guard = check_read(
                side, entity, known=cursor.known, reappeared=reappeared, seen=cursor.seen, accept_empty=accept_empty
            )
            if guard is not None and cursor.pending_full:
                tripped.append(guard)
                _forget_strangers(ledger, side, entity, cursor.read_started)
                continue
            low_water = cursor.read_started - (0 if cursor.pending_full else overlap)
            ledger.put(
                [
                    replace(
                        cursor,
                        low_water=low_water,
                        full_at=cursor.read_started if cursor.pending_full else cursor.full_at,
                        pending_full=False,
                    )
                ]
            )
            gone = [row.rid for row in pending if row.reads + 1 >= PROOF or row.rid not in linked]
            rows = ledger.store.get(OBS, [(side, entity, rid) for rid in gone]).values()
            ledger.put(
                replace(row, state=RecordState.GONE, read_at=cursor.read_started, touched=True)
                for row in rows
                if row.state in PRESENT
            )
            ledger.store.remove(ABSENCE, [(side, entity, rid) for rid in gone])
            ledger.put(replace(row, reads=row.reads + 1, pending=False) for row in pending if row.rid not in set(gone))
    return tripped


def _forget_strangers(ledger: Ledger, side: Side, entity: str, since: Instant) -> None:
    """What only a refused read showed was never here: it must not be planned, nor count as known in the next read."""
    fresh = [row for row in ledger.store.find(OBS, "touched", [(True,)]) if (row.side, row.entity) == (side, entity)]
    keys = [row.key for row in fresh if row.read_at >= since]
    held = {m.rid for m in ledger.store.find(MEMBER, "holder", [(*key, True) for key in keys])}
    ledger.store.remove(OBS, [key for key in keys if key[2] not in held])


def _intervals(
    old: Observation | None, new: Observation, low_water: Instant, skew: Skew | None
) -> dict[str, tuple[Instant, Instant]]:
    """Per column, when its last change happened: after the last read without it, before it was in our hands.

    Where the side tells when, and how far its clock is from ours is known, that narrows it.
    """
    since = max(old.read_at, low_water) if old is not None else low_water
    dirty = dict(old.dirty) if old is not None else {}
    for column, value in new.fields.items():
        if old is None or column not in old.fields or old.fields[column] != value:
            span = (since, new.complete_at)
            told = new.field_times.get(column)
            dirty[column] = span if skew is None or told is None else skew.narrowed(span, told)
    return dirty


_JSON_TYPES: Mapping[str, frozenset[type]] = {
    "string": frozenset({str}),
    "integer": frozenset({int, Decimal}),
    "number": frozenset({int, float, Decimal}),
    "boolean": frozenset({bool}),
    "array": frozenset({list}),
    "object": frozenset({dict}),
}


def _accepted(shape: Mapping[str, Any]) -> frozenset[type]:
    """The Python types of a column's values; empty where the schema does not say."""
    declared = shape.get("type")
    if declared is None:
        variants = [_accepted(v) for key in ("anyOf", "oneOf") for v in shape.get(key, ())]
        return frozenset().union(*variants) if variants and all(variants) else frozenset()
    found = _types_of(tuple(declared) if isinstance(declared, list) else (declared,))
    return found | {str} if shape.get("format") == "singer.decimal" else found


@cache
def _types_of(names: tuple[str, ...]) -> frozenset[type]:
    return frozenset().union(*(_JSON_TYPES.get(name, frozenset()) for name in names))


def _with_uuids(columns: Mapping[str, Any], uuid: set[str], not_uuid: set[str]) -> dict[str, Any]:
    """Taps call a uuid column text; a target that is told so would alter it. What only ever showed UUIDs is one."""
    found = dict(columns)
    for column in uuid - not_uuid:
        if "string" in found.get(column, {}).get("type", ()) and not found[column].get("format"):
            found[column] = {**found[column], "format": "uuid"}
    for column in not_uuid:
        if found.get(column, {}).get("format") == "uuid":
            found[column] = {name: value for name, value in found[column].items() if name != "format"}
    return found


def _as_known(shape: Mapping[str, Any], known: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return known if known is not None and known == {**shape, "format": "uuid"} else shape


def _type_name(value: Value) -> str:
    return next((name for name, types in _JSON_TYPES.items() if type(value) in types), type(value).__name__)


def _names(properties: Mapping[str, Any]) -> str:
    return ", ".join(sorted(properties)) or "no columns"
