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
from antiphon.mapping import Field, SetUnion
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import Base, BaseStatus, Cause, ConflictState, LinkState, Missing, Op, OpKind, OpState, Side, Value
from antiphon.plan import Plan
from antiphon.settle import Moment
from antiphon.sync.planning import propose
from tests.simulation.engine import Check, Engine
from tests.simulation.judge import Judge, value_of
from tests.simulation.shape import FOREIGN, SECOND, SIDES, other
from tests.simulation.world import RESTORE, SYNC, USER, Event, Row, World

TWICE = 16
WHOLE = "*"
"""The name of a group of all fields: of a conflict over a whole record's values."""

KEPT = (Cause.SUPERSEDED, Cause.CLOBBERED, Cause.PARKED, Cause.DELETED)


def plan_twice(engine: Engine, ledger: Ledger, mapping: SyncMapping, plan: Plan, at: Moment) -> None:
    """I5: the plan is a function of the ledger. One round in so many is planned twice."""
    if at.now // SECOND % TWICE == 0 and propose(ledger, mapping, at) != plan:
        engine.world.wrong("I5: two plans of the same ledger differ")


CHECKS: list[Check] = [plan_twice]


def pending(engine: Engine) -> int:
    """How many operations are still to be settled."""
    states = (OpState.PLANNED, OpState.INFLIGHT, OpState.SENT)
    return sum(engine.store.count(OUTBOX, "state", (side, state)) for side in SIDES for state in states)


def unsettled(engine: Engine) -> tuple[object, ...]:
    """What the next round would look at: records that changed or wait, and those that a read lacked."""
    touched = [row.key for row in engine.store.find(OBS, "touched", [(True,)])]
    return (*touched, *engine.store.scan(ABSENCE))


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
            expected = range(max(expected) + 1)  # what sync.yml had lost was not written
        if counts[op.op_id] not in expected:
            yield f"I4: {op.kind} {op.op_id} of {op.lid} is {op.state}: {counts[op.op_id]} audit rows, not {expected}"


def _audit_rows(op: Op) -> Collection[int]:
    """How many audit rows an operation may have."""
    acknowledged_blindly = op.acked_at is not None and op.state in (OpState.SENT, OpState.DROPPED, OpState.ACKED)
    if op.kind is OpKind.DELETE:
        return {1} if op.state is OpState.ACKED else {0}
    if op.state is OpState.ACKED or acknowledged_blindly:
        return {len(op.patch)}
    in_doubt = op.state is OpState.DROPPED and op.sent_at is not None  # what was seen of it is accounted for
    return range(len(op.patch) + 1) if in_doubt else {0}


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


def no_lost_update(judge: Judge) -> Iterator[str]:
    """I3: a user's value is there, went over, was replaced by users of its side, or stands in audit or a conflict."""
    for side, row, field, events in _histories(judge):
        for number, event in enumerate(events):
            if event.by != USER or isinstance(event.value, Missing):
                continue
            value = event.value
            if _came_back(judge, side, row, field, events, number):
                continue
            heir = next((e for e in events[number + 1 :] if not same(judge, field, side, e.value, value)), None)
            if heir is None or heir.by != SYNC or excused(judge, side, field, events, event, heir):
                continue
            if not (_went_over(judge, side, row, field, event) or _kept(judge, side, row, field, value)):
                yield (
                    f"I3: {row.entity}.{field.name} of {row.rid} on {side}: {value!r}, written {event.at}, was lost to "
                    f"{heir.value!r}, written {heir.at} by {heir.op_id}"
                )


def gave_way_to_nobody(judge: Judge) -> Iterator[str]:
    """I3 as it is felt: who alone edits a field keeps the edit, whatever others do to other fields of the record."""
    if judge.world.happened & {"merge", "twin", "restored", "side restored", "field gone"}:
        return
    for side, system in judge.world.systems.items():
        for copy in system.every_row():
            maker = judge.row(other(side), copy.entity, copy.source) if copy.made_by == SYNC else None
            if maker is not None and copy.alive and maker.alive and copy.entity != "membership":
                for field in judge.mapping.entities[copy.entity].fields.values():
                    yield from _gave_way(judge, field, (side, copy), (other(side), maker))


