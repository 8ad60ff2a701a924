"""Taps that fail: the run ends with one clear error, nothing is written, and the next run makes up for it.

Read a case as: the CRM's tap prints a SCHEMA (line 0), nine RECORDs (1 to 9) and a STATE (10); it is made to skip and
print something else `at` a line, and `then` to end. The error must say all of `says`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.project import STREAM, TEXT, Project

RECORD = '{"type": "RECORD", "stream": "people", "record": {"id": "c3", "city": %s}}'
RENAMED = {"type": "SCHEMA", "stream": STREAM, "key_properties": ["number"], "schema": {"properties": {"number": TEXT}}}
PARQUET = {"type": "BATCH", "stream": STREAM, "encoding": {"format": "parquet"}, "manifest": ["file:///people.parquet"]}
AVRO = {**PARQUET, "encoding": {"format": "avro"}}
LOST = {**PARQUET, "encoding": {"format": "jsonl"}, "manifest": ["file:///nowhere/people.jsonl"]}
BUCKET = {**LOST, "manifest": ["s3://bucket/people.jsonl"]}
STRANGE = '{"type": "RECORD", "stream": "people", "record": {"id": "x9"}, "sync": {"state": "asleep"}}'
LZ4 = {**LOST, "encoding": {"format": "jsonl", "compression": "lz4"}, "manifest": [f"file://{__file__}"]}


@dataclass(frozen=True, slots=True)
class Fault:
    """What the tap does, and what its user is told."""

    story: str
    at: int = 5
    skip: int = 0
    print: tuple[Any, ...] = ()
    end: str = "\n"
    then: str | None = None
    says: tuple[str, ...] = ()

    @property
    def splice(self) -> dict[str, Any]:
        return {"at": self.at, "skip": self.skip, "print": self.print, "end": self.end, "then": self.then}


NO_MESSAGE = "this is no Singer message"
FAILURES = [
    Fault("dies half-way", then="exit 1", says=("exit code 1", "the last words")),
    Fault("dies after its last line", at=11, then="exit 3", says=("exit code 3",)),
    Fault("dies within a line", print=(RECORD[:40],), end="", then="exit 1", says=("exit code 1", "the last words")),
    Fault("is killed by a signal", then="signal 9", says=("SIGKILL",)),
    Fault("prints garbage", print=("Connecting to the server",), says=(NO_MESSAGE, "line 6", "Connecting")),
    Fault("prints JSON that is no message", print=('{"level": "info"}',), says=(NO_MESSAGE, "line 6", "`type`")),
    Fault("stops within a line", print=(RECORD[:40],), end="", then="exit 0", says=(NO_MESSAGE, "line 6")),
    Fault("stops within a character", print=('{"type": "STATE\udcc3',), end="", then="exit 0", says=(NO_MESSAGE,)),
    Fault(
        "prints a list as its STATE", print=('{"type": "STATE", "value": [1]}',), says=("a STATE that is no object",)
    ),
    Fault("prints null as its STATE", print=('{"type": "STATE", "value": null}',), says=("a STATE that is no object",)),
    Fault("prints no SCHEMA", at=0, skip=1, says=("a RECORD of people came before its SCHEMA",)),
    Fault(
        "prints a RECORD of no stream", print=('{"type": "RECORD", "record": {}}',), says=("RECORD", "stream", "line 6")
    ),
    Fault(
        "prints a RECORD of no object",
        print=('{"type": "RECORD", "stream": "people", "record": 5}',),
        says=("RECORD", "no object"),
    ),
    Fault(
        "prints a SCHEMA that is none",
        at=0,
        print=('{"type": "SCHEMA", "stream": "people", "schema": 1}',),
        says=("SCHEMA", "line 1"),
    ),
    Fault(
        "has another key now",
        at=0,
        skip=1,
        print=(RENAMED,),
        says=("no column 'id'", "it has number", "entities.person.sides.crm.key"),
    ),
    Fault("prints a BATCH of avro", print=(AVRO,), says=("BATCH", "'avro'", "jsonl")),
    Fault("prints a BATCH of parquet that is gone", print=(PARQUET,), says=("BATCH", "people.parquet", "No such file")),
    Fault("prints a BATCH of files that are gone", print=(LOST,), says=("BATCH", "people.jsonl", "No such file")),
    Fault("prints a BATCH of another machine", print=(BUCKET,), says=("BATCH", "s3://bucket", "local folder")),
    Fault("prints a BATCH of lz4", print=(LZ4,), says=("BATCH", "'lz4'", "gzip")),
    Fault("prints a byte that is no UTF-8", print=(RECORD % '"\udcff"',), says=(NO_MESSAGE, "line 6")),
    Fault("prints an envelope of no known state", print=(STRANGE,), says=("people", "state 'asleep'", "live, gone")),
    Fault("prints NaN", print=(RECORD % "NaN",), says=(NO_MESSAGE, "line 6", "NaN")),
    Fault("prints Infinity", print=(RECORD % "-Infinity",), says=(NO_MESSAGE, "line 6", "Infinity")),
]


@pytest.mark.parametrize("fault", FAILURES, ids=lambda fault: fault.story)
def test_a_tap_that(project: Project, fault: Fault) -> None:
    before = project.both()
    project.switch("crm", tap=[fault.splice], say=["the last words"])
    run = project.fails("sync", says=("tap-file of crm", *fault.says))
    assert run.written == 0
    assert project.both() == before
    project.heals()


def test_a_tap_that_hangs_is_ended(project: Project) -> None:
    before = project.both()
    project.switch("crm", tap=[{"at": 5, "then": "hang 60"}])
    project.fails("sync", "--patience", "1", says=("tap-file of crm", "nothing for 1 seconds", "--patience"))
    assert project.both() == before
    project.heals()


def test_a_tap_that_hangs_when_asked_for_its_streams_is_ended(project: Project) -> None:
    project.switch("crm", discover=[{"at": 0, "then": "hang 60"}])
    project.fails("sync", "--patience", "1", says=("tap-file of crm", "nothing for 1 seconds"))
    project.heals()


DISCOVERIES = [
    Fault("fails", at=0, then="exit 1", says=("which streams it has", "exit code 1", "the last words")),
    Fault("prints no JSON", at=0, skip=1, print=("Discovering",), says=("printed no catalog",)),
    Fault("prints nothing", at=0, skip=1, says=("printed no catalog",)),
    Fault("prints a list", at=0, skip=1, print=("[]",), says=("printed no catalog", "no object")),
    Fault("prints streams of no object", at=0, skip=1, print=('{"streams": [1]}',), says=("printed no catalog",)),
    Fault("prints streams of no list", at=0, skip=1, print=('{"streams": 1}',), says=("printed no catalog",)),
]


@pytest.mark.parametrize("fault", DISCOVERIES, ids=lambda fault: fault.story)
def test_a_tap_that_when_asked_for_its_streams(project: Project, fault: Fault) -> None:
    before = project.both()
    project.switch("crm", discover=[fault.splice], say=["the last words"])
    project.fails("sync", says=("tap-file of crm", *fault.says))
    assert project.both() == before
    project.heals()


def test_a_tap_without_the_stream_of_the_configuration(project: Project) -> None:
    project.configure(("stream: people", "stream: peeple"))
    project.fails("sync", code=64, says=("tap-file of crm", "no stream 'peeple'", "did you mean 'people'?"))
    project.configure()
    project.heals()


def test_a_tap_whose_program_is_not_there(project: Project) -> None:
    project.configure(("tap: {command: bin/tap-file}", "tap: {command: tap-nowhere}"))
    project.fails("sync", code=64, says=("tap-nowhere of crm", "there is no program", "install"))
    project.configure()
    project.heals()


def test_a_tap_whose_program_may_not_be_executed(project: Project) -> None:
    (project.folder / "bin" / "tap-file").chmod(0o644)
    project.fails("sync", code=64, says=("tap-file of crm", "not executable", "chmod +x"))
    (project.folder / "bin" / "tap-file").chmod(0o755)
    project.heals()


def test_a_tap_whose_program_is_no_program(project: Project) -> None:
    (project.folder / "bin" / "tap-file").write_bytes(b"\x7fELF nonsense")
    project.fails("sync", says=("tap-file of crm", "cannot be started"))
    project.program("tap-file", f'exec python3 "{Path(__file__).parent / "tap_file.py"}" "$@"')
    project.heals()


def test_a_tap_that_prints_nothing_looks_like_an_emptied_side(project: Project) -> None:
    before = project.both()
    project.switch("crm", tap=[{"at": 0, "skip": 11}])
    project.fails("sync", code=3, says=("crm shows no person at all", "8", "--accept-empty crm"))
    assert project.both() == before
    project.heals()


def test_output_that_is_cut_off_at_exit_code_0_cannot_be_noticed_but_deletes_nothing_since_that_takes_two_reads(
    project: Project,
) -> None:
    project.switch("crm", tap=[{"at": 6, "then": "exit 0"}])
    project.syncs()
    assert len(project.rows("warehouse")) == 8
    project.heals()


def test_a_deletion_is_carried_out_once_two_complete_reads_agree(project: Project) -> None:
    project.syncs()
    project.remove("crm", "c5")
    project.switch("crm", tap=[{"at": 4, "then": "exit 1"}])
    project.fails("sync")
    project.switch("crm")
    project.syncs()
    assert "donald@example.com" in project.people("warehouse")
    project.syncs()
    assert "donald@example.com" not in project.people("warehouse")
    project.syncs()
    project.is_quiet()
