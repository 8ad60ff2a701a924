"""What taps show beside good records: some of it harms nothing, some costs one record, none of it is written."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from tests.scenarios.project import STREAM, TEXT, Project

RECORD = '{"type": "RECORD", "stream": "people", "record": {"id": "c3", "city": %s}}'
Splices = list[dict[str, Any]]


def batch(project: Project, *, packed: bool) -> Splices:
    """The tap writes its records to a file and names it; the name holds a space, as it may in a URL."""
    lines = "".join(json.dumps(row) + "\n" for row in project.rows("crm")).encode()
    path = project.folder / "the people.jsonl"
    path.write_bytes(gzip.compress(lines) if packed else lines)
    encoding = {"format": "jsonl", **({"compression": "gzip"} if packed else {})}
    said = {"type": "BATCH", "stream": STREAM, "encoding": encoding, "manifest": [f"file://{quote(str(path))}"]}
    return [{"at": 1, "skip": 9, "print": [said]}]


DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "is cut off": (lambda content: content[:-20], "no whole gzip file"),
    "is not packed": (gzip.decompress, "no whole gzip file"),
    "holds what is no JSON": (
        lambda content: gzip.compress(gzip.decompress(content) + b"oops"),
        "line 10: this is no JSON",
    ),
    "holds what is no record": (
        lambda content: gzip.compress(gzip.decompress(content) + b"[1]"),
        "line 10: this is no record",
    ),
}


@pytest.mark.parametrize("story", DAMAGE)
def test_a_batch_file_that(project: Project, story: str) -> None:
    before = project.both()
    damage, reason = DAMAGE[story]
    project.switch("crm", tap=batch(project, packed=True))
    path = project.folder / "the people.jsonl"
    path.write_bytes(damage(path.read_bytes()))
    project.fails("sync", says=("tap-file of crm, line 2", "the%20people.jsonl", reason))
    assert project.both() == before
    project.heals()


HARMLESS: dict[str, Callable[[Project], Splices]] = {
    "prints an empty STATE": lambda _: [{"at": 11, "print": ['{"type": "STATE", "value": {}}']}],
    "prints no STATE": lambda _: [{"at": 10, "skip": 1}],
    "prints a message of another type": lambda _: [{"at": 2, "print": ['{"type": "PROGRESS", "percent": 10}']}],
    "announces a version": lambda _: [
        {"at": 1, "print": ['{"type": "ACTIVATE_VERSION", "stream": "people", "version": 7}']}
    ],
    "prints streams that nobody asked for": lambda _: [
        {"at": 0, "print": ['{"type": "RECORD", "stream": "pets", "record": {}}']}
    ],
    "prints empty lines": lambda _: [{"at": 4, "print": ["", "  ", ""]}],
    "prints a record twice": lambda p: [
        {"at": 4, "print": [{"type": "RECORD", "stream": STREAM, "record": p.rows("crm")[0]}]}
    ],
    "declares a column more half-way": lambda p: [
        {"at": 4, "print": [schema(p, "id", "email", "name", "city", "age")]}
    ],
    "prints a BATCH of jsonl": lambda p: batch(p, packed=False),
    "prints a BATCH of gzipped jsonl": lambda p: batch(p, packed=True),
}


def schema(project: Project, *columns: str) -> dict[str, Any]:
    return {
        "type": "SCHEMA",
        "stream": STREAM,
        "key_properties": ["id"],
        "schema": {"properties": dict.fromkeys(columns, TEXT)},
    }


@pytest.mark.parametrize("story", HARMLESS)
def test_nothing_is_lost_when_a_tap(project: Project, story: str) -> None:
    project.switch("crm", tap=HARMLESS[story](project))
    project.syncs()
    project.heals(rounds=0)


def test_a_column_that_vanishes_half_way_is_unknown_and_not_empty(project: Project) -> None:
    before = project.both()
    shown = [{name: row[name] for name in ("id", "email", "name")} for row in project.rows("crm")[4:]]
    rows = [{"type": "RECORD", "stream": STREAM, "record": row} for row in shown]
    project.switch("crm", tap=[{"at": 5, "skip": 5, "print": [schema(project, "id", "email", "name"), *rows]}])
    project.syncs()
    assert [row["city"] for row in project.rows("warehouse")[:8]] == ["Turin", *["Rome"] * 7]
    assert project.rows("crm")[2:] == before[0][2:]
    project.heals()


BROKEN_ROWS: dict[str, tuple[dict[str, Any], str]] = {
    "shows a key twice with different values": ({"at": 3, "print": [RECORD % '"Oslo"']}, "key is not unique"),
    "changes a type in mid-stream": ({"at": 3, "skip": 1, "print": [RECORD % "5"]}, "city holds integer"),
    "shows an empty key": ({"at": 3, "print": [(RECORD % '"Oslo"').replace('"c3"', "null")]}, "key column id is empty"),
    "shows a record without its key": (
        {"at": 3, "print": [(RECORD % '"Oslo"').replace('"id": "c3", ', "")]},
        "key column id is empty",
    ),
    "says itself that it could not read one": (
        {
            "at": 3,
            "skip": 1,
            "print": [
                (RECORD % "null")[:-1] + ', "sync": {"state": "error", "error": "column age: NaN has no JSON form"}}'
            ],
        },
        "column age: NaN has no JSON form",
    ),
}


@pytest.mark.parametrize("story", BROKEN_ROWS)
def test_only_the_record_itself_is_left_out_when_a_tap(project: Project, story: str) -> None:
    splice, reason = BROKEN_ROWS[story]
    project.switch("crm", tap=[splice])
    run = project.syncs()
    assert [reason in warning for warning in run.warnings] == [True], run.warnings
    assert project.people("crm")["edsger@example.com"] == ("Edsger", "Rome")
    project.heals(rounds=0)
    project.heals()


def test_a_line_of_ten_megabytes_is_read_and_written_like_any_other(project: Project) -> None:
    project.change("crm", "c9", city="x" * 10_000_000)
    run = project.syncs()
    assert len(run.out) < 10_000
    assert project.people("warehouse")["nina@example.com"] == ("Nina", "x" * 10_000_000)
    project.change("crm", "c9", city="Pisa")
    project.heals()


def test_a_record_that_could_not_be_read_and_was_then_deleted_is_deleted_on_the_other_side_too(
    project: Project,
) -> None:
    project.switch("crm", tap=[{"at": 3, "skip": 1, "print": [RECORD % "5"]}])
    project.syncs()
    project.switch("crm")
    project.remove("crm", "c3")
    project.syncs()
    project.syncs()
    assert "edsger@example.com" not in project.people("warehouse")
