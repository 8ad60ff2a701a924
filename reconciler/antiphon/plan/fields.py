"""The fields of a link whose record lives on both sides: merged unit by unit into one operation per side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as attribute
from typing import Any, assert_never

from antiphon.equivalence import alike, canonical_json, from_json, is_empty
from antiphon.facts import has_column
from antiphon.identity import short_id
from antiphon.mapping import Entity, Field, word_of
from antiphon.merge import (
    Adopt,
    Decision,
    Hold,
    Reading,
    Send,
    Still,
    Surroundings,
    Wait,
    Write,
    has_changed,
    merge,
    same_words,
)
from antiphon.model import (
    MISSING,
    Base,
    BaseStatus,
    Conflict,
    ConflictKind,
    ConflictState,
    Link,
    LinkState,
    Missing,
    Op,
    OpKind,
    OpState,
    Side,
    Value,
    replace,
)
from antiphon.plan.clobber import Lost, lost_edit, restored, settled
from antiphon.plan.contests import contest_of, spans_of, values_of
from antiphon.plan.context import Planning
from antiphon.plan.echo import count_echoes, is_back, ping_pong
from antiphon.represent import referenced
from antiphon.settle import call_off


@dataclass(slots=True)
class _Draft:
    """The operation for one side, as it grows."""

    patch: dict[str, Value] = attribute(default_factory=dict)
    expect: dict[str, Value] = attribute(default_factory=dict)
    source: dict[str, Value] = attribute(default_factory=dict)
    reasons: dict[str, str] = attribute(default_factory=dict)
    losers: dict[str, Value] = attribute(default_factory=dict)
    references: dict[str, str] = attribute(default_factory=dict)
    adds: dict[str, Value] = attribute(default_factory=dict)
    echoes: dict[str, int] = attribute(default_factory=dict)
    contests: dict[str, Any] = attribute(default_factory=dict)


def merge_fields(p: Planning, entity: Entity, link: Link) -> None:
    """Merge every unit; write down bases, conflicts and at most one operation per side."""
    around = p.surroundings(entity)
    drafts: dict[Side, _Draft] = defaultdict(_Draft)
    plain = _plain(p, link, entity)
    for name, fields in entity.units.items():
        if name in plain:
            continue
        if _still_counting(p, link, fields):
            p.wait(link, f"{name} counts, and what became of the last write is not known yet")
            continue
        lost = lost_edit(p, link, name, fields)
        readings = [_reading(p, link, f, lost) for f in fields]
        _count_changes(p, link, readings, around)
        decision = _decision(p, link, name, readings)
        outcome = merge(p.mapping.sides, readings, around, decision)
        own = decision is not None or lost is not None or not isinstance(outcome, Send)
        echoes = 0 if own else count_echoes(p, link, readings, around)
        if lost is not None:
            outcome = restored(outcome, lost, around)
            if settled(outcome, lost):
                p.ws.put_conflict(replace(lost.conflict, state=ConflictState.CLOSED))
        if isinstance(outcome, Send):
            back = echoes > 0 and is_back(p, link, readings, around)
            outcome = _forbidden(entity, outcome) or ping_pong(echoes, back=back) or outcome
        match outcome:
            case Still():
                _close(p, link, name)
            case Adopt(values):
                _adopt(p, link, values)
                _close(p, link, name)
            case Send(writes, adopt):
                _adopt(p, link, adopt)
                contest = contest_of(p.mapping.sides, readings, around) if decision is None else None
                for write in writes:
                    drafts[write.side].contests |= {name: contest} if contest else {}
                    _add(p, entity, link, drafts[write.side], write)
                    drafts[write.side].echoes |= {write.field: echoes} if echoes else {}
                _close(p, link, name, decided=False)
            case Hold(kind, reason):
                _open(p, link, name, readings, kind, reason, lost)
            case Wait(reason):
                p.wait(link, reason)
            case _:
                assert_never(outcome)
    _send(p, entity, link, drafts)


def _still_counting(p: Planning, link: Link, fields: list[Field]) -> bool:
    """A counter is not added to while nobody knows whether the last addition arrived."""
    return any(f.name in op.adds for op in p.ws.ops(link.lid).values() if may_have_counted(op) for f in fields)


def may_have_counted(op: Op) -> bool:
    """It was sent, perhaps more than once, and the last answer was no answer: it is sent again as it is."""
    return bool(op.adds) and op.sent_at is not None and op.state.open


def _plain(p: Planning, link: Link, entity: Entity) -> set[str]:
    """The units of which both sides show plainly what they agreed on, or the same where they first meet: adopted here.

    Most fields are so, and need no merge: `merge` would find them `Still`, or `Adopt`.
    """
    if any(op.adds or op.state is OpState.SENT for op in p.ws.ops(link.lid).values()):
        return set()
    waiting = {conflict.field for conflict in p.ws.conflicts(link.lid).values()}
    bases = p.ws.bases(link.lid)
    shown = [(side, seen.fields) for side in p.mapping.sides if (seen := p.seen(link, side)) is not None]
    if len(shown) != len(p.mapping.sides):
        return set()

    def is_plain(field: Field) -> bool:
        pair = bases.get(field.name)
        if pair is not None and len(pair) != len(shown):
            return False
        values = []
        for side, fields in shown:
            now = fields.get(field.columns[side], MISSING)
            if now is MISSING or (pair is not None and not alike(now, pair[side].value)):
                return False
            values.append(now)
        return same_words(field, *values)

    found = [name for name, fields in entity.units.items() if name not in waiting and all(map(is_plain, fields))]
    if len(bases) < len(entity.fields):
        met = [field for name in found for field in entity.units[name] if field.name not in bases]
        _adopt(p, link, {f.name: {side: fields[f.columns[side]] for side, fields in shown} for f in met})
    return set(found)


def side_changed(p: Planning, entity: Entity, link: Link, side: Side) -> bool:
    """Whether any field of the side differs from its base, or was never agreed upon."""
    around = p.surroundings(entity)
    readings = [_reading(p, link, f) for f in entity.fields.values()]
    return any(
        has_changed(r, side, around) or (r.base is None and not is_empty(_or_none(r.values[side]))) for r in readings
    )


def _or_none(value: Value | Missing) -> Value:
    return None if isinstance(value, Missing) else value


def _reading(p: Planning, link: Link, field: Field, lost: Lost | None = None) -> Reading:
    pair = p.ws.bases(link.lid).get(field.name)
    values: dict[Side, Value | Missing] = {}
    spans = {}
    for side in p.mapping.sides:
        column = field.columns[side]
        seen = p.seen(link, side)
        sent = _unseen(p, link, side)
        if field.name in sent:
            values[side] = sent[field.name]
        else:
            values[side] = seen.fields.get(column, MISSING) if seen is not None else MISSING
        if seen is not None and column in seen.dirty:
            spans[side] = seen.dirty[column]
        if lost is not None and side == lost.side and field.name in lost.values:
            values[side], spans[side] = lost.values[field.name], lost.span
    base = {side: b.value for side, b in pair.items()} if pair and len(pair) == len(p.mapping.sides) else None
    made = pair is not None and any(b.status is not BaseStatus.AGREED for b in pair.values())
    return Reading(field, values, base, spans, made)


def _unseen(p: Planning, link: Link, side: Side) -> Mapping[str, Value]:
    """What an acknowledged write put there, while no read has spoken since: taken to be there, not agreed."""
    op = p.ws.ops(link.lid).get(side)
    return op.patch if op is not None and op.state is OpState.SENT else {}


def _count_changes(p: Planning, link: Link, readings: list[Reading], around: Surroundings) -> None:
    for side in p.mapping.sides:
        if any(has_changed(r, side, around) for r in readings):
            p.changed.setdefault((link.entity, side), set()).add(link.lid)


def _forbidden(entity: Entity, outcome: Send) -> Hold | None:
    for write in outcome.writes:
        there = entity.sides[write.side]
        column = entity.fields[write.field].columns[write.side]
        if OpKind.UPDATE not in there.allow:
            return Hold(ConflictKind.FORBIDDEN, f"{write.side} does not allow updates (`allow:`)")
        if column in there.key:
            return Hold(
                ConflictKind.KEY, f"{column} is the key of {write.side}: it names the record and is not changed"
            )
    return None


def _decision(p: Planning, link: Link, name: str, readings: list[Reading]) -> Decision | None:
    """A person's answer, if it was given to these very values."""
    for conflict in p.ws.conflicts(link.lid).values():
        if conflict.field == name and conflict.state is ConflictState.RESOLVED and conflict.decision is not None:
            if conflict.values != values_of(p.mapping.sides, readings):
                return None
            if "take" in conflict.decision:
                return Decision(take=str(conflict.decision["take"]))
            return Decision(value=conflict.decision.get("value"))
    return None


