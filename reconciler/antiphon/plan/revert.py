"""The compensating plan of a run: what it wrote is taken back, and what somebody edited since is never overwritten.

| the run, on a side | now, on that side        | outcome                                                              |
|--------------------|--------------------------|----------------------------------------------------------------------|
| wrote a value      | what it wrote            | the value before is written; no edit, so it does not come over again |
| wrote a value      | another value, or gone   | kept                                                                 |
| wrote a value      | the other side edited it | kept: that edit is still to come over                                |
| created a record   | as created               | deleted where that is allowed; parked either way                     |
| created a record   | edited, or gone          | kept                                                                 |
| deleted a record   | still gone               | created again with its last values; parked if it is gone elsewhere   |

A record that was created or deleted is parked after its compensation, or the next plan would do again what the run
did: a person then says which side is right (`antiphon conflicts resolve`). A value that was written back differs from
the other side's, which the next plan shows a person as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import assert_never

from antiphon.equivalence import from_json
from antiphon.facts import Facts, Workspace
from antiphon.mapping import Assigned, Entity
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import (
    MISSING,
    Audit,
    ConflictKind,
    Link,
    LinkState,
    Missing,
    Op,
    OpKind,
    OpState,
    RecordState,
    Rid,
    Side,
    Value,
    replace,
)
from antiphon.plan import Plan, gathered
from antiphon.plan.context import Planning, key_rid
from antiphon.plan.doubt import in_doubt
from antiphon.plan.fields import side_changed
from antiphon.plan.guards import Linked
from antiphon.plan.reconcile import shown_values
from antiphon.settle import Moment, park

_UNSEEN = "a write to {} was not yet seen to arrive: sync, then revert again"


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that the run wrote and that stays, with the reason. Values are those of `side`."""

    op: Op
    field: str | None
    reason: str
    before: Value | Missing = MISSING
    written: Value | Missing = MISSING
    now: Value | Missing = MISSING


def make_revert(
    facts: Facts,
    mapping: SyncMapping,
    ops: Iterable[Op],
    audits: Iterable[Audit],
    former: Mapping[str, Mapping[Side, Rid]],
    *,
    run_id: str,
    ledger_id: str,
    at: Moment,
    held: Mapping[Side, str],
    deletes_blocked: str = "",
    linked: Linked,
) -> tuple[Plan, list[Kept]]:
    """Take back what the delivered `ops` of the run `run_id` wrote, by the `audits` of what they replaced.

    `former` are the ids that the links hold or held, by link and side.
    """
    p = Planning(Workspace(facts), mapping, ledger_id, at, held, deletes_blocked)
    replaced = {(row.op_id, row.field): row for row in audits}
    kept: list[Kept] = []
    for op in sorted(ops, key=lambda op: op.op_id):
        _compensate(p, op, replaced, former.get(op.lid, {}), run_id, kept)
    return gathered(p, linked), kept


def _compensate(
    p: Planning,
    op: Op,
    replaced: Mapping[tuple[str, str | None], Audit],
    former: Mapping[Side, Rid],
    run_id: str,
    kept: list[Kept],
) -> None:
    entity, link = p.mapping.entities.get(op.entity), p.ws.link(op.lid)
    if entity is None or link is None or link.state in (LinkState.ERASED, LinkState.ALIAS, LinkState.DETACHED):
        kept.append(Kept(op, None, "its link is not there any more"))
        return
    why = _not_now(p, entity, link, op)
    if why:
        kept.append(Kept(op, None, why))
        return
    match op.kind:
        case OpKind.UPDATE:
            _write_back(p, entity, link, op, replaced, run_id, kept)
        case OpKind.CREATE:
            _remove(p, entity, link, op, run_id, kept)
        case OpKind.DELETE:
            _bring_back(p, entity, link, op, replaced.get((op.op_id, None)), former, run_id, kept)
        case _:
            assert_never(op.kind)


def _not_now(p: Planning, entity: Entity, link: Link, op: Op) -> str:
    """Why nothing can be decided of the operation."""
    if op.side in p.held:
        return p.held[op.side]
    if not link.state.closed and in_doubt(p, entity, link):
        return _UNSEEN.format(op.side)
    waiting = p.ws.ops(link.lid).get(op.side)
    if waiting is not None and waiting.state is not OpState.PLANNED:
        return _UNSEEN.format(op.side)
    return ""


def _write_back(
    p: Planning,
    entity: Entity,
    link: Link,
    op: Op,
    replaced: Mapping[tuple[str, str | None], Audit],
    run_id: str,
    kept: list[Kept],
) -> None:
    side, other, around = op.side, p.mapping.other(op.side), p.surroundings(entity)
    seen, across = p.seen(link, side), p.seen(link, other)
    there = entity.sides[side]
    if seen is None or seen.state is not RecordState.LIVE:
        kept.append(Kept(op, None, f"it is not there on {side} any more"))
        return
    patch: dict[str, Value] = {}
    expect: dict[str, Value] = {}
    source: dict[str, Value] = {}
    for name in sorted(op.patch):
        field, row = entity.fields.get(name), replaced.get((op.op_id, name))
        if field is None or row is None:
            kept.append(Kept(op, name, "what it replaced is not known"))
            continue
        now = seen.fields.get(field.columns[side], MISSING)
        theirs = across.fields.get(field.columns[other], MISSING) if across is not None else MISSING
        base = p.ws.bases(link.lid).get(name, {}).get(other)
        if isinstance(now, Missing) or not around.equal(field, side, now, row.new):
            reason = f"{side} changed it since"
        elif around.equal(field, side, now, row.old):
            continue
        elif isinstance(theirs, Missing) or base is None or not around.equal(field, other, theirs, base.value):
            reason = f"{other} changed it since, which is still to come to {side}"
        elif field.columns[side] in there.key or OpKind.UPDATE not in there.allow:
            reason = f"{side} does not allow it to be changed"
        else:
            patch[name], expect[name], source[name] = row.old, now, theirs
            continue
        kept.append(Kept(op, name, reason, row.old, row.new, now))
    if patch:
        p.enqueue(
            link,
            side,
            OpKind.UPDATE,
            key=op.key or _key(p, entity, link, side),
            patch=patch,
            expect=expect,
            source=source,
            reasons=dict.fromkeys(patch, f"the run {run_id} is reverted"),
            losers={},
            references={},
        )


