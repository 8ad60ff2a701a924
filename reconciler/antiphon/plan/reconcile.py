"""The decision table: what becomes of one link, from the state of its record on each side.

U live as last agreed · C live, changed · D its deletion is proven · E unreadable or hidden
M merged into another id · – not there

| A | B   | outcome                                                                                         |
|---|-----|-------------------------------------------------------------------------------------------------|
| U | U   | nothing                                                                                         |
| C | U   | the changed fields go to B                                                                      |
| C | C   | field by field: one side's change goes over, the same change is adopted, others by policy       |
| D | U   | `on_delete` of B: park (the default), archive, delete                                           |
| D | C   | parked: an update is never deleted                                                              |
| D | D   | the link closes                                                                                 |
| E | any | quarantined until the record can be read again                                                  |
| M | any | the link moves to the surviving id; if another link holds that, this one becomes its alias      |
| U | –   | created on B; called off if A's record goes before it was sent                                  |
"""

from __future__ import annotations

from antiphon.equivalence import from_json
from antiphon.facts import MERGE_CHAIN, ObsKey
from antiphon.mapping import Entity, OnDelete
from antiphon.match import LOOSE
from antiphon.model import (
    MISSING,
    Audit,
    Cause,
    ConflictKind,
    ConflictState,
    Link,
    LinkState,
    Missing,
    Observation,
    OpKind,
    OpState,
    RecordState,
    Rid,
    Side,
    Value,
    replace,
)
from antiphon.plan.context import Planning
from antiphon.plan.doubt import in_doubt
from antiphon.plan.fields import may_have_counted, merge_fields, side_changed
from antiphon.plan.newcomers import plan_create
from antiphon.settle import bury, call_off, close_conflicts, give_way, park

_UNREADABLE = (RecordState.ERROR, RecordState.HIDDEN, RecordState.MERGED)  # merged, into what is not known
_DELETED = frozenset({ConflictKind.DELETE, ConflictKind.DELETE_UPDATE})
_REFUSED = frozenset({ConflictKind.REJECTED, ConflictKind.NOT_VISIBLE, ConflictKind.UNMAPPED, ConflictKind.FORBIDDEN})


def reconcile(p: Planning, link: Link) -> None:
    """Plan everything that follows for one link."""
    entity = p.mapping.entities[link.entity]
    if link.state.closed or link.state is LinkState.DETACHED or in_doubt(p, entity, link):
        return
    if any(c.evidence.get("reverted") and c.decision is None for c in p.ws.conflicts(link.lid).values()):
        return  # a run that created or deleted it was reverted: a person says what now
    followed = _follow_merges(p, entity, p.ws.link(link.lid) or link)
    if followed is None:
        return
    link = _quarantine(p, followed)
    if link.state is LinkState.QUARANTINED or (link.state is LinkState.PARKED and _still_parked_for_good(p, link)):
        return
    seen = {side: p.seen(link, side) for side in p.ws.members(link.lid)}
    gone = {side for side, shown in seen.items() if shown is not None and shown.state is RecordState.GONE}
    live = {side for side, shown in seen.items() if shown is not None and shown.state is RecordState.LIVE}
    if gone and not live:
        bury(p.ws, link, p.at, "gone on every side")
    elif link.state is LinkState.ALIAS:
        return
    elif gone:
        _deleted(p, entity, link, next(iter(gone)), next(iter(live)))
    elif len(live) == len(p.mapping.sides):
        _both_live(p, entity, link)
    elif live:
        _one_live(p, entity, link)


def _still_parked_for_good(p: Planning, link: Link) -> bool:
    """Parked for want of a partner, or for a merge, and nobody decided yet."""
    waiting = [c for c in p.ws.conflicts(link.lid).values() if c.field is None and c.state is ConflictState.OPEN]
    if not any(c.kind in LOOSE | {ConflictKind.MERGED} for c in waiting):
        return False
    if link.lid in p.fresh:
        return False
    seen = [p.seen(link, side) for side in p.ws.members(link.lid)]
    return any(shown is not None and shown.state is RecordState.LIVE for shown in seen)


