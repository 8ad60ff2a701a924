"""What follows where a side made one record of two."""

from __future__ import annotations

import pytest

from antiphon.mapping import OnDelete, Uuid
from antiphon.model import Cause, ConflictKind, LinkState, OpState, RecordState
from tests.kernel.ann import ANN, known
from tests.kernel.facts import CRM, WAREHOUSE, World, person, side, wrote


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


def test_what_a_survivor_shows_may_be_an_edit_even_where_it_is_what_was_agreed_before() -> None:
    world, _ = known()
    world.show(WAREHOUSE, 2, name="Anne")
    world.show(CRM, 9, **ANN)
    world.show(CRM, 1, RecordState.MERGED, merged_into=9)

    plan = world.round()

    assert wrote(plan) == [(CRM, "update", {"name": "Anne"})]
    assert plan.operations[0].losers == {"name": "Ann"}


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
