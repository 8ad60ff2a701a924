"""What a delivery means: acknowledgements, receipts and observations become bases, audit and closed operations.

| what we learn of an operation                 | the operation  | the base                                            |
|-----------------------------------------------|----------------|-----------------------------------------------------|
| STATE of a target without receipts covers it  | SENT           | provisional: (value sent, the pair before is kept)  |
| receipt `applied`, `skipped` with values      | ACKED          | agreed: (source, value stored for our write)        |
| receipt `stale`, `gone`                       | REJECTED       | as it was; what was found is observed, planned anew |
| receipt `rejected`                            | POISON         | as it was; the link is parked with the message      |
| receipt `failed`                              | PLANNED, later | as it was                                           |
| SENT, then seen as sent                       | ACKED          | agreed: (source, value seen)                        |
| SENT, then seen as it was before              | DROPPED        | the pair before; planned again, parked after three  |
| SENT, then seen as something else             | ACKED          | (source, value sent): it was changed on that side   |
| INFLIGHT when the runner died, seen as sent   | ACKED          | agreed: (source, value seen)                        |
| INFLIGHT when the runner died, seen otherwise | DROPPED        | as it was; planned again                            |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from antiphon.equivalence import canonical_json, is_empty, make_rid
from antiphon.facts import Workspace
from antiphon.identity import row_hash, short_id
from antiphon.mapping import Entity
from antiphon.mapping import Mapping as SyncMapping
from antiphon.merge import Surroundings
from antiphon.model import (
    MISSING,
    Audit,
    Base,
    BaseStatus,
    Cause,
    Conflict,
    ConflictKind,
    ConflictState,
    Instant,
    Link,
    LinkState,
    Missing,
    Observation,
    Op,
    OpKind,
    OpState,
    RecordState,
    Rid,
    Side,
    Tombstone,
    Value,
)
from antiphon.protocol import ReceiptLine, Status

MAX_ATTEMPTS = 3
"""So often a write may stay invisible before a person must look."""

REMNANT = -1
"""`observed` found a row that our own write brought back after its deletion."""

_SECOND = 1_000_000
_LONGEST_WAIT = 3600 * _SECOND


@dataclass(frozen=True, slots=True)
class Moment:
    """When this is settled, by which run, under which mapping."""

    now: Instant
    run_id: str
    mapping: str


def delivered(ws: Workspace, mapping: SyncMapping, op: Op, at: Moment) -> None:
    """The target's STATE covers the operation, and no receipt will come: it is delivered, not yet believed.

    A create that the side was to name stays in flight: without the receipt nobody knows which record it is.
    """
    if op.state is not OpState.INFLIGHT or (op.kind is OpKind.CREATE and not op.key):
        return
    ws.put_op(replace(op, state=OpState.SENT, acked_at=at.now))
    _touch_members(ws, op)
    if op.kind is OpKind.DELETE:
        return
    other = mapping.other(op.side)
    for name, value in op.patch.items():
        if name not in op.source:
            continue
        pair = ws.bases(op.lid).get(name, {})
        for side, now_agreed in ((op.side, value), (other, op.source[name])):
            before: Value | Missing = pair[side].value if side in pair else MISSING
            ws.put_base(Base(op.lid, side, name, now_agreed, mapping.version, BaseStatus.PROVISIONAL, before))
    _record(ws, op, op.patch, at)
    _activate(ws, op)


def receipt(ws: Workspace, mapping: SyncMapping, op: Op, line: ReceiptLine, at: Moment) -> None:
    """A receipt settles its operation once; a second one for the same operation changes nothing."""
    if not op.state.open:
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
            ws.put_op(replace(op, state=OpState.REJECTED, error=f"{line.status.value}: planned anew"))
            _touch_members(ws, op)
        case Status.REJECTED | Status.SKIPPED:
            reject(ws, op, line.message or "the target skipped it and did not say why", at)
        case Status.FAILED:
            wait = min(_SECOND << op.attempt, _LONGEST_WAIT)
            ws.put_op(
                replace(op, state=OpState.PLANNED, attempt=op.attempt + 1, not_before=at.now + wait, error=line.message)
            )


def reject(ws: Workspace, op: Op, message: str, at: Moment) -> None:
    """The target will never take it: park the link with the target's words. A change of the record arms it again."""
    ws.put_op(replace(op, state=OpState.POISON, error=message))
    link = ws.link(op.lid)
    if link is None:
        return
    park(
        ws,
        link,
        ConflictKind.REJECTED,
        at,
        evidence={"side": op.side, "message": message, "patch": dict(op.patch), "mapping": at.mapping},
        reason=f"{op.side} refused it: {message}",
    )


