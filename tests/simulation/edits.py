"""I3 and I12: what became of the edits of users, and where the values came from that the engine wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf

from antiphon.equivalence import is_empty
from antiphon.mapping import Counter as Counting
from antiphon.mapping import Field, SetUnion
from antiphon.model import MISSING, Cause, Missing, Op, OpKind, OpState, Side, Value
from tests.simulation.judge import Judge, form, value_of
from tests.simulation.shape import FOREIGN, HUBSPOT, other
from tests.simulation.world import RESTORE, SYNC, USER, Event, Row

KEPT = (Cause.SUPERSEDED, Cause.CLOBBERED, Cause.PARKED, Cause.DELETED)


def no_lost_update(judge: Judge) -> Iterator[str]:
    """I3: a user's value is there, went over, was replaced by users of its side, or stands in audit or a conflict."""
    for side, row, field, events in _histories(judge):
        for number, event in enumerate(events):
            if event.by != USER or isinstance(event.value, Missing):
                continue
            value = event.value
            if _came_back(judge, side, row, field, events, number) or _agreed(judge, side, row, field, event):
                continue
            if any(e.by in (USER, RESTORE) and same(judge, field, side, e.value, value) for e in events[number + 1 :]):
                continue  # it was put back, or stood again when the side was restored
            heir = next((e for e in events[number + 1 :] if not same(judge, field, side, e.value, value)), None)
            if heir is None or heir.by != SYNC or excused(judge, side, field, events, event, heir):
                continue
            over = _went_over(judge, side, row, field, event) or _counted(judge, side, row, field, event)
            if not (over or _kept(judge, side, row, field, value)):
                yield (
                    f"I3: {row.entity}.{field.name} of {row.rid} on {side}: {value!r}, written {event.at}, was lost to "
                    f"{heir.value!r}, written {heir.at} by {heir.op_id}"
                )


def gave_way_to_nobody(judge: Judge) -> Iterator[str]:
    """I3 as it is felt: who alone edits a field keeps the edit, whatever others do to other fields of the record.

    Not so where records first meet.
    """
    if judge.world.shape.rewrites:
        return  # the side itself edits what it is sent
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
    if field.direction or field.references or isinstance(field.policy, SetUnion | Counting) or not made:
        return
    unit = [f for f in judge.mapping.entities[copy[1].entity].fields.values() if f is field or f.group == field.group]
    unit = unit if field.group else [field]
    if not all(_made_as_it_stood(judge, f, copy, maker) for f in unit):
        return  # what the copy was made from had changed by then
    if any(_stored_otherwise_unheard(judge, f, *each) for f in unit for each in (copy, maker)):
        return
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


def _made_as_it_stood(judge: Judge, field: Field, copy: tuple[Side, Row], maker: tuple[Side, Row]) -> bool:
    """Whether the other side still held what the copy was made from: of two values a side may make one."""
    made = copy[1].history.get(field.columns[copy[0]], [])
    if not made:
        return False
    before = maker[1].history.get(field.columns[maker[0]], [])
    stood = next((e.value for e in reversed(before) if e.at < made[0].at), MISSING)
    op = judge.ops.get(made[0].op_id)
    planned = op.source.get(field.name, MISSING) if op is not None else MISSING
    if isinstance(stood, Missing) or isinstance(planned, Missing):
        return same(judge, field, maker[0], stood, value_of(made[0].value), copy[0])
    return bool(form(field, maker[0], stood) == form(field, maker[0], planned))


def _stored_otherwise_unheard(judge: Judge, field: Field, side: Side, row: Row) -> bool:
    """The side holds, or held, another value than an unanswered write brought, and no receipt said so.

    The side made something else of it, which looks like an edit; or several creates went out, and which one made the
    record nobody knows: of one that failed, too, it may have arrived.
    """
    for event in row.history.get(field.columns[side], ()):
        op = judge.ops.get(event.op_id)
        if op is None or op.op_id in judge.told or isinstance(event.value, Missing):
            continue
        sent = [op]
        if op.kind is OpKind.CREATE:
            kin = (op.lid, side, OpKind.CREATE)
            sent = [o for o in judge.ops.values() if (o.lid, o.side, o.kind) == kin and o.seq is not None]
        values = [each.patch[field.name] for each in sent if field.name in each.patch]
        if any(form(field, side, value) != form(field, side, event.value) for value in values):
            return True
    return False