def _adopt(p: Planning, link: Link, values: Mapping[str, Mapping[Side, Value]]) -> None:
    unseen = {name for side in p.mapping.sides for name in _unseen(p, link, side)}
    for name, pair in values.items():
        if name in unseen:
            continue  # acknowledged is not agreed: what the side shows next decides
        for side, value in pair.items():
            before = p.ws.bases(link.lid).get(name, {}).get(side)
            if (
                before is None
                or before.status is BaseStatus.PROVISIONAL
                or canonical_json(before.value) != canonical_json(value)  # Python calls [1] and [True] equal
            ):
                p.ws.put_base(link.lid, side, name, Base(value, p.mapping.version))


def _add(p: Planning, entity: Entity, link: Link, draft: _Draft, write: Write) -> None:
    field = entity.fields[write.field]
    if not entity.sides[write.side].receipts and not has_column(
        p.ws.facts, write.side, entity.name, field.columns[write.side]
    ):
        p.wait(link, f"{write.side} does not show {field.columns[write.side]} any more, so what is there is not known")
        return
    lid = referenced(write.value)
    if lid is not None:
        if write.side not in p.ws.ops(lid):
            p.wait(link, f"{write.field} names a {field.references} that has no record on {write.side} yet")
            return
        draft.references[write.field] = lid
    elif field.references and not is_empty(write.value) and not isinstance(write.source, Missing):
        other = p.mapping.other(write.side)
        form = p.surroundings(entity).canon(field, other, write.source)
        if isinstance(form, tuple) and form[0] == "link":
            draft.references[write.field] = form[1]
    draft.patch[write.field] = write.value
    draft.reasons[write.field] = write.reason
    if not isinstance(write.expect, Missing):
        draft.expect[write.field] = write.expect
    if not isinstance(write.source, Missing) and write.field not in _unseen(p, link, p.mapping.other(write.side)):
        draft.source[write.field] = write.source
    if not isinstance(write.adds, Missing):
        draft.adds[write.field] = write.adds
    doubtful = p.ws.bases(link.lid).get(write.field, {}).get(write.side)
    if not isinstance(write.loser, Missing):
        draft.losers[write.field] = write.loser
    elif doubtful is not None and doubtful.status is BaseStatus.PROVISIONAL and not isinstance(write.expect, Missing):
        draft.losers[write.field] = write.expect  # what stands there was never seen to have crossed


