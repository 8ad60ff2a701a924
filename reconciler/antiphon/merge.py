"""Three-way merge of one unit: a field, or a group of fields that move together.

| side A    | side B    | base | outcome                                                                    |
|-----------|-----------|------|----------------------------------------------------------------------------|
| as base   | as base   | yes  | `Still`; `Hold` if they do not mean the same and no write made them so     |
| changed   | as base   | yes  | `Send` to B                                                                |
| as base   | changed   | yes  | `Send` to A                                                                |
| changed   | changed   | yes  | the same: `Adopt`; otherwise the policy: `Send` or `Hold`                  |
| any       | any       | none | the same: `Adopt`; one empty: `Send` the other; else the initial policy    |
| unknown   | any       | any  | a side that does not show the field has not changed it                     |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as attribute
from functools import partial
from typing import TypeAlias

from antiphon.equivalence import Canonical, Resolve, Unmapped, Unresolved, added, alike, canon, counted, is_empty, split
from antiphon.facts import Holders, link_of
from antiphon.mapping import Counter, Entity, Field, Park, SetUnion
from antiphon.model import MISSING, ConflictKind, Instant, Missing, Side, Value
from antiphon.policies import decide
from antiphon.represent import MemberOf, represent
from antiphon.verdicts import Combined, Contest, Undecided, Wins


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of one field of a link. A `base` of None: the sides never agreed on it.

    `made`: a write made the pair of the base, or it is not certain yet, so that the two need not mean the same.
    """

    field: Field
    values: Mapping[Side, Value | Missing]
    base: Mapping[Side, Value] | None
    changed_in: Mapping[Side, tuple[Instant, Instant]] = attribute(default_factory=dict)
    made: bool = False


@dataclass(frozen=True, slots=True)
class Write:
    """One value to write on `side`. `source` is what it came from there, `MISSING` if it was made of both values.

    `adds`: of a counter, how much of the other side's counting it brings.
    """

    field: str
    side: Side
    value: Value
    expect: Value | Missing
    source: Value | Missing
    reason: str
    loser: Value | Missing = MISSING
    adds: Value | Missing = MISSING


@dataclass(frozen=True, slots=True)
class Still:
    """Nothing to do."""


@dataclass(frozen=True, slots=True)
class Adopt:
    """The sides agree: their values become the base. Keyed by field, then by side."""

    values: Mapping[str, Mapping[Side, Value]]


@dataclass(frozen=True, slots=True)
class Send:
    """Values to write; fields of the group that agree already are adopted."""

    writes: tuple[Write, ...]
    adopt: Mapping[str, Mapping[Side, Value]]


@dataclass(frozen=True, slots=True)
class Hold:
    """A conflict for a person."""

    kind: ConflictKind
    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """A reference names a record that is not linked yet."""

    reason: str


Outcome: TypeAlias = Still | Adopt | Send | Hold | Wait


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a merge must know of other links: where references lead."""

    entity: Entity
    resolve: Resolve
    member_of: MemberOf

    def canon(self, field: Field, side: Side, value: Value) -> Canonical | Unresolved | Unmapped:
        """The canonical form of one side's value."""
        return canon(field, side, value, self.resolve, self.entity.sides[side].timezone)

    def equal(self, field: Field, side: Side, one: Value, two: Value) -> bool:
        """Whether two values of the same side mean the same."""
        return alike(one, two) or self.canon(field, side, one) == self.canon(field, side, two)

    def agree(self, field: Field, sides: tuple[Side, Side], one: Value, two: Value) -> bool:
        """Whether a value of each side mean the same."""
        first = self.canon(field, sides[0], one)
        return not isinstance(first, Unresolved | Unmapped) and first == self.canon(field, sides[1], two)


def surroundings(entity: Entity, facts: Holders) -> Surroundings:
    """The surroundings as these facts have them."""
    return Surroundings(entity, partial(link_of, facts), lambda lid, side: facts.members(lid).get(side))


