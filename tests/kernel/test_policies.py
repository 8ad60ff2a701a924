"""Every policy alone, on a contest of two values."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.mapping import Latest, NonEmpty, Owner, Park, Policy, SetUnion
from antiphon.model import Instant, Side, Value
from antiphon.policies import Combined, Contest, Undecided, Verdict, Wins, decide
from tests.kernel.facts import CRM, SIDES, WAREHOUSE, field

Span = tuple[Instant, Instant]


def contest(
    crm: Value = "x",
    warehouse: Value = "y",
    *,
    base: Mapping[Side, Value] | None = None,
    changed_in: Mapping[Side, Span] | None = None,
) -> Contest:
    return Contest(SIDES, {CRM: crm, WAREHOUSE: warehouse}, base, changed_in or {})


def settle(policy: Policy, given: Contest) -> Verdict:
    return decide(policy, field("f", policy), given)


def winner(verdict: Verdict) -> Side | None:
    return verdict.side if isinstance(verdict, Wins) else None


@pytest.mark.parametrize("side", SIDES)
def test_the_owner_wins_and_the_reason_says_so(side: Side) -> None:
    assert settle(Owner(side), contest()) == Wins(side, f"{side} owns f")


def test_park_asks_a_person() -> None:
    assert settle(Park(), contest()) == Undecided("both sides changed it; the policy is to ask")


# ---- latest: an edit happened in (lo, hi] of our own clock


@pytest.mark.parametrize(
    ("crm", "warehouse", "later"),
    [
        ((0, 10), (20, 30), WAREHOUSE),
        ((20, 30), (0, 10), CRM),
        ((0, 10), (10, 20), WAREHOUSE),  # they touch: at 10 at the latest, and after 10
        ((10, 20), (0, 10), CRM),
        ((0, 11), (10, 20), None),
        ((0, 30), (10, 20), None),
        ((0, 10), (0, 10), None),
    ],
    ids=repr,
)
def test_latest_speaks_only_where_the_intervals_are_apart(crm: Span, warehouse: Span, later: Side | None) -> None:
    assert winner(settle(Latest(Park()), contest(changed_in={CRM: crm, WAREHOUSE: warehouse}))) == later


@pytest.mark.parametrize("known", [{}, {CRM: (0, 10)}, {WAREHOUSE: (0, 10)}], ids=repr)
def test_latest_without_both_intervals_falls_to_the_owner(known: dict[Side, Span]) -> None:
    verdict = settle(Latest(Owner(CRM)), contest(changed_in=known))

    assert verdict == Wins(CRM, "which edit was later cannot be proven, and crm owns f")


def test_latest_says_why_it_asks() -> None:
    assert settle(Latest(Park()), contest()) == Undecided(
        "both sides changed it, and which edit was later cannot be proven"
    )


@given(st.tuples(*[st.integers(0, 50)] * 4))
def test_latest_never_errs(bounds: tuple[int, int, int, int]) -> None:
    """Whatever instants the intervals allow, the winner's edit is the later one."""
    (a_lo, a_hi), (b_lo, b_hi) = sorted(bounds[:2]), sorted(bounds[2:])
    spans = {CRM: (a_lo, a_hi), WAREHOUSE: (b_lo, b_hi)}
    later = winner(settle(Latest(Park()), contest(changed_in=spans)))

    earliest = {CRM: a_lo + 1, WAREHOUSE: b_lo + 1}
    latest = {CRM: a_hi, WAREHOUSE: b_hi}
    if later and a_lo < a_hi and b_lo < b_hi:
        loser = CRM if later == WAREHOUSE else WAREHOUSE
        assert earliest[later] > latest[loser]


# ---- nonempty


@pytest.mark.parametrize("nothing", [None, "", []], ids=repr)
def test_a_value_beats_an_empty_one(nothing: Value) -> None:
    assert winner(settle(NonEmpty(), contest("x", nothing))) == CRM
    assert winner(settle(NonEmpty(), contest(nothing, 0))) == WAREHOUSE


def test_two_values_are_parked() -> None:
    assert settle(NonEmpty(), contest("x", "y")) == Undecided("both sides have a value")


# ---- set: (base - removed) + added


def union(crm: Value, warehouse: Value, base: Value | None = None, **options: object) -> tuple[Value, ...]:
    tags = field("tags", SetUnion(), **options)
    verdict = decide(
        tags.policy, tags, contest(crm, warehouse, base=None if base is None else dict.fromkeys(SIDES, base))
    )
    assert isinstance(verdict, Combined)
    return verdict.members


@pytest.mark.parametrize(
    ("base", "crm", "warehouse", "expected"),
    [
        (["a"], ["a", "b"], ["a", "c"], ("a", "b", "c")),
        (["a", "b"], ["a"], ["b"], ()),
        (["a", "b"], ["a"], ["a", "b", "c"], ("a", "c")),
        (["a"], [], ["a", "b"], ("b",)),
        (["a"], ["b"], ["b", "c"], ("b", "c")),
        (None, ["a"], ["b"], ("a", "b")),
        ("a;b", ["a", "b", "c"], "a;d", ("a", "c", "d")),
        ([], ["a"], ["a", "b"], ("a", "b")),
    ],
    ids=repr,
)
def test_what_each_side_added_is_added_and_what_each_removed_is_removed(
    base: Value | None, crm: Value, warehouse: Value, expected: tuple[Value, ...]
) -> None:
    assert union(crm, warehouse, base) == expected


def test_members_are_compared_as_the_field_normalizes_them() -> None:
    assert union(["VIP"], ["vip", "x"], ["vip"], normalize=(("lower", ""),)) == ("VIP", "x")


def test_members_are_compared_by_their_names_in_the_picklist() -> None:
    picklist = {CRM: {"red": "R"}, WAREHOUSE: {"red": "rosso"}}

    assert union(["R"], ["rosso", "blue"], picklist=picklist) == ("blue", "red")


members = st.sets(st.sampled_from("abcdef"))


@given(members, members, members)
def test_a_set_wins_by_adding_and_invents_nothing(base: set[str], crm: set[str], warehouse: set[str]) -> None:
    found = set(union(sorted(crm), sorted(warehouse), sorted(base)))

    assert found == (base & crm & warehouse) | (crm - base) | (warehouse - base)


@given(members, members, members)
def test_a_set_does_not_care_which_side_is_which(base: set[str], crm: set[str], warehouse: set[str]) -> None:
    assert union(sorted(crm), sorted(warehouse), sorted(base)) == union(sorted(warehouse), sorted(crm), sorted(base))


@given(members, members, members, members)
def test_a_set_is_the_same_however_edits_fall_into_rounds(
    base: set[str], crm: set[str], warehouse: set[str], later: set[str]
) -> None:
    """Additions and removals that arrive in one round or in two give one result, unless a member comes and goes."""
    once = set(union(sorted(crm | later), sorted(warehouse), sorted(base)))

    first = set(union(sorted(crm), sorted(warehouse), sorted(base)))
    then = set(union(sorted(first | later), sorted(first), sorted(first)))
    assert then == once | later
