"""What follows where a linked record changed on one side or on both."""

from __future__ import annotations

from antiphon.mapping import Latest, Owner, Park, SetUnion
from antiphon.model import MISSING, Cause, ConflictKind, LinkState, OpKind, OpState
from tests.kernel.ann import known
from tests.kernel.facts import CRM, WAREHOUSE, World, entity, field, opened, wrote


def test_nothing_follows_from_nothing() -> None:
    world, _ = known()
    world.touch()

    plan = world.round()

    assert plan.empty
    assert plan.rows == ()
    assert len(plan.untouch) == 2


def test_a_change_goes_over_with_the_changed_field_only() -> None:
    world, lid = known()
    world.show(CRM, 1, name="Anna")

    plan = world.round()

    (op,) = plan.operations
    assert (op.side, op.kind, op.key) == (WAREHOUSE, OpKind.UPDATE, {"id": 2})
    assert (op.patch, op.expect, op.source) == ({"name": "Anna"}, {"name": "Ann"}, {"name": "Anna"})
    assert op.lid == lid


def test_a_delivered_change_is_the_new_base_and_is_told_in_the_audit() -> None:
    world, lid = known()
    world.show(CRM, 1, name="Anna")

    world.deliver(world.round())

    assert world.base(lid, "name") == {CRM: "Anna", WAREHOUSE: "Anna"}
    (told,) = world.audits()
    assert (told.side, told.field, told.old, told.new, told.cause) == (
        WAREHOUSE,
        "name",
        "Ann",
        "Anna",
        Cause.DELIVERED,
    )
    assert world.round().empty


def test_the_echo_of_our_own_write_is_no_change() -> None:
    world, lid = known()
    world.show(CRM, 1, name="Anna")
    (op,) = world.round().operations
    world.answer(world.send(op), stored={"name": "ANNA"})  # the warehouse shouts

    world.show(WAREHOUSE, 2, name="ANNA")

    assert world.round().empty
    assert world.base(lid, "name") == {CRM: "Anna", WAREHOUSE: "ANNA"}


def test_two_sides_changing_two_fields_write_once_each() -> None:
    world, _ = known()
    world.show(CRM, 1, name="Anna")
    world.show(WAREHOUSE, 2, email="anna@x")

    plan = world.round()

    assert wrote(plan) == [(CRM, "update", {"email": "anna@x"}), (WAREHOUSE, "update", {"name": "Anna"})] or wrote(
        plan
    ) == [(WAREHOUSE, "update", {"name": "Anna"}), (CRM, "update", {"email": "anna@x"})]


def test_the_same_change_on_both_sides_is_adopted() -> None:
    world, lid = known()
    world.show(CRM, 1, name="Anna")
    world.show(WAREHOUSE, 2, name="Anna")

    assert world.round().empty
    assert world.base(lid, "name") == {CRM: "Anna", WAREHOUSE: "Anna"}


def test_a_conflict_waits_for_a_person_while_the_other_fields_flow() -> None:
    world, lid = known()
    world.show(CRM, 1, name="Anna", email="anna@x")
    world.show(WAREHOUSE, 2, name="Anne")

    plan = world.round()

    assert wrote(plan) == [(WAREHOUSE, "update", {"email": "anna@x"})]
    assert opened(plan) == [(ConflictKind.FIELD, "name")]
    (conflict,) = plan.conflicts
    assert conflict.values == {CRM: {"name": "Anna"}, WAREHOUSE: {"name": "Anne"}}
    assert conflict.base == {CRM: {"name": "Ann"}, WAREHOUSE: {"name": "Ann"}}
    assert world.get_link(lid).state is LinkState.ACTIVE


def test_a_conflict_that_is_seen_again_is_the_same_conflict() -> None:
    world, _ = known()
    world.show(CRM, 1, name="Anna")
    world.show(WAREHOUSE, 2, name="Anne")
    world.round()
    world.touch()

    assert world.round().empty


def test_a_conflict_ends_when_the_sides_agree_by_themselves() -> None:
    world, _ = known()
    world.show(CRM, 1, name="Anna")
    world.show(WAREHOUSE, 2, name="Anne")
    world.round()
    world.show(WAREHOUSE, 2, name="Anna")

    world.round()

    assert world.conflicts() == []


def test_the_owners_value_replaces_the_other_and_the_loser_is_kept() -> None:
    world = World(entity(field("name", Owner(CRM))))
    world.pair(1, 2, name="Ann")
    world.show(CRM, 1, name="Anna")
    world.show(WAREHOUSE, 2, name="Anne")

    world.deliver(world.round())

    (told,) = world.audits()
    assert (told.old, told.new, told.cause) == ("Anne", "Anna", Cause.SUPERSEDED)