def merge(
    sides: tuple[Side, Side], readings: list[Reading], around: Surroundings, decision: Decision | None = None
) -> Outcome:
    """The outcome for one unit. `decision` is a person's answer to the conflict that these very values are."""
    changed = {side: any(has_changed(r, side, around) for r in readings) for side in sides}
    joining = [r for r in readings if r.base is None and all(v is not MISSING for v in r.values.values())]
    if not any(changed.values()) and not joining:
        return _scrubbed(sides, [r for r in readings if _diverged(sides, r, around)], readings, around, decision)
    obstacle = _obstacle(sides, readings, around)
    if obstacle is not None:
        return obstacle
    differing = [r for r in readings if not _agreed(sides, r, around, decided=decision is not None)]
    adopt = {
        r.field.name: {side: _value(r, side) for side in sides}
        for r in readings
        if r not in differing
        and all(v is not MISSING for v in r.values.values())
        and (r.base is None or any(has_changed(r, side, around) for side in sides))
    }
    if not differing:
        return Adopt(adopt) if adopt else Still()
    verdict = _verdict(sides, differing, readings, changed, around, decision)
    if isinstance(verdict, Hold):
        return verdict
    if verdict is None:
        return Adopt(adopt) if adopt else Still()
    if isinstance(verdict, Wins):
        counts = decision is None and around.entity.sides[_other(sides, verdict.side)].receipts
        return Send(tuple(_writes(sides, verdict.side, differing, verdict.reason, around, counts=counts)), adopt)
    return Send(tuple(_combined(sides, differing[0], verdict, around)), adopt)


def _diverged(sides: tuple[Side, Side], reading: Reading, around: Surroundings) -> bool:
    """Neither side changed it, and yet the two do not mean the same: sync.yml says so now, or a fault made it so."""
    if reading.base is None or reading.made or any(value is MISSING for value in reading.values.values()):
        return False
    if same_words(reading.field, *(_value(reading, side) for side in sides)):
        return False
    forms = [around.canon(reading.field, side, _value(reading, side)) for side in sides]
    return forms[0] != forms[1] and not any(isinstance(form, Unresolved | Unmapped) for form in forms)


def same_words(field: Field, one: Value | Missing, two: Value | Missing) -> bool:
    """Whether the sides hold one value of which both mean the same, seen without making its canonical form."""
    return (field.literal and alike(one, two)) or (one is None and two is None)


def _scrubbed(
    sides: tuple[Side, Side],
    diverged: list[Reading],
    readings: list[Reading],
    around: Surroundings,
    decision: Decision | None,
) -> Outcome:
    """What becomes of fields that nobody changed and that differ: a one-way field is sent anew, a person is asked."""
    if not diverged:
        return Still()
    if diverged[0].field.direction is None and decision is None:
        return Hold(ConflictKind.DIVERGED, "neither side changed it since they agreed, and yet they differ")
    verdict = _verdict(sides, diverged, readings, dict.fromkeys(sides, False), around, decision)
    if isinstance(verdict, Wins):
        return Send(tuple(_writes(sides, verdict.side, diverged, verdict.reason, around, counts=False)), {})
    if isinstance(verdict, Combined):
        return Send(tuple(_combined(sides, diverged[0], verdict, around)), {})
    return verdict or Still()


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's choice: one side's value for the other, or a value for both."""

    take: Side | None = None
    value: Value | Missing = MISSING


def has_changed(reading: Reading, side: Side, around: Surroundings) -> bool:
    """Whether the side's value differs from its base. Unknown is unchanged; without a base there is no answer: no."""
    value = reading.values[side]
    if isinstance(value, Missing) or reading.base is None or side not in reading.base:
        return False
    return not around.equal(reading.field, side, value, reading.base[side])


def _value(reading: Reading, side: Side) -> Value:
    value = reading.values[side]
    if isinstance(value, Missing):
        return reading.base[side] if reading.base else None
    return value


