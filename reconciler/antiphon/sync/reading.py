"""One stream's read under way: what its SCHEMA allows, what it has shown, and what of that is not stored yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from msgspec import Struct

from antiphon.equivalence import hash_of, is_empty, make_rid
from antiphon.errors import PluginFailed
from antiphon.model import Cursor, Instant, Observation, RecordState, Rid, Side, Value, replace
from antiphon.protocol import DELETED_AT, UUID
from antiphon.singer.messages import Record, Schema
from antiphon.sync.lines import Marks, hash_lines
from antiphon.sync.shapes import accepted, type_name, with_uuids
from antiphon.sync.witness import Skew, instants

_LIVE = RecordState.LIVE
_STATES: Mapping[Any, RecordState] = {state.value: state for state in RecordState}
_RENEWALS = 10_000
"""So many marks of unchanged records are renewed in a read, and as many again as marks were found good in it: a tap
that prints its records otherwise than last time is learnt, one that does so in every read costs no write per record."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What is read of one entity on one side. `full`: this read shows every record.

    `tells_new`: every read shows whatever was written since the last one, be it by us.
    """

    entity: str
    stream: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    full: bool = True
    overlap: Instant = 0
    tells_new: bool = False


def lacks(cursor: Cursor, columns: Iterable[str]) -> bool:
    """Whether the last read lacked one of the columns: it may be new in sync.yml, or the tap had lost it."""
    return cursor.schema is not None and not cursor.schema.keys() >= set(columns)


class Stored(Struct, frozen=True, gc=False):
    """What must be known of a stored observation to see whether a record differs from it."""

    rid: Rid
    hash: str
    state: RecordState
    merged_into: Rid | None
    birth: str | None
    error: str | None
    touched: bool
    unseen: bool
    line: str | None

    @property
    def is_awaited(self) -> bool:
        """Whether the ledger wants to know when the record was seen, though it is as it was."""
        return self.touched or self.unseen


class Shown(Struct, frozen=True, gc=False):
    """One record, as the read showed it last."""

    rid: Rid
    hash: str
    state: RecordState
    merged_into: Rid | None
    birth: str | None
    error: str | None
    fields: Mapping[str, Value]
    sync: Mapping[str, Any]
    at: Instant
    text: bytes | None  # its line

    def agrees(self, old: Stored) -> bool:
        """Whether the ledger knows all this."""
        return (
            self.hash == old.hash
            and self.state is old.state
            and self.merged_into == old.merged_into
            and self.birth == old.birth
            and self.error == old.error
        )


class _Look(NamedTuple):
    """What the types of a record's values say of it, found once for all records with the same types."""

    complaint: str | None
    texts: tuple[str, ...]  # the columns whose text may be a UUID


