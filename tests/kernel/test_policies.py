"""Every policy alone, on a contest of two values."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.mapping import Extreme, Kind, Ladder, Latest, NonEmpty, OptOut, Owner, Park, Policy, SetUnion
from antiphon.merge import Hold, Reading, Send, Surroundings, merge
from antiphon.model import Instant, Side, Value
from antiphon.policies import decide
from antiphon.verdicts import Combined, Contest, Undecided, Verdict, Wins
from tests.kernel.facts import CRM, SIDES, WAREHOUSE, entity, field

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


# ---- max and min, ladder, optout: an order of the values themselves


def ranked(policy: Policy, crm: Value, warehouse: Value, **options: Any) -> Verdict:
    """The verdict on two values, through the merge, which knows their canonical forms."""
    mine = field("f", policy, **options)
    around = Surroundings(entity(mine), lambda *_: None, lambda *_: None)
    found = merge(SIDES, [Reading(mine, {CRM: crm, WAREHOUSE: warehouse}, dict.fromkeys(SIDES, "old"))], around)
    match found:
        case Send(writes):
            return Wins({CRM: WAREHOUSE, WAREHOUSE: CRM}[writes[0].side], writes[0].reason)
        case Hold(_, reason):
            return Undecided(reason)
        case _:
            raise AssertionError(found)


@pytest.mark.parametrize(
    ("kind", "less", "more"),
    [
        (Kind.NUMBER, 9, 10),
        (Kind.NUMBER, "9", "10"),
        (Kind.NUMBER, -1, Decimal("-0.5")),
        (Kind.DATE, "2026-11-20", "2026-12-01"),
        (Kind.DATETIME, "2026-11-20T10:00:00+02:00", "2026-11-20T09:00:00Z"),
        (Kind.TEXT, "a", "b"),
    ],
    ids=repr,
)
def test_max_and_min_go_by_what_a_value_means(kind: Kind, less: Value, more: Value) -> None:
    assert ranked(Extreme(greatest=True), less, more, kind=kind) == Wins(WAREHOUSE, "the greatest wins")
    assert ranked(Extreme(greatest=False), less, more, kind=kind) == Wins(CRM, "the least wins")


@pytest.mark.parametrize("greatest", [True, False])
def test_a_value_beats_an_empty_one_whatever_its_size(*, greatest: bool) -> None:
    assert winner(ranked(Extreme(greatest=greatest), None, 5)) == WAREHOUSE


@pytest.mark.parametrize(("crm", "warehouse"), [(1, "a"), ([1], [2]), (True, False)], ids=repr)
def test_what_has_no_order_is_for_a_person(crm: Value, warehouse: Value) -> None:
    assert ranked(Extreme(greatest=True), crm, warehouse) == Undecided(
        "the values have no order, so that none is the greatest"
    )


STAGES = Ladder(("lead", "mql", "customer"))


def test_the_value_further_along_the_ladder_wins() -> None:
    assert ranked(STAGES, "mql", "customer") == Wins(WAREHOUSE, "customer is further along")
    assert winner(ranked(STAGES, "mql", "lead")) == CRM


def test_the_first_rung_beats_no_rung() -> None:
    assert winner(ranked(STAGES, None, "lead")) == WAREHOUSE


def test_the_ladder_knows_a_value_by_its_name_in_the_picklist() -> None:
    stages = {CRM: {"customer": "C", "mql": "M"}, WAREHOUSE: {"customer": "3", "mql": "2"}}

    assert winner(ranked(STAGES, "C", "2", picklist=stages)) == CRM


def test_what_is_no_rung_is_for_a_person() -> None:
    assert ranked(STAGES, "evangelist", "lead") == Undecided(
        "'evangelist' is no rung of the ladder lead, mql, customer"
    )


@pytest.mark.parametrize("no", [False, "false", "No", 0, "0", "f"], ids=repr)
def test_a_no_beats_a_yes_in_every_spelling(no: Value) -> None:
    assert ranked(OptOut(), "yes", no) == Wins(WAREHOUSE, "a no beats everything else")
    assert winner(ranked(OptOut(), no, None)) == CRM


def test_a_no_may_have_a_word_of_its_own() -> None:
    assert winner(ranked(OptOut(("unsubscribed",)), "Unsubscribed", "subscribed")) == CRM


def test_where_nobody_says_no_a_person_is_asked() -> None:
    assert ranked(OptOut(), "yes", "perhaps") == Undecided("both sides changed it, and neither says no")