def _obstacle(sides: tuple[Side, Side], readings: list[Reading], around: Surroundings) -> Wait | Hold | None:
    for reading in readings:
        for side in sides:
            if reading.base is not None and not has_changed(reading, side, around):
                continue
            form = around.canon(reading.field, side, _value(reading, side))
            if isinstance(form, Unresolved):
                return Wait(f"{reading.field.name} names {form.entity} {form.rid} of {side}, which is not linked yet")
            if isinstance(form, Unmapped):
                column = reading.field.columns[side]
                return Hold(ConflictKind.UNMAPPED, f"{side} holds {form.value!r} in {column}, {form.why}")
    return None


def _agreed(sides: tuple[Side, Side], reading: Reading, around: Surroundings, *, decided: bool) -> bool:
    """Nothing to settle here: the same on both sides, or nobody changed it, or one side cannot say.

    Two counters that stand alike after both counted have still to be told of each other.
    """
    if any(v is MISSING for v in reading.values.values()) and reading.base is None:
        return True
    if reading.base is not None and not any(has_changed(reading, side, around) for side in sides):
        return True
    if isinstance(reading.field.policy, Counter) and reading.field.direction is None and not decided:
        both = reading.base is not None and all(has_changed(reading, side, around) for side in sides)
        if both and all(counted(_value(reading, side)) is not None for side in sides):
            return False
    return around.agree(reading.field, sides, _value(reading, sides[0]), _value(reading, sides[1]))


def _verdict(
    sides: tuple[Side, Side],
    differing: list[Reading],
    readings: list[Reading],
    changed: Mapping[Side, bool],
    around: Surroundings,
    decision: Decision | None,
) -> Wins | Combined | Hold | None:
    """Who wins. None: nothing is written, since a one-way field's source has nothing to give, or edits there stay."""
    a, b = sides
    lead = differing[0].field
    empty = {side: all(is_empty(_value(r, side)) for r in differing) for side in sides}
    # A group of which one field never agreed is not met anew while somebody edits another field of it.
    joining = any(r.base is None for r in differing) and not any(changed.values())
    full = (
        _full_side(sides, empty)
        if joining or (lead.keep_empty and any(changed[s] for s in sides if empty[s]))
        else None
    )
    if lead.direction is not None:
        source, target = lead.direction
        stays = lead.keep_edits and not joining and changed[target] and not changed[source]
        if full == target or stays:
            return None
        return Wins(source, f"{lead.name} flows from {source} only")
    if decision is not None:
        if decision.take is not None:
            return Wins(decision.take, "decided by a person")
        if not lead.references and not isinstance(decision.value, Missing):  # an id means nothing to the other side
            return Combined(_named(lead, decision.value), "decided by a person")
    if full is not None:
        return Wins(full, f"only {full} has a value")
    if not joining and changed[a] != changed[b]:
        return Wins(a if changed[a] else b, f"only {a if changed[a] else b} changed it")
    policy = around.entity.initial if joining and not isinstance(lead.policy, SetUnion) else lead.policy
    single = len(readings) == 1
    contest = Contest(
        sides=sides,
        values={side: _value(differing[0], side) if single else _whole(readings, side) for side in sides},
        base=differing[0].base if single else None,
        changed_in=_intervals(sides, readings, around),
        forms=_forms(sides, differing[0], around) if single else {},
        blind=frozenset(side for side in sides if not around.entity.sides[side].receipts),
    )
    verdict = decide(policy, lead, contest)
    if isinstance(verdict, Undecided):
        if joining and isinstance(policy, Park):
            return Hold(ConflictKind.JOIN, "the sides differ where they first meet; `initial` is to ask")
        return Hold(ConflictKind.JOIN if joining else ConflictKind.FIELD, verdict.reason)
    return verdict


def _forms(sides: tuple[Side, Side], reading: Reading, around: Surroundings) -> dict[Side, Canonical]:
    forms = {side: around.canon(reading.field, side, _value(reading, side)) for side in sides}
    return {side: form for side, form in forms.items() if not isinstance(form, Unresolved | Unmapped)}


