"""Erasure: not a byte of a person is left beside the two systems, and the person does not come back."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.project import Project

ADA = ("ada@example.com", "Ada", "Turin", '"c1"', '"w1"')
"""Everything that either system says of her."""


def traces(project: Project, *words: str) -> list[str]:
    """The files of the project, but for the two systems, in which one of the words stands; whatever the encoding."""
    found = []
    for path in sorted(project.folder.rglob("*")):
        if path.is_file() and path.name not in ("crm.json", "warehouse.json"):
            content = path.read_bytes()
            spelled = [form for word in words for form in (word.encode(), word.encode("utf-16-le"))]
            found += [f"{path.name}: {form!r}" for form in spelled if form in content]
    return found


def erased(project: Project, *words: str) -> dict[str, Any]:
    run = project.run("erase", *words, "--yes", "--json")
    assert run.code == 0, run.err
    told: dict[str, Any] = json.loads(run.out)
    return told


@pytest.fixture
def rich(project: Project) -> Project:
    """Ada is in observations, bases, audit, a conflict, a plan file, a receipts file, backups and the log."""
    project.configure(
        (
            "target: {command: bin/target-file, deletes: true}",
            "target: {command: bin/target-file, receipts_path: said.jsonl}",
        ),
        ("city: city}", "city: {crm: city, warehouse: city, policy: park}}"),
    )
    project.syncs()
    project.change("crm", "c1", city="Adasville")
    project.change("warehouse", "w1", city="Adasburg")
    (project.folder / "said.jsonl").write_text(
        '{"op_id": "0", "status": "applied", "id": "c1", "stored": {"email": "ada@example.com"}}\n', encoding="utf-8"
    )
    project.syncs()
    project.change("crm", "c1", name="Ada Lovelace")
    assert project.run("plan", "--out", "plan.json").code == 0
    return project


def test_not_a_byte_of_the_person_is_left(rich: Project) -> None:
    words = (*ADA, "Adasville", "Adasburg", "Ada Lovelace", "c1", "w1")
    with closing(sqlite3.connect(rich.ledger())) as reader:  # whose presence keeps the write-ahead log
        reader.execute("SELECT * FROM run").fetchall()
        before = {line.split(":")[0] for line in traces(rich, *words)}
    assert {"ledger.db", "plan.json", "said.jsonl.1"} <= before, before
    assert any(name.startswith("run-") for name in before)
    told = erased(rich, "ada@example.com")
    assert traces(rich, "ada@example.com", "Adasville", "Adasburg", "Ada Lovelace", "Turin", '["c1"]', '["w1"]') == []
    assert {Path(str(path)).name for path in told["files"]} >= {"plan.json", "said.jsonl.1"}
    assert told["records"] == [
        {"side": "crm", "entity": "person", "id": '["c1"]'},
        {"side": "warehouse", "entity": "person", "id": '["w1"]'},
    ]
    before_sync = rich.both()
    rich.syncs()
    assert rich.both() == before_sync
    assert traces(rich, "ada@example.com", "Adasville", "Adasburg", "Ada Lovelace", "Turin", '["c1"]', '["w1"]') == []


def test_the_others_stay_and_the_audit_is_still_whole(rich: Project) -> None:
    erased(rich, "crm:c1")
    verified = json.loads(rich.run("verify", "--json").out)
    assert verified["audit"]["faults"] == []
    assert verified["audit"]["rows"] > 0
    rich.change("crm", "c2", city="Oslo")
    rich.syncs()
    assert rich.people("warehouse")["grace@example.com"] == ("Grace Hopper", "Oslo")


@pytest.mark.parametrize("side", ["crm", "warehouse"])
def test_the_person_is_not_created_again_when_one_system_has_deleted_it(project: Project, side: str) -> None:
    project.syncs()
    erased(project, "ada@example.com")
    project.remove(side, f"{side[0]}1")
    for _ in range(3):
        project.syncs()
    other = "warehouse" if side == "crm" else "crm"
    assert "ada@example.com" not in project.people(side)
    assert "ada@example.com" in project.people(other), "nor is anything deleted"


def test_a_record_with_the_same_address_is_left_out_until_that_is_lifted(project: Project) -> None:
    project.syncs()
    erased(project, "ada@example.com")
    for side in ("crm", "warehouse"):
        project.remove(side, f"{side[0]}1")
    project.syncs()
    project.add("crm", id="c99", email="ada@example.com", name="Ada", city="Turin")
    run = project.syncs()
    assert any("left out" in told and "--lift" in told for told in run.warnings), run.warnings
    project.is_quiet()
    assert "ada@example.com" not in project.people("warehouse")
    assert project.run("erase", "--lift", "ada@example.com").code == 0
    assert project.run("erase", "--lift", "crm:c99").code == 0
    project.syncs("--full")
    assert project.people("warehouse")["ada@example.com"] == ("Ada", "Turin")


def test_a_record_that_waits_to_be_created_is_erased_with_its_write(project: Project) -> None:
    project.switch("warehouse", target={"after": 0, "exit": 1})
    project.run("sync")
    erased(project, "crm:c9")
    assert traces(project, "nina@example.com", "Pisa") == []
    project.switch("warehouse")
    project.syncs()
    assert "nina@example.com" not in project.people("warehouse")


def test_nothing_is_erased_unasked(project: Project) -> None:
    project.fails("erase", "ada@example.com", code=64, says=("cannot be undone", "--yes"))
    project.fails("erase", "nobody@example.com", "--yes", code=64, says=("no record is found",))
    project.fails("erase", "--lift", "nobody@example.com", code=64, says=("nothing that was erased fits",))
    project.heals()


def test_of_several_that_fit_one_is_named(project: Project) -> None:
    project.add("crm", id="c20", email="mary@example.com", name="Mary too", city="Rome")
    project.syncs()
    project.fails("erase", "mary@example.com", "--yes", code=64, says=("2 records fit", "--all"))
    erased(project, "mary@example.com", "--all")
    assert traces(project, "mary@example.com", "Mary too") == []


def test_while_somebody_reads_it_says_that_the_log_still_holds_the_values(project: Project) -> None:
    project.syncs()
    with closing(sqlite3.connect(project.ledger(), isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM obs").fetchone()
        project.fails("erase", "ada@example.com", "--yes", says=("another program is reading", "run the same command"))
    erased(project, "ada@example.com")
    assert traces(project, "ada@example.com") == []


def test_the_story_of_an_erased_record_says_so(project: Project) -> None:
    project.syncs()
    told = erased(project, "ada@example.com")
    run = project.run("why", told["links"][0])
    assert run.code == 0, run.err
    assert "values were erased" in run.out
    assert "Turin" not in run.out
