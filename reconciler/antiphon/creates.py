"""A create that was answered: which record it made, which sending of it did, and whose that record is."""

from __future__ import annotations

from collections.abc import Iterable

from antiphon.facts import Workspace
from antiphon.mapping import Mapping as SyncMapping
from antiphon.merge import Surroundings, surroundings
from antiphon.model import ConflictKind, Link, Op, OpKind, OpState, Rid, Value
from antiphon.protocol import ReceiptLine
from antiphon.settle import Moment, agree, agree_unseen, bury, park


def made_before(ws: Workspace, mapping: SyncMapping, op: Op, line: ReceiptLine) -> None:
    """The record was made by a create that got no answer: what is not as that was sent has been edited since.

    The first that went out made it, if no write was ever answered; the values of a later one may have come with it.
    """
    entity, other = mapping.entities[op.entity], mapping.other(op.side)
    before = [each for each in ws.facts.sent(op.lid, op.side) if each.op_id != op.op_id]
    own = [op] if op.redelivered and op.sent_at is not None and op.sent_at >= op.planned_at else []
    creates = [each for each in (*before, *own) if each.kind is OpKind.CREATE]
    if not creates or ws.last_write(op.lid, op.side) is not None:
        return
    around = surroundings(entity, ws)
    for name in sorted(creates[0].patch.keys() & entity.fields.keys()):
        column = entity.fields[name].columns[op.side]
        maker = maker_of(around, creates, name, line.found[column]) if column in line.found else None
        if maker is not None:
            agree(ws, maker, name, line.found[column], other, mapping.version)
        else:
            agree_unseen(ws, creates[0], name, other, mapping.version)


def maker_of(around: Surroundings, ops: Iterable[Op], name: str, now: Value) -> Op | None:
    """The first create among these operations that brought the value which the field has now."""
    field = around.entity.fields[name]
    creates = (op for op in ops if op.kind is OpKind.CREATE and name in op.patch)
    return next((op for op in creates if around.equal(field, op.side, now, op.patch[name])), None)


def take(ws: Workspace, link: Link, op: Op, rid: Rid, at: Moment) -> bool:
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