def no_invention(judge: Judge) -> Iterator[str]:
    """I12, I16: what the engine writes stood on the other side once; it writes null only where something was empty."""
    for side, row, field, events in _histories(judge):
        if isinstance(field.policy, SetUnion | Counting):
            continue
        for event in events:
            if event.by != SYNC or isinstance(event.value, Missing) or row.entity == "membership":
                continue
            there = [e for peer in judge.peers(side, row) for e in peer.history.get(field.columns[other(side)], ())]
            if is_empty(event.value) and any(is_empty(value_of(e.value)) for e in there):
                continue
            if any(same(judge, field, other(side), e.value, event.value, side) for e in there):
                continue  # also blanks, of which a side makes nothing
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
    if "clock set" in judge.world.happened or judge.world.met["passed over"]:
        return  # of a clock that was set, or of a tap that leaves changes out, intervals are no intervals
    for op in judge.ops.values():
        field_of = judge.mapping.entities[op.entity].fields
        for name, reason in op.reasons.items():
            winner = other(op.side)
            if reason != f"{winner} changed it later" or name not in op.losers or name not in field_of:
                continue
            unit = [n for n, f in field_of.items() if n == name or (f.group and f.group == field_of[name].group)]
            won = _last_edit(judge, winner, op, {n: op.source.get(n, MISSING) for n in unit})
            lost = _last_edit(judge, op.side, op, {n: op.losers[n] for n in unit if n in op.losers})
            if won is not None and lost is not None and won <= lost:
                yield f"latest: {op.entity}.{name} of {op.lid}: {winner}'s edit of {won} was called later than {lost}"


def _last_edit(judge: Judge, side: Side, op: Op, values: Mapping[str, Value | Missing]) -> int | None:
    """When the last of these values, by field, came to the side, as far as it was planned upon; None if not by a user.

    Of a group's field that was not written, any value counts.
    """
    rid = judge.members[op.lid].get(side)
    row = judge.row(side, op.entity, rid) if rid is not None else None
    fields = judge.mapping.entities[op.entity].fields
    found = [
        event
        for name, value in values.items()
        for event in (row.history.get(fields[name].columns[side], []) if row is not None else [])
        if event.at <= op.planned_at
        and (isinstance(value, Missing) or same(judge, fields[name], side, event.value, value))
    ]
    last = max(found, key=lambda event: event.at, default=None)
    return last.at if last is not None and last.by == USER else None


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
    former = [e for each in _former(judge, side, row, field) for e in each if not isinstance(e.value, Missing)]
    for earlier in reversed([*former, *events[:number]]):
        if same(judge, field, side, earlier.value, value_of(event.value)):
            return not any(
                _went_over(
                    judge,
                    side,
                    row,
                    field,
                    each,
                    until=_looked_between(judge, side, each, event),
                    now=_for_another(judge, side, row, each),
                )
                for each in between
            )
        by_hand = earlier.by in (USER, RESTORE) or _for_another(judge, side, row, earlier)
        if not by_hand or isinstance(earlier.value, Missing):
            return False
        between.append(earlier)
    return False


def _for_another(judge: Judge, side: Side, row: Row, event: Event) -> bool:
    """It was written for the link that held the record before a merge: to the one that has it since, it is an edit."""
    op, holder = judge.ops.get(event.op_id), judge.holders.get((side, row.entity, row.rid))
    return op is not None and holder is not None and op.lid != holder


def _looked_between(judge: Judge, side: Side, event: Event, later: Event) -> int:
    """When an adopted plan that knew of the event, and not yet of the later one, last looked at the other side.

    0 if there was none. A plan that guards refuse leaves no trace.
    """
    plans = judge.world.adopted
    return max((seen[other(side)] for at, seen in plans if at <= later.at and event.at <= seen[side]), default=0)


def _agreed(judge: Judge, side: Side, row: Row, field: Field, event: Event) -> bool:
    """The edit changed nothing: we were writing this very value, or the record came in place of one that had it."""
    at = judge.world.clock_at(event.at)
    lids = judge.lids(side, row)
    for op in judge.ops.values():
        if (
            op.lid in lids
            and op.side == side
            and op.state is OpState.ACKED
            and op.planned_at <= at <= (op.acked_at or inf)  # of one that a read showed to be done nobody knows when
        ):
            written = op.patch.get(field.name, MISSING)
            if not isinstance(written, Missing) and same(judge, field, side, written, value_of(event.value)):
                return True
    history = row.history[field.columns[side]]
    if any(each.by == SYNC for each in history[: history.index(event)]):
        return False
    had = [[e.value for e in each if e.value is not MISSING] for each in _former(judge, side, row, field)]
    return any(values and same(judge, field, side, values[-1], value_of(event.value)) for values in had)


