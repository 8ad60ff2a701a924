"""What follows where a record is new: it is created, joined, or shown to a person."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon.mapping import CopyFrom, Owner, Uuid
from antiphon.model import ConflictKind, LinkState, OpKind, OpState
from antiphon.protocol import Status
from tests.kernel.ann import ANN, known
from tests.kernel.facts import CRM, WAREHOUSE, World, entity, field, opened, person, side, wrote


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


@pytest.mark.parametrize("there", [True, False])
def test_many_that_join_or_are_new_ask_the_ledger_no_more_often_than_two(
    monkeypatch: pytest.MonkeyPatch, *, there: bool
) -> None:
    asked = []
    for number in (2, 40):
        world = World(person())
        for each in range(number):
            world.show(CRM, each, email=f"{each}@x", name="Ann")
            if there:
                world.show(WAREHOUSE, 100 + each, email=f"{each}@x", name="Ann")
        with monkeypatch.context() as patched:
            calls = [
                _counted(patched, world.ledger.store, verb) for verb in ("get", "find", "pick", "latest", "newest")
            ]
            plan = world.plan()
        assert len(plan.operations) == (0 if there else number)
        asked.append(sum(map(len, calls)))
    assert asked[0] == asked[1]


def _counted(patched: pytest.MonkeyPatch, store: Any, verb: str) -> list[str]:
    calls: list[str] = []
    real = getattr(store, verb)

    def counting(*arguments: Any, **options: Any) -> Any:
        calls.append(verb)
        return real(*arguments, **options)

    patched.setattr(store, verb, counting)
    return calls


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


def test_what_an_unheard_create_had_made_is_no_stranger_to_its_record_that_went_and_came_back() -> None:
    world = World(person())
    world.show(CRM, 1, birth="then", **ANN)
    (op,) = world.round().operations
    world.answer(world.send(op), Status.FAILED, error_status=504)  # it was made all the same
    world.gone(CRM, 1)
    world.round()
    world.show(CRM, 1, name="Anna")
    world.show(WAREHOUSE, 2, **ANN)

    plan = world.round()

    assert wrote(plan) == [(WAREHOUSE, "update", {"name": "Anna"})]
    assert world.conflicts() == []


def test_a_create_that_failed_is_tried_again_with_what_the_source_does_not_show_any_more() -> None:
    world = World(person())
    world.show(CRM, 1, **ANN)
    (op,) = world.round().operations
    world.answer(world.send(op), Status.FAILED, error_status=504)
    world.forget_column(CRM, 1, "name")

    world.round()

    assert world.op(op.op_id).state is OpState.PLANNED  # it may be made by now, with the name
    assert world.op(op.op_id).patch == ANN


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


def test_a_changed_key_does_not_heal_what_a_link_is_parked_for_besides() -> None:
    world, lid = known()
    world.conflict(lid, ConflictKind.REJECTED, evidence={"side": WAREHOUSE})
    world.gone(CRM, 1)
    world.show(CRM, 3, **ANN)

    world.round()

    assert world.members(lid)[CRM] == 3


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


def test_a_record_whose_create_was_held_back_joins_the_one_that_appears() -> None:
    world = World(person())
    world.show(CRM, 1, **ANN)
    world.round(held={WAREHOUSE: "not read"})
    world.show(WAREHOUSE, 2, **ANN)

    assert world.round().empty
    (link,) = world.links(LinkState.ACTIVE)
    assert world.members(link.lid) == {CRM: 1, WAREHOUSE: 2}


def test_a_record_that_was_never_shown_is_not_created_for_those_who_name_it() -> None:
    world = World(entity(field("name"), field("company", references="company")), entity(field("name"), name="company"))
    world.link("c1", None, LinkState.JOINING, entity="company")
    world.show(CRM, 1, name="Ann", company="c1")

    assert wrote(world.round()) == [(WAREHOUSE, "create", {"name": "Ann"})]
