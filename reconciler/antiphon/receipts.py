"""What a target says of an operation, by STATE or by receipt, and what follows for bases, audit and the outbox.

| what the target says                          | the operation  | the base                                            |
|-----------------------------------------------|----------------|-----------------------------------------------------|
| STATE of a target without receipts covers it  | SENT           | provisional: (value sent, the pair before is kept)  |
| receipt `applied`, `skipped` with values      | ACKED          | agreed: (source, value stored for our write)        |
| receipt `applied` that `found` another value  | ACKED          | as it was; that edit is kept in a conflict, and     |
|                                               |                | settled by the next plan                            |
| receipt `stale`, `gone`                       | REJECTED       | as it was; what was found is observed, planned anew |
|   of one that was sent before                 |                | the edits that it may have replaced are kept        |
| receipt `rejected`                            | POISON         | as it was; the link is parked with the message      |
| receipt `failed`, see `retries`               | PLANNED, later | as it was; or POISON if the row is at fault         |
"""

from __future__ import annotations

from collections.abc import Mapping

from antiphon.creates import made_before, take
from antiphon.equivalence import canonical_json, hash_of, make_rid
from antiphon.facts import Workspace
from antiphon.identity import short_id
from antiphon.mapping import Entity, word_of
from antiphon.mapping import Mapping as SyncMapping
from antiphon.merge import surroundings
from antiphon.model import (
    MISSING,
    Audit,
    Base,
    BaseStatus,
    Cause,
    Conflict,
    ConflictKind,
    Instant,
    LinkState,
    Missing,
    Observation,
    Op,
    OpKind,
    OpState,
    RecordState,
    Rid,
    Side,
    Value,
    replace,
)
from antiphon.protocol import ReceiptLine, Status
from antiphon.retries import MAX_FAILURES, Fault, fault_of, wait
from antiphon.settle import (
    Moment,
    activate,
    agree,
    keep_losers,
    record,
    reject,
    touch_members,
)


def delivered(ws: Workspace, mapping: SyncMapping, op: Op, at: Moment) -> None:
    """The target's STATE covers the operation, and no receipt will come: it is delivered, not yet believed.

    A create that the side was to name stays in flight: without the receipt nobody knows which record it is. So does a
    write that counts, until it is sent again and answered: what a read shows may be what the side counted itself.
    """
    if op.state is not OpState.INFLIGHT or (op.kind is OpKind.CREATE and not op.key) or op.adds:
        return
    ws.put_op(replace(op, state=OpState.SENT, acked_at=at.now))
    touch_members(ws, op)
    if op.kind is OpKind.DELETE:
        return
    other = mapping.other(op.side)
    for name, value in op.patch.items():
        if name not in op.source:
            continue
        pair = ws.bases(op.lid).get(name, {})
        for side, now_agreed in ((op.side, value), (other, op.source[name])):
            before: Value | Missing = pair[side].value if side in pair else MISSING
            ws.put_base(op.lid, side, name, Base(now_agreed, mapping.version, BaseStatus.PROVISIONAL, before))
    record(ws, op, op.patch, at)
    activate(ws, op)


def receipt(ws: Workspace, mapping: SyncMapping, op: Op, line: ReceiptLine, at: Moment) -> None:
    """A receipt settles its operation once; of a second one only an edit counts that nobody has told of yet."""
    if not op.state.open:
        _told_late(ws, mapping, op, line, at)
        return
    match line.status:
        case Status.APPLIED:
            _applied(ws, mapping, op, line, at)
        case Status.SKIPPED if line.stored or line.found:
            _applied(ws, mapping, op, line, at)
        case Status.GONE if op.kind is OpKind.DELETE:
            _applied(ws, mapping, op, line, at)
        case Status.STALE | Status.GONE if op.kind is OpKind.CREATE and line.id is not None:
            _created_before(ws, mapping, op, line, at)
        case Status.STALE | Status.GONE:
            _observe(ws, mapping, op, line, at)
            _done_before(ws, mapping.entities[op.entity], op, line, at)
            ws.put_op(replace(op, state=OpState.REJECTED, error=f"{line.status.value}: planned anew"))
            touch_members(ws, op)
        case Status.REJECTED | Status.SKIPPED:
            _done_before(ws, mapping.entities[op.entity], op, line, at)
            reject(ws, op, line.message or "the target skipped it and did not say why", at)
        case Status.FAILED:
            _failed(ws, mapping.entities[op.entity], op, line, at)


