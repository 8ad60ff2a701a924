"""How a conflict on one field is settled: one pure, total function per policy."""

from __future__ import annotations

from decimal import Decimal
from typing import assert_never

from antiphon.equivalence import EMPTY, Canonical, added, counted, is_empty, normalized, split
from antiphon.hooks import ask
from antiphon.mapping import (
    Counter,
    Extreme,
    Field,
    Ladder,
    Latest,
    NonEmpty,
    OptOut,
    Owner,
    Park,
    Policy,
    Python,
    SetUnion,
)
from antiphon.model import Side, Value
from antiphon.verdicts import Combined, Contest, Undecided, Verdict, Wins

_ORDERED = {"number", "date", "moment", "text"}
_FALSE = {"false", "f", "no", "n", "0", "off"}


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
        case Extreme(greatest):
            return _extreme(contest, greatest=greatest)
        case Ladder(rungs):
            return _ladder(rungs, contest)
        case OptOut(noes):
            return _optout(noes, contest)
        case Counter():
            return _counter(contest)
        case Python():
            return ask(policy, field, contest)
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


def _extreme(contest: Contest, *, greatest: bool) -> Verdict:
    """Numbers, dates, instants and text have an order; a value beats an empty one; anything else is for a person."""
    forms = {side: contest.forms[side] for side in contest.sides if contest.forms.get(side, EMPTY) != EMPTY}
    word = "greatest" if greatest else "least"
    if len(forms) == 1:
        side = next(iter(forms))
        return Wins(side, f"only {side} has a value")
    kinds = {form[0] for form in forms.values()}
    if len(kinds) != 1 or not kinds <= _ORDERED:
        return Undecided(f"the values have no order, so that none is the {word}")
    ranked = sorted(contest.sides, key=lambda side: forms[side][1])
    return Wins(ranked[-1 if greatest else 0], f"the {word} wins")


def _ladder(rungs: tuple[str, ...], contest: Contest) -> Verdict:
    names = {side: str(contest.forms.get(side, ("", ""))[-1]) for side in contest.sides}
    full = [side for side in contest.sides if contest.forms.get(side, EMPTY) != EMPTY]
    if len(full) == 1:
        return Wins(full[0], f"only {full[0]} has a value")
    unknown = [name for name in names.values() if name not in rungs]
    if unknown:
        return Undecided(f"{unknown[0]!r} is no rung of the ladder {', '.join(rungs)}")
    furthest = max(contest.sides, key=lambda side: rungs.index(names[side]))
    return Wins(furthest, f"{names[furthest]} is further along")


def _optout(noes: tuple[Value, ...], contest: Contest) -> Verdict:
    refused = [side for side in contest.sides if any(_says(no, contest.forms.get(side, EMPTY)) for no in noes)]
    if not refused:
        return Undecided("both sides changed it, and neither says no")
    return Wins(refused[0], "a no beats everything else")


def _says(no: Value, form: Canonical) -> bool:
    """Whether a canonical form is this "no"; text in any case, and 0 and the usual words for false."""
    if no is False:
        return form == ("bool", False) or str(form[-1]).casefold() in _FALSE
    return str(form[-1]).casefold() == str(no).casefold()


def _counter(contest: Contest) -> Verdict:
    """Base + (A − base) + (B − base), in exact decimals. Each side is brought what the other one counted."""
    if contest.blind:
        return Undecided(
            "both sides counted, and the target of " + " and of ".join(sorted(contest.blind)) + " gives no receipts: "
            "without them a count may be written over, or written twice"
        )
    if contest.base is None:
        return Undecided("the sides never agreed on a number to count from")
    now = {side: counted(contest.values[side]) for side in contest.sides}
    before = {side: counted(contest.base[side]) for side in contest.sides}
    grown: dict[Side, Decimal] = {}
    for side in contest.sides:
        here, there = now[side], before[side]
        if here is None or there is None:
            return Undecided(f"{side} holds no number now, or held none when the sides agreed")
        grown[side] = added(here, -there)
    a, b = contest.sides
    total = added(now[a] or Decimal(0), grown[b])
    told = f"{a} counted {grown[a]:+f}, {b} {grown[b]:+f}"
    return Combined((_plain(total),), told, {a: _plain(grown[b]), b: _plain(grown[a])})


def _plain(number: Decimal) -> Value:
    return int(number) if number == number.to_integral_value() else number


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
