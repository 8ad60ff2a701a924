"""A delivery of which a receipt tells: it becomes bases, audit and closed operations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from antiphon.equivalence import make_rid
from antiphon.ledger.tables import CONFLICT, LINK
from antiphon.mapping import Kind, Latest, OnDelete, Owner, Park, SetUnion
from antiphon.model import Cause, ConflictKind, ConflictState, LinkState, Op, OpState, RecordState
from antiphon.protocol import Status
from antiphon.receipts import rid_of
from antiphon.sync.deliver import sent
from tests.kernel.ann import ANN, changed, foreign
from tests.kernel.facts import CRM, WAREHOUSE, World, entity, field, opened, person, side, wrote


def _drop_field(world: World, name: str) -> None:
    old = world.mapping.entities["contact"]
    fields = {f: value for f, value in old.fields.items() if f != name}
    world.mapping = replace(world.mapping, entities={"contact": replace(old, fields=fields)}, version="2")


def new(world: World) -> Op:
    world.show(CRM, 1, **ANN)
    (op,) = world.round().operations
    return world.send(op)


def test_the_base_is_what_the_target_stored() -> None:
    world = World(person())
    lid, op = changed(world, "  Anna ")

    world.answer(world.send(op), stored={"name": "Anna", "updated_at": "now"}, version="7")

    assert world.base(lid, "name") == {CRM: "  Anna ", WAREHOUSE: "Anna"}
    assert world.base_rows(lid, "name")[WAREHOUSE].version == "7"
    shown = world.observation(WAREHOUSE, 2)
    assert shown is not None
    assert (shown.fields, shown.version, shown.unseen) == ({**ANN, "name": "Anna"}, "7", True)
    assert world.round().empty


def test_a_receipt_settles_its_operation_once() -> None:
    world = World(person())
    _, op = changed(world)
    done = world.answer(world.send(op))
    before = world.dump()

    world.answer(done, Status.FAILED)

    assert world.dump() == before


@pytest.mark.parametrize(("shown", "rid"), [(7, "[7]"), (["7"], '["7"]'), ({"id": 7, "other": 1}, "[7]")], ids=repr)
def test_a_receipt_may_name_the_record_in_three_ways(shown: Any, rid: str) -> None:
    assert rid_of(person(), CRM, shown) == rid


def test_the_receipt_of_a_create_brings_the_id() -> None:
    world = World(person())
    world.show(CRM, 1, **ANN)
    (op,) = world.round().operations

    world.answer(world.send(op), id=77, stored=ANN)

    assert world.members(op.lid) == {CRM: 1, WAREHOUSE: 77}
    assert world.get_link(op.lid).state is LinkState.ACTIVE
    assert world.settle_down() == 0


@pytest.mark.parametrize("stored", [ANN, {}], ids=["it tells what it stored", "it tells nothing"])
def test_a_receipt_that_comes_late_does_not_overwrite_what_a_read_showed_since(stored: dict[str, Any]) -> None:
    """The runner died after the create. A user renames Ann, a read shows it, and only then the receipt comes."""
    world = World(person())
    world.show(CRM, 1, **ANN)
    (op,) = world.round().operations
    sent = world.send(op)
    world.show(WAREHOUSE, 77, email="ann@x", name="Annabel")

    world.answer(sent, id=77, stored=stored)

    shown = world.observation(WAREHOUSE, 77)
    assert shown is not None
    assert shown.fields["name"] == "Annabel"
    (back,) = world.round().operations
    assert (back.side, back.patch) == (CRM, {"name": "Annabel"})


def test_the_create_of_an_empty_field_replaces_nothing() -> None:
    world = World(person())
    world.show(CRM, 1, **ANN)

    world.deliver(world.round())

    assert world.audits() == []


def test_a_target_that_answers_with_a_linked_record_found_a_duplicate() -> None:
    world = World(person())
    lid = world.pair(1, 2, email="bob@x", name="Bob")
    world.show(CRM, 3, **ANN)
    (op,) = world.round().operations

    world.answer(world.send(op), id=2)

    assert world.members(lid) == {CRM: 1, WAREHOUSE: 2}
    (conflict,) = world.conflicts()
    assert (conflict.kind, conflict.lid, conflict.evidence["lid"]) == (ConflictKind.DUPLICATE, op.lid, lid)
    world.touch()
    assert world.round().operations == ()


def test_a_stale_expectation_is_observed_and_planned_anew() -> None:
    world = World(person())
    lid, op = changed(world)

    done = world.answer(world.send(op), Status.STALE, found={"name": "Anne"})

    assert done.state is OpState.REJECTED
    assert world.base(lid, "name") == {CRM: "Ann", WAREHOUSE: "Ann"}
    assert opened(world.round()) == [(ConflictKind.FIELD, "name")]


def test_a_stale_receipt_about_another_column_writes_the_field_again() -> None:
    world = World(person())
    _, op = changed(world)
    world.answer(world.send(op), Status.STALE, found={"name": "Ann", "secret": 1})

    (again,) = world.round().operations

    assert again.patch == {"name": "Anna"}
    shown = world.observation(WAREHOUSE, 2)
    assert shown is not None
    assert "secret" not in shown.fields


def test_what_is_gone_is_a_deletion() -> None:
    world = World(person())
    _, op = changed(world)

    world.answer(world.send(op), Status.GONE)

    shown = world.observation(WAREHOUSE, 2)
    assert shown is not None
    assert shown.state is RecordState.GONE
    assert opened(world.round()) == [(ConflictKind.DELETE_UPDATE, None)]


def test_a_delete_of_what_is_gone_already_is_done() -> None:
    sides = {where: side(on_delete=OnDelete.DELETE) for where in (CRM, WAREHOUSE)}
    world = World(person(**sides))
    lid = world.pair(1, 2, **ANN)
    world.gone(CRM, 1)
    (op,) = world.round().operations

    done = world.answer(world.send(op), Status.GONE)

    assert done.state is OpState.ACKED
    world.round()
    assert world.get_link(lid).state is LinkState.TOMBSTONE


def test_a_receipt_of_one_field_does_not_date_an_edit_of_another() -> None:
    world = World(entity(field("name"), field("city", Latest(Park()))))
    world.pair(1, 2, name="Ann", city="Rome")
    world.show(CRM, 1, name="Anna")
    (op,) = world.round().operations
    world.answer(world.send(op), stored={"name": "Anna"})

    edit = world.show(WAREHOUSE, 2, city="Oslo")  # made at any time since the read before the receipt
    world.show(CRM, 1, city="Bern", changed_in={"city": (op.planned_at - 2, op.planned_at - 1)})

    assert edit.dirty["city"][0] < op.planned_at - 2
    assert opened(world.round()) == [(ConflictKind.FIELD, "city")]


@pytest.mark.parametrize("status", [Status.REJECTED, Status.SKIPPED])
def test_what_the_target_will_never_take_is_parked(status: Status) -> None:
    world = World(person())
    lid, op = changed(world)

    done = world.answer(world.send(op), status, message="no consent" if status is Status.REJECTED else "")

    assert done.state is OpState.POISON
    assert world.get_link(lid).state is LinkState.PARKED
    words = "no consent" if status is Status.REJECTED else "the target skipped it and did not say why"
    assert world.conflicts()[0].evidence["message"] == words


def test_skipped_with_values_is_done_already() -> None:
    world = World(person())
    lid, op = changed(world)

    done = world.answer(world.send(op), Status.SKIPPED, stored={"name": "Anna"})

    assert done.state is OpState.ACKED
    assert world.base(lid, "name") == {CRM: "Anna", WAREHOUSE: "Anna"}


def test_a_newer_plan_keeps_the_wait_of_a_failed_write() -> None:
    world = World(person())
    _, op = changed(world)
    failed = world.answer(world.send(op), Status.FAILED)
    world.show(CRM, 1, email="anna@x")

    (newer,) = world.round().operations

    assert newer.not_before == failed.not_before


@pytest.mark.parametrize("later", ["Annabel", "Ann"])
def test_the_edit_that_a_called_off_write_may_have_replaced_is_in_the_audit(later: str) -> None:
    """It failed and may have arrived; then it was planned anew, or not wanted any more, before any read told."""
    world = World(entity(field("email"), field("name", Owner(CRM))))
    lid = world.pair(1, 2, **ANN)
    world.show(CRM, 1, name="Anna")
    world.show(WAREHOUSE, 2, name="Anne")
    (op,) = world.round().operations
    world.answer(world.send(op), Status.FAILED, error_status=504)
    assert world.audits() == []

    world.show(CRM, 1, name=later)
    world.round()

    assert world.op(op.op_id).state is OpState.DROPPED
    assert [(a.lid, a.side, a.old, a.new, a.cause) for a in world.audits()] == [
        (lid, WAREHOUSE, "Anne", "Anna", Cause.SUPERSEDED)
    ]


def test_of_a_failed_write_that_is_seen_to_be_done_a_field_that_sync_yml_has_lost_is_in_the_audit_too() -> None:
    world = World(entity(field("email"), field("name", Owner(CRM))))
    world.pair(1, 2, **ANN)
    world.show(CRM, 1, name="Anna", email="anna@x")
    world.show(WAREHOUSE, 2, name="Anne")
    (op,) = world.round().operations
    world.answer(world.send(op), Status.FAILED, error_status=504)
    world.mapping = replace(world.mapping, entities={"contact": entity(field("email"))}, version="2")
    world.show(WAREHOUSE, 2, email="anna@x", name="Anna")

    world.round()

    assert ("name", "Anne", Cause.SUPERSEDED) in [(a.field, a.old, a.cause) for a in world.audits()]


@pytest.mark.parametrize("status", [Status.GONE, Status.STALE, Status.REJECTED])
def test_the_edit_that_a_write_may_have_replaced_is_in_the_audit_when_it_is_sent_again_in_vain(status: Status) -> None:
    world = World(entity(field("email"), field("name", Owner(CRM))))
    world.pair(1, 2, **ANN)
    world.show(CRM, 1, name="Anna")
    world.show(WAREHOUSE, 2, name="Anne")
    (op,) = world.round().operations
    again = world.send(world.send(op))  # the first time nobody answered

    world.answer(again, status, found={"name": "Annabel"} if status is Status.STALE else {}, message="no")

    assert [(a.old, a.new, a.cause) for a in world.audits()] == [("Anne", "Anna", Cause.SUPERSEDED)]


def test_a_batch_that_is_tried_in_halves_within_one_delivery_is_not_sent_again() -> None:
    world = World(person())
    _, op = changed(world)
    began, first = world.now, sent(op, world.now + 1, world.now)

    assert not sent(first, world.now + 2, began).redelivered
    assert sent(first, world.now + 3, world.now + 2).redelivered


def test_an_edit_that_is_seen_to_stand_was_not_replaced() -> None:
    world = World(entity(field("email"), field("name", Owner(CRM))))
    world.pair(1, 2, **ANN)
    world.show(CRM, 1, name="Anna")
    world.show(WAREHOUSE, 2, name="Anne")
    (op,) = world.round().operations

    world.answer(world.send(world.send(op)), Status.STALE, found={"name": "Anne"})

    assert world.audits() == []


def test_what_a_write_finds_when_it_is_sent_again_may_be_an_edit_and_is_kept() -> None:
    world = World(person())
    _, op = changed(world)

    world.answer(world.send(world.send(op)))

    assert [(a.old, a.new, a.cause) for a in world.audits()] == [("Ann", "Anna", Cause.SUPERSEDED)]


def test_an_applied_delete_is_told_with_all_that_was_there() -> None:
    sides = {where: side(on_delete=OnDelete.DELETE) for where in (CRM, WAREHOUSE)}
    world = World(person(**sides))
    world.pair(1, 2, **ANN)
    world.gone(CRM, 1)

    world.deliver(world.round())

    (told,) = world.audits()
    assert (told.side, told.field, told.old, told.new, told.cause) == (WAREHOUSE, None, ANN, None, Cause.DELETED)


def test_a_field_that_left_the_mapping_while_it_was_written_stops_nothing() -> None:
    """Invariant I16."""
    world = World(entity(field("name"), field("phone")))
    world.pair(1, 2, name="Ann", phone="1")
    world.show(CRM, 1, name="Anna", phone="2")
    sent = world.send(world.round().operations[0])
    _drop_field(world, "phone")

    done = world.answer(sent)

    assert done.state is OpState.ACKED
    assert world.settle_down() == 0


def test_a_field_that_left_the_mapping_while_it_waited_to_be_seen_stops_nothing() -> None:
    """Invariant I16."""
    there = side(receipts=False)
    world = World(entity(field("name"), field("phone"), crm=there, warehouse=there))
    world.pair(1, 2, name="Ann", phone="1")
    world.show(CRM, 1, name="Anna", phone="2")
    world.acknowledge(world.send(world.round().operations[0]))
    _drop_field(world, "phone")
    world.show(WAREHOUSE, 2, name="Anna", phone="2")

    assert world.settle_down() == 0


def test_a_conflict_that_is_over_is_closed_and_kept() -> None:
    world = World(person())
    lid, op = changed(world)
    world.answer(world.send(op), Status.REJECTED, message="no")
    world.show(CRM, 1, name="Ann")

    world.round()

    assert [c.state for c in world.ledger.store.find(CONFLICT, "lid", [(lid,)])] == [ConflictState.CLOSED]


def test_make_rid_and_receipts_speak_of_the_same_record() -> None:
    assert rid_of(person(crm=side(key=("a", "b"))), CRM, {"b": 2, "a": 1}) == make_rid([1, 2])


def test_a_receipt_about_a_link_that_is_no_more_changes_nothing() -> None:
    world = World(person())
    lid, op = changed(world)
    sent = world.send(op)
    with world.ledger.transaction():
        world.ledger.store.remove(LINK, [(lid,)])

    assert world.answer(sent).state is OpState.INFLIGHT
    assert world.answer(sent, Status.STALE, id=2, found={"name": "x"}).state is not OpState.ACKED


def test_a_refusal_about_a_link_that_is_no_more_is_kept_with_its_operation() -> None:
    world = World(person())
    lid, op = changed(world)
    with world.ledger.transaction():
        world.ledger.store.remove(LINK, [(lid,)])

    world.refuse(op, "no")

    assert world.op(op.op_id).error == "no"
    assert world.conflicts() == []


def test_a_set_made_of_both_is_the_base_once_both_sides_acknowledged_it() -> None:
    world = World(entity(field("tags", SetUnion(), kind=Kind.LIST)))
    lid = world.pair(1, 2, tags=["a"])
    world.show(CRM, 1, tags=["a", "b"])
    world.show(WAREHOUSE, 2, tags=["a", "c"])
    one, two = world.round().operations
    world.answer(world.send(one))
    assert world.base(lid, "tags") == {CRM: ["a"], WAREHOUSE: ["a"]}
    world.answer(world.send(two))
    world.show(CRM, 1, tags=["a", "b"])  # somebody took out what had just come

    assert wrote(world.round()) == [(WAREHOUSE, "update", {"tags": ["a", "b"]})]


def test_a_create_that_finds_its_record_joins_it_with_its_values() -> None:
    world = World(person())
    sent = new(world)

    done = world.answer(sent, Status.STALE, id=77, found={"email": "ann@x", "name": "Anna"})

    assert done.state is OpState.ACKED
    assert world.members(sent.lid) == {CRM: 1, WAREHOUSE: 77}
    assert opened(world.round()) == [(ConflictKind.JOIN, "name")]


def test_a_create_whose_record_is_gone_again_is_a_deletion() -> None:
    world = World(person())
    sent = new(world)

    world.answer(sent, Status.GONE, id=77)

    assert world.round().operations == ()
    assert [c.kind for c in world.conflicts()] in ([ConflictKind.DELETE], [ConflictKind.DELETE_UPDATE])


def test_a_create_that_is_stale_and_names_no_record_is_planned_anew() -> None:
    world = World(person())
    sent = new(world)

    done = world.answer(sent, Status.STALE)

    assert done.state is OpState.REJECTED
    assert wrote(world.round()) == [(WAREHOUSE, "create", ANN)]


def test_a_record_seen_before_its_receipt_is_handed_over_by_the_link_it_got() -> None:
    world = World(entity(field("name")))
    world.show(CRM, 1, name="Ann")
    sent = world.send(world.round().operations[0])
    world.show(WAREHOUSE, 77, name="Ann", touched=False)
    early = world.link(None, 77, LinkState.JOINING)

    world.answer(sent, id=77)

    assert world.members(sent.lid) == {CRM: 1, WAREHOUSE: 77}
    assert world.get_link(early).state is LinkState.TOMBSTONE


def test_the_value_of_a_person_becomes_a_base_only_when_both_sides_hold_it() -> None:
    world = foreign()
    lid = world.pair(1, 2, **ANN)
    world.show(CRM, 1, name="Anna")
    world.show(WAREHOUSE, 2, name="Anne")
    world.round()
    world.decide(world.conflicts()[0], value="Annabel")
    for op in world.round().operations:
        world.acknowledge(world.send(op))
    assert world.base(lid, "name") == {CRM: "Ann", WAREHOUSE: "Ann"}

    world.show(CRM, 1, name="Annabel")
    world.show(WAREHOUSE, 2, name="Annabel")
    world.round()

    assert world.base(lid, "name") == {CRM: "Annabel", WAREHOUSE: "Annabel"}


def test_an_edit_of_the_last_moment_is_told_as_clobbered() -> None:
    world = World(person())
    _, op = changed(world)

    world.answer(world.send(op), found={"name": "edited meanwhile"}, stored={"name": "Anna"})

    assert ("edited meanwhile", Cause.CLOBBERED) in {(a.old, a.cause) for a in world.audits()}


def test_an_edit_right_before_a_delete_is_told() -> None:
    sides = {where: side(on_delete=OnDelete.DELETE) for where in (CRM, WAREHOUSE)}
    world = World(person(**sides))
    world.pair(1, 2, **ANN)
    world.gone(CRM, 1)
    (op,) = world.round().operations

    world.answer(world.send(op), found={"name": "edited meanwhile"})

    assert "edited meanwhile" in repr([a.old for a in world.audits()])
