"""Records that no link holds yet: they join, move in, are parked, or are created on the other side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import assert_never

from antiphon.creates import maker_of
from antiphon.equivalence import EMPTY, Unmapped, Unresolved, from_json, kind_of
from antiphon.facts import ObsKey, Workspace
from antiphon.identity import link_id
from antiphon.mapping import Assigned, CopyFrom, Derived, Entity, Kind, Uuid
from antiphon.match import LOOSE, Ambiguous, Duplicate, Finding, Join, Rekey, identify, is_loose
from antiphon.model import (
    MISSING,
    Audit,
    Cause,
    ConflictKind,
    Link,
    LinkState,
    Missing,
    OpKind,
    OpState,
    RecordState,
    Rid,
    Side,
    Value,
    replace,
)
from antiphon.plan.context import Planning, key_rid
from antiphon.represent import as_type, referenced, represent
from antiphon.settle import agree, close_conflicts, give_way, park


def settle_newcomers(p: Planning, entity: Entity, keys: Iterable[ObsKey]) -> None:
    """Give every unlinked live record among `keys` a link, parked or not."""
    keys = list(keys)
    loose = []
    for key in keys:
        if not _is_live(p, key) or not is_loose(p.ws, key):
            continue
        if p.ws.facts.absent(key):
            p.waits[key] = "the last complete read lacked it"
        elif not _returns(p, key):
            loose.append(key)
    p.unnamed |= being_named(p.ws, keys)
    unsure = {key for key in loose if (entity.name, key[0]) in p.unnamed}
    p.waits.update(dict.fromkeys(unsure, "a create is on its way, and this may be its record"))
    loose = [key for key in loose if key not in unsure]
    tried = len(entity.match) if p.rules is None else min(p.rules, len(entity.match))
    for rule in range(tried):
        found = identify(p.ws, p.mapping, entity, loose, rule)
        p.ws.facts.expect_links(_pair_id(p, entity, each.keys) for each in found if isinstance(each, Join))
        for finding in found:
            _settle(p, entity, finding)
        settled = {key for finding in found for key in finding.keys}
        loose = [key for key in loose if key not in settled]
    if tried == len(entity.match):
        p.ws.facts.expect_links(_own_id(p, entity, key) for key in loose)
        p.fresh.update(link_for(p, entity, key).lid for key in sorted(set(loose)))


def _settle(p: Planning, entity: Entity, finding: Finding) -> None:
    match finding:
        case Join(keys=pair, rule=rule):
            _join(p, entity, pair, rule_name(entity, rule))
        case Rekey(key=key, lid=lid):
            before = p.ws.members(lid).get(key[0])
            if before is not None and _is_live(p, (key[0], entity.name, before)):
                p.waits[key] = f"it may be {before}, which the last complete read lacked: the next one will say"
            else:
                _rekey(p, key, lid)
        case Duplicate(key=key, lid=lid, rule=rule):
            _duplicate(p, entity, key, lid, rule)
        case Ambiguous(key=key, candidates=candidates, rule=rule):
            link = link_for(p, entity, key)
            p.ws.touch.update(
                c for c in candidates if is_loose(p.ws, c) and c not in p.ws.untouch and p.ws.holder(c) is None
            )
            others = [f"{side} {rid}" for side, _, rid in candidates]
            close_conflicts(p.ws, link.lid, kinds=LOOSE - {ConflictKind.AMBIGUOUS})
            park(
                p.ws,
                link,
                ConflictKind.AMBIGUOUS,
                p.at,
                evidence={"candidates": [list(c) for c in candidates], "rule": rule_name(entity, rule)},
                reason=f"several records have the same {rule_name(entity, rule)}: {', '.join(others[:5])}",
                values=_shown(p, key),
            )
        case _:
            assert_never(finding)


def being_named(ws: Workspace, keys: Iterable[ObsKey]) -> set[tuple[str, Side]]:
    """By entity, the sides that may have named a new record already without our knowing which."""
    lids = {lid for key in keys if (lid := ws.holder(key)) is not None}
    ops = [op for lid in lids for op in ws.ops(lid).values()]
    unknown = (op for op in ops if op.kind is OpKind.CREATE and not op.key)
    return {(op.entity, op.side) for op in unknown if op.state is OpState.INFLIGHT or op.sent_at is not None}


def rule_name(entity: Entity, rule: int) -> str:
    """A match rule in words: `email`, `last_name + phone`."""
    return " + ".join(entity.match[rule])


def link_for(p: Planning, entity: Entity, key: ObsKey) -> Link:
    """The record's own link, made if there is none."""
    lid = p.ws.holder(key)
    if lid is not None and (found := p.ws.link(lid)) is not None:
        return found
    side, _, rid = key
    lid = _own_id(p, entity, key)
    while p.ws.link(lid) is not None:  # the record's first link went on without it
        lid = link_id(p.ledger_id, entity.name, side, rid, lid)
    link = Link(lid, entity.name, LinkState.JOINING, p.at.now, sync_key=lid)
    p.ws.put_link(link)
    p.ws.put_member(link, side, rid)
    return link


