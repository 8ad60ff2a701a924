"""Rebaseline: every linked record joins anew, by one side's word or a person's, and nothing is ever deleted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.scenarios.project import Project


def rebaselined(project: Project, prefer: str, *words: str) -> dict[str, Any]:
    run = project.run("rebaseline", "--prefer", prefer, "--yes", "--json", *words)
    assert run.code == 0, run.err
    told: dict[str, Any] = json.loads(run.out)
    return told


def conflicts(project: Project) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(project.run("conflicts", "list", "--json").out)["conflicts"]
    return found


@pytest.fixture
def differing(project: Project) -> Project:
    """Both sides changed one field, of which only one knew; and a run was reverted, so that its values differ."""
    project.syncs()
    project.change("crm", "c3", city="Delft")
    project.change("warehouse", "w3", city="Austin")
    project.syncs()
    assert len(conflicts(project)) == 1
    return project


@pytest.mark.parametrize(("prefer", "city"), [("crm", "Delft"), ("warehouse", "Austin")])
def test_where_they_differ_the_preferred_side_wins(differing: Project, prefer: str, city: str) -> None:
    rebaselined(differing, prefer)
    for side in ("crm", "warehouse"):
        assert differing.people(side)["edsger@example.com"] == ("Edsger", city)
    assert conflicts(differing) == []
    differing.is_quiet()


def test_an_edit_that_one_side_alone_made_is_overruled_as_well(differing: Project) -> None:
    differing.change("warehouse", "w5", city="Palo Alto")
    rebaselined(differing, "crm")
    assert differing.people("warehouse")["donald@example.com"] == ("Donald", "Rome")
    audit = differing.query("SELECT old, cause FROM audit WHERE old = '\"Palo Alto\"'")
    assert audit == [('"Palo Alto"', "superseded")], "what lost is kept in the audit"


def test_with_park_a_person_is_asked_and_nothing_is_written(differing: Project) -> None:
    differing.change("warehouse", "w5", city="Palo Alto")
    before = differing.both()
    rebaselined(differing, "park")
    assert differing.both() == before
    assert sorted(each["field"] for each in conflicts(differing)) == ["city", "city"]
    differing.is_quiet()


@pytest.mark.parametrize("prefer", ["crm", "park"])
def test_nothing_is_deleted_whatever_is_missing(project: Project, prefer: str) -> None:
    project.syncs()
    project.remove("crm", "c8")
    project.remove("warehouse", "w7")
    for _ in range(2):  # two complete reads prove a deletion
        rebaselined(project, prefer)
    assert "mary@example.com" in project.people("warehouse")
    assert "alan@example.com" in project.people("crm")


def test_a_new_record_is_created_as_in_any_sync(project: Project) -> None:
    rebaselined(project, "warehouse")
    assert project.people("warehouse")["nina@example.com"] == ("Nina", "Pisa")


def test_deletes_that_were_blocked_go_out_again_afterwards(project: Project) -> None:
    project.syncs()
    assert project.run("backup", "saved.db").code == 0
    assert project.run("restore", "saved.db").code == 0
    assert json.loads(project.run("status", "--json").out)["deletes_blocked"]
    rebaselined(project, "crm")
    assert json.loads(project.run("status", "--json").out)["deletes_blocked"] is None
    project.remove("crm", "c8")
    for _ in range(3):
        project.syncs()
    assert "mary@example.com" not in project.people("warehouse")


def test_a_dry_run_forgets_nothing(differing: Project) -> None:
    before = differing.both(), differing.query("SELECT * FROM base"), differing.query("SELECT state FROM conflict")
    run = differing.run("rebaseline", "--prefer", "crm", "--dry-run")
    assert run.code == 0, run.err
    assert "Delft" in run.out
    after = differing.both(), differing.query("SELECT * FROM base"), differing.query("SELECT state FROM conflict")
    assert after == before


def test_a_side_that_is_none_and_a_rebaseline_unasked_are_refused(project: Project) -> None:
    project.fails(
        "rebaseline", "--prefer", "lake", "--yes", code=64, says=("no such side", "crm and warehouse", "park")
    )
    project.fails("rebaseline", "--prefer", "crm", code=64, says=("writes to both systems", "--dry-run"))
