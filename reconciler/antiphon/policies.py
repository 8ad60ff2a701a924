"""How a conflict on one field is settled: one pure, total function per policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from antiphon.equivalence import is_empty, normalized, split
from antiphon.mapping import Field, Latest, NonEmpty, Owner, Park, Policy, SetUnion
from antiphon.model import Instant, Side, Value


@dataclass(frozen=True, slots=True)
class Contest:
    """The sides hold different values. `base`: None where they never agreed. `changed_in`: as `Observation.dirty`."""

    sides: tuple[Side, Side]
    values: Mapping[Side, Value]
    base: Mapping[Side, Value] | None
    changed_in: Mapping[Side, tuple[Instant, Instant]]


@dataclass(frozen=True, slots=True)
class Wins:
    """One side's value goes to the other."""

    side: Side
    reason: str


@dataclass(frozen=True, slots=True)
class Combined:
    """A value made of both goes to both: the members of a multi-select, by their names in the picklist."""

    members: tuple[Value, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Undecided:
    """A person must look."""

    reason: str


Verdict: TypeAlias = Wins | Combined | Undecided


def decide(policy: Policy, field: Field, contest: Contest) -> Verdict:
    """The verdict of `policy` on a contest of single values."""
    match policy:
        case Owner(side):
            return Wins(side, f"{side} owns {field.name}")
        case Park():
            return Undecided("both sides changed it; the policy is to ask")
        case Latest(otherwise):
            return _latest(otherwise, field, contest)
        case NonEmpty():
            return _nonempty(contest)
        case SetUnion():
            return _union(field, contest)
        case _:
            assert_never(policy)


def _latest(otherwise: Owner | Park, field: Field, contest: Contest) -> Verdict:
    """The interval rule: an edit made in (lo, hi] came later for certain if its lo is not before the other's hi."""
    a, b = contest.sides
    if a in contest.changed_in and b in contest.changed_in:
        (a_lo, a_hi), (b_lo, b_hi) = contest.changed_in[a], contest.changed_in[b]
        b_later, a_later = b_lo >= a_hi, a_lo >= b_hi
        if b_later is not a_later:  # two edits of one instant have no order
            later = b if b_later else a
            return Wins(later, f"{later} changed it later")
    verdict = decide(otherwise, field, contest)
    if isinstance(verdict, Wins):
        return Wins(verdict.side, f"which edit was later cannot be proven, and {verdict.reason}")
    return Undecided("both sides changed it, and which edit was later cannot be proven")


def _nonempty(contest: Contest) -> Verdict:
    full = [side for side in contest.sides if not is_empty(contest.values[side])]
    if len(full) == 1:
        return Wins(full[0], f"only {full[0]} has a value")
    return Undecided("both sides have a value")


def _union(field: Field, contest: Contest) -> Verdict:
    """(base − removed by either) + added by either. Without a base nothing was removed."""
    a, b = (_members(field, side, contest.values[side]) for side in contest.sides)
    if contest.base is None:
        base_a: dict[str, Value] = {}
        base_b = base_a
    else:
        base_a, base_b = (_members(field, side, contest.base[side]) for side in contest.sides)
    removed = (base_a.keys() - a.keys()) | (base_b.keys() - b.keys())
    added = (a.keys() - base_a.keys()) | (b.keys() - base_b.keys())
    keep = ((a.keys() | b.keys()) - removed) | added
    return Combined(tuple({**b, **a}[name] for name in sorted(keep)), "what either side added or removed")


def _members(field: Field, side: Side, value: Value) -> dict[str, Value]:
    """The members by canonical name, picklists translated and `normalize` applied for comparing."""
    names = {stored: name for name, stored in field.picklist.get(side, {}).items()}
    found = [names.get(v, v) if isinstance(v, str) else v for v in split(field, value)]
    return {str(normalized(field, member)): member for member in found}