def _own_id(p: Planning, entity: Entity, key: ObsKey) -> str:
    side, _, rid = key
    grave = p.ws.tombstone(key)
    return link_id(p.ledger_id, entity.name, side, rid, grave.lid if grave else "")


def plan_create(p: Planning, entity: Entity, link: Link) -> None:
    """Plan the missing record of a link that holds one live id, or park it with the reason why it cannot be."""
    target = missing_side(p, link)
    source = p.mapping.other(target)
    seen = p.seen(link, source)
    there = entity.sides[target]
    if seen is None:
        return
    if OpKind.CREATE not in there.allow:
        _park_new(p, link, source, ConflictKind.FORBIDDEN, f"{target} does not allow creates (`allow:`)")
        return
    patch, values, references, waiting = _patch_of(p, entity, link, source, target)
    if isinstance(patch, str):
        _park_new(p, link, source, ConflictKind.UNMAPPED, patch)
        return
    key, problem = _new_key(entity, link, p.ws.members(link.lid)[source], source, target, patch)
    if problem:
        _park_new(p, link, source, ConflictKind.KEY, problem)
        return
    if key and not any(referenced(v) for v in key.values()):
        rid = key_rid(entity, target, key)
        taken = (target, entity.name, rid)
        if (holder := p.ws.holder(taken)) not in (None, link.lid) or (_is_live(p, taken) and holder is None):
            if (
                _is_live(p, taken)
                and is_loose(p.ws, taken)
                and isinstance(there.key_rule, Derived | CopyFrom)
                and not entity.match
            ):
                here = (source, entity.name, p.ws.members(link.lid)[source])
                _join(p, entity, (here, taken) if source < target else (taken, here), "key")
                return
            _park_new(
                p,
                link,
                source,
                ConflictKind.KEY,
                f"{target} already holds {entity.name} {rid}, which is not known to be the same",
            )
            return
    if target in p.held:
        p.wait(link, p.held[target])
        return
    if not p.rearmed(link, target, patch):
        return
    link = p.open(link, LinkState.JOINING)
    reason = f"new on {source}"
    planned = p.enqueue(
        link,
        target,
        OpKind.CREATE,
        key=key,
        patch=patch,
        expect={},
        source=values,
        reasons=dict.fromkeys(patch, reason),
        losers={},
        references=references,
    )
    if planned and key and not any(referenced(v) for v in key.values()):
        p.ws.put_member(link, target, key_rid(entity, target, key))
    if waiting:
        p.wait(link, waiting)


def missing_side(p: Planning, link: Link) -> Side:
    """The side on which the link's record is to be created."""
    for side, op in p.ws.ops(link.lid).items():
        if op.kind is OpKind.CREATE:
            return side
    first, second = p.mapping.sides
    return first if first not in p.ws.members(link.lid) else second


def _is_live(p: Planning, key: ObsKey) -> bool:
    seen = p.ws.observation(key)
    return seen is not None and seen.state is RecordState.LIVE


def _shown(p: Planning, key: ObsKey) -> dict[Side, object]:
    seen = p.ws.observation(key)
    return {key[0]: dict(seen.fields)} if seen else {}


def _returns(p: Planning, key: ObsKey) -> bool:
    """A record with a tombstone and the same birth is the old one: its link opens again."""
    grave, seen = p.ws.tombstone(key), p.ws.observation(key)
    if (
        grave is None
        or seen is None
        or p.ws.holder(key) is not None
        or grave.birth is None
        or grave.birth != seen.birth
    ):
        return False
    link = p.ws.link(grave.lid)
    if link is None:
        return False
    op = p.ws.ops(link.lid).get(key[0])
    reopened = link.state is LinkState.JOINING and key[0] not in p.ws.members(link.lid)
    if link.state is not LinkState.TOMBSTONE and not (reopened and (op is None or op.state is OpState.PLANNED)):
        return False
    opened = replace(link, state=LinkState.JOINING, closed=None, closed_reason="")
    p.ws.put_link(opened)
    p.ws.put_member(opened, key[0], key[2])
    p.ws.audits.append(
        Audit(link.lid, key[0], None, None, dict(seen.fields), Cause.RESTORED, "", p.at.run_id, p.at.now)
    )
    return True