def _full_side(sides: tuple[Side, Side], empty: Mapping[Side, bool]) -> Side | None:
    full = [side for side in sides if not empty[side]]
    return full[0] if len(full) == 1 else None


def _whole(readings: list[Reading], side: Side) -> Value:
    values = [_value(r, side) for r in readings]
    return None if all(is_empty(v) for v in values) else values


def _intervals(
    sides: tuple[Side, Side], readings: list[Reading], around: Surroundings
) -> dict[Side, tuple[Instant, Instant]]:
    """Per side, when its last change to any of the fields happened."""
    found: dict[Side, tuple[Instant, Instant]] = {}
    for side in sides:
        spans = [r.changed_in[side] for r in readings if side in r.changed_in and has_changed(r, side, around)]
        if spans:
            found[side] = (max(lo for lo, _ in spans), max(hi for _, hi in spans))
    return found


def _writes(
    sides: tuple[Side, Side],
    winner: Side,
    differing: list[Reading],
    reason: str,
    around: Surroundings,
    *,
    counts: bool,
) -> list[Write]:
    loser_side = _other(sides, winner)
    writes = []
    for r in differing:
        value = _value(r, winner)
        adds = _growth(r, winner, value) if counts else MISSING
        overwritten = r.values[loser_side]
        lost = r.base is None or has_changed(r, loser_side, around)
        writes.append(
            Write(
                field=r.field.name,
                side=loser_side,
                value=represent(
                    r.field, winner, loser_side, value, around.entity.sides, around.resolve, around.member_of
                ),
                expect=overwritten if overwritten is not MISSING else (r.base or {}).get(loser_side, MISSING),
                source=value if isinstance(adds, Missing) else MISSING,
                reason=reason,
                adds=adds,
                loser=overwritten
                if lost and not (isinstance(overwritten, Missing) or (is_empty(overwritten) and r.base is None))
                else MISSING,
            )
        )
    return writes


def _other(sides: tuple[Side, Side], side: Side) -> Side:
    return sides[1] if side == sides[0] else sides[0]


def _growth(reading: Reading, side: Side, value: Value) -> Value | Missing:
    """How much a counter's side counted since the sides agreed; `MISSING` where there is nothing to count from."""
    if not isinstance(reading.field.policy, Counter) or reading.field.direction is not None or reading.base is None:
        return MISSING
    now, before = counted(value), counted(reading.base[side])
    agreed = counted(reading.base[next(other for other in reading.base if other != side)])
    return MISSING if now is None or before is None or agreed is None else added(now, -before)


def _named(field: Field, value: Value) -> tuple[Value, ...]:
    """A value that a person gave, in either side's words, by its names in the picklist; a set's members one by one."""
    names = {stored: name for mine in field.picklist.values() for name, stored in mine.items()}
    members = split(field, value) if isinstance(field.policy, SetUnion) else [value]
    return tuple(names.get(member, member) if isinstance(member, str) else member for member in members)


def _combined(sides: tuple[Side, Side], reading: Reading, verdict: Combined, around: Surroundings) -> list[Write]:
    writes = []
    for side in sides:
        words = reading.field.picklist.get(side, {})
        members = [words.get(name, name) if isinstance(name, str) else name for name in verdict.members]
        made = members if isinstance(reading.field.policy, SetUnion) else members[0]
        value = represent(reading.field, side, side, made, around.entity.sides, around.resolve, around.member_of)
        now = reading.values[side]
        if isinstance(now, Missing) or not around.equal(reading.field, side, now, value):
            lost = has_changed(reading, side, around) and not isinstance(now, Missing)
            there = reading.values[_other(sides, side)]
            held = not isinstance(there, Missing) and around.agree(
                reading.field, (side, _other(sides, side)), value, there
            )
            adds = verdict.adds.get(side, MISSING)
            # where both sides are written, none of it is agreed before both are, unless what was added is known
            source = there if held and isinstance(adds, Missing) else MISSING
            loser = now if lost else MISSING
            writes.append(Write(reading.field.name, side, value, now, source, verdict.reason, loser, adds))
    return writes
