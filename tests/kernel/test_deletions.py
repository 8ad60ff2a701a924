"""What follows where a record is gone, on one side or on both, and where it returns."""

from __future__ import annotations

import pytest

from antiphon.mapping import OnDelete, Uuid
from antiphon.model import Cause, ConflictKind, LinkState, OpKind, OpState
from antiphon.protocol import Status
from tests.kernel.ann import ANN, deleting
from tests.kernel.facts import CRM, WAREHOUSE, World, person, side, wrote


def buried(birth: str) -> tuple[World, str]:
    world = World(person())
    lid = world.pair(1, 2, birth=birth, **ANN)
    world.gone(CRM, 1)
    world.gone(WAREHOUSE, 2)
    world.round()
    return world, lid


def test_a_deletion_waits_for_a_person_with_all_last_values() -> None:
    world, lid = deleting(OnDelete.PARK)
    world.gone(CRM, 1)

    plan = world.round()

    assert plan.operations == ()
    (conflict,) = plan.conflicts
    assert (conflict.kind, conflict.values) == (ConflictKind.DELETE, {CRM: ANN, WAREHOUSE: ANN})
    assert conflict.evidence["deleted_on"] == CRM
    assert world.get_link(lid).state is LinkState.PARKED


def test_a_parked_link_keeps_both_its_ids() -> None:
    world, lid = deleting(OnDelete.PARK)
    world.gone(CRM, 1)
    world.round()
    world.touch()

    assert world.round().empty
    assert world.members(lid) == {CRM: 1, WAREHOUSE: 2}


def test_a_deletion_is_carried_over_where_the_policy_says_so() -> None:
    world, lid = deleting(OnDelete.DELETE)
    world.gone(CRM, 1)

    plan = world.round()

    (op,) = plan.operations
    assert (op.side, op.kind, op.key, op.patch, op.expect) == (WAREHOUSE, OpKind.DELETE, {"id": 2}, {}, ANN)
    world.deliver(plan)
    world.round()
    assert world.get_link(lid).state is LinkState.TOMBSTONE
    assert [a.cause for a in world.audits()] == [Cause.DELETED]
    assert world.audits()[0].old == ANN


@pytest.mark.parametrize("status", [Status.APPLIED, Status.GONE])
def test_a_record_that_is_restored_right_after_its_deletion_was_carried_over_is_made_again(status: Status) -> None:
    world, lid = deleting(OnDelete.DELETE, key_rule=Uuid())
    world.gone(CRM, 1)
    (op,) = world.round().operations
    world.answer(world.send(op), status)
    world.show(CRM, 1)

    plan = world.round()

    assert [(o.lid, o.side, o.kind) for o in plan.operations] == [(lid, WAREHOUSE, OpKind.CREATE)]
    world.deliver(plan)
    assert world.settle_down() == 0
    assert world.get_link(lid).state is LinkState.ACTIVE
    world.gone(WAREHOUSE, world.members(lid)[WAREHOUSE])  # by a person, this time
    assert [(o.side, o.kind) for o in world.round().operations] == [(CRM, OpKind.DELETE)]


def test_to_archive_is_to_delete_gently() -> None:
    world, _ = deleting(OnDelete.ARCHIVE)
    world.gone(CRM, 1)

    assert wrote(world.round()) == [(WAREHOUSE, "delete", {"archive": True})]


def test_an_update_beats_a_deletion() -> None:
    world, _ = deleting(OnDelete.DELETE)
    world.gone(CRM, 1)
    world.show(WAREHOUSE, 2, name="Anna")

    plan = world.round()

    assert plan.operations == ()
    (conflict,) = plan.conflicts
    assert conflict.kind is ConflictKind.DELETE_UPDATE
    assert conflict.values == {CRM: ANN, WAREHOUSE: {**ANN, "name": "Anna"}}
    assert conflict.base == {CRM: ANN, WAREHOUSE: ANN}


def test_an_update_that_comes_later_beats_a_planned_deletion() -> None:
    world, _ = deleting(OnDelete.DELETE)
    world.gone(CRM, 1)
    (op,) = world.round().operations
    world.show(WAREHOUSE, 2, name="Anna")

    world.round()

    assert world.op(op.op_id).state is OpState.DROPPED
    assert [c.kind for c in world.conflicts()] == [ConflictKind.DELETE_UPDATE]


def test_what_is_gone_on_both_sides_is_closed_without_a_write() -> None:
    world, lid = deleting(OnDelete.DELETE)
    world.gone(CRM, 1)
    world.gone(WAREHOUSE, 2)

    plan = world.round()

    assert plan.operations == ()
    assert world.get_link(lid).state is LinkState.TOMBSTONE
    assert {(t.side, t.lid) for t in world.dump()["tombstone"]} == {(CRM, lid), (WAREHOUSE, lid)}


def test_deletes_may_be_blocked_as_a_whole() -> None:
    world, _ = deleting(OnDelete.DELETE)
    world.gone(CRM, 1)

    plan = world.plan(deletes_blocked="the ledger was restored")

    assert plan.operations == ()
    assert plan.conflicts[0].evidence["reason"] == "deleted on crm; the ledger was restored"