def _join(p: Planning, entity: Entity, pair: tuple[ObsKey, ObsKey], rule: str) -> None:
    lid = _pair_id(p, entity, pair)
    if p.ws.link(lid) is not None:
        lid = _pair_id(p, entity, pair, str(p.at.now))
    for key, partner in (pair, pair[::-1]):
        mine = p.ws.holder(key)
        if mine is not None and (old := p.ws.link(mine)) is not None:
            for op in list(p.ws.ops(mine).values()):
                p.ws.drop_op(op, "it found its partner")
            _recognise(p, entity, lid, old, partner)
            give_way(p.ws, old, lid, p.at.now, "joined with its partner")
    link = Link(lid, entity.name, LinkState.ACTIVE, p.at.now, sync_key=lid, match_rule=rule)
    p.ws.put_link(link)
    for side, _, rid in pair:
        p.ws.put_member(link, side, rid)


def _recognise(p: Planning, entity: Entity, lid: str, old: Link, partner: ObsKey) -> None:
    """Agree on what the partner has as a create of the old link brought it: unheard, that may have made it."""
    side, seen = partner[0], p.ws.observation(partner)
    sent = p.ws.facts.sent(old.lid, side)
    if seen is None or not sent:
        return
    around = p.surroundings(entity)
    for name, field in entity.fields.items():
        now = seen.fields.get(field.columns[side], MISSING)
        if not isinstance(now, Missing) and (maker := maker_of(around, sent, name, now)) is not None:
            agree(p.ws, replace(maker, lid=lid), name, now, p.mapping.other(side), p.mapping.version)


def _pair_id(p: Planning, entity: Entity, pair: tuple[ObsKey, ObsKey], *more: str) -> str:
    return link_id(p.ledger_id, entity.name, *(part for side, _, rid in pair for part in (side, rid)), *more)


def _rekey(p: Planning, key: ObsKey, lid: str) -> None:
    link = p.ws.link(lid)
    if link is None:
        return
    mine = p.ws.holder(key)
    if mine is not None and (old := p.ws.link(mine)) is not None:
        give_way(p.ws, old, lid, p.at.now, "its key changed")
    before = p.ws.members(lid).get(key[0])
    p.ws.put_member(link, key[0], key[2])
    p.ws.audits.append(Audit(lid, key[0], None, before, key[2], Cause.RESTORED, "", p.at.run_id, p.at.now))
    close_conflicts(p.ws, lid, kinds=frozenset({ConflictKind.DELETE, ConflictKind.DELETE_UPDATE}))
    if link.state is LinkState.PARKED and not any(c.field is None for c in p.ws.conflicts(lid).values()):
        p.ws.put_link(replace(link, state=LinkState.ACTIVE, closed_reason=""))


def _duplicate(p: Planning, entity: Entity, key: ObsKey, lid: str, rule: int) -> None:
    partner = p.ws.link(lid)
    op = p.ws.ops(lid).get(key[0])
    theirs = next(((side, entity.name, rid) for side, rid in p.ws.members(lid).items() if side != key[0]), None)
    mine = p.ws.members(lid).get(key[0])
    to_be_made_here = mine is None or p.ws.observation((key[0], entity.name, mine)) is None
    unsent = op is None or op.state is OpState.PLANNED
    joining = partner is not None and partner.state is LinkState.JOINING
    if partner is not None and joining and theirs is not None and to_be_made_here and unsent:
        if op is not None:
            p.ws.drop_op(op, "the record appeared by itself")
        p.ws.drop_member(partner, key[0])
        _join(p, entity, (key, theirs) if key[0] < theirs[0] else (theirs, key), rule_name(entity, rule))
        return
    link = link_for(p, entity, key)
    held = ", ".join(f"{side} {rid}" for side, rid in sorted(p.ws.members(lid).items()))
    close_conflicts(p.ws, link.lid, kinds=LOOSE - {ConflictKind.DUPLICATE})
    park(
        p.ws,
        link,
        ConflictKind.DUPLICATE,
        p.at,
        evidence={"lid": lid, "rule": rule_name(entity, rule)},
        reason=f"its {rule_name(entity, rule)} belongs to a link already: {held}",
        values=_shown(p, key),
    )


def _park_new(p: Planning, link: Link, source: Side, kind: ConflictKind, reason: str) -> None:
    rid = p.ws.members(link.lid)[source]
    close_conflicts(p.ws, link.lid, kinds=LOOSE - {kind})
    park(p.ws, link, kind, p.at, reason=reason, values=_shown(p, (source, link.entity, rid)))