def _send(p: Planning, entity: Entity, link: Link, drafts: Mapping[Side, _Draft]) -> None:
    wanted = {side: draft for side, draft in drafts.items() if draft.patch}
    if link.state is LinkState.PARKED:
        if any(not p.rearmed(link, side, draft.patch) for side, draft in wanted.items()):
            return
        link = p.open(link, LinkState.ACTIVE)
    for side in p.mapping.sides:
        before = p.ws.ops(link.lid).get(side)
        key = dict(zip(entity.sides[side].key, from_json(p.ws.members(link.lid)[side]), strict=True))
        if before is not None and before.state is OpState.PLANNED and may_have_counted(before):
            if before.key != key:  # its record was merged into another, which has what it had: it is sent there
                p.ws.put_op(replace(before, key=key))
            p.wait(link, f"a write to {side} that counts is to be answered first")
            continue
        if side not in wanted:
            if before is not None and before.state is OpState.PLANNED:
                call_off(p.ws, before, "no longer wanted", p.at)
            continue
        if before is not None and before.state is OpState.SENT:
            p.wait(link, f"a write to {side} waits to be seen")
            continue
        if side in p.held:
            p.wait(link, p.held[side])
            continue
        draft = wanted[side]
        p.enqueue(
            link,
            side,
            OpKind.UPDATE,
            key=key,
            patch=draft.patch,
            expect=draft.expect,
            source=draft.source,
            reasons=draft.reasons,
            losers=draft.losers,
            references=draft.references,
            adds=draft.adds,
            echoes=draft.echoes,
            contests=draft.contests,
        )


def _open(
    p: Planning,
    link: Link,
    name: str,
    readings: list[Reading],
    kind: ConflictKind,
    reason: str,
    lost: Lost | None,
) -> None:
    shown = values_of(p.mapping.sides, readings)
    base = {side: {r.field.name: r.base[side] for r in readings if r.base is not None} for side in p.mapping.sides}
    evidence = {
        "reason": reason,
        "changed_in": spans_of(readings),
    }
    if lost is not None:
        kind = ConflictKind.CLOBBERED if kind is ConflictKind.FIELD else kind
        evidence = {**lost.conflict.evidence, **evidence}
    mine = [c for c in p.ws.conflicts(link.lid).values() if c.field == name]
    if mine and (mine[0].values, mine[0].kind) == (shown, kind) and mine[0].state is ConflictState.OPEN:
        return
    cid = mine[0].cid if mine else short_id(link.lid, name, p.at.run_id)
    policy = word_of(readings[0].field.policy)
    p.ws.put_conflict(
        Conflict(cid, link.lid, link.entity, name, kind, shown, base, evidence, policy, p.at.run_id, p.at.now)
    )


def _close(p: Planning, link: Link, name: str, *, decided: bool = True) -> None:
    """The field's conflict is over; a decision stays until the sides are seen to agree."""
    for conflict in list(p.ws.conflicts(link.lid).values()):
        if "lost" in conflict.evidence:
            continue  # an edit that our write replaced is over when it is settled, not before
        if conflict.field == name and (decided or conflict.state is ConflictState.OPEN):
            p.ws.put_conflict(replace(conflict, state=ConflictState.CLOSED))
