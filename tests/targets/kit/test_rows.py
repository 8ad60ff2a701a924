"""What a target on the kit does with the records of ordinary taps, with mistakes, and with `--check`."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from tests.targets.kit.conftest import SCHEMA, Shelf, row, state


def test_rows_are_written_deletions_kept_and_the_last_state_told(shelf: Shelf) -> None:
    gone = row(id="1", _sdc_deleted_at="2026-01-01T00:00:00Z")
    merged = {**row(id="3"), "sync": {"state": "merged", "merged_into": "2"}}
    hidden = {**row(id="4", name="Di"), "sync": {"state": "hidden"}}
    run = shelf.run(SCHEMA, row(id="2", name="Bo"), row(id="3", name="Cy"), gone, state(1), merged, hidden, state(2))
    assert (run.code, run.states) == (0, [state(2)["value"]]), run.err
    assert shelf.people == {"2": {"id": "2", "name": "Bo"}}


def test_a_refused_row_is_kept_with_the_reason_and_the_run_goes_on(shelf: Shelf) -> None:
    shelf.config["rejected_path"] = str(shelf.folder / "rejected.jsonl")
    run = shelf.run(SCHEMA, row(id="2", name="refuse me"), row(id="3", name="Cy"), state(1))
    assert (run.code, run.states) == (0, [state(1)["value"]])
    kept = json.loads((shelf.folder / "rejected.jsonl").read_text(encoding="utf-8"))
    assert (kept["stream"], kept["record"]) == ("people", {"id": "2", "name": "refuse me"})
    assert kept["error"]["message"] == "no, says ****"
    assert "3" in shelf.people


def test_without_a_place_for_refused_rows_the_others_are_written_but_nothing_is_acknowledged(shelf: Shelf) -> None:
    run = shelf.run(SCHEMA, row(id="2", name="refuse me"), row(id="3", name="Cy"), state(1))
    assert (run.code, run.out) == (1, "")
    assert "3" in shelf.people
    assert "{'id': '2'} was refused" in run.err
    assert "rejected_path" in run.err


def test_a_break_in_the_middle_prints_no_state_and_no_traceback(shelf: Shelf) -> None:
    run = shelf.run(SCHEMA, row(id="2", name="break"), state(1))
    assert (run.code, run.out) == (1, "")
    assert "this is a fault in target-shelf: ZeroDivisionError" in run.err
    assert "Traceback" not in run.err


def test_batches_of_lines_are_read(shelf: Shelf) -> None:
    path = shelf.folder / "batch.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"id": "5", "name": "Ed"}\n{"id": "6", "name": "Flo"}\n'))
    encoding = {"format": "jsonl", "compression": "gzip"}
    batch = {"type": "BATCH", "stream": "people", "encoding": encoding, "manifest": [path.as_uri()]}
    run = shelf.run(SCHEMA, batch, state(1))
    assert run.code == 0, run.err
    assert set(shelf.people) == {"1", "5", "6"}


def test_numbers_keep_every_digit(shelf: Shelf) -> None:
    record = '{"type": "RECORD", "stream": "people", "record": {"id": "2", "name": 0.1234567890123456789012345}}\n'
    exact = '{"type": "STATE", "value": {"at": 1.10}}\n'
    run = shelf.run(SCHEMA, record, exact)
    assert shelf.people["2"]["name"] == "0.1234567890123456789012345"
    assert run.out == '{"at":1.10}\n'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nonsense\n", "line 2: this is no Singer message"),
        ("[1]\n", "line 2: this is no Singer message"),
        ('{"type": "RECORD", "stream": "people"}\n', "line 2: a RECORD of 'people' without a record"),
        ('{"type": "RECORD", "stream": "firms", "record": {"id": "1"}}\n', "line 2: a record of 'firms' before its"),
        ('{"type": "RECORD", "stream": "people", "record": {"name": "x"}}\n', "no value for its key column 'id'"),
        ('{"type": "SCHEMA", "stream": "people"}\n', "line 2: the SCHEMA of 'people' is none"),
        ('{"type": "STATE", "value": [1]}\n', "line 2: a STATE that is no object"),
        (
            '{"type": "BATCH", "stream": "people", "encoding": {"format": "jsonl"}, "manifest": ["s3://x/y"]}\n',
            "s3://x",
        ),
        ('{"type": "RECORD", "stream": "people", "record": {"id": "\\ud800"}}\n', "line 2"),
    ],
)
def test_bad_input_is_one_clear_error(shelf: Shelf, line: str, said: str) -> None:
    run = shelf.run(SCHEMA, line, state(1))
    assert (run.code, run.out) == (1, "")
    assert said in run.err
    assert "Traceback" not in run.err


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"path": None}, "path"),
        ({"receipts_path": "/proc/no/receipts"}, "see the setting `receipts_path`"),
        ({"flush_seconds": "soon"}, "flush_seconds"),
    ],
)
def test_wrong_settings_are_one_clear_error(shelf: Shelf, config: dict[str, Any], said: str) -> None:
    shelf.config = {name: value for name, value in {**shelf.config, **config}.items() if value is not None}
    run = shelf.run(SCHEMA)
    assert run.code == 64
    assert said in run.err
    assert "Traceback" not in run.err


def test_check_answers_one_document_and_fix_makes_what_is_missing(shelf: Shelf) -> None:
    shelf.path.unlink()
    run = shelf.run(arguments=("--check", "--streams", "people,firms", "--format=json"))
    said = json.loads(run.out)
    assert (run.code, said["account"]) == (1, "shelf-1")
    assert [(check["name"], check["ok"], check["fixable"]) for check in said["checks"]] == [
        ("shelf", False, True),
        ("stream people", True, False),
        ("stream firms", True, False),
    ]
    assert "hunter22" not in run.out
    fixed = shelf.run(arguments=("--check", "--fix", "--format=json"))
    assert (fixed.code, json.loads(fixed.out)["checks"][0]["ok"]) == (0, True)


def test_about_names_capabilities_and_shared_settings(shelf: Shelf) -> None:
    about = json.loads(shelf.run(arguments=("--about", "--format=json")).out)
    assert {"check", "envelope", "receipts"} <= set(about["capabilities"])
    assert {"receipts_path", "rejected_path", "sync_key", "flush_seconds"} <= set(about["settings"]["properties"])
    assert "load_method" not in about["settings"]["properties"]