def _done_before(ws: Workspace, entity: Entity, op: Op, line: ReceiptLine, at: Moment) -> None:
    """It was not done this time. One that was sent before may have been done then, and replaced edits."""
    if op.redelivered:
        fields = {n: f.columns[op.side] for n, f in entity.fields.items()}
        there = {name: line.found[column] for name, column in fields.items() if column in line.found}
        keep_losers(ws, op, at, there=there)


def _failed(ws: Workspace, entity: Entity, op: Op, line: ReceiptLine, at: Moment) -> None:
    """Try it again later, with the latest value; or never, if the row is at fault or patience is over."""
    fault = fault_of(line)
    failures = op.attempt + (fault is Fault.UNKNOWN)
    if fault is Fault.ROW:
        why = line.message or "the target cannot write it and did not say why"
    elif failures >= MAX_FAILURES:
        why = f"it failed {failures} times, last with: {line.message or 'no word'}"
    else:
        later = at.now + wait(op, fault)
        ws.put_op(replace(op, state=OpState.PLANNED, attempt=failures, not_before=later, error=line.message))
        touch_members(ws, op)
        return
    _done_before(ws, entity, op, line, at)
    reject(ws, op, why, at)


def _created_before(ws: Workspace, mapping: SyncMapping, op: Op, line: ReceiptLine, at: Moment) -> None:
    """The record was there: gone again since, which is a deletion like any other, or with values that now join ours."""
    link = ws.link(op.lid)
    if link is None:
        return
    made_before(ws, mapping, op, line)
    ws.put_op(replace(op, state=OpState.ACKED, acked_at=at.now))
    if take(ws, link, op, rid_of(mapping.entities[op.entity], op.side, line.id), at):
        activate(ws, op)
        _observe(ws, mapping, op, line, at)
        touch_members(ws, op)


def _applied(ws: Workspace, mapping: SyncMapping, op: Op, line: ReceiptLine, at: Moment) -> None:
    link = ws.link(op.lid)
    if link is None:
        return
    entity = mapping.entities[op.entity]
    if op.kind is OpKind.DELETE:
        _observe(ws, mapping, op, line, at)
        ws.put_op(replace(op, state=OpState.ACKED, acked_at=at.now))
        names = {f.columns[op.side]: name for name, f in entity.fields.items()}
        late = {names[column]: value for column, value in line.found.items() if column in names}
        last = {**op.expect, **late}
        ws.audits.append(Audit(op.lid, op.side, None, last, None, Cause.DELETED, op.op_id, op.run_id, at.now))
        touch_members(ws, op)
        return
    if line.id is not None and not take(ws, link, op, rid_of(entity, op.side, line.id), at):
        ws.put_op(replace(op, state=OpState.ACKED, acked_at=at.now))
        return
    told = line.stored if line.status is Status.APPLIED else {**line.found, **line.stored}
    other = mapping.other(op.side)
    stored = _stored(entity, op, told)
    lost = _replaced_edits(entity, op, line, stored)
    for name, value in stored.items():
        if name not in lost:
            agree(ws, op, name, value, other, mapping.version, line.version)
    left = {name: value for name, value in op.patch.items() if name not in entity.fields}  # written all the same
    record(ws, op, {**left, **stored}, at)
    _keep_edits(ws, mapping, op, lost, stored, at)
    ws.put_op(replace(op, state=OpState.ACKED, acked_at=at.now))
    activate(ws, op)
    shown = {entity.fields[name].columns[op.side]: value for name, value in stored.items()}
    settled = _is_settled(ws, mapping, op, line, stored)
    _observe(ws, mapping, op, replace(line, stored={**shown, **told}), at, settled=settled)
    if not settled:
        touch_members(ws, op)