def _gave_way(judge: Judge, field: Field, copy: tuple[Side, Row], maker: tuple[Side, Row]) -> Iterator[str]:
    made = copy[1].history.get(field.columns[copy[0]], [])
    before = maker[1].history.get(field.columns[maker[0]], [])
    if field.direction or field.references or isinstance(field.policy, SetUnion | Counting) or not made:
        return
    sent = next((e for e in reversed(before) if e.at < made[0].at), None)
    if sent is None or not same(judge, field, maker[0], sent.value, value_of(made[0].value), copy[0]):
        return  # what the copy was made from had changed by then
    unit = [f for f in judge.mapping.entities[copy[1].entity].fields.values() if f is field or f.group == field.group]
    unit = unit if field.group else [field]
    for (side, row), (there, rival) in ((copy, maker), (maker, copy)):
        rivals = [e for f in unit for e in rival.history.get(f.columns[there], ()) if e.at >= made[0].at]
        history = [e for e in row.history.get(field.columns[side], ()) if e.at >= made[0].at]
        last = next((e for e in reversed(history) if e.by == USER), None)
        if last is None or isinstance(last.value, Missing) or any(e.by in (USER, RESTORE) for e in rivals):
            continue
        later = history[history.index(last) + 1 :]
        heir = next((e for e in later if not same(judge, field, side, e.value, value_of(last.value))), None)
        if heir is not None and heir.by == SYNC and not excused(judge, side, field, history, last, heir):
            yield (
                f"I3: {row.entity}.{field.name} of {row.rid} on {side}: {last.value!r}, written {last.at}, gave way to "
                f"{heir.value!r}, written {heir.at} by {heir.op_id}, though nobody else had edited the field"
            )


def no_invention(judge: Judge) -> Iterator[str]:
    """I12, I16: what the engine writes stood on the other side once; it writes null only where something was empty."""
    for side, row, field, events in _histories(judge):
        if isinstance(field.policy, SetUnion | Counting):
            continue
        for event in events:
            if event.by != SYNC or isinstance(event.value, Missing) or row.entity == "membership":
                continue
            there = [e for peer in judge.peers(side, row) for e in peer.history.get(field.columns[other(side)], ())]
            if is_empty(event.value):
                if any(is_empty(value_of(e.value)) for e in there):
                    continue
            elif any(same(judge, field, other(side), e.value, event.value, side) for e in there):
                continue
            if _given_back(judge, side, row, field, event.value):
                continue
            where = f"{row.entity}.{field.name} of {row.rid} on {side}"
            yield f"I12: {where} got {event.value!r} from nowhere at {event.at}"


def _given_back(judge: Judge, side: Side, row: Row, field: Field, value: Value) -> bool:
    """An edit that a write had replaced in the moment it was made stands again."""
    audits = [audit for lid in judge.lids(side, row) for audit in judge.audits[lid]]
    lost = [a for a in audits if a.cause is Cause.CLOBBERED and (a.side, a.field) == (side, field.name)]
    return any(judge.same(field, side, audit.old, side, value) for audit in lost)


def later_is_later(judge: Judge) -> Iterator[str]:
    """Where `latest` says which edit was later, it was: by the clock of the world, whatever the engine's own did."""
    if "clock set" in judge.world.happened:
        return  # intervals of a clock that was set are no intervals
    for op in judge.ops.values():
        field_of = judge.mapping.entities[op.entity].fields
        for name, reason in op.reasons.items():
            winner = other(op.side)
            if reason != f"{winner} changed it later" or name not in op.losers or name not in field_of:
                continue
            field, planned = field_of[name], op.planned_at - judge.world.skew
            won = _last_edit(judge, winner, op, field, op.source.get(name), planned)
            lost = _last_edit(judge, op.side, op, field, op.losers[name], planned)
            if won is not None and lost is not None and won <= lost:
                yield f"latest: {op.entity}.{name} of {op.lid}: {winner}'s edit of {won} was called later than {lost}"


def _last_edit(judge: Judge, side: Side, op: Op, field: Field, value: Value, before: int) -> int | None:
    """When the value was last written on the side by a user, as far as it was planned upon."""
    rid = judge.members[op.lid].get(side)
    row = judge.row(side, op.entity, rid) if rid is not None else None
    events = row.history.get(field.columns[side], []) if row is not None else []
    found = [e for e in events if e.at <= before and same(judge, field, side, e.value, value)]
    return found[-1].at if found and found[-1].by == USER else None


