"""`antiphon init`: from two taps to a sync that runs."""

from __future__ import annotations

import json
import os
import pty
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.project import SIDES, Project

TOKEN = "s3cret-of-the-crm"
FLAGS = (
    *("init", "--tap", "crm=bin/tap-file", "--target", "crm=bin/target-file", "--config", "crm=crm-settings.json"),
    *("--tap", "warehouse=bin/tap-file", "--target", "warehouse=bin/target-file"),
    *("--config", "warehouse=warehouse-settings.json"),
)


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    """The two systems, the plugins' settings in JSON files, and no sync.yml."""
    project = Project.create(tmp_path / "project")
    (project.folder / "sync.yml").unlink()
    for side in SIDES:
        path, switches = (str(project.folder / name) for name in (f"{side}.json", f"{side}-switches.json"))
        settings = {"path": path, "switches": switches, "price": "5$"}
        settings |= {"api_token": TOKEN} if side == "crm" else {"dsn": "$WAREHOUSE"}
        (project.folder / f"{side}-settings.json").write_text(json.dumps(settings), encoding="utf-8")
        project.switch(side)
    return project


def environment(**more: str) -> dict[str, Any]:
    return {"env": {**os.environ, "ANTIPHON_DEBUG": "", "WAREHOUSE": "postgresql://u:p@h/d", **more}}


def test_what_it_proposes_is_accepted_and_runs(fresh: Project) -> None:
    run = fresh.run(*FLAGS, **environment())
    assert run.code == 0, run.err
    assert "person: crm people and warehouse people; 3 fields, matched by email" in run.out
    assert "set in the environment: CRM_API_TOKEN" in run.out
    text = (fresh.folder / "sync.yml").read_text(encoding="utf-8")
    assert "api_token: $CRM_API_TOKEN" in text
    assert "dsn: $WAREHOUSE" in text
    assert TOKEN not in run.out + run.err + text
    assert 'price: "5$$"' in text
    assert "# an address belongs to one person" in text
    known = environment(CRM_API_TOKEN=TOKEN)
    lint = fresh.run("lint", "--json", **known)
    assert (lint.code, json.loads(lint.out)) == (0, {"findings": []})
    fresh.edit()
    assert fresh.run("sync", **known).code == 0  # the eight join; what differs between two strangers is asked
    conflicts = json.loads(fresh.run("conflicts", "list", "--json", **known).out)["conflicts"]
    assert {(c["kind"], c["field"]) for c in conflicts} == {("join", "city"), ("join", "name")}
    assert "nina@example.com" in fresh.people("warehouse")


def test_it_leaves_no_trace_but_the_file_and_changes_no_record(fresh: Project) -> None:
    before = fresh.both()
    shown = json.loads(fresh.run(*FLAGS, "--json", **environment()).out)
    assert shown["entities"]["person"]["fields"]["city"] == {"crm": "city", "warehouse": "city"}
    assert shown["secrets"] == ["CRM_API_TOKEN"]
    assert fresh.both() == before
    assert [path.name for path in fresh.folder.iterdir() if path.name.startswith((".", "sync"))] in (
        ["sync.yml", ".antiphon"],
        [".antiphon", "sync.yml"],
    )
    assert not fresh.ledger().exists()
    kept = "".join(path.read_text() for path in (fresh.folder / ".antiphon").rglob("*") if path.is_file())
    assert TOKEN not in kept


def test_a_file_that_is_there_is_never_overwritten(fresh: Project) -> None:
    file = fresh.folder / "sync.yml"
    file.write_text("mine", encoding="utf-8")
    fresh.fails(*FLAGS, code=64, says=("sync.yml is there already", "--force"), **environment())
    assert file.read_text(encoding="utf-8") == "mine"
    assert fresh.run(*FLAGS, "-c", "other.yml", **environment()).code == 0
    assert fresh.run(*FLAGS, "--force", **environment()).code == 0
    assert file.read_text(encoding="utf-8").startswith("# Proposed")


MISTAKES: dict[str, tuple[tuple[str, ...], int, tuple[str, ...]]] = {
    "one side": (("--tap", "crm=bin/tap-file"), 64, ("two sides", "--tap names 1")),
    "no side's name": (("--tap", "bin/tap-file"), 64, ("SIDE=COMMAND",)),
    "a side named like an option": (
        ("--tap", "policy=bin/tap-file", "--tap", "crm=bin/tap-file"),
        64,
        ("'policy'", "reserved"),
    ),
    "a target of another side": ((*FLAGS[1:], "--target", "erp=x"), 64, ("erp", "crm and warehouse")),
    "settings that are not there": ((*FLAGS[1:5], "--config", "crm=no.json", *FLAGS[7:]), 64, ("no.json",)),
    "settings that are no JSON": ((*FLAGS[1:5], "--config", "crm=bin/tap-file", *FLAGS[7:]), 64, ("no JSON",)),
    "a tap that is not there": (
        ("--tap", "crm=bin/tap-none", *FLAGS[5:]),
        64,
        ("tap-none",),
    ),
    "a region that is none": ((*FLAGS[1:], "--region", "XX"), 64, ("XX", "US")),
    "a side to prefer that is none": ((*FLAGS[1:], "--prefer", "erp"), 64, ("erp", "crm and warehouse")),
    "a folder that is not there": ((*FLAGS[1:], "-c", "nowhere/sync.yml"), 64, ("the folder", "nowhere")),
}


@pytest.mark.parametrize("story", MISTAKES)
def test_a_mistake_of(fresh: Project, story: str) -> None:
    words, code, says = MISTAKES[story]
    fresh.fails("init", *words, code=code, says=says, hinted=False, **environment())
    assert not (fresh.folder / "sync.yml").exists()
    assert not (fresh.folder / "nowhere").exists()


def test_a_variable_that_is_not_set_is_named(fresh: Project) -> None:
    known = environment()
    del known["env"]["WAREHOUSE"]
    fresh.fails(*FLAGS, code=64, says=("dsn", "WAREHOUSE"), **known)


def test_a_tap_that_fails_says_so_itself(fresh: Project) -> None:
    fresh.switch("crm", discover=[{"at": 0, "then": "exit 3"}], say=[f"403 with {TOKEN}"])
    run = fresh.fails(*FLAGS, code=1, says=("tap-file of crm", "exit code 3", "403 with"), **environment())
    assert TOKEN not in run.err


def test_systems_with_nothing_in_common_make_no_file(fresh: Project) -> None:
    fresh.put("crm", {"invoices": {"key": ["number"], "columns": {"number": {}, "amount": {}}, "rows": []}})
    fresh.fails(*FLAGS, code=64, says=("no two streams", "invoices", "people"), **environment())


def test_on_a_terminal_it_asks(fresh: Project) -> None:
    """The dialogue as a person has it: side, tap, target, settings, twice."""
    answers = [
        answer
        for side in SIDES
        for answer in ("" if side == "crm" else side, "bin/tap-file", "bin/target-file", f"{side}-settings.json")
    ]
    ours, theirs = pty.openpty()
    process = fresh.start("init", stdin=theirs, **environment())
    os.close(theirs)
    os.write(ours, "".join(f"{answer}\n" for answer in answers).encode())
    run = fresh.ended(process)
    os.close(ours)
    assert run.code == 0, run.err
    assert "Tap that reads crm" in run.err
    assert "person: crm people and warehouse people" in run.out