def _remove(p: Planning, entity: Entity, link: Link, op: Op, run_id: str, kept: list[Kept]) -> None:
    side, other = op.side, p.mapping.other(op.side)
    seen, there = p.seen(link, side), entity.sides[op.side]
    if link.state.closed or seen is None or seen.state is not RecordState.LIVE:
        kept.append(Kept(op, None, f"it is not there on {side} any more"))
        return
    if side_changed(p, entity, link, side):
        kept.append(Kept(op, None, f"{side} changed it since"))
        return
    if p.deletes_blocked:
        why_not = p.deletes_blocked
    elif OpKind.DELETE not in there.allow:
        why_not = f"{side} does not allow deletes (`allow:`)"
    elif not there.receipts and not there.deletes:
        why_not = f"the target of {side} is not declared to honour deletions"
    else:
        why_not = ""
    reason = f"the run {run_id} created it on {side} and is reverted"
    _park(p, link, run_id, gone=side, reason=f"{reason}; delete it there yourself: {why_not}" if why_not else reason)
    if why_not:
        kept.append(Kept(op, None, f"parked, not deleted: {why_not}"))
        return
    p.enqueue(
        link,
        side,
        OpKind.DELETE,
        key=_key(p, entity, link, side),
        patch={},
        expect=shown_values(entity, side, seen),
        source={},
        reasons={"": f"{other} had no partner for it before the run {run_id}, which is reverted"},
        losers={},
        references={},
    )


def _bring_back(
    p: Planning,
    entity: Entity,
    link: Link,
    op: Op,
    row: Audit | None,
    former: Mapping[Side, Rid],
    run_id: str,
    kept: list[Kept],
) -> None:
    side, other, there = op.side, p.mapping.other(op.side), entity.sides[op.side]
    rid = key_rid(entity, side, op.key)
    seen = p.ws.observation((side, entity.name, rid))
    if seen is not None and seen.state is RecordState.LIVE:
        kept.append(Kept(op, None, f"it is there on {side} again"))
        return
    if row is None or not isinstance(row.old, Mapping) or op.patch.get("archive"):
        archived = f"it was archived: restore it on {side} yourself"
        kept.append(Kept(op, None, archived if op.patch else "its last values are not known"))
        return
    if OpKind.CREATE not in there.allow:
        kept.append(Kept(op, None, f"{side} does not allow creates (`allow:`)"))
        return
    if p.ws.holder((side, entity.name, rid)) not in (None, link.lid):
        kept.append(Kept(op, None, f"another record has its id on {side} now"))
        return
    assigned = isinstance(there.key_rule, Assigned)
    values: dict[str, Value] = {name: value for name, value in row.old.items() if name in entity.fields}
    link = replace(link, closed=None)
    partner = former.get(other)
    if other not in p.ws.members(link.lid) and partner and p.ws.holder((other, entity.name, partner)) is None:
        p.ws.put_member(link, other, partner)
    across = p.seen(link, other)
    if across is not None and across.state is RecordState.LIVE:
        p.open(link, LinkState.JOINING)  # it was only here that it was deleted, by the revert of its create
    else:
        reason = f"the run {run_id} deleted it on {side} and is reverted"
        _park(p, link, run_id, gone=other, reason=reason, values={side: values})
    if not assigned:
        p.ws.put_member(link, side, rid)
    elif side in p.ws.members(link.lid):
        p.ws.drop_member(link, side)
    p.enqueue(
        link,
        side,
        OpKind.CREATE,
        key={} if assigned else op.key,
        patch=values,
        expect={},
        source={},
        reasons=dict.fromkeys(values, f"the run {run_id} is reverted"),
        losers={},
        references={},
    )


def _park(
    p: Planning, link: Link, run_id: str, *, gone: Side, reason: str, values: Mapping[Side, object] | None = None
) -> None:
    """Nothing more happens to the record by itself: the next plan would do again what the run did."""
    shown = {side: dict(seen.fields) for side in p.ws.members(link.lid) if (seen := p.seen(link, side)) is not None}
    evidence = {"deleted_on": gone, "reverted": run_id}
    park(p.ws, link, ConflictKind.DELETE, p.at, reason=reason, evidence=evidence, values=values or shown)


def _key(p: Planning, entity: Entity, link: Link, side: Side) -> dict[str, Value]:
    ids: list[Value] = from_json(p.ws.members(link.lid)[side])
    return dict(zip(entity.sides[side].key, ids, strict=True))
