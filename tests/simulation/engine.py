"""The engine under test: rounds as the runner makes them, with the real code, under injected faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from dataclasses import replace as changed
from io import SEEK_END, SEEK_SET, BytesIO
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

from antiphon.errors import AntiphonError, GuardTripped
from antiphon.ledger import Ledger
from antiphon.ledger.memory import MemoryStore
from antiphon.ledger.sql import SqlStore, open_store
from antiphon.ledger.tables import CURSOR, MEMBER, OUTBOX, TABLES, Table
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import Op, OpKind, OpState, Rid, Side
from antiphon.plan import Plan
from antiphon.plan.context import key_rid
from antiphon.protocol import parse_bookmark
from antiphon.settle import Moment
from antiphon.singer.listening import Outcome, TapRun
from antiphon.sync.collect import Stream
from antiphon.sync.confirm import acknowledge, read_receipts
from antiphon.sync.inbound import Source, read_sides
from antiphon.sync.outbound import Delivery, Outbound, deliver_side
from antiphon.sync.planning import adopt, index
from antiphon.sync.portions import PORTION, draft
from antiphon.sync.run import in_doubt, owed
from tests.simulation.shape import FOREIGN, OVERLAP, SIDES
from tests.simulation.taps import Reading, read
from tests.simulation.targets import Crash, Target, View, Writing
from tests.simulation.world import Row, System, World

R = TypeVar("R")


class Steps:
    """Counts the durable and remote steps; `at` one of them something may happen."""

    def __init__(self) -> None:
        self.count = 0
        self.at: dict[int, Callable[[str], None]] = {}

    def __call__(self, what: str) -> None:
        self.count += 1
        happens = self.at.pop(self.count, None) if self.at else None
        if happens is not None:
            happens(what)


class WatchedStore(MemoryStore):
    """The store in memory, with a step before and after each commit. It knows which links got or lost a member."""

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self.steps = steps
        self.changed: set[str] = set()

    def put(self, table: Table[R], rows: Sequence[R]) -> None:
        """As `Store.put`."""
        if table is MEMBER:
            self.changed.update(row.lid for row in rows)  # type: ignore[attr-defined]  # rows of this table are members
        super().put(table, rows)

    def end(self, *, failed: bool, durable: bool) -> None:
        """The transaction ends, unless the engine dies just before."""
        if not failed:
            try:
                self.steps("commit")
            except BaseException:
                super().end(failed=True, durable=durable)
                raise
        super().end(failed=failed, durable=durable)
        if not failed:
            self.steps("committed")

    def snapshot(self) -> WatchedStore:
        """A copy, as a backup would hold it."""
        copy = WatchedStore(self.steps)
        copy._rows = {name: dict(rows) for name, rows in self._rows.items()}
        copy._indexes = {
            name: {index: {value: set(keys) for value, keys in entries.items()} for index, entries in indexes.items()}
            for name, indexes in self._indexes.items()
        }
        copy.changed = {member.lid for member in self.scan(MEMBER)}
        return copy


_emptied: list[SqlStore] = []
"""Databases in memory that a schedule is done with: to make one costs as much as a schedule."""


class WatchedSqlStore:
    """The same over a database in memory."""

    def __init__(self, steps: Steps) -> None:
        self.inner = _emptied.pop() if _emptied else open_store("sqlite://")
        self.steps = steps
        self.changed: set[str] = set()
        self.get, self.find, self.count, self.scan = self.inner.get, self.inner.find, self.inner.count, self.inner.scan
        self.pick, self.latest, self.newest = self.inner.pick, self.inner.latest, self.inner.newest
        self.set, self.remove, self.scrub = self.inner.set, self.inner.remove, self.inner.scrub
        self.remember = self.inner.remember

    def put(self, table: Table[R], rows: Sequence[R]) -> None:
        """As `Store.put`."""
        if table is MEMBER:
            self.changed.update(row.lid for row in rows)  # type: ignore[attr-defined]  # rows of this table are members
        self.inner.put(table, rows)

    def close(self) -> None:
        """Empty it for the next schedule."""
        with self.inner.transaction():
            for table in TABLES:
                self.inner.remove(table, [table.key_of(row) for row in self.inner.scan(table)])
        _emptied.append(self.inner)

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[None]:
        """As `Store.transaction`."""
        with self.inner.transaction(durable=durable):
            yield
            self.steps("commit")
        self.steps("committed")


Watched: TypeAlias = WatchedStore | WatchedSqlStore


@dataclass
class Faults:
    """What goes wrong in one round."""

    crash_at: int | None = None
    power_cut: bool = False  # it takes what was not committed durably
    second_at: int | None = None  # another engine makes a whole round at this step
    reading: dict[Side, Reading] = field(default_factory=dict)
    writing: dict[Side, Writing] = field(default_factory=dict)
    old_bookmark: Side | None = None
    half_line: Side | None = None  # the last receipt is read half-written first
    skew: int = 0
    unread: Side | None = None
    restore: bool = False
    mapping: tuple[str, str] | None = None  # this field is not in sync.yml
    full: bool = False
    incremental: bool = False  # no full read where it can be helped
    confirmed: bool = False  # a person saw what the guards said, and it is right
    hand_in: bool = False  # the last acknowledgement is handed in, as in block form


class ReceiptFile:
    """A side's receipts as a path that can be opened."""

    def __init__(self, side: Side, content: bytes) -> None:
        self.side, self.content = side, content
        self.st_size = len(content)

    def __str__(self) -> str:
        return f"receipts-{self.side}"

    def exists(self) -> bool:
        """As `Path.exists`."""
        return True

    def stat(self) -> ReceiptFile:
        """As `Path.stat`, for the size."""
        return self

    def open(self, mode: str) -> BytesIO:
        """As `Path.open`."""
        file = BytesIO(self.content)
        file.seek(0, SEEK_END if "a" in mode else SEEK_SET)
        return file

    @property
    def parent(self) -> ReceiptFile:
        """As `Path.parent`, of which only the making is asked."""
        return self

    def mkdir(self, **_options: bool) -> None:
        """As `Path.mkdir`: it is there."""


