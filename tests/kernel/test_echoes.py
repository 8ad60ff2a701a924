"""A delivery of which no receipt tells: what STATE, a later read or a dead runner leave to believe."""

from __future__ import annotations

from antiphon.echoes import MAX_ATTEMPTS
from antiphon.mapping import Kind, Owner, SetUnion, Uuid
from antiphon.model import BaseStatus, Cause, ConflictKind, LinkState, Op, OpKind, OpState
from antiphon.protocol import Status
from tests.kernel.ann import ANN, changed, foreign
from tests.kernel.facts import CRM, WAREHOUSE, World, entity, field, opened, person, side, wrote


def created(world: World) -> Op:
    world.show(CRM, 1, **ANN)
    (op,) = world.round().operations
    return world.acknowledge(world.send(op))


def deleted(world: World) -> tuple[str, Op]:
    lid = world.pair(1, 2, **ANN)
    world.gone(CRM, 1)
    (op,) = world.round().operations
    return lid, world.acknowledge(world.send(op))


def test_without_a_receipt_a_base_is_provisional_and_the_pair_before_is_kept() -> None:
    world = foreign()
    lid, op = changed(world)

    sent = world.acknowledge(world.send(op))

    assert sent.state is OpState.SENT
    rows = world.base_rows(lid, "name")
    assert {s: (b.value, b.previous, b.status) for s, b in rows.items()} == {
        CRM: ("Anna", "Ann", BaseStatus.PROVISIONAL),
        WAREHOUSE: ("Anna", "Ann", BaseStatus.PROVISIONAL),
    }


def test_only_what_is_under_way_can_be_acknowledged() -> None:
    world = foreign()
    lid, op = changed(world)

    assert world.acknowledge(op).state is OpState.PLANNED
    assert world.base(lid, "name") == {CRM: "Ann", WAREHOUSE: "Ann"}


def test_a_provisional_base_alone_makes_no_change() -> None:
    world = foreign()
    _, op = changed(world)
    world.acknowledge(world.send(op))
    world.touch()

    plan = world.round()

    assert plan.operations == ()
    assert plan.conflicts == ()


def test_seen_as_sent_it_is_agreed() -> None:
    world = foreign()
    lid, op = changed(world)
    world.acknowledge(world.send(op))
    world.show(WAREHOUSE, 2, name="Anna")

    world.round()

    assert world.op(op.op_id).state is OpState.ACKED
    assert {b.status for b in world.base_rows(lid, "name").values()} == {BaseStatus.AGREED}
    assert world.settle_down() == 0


def test_seen_as_it_was_before_it_is_sent_again() -> None:
    world = foreign()
    lid, op = changed(world)
    world.acknowledge(world.send(op))
    world.show(WAREHOUSE, 2, name="Ann")

    (again,) = world.round().operations

    assert (again.patch, again.attempt) == ({"name": "Anna"}, 1)
    assert world.op(op.op_id).error == "not visible"
    assert world.base(lid, "name") == {CRM: "Ann", WAREHOUSE: "Ann"}


def test_seen_as_something_else_it_was_changed_there() -> None:
    world = foreign()
    _, op = changed(world)
    world.acknowledge(world.send(op))
    world.show(WAREHOUSE, 2, name="Annabel")

    plan = world.round()

    assert world.op(op.op_id).state is OpState.ACKED
    assert wrote(plan) == [(CRM, "update", {"name": "Annabel"})]
    assert plan.operations[0].losers == {"name": "Anna"}  # it was never seen to have crossed


def test_what_stays_invisible_three_times_is_parked() -> None:
    world = foreign()
    lid, op = changed(world)
    for attempt in range(MAX_ATTEMPTS):
        assert op.attempt == attempt
        world.acknowledge(world.send(op))
        world.show(WAREHOUSE, 2, name="Ann")
        plan = world.round()
        op = plan.operations[0] if plan.operations else op

    assert plan.operations == ()
    assert opened(plan) == [(ConflictKind.NOT_VISIBLE, None)]
    assert world.get_link(lid).closed_reason == "warehouse acknowledged it 3 times and never showed it"


def test_what_never_became_visible_is_armed_again_by_a_change() -> None:
    world = foreign()
    _, op = changed(world)
    for _ in range(MAX_ATTEMPTS):
        world.acknowledge(world.send(op))
        world.show(WAREHOUSE, 2, name="Ann")
        op = next(iter(world.round().operations), op)
    world.touch()
    assert world.round().operations == ()

    world.show(CRM, 1, name="Annabel")

    (again,) = world.round().operations
    assert (again.patch, again.attempt) == ({"name": "Annabel"}, 0)