def test_the_later_edit_wins_by_our_own_clock() -> None:
    world = World(entity(field("name", Latest(Park()))))
    world.pair(1, 2, name="Ann")
    world.show(WAREHOUSE, 2, name="Anne")
    world.show(CRM, 1, name="Anna", changed_in={"name": (world.now, world.now + 1)})

    assert wrote(world.round()) == [(WAREHOUSE, "update", {"name": "Anna"})]


def test_a_side_that_was_not_read_is_as_it_was() -> None:
    world, _ = known()
    world.show(CRM, 1, name="Anna")

    assert wrote(world.round()) == [(WAREHOUSE, "update", {"name": "Anna"})]


def test_a_field_that_a_record_lacks_is_unknown_and_not_null() -> None:
    world, _ = known()
    world.forget_column(CRM, 1, "name")
    world.show(WAREHOUSE, 2, email="anna@x")

    assert wrote(world.round()) == [(CRM, "update", {"email": "anna@x"})]


def test_a_field_that_is_emptied_is_emptied_there() -> None:
    world, _ = known()
    world.show(CRM, 1, name="")

    assert wrote(world.round()) == [(WAREHOUSE, "update", {"name": None})]


def test_an_emptied_field_that_is_kept_is_filled_again() -> None:
    world = World(entity(field("name", keep_empty=True)))
    world.pair(1, 2, name="Ann")
    world.show(CRM, 1, name="")

    assert wrote(world.round()) == [(CRM, "update", {"name": "Ann"})]


def test_a_one_way_field_flows_one_way() -> None:
    world = World(entity(field("score", direction=(WAREHOUSE, CRM))))
    world.pair(1, 2, score=1)
    world.show(CRM, 1, score=9)

    assert wrote(world.round()) == [(CRM, "update", {"score": 1})]


def test_a_set_gets_what_either_side_added() -> None:
    world = World(entity(field("tags", SetUnion())))
    lid = world.pair(1, 2, tags=["a"])
    world.show(CRM, 1, tags=["a", "b"])
    world.show(WAREHOUSE, 2, tags=["a", "c"])

    assert world.settle_down() == 1
    assert world.base(lid, "tags") == {CRM: ["a", "b", "c"], WAREHOUSE: ["a", "b", "c"]}


def test_a_newer_plan_replaces_an_operation_that_was_not_sent() -> None:
    world, _ = known()
    world.show(CRM, 1, name="Anna")
    (first,) = world.round().operations
    world.show(CRM, 1, email="anna@x")

    (second,) = world.round().operations

    assert second.patch == {"name": "Anna", "email": "anna@x"}
    assert world.op(first.op_id).state is OpState.DROPPED


def test_an_operation_that_is_no_longer_wanted_is_called_off() -> None:
    world, _ = known()
    world.show(CRM, 1, name="Anna")
    (op,) = world.round().operations
    world.show(CRM, 1, name="Ann")

    world.round()

    assert world.op(op.op_id).state is OpState.DROPPED
    assert world.open_ops() == []


def test_the_same_operation_stays_as_it_was_planned() -> None:
    world, _ = known()
    world.show(CRM, 1, name="Anna")
    (op,) = world.round().operations
    world.touch()

    assert world.round().operations == ()
    assert world.open_ops() == [op]


def test_nothing_is_merged_into_an_operation_under_way() -> None:
    world, _ = known()
    world.show(CRM, 1, name="Anna")
    sent = world.send(world.round().operations[0])
    world.show(CRM, 1, name="Annabel")

    plan = world.round()

    assert plan.operations == ()
    assert plan.waits
    world.answer(sent)
    assert wrote(world.round()) == [(WAREHOUSE, "update", {"name": "Annabel"})]


def test_a_planned_write_follows_a_number_that_becomes_a_boolean() -> None:
    world = World(entity(field("flag")))
    world.pair(1, 2, flag=0)
    world.show(CRM, 1, flag=1)
    world.round()
    world.show(CRM, 1, flag=True)

    (op,) = world.round().operations

    assert op.patch["flag"] is True


def test_a_base_follows_a_number_that_became_a_boolean_on_both_sides() -> None:
    world = World(entity(field("flags")))
    lid = world.pair(1, 2, flags=[0])
    world.show(CRM, 1, flags=[False])
    world.show(WAREHOUSE, 2, flags=[False])

    world.round()

    assert world.base(lid, "flags")[CRM][0] is False  # type: ignore[index]  # a list


def test_missing_has_a_name() -> None:
    assert repr(MISSING) == "MISSING"
