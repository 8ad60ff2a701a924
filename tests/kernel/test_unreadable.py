"""What follows where a record cannot be read: its link is set aside, and nothing else is."""

from __future__ import annotations

import pytest

from antiphon.model import ConflictKind, LinkState, RecordState
from tests.kernel.ann import ANN, known
from tests.kernel.facts import CRM, WAREHOUSE, World, entity, field, opened, person, wrote


@pytest.mark.parametrize("state", [RecordState.ERROR, RecordState.HIDDEN])
def test_a_record_that_cannot_be_read_stops_its_link_and_nothing_else(state: RecordState) -> None:
    world, lid = known()
    world.pair(11, 12, email="bob@x", name="Bob")
    world.show(CRM, 1, state)
    world.show(WAREHOUSE, 2, name="Anna")
    world.show(CRM, 11, name="Bobby")

    plan = world.round()

    assert wrote(plan) == [(WAREHOUSE, "update", {"name": "Bobby"})]
    assert opened(plan) == [(ConflictKind.UNREADABLE, None)]
    assert world.get_link(lid).state is LinkState.QUARANTINED
    assert world.base(lid, "name") == {CRM: "Ann", WAREHOUSE: "Ann"}


def test_a_key_shown_twice_with_different_values_says_so() -> None:
    world, lid = known()
    world.show(CRM, 1, RecordState.ERROR, error="the key is not unique")

    world.round()

    assert world.get_link(lid).closed_reason == "the key is not unique"


def test_a_link_leaves_quarantine_with_its_changes() -> None:
    world, lid = known()
    world.show(CRM, 1, RecordState.ERROR)
    world.show(WAREHOUSE, 2, name="Anna")
    world.round()
    world.show(CRM, 1)

    plan = world.round()

    assert wrote(plan) == [(CRM, "update", {"name": "Anna"})]
    assert world.get_link(lid).state is LinkState.ACTIVE
    assert world.conflicts() == []


def test_a_parked_link_that_could_not_be_read_is_parked_again() -> None:
    world = World(person())
    world.show(CRM, 1, **ANN)
    world.show(WAREHOUSE, 2, **ANN)
    world.show(WAREHOUSE, 3, **ANN)
    world.round()
    world.show(CRM, 1, RecordState.ERROR)
    world.round()
    world.show(CRM, 1)

    plan = world.round()

    assert plan.operations == ()
    assert {link.state for link in world.links()} == {LinkState.PARKED}
    assert {c.kind for c in world.conflicts()} == {ConflictKind.AMBIGUOUS}


def test_a_field_that_waits_for_a_person_does_not_park_its_link_after_quarantine() -> None:
    stages = {CRM: {"lead": "L"}, WAREHOUSE: {"lead": "L"}}
    world = World(entity(field("stage", picklist=stages), field("name")))
    lid = world.pair(1, 2, stage="L", name="Ann")
    world.show(CRM, 1, stage="brand new")
    world.round()
    world.show(CRM, 1, RecordState.ERROR)
    world.round()
    world.show(CRM, 1)

    assert world.round().operations == ()
    assert world.get_link(lid).state is LinkState.ACTIVE
