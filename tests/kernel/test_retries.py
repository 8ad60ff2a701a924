"""A write that failed: whose fault it was, when it is tried again, when it never is, and what arms it anew."""

from __future__ import annotations

from dataclasses import replace

import pytest

from antiphon import model
from antiphon.model import ConflictKind, LinkState, Op, OpKind, OpState
from antiphon.protocol import ReceiptLine, Status, parse_receipt
from antiphon.retries import LONGEST_WAIT, MAX_FAILURES, SIDE_WAIT, Fault, fault_of, wait
from tests.kernel.facts import CRM, SECOND, WAREHOUSE, World, person, wrote

OP = Op("op", "lid", CRM, "contact", OpKind.UPDATE, {}, {}, {}, {}, {}, {}, (), 0, "run")

FAULTS: list[tuple[str, int | str | None, Fault]] = [
    *(("", code, Fault.SIDE) for code in (401, 407, 408, 423, 425, 429, 500, 502, 503, 504, "429")),
    *(("", code, Fault.ROW) for code in (400, 403, 404, 410, 413, 415, 422, 501)),
    *(("", code, Fault.UNKNOWN) for code in (0, 200, 302, 409, 412, 418, None, "")),
    *(("", state, Fault.SIDE) for state in ("08006", "40001", "40P01", "53300", "55P03", "57014", "58030")),
    *(("", state, Fault.ROW) for state in ("22001", "23505", "23514", "42703", "0A000")),
    *(("", state, Fault.UNKNOWN) for state in ("25006", "XX000")),
    ("ReadTimeout", None, Fault.SIDE),
    ("ConnectionError", None, Fault.SIDE),
    ("", "UNABLE_TO_LOCK_ROW", Fault.SIDE),
    ("", "REQUEST_LIMIT_EXCEEDED", Fault.SIDE),
    ("ValueError", "FIELD_CUSTOM_VALIDATION_EXCEPTION", Fault.UNKNOWN),
]


@pytest.mark.parametrize(("named", "status", "fault"), FAULTS, ids=repr)
def test_a_failure_is_the_sides_the_rows_or_nobody_knows_whose(
    named: str, status: int | str | None, fault: Fault
) -> None:
    line = ReceiptLine("op", Status.FAILED, error_class=named, error_status=status)
    assert fault_of(line) is fault


def test_a_receipt_tells_the_class_and_the_code() -> None:
    told = b'{"op_id": "o", "status": "failed", "error": {"class": "Busy", "status": 429, "message": "soon"}, "at": ""}'
    line = parse_receipt(told, "")
    assert (line.error_class, line.error_status, line.message) == ("Busy", 429, "soon")
    bare = parse_receipt(b'{"op_id": "o", "status": "failed", "error": {"message": "no"}, "at": ""}', "")
    assert (bare.error_class, bare.error_status) == ("", None)


def test_the_wait_doubles_up_to_an_hour_and_each_write_has_its_own() -> None:
    waits = [wait(model.replace(OP, attempt=n), Fault.UNKNOWN) for n in range(20)]
    for number, each in enumerate(waits):
        longest = min(SECOND << number, LONGEST_WAIT)
        assert longest // 2 <= each <= longest
    assert len({wait(model.replace(OP, op_id=f"op{n}", attempt=9), Fault.UNKNOWN) for n in range(100)}) > 80
    assert waits == [wait(model.replace(OP, attempt=n), Fault.UNKNOWN) for n in range(20)]


def waiting() -> tuple[World, Op]:
    world = World(person())
    world.pair(1, 1, email="a@x", name="Ann")
    world.show(CRM, 1, name="Anna")
    (op,) = world.round().operations
    return world, op


def test_an_outage_of_the_side_counts_against_no_row_however_long_it_lasts() -> None:
    world, op = waiting()
    for _ in range(3 * MAX_FAILURES):
        now = world.now
        op = world.answer(world.send(op), Status.FAILED, error_status=503)
        assert (op.state, op.attempt) == (OpState.PLANNED, 0)
        assert SIDE_WAIT // 2 <= op.not_before - now <= SIDE_WAIT + SECOND * 10
    assert not world.conflicts()


def test_what_the_row_itself_is_at_fault_for_is_parked_at_once() -> None:
    world, op = waiting()
    op = world.answer(world.send(op), Status.FAILED, error_status=422, message="no such city")
    assert op.state is OpState.POISON
    (conflict,) = world.conflicts(ConflictKind.REJECTED)
    assert "no such city" in conflict.evidence["reason"]


def given_up() -> World:
    world, op = waiting()
    for number in range(MAX_FAILURES):
        assert op.state is OpState.PLANNED, number
        op = world.answer(world.send(op), Status.FAILED, message="who knows")
    assert op.state is OpState.POISON
    return world


def test_what_fails_for_reasons_unknown_is_given_up_and_a_person_sees_the_last_words() -> None:
    world = given_up()
    (conflict,) = world.conflicts(ConflictKind.REJECTED)
    assert conflict.evidence["reason"] == f"warehouse refused it: it failed {MAX_FAILURES} times, last with: who knows"
    world.touch()
    assert world.round().operations == ()


def test_a_change_of_the_record_arms_it_again_with_the_latest_value() -> None:
    world = given_up()
    world.show(CRM, 1, name="Annette")
    plan = world.round()
    assert wrote(plan) == [(WAREHOUSE, "update", {"name": "Annette"})]
    assert plan.operations[0].attempt == 0
    assert [link.state for link in world.links()] == [LinkState.ACTIVE]


def test_another_mapping_arms_it_again() -> None:
    world = given_up()
    world.mapping = replace(world.mapping, version="2")
    world.touch()
    assert wrote(world.round()) == [(WAREHOUSE, "update", {"name": "Anna"})]


def test_while_it_waits_a_newer_value_takes_its_place_and_waits_in_its_stead() -> None:
    world, op = waiting()
    failed = world.answer(world.send(op), Status.FAILED)
    world.show(CRM, 1, name="Annette")
    (newer,) = world.round().operations
    assert newer.patch == {"name": "Annette"}
    assert (newer.not_before, newer.attempt) == (failed.not_before, 0)
    assert world.op(op.op_id).state is OpState.DROPPED