def _follow_merges(p: Planning, entity: Entity, link: Link) -> Link | None:
    """Move the link to the surviving ids. None: the link became an alias, or is closed."""
    heirs: list[tuple[Side, Rid, Link]] = []
    for side, rid in sorted(p.ws.members(link.lid).items()):
        into = _survivor(p, (side, entity.name, rid))
        if into == rid:
            continue
        if any(op.state is OpState.SENT for op in p.ws.ops(link.lid).values()):
            p.wait(link, "it was merged, and what became of the last write is not known yet")
            return None
        survivor = (side, entity.name, into)
        if p.ws.observation(survivor) is None:
            p.wait(link, f"{side} merged it into {into}, which it has not shown yet")
            return None
        holder = p.ws.holder(survivor)
        heir = p.ws.link(holder) if holder else None
        if heir is not None and heir.lid != link.lid and len(p.ws.members(heir.lid)) == 1 and not p.ws.ops(heir.lid):
            give_way(p.ws, heir, link.lid, p.at.now, "the survivor of a merge")
            heir = None
        if heir is None or heir.lid == link.lid:
            p.ws.audits.append(Audit(link.lid, side, None, rid, into, Cause.RESTORED, "", p.at.run_id, p.at.now))
            p.ws.put_member(link, side, into)
            p.ws.touch.add(survivor)
            continue
        p.ws.drop_member(link, side)
        heirs.append((side, into, heir))
    if not heirs:
        return p.ws.link(link.lid) or link
    _become_alias(p, link, *heirs[0])
    return None


def _become_alias(p: Planning, link: Link, side: Side, survivor: Rid, heir: Link) -> None:
    """A side merged the link's record into one of `heir`. What the link still holds waits beside it for a person."""
    for op in list(p.ws.ops(link.lid).values()):
        call_off(p.ws, op, "merged into another record", p.at)
    for unmade in [each for each in p.ws.members(link.lid) if p.seen(link, each) is None]:
        p.ws.drop_member(link, unmade)  # its create was called off, or never arrived
    others = p.ws.members(link.lid)
    shown = [p.seen(link, other) for other in others]
    if all(found is not None and found.state is RecordState.GONE for found in shown):
        bury(p.ws, link, p.at, "merged or gone on every side")
        return
    names = ", ".join(f"{s} {r}" for s, r in sorted(others.items()))
    rest = ", ".join(f"{s} {r}" for s, r in sorted(p.ws.members(heir.lid).items()) if s != side)
    park(
        p.ws,
        link,
        ConflictKind.MERGED,
        p.at,
        reason=f"{side} merged it into {survivor}; {names} and {rest} are now the same",
        evidence={
            "alias_of": heir.lid,
            "offers": [f"merge {names} into {rest}", "keep it as an alias", f"delete {names}"],
        },
    )
    p.ws.put_link(replace(p.ws.link(link.lid) or link, state=LinkState.ALIAS, alias_of=heir.lid))


def _survivor(p: Planning, key: ObsKey) -> Rid:
    """The id that the record lives on in, after all merges."""
    side, entity, rid = key
    for _ in range(MERGE_CHAIN):
        shown = p.ws.observation((side, entity, rid))
        if shown is None or shown.state is not RecordState.MERGED or shown.merged_into is None:
            return rid
        rid = shown.merged_into
    return key[2]


