"""One story per row of the decision table: what a plan makes of it, and what is left when it was carried out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from antiphon import model
from antiphon.mapping import CopyFrom, Latest, OnDelete, Owner, Park, SetUnion, Uuid
from antiphon.model import MISSING, Cause, ConflictKind, ConflictState, LinkState, OpKind, OpState, RecordState
from antiphon.plan.review import fingerprint, marked
from antiphon.protocol import Status
from tests.kernel.facts import CRM, WAREHOUSE, World, entity, field, opened, person, side, wrote

ANN: dict[str, Any] = {"email": "ann@x", "name": "Ann"}


def known() -> tuple[World, str]:
    """Ann, linked on both sides and agreed."""
    world = World(person())
    return world, world.pair(1, 2, **ANN)


# ---- U, C: changes


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


# ---- D: deletions


def deleting(policy: OnDelete, **options: object) -> tuple[World, str]:
    sides = {where: side(on_delete=policy, **options) for where in (CRM, WAREHOUSE)}
    world = World(person(**sides))
    return world, world.pair(1, 2, **ANN)


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


# ---- a gone id returns


def buried(birth: str) -> tuple[World, str]:
    world = World(person())
    lid = world.pair(1, 2, birth=birth, **ANN)
    world.gone(CRM, 1)
    world.gone(WAREHOUSE, 2)
    world.round()
    return world, lid


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


# ---- E: what cannot be read


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


# ---- M: merges


def merged_into_linked() -> tuple[World, str, str]:
    """CRM merged 1 into 11; the warehouse still holds 2 and 12 apart."""
    world = World(person())
    loser = world.pair(1, 2, **ANN)
    survivor = world.pair(11, 12, email="bob@x", name="Bob")
    world.show(CRM, 1, RecordState.MERGED, merged_into=11)
    return world, loser, survivor


def test_a_link_moves_to_a_survivor_that_nobody_holds_and_sends_what_differs() -> None:
    world, lid = known()
    world.show(CRM, 9, email="ann@x", name="Ann Marie")
    world.show(CRM, 1, RecordState.MERGED, merged_into=9)

    plan = world.round()

    assert world.members(lid) == {CRM: 9, WAREHOUSE: 2}
    assert wrote(plan) == [(WAREHOUSE, "update", {"name": "Ann Marie"})]
    assert world.settle_down() == 0
    assert world.conflicts() == []


def test_a_link_moves_to_a_survivor_whose_own_create_was_only_planned() -> None:
    world = World(person())
    lid = world.pair(1, 2, **ANN)
    world.show(CRM, 9, email="new@x", name="Ann")
    other = world.link(9, None, LinkState.PARKED)
    world.show(CRM, 1, RecordState.MERGED, merged_into=9)

    world.round()

    assert world.members(lid)[CRM] == 9
    assert world.get_link(other).state is LinkState.TOMBSTONE


@pytest.mark.parametrize("done", [False, True])
def test_a_deletion_that_got_no_answer_is_not_sent_again_once_the_record_is_back(*, done: bool) -> None:
    world = World(person(warehouse=side(on_delete=OnDelete.DELETE)))
    lid = world.pair(1, 2, **ANN)
    world.gone(CRM, 1)
    (op,) = world.round().operations
    world.send(op)
    world.show(CRM, 1)
    plan = world.round()
    assert world.op(op.op_id).state is OpState.SENT
    assert "crm shows it again, and whether warehouse deleted it is not known yet" in plan.waits.values()
    if done:
        world.gone(WAREHOUSE, 2)
    else:
        world.show(WAREHOUSE, 2)

    world.round()

    assert world.op(op.op_id).state is (OpState.ACKED if done else OpState.DROPPED)
    assert world.get_link(lid).state is (LinkState.JOINING if done else LinkState.ACTIVE)  # it is made again
    assert [audit.cause for audit in world.audits()] == ([Cause.DELETED, Cause.RESTORED] if done else [])


def test_a_record_that_is_back_while_its_deletion_across_waits_to_be_seen_is_made_again() -> None:
    world = World(
        person(
            crm=side(on_delete=OnDelete.DELETE),
            warehouse=side(key_rule=Uuid(), receipts=False, deletes=True, on_delete=OnDelete.DELETE),
        )
    )
    lid = world.pair(1, 2, **ANN)
    world.gone(CRM, 1)
    (op,) = world.round().operations
    world.acknowledge(world.send(op))
    world.show(CRM, 1)  # from a backup
    assert world.round().operations == ()
    world.gone(WAREHOUSE, 2)

    plan = world.round()

    assert wrote(plan) == [(WAREHOUSE, "create", {"email": "ann@x", "name": "Ann"})]
    assert world.get_link(lid).state is LinkState.JOINING


@pytest.mark.parametrize("arrived", [False, True])
def test_a_merge_while_a_create_waits_to_be_seen_is_followed_when_it_was_or_was_not(*, arrived: bool) -> None:
    world = World(person(warehouse=side(receipts=False, key_rule=Uuid())))
    world.pair(11, 12, email="bob@x", name="Bob")
    world.show(CRM, 1, **ANN)
    (op,) = world.round().operations
    world.acknowledge(world.send(op))
    world.show(CRM, 1, RecordState.MERGED, merged_into=11)
    world.round()
    assert world.get_link(op.lid).state is LinkState.ACTIVE
    for _ in range(2):
        if arrived:
            world.show(WAREHOUSE, op.lid, **ANN)
        world.read(WAREHOUSE)
        world.round()

    link = world.get_link(op.lid)
    assert (link.state, world.members(op.lid)) == (
        (LinkState.ALIAS, {WAREHOUSE: op.lid}) if arrived else (LinkState.TOMBSTONE, {})
    )


def test_a_merge_into_a_linked_record_leaves_two_on_the_other_side_for_a_person() -> None:
    world, loser, survivor = merged_into_linked()

    plan = world.round()

    assert plan.operations == ()
    (conflict,) = plan.conflicts
    assert conflict.kind is ConflictKind.MERGED
    assert conflict.evidence["alias_of"] == survivor
    assert len(conflict.evidence["offers"]) == 3
    link = world.get_link(loser)
    assert (link.state, link.alias_of) == (LinkState.ALIAS, survivor)
    assert world.members(loser) == {WAREHOUSE: 2}


def test_what_a_merge_left_waits_and_is_not_created_again() -> None:
    world, loser, _ = merged_into_linked()
    world.round()
    world.show(WAREHOUSE, 2, name="Anna")

    assert world.round().empty
    assert world.get_link(loser).state is LinkState.ALIAS


def test_an_alias_that_could_not_be_read_is_still_an_alias() -> None:
    world, loser, survivor = merged_into_linked()
    world.round()
    world.show(WAREHOUSE, 2, RecordState.ERROR)
    world.round()
    world.show(WAREHOUSE, 2, name="Anna")

    assert world.round().operations == ()
    link = world.get_link(loser)
    assert (link.state, link.alias_of) == (LinkState.ALIAS, survivor)


def test_a_merge_that_both_sides_made_leaves_no_question() -> None:
    world, loser, _ = merged_into_linked()
    world.show(WAREHOUSE, 2, RecordState.MERGED, merged_into=12)

    assert world.round().conflicts == ()
    assert world.get_link(loser).state is LinkState.TOMBSTONE


def test_an_alias_whose_record_is_deleted_is_closed() -> None:
    world, loser, _ = merged_into_linked()
    world.round()
    world.gone(WAREHOUSE, 2)

    world.round()

    assert world.get_link(loser).state is LinkState.TOMBSTONE
    assert world.conflicts() == []


def test_an_alias_takes_the_place_of_a_survivor_that_closes() -> None:
    world, loser, survivor = merged_into_linked()
    world.round()
    world.gone(CRM, 11)
    world.gone(WAREHOUSE, 12)

    world.round()
    world.round()

    assert world.get_link(survivor).state is LinkState.TOMBSTONE
    assert world.get_link(loser).alias_of is None
    assert world.members(loser)[WAREHOUSE] == 2
    assert [op.lid for op in world.open_ops()] == [loser]  # created in the CRM again
    assert world.conflicts() == []


def test_only_the_first_of_several_aliases_is_promoted() -> None:
    world, loser, _ = merged_into_linked()
    third = world.pair(21, 22, email="eve@x", name="Eve")
    world.show(CRM, 21, RecordState.MERGED, merged_into=11)
    world.round()
    world.gone(CRM, 11)
    world.gone(WAREHOUSE, 12)

    world.round()

    states = {lid: (world.get_link(lid).state, world.get_link(lid).alias_of) for lid in (loser, third)}
    first, second = sorted((loser, third))
    assert states[first][1] is None
    assert states[second] == (LinkState.ALIAS, first)


# ---- N: newcomers


def test_a_new_record_is_created_on_the_other_side() -> None:
    world = World(person())
    world.show(CRM, 1, **ANN)

    plan = world.round()

    (op,) = plan.operations
    assert (op.side, op.kind, op.key, op.patch, op.expect) == (WAREHOUSE, OpKind.CREATE, {}, ANN, {})
    (link,) = world.links()
    assert (link.state, link.sync_key, op.lid) == (LinkState.JOINING, link.lid, link.lid)
    world.deliver(plan)
    assert world.get_link(link.lid).state is LinkState.ACTIVE
    assert world.base(link.lid, "name") == {CRM: "Ann", WAREHOUSE: "Ann"}
    assert world.settle_down() == 0


def test_two_records_alike_join_and_adopt_what_is_the_same() -> None:
    world = World(person())
    world.show(CRM, 1, **ANN)
    world.show(WAREHOUSE, 2, **ANN)

    assert world.round().empty
    (link,) = world.links()
    assert (link.state, link.match_rule) == (LinkState.ACTIVE, "email")
    assert world.members(link.lid) == {CRM: 1, WAREHOUSE: 2}


def test_records_that_join_and_differ_are_settled_by_the_initial_policy() -> None:
    world = World(person(initial=Owner(WAREHOUSE)))
    world.show(CRM, 1, **ANN)
    world.show(WAREHOUSE, 2, email="ann@x", name="Anna")

    plan = world.round()

    assert wrote(plan) == [(CRM, "update", {"name": "Anna"})]
    assert plan.operations[0].losers == {"name": "Ann"}


def test_records_that_join_and_differ_are_parked_unless_told_otherwise() -> None:
    world = World(person())
    world.show(CRM, 1, **ANN)
    world.show(WAREHOUSE, 2, email="ann@x", name="Anna")

    assert opened(world.round()) == [(ConflictKind.JOIN, "name")]


def test_an_empty_value_never_beats_a_value_when_records_join() -> None:
    world = World(person(initial=Owner(WAREHOUSE)))
    world.show(CRM, 1, **ANN)
    world.show(WAREHOUSE, 2, email="ann@x", name=None)

    assert wrote(world.round()) == [(WAREHOUSE, "update", {"name": "Ann"})]


def test_a_candidate_that_is_linked_already_makes_a_duplicate() -> None:
    world, lid = known()
    world.show(CRM, 3, **ANN)

    plan = world.round()

    assert plan.operations == ()
    (conflict,) = plan.conflicts
    assert conflict.kind is ConflictKind.DUPLICATE
    assert conflict.evidence["lid"] == lid


def test_a_duplicate_is_matched_again_when_it_changes() -> None:
    world, _ = known()
    world.show(CRM, 3, **ANN)
    world.round()
    world.show(CRM, 3, email="other@x")

    plan = world.round()

    assert wrote(plan) == [(WAREHOUSE, "create", {"email": "other@x", "name": "Ann"})]
    assert world.conflicts() == []


def test_several_candidates_are_shown_and_none_is_touched() -> None:
    world = World(person())
    world.show(CRM, 1, **ANN)
    world.show(WAREHOUSE, 2, **ANN)
    world.show(WAREHOUSE, 3, **ANN)

    plan = world.round()

    assert plan.operations == ()
    assert {c.kind for c in plan.conflicts} == {ConflictKind.AMBIGUOUS}
    mine = next(c for c in plan.conflicts if CRM in c.values)
    assert mine.evidence["candidates"] == [[WAREHOUSE, "contact", "[2]"], [WAREHOUSE, "contact", "[3]"]]
    assert {link.state for link in world.links()} == {LinkState.PARKED}


def test_an_ambiguity_that_is_cleared_joins_what_is_left() -> None:
    world = World(person())
    world.show(CRM, 1, **ANN)
    world.show(WAREHOUSE, 2, **ANN)
    world.show(WAREHOUSE, 3, **ANN)
    world.round()
    world.show(WAREHOUSE, 3, email="other@x")

    assert world.settle_down() >= 1
    joined = next(link for link in world.links(LinkState.ACTIVE) if link.match_rule == "email")
    assert world.members(joined.lid) == {CRM: 1, WAREHOUSE: 2}
    assert world.conflicts() == []


def test_rules_are_tried_in_order() -> None:
    world = World(entity(field("email"), field("last"), field("phone"), match=(("email",), ("last", "phone"))))
    world.show(CRM, 1, email=None, last="Lee", phone="5")
    world.show(WAREHOUSE, 2, email="lee@x", last="Lee", phone="5")

    world.round()

    (link,) = world.links()
    assert link.match_rule == "last + phone"


def test_empty_never_matches() -> None:
    world = World(person())
    world.show(CRM, 1, email=None, name="Ann")
    world.show(WAREHOUSE, 2, email="", name="Ann")

    assert [kind for _, kind, _ in wrote(world.round())] == ["create", "create"]


def test_a_record_whose_key_changed_keeps_its_link() -> None:
    world, lid = known()
    world.gone(CRM, 1)
    world.show(CRM, 3, **ANN)

    plan = world.round()

    assert plan.operations == ()
    assert world.members(lid) == {CRM: 3, WAREHOUSE: 2}
    assert world.base(lid, "name") == {CRM: "Ann", WAREHOUSE: "Ann"}
    assert world.conflicts() == []


@pytest.mark.parametrize("gone", [False, True])
def test_a_new_key_gets_the_link_of_one_that_a_read_lacked_only_when_that_is_proven_gone(*, gone: bool) -> None:
    world = World(person())
    lid = world.pair(1, 2, **ANN)
    world.missing(CRM, 1)
    world.show(CRM, 9, **ANN)
    plan = world.round()
    assert world.members(lid) == {CRM: 1, WAREHOUSE: 2}
    assert list(plan.waits.values()) == ["it may be [1], which the last complete read lacked: the next one will say"]

    if gone:
        world.gone(CRM, 1)
    else:
        world.present(CRM, 1)
    plan = world.round()

    assert world.members(lid) == {CRM: 9 if gone else 1, WAREHOUSE: 2}
    assert opened(plan) == ([] if gone else [(ConflictKind.DUPLICATE, None)])


def test_a_key_that_changed_after_its_deletion_was_parked_frees_the_link() -> None:
    world, lid = known()
    world.gone(CRM, 1)
    world.round()
    world.show(CRM, 3, **ANN)

    world.round()

    assert world.members(lid) == {CRM: 3, WAREHOUSE: 2}
    assert world.get_link(lid).state is LinkState.ACTIVE
    assert world.conflicts() == []


def test_a_duplicate_turns_out_to_be_a_changed_key() -> None:
    world, lid = known()
    world.show(CRM, 3, **ANN)
    world.round()
    world.gone(CRM, 1)
    world.show(CRM, 3)

    world.round()

    assert world.members(lid) == {CRM: 3, WAREHOUSE: 2}
    assert world.conflicts() == []


def test_a_new_record_that_goes_before_it_was_sent_leaves_nothing() -> None:
    world = World(person())
    world.show(CRM, 1, **ANN)
    (op,) = world.round().operations
    world.gone(CRM, 1)

    assert world.round().operations == ()
    assert world.op(op.op_id).state is OpState.DROPPED
    assert world.links(LinkState.TOMBSTONE)


def test_a_new_record_that_goes_while_its_create_is_under_way_is_a_deletion_afterwards() -> None:
    world = World(person())
    world.show(CRM, 1, **ANN)
    sent = world.send(world.round().operations[0])
    world.gone(CRM, 1)
    assert world.round().operations == ()

    world.answer(sent)
    plan = world.round()

    assert opened(plan) == [(ConflictKind.DELETE, None)]


def test_a_record_that_appears_by_itself_joins_instead_of_being_created() -> None:
    world = World(person())
    world.show(CRM, 1, **ANN)
    (op,) = world.round().operations
    world.show(WAREHOUSE, 2, **ANN)

    world.round()

    assert world.op(op.op_id).state is OpState.DROPPED
    (link,) = world.links(LinkState.ACTIVE)
    assert world.members(link.lid) == {CRM: 1, WAREHOUSE: 2}


# ---- what is allowed, who names


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


# ---- what a person decided


def conflicting() -> World:
    world, _ = known()
    world.show(CRM, 1, name="Anna")
    world.show(WAREHOUSE, 2, name="Anne")
    world.round()
    return world


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


# ---- refused


def refused() -> tuple[World, str]:
    world, lid = known()
    world.show(CRM, 1, name="A" * 300)
    world.refuse(world.send(world.round().operations[0]), "too long")
    return world, lid


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


# ---- picklists


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


# ---- the keys of new records


def test_a_uuid_names_a_new_record() -> None:
    world = World(person(warehouse=side(key_rule=Uuid())))
    world.show(CRM, 1, **ANN)

    (op,) = world.round().operations

    assert op.key == {"id": op.lid}
    assert world.members(op.lid) == {CRM: 1, WAREHOUSE: op.lid}


def test_a_new_record_copies_the_id_of_the_other_side() -> None:
    world = World(person(warehouse=side(key_rule=CopyFrom(CRM), columns={"id": {"type": "string"}})))
    world.show(CRM, 1, **ANN)

    (op,) = world.round().operations

    assert op.key == {"id": "1"}


def test_an_id_that_is_taken_is_not_overwritten() -> None:
    world = World(person(warehouse=side(key_rule=CopyFrom(CRM))))
    world.show(WAREHOUSE, 1, email="bob@x", name="Bob", touched=False)
    world.show(CRM, 1, **ANN)

    plan = world.round()

    assert plan.operations == ()
    assert opened(plan) == [(ConflictKind.KEY, None)]


# ---- corners


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


def test_a_record_is_not_matched_by_whom_it_names() -> None:
    world = World(
        entity(field("name"), field("boss", references="contact"), match=(("boss",), ("name",))),
    )
    world.show(CRM, 1, name="Ann", boss=9)
    world.show(WAREHOUSE, 2, name="Ann", boss=9)

    world.round()

    assert [link.match_rule for link in world.links()] == ["name"]


def test_a_new_record_that_a_complete_read_lacked_is_waited_for() -> None:
    world = World(person())
    world.show(CRM, 1, **ANN)
    world.missing(CRM, 1)

    plan = world.round()

    assert plan.operations == ()
    assert list(plan.waits.values()) == ["the last complete read lacked it"]


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


def test_a_survivor_that_was_not_shown_yet_is_waited_for() -> None:
    world, lid = known()
    world.show(CRM, 1, RecordState.MERGED, merged_into=9)

    plan = world.round()

    assert list(plan.waits.values()) == ["crm merged it into [9], which it has not shown yet"] * 2
    assert world.members(lid) == {CRM: 1, WAREHOUSE: 2}


def test_a_link_moves_to_the_last_survivor_of_several_merges() -> None:
    world, lid = known()
    world.show(CRM, 9, **ANN)
    world.show(CRM, 8, RecordState.MERGED, merged_into=9)
    world.show(CRM, 1, RecordState.MERGED, merged_into=8)

    world.round()

    assert world.members(lid)[CRM] == 9


def test_a_changed_key_does_not_heal_what_a_link_is_parked_for_besides() -> None:
    world, lid = known()
    world.conflict(lid, ConflictKind.REJECTED, evidence={"side": WAREHOUSE})
    world.gone(CRM, 1)
    world.show(CRM, 3, **ANN)

    world.round()

    assert world.members(lid)[CRM] == 3


def test_missing_has_a_name() -> None:
    assert repr(MISSING) == "MISSING"


def test_a_partner_whose_create_is_under_way_is_waited_for() -> None:
    world = World(person())
    world.show(CRM, 1, **ANN)
    sent = world.send(world.round().operations[0])
    world.show(WAREHOUSE, 2, **ANN)

    plan = world.round()

    assert plan.operations == ()
    assert "a create is on its way, and this may be its record" in plan.waits.values()
    world.answer(sent, id=2)
    assert world.settle_down() == 0
    (link,) = world.links(LinkState.ACTIVE)
    assert world.members(link.lid) == {CRM: 1, WAREHOUSE: 2}


@pytest.mark.parametrize("changed", [False, True])
def test_a_record_that_appears_after_a_create_without_an_answer_may_be_its_own(*, changed: bool) -> None:
    world = World(person())
    world.show(CRM, 1, **ANN)
    sent = world.send(world.round().operations[0])
    world.answer(sent, Status.FAILED, error_status=504)
    if changed:
        world.show(CRM, 1, name="Anna")
    world.round()
    world.show(WAREHOUSE, 2, email="by@another", name="Ann")

    plan = world.round()

    assert [op for op in world.open_ops() if op.side == CRM] == []
    assert "a create is on its way, and this may be its record" in plan.waits.values()
    (again,) = world.open_ops()
    world.answer(world.send(again), id=2)
    assert len(world.links(LinkState.ACTIVE)) == 1


def test_a_record_named_by_us_that_the_user_made_too_is_a_duplicate() -> None:
    world = World(person(warehouse=side(key_rule=Uuid())))
    world.show(CRM, 1, **ANN)
    world.send(world.round().operations[0])
    world.show(WAREHOUSE, "by hand", **ANN)

    plan = world.round()

    assert (ConflictKind.DUPLICATE, None) in opened(plan) or plan.waits


def test_records_that_were_joined_and_buried_may_join_again() -> None:
    world = World(person())
    world.show(CRM, 1, **ANN)
    world.show(WAREHOUSE, 2, **ANN)
    world.round()
    world.gone(CRM, 1)
    world.gone(WAREHOUSE, 2)
    world.round()
    world.show(CRM, 1)
    world.show(WAREHOUSE, 2)

    world.round()

    (link,) = world.links(LinkState.ACTIVE)
    assert world.members(link.lid) == {CRM: 1, WAREHOUSE: 2}
    assert len(world.links(LinkState.TOMBSTONE)) == 1


def test_the_ids_of_a_member_that_was_never_shown_are_free_for_a_new_create() -> None:
    world = World(person(warehouse=side(key_rule=Uuid())))
    world.show(CRM, 1, **ANN)
    world.link(1, "never shown", LinkState.ACTIVE, lid="link")

    (op,) = world.round().operations

    assert (op.kind, op.lid) == (OpKind.CREATE, "link")
    assert world.members("link") == {CRM: 1, WAREHOUSE: "link"}


def test_a_detached_pair_is_not_linked_again() -> None:
    world = World(person())
    world.show(CRM, 1, **ANN)
    world.show(WAREHOUSE, 2, **ANN)
    world.link(1, 2, LinkState.DETACHED)

    world.round()

    assert world.links(LinkState.ACTIVE) == []


@pytest.mark.parametrize("size", [2, 3, 5])
def test_merges_in_a_circle_move_nobody(size: int) -> None:
    world, lid = known()
    for n in range(size):
        world.show(CRM, n + 1, RecordState.MERGED, merged_into=(n + 1) % size + 1)

    plan = world.round()

    assert plan.operations == ()
    assert world.members(lid) == {CRM: 1, WAREHOUSE: 2}
    assert world.get_link(lid).closed_reason == "crm shows it as merged"


def test_a_merge_into_nobody_knows_whom_stops_the_link() -> None:
    world, lid = known()
    world.show(CRM, 1, RecordState.MERGED)
    world.show(WAREHOUSE, 2, name="Anna")

    assert world.round().operations == ()
    assert world.get_link(lid).state is LinkState.QUARANTINED


def test_a_merge_calls_the_losers_planned_write_off() -> None:
    world, loser, _ = merged_into_linked()
    world.show(CRM, 1, RecordState.LIVE, name="Anna")
    (op,) = world.round().operations
    world.show(CRM, 1, RecordState.MERGED, merged_into=11)

    world.round()

    assert world.op(op.op_id).state is OpState.DROPPED
    assert world.get_link(loser).state is LinkState.ALIAS


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


def test_a_person_may_have_a_refused_create_tried_again() -> None:
    world = World(person())
    world.show(CRM, 1, **ANN)
    world.refuse(world.send(world.round().operations[0]), "no consent")
    world.decide(world.conflicts()[0], retry=True)

    assert wrote(world.round()) == [(WAREHOUSE, "create", ANN)]


def test_a_record_whose_create_was_held_back_joins_the_one_that_appears() -> None:
    world = World(person())
    world.show(CRM, 1, **ANN)
    world.round(held={WAREHOUSE: "not read"})
    world.show(WAREHOUSE, 2, **ANN)

    assert world.round().empty
    (link,) = world.links(LinkState.ACTIVE)
    assert world.members(link.lid) == {CRM: 1, WAREHOUSE: 2}


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


def test_a_record_that_was_never_shown_is_not_created_for_those_who_name_it() -> None:
    world = World(entity(field("name"), field("company", references="company")), entity(field("name"), name="company"))
    world.link("c1", None, LinkState.JOINING, entity="company")
    world.show(CRM, 1, name="Ann", company="c1")

    assert wrote(world.round()) == [(WAREHOUSE, "create", {"name": "Ann"})]
