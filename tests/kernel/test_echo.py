"""Writes that come back changed, and sides that differ though nobody changed anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from antiphon.mapping import Field
from antiphon.model import BaseStatus, ConflictKind, Op, Side, Value
from antiphon.plan.echo import MOST_CHANGES, MOST_ECHOES
from tests.kernel.facts import CRM, SECOND, WAREHOUSE, World, entity, field, opened, person, side, wrote

NAME = entity(field("name"))


def writes(world: World, *, keeps: Callable[[Side, Value], Value], rounds: int) -> list[Op]:
    """Rounds in which each side keeps its own form of what it is sent, and shows it at the next look."""
    done = []
    for _ in range(rounds):
        plan = world.round()
        for op in plan.operations:
            world.answer(world.send(op), stored=dict(op.patch))  # the target tells what it sent, not what is kept
            done.append(op)
        for op in plan.operations:
            world.show(op.side, 1, name=keeps(op.side, op.patch["name"]))
    return done


def loud_and_quiet(where: Side, value: Value) -> Value:
    return str(value).upper() if where == CRM else str(value).lower()


def test_two_systems_that_rewrite_each_other_are_parted_after_three_writes_that_came_back() -> None:
    world = World(NAME)
    world.pair(1, 1, name="x")
    world.show(CRM, 1, name="Bob")
    done = writes(world, keeps=loud_and_quiet, rounds=10)
    assert [op.side for op in done] == [WAREHOUSE, CRM, WAREHOUSE]
    assert [dict(op.echoes) for op in done] == [{}, {"name": 1}, {"name": 2}]
    (conflict,) = world.conflicts(ConflictKind.PING_PONG)
    assert conflict.field == "name"
    assert f"written {MOST_ECHOES} times in a row" in conflict.evidence["reason"]
    assert world.links()[0].state == "active"  # the other fields go on


def test_a_value_that_drifts_a_little_with_every_round_is_parted_too() -> None:
    """An hour is added by each reading of a local time."""
    world = World(entity(field("name")))
    world.pair(1, 1, name=0)
    world.show(CRM, 1, name=1)
    done = writes(world, keeps=lambda _side, value: int(str(value)) + 1, rounds=10)
    assert len(done) == MOST_CHANGES


def test_a_rule_on_the_receiving_side_of_a_one_way_field_is_parted_too() -> None:
    world = World(entity(field("name", direction=(CRM, WAREHOUSE))))
    world.pair(1, 1, name="x")
    world.show(CRM, 1, name="Bob")
    done = writes(world, keeps=lambda _side, _value: "set by a workflow", rounds=10)
    assert [op.side for op in done] == [WAREHOUSE] * MOST_ECHOES


def test_people_who_edit_between_the_rounds_are_never_taken_for_a_rule() -> None:
    world = World(NAME)
    world.pair(1, 1, name="x")
    for number in range(12):
        where = (CRM, WAREHOUSE)[number % 2]
        world.show(CRM, 1, touched=False)
        world.show(WAREHOUSE, 1, touched=False)  # a look without the change, after the last write
        world.show(where, 1, name=f"edit {number}")
        plan = world.round()
        assert opened(plan) == []
        assert [dict(op.echoes) for op in plan.operations] == [{}]
        world.deliver(plan)


def test_people_of_both_sides_who_each_time_edit_right_after_our_write_are_not_taken_for_a_rule() -> None:
    world = World(NAME)
    world.pair(1, 1, name="x")
    world.show(CRM, 1, name="edit 0")
    for number in range(1, MOST_CHANGES):
        plan = world.round()
        assert opened(plan) == []
        (op,) = plan.operations
        world.answer(world.send(op))
        world.show(op.side, 1, name=f"edit {number}")


def parted() -> World:
    world = World(NAME)
    world.pair(1, 1, name="x")
    world.show(CRM, 1, name="Bob")
    writes(world, keeps=loud_and_quiet, rounds=6)
    assert world.conflicts(ConflictKind.PING_PONG)
    return world


def test_an_edit_of_a_persons_own_ends_it() -> None:
    world = parted()
    world.show(WAREHOUSE, 1, touched=False)
    world.show(CRM, 1, touched=False)
    world.show(CRM, 1, name="Robert")
    world.show(WAREHOUSE, 1, name="Robert")
    world.round()
    assert not world.conflicts()


def test_a_person_decides_and_it_is_written_once_more() -> None:
    world = parted()
    (conflict,) = world.conflicts(ConflictKind.PING_PONG)
    world.decide(conflict, take=CRM)
    plan = world.round()
    assert [op.side for op in plan.operations] == [WAREHOUSE]
    assert dict(plan.operations[0].echoes) == {}


# ---- neither side changed, and they differ


def test_what_a_new_mapping_makes_different_is_found_and_a_person_is_asked() -> None:
    mine = field("name", normalize=(("lower", ""),))
    world = World(entity(mine))
    world.show(CRM, 1, name="ANN")
    world.show(WAREHOUSE, 1, name="ann")
    lid = world.link(1, 1)
    assert world.round().empty
    world.mapping = replace(world.mapping, entities={"contact": entity(field("name"))}, version="2")
    world.touch()
    assert opened(world.round()) == [(ConflictKind.DIVERGED, "name")]
    (conflict,) = world.conflicts()
    assert conflict.values == {CRM: {"name": "ANN"}, WAREHOUSE: {"name": "ann"}}
    world.decide(conflict, take=CRM)
    plan = world.round()
    assert wrote(plan) == [(WAREHOUSE, "update", {"name": "ANN"})]
    world.deliver(plan)
    assert world.settle_down() == 0
    assert not world.conflicts()
    assert world.base(lid, "name") == {CRM: "ANN", WAREHOUSE: "ANN"}


def test_a_value_for_both_settles_a_divergence_too() -> None:
    world = World(person())
    lid = world.pair(1, 1, email="a@x", name="Ann")
    world.put_base(lid, "name", {WAREHOUSE: "Bob"})
    world.show(WAREHOUSE, 1, name="Bob")
    world.round()
    (conflict,) = world.conflicts()
    world.decide(conflict, value="Anna")
    world.deliver(world.round())
    world.settle_down()
    assert world.base(lid, "name") == {CRM: "Anna", WAREHOUSE: "Anna"}


def test_a_base_that_never_was_a_pair_is_found_at_the_next_look() -> None:
    world = World(person())
    lid = world.pair(1, 1, email="a@x", name="Ann")
    world.put_base(lid, "name", {WAREHOUSE: "Bob"})
    world.show(WAREHOUSE, 1, name="Bob")
    assert opened(world.round()) == [(ConflictKind.DIVERGED, "name")]


@pytest.mark.parametrize("later", [False, True])
def test_a_form_that_the_target_keeps_of_what_it_was_sent_is_no_divergence(later: bool) -> None:  # noqa: FBT001 drawn
    world = World(NAME)
    lid = world.pair(1, 1, name="x")
    world.show(CRM, 1, name="a very long name")
    (op,) = world.round().operations
    world.answer(world.send(op), stored={"name": "a very long"})
    assert world.base_rows(lid, "name")[WAREHOUSE].status is BaseStatus.STORED
    if later:
        world.mapping = replace(world.mapping, version="2")
    world.touch()
    assert world.round().empty


def test_a_one_way_field_is_sent_anew_when_sync_yml_makes_something_else_of_it() -> None:
    def mapped(*steps: tuple[str, str]) -> Any:
        mine: Field = field("name", direction=(CRM, WAREHOUSE), transform=steps)
        return {"contact": entity(mine, warehouse=side(columns={"name": {"type": "string"}}))}

    world = World(*mapped(("template", "<{value}>")).values())
    world.show(CRM, 1, name="x")
    world.show(WAREHOUSE, 1, name="<x>")
    world.link(1, 1)
    world.touch()
    assert world.round().empty
    world.mapping = replace(world.mapping, entities=mapped(("template", "[{value}]")), version="2")
    world.touch()
    assert wrote(world.round()) == [(WAREHOUSE, "update", {"name": "[x]"})]


def test_the_time_of_a_write_is_what_tells_an_echo_from_an_edit() -> None:
    world = World(NAME)
    world.pair(1, 1, name="x")
    world.show(CRM, 1, name="Bob")
    (op,) = world.round().operations
    done = world.answer(world.send(op))
    assert done.acked_at is not None
    world.show(WAREHOUSE, 1, name="Rob", changed_in={"name": (done.acked_at + SECOND, world.now)})
    (next_op,) = world.round().operations
    assert dict(next_op.echoes) == {}