def _is_settled(ws: Workspace, mapping: SyncMapping, op: Op, line: ReceiptLine, stored: Mapping[str, Value]) -> bool:
    """Whether the sides agree as the plan wanted, so that nobody need look at the link before one shows something else.

    What takes a run back sets them apart.
    """
    entity, link = mapping.entities[op.entity], ws.link(op.lid)
    around = surroundings(entity, ws)
    sides = (op.side, mapping.other(op.side))
    return (
        link is not None
        and link.state is LinkState.ACTIVE
        and line.status is Status.APPLIED
        and op.kind is OpKind.UPDATE
        and not (op.adds or op.redelivered or line.found)
        and stored.keys() == op.patch.keys() == op.source.keys()
        and all(canonical_json(value) == canonical_json(op.patch[name]) for name, value in stored.items())
        and not ws.ops(op.lid)
        and not ws.conflicts(op.lid)
        and all(around.agree(entity.fields[n], sides, value, op.source[n]) for n, value in stored.items())
    )


def _told_late(ws: Workspace, mapping: SyncMapping, op: Op, line: ReceiptLine, at: Moment) -> None:
    """Two runners sent the same write, and both targets did it: the second may have replaced an edit, too."""
    entity, link = mapping.entities.get(op.entity), ws.link(op.lid)
    if entity is None or link is None or link.state.closed:
        return
    stored = _stored(entity, op, line.stored)
    lost = _replaced_edits(entity, op, line, stored)
    if not lost:
        return
    told = {
        (audit.field, canonical_json(audit.old))
        for audit in (*ws.facts.audits(op.lid), *ws.audits)
        if audit.op_id == op.op_id and audit.cause is Cause.CLOBBERED
    }
    late = {name: value for name, value in lost.items() if (name, canonical_json(value)) not in told}
    _keep_edits(ws, mapping, op, late, stored, at)
    touch_members(ws, op)


def _stored(entity: Entity, op: Op, told: Mapping[str, Value]) -> dict[str, Value]:
    """What was stored for each value. A target that tells what it stored and leaves a column out did not write it.

    The columns of the key need not be told: the receipt's id is made of them.
    """
    columns = {name: f.columns[op.side] for name, f in entity.fields.items() if name in op.patch}
    told_by_id = entity.sides[op.side].key
    return {
        name: told.get(column, op.patch[name])
        for name, column in columns.items()
        if not told or column in told or column in told_by_id
    }


def rid_of(entity: Entity, side: Side, shown: Value) -> Rid:
    """The record id in a receipt: a value, a list in the order of the key columns, or an object of them."""
    if isinstance(shown, dict):
        return make_rid([shown.get(column) for column in entity.sides[side].key])
    return make_rid(shown if isinstance(shown, list) else [shown])


def _observe(
    ws: Workspace, mapping: SyncMapping, op: Op, line: ReceiptLine, at: Moment, *, settled: bool = False
) -> None:
    """What the target found or stored is an observation of its side.

    If the link is `settled`, it is looked at again only for what else was shown.
    """
    rid = ws.members(op.lid).get(op.side)
    if rid is None:
        return
    key = (op.side, op.entity, rid)
    mapped = {f.columns[op.side] for f in mapping.entities[op.entity].fields.values()}
    before = ws.observation(key)
    gone = line.status is Status.GONE or (op.kind is OpKind.DELETE and line.status is Status.APPLIED)
    told = {**line.found, **line.stored, **line.current}
    shown = {name: value for name, value in told.items() if name in mapped}
    written = {mapping.entities[op.entity].fields[name].columns[op.side] for name in op.patch if settled}
    if before is not None and not gone:
        later = _seen_since(mapping.entities[op.entity], op, line, before)
        shown = {column: value for column, value in shown.items() if column not in later}
    fields = {**(before.fields if before else {}), **shown}
    dirty = dict(before.dirty) if before else {}
    changed = [c for c, value in shown.items() if before is None or before.fields.get(c, MISSING) != value]
    for column in changed:  # what the last read lacked may have changed ever since its last known change
        known = before.read_at if before and column in before.fields else dirty.get(column, (0, 0))[0]
        dirty[column] = (known, at.now)
    ws.put_observation(
        Observation(
            side=op.side,
            entity=op.entity,
            rid=rid,
            state=RecordState.GONE if gone else RecordState.LIVE,
            fields=fields,
            hash=hash_of(fields),
            # of the columns that the receipt does not speak of, nobody knows more than before
            read_at=_looked(op, before, at) if before is None or gone or mapped <= shown.keys() else before.read_at,
            complete_at=at.now,
            version=line.version or (before.version if before else None),
            birth=before.birth if before else None,
            dirty=dirty,
            touched=not settled
            or before is None
            or before.touched
            or not written.issuperset(changed)
            or not written <= shown.keys(),
            unseen=not gone and bool(line.stored),
        )
    )