def _quarantine(p: Planning, link: Link) -> Link:
    if link.state is LinkState.ALIAS:
        return link
    problems = [
        (side, shown)
        for side in sorted(p.ws.members(link.lid))
        if (shown := p.seen(link, side)) is not None and shown.state in _UNREADABLE
    ]
    if problems:
        side, shown = problems[0]
        reason = shown.error or f"{side} shows it as {shown.state.value}"
        if link.state is not LinkState.QUARANTINED or link.closed_reason != reason:
            park(
                p.ws,
                link,
                ConflictKind.UNREADABLE,
                p.at,
                reason=reason,
                evidence={"side": side},
                values={side: dict(shown.fields)},
            )
            link = replace(link, state=LinkState.QUARANTINED, closed_reason=reason)
            p.ws.put_link(link)
    elif link.state is LinkState.QUARANTINED:
        close_conflicts(p.ws, link.lid, kinds=frozenset({ConflictKind.UNREADABLE}))
        whole = len(p.ws.members(link.lid)) == len(p.mapping.sides)
        waiting = [c for c in p.ws.conflicts(link.lid).values() if c.field is None]
        if waiting:
            link = replace(link, state=LinkState.PARKED, closed_reason=str(waiting[0].evidence.get("reason", "")))
        else:
            link = replace(link, state=LinkState.ACTIVE if whole else LinkState.JOINING, closed_reason="")
        p.ws.put_link(link)
    return link


def _both_live(p: Planning, entity: Entity, link: Link) -> None:
    for op in list(p.ws.ops(link.lid).values()):
        if op.kind is not OpKind.UPDATE and op.state is OpState.PLANNED:
            p.ws.drop_op(op, "the record is there")
    remnant = next((c for c in p.ws.conflicts(link.lid).values() if c.evidence.get("remnant")), None)
    if remnant is not None and remnant.decision is None:
        return
    if remnant is not None:
        p.ws.drop_bases(link.lid)  # joined anew: an empty value never beats a value
    if link.state in (LinkState.JOINING, LinkState.DELETING) or _decided_or(p, link, _DELETED):
        link = p.open(link, LinkState.ACTIVE)
    if not _is_lacked(p, link):
        merge_fields(p, entity, link)


def _is_lacked(p: Planning, link: Link) -> bool:
    """Whether the last complete read lacked a record of the link: it may be gone, or go by another id by now.

    Until a read shows it or proves that it is gone, nothing is agreed with it, and nothing of the link is written: a
    target that cannot look would make a record of it, or replace what was edited since the write was planned.
    """
    lacked = [side for side, rid in p.ws.members(link.lid).items() if p.ws.facts.absent((side, link.entity, rid))]
    for side in lacked:
        p.wait(link, f"the last read of {side} lacked the record")
    for op in list(p.ws.ops(link.lid).values()) if lacked else ():
        if op.state is OpState.PLANNED and not may_have_counted(op):
            call_off(p.ws, op, f"the last read of {lacked[0]} lacked a record of its link", p.at)
    return bool(lacked)


def _decided_or(p: Planning, link: Link, kinds: frozenset[ConflictKind]) -> bool:
    """Whether the link is parked only for `kinds`, which no longer hold."""
    whole = [c for c in p.ws.conflicts(link.lid).values() if c.field is None]
    return link.state is LinkState.PARKED and all(c.kind in kinds or c.decision is not None for c in whole)


def _one_live(p: Planning, entity: Entity, link: Link) -> None:
    """The other side's record is not there yet: created, or being created."""
    sent = [op for op in p.ws.ops(link.lid).values() if op.state is OpState.SENT]
    if sent:
        merge_fields(p, entity, link)
    elif link.state is LinkState.PARKED and not _may_try(p, link):
        return
    else:
        planned = p.ws.ops(link.lid)
        if not planned and len(p.ws.members(link.lid)) == len(p.mapping.sides):
            missing = [side for side in p.ws.members(link.lid) if p.seen(link, side) is None]
            p.ws.drop_member(link, missing[0])
        plan_create(p, entity, link)


def _may_try(p: Planning, link: Link) -> bool:
    kinds = {c.kind for c in p.ws.conflicts(link.lid).values() if c.field is None and c.decision is None}
    return kinds <= _REFUSED | LOOSE