def park(
    ws: Workspace,
    link: Link,
    kind: ConflictKind,
    at: Moment,
    *,
    reason: str,
    evidence: Mapping[str, object] | None = None,
    values: Mapping[Side, object] | None = None,
    base: Mapping[Side, object] | None = None,
) -> None:
    """Set a whole link aside for a person, once; its ids stay reserved."""
    existing = [c for c in ws.conflicts(link.lid).values() if c.kind is kind and c.field is None]
    shown = {**(evidence or {}), "reason": reason}
    if not existing or existing[0].evidence != shown or existing[0].values != (values or {}):
        cid = existing[0].cid if existing else short_id(link.lid, kind.value, at.run_id)
        ws.put_conflict(
            Conflict(cid, link.lid, link.entity, None, kind, values or {}, base or {}, shown, "", at.run_id, at.now)
        )
    if link.state is not LinkState.PARKED or link.closed_reason != reason:
        ws.put_link(replace(link, state=LinkState.PARKED, closed_reason=reason))
    for op in list(ws.ops(link.lid).values()):
        if op.state is OpState.PLANNED:
            ws.drop_op(op, "parked")


def close_conflicts(
    ws: Workspace, lid: str, *, field: str | None = None, kinds: frozenset[ConflictKind] | None = None
) -> None:
    """Conflicts overtaken by events: the record-level ones of `kinds`, or the one of a field."""
    for conflict in list(ws.conflicts(lid).values()):
        if conflict.field == field and (kinds is None or conflict.kind in kinds):
            ws.put_conflict(replace(conflict, state=ConflictState.CLOSED))


def bury(ws: Workspace, link: Link, at: Moment, evidence: str) -> None:
    """Close the link; its ids become tombstones and its first alias, if it has one, takes its place."""
    members = dict(ws.members(link.lid))
    for op in list(ws.ops(link.lid).values()):
        ws.drop_op(op, "the link is closed")
    for conflict in list(ws.conflicts(link.lid).values()):
        ws.put_conflict(replace(conflict, state=ConflictState.CLOSED))
    ws.put_link(replace(link, state=LinkState.TOMBSTONE, closed=at.now, closed_reason=evidence))
    for side, rid in sorted(members.items()):
        seen = ws.observation((side, link.entity, rid))
        if seen is None or seen.state is not RecordState.LIVE:
            ws.put_tombstone(
                Tombstone(side, link.entity, rid, link.lid, seen.birth if seen else None, at.now, evidence)
            )
    heirs = [found for lid in ws.aliases(link.lid) if (found := ws.link(lid))]
    for number, heir in enumerate(heirs):
        survivor = heirs[0].lid if number else None
        ws.put_link(replace(heir, state=LinkState.ALIAS if survivor else LinkState.ACTIVE, alias_of=survivor))
        if survivor is None:
            close_conflicts(ws, heir.lid, kinds=frozenset({ConflictKind.MERGED}))
            for side, rid in sorted(members.items()):
                seen = ws.observation((side, link.entity, rid))
                if side not in ws.members(heir.lid) and seen and seen.state is RecordState.LIVE:
                    ws.put_member(heir, side, rid)
            for side, rid in ws.members(heir.lid).items():
                ws.touch.add((side, heir.entity, rid))


def observed(
    ws: Workspace,
    around: Surroundings,
    op: Op,
    seen: Observation | None,
    read_at: Instant,
    at: Moment,
    mapping: SyncMapping,
) -> int:
    """Settle a SENT or abandoned INFLIGHT operation of a foreign target by what the side shows since.

    `read_at` is the start of the read that speaks (0: none yet). Returns how often the write stayed invisible: 0 when
    it is settled or not yet decidable, else the number of attempts made.
    """
    sent = op.state is OpState.SENT
    since = op.acked_at if sent else op.sent_at
    if since is None or read_at < since:
        return 0
    if op.kind is OpKind.DELETE:
        return _observed_delete(ws, op, seen, at)
    if seen is None or seen.state is not RecordState.LIVE:
        gone = seen is not None
        ws.put_op(
            replace(op, state=OpState.ACKED if gone and sent else OpState.DROPPED, error="" if gone else "never seen")
        )
        return 0 if gone else op.attempt + 1
    if op.kind is OpKind.UPDATE and _is_remnant(ws, around, op, seen):
        return REMNANT
    fields = around.entity.fields
    visible = {name: _settle_value(ws, around, op, name, seen, mapping) for name in op.patch if name in fields}
    settled = all(visible.values())
    if not sent:
        error = "" if settled else "not seen after a crash"
        ws.put_op(replace(op, state=OpState.ACKED if settled else OpState.DROPPED, error=error))
        _record(ws, op, {n: op.patch[n] for n in visible if visible[n] or _may_be_lost(around, op, n, seen)}, at)
        if settled:
            _activate(ws, op)
        return 0
    ws.put_op(replace(op, state=OpState.ACKED if settled else OpState.DROPPED, error="" if settled else "not visible"))
    return 0 if settled else op.attempt + 1


