"""What a side, a person who reviews or the readings of the other side do not let go out."""

from __future__ import annotations

from antiphon import model
from antiphon.mapping import OnDelete
from antiphon.model import ConflictKind, LinkState, OpKind
from antiphon.plan.review import fingerprint, marked
from tests.kernel.ann import ANN, deleting, known
from tests.kernel.facts import CRM, WAREHOUSE, World, entity, field, opened, person, side, wrote


def test_a_side_may_forbid_creates() -> None:
    world = World(person(warehouse=side(allow=frozenset({OpKind.UPDATE}))))
    world.show(CRM, 1, **ANN)

    plan = world.round()

    assert opened(plan) == [(ConflictKind.FORBIDDEN, None)]
    assert plan.conflicts[0].evidence["reason"] == "warehouse does not allow creates (`allow:`)"
    world.touch()
    assert world.round().empty


def test_a_side_may_forbid_updates() -> None:
    world = World(person(warehouse=side(allow=frozenset({OpKind.CREATE}))))
    world.pair(1, 2, **ANN)
    world.show(CRM, 1, name="Anna")

    plan = world.round()

    assert plan.operations == ()
    assert opened(plan) == [(ConflictKind.FORBIDDEN, "name")]


def test_a_key_column_is_never_updated() -> None:
    world = World(entity(field("id"), field("name")))
    world.pair(1, 1, id=1, name="Ann")
    world.show(CRM, 1, id=7)

    assert opened(world.round()) == [(ConflictKind.KEY, "id")]


def test_a_held_side_is_not_written_and_looked_at_again() -> None:
    world, _ = known()
    world.show(CRM, 1, name="Anna")

    plan = world.round(held={WAREHOUSE: "not read"})

    assert plan.operations == ()
    assert set(plan.waits.values()) == {"not read"}
    assert wrote(world.round()) == [(WAREHOUSE, "update", {"name": "Anna"})]


def test_a_held_side_gets_no_creates_and_no_deletes() -> None:
    world, _ = deleting(OnDelete.DELETE)
    world.show(CRM, 5, email="eve@x", name="Eve")
    world.gone(CRM, 1)

    assert world.round(held={WAREHOUSE: "not read"}).operations == ()
    assert sorted(kind for _, kind, _ in wrote(world.round())) == ["create", "delete"]


def test_only_reviewed_operations_go_out() -> None:
    world, _ = known()
    world.pair(11, 12, email="bob@x", name="Bob")
    world.show(CRM, 1, name="Anna")
    world.show(CRM, 11, name="Bobby")
    reviewed = frozenset({fingerprint(world.plan().operations[0])})

    plan = world.round(reviewed=reviewed)

    assert len(plan.operations) == 1
    assert set(plan.waits.values()) == {"it is not in the reviewed plan"}
    assert fingerprint(plan.operations[0]) in reviewed


def test_a_reviewed_plan_creates_and_deletes_nothing_else() -> None:
    world, lid = deleting(OnDelete.DELETE)
    world.gone(CRM, 1)
    world.show(CRM, 5, email="eve@x", name="Eve")

    plan = world.round(reviewed=frozenset())

    assert plan.operations == ()
    assert world.get_link(lid).state is LinkState.ACTIVE
    assert len(world.round().operations) == 2


def test_a_fingerprint_is_the_same_whenever_it_is_taken() -> None:
    world, _ = known()
    world.show(CRM, 1, name="Anna")
    first, second = world.plan().operations[0], world.plan().operations[0]

    assert first.op_id != second.op_id
    assert fingerprint(first) == fingerprint(second)
    assert fingerprint(model.replace(first, patch={"name": "Anne"})) != fingerprint(first)
    hidden = marked(first, "name", "Anna")
    assert fingerprint(model.replace(first, patch={"name": hidden})) == fingerprint(first)


def test_a_column_that_a_foreign_side_no_longer_shows_is_not_written() -> None:
    world = World(entity(field("name"), field("phone"), warehouse=side(receipts=False)))
    world.pair(1, 2, name="Ann", phone="1")
    world.read(WAREHOUSE, schema={"id": {}, "name": {}})
    world.show(CRM, 1, name="Anna", phone="2")

    plan = world.round()

    assert wrote(plan) == [(WAREHOUSE, "update", {"name": "Anna"})]
    assert "warehouse does not show phone any more, so what is there is not known" in plan.waits.values()
