"""What settling writes down, whoever learns of it: parked and closed links, refused writes, the audit of a delivery."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from antiphon.equivalence import added, canonical_json, counted, is_empty
from antiphon.facts import Workspace
from antiphon.identity import short_id
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
    Op,
    OpKind,
    OpState,
    RecordState,
    Side,
    Tombstone,
    Value,
    replace,
)


@dataclass(frozen=True, slots=True)
class Moment:
    """When this is settled, by which run, under which mapping."""

    now: Instant
    run_id: str
    mapping: str


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
            call_off(ws, op, "parked", at)


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
        call_off(ws, op, "the link is closed", at)
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


def give_way(ws: Workspace, old: Link, lid: str, now: Instant, why: str) -> None:
    """Close the link of one record, which another one takes: what was an alias of it is an alias of that one."""
    close_conflicts(ws, old.lid)
    ws.put_link(replace(old, state=LinkState.TOMBSTONE, closed=now, closed_reason=why))
    hand_over(ws, old.lid, lid)


def hand_over(ws: Workspace, old: str, lid: str, side: Side | None = None) -> None:
    """What is an alias of one link is one of another from now on; given a side, only what a merge there made one."""
    for alias in [found for each in ws.aliases(old) if (found := ws.link(each))]:
        if side is not None and side in ws.members(alias.lid):
            continue
        if alias.lid == lid:
            close_conflicts(ws, lid, kinds=frozenset({ConflictKind.MERGED}))
            ws.put_link(replace(alias, state=LinkState.ACTIVE, alias_of=None, closed_reason=""))
            continue
        ws.put_link(replace(alias, alias_of=lid))
        for conflict in list(ws.conflicts(alias.lid).values()):
            if conflict.evidence.get("alias_of") == old:
                ws.put_conflict(replace(conflict, evidence={**conflict.evidence, "alias_of": lid}))


def record(ws: Workspace, op: Op, stored: Mapping[str, Value], at: Moment) -> None:
    """One audit row per value that a write replaced.

    What a write found when it was sent once more may be an edit, if it looks as before the first time: put back since.
    """
    for name, value in sorted(stored.items()):
        old = op.losers.get(name, op.expect.get(name))
        if op.kind is OpKind.CREATE and is_empty(old):
            continue
        edited = name in op.losers or (op.redelivered and name in op.expect)
        cause = Cause.SUPERSEDED if edited else Cause.DELIVERED
        ws.audits.append(Audit(op.lid, op.side, name, old, value, cause, op.op_id, op.run_id, at.now))


def keep_losers(ws: Workspace, op: Op, at: Moment, *, there: Mapping[str, Value] | None = None) -> None:
    """The operation may have been done, though nobody will say so: keep the edits that it was to replace.

    `there` are values, by field, that are seen to stand: they were not replaced.
    """
    left = {name: value for name, value in op.losers.items() if name in op.patch}
    for name, value in (there or {}).items():
        if name in left and canonical_json(value) == canonical_json(left[name]):
            del left[name]
    record(ws, op, {name: op.patch[name] for name in left}, at)


def call_off(ws: Workspace, op: Op, why: str, at: Moment) -> None:
    """Drop a planned operation. One that was sent and failed may have arrived."""
    if op.state is OpState.PLANNED and op.sent_at is not None:
        keep_losers(ws, op, at)
    ws.drop_op(op, why)


def activate(ws: Workspace, op: Op) -> None:
    """The record of a link that was joining is there."""
    link = ws.link(op.lid)
    if link is not None and link.state is LinkState.JOINING:
        ws.put_link(replace(link, state=LinkState.ACTIVE))


def touch_members(ws: Workspace, op: Op) -> None:
    """Have the planner look at the operation's link again."""
    for side, rid in ws.members(op.lid).items():
        ws.touch.add((side, op.entity, rid))


def agree(ws: Workspace, op: Op, name: str, stored: Value, other: Side, at: str, version: str | None = None) -> None:
    """The base of a field after a write that was stored so: (source, stored), or both moved on by what it added.

    What was made of both values and is no counter leaves the base alone until both sides were written, and known to
    hold it. `at` is the mapping's version.
    """
    if name in op.adds:
        count(ws, op, name, stored, other)
        return
    there = op.source[name] if name in op.source else _written_with(ws, op, name, other)
    if not isinstance(there, Missing):
        as_sent = canonical_json(stored) == canonical_json(op.patch[name])
        status = BaseStatus.AGREED if as_sent else BaseStatus.STORED
        ws.put_base(op.lid, op.side, name, Base(stored, at, status, version=version))
        ws.put_base(op.lid, other, name, Base(there, at))


def agree_unseen(ws: Workspace, op: Op, name: str, other: Side, at: str) -> None:
    """The base of a value with which a record was made, as it seems: it was never seen to have crossed."""
    agree(ws, op, name, op.patch[name], other, at)
    for side, base in list(ws.bases(op.lid).get(name, {}).items()):
        ws.put_base(op.lid, side, name, replace(base, status=BaseStatus.PROVISIONAL))


def take_back(ws: Workspace, lid: str, name: str) -> None:
    """A write is not to be seen, or nobody will look: the base that it left in doubt is what was agreed before."""
    for side, base in list(ws.bases(lid).get(name, {}).items()):
        if base.status is not BaseStatus.PROVISIONAL:
            continue
        if isinstance(base.previous, Missing):
            ws.drop_bases(lid, name)  # they never agreed before
        else:
            ws.put_base(lid, side, name, Base(base.previous, base.mapping_version))


def _written_with(ws: Workspace, op: Op, name: str, other: Side) -> Value | Missing:
    """What the same plan, which made it of both values, wrote to the other side; `MISSING` if no receipt says so."""
    twin, rid = ws.last_write(op.lid, other, name), ws.members(op.lid).get(other)
    if twin is None or rid is None or twin.planned_at != op.planned_at or name in twin.source:
        return MISSING
    told = ws.observation((other, op.entity, rid))
    if twin.state is not OpState.ACKED or told is None or told.complete_at != twin.acked_at:
        return MISSING  # what the receipt showed was read again since, or there was none
    return twin.patch[name]


def count(ws: Workspace, op: Op, name: str, stored: Value, other: Side) -> None:
    """Move a counter's base on by what a write added. By steps, since both sides may be written at once.

    What the written side rounded off is not counted again.
    """
    step = counted(op.adds[name]) or Decimal(0)
    meant, kept = counted(op.patch[name]), counted(stored)
    lost = added(kept, -meant) if meant is not None and kept is not None else Decimal(0)
    for side, way in ((op.side, added(step, lost)), (other, step)):
        base = ws.bases(op.lid).get(name, {}).get(side)
        if base is not None:
            status = BaseStatus.STORED if lost else base.status
            ws.put_base(op.lid, side, name, replace(base, value=_moved(base.value, way), status=status))


def _moved(value: Value, way: Decimal) -> Value:
    """The same kind of value, so much further: a text stays a text."""
    total = added(counted(value) or Decimal(0), way)
    if isinstance(value, str):
        return format(total, "f")
    return int(total) if total == total.to_integral_value() else total
