"""Ann, and what had befallen her before a story begins."""

from __future__ import annotations

from typing import Any

from antiphon.mapping import OnDelete, Uuid
from antiphon.model import Op
from tests.kernel.facts import CRM, WAREHOUSE, World, person, side

ANN: dict[str, Any] = {"email": "ann@x", "name": "Ann"}


def known() -> tuple[World, str]:
    """Ann, linked on both sides and agreed."""
    world = World(person())
    return world, world.pair(1, 2, **ANN)


def deleting(policy: OnDelete, **options: object) -> tuple[World, str]:
    sides = {where: side(on_delete=policy, **options) for where in (CRM, WAREHOUSE)}
    world = World(person(**sides))
    return world, world.pair(1, 2, **ANN)


def foreign(**options: Any) -> World:
    """Both targets are foreign: no receipts."""
    sides = {
        where: side(receipts=False, key_rule=Uuid(), deletes=True, on_delete=OnDelete.DELETE)
        for where in (CRM, WAREHOUSE)
    }
    return World(person(**{**sides, **options}))


def changed(world: World, name: str = "Anna") -> tuple[str, Op]:
    """Ann's name changed in the CRM, and the write to the warehouse is planned."""
    lid = world.pair(1, 2, **ANN)
    world.show(CRM, 1, name=name)
    (op,) = world.round().operations
    return lid, op