def test_a_read_from_before_the_acknowledgement_says_nothing() -> None:
    world = foreign()
    _, op = changed(world)
    sent = world.send(op)
    world.show(WAREHOUSE, 2, name="Ann")
    world.acknowledge(sent)

    world.round()

    assert world.op(op.op_id).state is OpState.SENT


def test_a_record_is_looked_for_as_long_as_a_write_to_it_waits_to_be_seen() -> None:
    world = foreign()
    _, op = changed(world)
    world.acknowledge(world.send(op))
    key = ("warehouse", "contact", "[2]")
    for _ in range(2):
        assert key in world.round().touch


def test_a_complete_read_speaks_of_records_that_did_not_change() -> None:
    world = foreign()
    _, op = changed(world)
    world.acknowledge(world.send(op))
    world.read(WAREHOUSE)

    (again,) = world.round().operations

    assert again.attempt == 1


def test_a_complete_read_does_not_speak_of_a_record_that_it_lacked() -> None:
    world = foreign()
    _, op = changed(world)
    world.acknowledge(world.send(op))
    world.missing(WAREHOUSE, 2)
    world.read(WAREHOUSE)

    world.round()

    assert world.op(op.op_id).state is OpState.SENT


def test_a_joined_value_that_stays_invisible_never_comes_back_as_a_change() -> None:
    world = foreign(initial=Owner(CRM))
    world.show(CRM, 1, **ANN)
    world.show(WAREHOUSE, 2, email="ann@x", name="Old")
    (op,) = world.round().operations
    world.acknowledge(world.send(op))
    world.show(WAREHOUSE, 2, name="Old")

    plan = world.round()

    assert wrote(plan) == [(WAREHOUSE, "update", {"name": "Ann"})]


def test_a_set_that_was_never_seen_on_one_side_is_no_base_when_the_other_is_written() -> None:
    blind = side(receipts=False, key_rule=Uuid())
    world = World(entity(field("tags", SetUnion(), kind=Kind.LIST), crm=blind, warehouse=blind))
    world.show(CRM, 1, tags=["a"])
    world.show(WAREHOUSE, 2, tags=["b"])
    lid = world.link(1, 2, base=False)
    there = next(op for op in world.round().operations if op.side == WAREHOUSE)
    world.acknowledge(world.send(there))  # and loses it
    world.touch()
    world.round()
    here = next(op for op in world.open_ops() if op.side == CRM)
    world.acknowledge(world.send(here))
    world.show(CRM, 1, tags=["a", "b"])
    world.round()
    assert world.base(lid, "tags") == {}

    world.show(WAREHOUSE, 2, tags=["b"])

    assert wrote(world.round()) == [(WAREHOUSE, "update", {"tags": ["a", "b"]})]


def test_a_column_that_the_read_lacks_decides_nothing() -> None:
    world = foreign()
    _, op = changed(world)
    world.acknowledge(world.send(op))
    world.forget_column(WAREHOUSE, 2, "name")

    world.round()

    assert world.op(op.op_id).state is OpState.ACKED


def test_while_it_waits_to_be_seen_a_further_change_waits_too() -> None:
    world = foreign()
    _, op = changed(world)
    world.acknowledge(world.send(op))
    world.show(CRM, 1, name="Annabel")

    plan = world.round()

    assert plan.operations == ()
    assert plan.waits
    world.show(WAREHOUSE, 2, name="Anna")
    assert wrote(world.round()) == [(WAREHOUSE, "update", {"name": "Annabel"})]


def test_a_foreign_create_is_settled_when_the_record_is_shown() -> None:
    world = foreign()
    op = created(world)
    assert world.get_link(op.lid).state is LinkState.ACTIVE
    world.show(WAREHOUSE, op.lid, **ANN)

    assert world.settle_down() == 0
    assert world.op(op.op_id).state is OpState.ACKED
    assert {b.status for b in world.base_rows(op.lid, "name").values()} == {BaseStatus.AGREED}


def test_a_foreign_create_that_two_complete_reads_do_not_show_is_sent_again() -> None:
    world = foreign()
    op = created(world)
    world.read(WAREHOUSE)
    assert world.round().operations == ()  # that read may have been cut short
    world.read(WAREHOUSE)

    (again,) = world.round().operations

    assert (again.kind, again.key, again.attempt) == (OpKind.CREATE, op.key, 1)
    assert world.op(op.op_id).error == "never seen"