def _looked(op: Op, before: Observation | None, at: Moment) -> Instant:
    """Since when the record may have changed again: the receipt may be heard long after the write."""
    sent = op.planned_at if op.redelivered else op.sent_at
    return max(at.now if sent is None else sent, before.read_at if before else 0)


def _seen_since(entity: Entity, op: Op, line: ReceiptLine, before: Observation) -> set[str]:
    """Columns of which a read knows more than the receipt: the write was sent again, and is told of as it was at first.

    Between the first time and now the side was read, and showed neither what we wrote nor what we had expected there.
    If the write was refused, what was found may have been so at the first time: the read showed it later, or the next
    one will show what was found after it.
    """
    applied = line.status is Status.APPLIED
    sent = op.sent_at if applied or not op.redelivered else op.planned_at
    if sent is None or before.read_at < sent:
        return set()
    expected = {
        entity.fields[name].columns[op.side]: value
        for name, value in op.expect.items()
        if applied and name in entity.fields
    }
    return {
        column
        for column, value in (line.stored if applied else line.found).items()
        if column in before.fields
        and column not in line.current
        and canonical_json(before.fields[column]) != canonical_json(value)
        and (column not in expected or canonical_json(before.fields[column]) != canonical_json(expected[column]))
    }


def _replaced_edits(entity: Entity, op: Op, line: ReceiptLine, stored: Mapping[str, Value]) -> dict[str, Value]:
    """`applied` with `found`: somebody wrote those values between the target's look and its write."""
    if line.status is not Status.APPLIED or op.kind is not OpKind.UPDATE:
        return {}
    columns = {name: entity.fields[name].columns[op.side] for name in stored}
    return {
        name: line.found[column]
        for name, column in columns.items()
        if column in line.found and canonical_json(line.found[column]) != canonical_json(stored[name])
    }


def _keep_edits(
    ws: Workspace, mapping: SyncMapping, op: Op, lost: Mapping[str, Value], stored: Mapping[str, Value], at: Moment
) -> None:
    """Keep the edits that the write replaced: in the audit, and in a conflict that the next plan settles."""
    fields = mapping.entities[op.entity].fields
    units: dict[str, list[str]] = {}
    for name, value in sorted(lost.items()):
        ws.audits.append(
            Audit(op.lid, op.side, name, value, stored[name], Cause.CLOBBERED, op.op_id, op.run_id, at.now)
        )
        units.setdefault(fields[name].group or name, []).append(name)
    for unit, names in units.items():
        before = [c for c in ws.conflicts(op.lid).values() if c.field == unit]
        evidence = {
            "reason": f"{op.side} changed it in the moment before our write, which replaced it",
            "side": op.side,
            "lost": {name: lost[name] for name in names},
            "sent": {name: op.patch[name] for name in names},
            "stored": {name: stored[name] for name in names},
            "changed_in": {op.side: [op.sent_at or op.planned_at, at.now]},
        }
        ws.put_conflict(
            Conflict(
                cid=before[0].cid if before else short_id(op.lid, unit, op.op_id),
                lid=op.lid,
                entity=op.entity,
                field=unit,
                kind=ConflictKind.CLOBBERED,
                values={op.side: {name: lost[name] for name in names}},
                base={},
                evidence=evidence,
                policy=word_of(fields[names[0]].policy),
                run_id=at.run_id,
                at=at.now,
            )
        )
