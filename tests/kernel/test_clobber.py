"""An edit that our own write replaced: kept, weighed by the policy as any other edit, and given back if it wins."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from antiphon.mapping import Counter, Field, Kind, Latest, Owner, Park, Policy, SetUnion
from antiphon.model import Cause, ConflictKind, Value
from antiphon.protocol import Status
from tests.kernel.facts import CRM, WAREHOUSE, World, entity, field, wrote


def clobbered(policy: Policy, *, was: Value = "x", ours: Value = "ours", edit: Value = "edit", **options: Any) -> World:
    """The CRM's value is written to the warehouse, where somebody edits it between the target's look and its write."""
    mine: Field = field("f", policy, **options)
    world = World(entity(mine, field("other")))
    world.pair(1, 1, f=was, other="o")
    world.show(CRM, 1, f=ours)
    (op,) = world.round().operations
    world.answer(world.send(op), stored={"f": op.patch["f"]}, found={"f": edit})
    return world


def ends(world: World) -> tuple[Value, Value]:
    world.settle_down()
    shown = [world.observation(where, 1) for where in (CRM, WAREHOUSE)]
    first, second = (row.fields["f"] for row in shown if row is not None)
    return first, second


def audit(world: World) -> list[tuple[str, Value, Value]]:
    return [(row.cause.value, row.old, row.new) for row in world.audits()]


def test_the_edit_is_in_the_audit_and_waits_as_a_conflict_before_anything_else_is_planned() -> None:
    world = clobbered(Park())
    assert (Cause.CLOBBERED.value, "edit", "ours") in audit(world)
    (conflict,) = world.conflicts(ConflictKind.CLOBBERED)
    assert conflict.values == {WAREHOUSE: {"f": "edit"}}
    assert conflict.evidence["reason"] == "warehouse changed it in the moment before our write, which replaced it"


def test_an_edit_that_a_second_runner_replaced_with_the_same_write_is_kept_once_and_comes_over() -> None:
    """Both runners sent it; the receipt of the one that was fenced off is read last, and perhaps twice."""
    world = World(entity(field("f", Owner(CRM))))
    world.pair(1, 1, f="x")
    world.show(CRM, 1, f="ours")
    (op,) = world.round().operations
    done = world.answer(world.send(op), stored={"f": "ours"})

    for _ in range(2):
        world.answer(done, stored={"f": "ours"}, found={"f": "edit"})

    assert audit(world).count((Cause.CLOBBERED.value, "edit", "ours")) == 1
    assert ends(world) == ("edit", "edit")


def test_if_the_other_side_owns_it_what_stands_there_stays() -> None:
    world = clobbered(Owner(CRM))
    assert world.round().operations == ()
    assert not world.conflicts()
    assert ends(world) == ("ours", "ours")
    assert world.base("link-contact-1-1", "f") == {CRM: "ours", WAREHOUSE: "ours"}


def test_if_its_own_side_owns_it_the_edit_is_given_back_and_goes_over() -> None:
    world = clobbered(Owner(WAREHOUSE))
    plan = world.round()
    assert wrote(plan) == [(CRM, "update", {"f": "edit"}), (WAREHOUSE, "update", {"f": "edit"})] or wrote(plan) == [
        (WAREHOUSE, "update", {"f": "edit"}),
        (CRM, "update", {"f": "edit"}),
    ]
    back = next(op for op in plan.operations if op.side == WAREHOUSE)
    assert (dict(back.expect), back.reasons) == ({"f": "ours"}, {"f": "an edit that our own write had replaced"})
    world.deliver(plan)
    assert ends(world) == ("edit", "edit")
    assert not world.conflicts()


def test_the_later_edit_is_the_one_made_after_our_look() -> None:
    world = clobbered(Latest(Park()))
    world.deliver(world.round())
    assert ends(world) == ("edit", "edit")


def test_if_a_person_is_to_decide_both_values_wait_and_either_may_win() -> None:
    for winner, value in ((CRM, "ours"), (WAREHOUSE, "edit")):
        world = clobbered(Park())
        assert world.round().operations == ()
        (conflict,) = world.conflicts(ConflictKind.CLOBBERED)
        assert conflict.values == {CRM: {"f": "ours"}, WAREHOUSE: {"f": "edit"}}
        assert world.round().empty
        world.decide(conflict, take=winner)
        world.deliver(world.round())
        assert ends(world) == (value, value)
        assert not world.conflicts()


def test_members_that_either_side_added_are_all_there_in_the_end() -> None:
    world = clobbered(SetUnion(), was=["a"], ours=["a", "b"], edit=["a", "c"], kind=Kind.LIST)
    world.deliver(world.round())
    assert ends(world) == (["a", "b", "c"], ["a", "b", "c"])
    assert not world.conflicts()


def test_what_was_counted_in_that_moment_is_counted() -> None:
    world = clobbered(Counter(), was=10, ours=13, edit=Decimal("10.5"), kind=Kind.NUMBER)
    world.deliver(world.round())
    assert ends(world) == (Decimal("13.5"), Decimal("13.5"))
    assert not world.conflicts()


def test_the_giving_back_is_tried_until_it_lands() -> None:
    world = clobbered(Owner(WAREHOUSE))
    plan = world.round()
    for op in plan.operations:
        if op.side == CRM:
            world.answer(world.send(op))
        else:
            world.answer(world.send(op), Status.STALE, found={"f": "ours"})
    plan = world.round()
    assert wrote(plan) == [(WAREHOUSE, "update", {"f": "edit"})]
    world.deliver(plan)
    assert ends(world) == ("edit", "edit")


def test_another_edit_since_is_the_one_that_counts() -> None:
    world = clobbered(Owner(WAREHOUSE))
    world.show(WAREHOUSE, 1, f="once more")
    world.deliver(world.round())
    assert ends(world) == ("once more", "once more")
    assert not world.conflicts()


def test_another_edit_since_counts_as_one_even_if_it_is_the_value_from_before_our_write() -> None:
    world = clobbered(Park())
    world.round()
    world.show(WAREHOUSE, 1, f="x")
    world.deliver(world.round())
    assert ends(world) == ("x", "x")
    assert not world.conflicts()


def test_an_edit_of_a_field_that_sync_yml_has_lost_is_let_go() -> None:
    world = clobbered(Park(), group="both")
    entities = {"contact": entity(field("other", group="both"))}
    world.mapping = replace(world.mapping, entities=entities, version="2")
    world.touch()
    world.round()
    assert not world.conflicts()


@pytest.mark.parametrize("found", [{}, {"f": "ours"}, {"unmapped": 1}], ids=repr)
def test_a_target_that_found_nothing_else_replaced_nothing(found: dict[str, Value]) -> None:
    world = World(entity(field("f")))
    world.pair(1, 1, f="x")
    world.show(CRM, 1, f="ours")
    (op,) = world.round().operations
    world.answer(world.send(op), stored={"f": "ours"}, found=found)
    assert not world.conflicts()
    assert world.settle_down() == 0


def test_of_a_group_the_whole_moves() -> None:
    fields = [field("street", Owner(WAREHOUSE), group="address"), field("city", Owner(WAREHOUSE), group="address")]
    world = World(entity(*fields))
    world.pair(1, 1, street="s", city="c")
    world.show(CRM, 1, street="S", city="C")
    (op,) = world.round().operations
    world.answer(world.send(op), stored={"street": "S", "city": "C"}, found={"city": "edit"})
    world.deliver(world.round())
    world.settle_down()
    shown = [world.observation(where, 1) for where in (CRM, WAREHOUSE)]
    assert {(row.fields["street"], row.fields["city"]) for row in shown if row is not None} == {("S", "edit")}
