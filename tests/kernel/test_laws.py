"""The laws of planning (KERNEL section 11), on generated ledgers: I5, I6, I8, I11, I15, I16."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon import model
from antiphon.ledger.tables import OBS
from antiphon.mapping import Entity, Latest, OnDelete, Owner, Park, SetUnion
from antiphon.model import Op, OpKind, RecordState
from antiphon.plan import Plan
from tests.kernel.facts import CRM, EXAMPLES, SIDES, WAREHOUSE, World, entity, field, side

FEW = settings(max_examples=max(EXAMPLES // 10, 10), deadline=None, derandomize=True, database=None)
EMAILS = ["a@x", "b@x", "c@x", None]
WORDS = ["x", "y", "z", None, " X"]
KEYS = [1, 2, 3, 4]


def contact(**options: Any) -> Entity:
    there = side(on_delete=OnDelete.DELETE)
    return entity(
        field("email", normalize=(("lower", ""),)),
        field("name", Latest(Park())),
        field("phone", Owner(CRM)),
        field("tags", SetUnion()),
        match=(("email",),),
        crm=there,
        warehouse=there,
        **options,
    )


states = st.sampled_from([*[RecordState.LIVE] * 6, RecordState.GONE, RecordState.ERROR, RecordState.HIDDEN])
values = st.fixed_dictionaries(
    {},
    optional={
        "email": st.sampled_from(EMAILS),
        "name": st.sampled_from(WORDS),
        "phone": st.sampled_from(WORDS),
        "tags": st.sampled_from([["a"], ["a", "b"], [], None]),
    },
)
shown = st.tuples(st.sampled_from(SIDES), st.sampled_from(KEYS), states, values)
histories = st.tuples(st.lists(st.sampled_from(KEYS), unique=True, max_size=3), st.lists(shown, max_size=7))


def ledger(history: Any, **options: Any) -> World:
    """Some linked pairs that agree, and what the sides have shown since."""
    world = World(contact(), **options)
    pairs, reads = history
    for key in pairs:
        world.pair(key, key, email=f"{key}@x", name="x", phone="1", tags=["a"])
    for where, key, state, columns in reads:
        world.show(where, key, state, **columns)
    return world


def told(plan: Plan) -> list[Any]:
    return [(op.lid, op.side, op.kind, op.key, op.patch, op.expect, op.source) for op in plan.operations]


def as_before(world: World) -> None:
    world.run -= 1
    world.now -= 10_000_000


@FEW
@given(histories)
def test_the_same_ledger_gives_the_same_plan(history: Any) -> None:
    """I5, I14."""
    world = ledger(history)
    plan = world.plan()
    as_before(world)

    assert world.plan() == plan


@FEW
@given(histories)
def test_a_plan_that_was_stored_leaves_nothing_to_plan(history: Any) -> None:
    """I5. What the plan itself asks to be looked at again may take a few rounds more."""
    world = ledger(history)
    for _ in range(4):
        plan = world.round()
        if not plan.touch:
            break

    assert world.round().empty


@FEW
@given(histories, st.randoms(use_true_random=False))
def test_the_order_of_records_does_not_matter(history: Any, random: Any) -> None:
    """I6."""
    world, other = ledger(history), ledger(history)
    rows = list(other.ledger.store.scan(OBS))
    random.shuffle(rows)
    with other.ledger.transaction():
        other.ledger.store.remove(OBS, [row.key for row in rows])
        other.ledger.put(rows)

    facts = other.ledger.facts(SIDES)
    touched = list(facts.touched())
    random.shuffle(touched)

    assert told(other.plan(touched=touched)) == told(world.plan())


@FEW
@given(histories)
def test_a_deletion_is_never_written_over_an_edit_nor_without_proof(history: Any) -> None:
    """I8."""
    world = ledger(history)

    for op in world.plan().operations:
        if op.kind is OpKind.DELETE:
            other = CRM if op.side == WAREHOUSE else WAREHOUSE
            rid = world.members(op.lid)[other]
            gone = world.observation(other, rid)
            assert gone is not None
            assert gone.state is RecordState.GONE
            for name, value in op.expect.items():
                assert value == world.base(op.lid, name)[op.side] or name == "email"


@FEW
@given(histories)
def test_no_id_is_held_twice(history: Any) -> None:
    """I9."""
    world = ledger(history)
    world.settle_down(rounds=12)

    held = [(row.side, row.entity, row.rid) for row in world.dump()["member"] if row.held]
    assert len(held) == len(set(held))


@FEW
@given(histories)
def test_when_all_is_carried_out_the_sides_agree_or_somebody_is_asked(history: Any) -> None:
    """I1, I2."""
    world = ledger(history)
    world.settle_down(rounds=12)
    world.touch()

    plan = world.plan()
    assert plan.operations == ()
    waiting = {(c.lid, c.field) for c in world.conflicts()}
    for link in world.links():
        members = world.members(link.lid)
        if link.state.value != "active" or len(members) < 2:
            continue
        rows = [world.observation(where, members[where]) for where in SIDES]
        for name in ("name", "phone"):
            one, two = (row.fields.get(name) if row else None for row in rows)
            known = all(row is not None and name in row.fields for row in rows)
            assert one == two or not known or (link.lid, name) in waiting or (one in (None, "") and two in (None, ""))


@FEW
@given(histories, st.sampled_from([RecordState.ERROR, RecordState.HIDDEN]))
def test_a_poisoned_link_changes_no_operation_of_another(history: Any, state: RecordState) -> None:
    """I11."""
    history = ([k for k in history[0] if k != 9], history[1])
    clean, poisoned = ledger(history), ledger(history)
    for world in (clean, poisoned):
        lid = world.pair(9, 9, email="poison@x", name="x", phone="1", tags=["a"])
    poisoned.show(CRM, 9, state, name="z")
    clean.now += 10_000_000

    def others(world: World) -> list[Any]:
        return [op for op in told(world.plan()) if op[0] != lid]

    assert others(poisoned) == others(clean)


@FEW
@given(histories)
def test_what_is_not_mapped_is_never_written(history: Any) -> None:
    """I15."""
    world = ledger(history)
    for row in list(world.ledger.store.scan(OBS)):
        with world.ledger.transaction():
            world.ledger.put([model.replace(row, fields={**row.fields, "secret": "s", "unmapped": 1})])

    fields = set(world.mapping.entities["contact"].fields)
    for op in world.plan().operations:
        assert set(op.patch) | set(op.expect) | set(op.source) <= fields


# ---- I16: the mapping changes


def two_fields() -> World:
    world = World(entity(field("name"), field("phone")))
    world.pair(1, 2, name="Ann", phone="1")
    return world


def remap(world: World, *fields: Any, version: str = "2") -> None:
    old = world.mapping.entities["contact"]
    world.mapping = replace(
        world.mapping, entities={"contact": replace(old, fields={f.name: f for f in fields})}, version=version
    )
    world.touch()


def harmless(plan: Plan) -> bool:
    return all(op.kind is not OpKind.DELETE and None not in op.patch.values() for op in plan.operations)


def test_a_field_that_is_removed_stops_being_compared_and_keeps_its_base() -> None:
    world = two_fields()
    remap(world, field("name"))
    world.show(CRM, 1, phone="2", name="Anna")

    plan = world.round()

    assert [op.patch for op in plan.operations] == [{"name": "Anna"}]
    assert world.base("link-contact-1-2", "phone") == {CRM: "1", WAREHOUSE: "1"}


def test_a_field_that_is_added_is_settled_as_records_that_join() -> None:
    world = two_fields()
    world.show(CRM, 1, city="Rome", touched=False)
    world.show(WAREHOUSE, 2, city=None, touched=False)
    remap(world, field("name"), field("phone"), field("city"))

    plan = world.round()

    assert [op.patch for op in plan.operations] == [{"city": "Rome"}]


def test_a_field_that_is_added_and_that_no_record_shows_yet_writes_nothing() -> None:
    world = two_fields()
    world.show(CRM, 1, city="Rome", touched=False)
    remap(world, field("name"), field("phone"), field("city"))

    assert world.round().empty


def test_a_column_that_is_renamed_on_one_side_empties_nothing() -> None:
    world = two_fields()
    renamed = field("phone", columns={CRM: "phone", WAREHOUSE: "telephone"})
    remap(world, field("name"), renamed)

    assert world.round().empty
    world.show(WAREHOUSE, 2, telephone="1")
    assert world.round().empty


def test_a_column_that_leaves_the_schema_empties_nothing() -> None:
    world = two_fields()
    world.forget_column(CRM, 1, "phone")

    assert world.round().empty


def test_an_entity_that_leaves_the_mapping_is_left_alone() -> None:
    world = two_fields()
    world.show(CRM, 1, name="Anna")
    world.mapping = replace(world.mapping, entities={})

    plan = world.plan()

    assert (plan.rows, plan.touch, plan.untouch) == ((), (), ())


@FEW
@given(histories, st.sets(st.sampled_from(["email", "name", "phone", "tags", "city"]), min_size=1))
def test_no_change_of_the_mapping_deletes_or_empties(history: Any, kept: set[str]) -> None:
    world = ledger((history[0], []))
    fields = [f for f in [*contact().fields.values(), field("city")] if f.name in kept]
    old = world.mapping.entities["contact"]
    match = old.match if "email" in kept else ()
    changed = replace(old, fields={f.name: f for f in fields}, match=match)
    world.mapping = replace(world.mapping, entities={"contact": changed}, version="2")
    world.touch()

    assert harmless(world.plan())


# ---- I10: a base is a pair that stood together


def bases(world: World) -> set[tuple[str, str, str]]:
    return {
        (where, name, repr(base.value))
        for row in world.dump()["base"]
        for name, pair in row.fields.items()
        for where, base in pair.items()
    }


@FEW
@given(histories)
def test_a_base_is_a_pair_that_was_seen_or_written(history: Any) -> None:
    world = ledger(history)
    stood: set[tuple[str, str, str]] = set()

    def remember() -> None:
        for row in world.dump()["obs"]:
            stood.update((row.side, name, repr(value)) for name, value in row.fields.items())

    stood.update(bases(world))
    remember()
    for _ in range(5):
        plan = world.round()
        for op in plan.operations:
            stood.update((op.side, name, repr(value)) for name, value in op.patch.items())
        world.deliver(plan)
        remember()

    assert bases(world) <= stood


@pytest.mark.parametrize("side_", SIDES)
def test_every_operation_of_a_plan_has_an_id_of_its_own(side_: str) -> None:
    world = World(contact())
    for key in range(20):
        world.show(side_, key, email=f"{key}@x", name="x")

    ops: tuple[Op, ...] = world.plan().operations

    assert len({op.op_id for op in ops}) == len(ops) == 20
