"""Writes in doubt: nobody knows yet whether they were done. What a read shows since settles them, one way or the other.

A link with a write under way is not planned, nor is one whose deletion was acknowledged and not seen yet. One whose
write of values was acknowledged and not seen yet is planned as if it were there. All of them are looked at in every
planning, so that the next read that shows the record speaks of it.
"""

from __future__ import annotations

from antiphon.echoes import MAX_ATTEMPTS, REMNANT, failed_yet_done, observed
from antiphon.mapping import Entity
from antiphon.model import ConflictKind, Link, Op, OpKind, OpState, RecordState, Side, replace
from antiphon.plan.context import Planning
from antiphon.settle import call_off, park


def in_doubt(p: Planning, entity: Entity, link: Link) -> bool:
    """Settle what foreign targets acknowledged; true while the outcome of a write is not known."""
    around = p.surroundings(entity)
    for side, stored in sorted(p.ws.ops(link.lid).items()):
        op = _called_back(p, entity, link, stored)
        spoken = op.sent_at is not None and (
            op.kind is OpKind.CREATE  # whenever the record was seen that it names, it is there
            or read_since(p, link, side) >= op.sent_at
        )
        if op.state is OpState.PLANNED and spoken:
            failed_yet_done(p.ws, around, op, p.seen(link, side), p.at, p.mapping)
            if _dropped(p, op):
                p.attempts[(link.lid, side)] = 0
        if op.state is OpState.PLANNED or (entity.sides[side].receipts and op.state is OpState.INFLIGHT):
            continue
        attempts = observed(p.ws, around, op, p.seen(link, side), read_since(p, link, side), p.at, p.mapping)
        if attempts == REMNANT:
            p.ws.drop_op(op, "the record was deleted under it")
            shown = {each: dict(found.fields) for each in p.ws.members(link.lid) if (found := p.seen(link, each))}
            evidence = {"deleted_on": side, "remnant": True}
            reason = f"deleted on {side} while a write was on its way, which brought an incomplete record back"
            park(p.ws, link, ConflictKind.DELETE_UPDATE, p.at, reason=reason, evidence=evidence, values=shown)
            return True
        if _dropped(p, op):
            p.attempts[(link.lid, side)] = attempts
        if attempts >= MAX_ATTEMPTS:
            evidence = {"side": side, "patch": dict(op.patch), "mapping": p.mapping.version, "attempts": attempts}
            park(
                p.ws,
                link,
                ConflictKind.NOT_VISIBLE,
                p.at,
                reason=f"{side} acknowledged it {attempts} times and never showed it",
                evidence=evidence,
            )
            return True
    if any(op.missed_at for op in p.ws.ops(link.lid).values()):
        p.wait(link, "a complete read lacked what was to be created: a second one must lack it before it is sent again")
    states = {op.state for op in p.ws.ops(link.lid).values()}
    if OpState.SENT in states:  # so that a read that shows the record as it was before the write is noticed, too
        p.wait(link, "a write waits to be seen")
    if any(op.kind is OpKind.DELETE and op.state is OpState.SENT for op in p.ws.ops(link.lid).values()):
        return True  # what is there still may be gone, and what is back must not be taken for another's deletion
    if OpState.INFLIGHT in states:
        for side, op in sorted(p.ws.ops(link.lid).items()):
            if op.state is OpState.PLANNED and op.kind is not OpKind.CREATE and not entity.sides[side].receipts:
                call_off(p.ws, op, "what it was to replace may be another by now", p.at)  # its target would not look
        p.wait(link, "a write is under way")
        return True
    return False


def _dropped(p: Planning, op: Op) -> bool:
    """What was seen of the write is not all that it wrote: it is planned again, though it may have arrived."""
    settled = p.ws.ops_by_id.get(op.op_id)
    return settled is not None and settled.state is OpState.DROPPED


def _called_back(p: Planning, entity: Entity, link: Link, op: Op) -> Op:
    """A deletion in flight, of a record that is back on the other side, is not sent again: what is seen decides."""
    across = p.seen(link, p.mapping.other(op.side))
    if op.kind is not OpKind.DELETE or op.state is not OpState.INFLIGHT or not entity.sides[op.side].receipts:
        return op
    if across is None or across.state is not RecordState.LIVE:
        return op
    op = replace(op, state=OpState.SENT, acked_at=op.sent_at)
    p.ws.put_op(op)
    p.wait(link, f"{across.side} shows it again, and whether {op.side} deleted it is not known yet")
    return op


def read_since(p: Planning, link: Link, side: Side) -> int:
    """The start of the last read that speaks of the link's record on a side; 0 if there is none."""
    seen = p.seen(link, side)
    cursor = p.ws.facts.cursor(side, link.entity)
    complete = cursor.full_at if cursor else 0
    if seen is None:
        return complete
    rid = p.ws.members(link.lid)[side]
    return seen.read_at if p.ws.facts.absent((side, link.entity, rid)) else max(seen.read_at, complete)