def _may_be_lost(around: Surroundings, op: Op, name: str, seen: Observation) -> bool:
    """An edit that this write was to overwrite is gone: perhaps by this write, and something came after it."""
    field = around.entity.fields[name]
    now = seen.fields.get(field.columns[op.side], MISSING)
    return name in op.losers and not isinstance(now, Missing) and not around.equal(field, op.side, now, op.losers[name])


def _settle_value(
    ws: Workspace, around: Surroundings, op: Op, name: str, seen: Observation, mapping: SyncMapping
) -> bool:
    """Make of one written value what the side shows of it; false if the write is not to be seen there."""
    field = around.entity.fields[name]
    now = seen.fields.get(field.columns[op.side], MISSING)
    if isinstance(now, Missing):
        return True
    if around.equal(field, op.side, now, op.patch[name]):
        if name in op.source:
            ws.put_base(Base(op.lid, op.side, name, now, mapping.version))
            ws.put_base(Base(op.lid, mapping.other(op.side), name, op.source[name], mapping.version))
        return True
    if op.state is not OpState.SENT:
        return False
    doubtful = [b for b in ws.bases(op.lid).get(name, {}).values() if b.status is BaseStatus.PROVISIONAL]
    if name in op.expect and around.equal(field, op.side, now, op.expect[name]):
        for base in doubtful:
            if isinstance(base.previous, Missing):
                ws.drop_bases(op.lid, name)  # they never agreed before
            else:
                ws.put_base(Base(op.lid, base.side, name, base.previous, base.mapping_version))
        return False
    for base in doubtful:
        ws.put_base(replace(base, previous=MISSING))
    return True


def _is_remnant(ws: Workspace, around: Surroundings, op: Op, seen: Observation) -> bool:
    """Whether the row was deleted under our hands: an upsert of some columns then brings back a row of nothing else."""
    others = [
        seen.fields.get(around.entity.fields[name].columns[op.side])
        for name, pair in ws.bases(op.lid).items()
        if name not in op.patch
        and name in around.entity.fields
        and op.side in pair
        and not is_empty(pair[op.side].value)
    ]
    return bool(others) and all(is_empty(value) for value in others)


def _observed_delete(ws: Workspace, op: Op, seen: Observation | None, at: Moment) -> int:
    if seen is None or seen.state is not RecordState.LIVE:
        ws.put_op(replace(op, state=OpState.ACKED))
        last = dict(op.expect)
        ws.audits.append(Audit(op.lid, op.side, None, last, None, Cause.DELETED, op.op_id, op.run_id, at.now))
        return 0
    ws.put_op(replace(op, state=OpState.DROPPED, error="not visible"))
    return op.attempt + 1


def _created_before(ws: Workspace, mapping: SyncMapping, op: Op, line: ReceiptLine, at: Moment) -> None:
    """The record was there: gone again since, which is a deletion like any other, or with values that now join ours."""
    link = ws.link(op.lid)
    if link is None:
        return
    ws.put_op(replace(op, state=OpState.ACKED, acked_at=at.now))
    if _take(ws, link, op, rid_of(mapping.entities[op.entity], op.side, line.id), at):
        _activate(ws, op)
        _observe(ws, mapping, op, line, at)
        _touch_members(ws, op)


