"""When a record that a read did not show is gone."""

from __future__ import annotations

from antiphon.ledger.tables import OBS
from antiphon.model import RecordState
from tests.show.world import World, lived


def state_of(world: World, key: str) -> RecordState:
    shown = world.ledger.get(OBS, "crm", "contact", f'["{key}"]')
    assert shown is not None
    return shown.state


def test_one_read_proves_nothing_of_a_linked_record_nor_of_one_that_nobody_holds_yet() -> None:
    world = lived()
    world.add("crm", "c8", email="liz@x.com")
    world.begin()
    world.read()  # a run that ends before it plans
    del world.rows["crm"]["c8"], world.rows["crm"]["c1"]

    world.begin()
    world.read()

    assert [state_of(world, key) for key in ("c1", "c8")] == [RecordState.LIVE] * 2
    assert [op for op in world.propose().operations if "liz@x.com" in op.patch.values()] == []
    world.begin()
    world.read()
    assert [state_of(world, key) for key in ("c1", "c8")] == [RecordState.GONE] * 2
