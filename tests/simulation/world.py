"""The world outside the reconciler: a clock, two systems with their records, and all that ever happened to each value.

A system keeps its records as a real one does. A `warehouse` shows what users commit only some time after it was
stamped, and deletes for good. `hubspot` trims and lower-cases, keeps numbers as text, indexes late, archives, restores,
merges into new ids. `foreign` is a plain table behind a plugin that knows nothing of us.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar, Protocol
from uuid import UUID

from antiphon.equivalence import is_empty, make_rid
from antiphon.model import MISSING, Instant, Missing, Rid, Side, Value
from tests.simulation.shape import HUBSPOT, SECOND, SIDES, SQL, Shape, other

POISON = "☠"
"""No target takes a value with this in it."""

LONGEST = 12
"""`hubspot` cuts names that are longer."""

USER, SYNC, RESTORE, MADE = "user", "sync", "restore", "made"


@dataclass(frozen=True, slots=True)
class Event:
    """One value that a column got, or `MISSING` at its end. `unseen`: when the engine, or its target, looked last."""

    at: Instant
    value: Value | Missing
    by: str
    op_id: str = ""
    unseen: Instant = 0


@dataclass(slots=True)
class Row:
    """One record with its whole past."""

    entity: str
    key: dict[str, Value]
    values: dict[str, Value]
    born: Instant
    made_by: str
    sync_key: str = ""
    restored: Instant = 0
    source: str = ""  # of a record that the engine made: what it was made from
    alive: bool = True
    ended_by: str = ""
    merged_into: Rid | None = None
    unmade: bool = False  # a restored backup is older than it, so that no archive has it
    updated: Instant = 0
    indexed: list[tuple[Instant, Instant]] = field(default_factory=list)  # (stamp, visible to searches since)
    pending: list[tuple[Instant, Instant, dict[str, Value]]] = field(default_factory=list)  # (visible, stamp, values)
    history: dict[str, list[Event]] = field(default_factory=dict)
    rid: Rid = field(init=False)

    def __post_init__(self) -> None:
        self.rid = make_rid(list(self.key.values()))


@dataclass(frozen=True, slots=True)
class Backup:
    """One side's live records by entity and id, and the receipts that its database kept."""

    rows: dict[tuple[str, Rid], dict[str, Value]]
    receipt_table: dict[str, bytes]


class Acting(Protocol):
    """Users, who may act at any moment."""

    def moment(self, phase: str) -> None:
        """Something could happen now."""

    def awaits(self, phase: str) -> bool:
        """Whether something is still to happen at a moment of this phase."""


class World:
    """Both systems, the one clock, and what is to be told when an invariant breaks."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.now: Instant = 1_700_000_000 * SECOND
        self.set_at: list[tuple[Instant, Instant]] = [(0, 0)]  # after when the engine's clock was how far ahead
        self.log: list[tuple[object, ...]] = []
        self.violations: list[str] = []
        self.happened: set[str] = set()  # faults and edits that excuse what would otherwise be wrong
        self.lied: dict[Side, bool] = {}  # a tap of the side has left records out once
        self.met: Counter[str] = Counter()  # faults that found something to spoil
        self.users: Acting | None = None
        self.aim: tuple[Row, tuple[str, ...]] | None = None  # the record and columns that are about to be written
        self.looked: dict[Side, Instant] = dict.fromkeys(SIDES, 0)  # the last read of a side began then
        self.adopted: list[tuple[Instant, dict[Side, Instant]]] = []  # when, and what had been `looked` at by then
        self.passed_over: set[Side] = set()  # an incremental read left records out: none shows them before a full one
        self.systems = {side: System(self, side, shape.kinds[side]) for side in SIDES}

    @property
    def skew(self) -> Instant:
        """How far the engine's own clock is ahead."""
        return self.set_at[-1][1]

    def clock(self) -> Instant:
        """The engine's own clock."""
        return self.now + self.skew

    def clock_at(self, at: Instant) -> Instant:
        """What the engine's own clock showed then."""
        return at + next(skew for since, skew in reversed(self.set_at) if since < at)

    def set_clock(self, further: Instant) -> None:
        """Somebody sets the engine's own clock."""
        self.set_at.append((self.now, self.skew + further))

    def tick(self, seconds: int = 1) -> None:
        """Let time pass."""
        self.now += seconds * SECOND

    def moment(self, phase: str, aim: tuple[Row | None, Iterable[str]] = (None, ())) -> None:
        """Users may act now. `aim`: the record and the columns that the engine is about to write."""
        if self.users is not None:
            row, columns = aim
            self.aim = (row, tuple(columns)) if row is not None and row.alive else None
            self.users.moment(phase)
            self.aim = None

    def quiet(self, phase: str) -> bool:
        """Whether nobody waits for a moment of this phase."""
        return self.users is None or not self.users.awaits(phase)

    def wrong(self, what: str) -> None:
        """Something happened that must never happen."""
        self.violations.append(what)


