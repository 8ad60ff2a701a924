"""What a target on the kit does with the operations of the reconciler."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from typing import Any

import jsonschema
import pytest

from antiphon.protocol import RECEIPT_SCHEMA, Bookmark, Status, parse_receipt
from tests.targets.kit.conftest import SCHEMA, Shelf, operation, row, state


def test_each_operation_gets_one_receipt_in_the_published_format(shelf: Shelf) -> None:
    run = shelf.run(
        SCHEMA,
        operation("a", "update", {"id": "1"}, {"name": "Bo"}, expect={"name": "Ada"}),
        operation("b", "create", {}, {"name": "Cy"}),
        operation("c", "update", {"id": "9"}, {"name": "Di"}),
        operation("d", "update", {"id": "7"}, {"name": "refuse me"}),
        operation("e", "update", {"id": "6"}, {"name": "not now"}),
        state(1),
    )
    assert (run.code, run.states) == (0, [state(1)["value"]]), run.err
    for receipt in shelf.receipts:
        jsonschema.validate(receipt, RECEIPT_SCHEMA)
    parsed = [parse_receipt(line, "here") for line in shelf.receipts_path.read_bytes().splitlines()]
    assert [(each.op_id, each.status) for each in parsed] == [
        ("a", Status.APPLIED),
        ("b", Status.APPLIED),
        ("c", Status.GONE),
        ("d", Status.REJECTED),
        ("e", Status.FAILED),
    ]
    assert (parsed[1].id, parsed[1].stored) == (["new-link-b"], {"name": "Cy"})
    assert shelf.people == {"1": {"name": "Bo"}, "new-link-b": {"name": "Cy"}}


def test_two_operations_of_one_record_are_never_in_one_batch(shelf: Shelf) -> None:
    run = shelf.run(
        SCHEMA,
        operation("a", "update", {"id": "1"}, {"name": "Bo"}, expect={"name": "Ada"}),
        operation("b", "update", {"id": "1"}, {"name": "Cy"}, expect={"name": "Bo"}),
        operation("c", "delete", {"id": "1"}, {}, expect={"name": "Bo"}),
        state(1),
    )
    assert run.code == 0, run.err
    assert [each["status"] for each in shelf.receipts] == ["applied", "applied", "stale"]
    assert shelf.receipts[2]["found"] == {"name": "Cy"}


def test_no_secret_is_repeated_in_receipts_or_logs(shelf: Shelf) -> None:
    run = shelf.run(SCHEMA, operation("a", "update", {"id": "1"}, {"name": "refuse me"}), state(1))
    assert "no, says ****" in shelf.receipts[0]["error"]["message"]
    assert "hunter22" not in run.err + shelf.receipts_path.read_text(encoding="utf-8")


@pytest.mark.parametrize("settings", [{"flush_seconds": 0.2}, {"follow": True}])
def test_what_waits_is_written_and_acknowledged_in_time_although_the_pipe_stays_open(
    shelf: Shelf, settings: dict[str, Any]
) -> None:
    shelf.config.update(settings)
    with subprocess.Popen(
        shelf.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as p:
        assert p.stdin is not None
        assert p.stdout is not None
        for message in (SCHEMA, operation("a", "update", {"id": "1"}, {"name": "Bo"})):
            p.stdin.write(json.dumps(message).encode() + b"\n")
        p.stdin.flush()
        started = time.monotonic()
        while shelf.people["1"] != {"name": "Bo"}:  # although no STATE has come
            assert time.monotonic() - started < 10
            time.sleep(0.01)
        p.stdin.write(json.dumps(state(1)).encode() + b"\n")
        p.stdin.flush()
        assert json.loads(p.stdout.readline()) == state(1)["value"]
        assert time.monotonic() - started < 10
        assert shelf.people["1"] == {"name": "Bo"}
        assert shelf.receipts[0]["status"] == "applied"
        p.stdin.close()
        assert p.wait(10) == 0


def test_a_target_that_is_ended_says_nothing_that_is_not_true(shelf: Shelf) -> None:
    with subprocess.Popen(shelf.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
        assert p.stdin is not None
        assert p.stderr is not None
        for message in (SCHEMA, operation("a", "update", {"id": "1"}, {"name": "Bo"}), state(1)):
            p.stdin.write(json.dumps(message).encode() + b"\n")
        p.stdin.flush()
        time.sleep(2)
        p.send_signal(signal.SIGTERM)
        out, err = p.communicate(timeout=10)
    assert (p.returncode, out) == (1, b"")
    assert b"the rest is to be sent again" in err
    assert b"Traceback" not in err
    assert shelf.people["1"] == {"name": "Ada"}


def test_a_line_that_a_killed_run_left_half_written_harms_no_other(shelf: Shelf) -> None:
    shelf.receipts_path.write_text('{"op_id": "z", "stat', encoding="utf-8")
    run = shelf.run(SCHEMA, operation("a", "update", {"id": "1"}, {"name": "Bo"}), state(1))
    assert run.code == 0, run.err
    lines = shelf.receipts_path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == '{"op_id": "z", "stat'
    assert json.loads(lines[1])["op_id"] == "a"


def test_records_of_the_reconciler_without_the_envelope_are_warned_of(shelf: Shelf) -> None:
    outbox = {"type": "STATE", "value": Bookmark("ledger", 1, "crm", 5).to_state()}
    run = shelf.run(SCHEMA, row(id="1", name="Bo"), outbox)
    assert run.code == 0
    assert "came without the envelope `sync`" in run.err


@pytest.mark.parametrize(
    ("envelope", "said"),
    [
        ({"op": "upsert"}, "`op` is 'upsert', allowed are create, update, delete"),
        ({"op_id": 7}, "no text `op_id`"),
        ({"key": {}}, "an update or delete without a key"),
        ({"expect": [1]}, "`expect` is no object"),
    ],
)
def test_an_envelope_that_is_none_is_one_clear_error(shelf: Shelf, envelope: dict[str, object], said: str) -> None:
    message = operation("a", "update", {"id": "1"}, {"name": "Bo"})
    message["sync"].update(envelope)
    run = shelf.run(SCHEMA, message, state(1))
    assert (run.code, run.out) == (1, "")
    assert said in run.err
    assert "line 2" in run.err
    assert "Traceback" not in run.err


def test_the_receipts_file_may_be_set_aside_while_the_target_runs(shelf: Shelf) -> None:
    shelf.config["flush_seconds"] = 0.1
    with subprocess.Popen(
        shelf.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as p:
        assert p.stdin is not None
        assert p.stdout is not None
        p.stdin.write(json.dumps(SCHEMA).encode() + b"\n")
        for number in (1, 2):
            for message in (operation(str(number), "update", {"id": "1"}, {"name": "Bo"}), state(number)):
                p.stdin.write(json.dumps(message).encode() + b"\n")
            p.stdin.flush()
            p.stdout.readline()
            if number == 1:
                shelf.receipts_path.replace(shelf.folder / "set-aside.jsonl")
        p.stdin.close()
        p.wait(10)
    assert [each["op_id"] for each in shelf.receipts] == ["2"]
