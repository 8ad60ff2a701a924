"""A small world for the kernel's tests: two sides, a ledger in memory, and the verbs of a story.

Sides are called `crm` and `warehouse`. Ids are plain values: `world.show(CRM, 1, name="Ann")`. Nothing here looks at
a clock: every verb that reads or writes takes ten seconds.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from collections.abc import Mapping as MappingOf
from typing import Any, cast

from hypothesis import settings

from antiphon.equivalence import from_json, make_rid
from antiphon.facts import Facts, ObsKey
from antiphon.identity import row_hash
from antiphon.ledger import Ledger
from antiphon.ledger.memory import MemoryStore
from antiphon.ledger.tables import ABSENCE, AUDIT, BASE, CONFLICT, CURSOR, LINK, MATCH_KEY, MEMBER, OBS, OUTBOX, TABLES
from antiphon.mapping import Assigned, Entity, EntitySide, Field, Guards, Initial, Mapping, Park, Policy
from antiphon.match import match_keys
from antiphon.model import (
    MISSING,
    Absence,
    Audit,
    Base,
    Conflict,
    ConflictKind,
    ConflictState,
    Cursor,
    Instant,
    Link,
    LinkState,
    MatchKey,
    Member,
    Missing,
    Observation,
    Op,
    OpKind,
    RecordState,
    Rid,
    Side,
    Value,
    replace,
)
from antiphon.plan import Plan, make_plan
from antiphon.protocol import ReceiptLine, Status
from antiphon.receipts import delivered, receipt
from antiphon.represent import referenced
from antiphon.settle import Moment, reject
from antiphon.sync.deliver import sent

CRM, WAREHOUSE = SIDES = ("crm", "warehouse")
SECOND: Instant = 1_000_000
STEP: Instant = 10 * SECOND

EXAMPLES = int(os.environ.get("ANTIPHON_EXAMPLES", "1000"))
"""How many examples a generated law is tried on."""

law = settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)


def field(name: str, policy: Policy | None = None, **options: Any) -> Field:
    """A field with the same column on both sides."""
    return Field(name, options.pop("columns", dict.fromkeys(SIDES, name)), policy or Park(), **options)


def side(**options: Any) -> EntitySide:
    """A stream whose own target names its records and answers with receipts."""
    options = {"stream": "stream", "key": ("id",), "key_rule": Assigned(), "receipts": True, **options}
    return EntitySide(**options)


def entity(
    *fields: Field,
    name: str = "contact",
    crm: EntitySide | None = None,
    warehouse: EntitySide | None = None,
    match: tuple[tuple[str, ...], ...] = (),
    initial: Initial | None = None,
) -> Entity:
    """An entity of these fields."""
    sides = {CRM: crm or side(), WAREHOUSE: warehouse or side()}
    return Entity(name, sides, {f.name: f for f in fields}, match, initial or Park())


def person(**options: Any) -> Entity:
    """A contact with an email, by which it is matched, and a name."""
    return entity(field("email"), field("name"), match=(("email",),), **options)


def rid_of(record: object) -> Rid:
    """The record id of a plain key value, or of a tuple of them."""
    return make_rid(list(record) if isinstance(record, tuple) else [record])  # type: ignore[list-item]  # key values


class World:
    """A ledger, and what happens to it."""

    def __init__(self, *entities: Entity, guards: Guards | None = None, version: str = "1") -> None:
        self.mapping = Mapping("test", SIDES, {e.name: e for e in entities}, version, guards or Guards())
        self.ledger = Ledger(MemoryStore())
        self.ledger.create(ledger_id="ledger", name="test", now=0)
        self.entity = entities[0].name
        self.now: Instant = STEP
        self.run = 0
        self._ids = 1000

    # ---- what the sides show

    def show(
        self,
        where: Side,
        record: object,
        state: RecordState = RecordState.LIVE,
        *,
        entity: str = "",
        changed_in: MappingOf[str, tuple[Instant, Instant]] | None = None,
        merged_into: object = None,
        touched: bool = True,
        **columns: Value,
    ) -> Observation:
        """A read shows a record. Columns that are not given stay as they were last shown."""
        name, rid = entity or self.entity, rid_of(record)
        before = self.observation(where, record, entity=name)
        birth = columns.pop("birth", before.birth if before else None)
        error = columns.pop("error", None)
        fields = {**(before.fields if before else {}), **columns}
        dirty = dict(before.dirty) if before else {}
        for column, value in fields.items():
            if before is None or column not in before.fields or before.fields[column] != value:
                dirty[column] = (before.read_at if before else 0, self.now + 1)
        shown = Observation(
            side=where,
            entity=name,
            rid=rid,
            state=state,
            fields=fields,
            hash=row_hash(str(sorted(fields.items())).encode()),
            read_at=self.now,
            complete_at=self.now + 1,
            merged_into=None if merged_into is None else rid_of(merged_into),
            birth=None if birth is None else str(birth),
            dirty={**dirty, **(changed_in or {})},
            error=None if error is None else str(error),
            touched=touched,
        )
        self._put([shown])
        self.now += STEP
        return shown

    def gone(self, where: Side, record: object, **options: Any) -> None:
        """The record's deletion is proven."""
        self.show(where, record, RecordState.GONE, **options)

    def forget_column(self, where: Side, record: object, column: str) -> None:
        """The record is shown without a column."""
        shown = self.observation(where, record)
        assert shown is not None
        fields = {name: value for name, value in shown.fields.items() if name != column}
        self._put([replace(shown, fields=fields, touched=True, read_at=self.now)])

    def missing(self, where: Side, record: object, reads: int = 1) -> None:
        """Complete reads lacked a record that is not yet believed to be gone."""
        self._put([Absence(where, self.entity, rid_of(record), reads, pending=False)])

    def present(self, where: Side, record: object) -> None:
        """A complete read shows a record again that an earlier one lacked, as it was."""
        with self.ledger.transaction():
            self.ledger.store.remove(ABSENCE, [(where, self.entity, rid_of(record))])

    def read(self, where: Side, *, schema: MappingOf[str, Any] | None = None) -> None:
        """A complete read of the side ended; what it shows is told by `show`."""
        started, ended = self.now, self.now + 1
        self._put([Cursor(where, self.entity, read_started=started, read_ended=ended, full_at=started, schema=schema)])
        self.now += STEP

    def touch(self, keys: Iterable[ObsKey] | None = None) -> None:
        """Ask the planner to look at records again, or at all of them."""
        with self.ledger.transaction():
            self.ledger.mark([row.key for row in self.ledger.store.scan(OBS)] if keys is None else keys, touched=True)

    # ---- what the ledger holds

    def link(
        self,
        crm: object = None,
        warehouse: object = None,
        state: LinkState = LinkState.ACTIVE,
        *,
        entity: str = "",
        lid: str = "",
        base: bool = True,
        alias_of: str | None = None,
        reason: str = "",
    ) -> str:
        """A link of records that were shown. With `base` the sides agreed on what each last showed."""
        name = entity or self.entity
        ids = {where: rid_of(record) for where, record in ((CRM, crm), (WAREHOUSE, warehouse)) if record is not None}
        lid = lid or f"link-{name}-{crm}-{warehouse}"
        self._put([Link(lid, name, state, self.now, sync_key=lid, alias_of=alias_of, closed_reason=reason)])
        self._put(Member(lid, where, name, rid, held=not state.closed) for where, rid in ids.items())
        if base:
            for f in self.mapping.entities[name].fields.values():
                shown = {where: self._value(where, name, rid, f) for where, rid in ids.items()}
                pair = {where: value for where, value in shown.items() if not isinstance(value, Missing)}
                if len(pair) == len(SIDES):
                    self.put_base(lid, f.name, pair)
        return lid

    def put_base(self, lid: str, name: str, pair: dict[Side, Value]) -> None:
        """Have the sides agreed on these values."""
        ws = self.ledger.workspace([lid])
        for where, value in pair.items():
            ws.put_base(lid, where, name, Base(value, self.mapping.version))
        with self.ledger.transaction():
            self.ledger.apply_workspace(ws)

    def pair(self, crm: object, warehouse: object, *, entity: str = "", **columns: Any) -> str:
        """Two linked records that agree, with nothing to look at."""
        for where, record in ((CRM, crm), (WAREHOUSE, warehouse)):
            self.show(where, record, entity=entity, touched=False, **columns)
        return self.link(crm, warehouse, entity=entity)

    def conflict(self, lid: str, kind: ConflictKind, **options: Any) -> Conflict:
        """A conflict that was found earlier."""
        name = self.get_link(lid).entity
        given = {"values": {}, "base": {}, "evidence": {}, "field": None, "policy": "", **options}
        found = Conflict(f"conflict-{lid}-{kind.value}", lid, name, kind=kind, run_id="run-0", at=self.now, **given)
        self._put([found])
        return found

    def decide(self, conflict: Conflict, **decision: Value) -> None:
        """A person answers: `take` a side, or a `value`."""
        self._put([replace(conflict, decision=decision, state=ConflictState.RESOLVED)])
        self.touch()

    # ---- planning and delivery

    def plan(self, *, touched: list[ObsKey] | None = None, **options: Any) -> Plan:
        """The plan that follows now; nothing is stored but the match index. `touched`: in this order."""
        self._index()
        self.run += 1
        self.now += STEP
        facts = self.ledger.facts(SIDES)
        return make_plan(
            facts if touched is None else cast("Facts", _Ordered(facts, touched)),
            self.mapping,
            ledger_id="ledger",
            at=Moment(self.now, f"run-{self.run}", self.mapping.version),
            linked=self.ledger.linked,
            **options,
        )

    def adopt(self, plan: Plan) -> Plan:
        """Store a plan."""
        with self.ledger.transaction():
            self.ledger.apply(plan.rows, touch=plan.touch, untouch=plan.untouch)
        return plan

    def round(self, **options: Any) -> Plan:
        """Plan, and store the plan."""
        return self.adopt(self.plan(**options))

    def send(self, op: Op) -> Op:
        """The operation goes out, its references resolved; nothing is known of it yet."""
        op = replace(op, patch=self._resolved(op, op.patch), key=self._resolved(op, op.key))
        with self.ledger.transaction():
            (numbered,) = self.ledger.number([op])
            op = sent(numbered, self.now)
            self.ledger.put([op])
        self.now += STEP
        return op

    def acknowledge(self, op: Op) -> Op:
        """A target without receipts acknowledges the operation."""
        self._settle(lambda ws, at: delivered(ws, self.mapping, op, at))
        self.now += STEP
        return self.op(op.op_id)

    def answer(self, op: Op, status: Status = Status.APPLIED, **told: Any) -> Op:
        """The target's receipt for the operation. An applied create is given an id, unless `told`."""
        if status is Status.APPLIED and op.kind is OpKind.CREATE and "id" not in told:
            self._ids += 1
            told["id"] = dict(op.key) or self._ids
        line = ReceiptLine(op.op_id, status, **told)
        self._settle(lambda ws, at: receipt(ws, self.mapping, op, line, at))
        self.now += STEP
        return self.op(op.op_id)

    def refuse(self, op: Op, message: str) -> None:
        """A foreign target died on the operation."""
        self._settle(lambda ws, at: reject(ws, op, message, at))

    def deliver(self, plan: Plan) -> None:
        """Every operation of the plan goes out and is applied as it was meant."""
        for op in plan.operations:
            self.answer(self.send(op))

    def settle_down(self, rounds: int = 6, **options: Any) -> int:
        """Rounds with nobody at work but us, until there is nothing to write. Returns how many wrote something."""
        for done in range(rounds):
            plan = self.round(**options)
            if not plan.operations:
                return done
            self.deliver(plan)
        raise AssertionError(f"still writing after {rounds} rounds")

    # ---- looking

    def observation(self, where: Side, record: object, *, entity: str = "") -> Observation | None:
        """What the side last showed of a record."""
        return self.ledger.get(OBS, where, entity or self.entity, rid_of(record))

    def get_link(self, lid: str) -> Link:
        """A link by its id."""
        found = self.ledger.get(LINK, lid)
        assert found is not None
        return found

    def links(self, *states: LinkState) -> list[Link]:
        """The links in these states; all of them if none is given."""
        return [link for link in self.ledger.store.scan(LINK) if not states or link.state in states]

    def members(self, lid: str) -> dict[Side, Any]:
        """The ids that a link holds, as plain values."""
        rows = [row for row in self.ledger.store.find(MEMBER, "lid", [(lid,)]) if row.held]
        return {row.side: ids[0] if len(ids := from_json(row.rid)) == 1 else tuple(ids) for row in rows}

    def base(self, lid: str, name: str) -> dict[Side, Value]:
        """What the sides last agreed on."""
        return {side: base.value for side, base in self.base_rows(lid, name).items()}

    def base_rows(self, lid: str, name: str) -> dict[Side, Base]:
        """As `base`, with how sure it is."""
        found = self.ledger.get(BASE, lid)
        return dict(found.fields.get(name, {})) if found is not None else {}

    def op(self, op_id: str) -> Op:
        """An operation by its id."""
        found = self.ledger.get(OUTBOX, op_id)
        assert found is not None
        return found

    def open_ops(self) -> list[Op]:
        """The operations that are not finished."""
        return [op for op in self.ledger.store.scan(OUTBOX) if op.state.open]

    def conflicts(self, *kinds: ConflictKind) -> list[Conflict]:
        """The conflicts that wait, of these kinds or of any."""
        rows = self.ledger.store.scan(CONFLICT)
        return [c for c in rows if c.state is not ConflictState.CLOSED and (not kinds or c.kind in kinds)]

    def audits(self) -> list[Audit]:
        """Every value that was replaced."""
        return list(self.ledger.store.scan(AUDIT))

    def dump(self) -> dict[str, list[Any]]:
        """The whole ledger."""
        return {table.name: list(self.ledger.store.scan(table)) for table in TABLES}

    # ---- inside

    def _value(self, where: Side, name: str, rid: Rid, f: Field) -> Value | Missing:
        shown = self.ledger.get(OBS, where, name, rid)
        return shown.fields.get(f.columns[where], MISSING) if shown else MISSING

    def _put(self, rows: Iterable[Any]) -> None:
        with self.ledger.transaction():
            self.ledger.put(rows)

    def _settle(self, settle: Any) -> None:
        with self.ledger.transaction():
            ws = self.ledger.workspace(SIDES)
            settle(ws, Moment(self.now, f"run-{self.run}", self.mapping.version))
            self.ledger.apply_workspace(ws)

    def _resolved(self, op: Op, values: MappingOf[str, Value]) -> dict[str, Value]:
        found = {}
        for name, value in values.items():
            lid = referenced(value)
            found[name] = value if lid is None else self.members(lid)[op.side]
        return found

    def _index(self) -> None:
        store = self.ledger.store
        with self.ledger.transaction():
            store.remove(MATCH_KEY, [(k.side, k.entity, k.rid, k.rule) for k in store.scan(MATCH_KEY)])
            for row in store.scan(OBS):
                if row.state is RecordState.LIVE and row.entity in self.mapping.entities:
                    keys = match_keys(self.mapping.entities[row.entity], row.side, row.fields)
                    self.ledger.put(MatchKey(*row.key, rule, key) for rule, key in keys.items())


class _Ordered:
    """Facts that name the records to look at in an order of the test's own."""

    def __init__(self, facts: Facts, touched: list[ObsKey]) -> None:
        self._facts, self._touched = facts, touched

    def touched(self) -> list[ObsKey]:
        return self._touched

    def __getattr__(self, name: str) -> Any:
        return getattr(self._facts, name)


def wrote(plan: Plan) -> list[tuple[Side, str, dict[str, Value]]]:
    """The plan's operations in brief: side, kind, values."""
    return [(op.side, op.kind.value, dict(op.patch)) for op in plan.operations]


def opened(plan: Plan) -> list[tuple[ConflictKind, str | None]]:
    """The conflicts that the plan opens or changes in brief: kind, field."""
    return [(c.kind, c.field) for c in plan.conflicts if c.state is ConflictState.OPEN]


__all__ = [
    "ABSENCE",
    "CRM",
    "CURSOR",
    "EXAMPLES",
    "SECOND",
    "SIDES",
    "STEP",
    "WAREHOUSE",
    "World",
    "entity",
    "field",
    "law",
    "opened",
    "person",
    "rid_of",
    "side",
    "wrote",
]