def _patch_of(
    p: Planning, entity: Entity, link: Link, source: Side, target: Side
) -> tuple[dict[str, Value] | str, dict[str, Value], dict[str, str], str]:
    """All mapped values for a new record; a text instead of them says why there can be none.

    A create that failed may have made it: what the source does not show any more goes as it went with that.
    """
    around = p.surroundings(entity)
    before = p.ws.ops(link.lid).get(target)
    if before is None or before.kind is not OpKind.CREATE or before.sent_at is None:
        before = None
    seen = p.seen(link, source)
    fields = seen.fields if seen else {}
    patch: dict[str, Value] = {}
    values: dict[str, Value] = {}
    references: dict[str, str] = {}
    waiting = ""
    for name, field in entity.fields.items():
        column = field.columns[source]
        if field.direction is not None and field.direction[1] != target:
            continue
        if column not in fields:
            if before is not None and name in before.patch:
                patch[name], values[name] = before.patch[name], before.source[name]
            continue
        form = around.canon(field, source, fields[column])
        if isinstance(form, Unmapped):
            return f"{source} holds {form.value!r} in {column}, {form.why}", {}, {}, ""
        if isinstance(form, Unresolved):
            waiting = f"{name} names {form.entity} {form.rid} of {source}, which is not linked yet"
            continue
        if field.references and form != EMPTY:
            references[name] = form[1]
            if not _reachable(p, form[1], target, link.lid):
                p.creating.add(link.lid)
                _create_first(p, form[1])
                p.creating.discard(link.lid)
            if not _reachable(p, form[1], target, link.lid):
                waiting = f"{name} names a {field.references} that has no record on {target} yet"
                references.pop(name)
                continue
        patch[name] = represent(field, source, target, fields[column], entity.sides, p.resolve, p.member_of)
        values[name] = fields[column]
    return patch, values, references, waiting


def _reachable(p: Planning, lid: str, side: Side, by: str) -> bool:
    """The link has an id on the side, or will get one by an operation of the outbox that does not wait for `by`."""
    op = p.ws.ops(lid).get(side)
    if op is not None and op.kind is OpKind.CREATE:
        return not _waits_for(p, lid, side, by)
    return side in p.ws.members(lid)


def _waits_for(p: Planning, lid: str, side: Side, awaited: str) -> bool:
    """Whether the link's create is, or needs, that of the link `awaited`: a circle of references is cut there."""
    seen: set[str] = set()
    ahead = [lid]
    while ahead:
        one = ahead.pop()
        if one == awaited:
            return True
        op = p.ws.ops(one).get(side)
        if op is not None and op.kind is OpKind.CREATE and one not in seen:
            seen.add(one)
            ahead.extend(op.deps)
    return False


def _create_first(p: Planning, lid: str) -> None:
    """Parents before children: plan the create of a referenced record now, unless that is what brought us here."""
    link = p.ws.link(lid)
    if link is None or link.state is not LinkState.JOINING or lid in p.creating or len(p.creating) > _DEEPEST_CHAIN:
        return
    if len(p.ws.members(lid)) == 1:
        plan_create(p, p.mapping.entities[link.entity], link)


_DEEPEST_CHAIN = 100
"""A chain of references longer than this is finished in the next round."""


def _new_key(
    entity: Entity, link: Link, rid: Rid, source: Side, target: Side, patch: Mapping[str, Value]
) -> tuple[dict[str, Value], str]:
    """The key of the new record, `{}` if the side assigns it; or the reason why it cannot have one."""
    there = entity.sides[target]
    match there.key_rule:
        case None:
            return {}, f"no `on_create` says how {target} names a new {entity.name}"
        case Assigned():
            if not there.receipts:
                return (
                    {},
                    f"{target} itself assigns the key of a new {entity.name}, and its target gives no receipts for it",
                )
            return {}, ""
        case Uuid():
            if len(there.key) != 1:
                return {}, f"{target} has a composite key, which cannot be one UUID"
            return _fitting(entity, target, {there.key[0]: link.lid}, "a UUID")
        case CopyFrom(side):
            if side != source:
                return {}, f"`on_create` of {target} copies the id of {side}, which is the side without the record"
            ids: list[Value] = from_json(rid)
            if len(ids) != len(there.key):
                return {}, f"the key of {target} has {len(there.key)} columns, that of {side} has {len(ids)}"
            return _fitting(entity, target, dict(zip(there.key, ids, strict=True)), f"the id of {side}")
        case Derived():
            by_column = {entity.fields[name].columns[target]: value for name, value in patch.items()}
            missing = [column for column in there.key if by_column.get(column) is None]
            if missing:
                return {}, f"the key column {missing[0]} of {target} would be empty"
            return {column: by_column[column] for column in there.key}, ""
        case _:
            assert_never(there.key_rule)


def _fitting(entity: Entity, side: Side, key: dict[str, Value], what: str) -> tuple[dict[str, Value], str]:
    fitted: dict[str, Value] = {}
    for column, value in key.items():
        schema = entity.sides[side].columns.get(column, {})
        fitted[column] = as_type(schema, value)
        if kind_of([schema]) is Kind.NUMBER and isinstance(fitted[column], str):
            return {}, f"{what} does not fit the key column {column} of {side}, which holds numbers"
    return fitted, ""
