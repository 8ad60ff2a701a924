"""Who is who: unlinked records find their partner, are parked with the reason, or are new on the other side.

| unlinked on A, with the same match key on B | and on A                 | outcome                                    |
|---------------------------------------------|--------------------------|--------------------------------------------|
| none under any rule                         | itself                   | none: to be created on B                   |
| one, unlinked                               | itself                   | `Join`                                     |
| one, linked                                 | itself, or the partner's | `Duplicate`: parked                        |
| one, linked to a record of A that is gone   | itself                   | `Rekey`: the link moves to the new id      |
| several, or several on A                    |                          | `Ambiguous`: parked, every candidate shown |

Rules are tried in order, each for all records before the next, so that the order of records never matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from antiphon.equivalence import EMPTY, Unmapped, Unresolved, canon, canonical_json
from antiphon.facts import ObsKey, Workspace
from antiphon.mapping import Entity
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import ConflictKind, LinkState, RecordState, Rid, Side, Value


@dataclass(frozen=True, slots=True)
class Join:
    """Two records that are each other's only candidate."""

    keys: tuple[ObsKey, ObsKey]
    rule: int


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The only candidate is linked already, to a record that lives."""

    key: ObsKey
    lid: str
    rule: int

    @property
    def keys(self) -> tuple[ObsKey, ...]:
        """The newcomers that it speaks of."""
        return (self.key,)


@dataclass(frozen=True, slots=True)
class Rekey:
    """The candidate's link held a record of this side that is gone: the record's key changed."""

    key: ObsKey
    lid: str
    rule: int

    @property
    def keys(self) -> tuple[ObsKey, ...]:
        """The newcomers that it speaks of."""
        return (self.key,)


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Several candidates, here or there."""

    key: ObsKey
    candidates: tuple[ObsKey, ...]
    rule: int

    @property
    def keys(self) -> tuple[ObsKey, ...]:
        """The newcomers that it speaks of."""
        return (self.key,)


Finding: TypeAlias = Join | Duplicate | Rekey | Ambiguous

LOOSE = frozenset({ConflictKind.AMBIGUOUS, ConflictKind.DUPLICATE, ConflictKind.KEY, ConflictKind.FORBIDDEN})
"""A record parked for one of these has no partner yet and is matched again when anything about it changes."""


def match_keys(entity: Entity, side: Side, fields: Mapping[str, Value]) -> dict[int, str]:
    """The record's canonical value under each match rule: none where a field is empty or unknown."""
    found = {}
    for number, rule in enumerate(entity.match):
        parts = []
        for name in rule:
            field = entity.fields[name]
            value = fields.get(field.columns[side])
            form = canon(field, side, value, _unlinked, entity.sides[side].timezone)
            if isinstance(form, Unresolved | Unmapped) or form == EMPTY:
                break
            parts.append(str(form))
        else:
            found[number] = canonical_json(parts)
    return found


def _unlinked(_entity: str, _side: Side, _rid: Rid) -> None:
    return None


def is_loose(ws: Workspace, key: ObsKey) -> bool:
    """Whether the record may still find a partner."""
    lid = ws.holder(key)
    if lid is None:
        return True
    link = ws.link(lid)
    if link is None or len(ws.members(lid)) > 1:
        return False
    if link.state is LinkState.PARKED:
        return any(c.kind in LOOSE for c in ws.conflicts(lid).values())
    return False


def identify(
    ws: Workspace, mapping: SyncMapping, entity: Entity, newcomers: Iterable[ObsKey], rule: int
) -> list[Finding]:
    """What one match rule says of the unlinked live records `newcomers` of an entity. Nothing is written down here.

    What it finds is to be written down before the next rule is tried: whoever found a partner is not free any more.
    """
    findings: list[Finding] = []
    taken: set[ObsKey] = set()
    for key in sorted(set(newcomers)):
        finding = None if key in taken else _by_rule(ws, mapping, entity, key, rule)
        if finding is not None:
            findings.append(finding)
            taken |= set(finding.keys)
    return findings


def _by_rule(ws: Workspace, mapping: SyncMapping, entity: Entity, key: ObsKey, rule: int) -> Finding | None:
    side, _, rid = key
    other = mapping.other(side)
    value = ws.facts.match_keys(key).get(rule)
    if value is None:
        return None
    there = [(other, entity.name, r) for r in sorted(ws.facts.matching(entity.name, other, rule, value))]
    here = [(side, entity.name, r) for r in sorted(ws.facts.matching(entity.name, side, rule, value)) if r != rid]
    here = [peer for peer in here if not _departed(ws, peer)]
    if not there and not here:
        return None
    if len(there) == 1:
        holder = ws.holder(there[0])
        loose = is_loose(ws, there[0])
        partners = {(side, entity.name, r) for s, r in ws.members(holder).items() if s == side} if holder else set()
        if not here and loose:
            pair = (key, there[0])
            return Join(pair if side < other else (pair[1], pair[0]), rule)
        if holder and not loose and set(here) <= partners:
            if partners and all(_departed(ws, p) for p in partners):
                return Rekey(key, holder, rule)
            return Duplicate(key, holder, rule)
    return Ambiguous(key, tuple(sorted([*there, *here])), rule)


def _departed(ws: Workspace, key: ObsKey) -> bool:
    seen = ws.observation(key)
    return seen is None or seen.state is not RecordState.LIVE or ws.facts.absent(key)
