"""A user's function as a policy: asked in the planner, believed as far as its answer can be checked."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.hooks import ask
from antiphon.mapping import Kind, Python
from antiphon.model import Value
from antiphon.protocol import Status
from antiphon.verdicts import Combined, Contest, Question, Undecided, Verdict, Wins
from tests.kernel.facts import CRM, SIDES, WAREHOUSE, World, entity, field, law, opened, wrote


def longest(question: Question) -> Verdict:
    """The longer text wins; texts of one length are for a person."""
    a, b = question.sides
    one, two = len(str(question.values[a])), len(str(question.values[b]))
    return Undecided("both are of one length") if one == two else Wins(a if one > two else b, "the longer one")


def lines(question: Question) -> Verdict:
    """All lines of both notes, each once, in order: the same however often it is applied."""
    found = sorted({line for value in question.values.values() for line in str(value or "").split("|") if line})
    return Combined(("|".join(found),), "the lines of both")


def settle(call: Callable[[Any], object], crm: Value = "x", warehouse: Value = "yy", **options: Any) -> Verdict:
    policy = Python("rules:f", call)
    asked = Contest(SIDES, {CRM: crm, WAREHOUSE: warehouse}, dict.fromkeys(SIDES, "z"), {})
    return ask(policy, field("f", policy, **options), asked)


def test_its_verdict_is_carried_out_and_its_reason_stands_with_the_write() -> None:
    world = World(entity(field("f", Python("rules:longest", longest))))
    world.pair(1, 1, f="a")
    world.show(CRM, 1, f="abc")
    world.show(WAREHOUSE, 1, f="ab")
    plan = world.round()
    assert wrote(plan) == [(WAREHOUSE, "update", {"f": "abc"})]
    assert plan.operations[0].reasons == {"f": "rules:longest: the longer one"}
    world.deliver(plan)
    assert world.settle_down() == 0


def test_what_it_leaves_undecided_waits_for_a_person() -> None:
    world = World(entity(field("f", Python("rules:longest", longest))))
    world.pair(1, 1, f="a")
    world.show(CRM, 1, f="ab")
    world.show(WAREHOUSE, 1, f="cd")
    world.round()
    (conflict,) = world.conflicts()
    assert conflict.policy == "python"
    assert conflict.evidence["reason"] == "rules:longest: both are of one length"


def _raises(_question: Question) -> Verdict:
    raise KeyError("no such thing")


_ticks = itertools.count()

FAULTS: list[tuple[Callable[[Any], object], str]] = [
    (_raises, "rules:f raised KeyError: 'no such thing'"),
    (lambda _q: None, "rules:f gave a NoneType; allowed: Wins, Combined, Undecided of antiphon.verdicts"),
    (lambda q: q.values[CRM], "rules:f gave a str; allowed: Wins, Combined, Undecided of antiphon.verdicts"),
    (lambda _q: Wins("crn", ""), "rules:f let 'crn' win; the sides are crm and warehouse"),
    (lambda _q: Wins(CRM, 7), "rules:f gave a Wins; allowed: Wins, Combined, Undecided of antiphon.verdicts"),  # type: ignore[arg-type]
    (lambda _q: Combined((), ""), "rules:f gave a Combined that is not one value with a reason"),
    (lambda _q: Combined(("a", "b"), ""), "rules:f gave a Combined that is not one value with a reason"),
    (lambda _q: Combined((object(),), ""), "rules:f gave a object, which is no JSON value"),  # type: ignore[arg-type]  # wrong on purpose
    (
        lambda _q: Combined((str(next(_ticks)),), ""),
        "rules:f answered the same question in two ways: it must not look at time, chance or state",
    ),
    (
        lambda q: Combined((q.values[CRM] + q.values[WAREHOUSE],), ""),
        "rules:f makes another value of its own answer: with crm holding it already, it must give the same value again",
    ),
]


@pytest.mark.parametrize(
    ("call", "said"), FAULTS, ids=[f"{number} {said[:40]}" for number, (_, said) in enumerate(FAULTS)]
)
def test_what_cannot_be_believed_is_parked_with_the_reason(call: Callable[[Any], object], said: str) -> None:
    assert settle(call) == Undecided(said)


def test_words_are_no_value_of_a_number() -> None:
    assert settle(lambda _q: Combined(("many",), ""), 1, 2, kind=Kind.NUMBER) == Undecided(
        "rules:f gave a str for a number"
    )


def test_what_it_raises_may_hold_a_value_so_that_of_a_sensitive_field_nothing_is_told() -> None:
    assert settle(_raises, sensitive=True) == Undecided("rules:f raised KeyError")


def test_it_gets_copies_and_cannot_change_what_was_observed() -> None:
    shared: list[Value] = ["a"]

    def spoils(question: Question) -> Verdict:
        value = question.values[CRM]
        assert isinstance(value, list)
        value.append("b")
        return Wins(CRM, "")

    assert settle(spoils, shared) == Wins(CRM, "rules:f")
    assert shared == ["a"]


def test_its_own_answer_on_one_side_may_win_as_it_is() -> None:
    def joined(question: Question) -> Verdict:
        whole = [side for side in question.sides if question.values[side] == "x+yy"]
        return Wins(whole[0], "") if whole else Combined(("x+yy",), "")

    assert settle(joined) == Combined(("x+yy",), "rules:f")


words = st.lists(st.sampled_from("abcd"), max_size=3).map("|".join)


@law
@given(words, words, words, st.permutations(SIDES))
def test_a_value_made_of_both_arrives_on_both_however_the_writes_land(
    base: str, crm: str, warehouse: str, order: list[str]
) -> None:
    world = World(entity(field("f", Python("rules:lines", lines), kind=Kind.TEXT)))
    world.pair(1, 1, f=base)
    world.show(CRM, 1, f=crm)
    world.show(WAREHOUSE, 1, f=warehouse)
    plan = world.round()
    assert opened(plan) == []
    ops = {op.side: op for op in plan.operations}
    for where in order:
        if where in ops and where == order[0]:
            world.answer(world.send(ops[where]))
        elif where in ops:  # it does not land; what it was to bring is planned again
            world.answer(world.send(ops[where]), Status.STALE)
    world.settle_down()

    ends = {str(row.fields["f"] or "") for where in SIDES if (row := world.observation(where, 1)) is not None}
    assert len(ends) == 1