def test_a_record_that_complete_reads_did_not_show_is_known_by_the_create_that_made_it() -> None:
    world = foreign()
    world.show(CRM, 1, **ANN)
    (op,) = world.round().operations
    world.acknowledge(world.send(op))
    for _ in range(2):
        world.read(WAREHOUSE)  # it lacked the record, though it is there
        world.round()
    world.show(CRM, 1, name="Anna")
    (again,) = world.round().operations
    world.send(again)  # and nobody answers
    world.show(WAREHOUSE, again.key["id"], **ANN)

    plan = world.round()

    assert wrote(plan) == [(WAREHOUSE, "update", {"name": "Anna"})]


def test_the_value_of_a_create_that_failed_and_is_seen_otherwise_is_kept_when_the_other_replaces_it() -> None:
    world = World(person(warehouse=side(key_rule=Uuid())))
    world.show(CRM, 1, email="ann@x", name="Anna")
    (op,) = world.round().operations
    world.answer(world.send(op), Status.FAILED, error_status=429)
    world.show(WAREHOUSE, op.lid, email="ann@x", name="Ann")  # perhaps an older ledger made it

    (back,) = world.round().operations

    assert (back.side, back.patch, back.losers) == (CRM, {"name": "Ann"}, {"name": "Anna"})


def test_a_change_while_a_foreign_create_waits_to_be_seen_is_not_lost() -> None:
    world = foreign()
    op = created(world)
    world.show(CRM, 1, name="Anna")
    assert world.round().operations == ()

    world.show(WAREHOUSE, op.lid, **ANN)

    assert wrote(world.round()) == [(WAREHOUSE, "update", {"name": "Anna"})]


def test_a_foreign_delete_is_settled_when_the_record_is_gone() -> None:
    world = foreign()
    lid, op = deleted(world)
    world.gone(WAREHOUSE, 2)

    world.round()

    assert world.op(op.op_id).state is OpState.ACKED
    assert world.get_link(lid).state is LinkState.TOMBSTONE


def test_a_foreign_delete_that_did_nothing_is_tried_three_times() -> None:
    world = foreign()
    lid, op = deleted(world)
    for _ in range(MAX_ATTEMPTS - 1):
        world.show(WAREHOUSE, 2)
        (op,) = world.round().operations
        world.acknowledge(world.send(op))
    world.show(WAREHOUSE, 2)

    plan = world.round()

    assert opened(plan) == [(ConflictKind.NOT_VISIBLE, None)]
    assert world.get_link(lid).state is LinkState.PARKED


def test_a_write_that_a_dead_runner_had_sent_is_believed_when_it_is_seen() -> None:
    world = foreign()
    lid, op = changed(world)
    world.send(op)
    world.show(WAREHOUSE, 2, name="Anna")

    assert world.settle_down() == 0
    assert world.op(op.op_id).state is OpState.ACKED
    assert [(a.old, a.new) for a in world.audits()] == [("Ann", "Anna")]
    assert world.base(lid, "name") == {CRM: "Anna", WAREHOUSE: "Anna"}


def test_a_write_that_a_dead_runner_had_not_sent_is_planned_anew() -> None:
    world = foreign()
    _, op = changed(world)
    world.send(op)
    world.show(WAREHOUSE, 2, name="Ann")

    (again,) = world.round().operations

    assert (again.patch, again.attempt) == ({"name": "Anna"}, 0)
    assert world.op(op.op_id).error == "not seen after a crash"


def test_a_value_put_back_upon_a_write_of_a_dead_runner_is_kept_when_the_write_is_planned_anew() -> None:
    world = foreign()
    _, op = changed(world)
    world.send(op)
    world.show(WAREHOUSE, 2, name="Ann")  # never written, or written and put back: nobody knows
    (again,) = world.round().operations

    world.acknowledge(world.send(again))

    assert [(a.old, a.new, a.cause) for a in world.audits()] == [("Ann", "Anna", Cause.SUPERSEDED)]


def test_a_value_put_back_later_upon_a_write_of_a_dead_runner_is_kept_too() -> None:
    world = foreign()
    _, op = changed(world)
    world.send(op)
    world.show(WAREHOUSE, 2, name="Annie")  # edited before the write, or in its place, or after it: nobody knows
    assert opened(world.round()) == [(ConflictKind.FIELD, "name")]
    world.show(WAREHOUSE, 2, name="Ann")
    (again,) = world.round().operations

    world.acknowledge(world.send(again))

    assert [(a.old, a.new, a.cause) for a in world.audits()] == [("Ann", "Anna", Cause.SUPERSEDED)]


