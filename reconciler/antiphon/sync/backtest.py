"""Backtest: the contests that the ledger recorded, asked of the policies of another mapping.

A contest is a field (or a group) that both sides changed, or in which two records differed when they joined. Those that
a policy settled stand with the writes they led to; those that were left to a person are conflicts. What one side alone
changed goes over under every policy, and is no contest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from antiphon.ledger import Ledger, LedgerFacts
from antiphon.ledger.tables import CONFLICT, OUTBOX
from antiphon.mapping import Entity
from antiphon.mapping import Mapping as SyncMapping
from antiphon.merge import Adopt, Hold, Reading, Send, Still, Surroundings, Wait, merge, surroundings
from antiphon.model import Conflict, ConflictKind, Instant, Missing, Op, OpState, Side, Value
from antiphon.plan.contests import readings_of

ASKED, BOTH, NEITHER = "a person is asked", "both are combined", "nothing is written"
_KINDS = (ConflictKind.FIELD, ConflictKind.JOIN)
_PAGE = 2000


@dataclass(frozen=True, slots=True)
class Contest:
    """One recorded contest. `ended` is what became of it; `writes` what was written, by side and field."""

    lid: str
    entity: str
    unit: str
    at: Instant
    facts: Mapping[str, Any]
    ended: str
    writes: Mapping[Side, Mapping[str, Value]]


@dataclass(frozen=True, slots=True)
class Replayed:
    """A contest and what would have become of it. `changed`: another winner, or another value."""

    contest: Contest
    would: str
    reason: str
    changed: bool


def recorded(ledger: Ledger) -> list[Contest]:
    """Every contest of the ledger, in the order of time."""
    found: dict[tuple[str, str, str], Contest] = {}
    for op in ledger.store.scan(OUTBOX):
        if op.contests and op.state is not OpState.DROPPED:
            for unit, facts in op.contests.items():
                key = (op.lid, unit, op.run_id)
                found[key] = _settled(op, unit, facts, found.get(key))
    asked = [_asked(row) for row in ledger.store.scan(CONFLICT) if row.kind in _KINDS and row.field is not None]
    return sorted([*found.values(), *asked], key=lambda contest: (contest.at, contest.lid, contest.unit))


def _settled(op: Op, unit: str, facts: Mapping[str, Any], before: Contest | None) -> Contest:
    """A contest that led to a write; to one on each side if both values were combined."""
    names = {name for values in facts["values"].values() for name in values}
    patch = {name: value for name, value in op.patch.items() if name in names}
    writes = {**(before.writes if before else {}), op.side: patch}
    winner = next(side for side in facts["values"] if side != op.side)
    taken = all(name in op.source for name in patch) and len(writes) == 1
    return Contest(op.lid, op.entity, unit, op.planned_at, facts, winner if taken else BOTH, writes)


def _asked(conflict: Conflict) -> Contest:
    facts = {
        "values": conflict.values,
        "base": conflict.base,
        "changed_in": conflict.evidence.get("changed_in", {}),
    }
    return Contest(conflict.lid, conflict.entity, conflict.field or "", conflict.at, facts, ASKED, {})


def replay(ledger: Ledger, mapping: SyncMapping, contests: list[Contest]) -> Iterator[Replayed]:
    """What would have become of each contest under the policies of `mapping`."""
    for start in range(0, len(contests), _PAGE):
        page = contests[start : start + _PAGE]
        facts = LedgerFacts(ledger.store, lids={contest.lid for contest in page})
        for contest in page:
            entity = mapping.entities.get(contest.entity)
            if entity is None:
                yield Replayed(contest, NEITHER, f"{contest.entity} is not mapped", changed=True)
            else:
                yield _replayed(mapping, entity, contest, surroundings(entity, facts))


def _replayed(mapping: SyncMapping, entity: Entity, contest: Contest, around: Surroundings) -> Replayed:
    names = sorted({name for values in contest.facts["values"].values() for name in values})
    readings = readings_of(contest.facts, entity.fields, names)
    if not readings or set(contest.facts["values"]) != set(mapping.sides):
        return Replayed(contest, NEITHER, f"{contest.unit} is not mapped", changed=True)
    match merge(mapping.sides, readings, around):
        case Send(writes):
            by_side = {side: {w.field: w.value for w in writes if w.side == side} for side in mapping.sides}
            written = [side for side in mapping.sides if by_side[side]]
            taken = len(written) == 1 and all(not isinstance(w.source, Missing) for w in writes)
            would = mapping.other(written[0]) if taken else BOTH
            changed = contest.ended == ASKED or not _same(mapping, readings, contest, by_side, around)
            return Replayed(contest, would, writes[0].reason, changed)
        case Hold(_, reason):
            return Replayed(contest, ASKED, reason, contest.ended != ASKED)
        case Wait(reason):
            return Replayed(contest, ASKED, reason, changed=False)
        case Adopt() | Still():
            return Replayed(contest, NEITHER, "the two mean the same", changed=True)


def _same(
    mapping: SyncMapping,
    readings: list[Reading],
    contest: Contest,
    writes: Mapping[Side, Mapping[str, Value]],
    around: Surroundings,
) -> bool:
    """Whether both sides would hold what they hold after what was written."""
    for reading in readings:
        for side in mapping.sides:
            stands = reading.values[side]
            was = contest.writes.get(side, {}).get(reading.field.name, stands)
            would = writes[side].get(reading.field.name, stands)
            if isinstance(was, Missing) or isinstance(would, Missing):
                same = was is would
            else:
                same = around.equal(reading.field, side, was, would)
            if not same:
                return False
    return True