def _take(ws: Workspace, link: Link, op: Op, rid: Rid, at: Moment) -> bool:
    """Give the link the id that the side answered with. False if another link holds it, which a person then sees.

    A record that was seen before its receipt may have a link of its own by now: it hands the record over.
    """
    if ws.members(op.lid).get(op.side) == rid:
        return True
    holder = ws.holder((op.side, op.entity, rid))
    other = ws.link(holder) if holder is not None else None
    if other is not None and other.lid != op.lid:
        written = any(o.state is not OpState.PLANNED for o in ws.ops(other.lid).values())
        if len(ws.members(other.lid)) > 1 or written:
            park(
                ws,
                link,
                ConflictKind.DUPLICATE,
                at,
                reason=f"{op.side} answered with {rid}, which another link holds",
                evidence={"lid": other.lid, "side": op.side, "patch": dict(op.patch), "mapping": at.mapping},
            )
            return False
        bury(ws, other, at, "it is the record of another link's create")
    ws.put_member(link, op.side, rid)
    return True


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
        _touch_members(ws, op)
        return
    if line.id is not None and not _take(ws, link, op, rid_of(entity, op.side, line.id), at):
        ws.put_op(replace(op, state=OpState.ACKED, acked_at=at.now))
        return
    told = line.stored if line.status is Status.APPLIED else {**line.found, **line.stored}
    other = mapping.other(op.side)
    columns = {name: f.columns[op.side] for name, f in entity.fields.items() if name in op.patch}
    stored = {  # a target that tells what it stored and leaves a column out did not write it
        name: told.get(column, op.patch[name]) for name, column in columns.items() if not told or column in told
    }
    for name, value in stored.items():
        if name in op.source:
            ws.put_base(Base(op.lid, op.side, name, value, mapping.version, version=line.version))
            ws.put_base(Base(op.lid, other, name, op.source[name], mapping.version))
    _record(ws, op, stored, at)
    if line.status is Status.APPLIED:
        _record_clobbered(ws, entity, op, line.found, stored, at)
    ws.put_op(replace(op, state=OpState.ACKED, acked_at=at.now))
    _activate(ws, op)
    shown = {columns[name]: value for name, value in stored.items()}
    _observe(ws, mapping, op, replace(line, stored={**shown, **told}), at)
    _touch_members(ws, op)


def rid_of(entity: Entity, side: Side, shown: Value) -> Rid:
    """The record id in a receipt: a value, a list in the order of the key columns, or an object of them."""
    if isinstance(shown, dict):
        return make_rid([shown.get(column) for column in entity.sides[side].key])
    return make_rid(shown if isinstance(shown, list) else [shown])


def _observe(ws: Workspace, mapping: SyncMapping, op: Op, line: ReceiptLine, at: Moment) -> None:
    """What the target found or stored is an observation of its side."""
    rid = ws.members(op.lid).get(op.side)
    if rid is None:
        return
    key = (op.side, op.entity, rid)
    mapped = {f.columns[op.side] for f in mapping.entities[op.entity].fields.values()}
    before = ws.observation(key)
    gone = line.status is Status.GONE or (op.kind is OpKind.DELETE and line.status is Status.APPLIED)
    shown = {name: value for name, value in {**line.found, **line.stored}.items() if name in mapped}
    fields = {**(before.fields if before else {}), **shown}
    dirty = dict(before.dirty) if before else {}
    for column, value in shown.items():
        if before is None or before.fields.get(column) != value:
            dirty[column] = (before.read_at if before else 0, at.now)
    ws.put_observation(
        Observation(
            side=op.side,
            entity=op.entity,
            rid=rid,
            state=RecordState.GONE if gone else RecordState.LIVE,
            fields=fields,
            hash=row_hash(canonical_json(fields)),
            read_at=at.now,
            complete_at=at.now,
            version=line.version or (before.version if before else None),
            birth=before.birth if before else None,
            origin="sync" if line.stored else "unknown",
            dirty=dirty,
        )
    )


def _record(ws: Workspace, op: Op, stored: Mapping[str, Value], at: Moment) -> None:
    """One audit row per value that was replaced."""
    for name, value in sorted(stored.items()):
        old = op.losers.get(name, op.expect.get(name))
        if op.kind is OpKind.CREATE and is_empty(old):
            continue
        cause = Cause.SUPERSEDED if name in op.losers else Cause.DELIVERED
        ws.audits.append(Audit(op.lid, op.side, name, old, value, cause, op.op_id, op.run_id, at.now))


def _record_clobbered(
    ws: Workspace, entity: Entity, op: Op, found: Mapping[str, Value], stored: Mapping[str, Value], at: Moment
) -> None:
    """`applied` with `found`: somebody wrote those values between the target's look and its write."""
    for name, value in sorted(stored.items()):
        column = entity.fields[name].columns[op.side]
        if column in found:
            cause = Cause.CLOBBERED
            ws.audits.append(Audit(op.lid, op.side, name, found[column], value, cause, op.op_id, op.run_id, at.now))


def _activate(ws: Workspace, op: Op) -> None:
    link = ws.link(op.lid)
    if link is not None and link.state is LinkState.JOINING:
        ws.put_link(replace(link, state=LinkState.ACTIVE))


def _touch_members(ws: Workspace, op: Op) -> None:
    for side, rid in ws.members(op.lid).items():
        ws.touch.add((side, op.entity, rid))
