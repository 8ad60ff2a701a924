"""The invariants of the kernel as functions: each says what it counts, and gives the sentences of what is wrong.

I8, I15 and the creates of I9 are watched by the targets as they happen; I12 is a law of the merge alone and is tested
there; I6, I7 and I14 compare whole runs and stand in the tests.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator

from antiphon.equivalence import is_empty
from antiphon.ledger import Ledger
from antiphon.ledger.tables import ABSENCE, AUDIT, BASE, CONFLICT, MEMBER, OBS, OUTBOX
from antiphon.mapping import Counter as Counting
from antiphon.mapping import Field
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import BaseStatus, Cause, ConflictState, LinkState, Op, OpKind, OpState, Side, Value
from antiphon.plan import Plan
from antiphon.settle import Moment
from antiphon.sync.portions import draft
from tests.simulation.edits import gave_way_to_nobody, later_is_later, no_invention, no_lost_update, same
from tests.simulation.engine import Check, Engine
from tests.simulation.judge import Judge
from tests.simulation.shape import FOREIGN, SECOND, SIDES
from tests.simulation.world import USER, Event, Row, World

TWICE = 16
WHOLE = "*"
"""The name of a group of all fields: of a conflict over a whole record's values."""


def plan_twice(engine: Engine, ledger: Ledger, mapping: SyncMapping, plan: Plan, at: Moment) -> None:
    """I5: the plan is a function of the ledger. One round in so many is planned twice."""
    if at.now // SECOND % TWICE == 0 and draft(ledger, mapping, at, portion=engine.portion) != plan:
        engine.world.wrong("I5: two plans of the same ledger differ")


CHECKS: list[Check] = [plan_twice]


def pending(engine: Engine) -> int:
    """How many operations are still to be settled."""
    states = (OpState.PLANNED, OpState.INFLIGHT, OpState.SENT)
    return sum(engine.store.count(OUTBOX, "state", (side, state)) for side in SIDES for state in states)


def unsettled(engine: Engine) -> tuple[object, ...]:
    """What the next round would look at: records that changed or wait, and those that a read lacked.

    With how operations ended: a write that was refused leaves the same records to be looked at, and more to be done.
    """
    touched = [row.key for row in engine.store.find(OBS, "touched", [(True,)])]
    return (*touched, *engine.store.scan(ABSENCE), *((op.op_id, op.state) for op in engine.store.scan(OUTBOX)))


def missing(engine: Engine) -> bool:
    """Whether a record is missing of which it is not known yet that it is gone."""
    return next(engine.store.scan(ABSENCE), None) is not None


def during(world: World, engine: Engine) -> list[str]:
    """What can be said before everything came to rest."""
    return [*world.violations, *accounting(engine)]


def after(world: World, engine: Engine) -> list[str]:
    """What must hold once everything came to rest."""
    judge = Judge(world, engine)
    return [
        *accounting(engine),
        *convergence(judge),
        *progress(judge),
        *no_lost_update(judge),
        *gave_way_to_nobody(judge),
        *no_invention(judge),
        *later_is_later(judge),
        *no_duplicate(judge),
        *base_truth(judge),
        *notes(judge),
    ]


def accounting(engine: Engine) -> Iterator[str]:
    """I4: an acknowledged update has an audit row per field it wrote, a delete has one, anything else has none."""
    counts = Counter(audit.op_id for audit in engine.store.scan(AUDIT) if audit.cause is not Cause.CLOBBERED)
    for op in engine.store.scan(OUTBOX):
        if op.kind is OpKind.CREATE:
            continue
        expected = _audit_rows(op)
        if "field gone" in engine.world.happened:
            most = max(*expected, len({*op.patch, *op.losers}))
            expected = range(most + 1)  # what sync.yml had lost was not written, or only at the first time
        if counts[op.op_id] not in expected:
            yield f"I4: {op.kind} {op.op_id} of {op.lid} is {op.state}: {counts[op.op_id]} audit rows, not {expected}"