class LiveReceipts(ReceiptFile):
    """The file as it stands when it is looked at."""

    def __init__(self, system: System) -> None:
        super().__init__(system.side, b"")
        self.system = system

    def stat(self) -> ReceiptFile:
        """As `Path.stat`, for the size."""
        self.st_size = len(self.system.receipts)
        return self

    def open(self, mode: str) -> BytesIO:
        """As `Path.open`."""
        return ReceiptFile(self.side, bytes(self.system.receipts)).open(mode)


class Engine:
    """One sync over the two systems. `round` is what the runner does once."""

    portion = PORTION

    def __init__(self, world: World, store: Watched, steps: Steps) -> None:
        self.world, self.store, self.steps = world, store, steps
        self.number = 0
        self.last_state: dict[Side, Mapping[str, Any]] = {}
        self.old_states: dict[Side, list[Any]] = {side: [] for side in SIDES}
        self.partners: dict[tuple[Side, str, Rid], set[Rid]] = {}
        self.lids: dict[tuple[Side, str, Rid], set[str]] = {}
        self.outcomes: list[str] = []
        self.delivering = False
        self._columns: dict[tuple[str, str, Side], tuple[str, ...]] = {}
        self.checks: list[Check] = []
        self.trace: Callable[[Plan], None] | None = None
        Ledger(store).create(ledger_id="ledger", name="simulation", now=world.clock())

    def round(self, faults: Faults | None = None) -> str:
        """One round, whatever becomes of it: how it ended."""
        faults = faults or Faults()
        self.number += 1
        self.steps.count = 0
        if faults.crash_at is not None:
            self.steps.at[faults.crash_at] = _crash
        if faults.second_at is not None:
            self.steps.at[faults.second_at] = self._second
        if faults.skew:
            self.world.set_clock(faults.skew)
            self.world.met["clock jump"] += 1
        self.world.met["unread"] += faults.unread is not None
        self.world.met["field gone"] += faults.mapping is not None
        looked = dict(self.world.looked)
        try:
            outcome = self._round(faults)
        except Crash as crash:
            self.world.looked.update(looked)  # what was read may not have been committed
            outcome = f"crash at {crash}"
            if faults.power_cut and isinstance(self.store, WatchedStore):
                self.world.met["power cut"] += 1
                self.store.cut_power()
        except AntiphonError as error:
            outcome = f"refused by {type(error).__name__}"
        self.delivering = False
        self.steps.at.clear()
        self.note_links()
        self.outcomes.append(outcome)
        return outcome

    def _second(self, what: str) -> None:
        if what == "commit" or (self.delivering and FOREIGN in self.world.shape.kinds.values()):
            return  # nothing can fence the lines that are on their way to a foreign target
        steps, self.steps.at = self.steps.at, {}
        self.world.met["second"] += 1
        with suppress(AntiphonError):
            self._round(Faults())
        self.steps.at = steps

    def _round(self, faults: Faults) -> str:
        world = self.world
        ledger = Ledger(self.store)
        ledger.acquire("simulation")
        mapping = self.mapping(faults)
        run_id = f"run{self.number}"
        world.tick(2)
        self._settle_leftovers(ledger, mapping, run_id, faults)
        self.note_links()
        sources = [self._source(ledger, mapping, side, faults) for side in SIDES if side != faults.unread]
        accepted = frozenset(SIDES) if faults.confirmed else frozenset()
        read_sides(ledger, sources, world.clock, accept_empty=accepted, progress=_unheard)
        world.tick()
        index(ledger, mapping)
        at = Moment(world.clock(), run_id, mapping.version)
        plan = draft(ledger, mapping, at, portion=self.portion)
        for check in self.checks:
            check(self, ledger, mapping, plan, at)
        if self.trace is not None:
            self.trace(plan)
        if plan.tripped and not faults.confirmed:
            raise GuardTripped("stopped")
        adopt(ledger, mapping, plan)
        world.adopted.append((world.now, dict(world.looked)))
        self.note_links()
        world.moment("planned", self._aim(plan, mapping))
        world.tick()
        self.delivering = True
        outages = self._deliver(ledger, mapping, run_id, faults)
        return f"outage {outages}" if outages else "done"

    def _aim(self, plan: Plan, mapping: SyncMapping) -> tuple[Row | None, list[str]]:
        for op in plan.operations:
            if op.key and op.kind is OpKind.UPDATE:
                entity = mapping.entities[op.entity]
                row = self.world.systems[op.side].find(op.entity, key_rid(entity, op.side, op.key))
                return row, [entity.fields[name].columns[op.side] for name in op.patch]
        return None, []

    def mapping(self, faults: Faults) -> SyncMapping:
        """The mapping of this round."""
        mapping = self.world.shape.mapping
        if faults.mapping is None:
            return mapping
        entity, name = faults.mapping
        there = mapping.entities[entity]
        left = {n: f for n, f in there.fields.items() if n != name}
        return changed(
            mapping,
            entities={**mapping.entities, entity: changed(there, fields=left)},
            version=f"without {entity}.{name}",
        )

    def _settle_leftovers(self, ledger: Ledger, mapping: SyncMapping, run_id: str, faults: Faults) -> None:
        for side in SIDES:
            now = Moment(self.world.clock(), run_id, mapping.version)
            if self._has_receipts(side):
                content = bytes(self.world.systems[side].receipts)
                if faults.half_line == side and content:
                    self.world.met["half line"] += 1
                    read_receipts(ledger, mapping, side, cast("Path", ReceiptFile(side, content[:-7])), now)
                read_receipts(ledger, mapping, side, cast("Path", ReceiptFile(side, content)), now)
            if faults.hand_in:
                self.world.met["hand in"] += side in self.last_state
                acknowledge(ledger, mapping, parse_bookmark(self.last_state.get(side)), side, now)

    def _source(self, ledger: Ledger, mapping: SyncMapping, side: Side, faults: Faults) -> Source:
        shape = self.world.shape
        whole = ledger.get(CURSOR, side, "")
        state = whole.state if whole is not None else None
        if state is not None:
            self.old_states[side].append(state)
        if faults.old_bookmark == side and self.old_states[side]:
            state = self.old_states[side][0]
            self.world.met["old bookmark"] += 1
        doubtful = in_doubt(ledger, side, receipts=self._has_receipts(side))
        due = (self.number % shape.full_every == 0 and not faults.incremental) or faults.full or doubtful
        full = not shape.incremental[side] or state is None or bool(due)
        streams = []
        for name, entity in mapping.entities.items():
            there = entity.sides[side]
            columns = self._columns.get((mapping.version, name, side))
            if columns is None:
                columns = tuple(sorted({f.columns[side] for f in entity.fields.values()} | set(there.key)))
                self._columns[mapping.version, name, side] = columns
            overlap = OVERLAP if shape.incremental[side] else 0
            cursor = ledger.get(CURSOR, side, name)
            full = full or (cursor is not None and owed(cursor, columns))
            streams.append(Stream(name, there.stream, there.key, columns, full=full, overlap=overlap))
        streams = [changed(stream, full=full) for stream in streams]
        tap = read(self.world.systems[side], streams, state, faults.reading.get(side, Reading()))
        return Source(side, cast("TapRun", tap), streams)

    def _has_receipts(self, side: Side) -> bool:
        return self.world.shape.kinds[side] != FOREIGN

    def _deliver(self, ledger: Ledger, mapping: SyncMapping, run_id: str, faults: Faults) -> str:
        world, outages = self.world, []
        running: list[tuple[Side, Delivery, list[bytes]]] = []

        def go_on(side: Side, delivery: Delivery, outcome: Outcome | None) -> None:
            try:
                lines = next(delivery) if outcome is None else delivery.send(outcome)
            except StopIteration as end:
                if end.value.outage:
                    outages.append(side)
                return
            running.append((side, delivery, lines))

        for side in SIDES:
            path = cast("Path", LiveReceipts(world.systems[side])) if self._has_receipts(side) else None
            go_on(side, deliver_side(Outbound(ledger, mapping, side, world.clock, run_id, path)), None)
        while running:
            side, delivery, lines = running.pop(0)
            writing = faults.writing.setdefault(side, Writing())
            outcome = Target(world.systems[side], writing, self.steps, self._view(ledger, mapping)).run(lines)
            if outcome.state is not None:
                self.last_state[side] = outcome.state
            go_on(side, delivery, outcome)
        return " ".join(outages)

    def _view(self, ledger: Ledger, mapping: SyncMapping) -> View:
        def members(lid: str) -> dict[Side, Rid]:
            return {m.side: m.rid for m in ledger.store.find(MEMBER, "lid", [(lid,)]) if m.held}

        def writing(side: Side, entity: str, rid: Rid) -> Op | None:
            ops = ledger.store.find(OUTBOX, "state", [(side, OpState.INFLIGHT)])
            for op in ops:
                if op.entity == entity and op.key and key_rid(mapping.entities[entity], side, op.key) == rid:
                    return op
            return None

        return View(members, writing)

    def note_links(self) -> None:
        """Remember which records ever stood for the same thing."""
        if not self.store.changed:
            return
        members = self.store.find(MEMBER, "lid", [(lid,) for lid in self.store.changed])
        self.store.changed.clear()
        pairs: dict[str, set[tuple[Side, Rid]]] = {}
        for member in members:
            self.lids.setdefault((member.side, member.entity, member.rid), set()).add(member.lid)
            pairs.setdefault(member.lid, set()).add((member.side, member.rid))
        for member in members:
            peers = {rid for side, rid in pairs[member.lid] if side != member.side}
            self.partners.setdefault((member.side, member.entity, member.rid), set()).update(peers)


Check: TypeAlias = Callable[[Engine, Ledger, SyncMapping, Plan, Moment], None]
"""Looks at a ledger and the plan that was just made of it."""


def _unheard(_what: object) -> None:
    pass


def _crash(what: str) -> None:
    raise Crash(what)