def test_a_value_put_back_upon_an_acknowledged_write_is_kept_when_it_is_planned_anew_later() -> None:
    world = foreign()
    world.pair(1, 2, **ANN)
    world.show(CRM, 1, name="Anna")
    world.show(WAREHOUSE, 2, email="anna@x")
    there, here = sorted(world.round().operations, key=lambda op: op.side, reverse=True)
    world.acknowledge(world.send(there))
    world.send(here)
    world.show(WAREHOUSE, 2, name="Ann", email="anna@x")  # never written, or written and put back: nobody knows
    assert world.round().operations == ()
    world.answer(here, Status.APPLIED)
    (again,) = world.round().operations

    assert (again.side, again.patch, again.losers) == (WAREHOUSE, {"name": "Anna"}, {"name": "Ann"})


def test_the_edit_that_a_write_of_a_dead_runner_may_have_replaced_is_kept_when_the_record_is_gone() -> None:
    target = side(receipts=False, key_rule=Uuid())
    world = World(entity(field("email"), field("name", Owner(CRM)), warehouse=target))
    world.pair(1, 2, **ANN)
    world.show(CRM, 1, name="Anna")
    world.show(WAREHOUSE, 2, name="Anne")
    world.send(world.round().operations[0])
    world.gone(WAREHOUSE, 2)

    world.round()

    assert [(a.old, a.new, a.cause) for a in world.audits()] == [("Anne", "Anna", Cause.SUPERSEDED)]


def test_what_a_failed_write_did_not_bring_may_have_been_put_back_and_is_kept_when_it_is_planned_anew() -> None:
    world = World(person())
    world.pair(1, 2, **ANN)
    world.show(CRM, 1, name="Anna", email="anna@x")
    (op,) = world.round().operations
    world.answer(world.send(op), Status.FAILED, error_status=504)
    world.show(WAREHOUSE, 2, email="anna@x")

    (again,) = world.round().operations

    assert world.op(op.op_id).error == "seen in part"
    assert (again.patch, again.losers) == ({"name": "Anna"}, {"name": "Ann"})


def test_what_looks_written_by_a_dead_runner_may_be_an_edit_and_is_kept_if_the_rest_is_not_to_be_seen() -> None:
    world = foreign()
    world.pair(1, 2, **ANN)
    world.show(CRM, 1, name="Anna", email="anna@x")
    (op,) = world.round().operations
    world.send(op)
    world.show(WAREHOUSE, 2, email="anna@x")
    assert world.round().operations != ()
    world.show(CRM, 1, name="Anna", email="ann@y")

    (again,) = world.round().operations

    assert (again.patch, again.losers) == (
        {"name": "Anna", "email": "ann@y"},
        {"name": "Ann", "email": "anna@x"},
    )


def test_an_edit_upon_a_write_of_a_dead_runner_is_kept() -> None:
    world = foreign()
    world.pair(1, 2, **ANN)
    world.show(CRM, 1, name="Anna")
    world.send(world.round().operations[0])
    world.show(WAREHOUSE, 2, name="Annabel")

    plan = world.round()

    assert plan.operations == ()
    assert opened(plan) == [(ConflictKind.FIELD, "name")]


def test_while_nothing_was_read_a_dead_runners_write_stays_in_doubt() -> None:
    world = foreign()
    _, op = changed(world)
    world.send(op)

    plan = world.round()

    assert plan.operations == ()
    assert set(plan.waits.values()) == {"a write is under way"}
    assert world.op(op.op_id).state is OpState.INFLIGHT


def test_a_row_that_our_own_write_brought_back_is_no_record() -> None:
    world = foreign()
    lid, op = changed(world)
    world.send(op)
    world.show(WAREHOUSE, 2, email=None, name="Anna")

    plan = world.round()

    assert plan.operations == ()
    (conflict,) = plan.conflicts
    assert conflict.kind is ConflictKind.DELETE_UPDATE
    assert conflict.evidence["remnant"] is True
    assert world.base(lid, "email") == {CRM: "ann@x", WAREHOUSE: "ann@x"}
    world.touch()
    assert world.round().empty


def test_a_person_fills_such_a_row_again() -> None:
    world = foreign()
    _, op = changed(world)
    world.send(op)
    world.show(WAREHOUSE, 2, email=None, name="Anna")
    (conflict,) = world.round().conflicts
    world.decide(conflict, take=CRM)

    assert wrote(world.round()) == [(WAREHOUSE, "update", {"email": "ann@x"})]