def _audit_rows(op: Op) -> Collection[int]:
    """How many audit rows an operation may have."""
    acknowledged_blindly = op.acked_at is not None and op.state in (OpState.SENT, OpState.DROPPED, OpState.ACKED)
    if op.kind is OpKind.DELETE:
        return {1} if op.state is OpState.ACKED else {0}
    if op.state is OpState.ACKED or acknowledged_blindly:
        return {len(op.patch)}
    if op.state is OpState.DROPPED and op.sent_at is not None:  # what was seen of it is accounted for
        return range(len(op.patch) + 1)
    if op.redelivered and not op.state.open:  # it may have been done before, over these edits
        return range(len(op.losers) + 1)
    return {0}


def convergence(judge: Judge) -> Iterator[str]:
    """I1: on an active link every field means the same on both sides, unless a conflict on it waits."""
    for lid, link in sorted(judge.links.items()):
        if link.state is not LinkState.ACTIVE:
            continue
        rows = {side: judge.row(side, link.entity, rid) for side, rid in judge.members[lid].items()}
        dead = [side for side in SIDES if rows.get(side) is None or not rows[side].alive]  # type: ignore[union-attr]
        if dead:
            yield f"I1: {link.entity} {lid} is active, but {dead} hold no record of it: {judge.members[lid]}"
            continue
        waiting = {c.field for c in judge.conflicts[lid] if c.state is not ConflictState.CLOSED}
        for name, field in judge.mapping.entities[link.entity].fields.items():
            values = {side: row.values.get(field.columns[side]) for side, row in rows.items() if row is not None}
            if {name, field.group, WHOLE} & waiting or link.entity == "membership":
                continue
            if field.direction and (field.keep_edits or is_empty(values[field.direction[0]])):
                continue  # what stands at the receiving end may stay there
            if not all(judge.refers_to_linked(field, side, value) for side, value in values.items()):
                continue
            if not judge.same(field, SIDES[0], values[SIDES[0]], SIDES[1], values[SIDES[1]]):
                yield f"I1: {link.entity}.{name} of {lid} differs: {values} {judge.members[lid]}"


def convergence_of_the_living(world: World, engine: Engine) -> Iterator[str]:
    """I1, of the links whose records live on both sides: their deletion may have to wait for a full read."""
    judge = Judge(world, engine)
    for lid in list(judge.links):
        link = judge.links[lid]
        rows = [judge.row(side, link.entity, rid) for side, rid in judge.members[lid].items()]
        if len(rows) < len(SIDES) or any(row is None or not row.alive for row in rows):
            del judge.links[lid]
    yield from convergence(judge)


def progress(judge: Judge) -> Iterator[str]:
    """I13: nothing is left on its way; every live record is held by a link that is settled or waits for a person."""
    for op in judge.ops.values():
        if op.state in (OpState.INFLIGHT, OpState.SENT) or (op.state is OpState.PLANNED and not op.deps):
            yield f"I13: {op.kind} of {op.lid} on {op.side} is still {op.state}: {op.error}"
    for side, system in judge.world.systems.items():
        for row in system.every_row():
            if not row.alive:
                continue
            lid = judge.holders.get((side, row.entity, row.rid))
            if lid is None:
                if row.entity != "membership":
                    yield f"I13: {row.entity} {row.rid} on {side} is held by no link"
            elif judge.links[lid].state in (LinkState.JOINING, LinkState.DELETING) and not _awaits(judge, lid):
                yield f"I13: {row.entity} {row.rid} on {side} is still {judge.links[lid].state}: {lid}"


def _awaits(judge: Judge, lid: str) -> bool:
    """Whether it waits for a record that it refers to, which waits for a person."""
    ops = [op for op in judge.ops.values() if op.lid == lid and op.state.open and op.deps]
    return bool(ops) or judge.links[lid].entity == "membership"


def no_duplicate(judge: Judge) -> Iterator[str]:
    """I9: one live record per sync_key and side; links share no record. The ledger's index counts the second."""
    for side, system in judge.world.systems.items():
        keys = Counter((row.entity, row.sync_key) for row in system.every_row() if row.alive and row.sync_key)
        for (entity, key), count in keys.items():
            forgotten = "restored" in judge.world.happened and system.kind == FOREIGN  # its records bear no key
            if count > 1 and not forgotten:
                yield f"I9: {count} live {entity} on {side} carry the sync_key {key}"
    held: dict[tuple[Side, str, str], set[str]] = defaultdict(set)
    for member in judge.engine.store.scan(MEMBER):
        if member.held:
            held[member.side, member.entity, member.rid].add(member.lid)
    for record, lids in held.items():
        if len(lids) > 1:
            yield f"I9: {record} is held by {sorted(lids)}"


