"""The policies that weigh two values: max, min, ladder, optout. Cases as data, each through the merge itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.mapping import Entity, EntitySide, Extreme, Field, Kind, Ladder, OptOut, Policy
from antiphon.merge import Hold, Reading, Send, Surroundings, merge
from antiphon.model import Side, Value

A, B = "crm", "warehouse"
MAX, MIN = Extreme(greatest=True), Extreme(greatest=False)
STAGES = Ladder(("lead", "mql", "sql", "customer"))


def outcome(
    policy: Policy, a: Value, b: Value, kind: Kind = Kind.ANY, picklist: dict[Side, dict[str, str]] | None = None
) -> Value | None:
    """The value that both sides end with; None if a person must look."""
    field = Field("f", {A: "f", B: "f"}, policy, kind, picklist=picklist or {})
    sides = {A: EntitySide("a", ("id",)), B: EntitySide("b", ("id",))}
    around = Surroundings(Entity("e", sides, {"f": field}), lambda *_: None, lambda *_: None)
    found = merge((A, B), [Reading(field, {A: a, B: b}, {A: "was", B: "was"})], around)
    if isinstance(found, Hold):
        return None
    assert isinstance(found, Send)
    (write,) = found.writes
    return write.value


CASES = [
    (MAX, 3, 7, Kind.NUMBER, 7),
    (MIN, 3, 7, Kind.NUMBER, 3),
    (MAX, "9", "10", Kind.NUMBER, "10"),
    (MAX, "9", "10", Kind.TEXT, "9"),  # text goes by its letters
    (MAX, -1, None, Kind.NUMBER, -1),
    (MAX, "2026-01-02", "2026-01-01", Kind.DATE, "2026-01-02"),
    (MIN, "2026-01-01T12:00:00+02:00", "2026-01-01T10:30:00Z", Kind.DATETIME, "2026-01-01T12:00:00+02:00"),
    (MAX, 3, "many", Kind.ANY, None),  # no order between a number and a text
    (MAX, True, False, Kind.BOOLEAN, None),
    (STAGES, "lead", "sql", Kind.TEXT, "sql"),
    (STAGES, "customer", "sql", Kind.TEXT, "customer"),
    (STAGES, "lead", None, Kind.TEXT, "lead"),
    (STAGES, "lead", "lost", Kind.TEXT, None),
    (OptOut(), True, False, Kind.BOOLEAN, False),
    (OptOut(), "no", "maybe", Kind.TEXT, "no"),
    (OptOut(), True, None, Kind.BOOLEAN, None),  # neither says no
    (OptOut(("unsubscribed", "bounced")), "subscribed", "Bounced", Kind.TEXT, "Bounced"),
]


@pytest.mark.parametrize(("policy", "a", "b", "kind", "expected"), CASES, ids=repr)
def test_both_sides_end_with_the_value_that_weighs_more(
    policy: Policy, a: Value, b: Value, kind: Kind, expected: Value
) -> None:
    assert outcome(policy, a, b, kind) == expected


@pytest.mark.parametrize(("policy", "a", "b", "kind", "expected"), CASES, ids=repr)
def test_it_does_not_matter_which_side_is_which(
    policy: Policy, a: Value, b: Value, kind: Kind, expected: Value
) -> None:
    assert outcome(policy, b, a, kind) == expected


def test_a_ladder_weighs_by_the_names_of_the_picklist() -> None:
    names = {A: {"mql": "marketingqualifiedlead"}, B: {"mql": "M", "lead": "L"}}
    names[A] |= {"lead": "lead"}
    assert outcome(STAGES, "marketingqualifiedlead", "L", Kind.TEXT, names) == "M"


@given(st.lists(st.integers(), min_size=3, max_size=3, unique=True))
def test_max_and_min_are_associative(values: list[int]) -> None:
    for policy, expected in ((MAX, max(values)), (MIN, min(values))):
        first = outcome(policy, values[0], values[1], Kind.NUMBER)
        last = first if first == values[2] else outcome(policy, first, values[2], Kind.NUMBER)
        assert last == expected