@dataclass(slots=True)
class Reading:
    """One stream's read under way. `known` is how many records were there before, `tap` names who is to blame.

    `absent` are the records that the last complete read lacked, so that it does not tell how they were then.

    `shown` are the hashes of the records that were read, by id. `hits` counts those that were recognised by their
    lines instead, of which `loaded` knows which.
    """

    stream: Stream
    cursor: Cursor
    known: int
    tap: str
    full: bool = True
    absent: AbstractSet[Rid] = frozenset()
    shown: dict[Rid, str] = field(default_factory=dict)
    hits: int = 0
    renewed: int = 0
    changed: int = 0
    reappeared: set[Rid] = field(default_factory=set)
    unreadable: dict[Rid, str] = field(default_factory=dict)
    buffer: dict[Rid, Shown] = field(default_factory=dict)
    stored: dict[Rid, Stored | None] = field(
        default_factory=dict
    )  # of the records in the buffer, as far as they were asked
    printed: Mapping[str, Any] | None = None  # the mapped columns as the SCHEMA describes them
    marks: Marks | None = None
    loaded: Marks | None = None
    uuids: dict[str, bool] = field(default_factory=dict)
    _types: Mapping[str, frozenset[type]] = field(default_factory=dict)
    _looks: dict[tuple[Any, ...], _Look] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.uuids = dict(self.cursor.uuids)

    @property
    def side(self) -> Side:
        """The side that is read."""
        return self.cursor.side

    def declare(self, schema: Schema) -> None:
        """Take the SCHEMA of the records to come."""
        stream = self.stream
        absent = [column for column in stream.key if column not in schema.properties]
        if absent:
            raise PluginFailed(
                f"{self.tap}: the stream {schema.stream} has no column {absent[0]!r}, which is its `key` in sync.yml; "
                f"it has {', '.join(sorted(schema.properties)) or 'no columns'}",
                hint=f"correct `entities.{stream.entity}.sides.{self.side}.key`, "
                "or select the column in the tap's catalog",
            )
        self.full = self.full and not (schema.bookmark and not stream.full)
        printed = {name: shape for name, shape in schema.properties.items() if name in stream.columns}
        if printed == self.printed:
            return
        self.printed = printed
        for rid, row in self.buffer.items():
            self.buffer[rid] = replace(row, text=None)  # it was read otherwise than the lines to come
        self._types = {name: accepted(shape) for name, shape in self.columns.items()}
        self._looks.clear()
        self.marks = Marks(stream.key, stream.columns, printed)

    @property
    def columns(self) -> Mapping[str, Any]:
        """The mapped columns, with what their values tell of them."""
        return with_uuids(self.printed or {}, self.uuids)

    def observe(self, message: Record, at: Instant, text: bytes | None) -> None:
        """Take a record in; `at` it is in our hands, and `text` is its line."""
        if self.printed is None:
            raise PluginFailed(
                f"{self._where(message.stream)} came before its SCHEMA",
                hint="the tap does not keep the Singer specification",
            )
        record, sync, columns = message.record, message.sync, self.stream.columns
        rid = self.rid_of(record)
        fields = {column: record[column] for column in columns if column in record}
        digest = hash_of(fields)
        state, error = _LIVE, None
        if sync:
            state = self._state_of(message)
            instants(sync.get("field_times"), self._where(message.stream))
            if state is RecordState.ERROR:
                error = str(sync.get("error") or "its tap could not read it whole")
        if record.get(DELETED_AT) is not None and state is _LIVE:  # merged, hidden, unreadable: the envelope knows more
            state = RecordState.GONE
        look = self._look(fields)
        if state is _LIVE:
            error = self._complaint(rid, record, digest, look)
        if error:
            self.unreadable[rid] = error
            state = RecordState.ERROR
        self.shown[rid] = digest
        for column in look.texts:
            self._learn(column, fields[column])
        merged, birth = (sync.get("merged_into"), sync.get("birth")) if sync else (None, None)
        into = make_rid(merged if isinstance(merged, list) else [merged]) if merged is not None else None
        self.buffer[rid] = Shown(rid, digest, state, into, birth, error, fields, sync, at, text)

    def rid_of(self, record: Mapping[str, Value]) -> Rid:
        """The record's id."""
        key = self.stream.key
        return make_rid([record.get(key[0])] if len(key) == 1 else [record.get(column) for column in key])

    def observation(self, row: Shown, old: Observation | None, skew: Skew | None) -> Observation:
        """What to store of a record that differs from what was stored."""
        sync = row.sync
        times = instants(sync.get("field_times"), self._where(self.stream.stream))
        return Observation(
            side=self.side,
            entity=self.stream.entity,
            rid=row.rid,
            state=row.state,
            fields=row.fields,
            hash=row.hash,
            read_at=self.cursor.read_started,
            complete_at=row.at,
            merged_into=row.merged_into,
            version=sync.get("version"),
            birth=row.birth,
            dirty=self._intervals(row, old, times, skew),
            field_times=times,
            error=row.error,
            line=self._line(row),
        )

    def _intervals(
        self, row: Shown, old: Observation | None, times: Mapping[str, Instant], skew: Skew | None
    ) -> dict[str, tuple[Instant, Instant]]:
        """Per column, when its last change happened: after the last read without it, before it was in our hands.

        Where the side tells when, and how far its clock is from ours is known, that narrows it. A column that the last
        read lacked may have changed ever since its last known change. A record that no read showed before may have
        stood there ever since: nothing proves that a read which lacked it was complete.
        """
        known_at = 0 if row.rid in self.absent else self.cursor.low_water
        span = (max(old.read_at, known_at) if old is not None else 0, row.at)
        dirty = dict(old.dirty) if old is not None else {}
        for column, value in row.fields.items():
            if old is None or column not in old.fields or old.fields[column] != value:
                told = times.get(column)
                lost = old is not None and column not in old.fields
                since = (dirty.get(column, (0, 0))[0], row.at) if lost else span
                dirty[column] = since if skew is None or told is None else skew.narrowed(since, told)
        return dirty

    def _where(self, stream: str) -> str:
        return f"{self.tap}: a RECORD of {stream}"

    # ---- records that were recognised by their lines

    @property
    def told_by_lines(self) -> bool:
        """Whether records are, or were, recognised by their lines."""
        return self.loaded is not None and bool(self.hits or self.loaded.unseen)

    def recognise(self, hits: AbstractSet[bytes]) -> None:
        """Take lines in that need not be read."""
        if self.loaded is not None:
            found = self.loaded.unseen & hits
            self.loaded.unseen -= found
            self.hits += len(found)

    def mark_of(self, old: Stored) -> bytes | None:
        """The hash of a line that stands for this stored record in this read, if one does."""
        if self.loaded is None or old.is_awaited or old.state is not _LIVE:
            return None
        return self.loaded.recovered(old.line, old.hash)

    def was_hit(self, old: Stored) -> bool:
        """Whether a line stood for this stored record already. To be asked of records that are not in `shown`."""
        mark = self.mark_of(old)
        return mark is not None and self.loaded is not None and mark not in self.loaded.unseen

    def claim(self, old: Stored) -> None:
        """From here on the record is told by its id: a line that stands for it is read as well."""
        if old.rid in self.shown:
            return
        mark = self.mark_of(old)
        if mark is None or self.loaded is None:
            return
        if mark in self.loaded.unseen:
            self.loaded.unseen.remove(mark)
        else:
            self.hits -= 1
            self.shown[old.rid] = old.hash
            self.reappeared.add(old.rid)

    def renewal(self, row: Shown, old: Stored) -> str | None:
        """What to store of the line of a known record, if something else is stored. Only full reads need it."""
        line = self._line(row) if self.full else None
        if line is None or line == old.line:
            return None
        if self.marks is not None and self.marks.recovered(old.line, old.hash) is not None:
            self.renewed += 1
            if self.renewed > _RENEWALS + self.hits:
                return None
        return line

    def _line(self, row: Shown) -> str | None:
        """What to store of the record's line, to recognise it by."""
        if row.text is None or row.state is not _LIVE or self.marks is None:
            return None
        return self.marks.stored(hash_lines([row.text])[0], row.hash)

    # ---- what a record looks like

    def _state_of(self, message: Record) -> RecordState:
        shown = message.sync.get("state", _LIVE)
        state = _STATES.get(shown) if isinstance(shown, str) else None
        if state is None:
            raise PluginFailed(
                f"{self._where(message.stream)} whose envelope says state {shown!r}",
                hint=f"the states are {', '.join(RecordState)}",
            )
        return state

    def _look(self, fields: Mapping[str, Value]) -> _Look:
        types = tuple(map(type, fields.values()))
        shape = types if len(types) == len(self.stream.columns) else (types, *fields)
        look = self._looks.get(shape)
        if look is None:
            by_column = dict(zip(fields, types, strict=True))
            wrong = [name for name, kind in by_column.items() if not self._allows(name, kind)]
            complaint = (
                f"{wrong[0]} holds {type_name(by_column[wrong[0]])}, which its SCHEMA does not allow" if wrong else None
            )
            texts = (name for name, kind in by_column.items() if kind is str and self.uuids.get(name, True))
            look = self._looks[shape] = _Look(complaint, tuple(texts))
        return look

    def _allows(self, column: str, kind: type) -> bool:
        allowed = self._types.get(column)
        return not allowed or kind is type(None) or kind in allowed

    def _learn(self, column: str, value: Value) -> None:
        always = isinstance(value, str) and UUID.fullmatch(value) is not None
        if self.uuids.get(column) is not always and self.uuids.get(column, True):
            self.uuids[column] = always
            self._looks.clear()

    def _complaint(self, rid: Rid, record: Mapping[str, Value], digest: str, look: _Look) -> str | None:
        """Why the record cannot be believed, if so."""
        for column in self.stream.key:
            value = record.get(column)
            if not value and is_empty(value):
                return f"its key column {column} is empty"
        if self.full and self.shown.get(rid, digest) != digest:
            return "one read showed this key twice with different values: the key is not unique"
        return look.complaint