def base_truth(judge: Judge) -> Iterator[str]:
    """I10: the values of an agreed base mean the same, or an operation made one of the other; each was on its side."""
    bases = ((row.lid, name, pair) for row in judge.engine.store.scan(BASE) for name, pair in row.fields.items())
    for lid, name, pair in bases:
        link = judge.links[lid]
        field = judge.mapping.entities[link.entity].fields.get(name)
        if field is None or isinstance(field.policy, Counting):
            continue  # a counter's base is what was counted, which need not have stood anywhere
        if any(b.status is BaseStatus.PROVISIONAL for b in pair.values()) or len(pair) < len(SIDES):
            continue
        one, two = (pair[side].value for side in SIDES)
        if not judge.same(field, SIDES[0], one, SIDES[1], two) and not field.references:
            yield f"I10: the base of {link.entity}.{name} of {lid} never was a pair: {one!r}, {two!r}"
        for side, rid in judge.members[lid].items():
            row = judge.row(side, link.entity, rid)
            value = pair[side].value
            if row is not None and not is_empty(value) and link.entity != "membership":
                history = [
                    e for each in _ever(judge, lid, side, row) for e in each.history.get(field.columns[side], ())
                ]
                held = any(same(judge, field, side, e.value, value) for e in history)
                if not held and not _overtaken(judge, lid, side, field, value, history):
                    yield f"I10: {side} never held {value!r}, which is the base of {link.entity}.{name} of {lid}"


def _overtaken(judge: Judge, lid: str, side: Side, field: Field, value: Value, history: list[Event]) -> bool:
    """A foreign target acknowledged the value, and lost it; before anybody looked, a user wrote another."""
    sent = [
        op.sent_at
        for op in judge.ops.values()
        if (op.lid, op.side) == (lid, side)
        and op.acked_at is not None
        and op.sent_at is not None
        and field.name in op.patch
        and same(judge, field, side, op.patch[field.name], value)
    ]
    lost = judge.world.systems[side].kind == FOREIGN and judge.world.met["write lost"]
    return bool(lost) and any(e.by == USER and judge.world.clock_at(e.at) >= at for e in history for at in sent)


def _ever(judge: Judge, lid: str, side: Side, row: Row) -> Iterator[Row]:
    """Every record of a side that the link ever held, and what they were merged into."""
    ahead = {rid for s, entity, rid in judge.ever[lid] if s == side and entity == row.entity} | judge.family(side, row)
    done: set[str] = set()
    while ahead:
        rid = min(ahead)
        ahead.discard(rid)
        done.add(rid)
        found = judge.row(side, row.entity, rid)
        if found is not None:
            yield found
            ahead |= {found.merged_into} - done if found.merged_into is not None else set()


def notes(judge: Judge) -> Iterator[str]:
    """I11 in part: conflicts that wait belong to links that are not closed."""
    for conflict in judge.engine.store.scan(CONFLICT):
        link = judge.links.get(conflict.lid)
        if conflict.state is ConflictState.OPEN and (link is None or link.state is LinkState.TOMBSTONE):
            yield f"I11: the conflict {conflict.kind} of {conflict.lid} waits on a closed link"
    for link in judge.links.values():
        heir = judge.links.get(link.alias_of or "")
        if link.state is LinkState.ALIAS and (heir is None or heir.state.closed):
            yield f"I11: {link.entity} {link.lid} is an alias of {link.alias_of}, which is closed"
        if link.state is LinkState.PARKED and not any(
            c.field is None and c.state is not ConflictState.CLOSED for c in judge.conflicts[link.lid]
        ):
            yield f"I11: {link.entity} {link.lid} is parked, and nothing says why: {link.closed_reason}"