def _deleted(p: Planning, entity: Entity, link: Link, gone: Side, live: Side) -> None:
    """One side deleted the record. An unsent create is called off; otherwise the other side's `on_delete` decides.

    If it was us, because the other side had deleted the record, and it is back there now, it is made again.
    """
    op = p.ws.ops(link.lid).get(gone)
    if op is not None and op.kind is OpKind.UPDATE:
        call_off(p.ws, op, f"{gone} deleted the record", p.at)
    decision = next(
        (c for c in p.ws.conflicts(link.lid).values() if c.kind in _DELETED and c.decision is not None), None
    )
    shown = {side: dict(found.fields) for side in (gone, live) if (found := p.seen(link, side))}
    ours = p.ws.last_write(link.lid, gone) if link.state is LinkState.DELETING else None
    carried_over = ours is not None and ours.kind is OpKind.DELETE and ours.state is OpState.ACKED
    taken = decision is not None and decision.decision is not None and decision.decision.get("take") == live
    if carried_over or taken:
        close_conflicts(p.ws, link.lid, kinds=_DELETED)
        p.ws.drop_bases(link.lid)
        p.ws.drop_member(link, gone)
        link = p.open(link, LinkState.JOINING)
        p.ws.audits.append(
            Audit(link.lid, gone, None, None, shown.get(live), Cause.RESTORED, "", p.at.run_id, p.at.now)
        )
        plan_create(p, entity, link)
        return
    changed = side_changed(p, entity, link, live)
    there = entity.sides[live]
    why_not = _why_not_delete(p, entity, live, changed=changed, decided=decision is not None)
    if why_not:
        base = {
            side: {name: pair[side].value for name, pair in p.ws.bases(link.lid).items() if side in pair}
            for side in (gone, live)
        }
        kind = ConflictKind.DELETE_UPDATE if changed else ConflictKind.DELETE
        close_conflicts(p.ws, link.lid, kinds=_DELETED - {kind} | _REFUSED)
        park(
            p.ws,
            link,
            kind,
            p.at,
            reason=f"deleted on {gone}; {why_not}",
            evidence={"deleted_on": gone},
            values=shown,
            base=base,
        )
        return
    if live in p.held:
        p.wait(link, p.held[live])
        return
    if (entity.name, gone) in p.unnamed:
        p.wait(link, f"a create is on its way to {gone}, and a new record there may be this one")
        return
    expect = shown_values(entity, live, p.seen(link, live))
    patch: dict[str, Value] = {"archive": True} if there.on_delete is OnDelete.ARCHIVE else {}
    key = dict(zip(there.key, _key_values(p, link, live), strict=True))
    planned = p.enqueue(
        link,
        live,
        OpKind.DELETE,
        key=key,
        patch=patch,
        expect=expect,
        source={},
        reasons={"": f"deleted on {gone}"},
        losers={},
        references={},
    )
    if planned:
        p.open(link, LinkState.DELETING)


def _why_not_delete(p: Planning, entity: Entity, side: Side, *, changed: bool, decided: bool) -> str:
    there = entity.sides[side]
    if p.deletes_blocked:
        return p.deletes_blocked
    if OpKind.DELETE not in there.allow:
        return f"{side} does not allow deletes (`allow:`)"
    if not there.receipts and not there.deletes:
        return f"the target of {side} is not declared to honour deletions"
    if decided:
        return ""
    if changed:
        return f"{side} changed it since: an update is never deleted"
    if there.on_delete is OnDelete.PARK:
        return "deletions wait for a person (`on_delete: park`)"
    return ""


def _key_values(p: Planning, link: Link, side: Side) -> list[Value]:
    values: list[Value] = from_json(p.ws.members(link.lid)[side])
    return values


def shown_values(entity: Entity, side: Side, shown: Observation | None) -> dict[str, Value]:
    """The mapped values that a side last showed, by field."""
    fields = shown.fields if shown else {}
    found: dict[str, Value | Missing] = {
        name: fields.get(f.columns[side], MISSING) for name, f in entity.fields.items()
    }
    return {name: value for name, value in found.items() if not isinstance(value, Missing)}