SYNC_KEY, ARCHIVE, PREFLIGHT, COMPARE_AND_SET, HISTORY = (
    "sync key",
    "archive",
    "preflight",
    "compare-and-set",
    "history",
)


class System:
    """One side's records, and what users do to them.

    `knows` is what its target makes use of, if the kind of system has it: `ablations` takes one away at a time.
    """

    knows: ClassVar[frozenset[str]] = frozenset({SYNC_KEY, ARCHIVE, PREFLIGHT, COMPARE_AND_SET, HISTORY})

    def __init__(self, world: World, side: Side, kind: str) -> None:
        self.world, self.side, self.kind = world, side, kind
        self.tables: dict[str, dict[Rid, Row]] = {name: {} for name in world.shape.mapping.entities}
        self.receipts = bytearray()
        self.receipt_table: dict[str, bytes] = {}
        self._numbers = 100 if side == "crm" else 500

    # ---- what is there

    def rows(self, entity: str) -> list[Row]:
        """The live records, as committed by now."""
        self.commit()
        return [row for row in self.tables[entity].values() if row.alive]

    def find(self, entity: str, rid: Rid) -> Row | None:
        """A record, dead or alive."""
        self.commit()
        return self.tables[entity].get(rid)

    def holds(self, row: Row) -> bool:
        """Whether it is one of this side's records."""
        return self.tables[row.entity].get(row.rid) is row

    def every_row(self) -> Iterator[Row]:
        """Every record that ever was."""
        for table in self.tables.values():
            yield from table.values()

    def columns(self, entity: str) -> list[str]:
        """The mapped columns that are no key."""
        there = self.world.shape.mapping.entities[entity]
        key = there.sides[self.side].key
        return [f.columns[self.side] for f in there.fields.values() if f.columns[self.side] not in key]

    # ---- users

    def create(self, entity: str, values: dict[str, Value]) -> Row:
        """A user makes a record."""
        names = self.world.shape.mapping.entities[entity].sides[self.side].key
        key = {"id": self.new_id(entity)} if names == ("id",) else {column: values[column] for column in names}
        row = self.insert(entity, key, USER)
        for column, value in values.items():
            if column not in key and not is_empty(value):
                self.put(row, column, value, USER)
        self.leave_empty(row)
        return row

    def leave_empty(self, row: Row) -> None:
        """The columns that a new record leaves empty are empty from then on."""
        for column in row.values:
            row.history.setdefault(column, [Event(row.born, None, MADE)])

    def edit(self, row: Row, values: dict[str, Value], *, delay: Instant = 0) -> None:
        """A user changes a record; in a warehouse others see it `delay` later, stamped as of now."""
        if self.kind == SQL and delay:
            row.pending.append((self.world.now + delay, self.world.now, values))
            return
        for column, value in values.items():
            self.put(row, column, value, USER)

    def delete(self, row: Row) -> None:
        """A user deletes, or archives, a record."""
        self.end(row, USER)

    def restore(self, row: Row) -> None:
        """A user takes a record out of the archive."""
        row.alive, row.ended_by, row.restored = True, "", self.world.now
        self.stamp(row)
        for column, value in row.values.items():
            row.history.setdefault(column, []).append(Event(self.world.now, value, RESTORE))

    def partners(self, row: Row) -> list[Row]:
        """The live records of the other side that one was made from the other of."""
        there = self.world.systems[other(self.side)]
        return [r for r in there.rows(row.entity) if r.source == row.rid or row.source == r.rid]

    def back_up(self) -> Backup:
        """What a backup of this side holds."""
        self.commit()
        rows = {
            (row.entity, row.rid): dict(row.values) for row in self.every_row() if row.alive and row.merged_into is None
        }
        return Backup(rows, dict(self.receipt_table))

    def go_back(self, backup: Backup) -> None:
        """The side's operators restore a backup: all its records are as they were then."""
        self.receipt_table = dict(backup.receipt_table)
        self.world.happened.add("side restored")
        self.world.met["side restored"] += 1
        for row in list(self.every_row()):
            values = backup.rows.get((row.entity, row.rid))
            if values is None and row.alive:
                self.end(row, USER)
                row.sync_key, row.unmade = "", True
            elif values is not None and row.merged_into is None:
                row.pending.clear()
                if not row.alive:
                    self.restore(row)
                for column, value in values.items():
                    if row.values[column] != value:
                        self.put(row, column, value, RESTORE)

    def merge(self, winner: Row, loser: Row) -> Row:
        """A user merges two records: a new id, the winner's values, and the loser's where the winner has none."""
        merged = self.insert(winner.entity, {"id": self.new_id(winner.entity)}, winner.made_by)
        merged.values, merged.history, merged.born = winner.values, winner.history, winner.born
        merged.sync_key, merged.source = winner.sync_key, winner.source
        winner.values, winner.history = dict(winner.values), {}
        for column, value in loser.values.items():
            if is_empty(merged.values.get(column)) and not is_empty(value):
                self.put(merged, column, value, RESTORE)
        self.end(loser, USER)
        for old in (winner, loser):
            old.alive, old.merged_into, old.sync_key = False, merged.rid, ""
            self.stamp(old)
        self.world.happened.add("merge")
        return merged

    # ---- storage

    def insert(self, entity: str, key: dict[str, Value], by: str) -> Row:
        """A new record without values, in place of a dead one of the same id."""
        row = Row(entity, dict(key), dict.fromkeys(self.columns(entity)), self.world.now, by)
        dead = self.tables[entity].pop(row.rid, None)
        if dead is not None:
            row.history = dead.history
        self.tables[entity][row.rid] = row
        self.stamp(row)
        return row

    def put(
        self, row: Row, column: str, value: Value, by: str, op_id: str = "", looked: Instant | None = None
    ) -> Value:
        """Store one value as this system does, and return it so. `looked`: when the writer did; else the last read."""
        stored = self.stored(column, value)
        same = row.values.get(column) == stored
        row.values[column] = stored
        if by == SYNC or not same:
            unseen = self.world.looked[self.side] if looked is None else looked
            row.history.setdefault(column, []).append(Event(self.world.now, stored, by, op_id, unseen))
        self.stamp(row)
        return stored

    def stored(self, column: str, value: Value) -> Value:
        """What becomes of a value here."""
        if self.world.shape.rewrites and column.endswith("city") and isinstance(value, str):
            value = value.upper() if self.side == "crm" else value.lower()
        if self.kind != HUBSPOT:
            return value
        if isinstance(value, list):
            value = ";".join(str(v) for v in value)
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, str):
            value = value.strip()
            if column == "email":
                value = value.lower()
            if column == "name":
                value = value[:LONGEST].strip()
        return None if is_empty(value) else value

    def end(self, row: Row, by: str, op_id: str = "", looked: Instant | None = None) -> None:
        """The record is deleted. `looked`: as in `put`."""
        row.alive, row.ended_by = False, by
        row.pending.clear()
        unseen = self.world.looked[self.side] if looked is None else looked
        for column in row.values:
            row.history.setdefault(column, []).append(Event(self.world.now, MISSING, by, op_id, unseen))
        self.stamp(row)

    def stamp(self, row: Row) -> None:
        """Every write stamps the record; the index of `hubspot` hears of it later."""
        row.updated = self.world.now
        if self.kind == HUBSPOT:
            lag = (self.world.now // SECOND * 7 + len(row.indexed) * 13) % 110 * SECOND
            row.indexed.append((self.world.now, self.world.now + lag))

    def commit(self, rows: Iterable[Row] | None = None) -> None:
        """Let users' transactions end whose time has come; those on `rows` at once."""
        if self.kind != SQL:
            return
        now = self.world.now
        for row in self.every_row() if rows is None else rows:
            if not row.pending:
                continue
            due = [p for p in row.pending if rows is not None or p[0] <= now]
            row.pending = [p for p in row.pending if p not in due]
            for _, stamp, values in due:
                if row.alive:
                    for column, value in values.items():
                        self.put(row, column, value, USER)
                    row.updated = stamp

    def new_id(self, entity: str) -> Value:
        """The id that this system gives a new record."""
        self._numbers += 1
        column = self.world.shape.mapping.entities[entity].sides[self.side].columns["id"]
        if column["type"] == "integer":
            return self._numbers
        return str(self._numbers) if self.kind == HUBSPOT else str(UUID(int=self._numbers))