def test_a_side_may_forbid_deletes() -> None:
    world, _ = deleting(OnDelete.DELETE, allow=frozenset({OpKind.CREATE, OpKind.UPDATE}))
    world.gone(CRM, 1)

    assert world.plan().conflicts[0].evidence["reason"] == (
        "deleted on crm; warehouse does not allow deletes (`allow:`)"
    )


def test_a_foreign_target_must_be_known_to_honour_deletions() -> None:
    world, _ = deleting(OnDelete.DELETE, receipts=False, key_rule=Uuid())
    world.gone(CRM, 1)
    assert world.plan().operations == ()

    world, _ = deleting(OnDelete.DELETE, receipts=False, key_rule=Uuid(), deletes=True)
    world.gone(CRM, 1)
    assert wrote(world.plan()) == [(WAREHOUSE, "delete", {})]


def test_a_person_lets_a_deletion_pass() -> None:
    world, lid = deleting(OnDelete.PARK)
    world.gone(CRM, 1)
    (conflict,) = world.round().conflicts
    world.decide(conflict, take=CRM)

    plan = world.round()

    assert wrote(plan) == [(WAREHOUSE, "delete", {})]
    world.deliver(plan)
    world.round()
    assert world.get_link(lid).state is LinkState.TOMBSTONE
    assert world.conflicts() == []


def test_a_person_takes_a_deletion_back() -> None:
    world, lid = deleting(OnDelete.PARK)
    world.gone(CRM, 1)
    (conflict,) = world.round().conflicts
    world.decide(conflict, take=WAREHOUSE)

    plan = world.round()

    assert wrote(plan) == [(CRM, "create", ANN)]
    assert [a.cause for a in world.audits()] == [Cause.RESTORED]
    world.deliver(plan)
    assert world.members(lid)[WAREHOUSE] == 2
    assert world.get_link(lid).state is LinkState.ACTIVE
    assert world.settle_down() == 0
    assert world.conflicts() == []


def test_a_record_that_comes_back_by_itself_ends_the_waiting() -> None:
    world, lid = deleting(OnDelete.PARK)
    world.gone(CRM, 1)
    world.round()
    world.show(CRM, 1)

    assert world.round().operations == ()
    assert world.get_link(lid).state is LinkState.ACTIVE
    assert world.conflicts() == []


def test_a_record_that_comes_back_calls_a_planned_deletion_off() -> None:
    world, lid = deleting(OnDelete.DELETE)
    world.gone(CRM, 1)
    (op,) = world.round().operations
    world.show(CRM, 1)

    world.round()

    assert world.op(op.op_id).state is OpState.DROPPED
    assert world.get_link(lid).state is LinkState.ACTIVE


def test_an_update_under_way_to_a_deleted_record_is_called_off() -> None:
    world, _ = deleting(OnDelete.PARK)
    world.show(CRM, 1, name="Anna")
    (op,) = world.round().operations
    world.gone(WAREHOUSE, 2)

    world.round()

    assert world.op(op.op_id).state is OpState.DROPPED
    assert [c.kind for c in world.conflicts()] == [ConflictKind.DELETE_UPDATE]


def test_an_undeleted_record_opens_its_link_again() -> None:
    world, lid = buried("2020")
    world.show(CRM, 1, birth="2020", **ANN)

    plan = world.round()

    assert [op.lid for op in plan.operations] == [lid]
    assert world.members(lid)[CRM] == 1
    assert world.base(lid, "name") == {CRM: "Ann", WAREHOUSE: "Ann"}
    assert Cause.RESTORED in {a.cause for a in world.audits()}


def test_an_id_that_is_used_again_is_somebody_else() -> None:
    world, lid = buried("2020")
    world.show(CRM, 1, birth="2026", email="bob@x", name="Bob")

    (op,) = world.round().operations

    assert op.lid != lid
    assert world.base(op.lid, "name") == {}
    assert world.get_link(lid).state is LinkState.TOMBSTONE


def test_both_records_that_return_join_their_old_link() -> None:
    world, lid = buried("2020")
    world.show(CRM, 1, birth="2020", **ANN)
    world.show(WAREHOUSE, 2, birth="2020", **ANN)

    assert world.settle_down() == 0
    assert [link.lid for link in world.links(LinkState.ACTIVE)] == [lid]
    assert world.members(lid) == {CRM: 1, WAREHOUSE: 2}


def test_a_deletion_waits_for_a_write_that_is_yet_to_be_seen() -> None:
    there = side(on_delete=OnDelete.DELETE, receipts=False, deletes=True)
    world = World(person(crm=there, warehouse=there))
    world.pair(1, 2, **ANN)
    world.show(CRM, 1, name="Anna")
    world.acknowledge(world.send(world.round().operations[0]))
    world.gone(CRM, 1)

    plan = world.round()

    assert not [op for op in plan.operations if op.kind is OpKind.DELETE]
    assert plan.waits or plan.conflicts


def test_a_record_that_returns_while_its_copy_is_under_way_waits_or_is_shown_to_a_person() -> None:
    world, lid = buried("2020")
    world.show(CRM, 1, birth="2020", **ANN)
    sent = world.send(world.round().operations[0])
    world.show(WAREHOUSE, 2, birth="2020", **ANN)

    plan = world.round()

    assert plan.operations == ()
    world.answer(sent, id=2)
    world.settle_down()
    assert world.members(lid) == {CRM: 1, WAREHOUSE: 2}
