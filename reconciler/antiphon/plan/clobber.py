"""Edits that our own write replaced: a target looked, a person edited, the target wrote.

The receipt tells of it (`found` beside `applied`), and the edit is kept in a conflict of the kind `clobbered`. Planning
then goes on as if the write had never been: with the edit as that side's value, and the base from before the write.

| the policy says        | what follows                                                 |
|------------------------|--------------------------------------------------------------|
| the other side's value | it stands there already: agreed, the edit stays in the audit |
| the edit               | it goes to the other side, and back to where it was made     |
| a value made of both   | it goes to both                                              |
| a person must look     | the conflict waits, with the edit as the side's value        |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from antiphon import model
from antiphon.equivalence import canonical_json
from antiphon.mapping import Field
from antiphon.merge import Adopt, Outcome, Send, Still, Surroundings, Write
from antiphon.model import MISSING, Conflict, ConflictState, Instant, Link, Missing, Side, Value
from antiphon.plan.context import Planning
from antiphon.settle import agree


@dataclass(frozen=True, slots=True)
class Lost:
    """An edit that a write replaced: its `values` by field, what was `sent` and `stored` instead, and when it was."""

    conflict: Conflict
    side: Side
    values: Mapping[str, Value]
    sent: Mapping[str, Value]
    stored: Mapping[str, Value]
    span: tuple[Instant, Instant]


def lost_edit(p: Planning, link: Link, unit: str, fields: list[Field]) -> Lost | None:
    """The edit of a field or group that waits to be settled; one that was overtaken by another edit is let go.

    Then our write counts as what the sides last agreed on: the later edit was made upon it.
    """
    for conflict in list(p.ws.conflicts(link.lid).values()):
        if conflict.field != unit or "lost" not in conflict.evidence:
            continue
        told = conflict.evidence
        after, until = told["changed_in"][told["side"]]
        lost = Lost(conflict, told["side"], told["lost"], told["sent"], told["stored"], (after, until))
        if _stands(p, link, lost, {f.name: f for f in fields}):
            return lost
        p.ws.put_conflict(model.replace(conflict, state=ConflictState.CLOSED))
        for name, stored in lost.stored.items():
            wrote = p.ws.last_write(link.lid, lost.side, name)
            if wrote is not None and canonical_json(wrote.patch[name]) == canonical_json(lost.sent[name]):
                agree(p.ws, wrote, name, stored, p.mapping.other(lost.side), p.mapping.version)
    return None


def _stands(p: Planning, link: Link, lost: Lost, fields: Mapping[str, Field]) -> bool:
    """Whether the side still shows what our write put in the edit's place, and nothing was written there since."""
    seen = p.seen(link, lost.side)
    if seen is None or not lost.values.keys() <= fields.keys():
        return False
    wrote = [p.ws.last_write(link.lid, lost.side, name) for name in lost.values]
    if any(op is not None and op.planned_at >= lost.conflict.at for op in wrote):
        return False  # the edit was put back: what stands there now, even if it is that again, is newer
    now: dict[str, Value | Missing] = {
        name: seen.fields.get(fields[name].columns[lost.side], MISSING) for name in lost.values
    }
    return all(
        not isinstance(value, Missing) and canonical_json(value) == canonical_json(lost.stored[name])
        for name, value in now.items()
    )


def restored(outcome: Outcome, lost: Lost, around: Surroundings) -> Outcome:
    """The outcome of a merge that took the edit for the side's value, as writes upon what really stands there."""
    if not isinstance(outcome, Send | Adopt | Still):
        return outcome
    writes = list(outcome.writes) if isinstance(outcome, Send) else []
    adopt = {} if isinstance(outcome, Still) else dict(outcome.adopt if isinstance(outcome, Send) else outcome.values)
    for name, edit in lost.values.items():
        field, there = around.entity.fields[name], lost.stored[name]
        mine = next((write for write in writes if (write.side, write.field) == (lost.side, name)), None)
        if mine is None:
            reason = "an edit that our own write had replaced"
            writes.append(Write(name, lost.side, edit, expect=there, source=MISSING, reason=reason))
            continue
        writes.remove(mine)
        as_sent = canonical_json(mine.value) == canonical_json(lost.sent[name])
        if isinstance(mine.source, Missing) or not (as_sent or around.equal(field, lost.side, there, mine.value)):
            writes.append(replace(mine, expect=there, loser=MISSING))
        else:
            other = next(side for side in around.entity.sides if side != lost.side)
            adopt[name] = {lost.side: there, other: mine.source}
    if writes:
        return Send(tuple(writes), adopt)
    return Adopt(adopt) if adopt else Still()


def settled(outcome: Outcome, lost: Lost) -> bool:
    """Whether nothing is left to do about the edit: what stands in its place is what the policy wants."""
    match outcome:
        case Send(writes):
            return not any(write.side == lost.side and write.field in lost.values for write in writes)
        case Adopt() | Still():
            return True
        case _:
            return False