def _former(judge: Judge, side: Side, row: Row, field: Field) -> list[list[Event]]:
    """What befell the records that the row's links held before it, each by itself."""
    nodes = {node for lid in judge.lids(side, row) for node in judge.ever[lid] if node[0] == side}
    rows = [found for node in sorted(nodes) if node[2] != row.rid and (found := judge.row(*node)) is not None]
    return [each.history.get(field.columns[side], []) for each in rows]


def excused(judge: Judge, side: Side, field: Field, events: list[Event], event: Event, heir: Event) -> bool:
    """A foreign side cannot be asked just before the write; when records first join an empty value never wins."""
    if judge.world.systems[side].kind == FOREIGN and event.at >= heir.unseen:
        return True
    op = judge.ops.get(heir.op_id)
    if op is not None and op.kind is OpKind.DELETE and field.name not in op.expect:
        return True  # sync.yml did not have the field then
    if op is not None and op.kind is not OpKind.CREATE and _in_the_window(judge, side, event, heir):
        return op.op_id not in judge.told  # of an edit between the target's look and its write only its receipt tells
    if "restored" in judge.world.happened and (op is None or op.acked_at is None or is_empty(value_of(event.value))):
        return True  # the audit went with the ledger, or the base that showed it was an edit
    if "restored" in judge.world.happened and _seen_before(judge, side, field, event, events):
        return True  # it put back what the older ledger had as the base
    if isinstance(field.policy, SetUnion) and op is not None and "added or removed" in op.reasons.get(field.name, ""):
        return True
    if isinstance(field.policy, SetUnion) and _taken_up(field, side, events, event, heir):
        return True
    blind = FOREIGN in judge.world.shape.kinds.values()
    if blind and isinstance(field.policy, SetUnion) and _seen_before(judge, side, field, event, events):
        return True  # a combined value that went to both sides is no base before both were read again
    if op is None or not is_empty(value_of(event.value)) or field.name in op.losers:
        return False
    return is_empty(op.expect.get(field.name))  # without a base nobody knows that it was an edit


def _taken_up(field: Field, side: Side, events: list[Event], event: Event, heir: Event) -> bool:
    """The set that followed holds what the edit left, and nothing that it took out."""
    place = events.index(event)
    before = events[place - 1].value if place else MISSING
    had, left, followed = (set(form(field, side, value_of(each))[1:]) for each in (before, event.value, heir.value))
    return left <= followed and not (had - left) & followed


def _in_the_window(judge: Judge, side: Side, event: Event, heir: Event) -> bool:
    """Whether the edit was made in the moment between a target's look and its write, where these are two steps."""
    return judge.world.systems[side].kind == HUBSPOT and heir.unseen < event.at <= heir.at


def _seen_before(judge: Judge, side: Side, field: Field, event: Event, events: list[Event]) -> bool:
    value = value_of(event.value)
    return any(same(judge, field, side, e.value, value) for e in events[: events.index(event)])


def _went_over(
    judge: Judge, side: Side, row: Row, field: Field, event: Event, *, until: float = inf, now: bool = False
) -> bool:
    """The other side held the value at some time since, by our doing, or by its users' `until` then.

    `now`: only the record that is linked with it now counts.
    """
    partner = judge.members[judge.holders.get((side, row.entity, row.rid), "")].get(other(side))
    for peer in judge.peers(side, row):
        if now and peer.rid != partner:
            continue
        events = peer.history.get(field.columns[other(side)], [])
        looked = next((looked[other(side)] for at, looked in judge.world.adopted if at >= event.at), event.at)
        for number, there in enumerate(events):
            end = events[number + 1].at if number + 1 < len(events) else inf
            if (
                (there.by == SYNC or there.at <= until)
                and end >= min(event.at, looked)  # no plan sees both sides at one instant
                and same(judge, field, other(side), there.value, value_of(event.value), side)
            ):
                return True
    return False


def _counted(judge: Judge, side: Side, row: Row, field: Field, event: Event) -> bool:
    """A counter's value need not go over as it is: what it had counted was added on the other side since."""
    since = judge.world.clock_at(event.at)
    return isinstance(field.policy, Counting) and any(
        op.side == other(side) and field.name in op.adds and op.state is OpState.ACKED and op.planned_at >= since
        for op in judge.ops.values()
        if op.lid in judge.lids(side, row)
    )


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
