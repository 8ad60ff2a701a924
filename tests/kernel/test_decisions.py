"""What waits for a person: conflicts, refused writes and unknown values, and what a decision does."""

from __future__ import annotations

from dataclasses import replace

from antiphon.model import Cause, ConflictKind, ConflictState, LinkState
from tests.kernel.ann import ANN, known
from tests.kernel.facts import CRM, WAREHOUSE, World, entity, field, opened, person, wrote


def conflicting() -> World:
    world, _ = known()
    world.show(CRM, 1, name="Anna")
    world.show(WAREHOUSE, 2, name="Anne")
    world.round()
    return world


def refused() -> tuple[World, str]:
    world, lid = known()
    world.show(CRM, 1, name="A" * 300)
    world.refuse(world.send(world.round().operations[0]), "too long")
    return world, lid


def test_a_person_takes_a_side() -> None:
    world = conflicting()
    world.decide(world.conflicts()[0], take=WAREHOUSE)

    plan = world.round()

    assert wrote(plan) == [(CRM, "update", {"name": "Anne"})]
    assert plan.operations[0].reasons == {"name": "decided by a person"}
    world.deliver(plan)
    world.round()
    assert world.conflicts() == []
    assert [(a.old, a.cause) for a in world.audits()] == [("Anna", Cause.SUPERSEDED)]


def test_a_person_gives_a_value() -> None:
    world = conflicting()
    world.decide(world.conflicts()[0], value="Annabel")

    assert sorted(wrote(world.round())) == [
        (CRM, "update", {"name": "Annabel"}),
        (WAREHOUSE, "update", {"name": "Annabel"}),
    ]


def test_a_value_that_a_person_gave_settles_down() -> None:
    world = conflicting()
    world.decide(world.conflicts()[0], value="Annabel")

    assert world.settle_down() == 1
    assert world.conflicts() == []


def test_a_decision_is_void_when_the_values_changed_since() -> None:
    world = conflicting()
    world.decide(world.conflicts()[0], take=WAREHOUSE)
    world.show(CRM, 1, name="Annabel")

    plan = world.round()

    assert plan.operations == ()
    assert [(c.state, c.decision) for c in plan.conflicts] == [(ConflictState.OPEN, None)]


def test_what_a_target_refused_is_parked_with_its_words() -> None:
    world, lid = refused()

    link = world.get_link(lid)
    assert (link.state, link.closed_reason) == (LinkState.PARKED, "warehouse refused it: too long")
    (conflict,) = world.conflicts(ConflictKind.REJECTED)
    assert conflict.evidence["message"] == "too long"
    assert world.base(lid, "name") == {CRM: "Ann", WAREHOUSE: "Ann"}


def test_what_was_refused_is_not_tried_again_as_it_was() -> None:
    world, lid = refused()
    world.touch()

    assert world.round().empty
    assert world.get_link(lid).state is LinkState.PARKED


def test_a_refused_record_that_changes_is_armed_again() -> None:
    world, lid = refused()
    world.show(CRM, 1, name="Anna")

    assert wrote(world.round()) == [(WAREHOUSE, "update", {"name": "Anna"})]
    assert world.get_link(lid).state is LinkState.ACTIVE
    assert world.conflicts() == []


def test_another_mapping_arms_what_was_refused() -> None:
    world, _ = refused()
    world.mapping = replace(world.mapping, version="2")
    world.touch()

    assert [side for side, _, _ in wrote(world.round())] == [WAREHOUSE]


def test_a_person_may_have_a_refused_write_tried_again() -> None:
    world, _ = refused()
    world.decide(world.conflicts()[0], retry=True)

    assert [side for side, _, _ in wrote(world.round())] == [WAREHOUSE]


def test_a_refused_create_is_armed_by_a_change_too() -> None:
    world = World(person())
    world.show(CRM, 1, **ANN)
    world.refuse(world.send(world.round().operations[0]), "no consent")
    world.touch()
    assert world.round().operations == ()

    world.show(CRM, 1, name="Anna")

    assert wrote(world.round()) == [(WAREHOUSE, "create", {"email": "ann@x", "name": "Anna"})]


def test_an_unmapped_value_parks_its_field_and_only_its_field() -> None:
    stages = {CRM: {"lead": "L"}, WAREHOUSE: {"lead": "lead"}}
    world = World(entity(field("stage", picklist=stages), field("name")))
    world.show(CRM, 1, stage="L", name="Ann", touched=False)
    world.show(WAREHOUSE, 2, stage="lead", name="Ann", touched=False)
    world.link(1, 2)
    world.show(CRM, 1, stage="brand new", name="Anna")

    plan = world.round()

    assert wrote(plan) == [(WAREHOUSE, "update", {"name": "Anna"})]
    assert opened(plan) == [(ConflictKind.UNMAPPED, "stage")]


def test_an_unmapped_value_keeps_a_new_record_waiting() -> None:
    world = World(entity(field("stage", picklist={CRM: {"lead": "L"}}), field("name")))
    world.show(CRM, 1, stage="brand new", name="Ann")

    plan = world.round()

    assert opened(plan) == [(ConflictKind.UNMAPPED, None)]
    world.show(CRM, 1, stage="L")
    assert wrote(world.round()) == [(WAREHOUSE, "create", {"stage": "lead", "name": "Ann"})]


def test_a_person_may_have_a_refused_create_tried_again() -> None:
    world = World(person())
    world.show(CRM, 1, **ANN)
    world.refuse(world.send(world.round().operations[0]), "no consent")
    world.decide(world.conflicts()[0], retry=True)

    assert wrote(world.round()) == [(WAREHOUSE, "create", ANN)]