def no_duplicate(judge: Judge) -> Iterator[str]:
    """I9: one live record per sync_key and side; links share no record. The ledger's index counts the second."""
    for side, system in judge.world.systems.items():
        keys = Counter((row.entity, row.sync_key) for row in system.every_row() if row.alive and row.sync_key)
        for (entity, key), count in keys.items():
            if count > 1:
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
    pairs: dict[tuple[str, str], dict[Side, Base]] = defaultdict(dict)
    for base in judge.engine.store.scan(BASE):
        pairs[base.lid, base.field][base.side] = base
    for (lid, name), pair in pairs.items():
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
                if not any(same(judge, field, side, e.value, value) for e in history):
                    yield f"I10: {side} never held {value!r}, which is the base of {link.entity}.{name} of {lid}"


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


def _histories(judge: Judge) -> Iterator[tuple[Side, Row, Field, list[Event]]]:
    for side, system in judge.world.systems.items():
        for row in system.every_row():
            for field in judge.mapping.entities[row.entity].fields.values():
                events = row.history.get(field.columns[side])
                if events:
                    yield side, row, field, events


def same(judge: Judge, field: Field, side: Side, one: Value | Missing, two: Value, two_side: Side = "") -> bool:
    return not isinstance(one, Missing) and judge.same(field, side, one, two_side or side, two)


def _came_back(judge: Judge, side: Side, row: Row, field: Field, events: list[Event], number: int) -> bool:
    """The edit changed nothing, or took back what had not gone over yet: the sides' last agreement stands."""
    event = events[number]
    between: list[Event] = []
    for earlier in reversed(events[:number]):
        if same(judge, field, side, earlier.value, value_of(event.value)):
            return not any(_went_over(judge, side, row, field, each) for each in between)
        if earlier.by != USER or isinstance(earlier.value, Missing):
            return False
        between.append(earlier)
    return False


def excused(judge: Judge, side: Side, field: Field, events: list[Event], event: Event, heir: Event) -> bool:
    """A foreign side cannot be asked just before the write; when records first join an empty value never wins."""
    if judge.world.systems[side].kind == FOREIGN and event.at >= heir.unseen:
        return True
    op = judge.ops.get(heir.op_id)
    if "restored" in judge.world.happened and (op is None or is_empty(value_of(event.value))):
        return True  # the audit went with the ledger, or the base that showed it was an edit
    if isinstance(field.policy, SetUnion) and op is not None and "added or removed" in op.reasons.get(field.name, ""):
        return True
    if isinstance(field.policy, SetUnion) and _seen_before(judge, side, field, event, events):
        return True  # a combined value that went to both sides is no base before both were read again
    if op is not None and op.kind is OpKind.DELETE and field.name not in op.expect:
        return True  # sync.yml did not have the field then
    if op is None or not is_empty(value_of(event.value)) or field.name in op.losers:
        return False
    return is_empty(op.expect.get(field.name))  # without a base nobody knows that it was an edit


def _seen_before(judge: Judge, side: Side, field: Field, event: Event, events: list[Event]) -> bool:
    value = value_of(event.value)
    return any(same(judge, field, side, e.value, value) for e in events[: events.index(event)])


def _went_over(judge: Judge, side: Side, row: Row, field: Field, event: Event) -> bool:
    """The other side held the value at some time since."""
    for peer in judge.peers(side, row):
        events = peer.history.get(field.columns[other(side)], [])
        for number, there in enumerate(events):
            until = events[number + 1].at if number + 1 < len(events) else None
            if (until is None or until >= event.at) and same(
                judge, field, other(side), there.value, value_of(event.value), side
            ):
                return True
    return False


def _kept(judge: Judge, side: Side, row: Row, field: Field, value: Value) -> bool:
    """The value stands in the audit or in a conflict of one of the record's links."""
    column = field.columns[side]
    for lid in judge.lids(side, row):
        for audit in judge.audits[lid]:
            if audit.side == side and audit.cause in KEPT:
                whole = audit.field is None and isinstance(audit.old, dict) and field.name in audit.old
                old = audit.old[field.name] if whole else audit.old
                if (whole or audit.field == field.name) and judge.same(field, side, old, side, value):
                    return True
        for conflict in judge.conflicts[lid]:
            shown = conflict.values.get(side)
            if isinstance(shown, dict):
                for name in (field.name, column):
                    if name in shown and judge.same(field, side, shown[name], side, value):
                        return True
    return False
