"""What counts as a difference between two linked records."""

from __future__ import annotations

import pytest

from antiphon.ledger.tables import BASE, MEMBER
from antiphon.model import Base, Bases, BaseStatus
from antiphon.sync.verify import Verified, verify
from tests.show.world import World, lived


def verified(world: World) -> Verified:
    world.begin()
    world.read()
    return verify(world.ledger, world.mapping, world.propose())


@pytest.mark.parametrize("status", BaseStatus)
def test_what_a_side_made_of_our_write_is_no_difference_be_it_agreed_or_in_doubt(status: BaseStatus) -> None:
    world = lived()
    (holder,) = world.ledger.store.find(MEMBER, "holder", [("crm", "contact", '["c1"]', True)])
    bases = world.ledger.get(BASE, holder.lid)
    assert isinstance(bases, Bases)
    pair = {side: Base(value, "v1", status) for side, value in {"crm": "Ann", "warehouse": "ANN"}.items()}
    with world.ledger.transaction():
        world.ledger.put([Bases(holder.lid, {**bases.fields, "name": pair})])
    world.rows["warehouse"]["w1"]["first_name"] = "ANN"

    found = verified(world)

    assert found.agreed == 3 - len(found.differing)
    assert [line.partition(": ")[2] for line in found.differing] == (
        ['name differs (crm ["c1"], warehouse ["w1"])'] if status is BaseStatus.AGREED else []
    )
    world.rows["warehouse"]["w1"]["first_name"] = "Anne"  # edited
    assert verified(world).waiting == 1
