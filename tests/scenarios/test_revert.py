"""Revert: what a run wrote is taken back, and nothing that somebody edited since is overwritten."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.scenarios.project import NAMES, Project

EIGHT = {f"{name.lower()}@example.com": (name, "Rome") for name in NAMES}
"""Everybody as before the three edits that every project here begins with."""


def last_run(project: Project) -> str:
    listed = json.loads(project.run("runs", "list", "--json").out)["runs"]
    return str(next(run["run"] for run in listed if run["command"] == "sync"))


def reverted(project: Project, run_id: str, *words: str) -> dict[str, Any]:
    run = project.run("revert", "--run", run_id, "--yes", "--json", *words)
    assert run.code == 0, run.err
    told: dict[str, Any] = json.loads(run.out)
    return told


def conflicts(project: Project, *kinds: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(project.run("conflicts", "list", "--json").out)["conflicts"]
    return [each for each in found if not kinds or each["kind"] in kinds]


def stays(project: Project) -> None:
    """What stands now is what stands after two more syncs, and verify has nothing to say against it."""
    before = project.both()
    for _ in range(2):
        assert project.syncs().written == 0
    assert project.both() == before
    run = project.run("verify", "--json")
    assert json.loads(run.out)["differing"] == [], run.out


def test_values_are_written_back_and_stay_until_somebody_edits_them(project: Project) -> None:
    project.syncs()
    told = reverted(project, last_run(project))
    assert told["kept"] == []
    assert project.people("warehouse")["ada@example.com"] == ("Ada", "Rome")
    assert project.people("crm")["grace@example.com"] == ("Grace", "Rome")
    assert project.people("crm")["ada@example.com"] == ("Ada", "Turin"), "users' own edits stay where they made them"
    assert project.people("warehouse")["grace@example.com"] == ("Grace Hopper", "Rome")
    stays(project)
    assert {each["field"] for each in conflicts(project, "silent-divergence")} == {"city", "name"}, "a person is shown"
    project.change("crm", "c1", city="Oslo")
    project.syncs()
    assert project.people("warehouse")["ada@example.com"] == ("Ada", "Oslo")


def test_a_created_record_is_deleted_and_waits_for_a_person(project: Project) -> None:
    project.syncs()
    reverted(project, last_run(project))
    assert project.people("warehouse").keys() == EIGHT.keys()
    assert "nina@example.com" in project.people("crm")
    stays(project)
    (conflict,) = conflicts(project, "delete")
    assert "reverted" in json.dumps(conflict)
    assert project.run("conflicts", "resolve", conflict["cid"], "--take", "crm").code == 0
    project.syncs()
    assert project.people("warehouse")["nina@example.com"] == ("Nina", "Pisa")
    project.is_quiet()


def test_where_deletes_are_not_allowed_a_created_record_is_parked(project: Project) -> None:
    project.syncs()
    project.configure(
        ("target: {command: [bin/target-file], deletes: true}", "target: {command: [bin/target-file]}"),
        ("on_delete: delete", "on_delete: park"),
    )
    told = reverted(project, last_run(project))
    assert [each["reason"] for each in told["kept"]] == [
        "parked, not deleted: the target of warehouse is not declared to honour deletions"
    ]
    assert "nina@example.com" in project.people("warehouse")
    stays(project)
    project.change("crm", "c9", city="Lucca")
    project.syncs()
    assert project.people("warehouse")["nina@example.com"] == ("Nina", "Pisa"), "it is parked"


def test_a_deleted_record_is_created_again_with_its_last_values_and_stays(project: Project) -> None:
    project.syncs()
    project.remove("crm", "c8")
    for _ in range(3):
        project.syncs()
        if "mary@example.com" not in project.people("warehouse"):
            break
    run_id = last_run(project)
    (kept,) = reverted(project, run_id)["kept"]
    assert "not yet seen to arrive" in kept["reason"], "the target gives no receipts, and one read proves no deletion"
    for _ in range(2):
        project.syncs()
    assert reverted(project, run_id)["kept"] == []
    assert project.people("warehouse")["mary@example.com"] == ("Mary", "Rome")
    assert "mary@example.com" not in project.people("crm")
    stays(project)
    (conflict,) = conflicts(project, "delete")
    assert project.run("conflicts", "resolve", conflict["cid"], "--take", "warehouse").code == 0
    project.syncs()
    assert project.people("crm")["mary@example.com"] == ("Mary", "Rome")
    project.is_quiet()


@pytest.mark.parametrize("side", ["crm", "warehouse"])
def test_a_value_that_somebody_edited_since_is_kept_and_told(project: Project, side: str) -> None:
    project.syncs()
    run_id = last_run(project)
    project.change(side, f"{side[0]}1", city="Oslo")
    run = project.run("revert", "--run", run_id, "--yes", "--strict", "--json")
    assert run.code == 4, run.err
    (kept,) = json.loads(run.out)["kept"]
    assert (kept["field"], kept["side"], kept["before"], kept["written"]) == ("city", "warehouse", "Rome", "Turin")
    assert f"{side} changed it since" in kept["reason"]
    project.syncs()
    for each in ("crm", "warehouse"):
        assert project.people(each)["ada@example.com"] == ("Ada", "Oslo")


def test_a_created_record_that_somebody_edited_since_is_kept(project: Project) -> None:
    project.syncs()
    run_id = last_run(project)
    created = next(row["id"] for row in project.rows("warehouse") if row["email"] == "nina@example.com")
    project.change("warehouse", created, city="Oslo")
    told = reverted(project, run_id)
    assert [each["kind"] for each in told["kept"]] == ["create"]
    project.syncs()
    assert project.people("crm")["nina@example.com"] == ("Nina", "Oslo")


def test_a_dry_run_shows_the_plan_and_writes_nothing(project: Project) -> None:
    project.syncs()
    before = project.both(), project.query("SELECT count(*) FROM outbox")
    run = project.run("revert", "--run", last_run(project), "--dry-run")
    assert run.code == 0, run.err
    assert "Turin" in run.out
    assert "is reverted" in run.out
    assert (project.both(), project.query("SELECT count(*) FROM outbox")) == before
    project.heals(rounds=0)


def test_a_revert_is_itself_a_run_that_can_be_reverted(project: Project) -> None:
    project.syncs()
    after = project.both()
    reverted(project, last_run(project))
    listed = json.loads(project.run("runs", "list", "--json").out)["runs"]
    assert listed[0]["command"] == "revert"
    stays(project)
    reverted(project, listed[0]["run"])
    assert project.people("warehouse") == {row["email"]: (row["name"], row["city"]) for row in after[1]}
    assert project.people("crm") == {row["email"]: (row["name"], row["city"]) for row in after[0]}
    stays(project)
    assert conflicts(project) == []


def test_a_run_that_never_was_and_a_revert_unasked_are_refused(project: Project) -> None:
    project.fails("revert", "--run", "none", "--yes", code=64, says=("there was no run none", "runs list"))
    project.fails("revert", "--run", "none", code=64, says=("writes to both systems", "--dry-run"))
    project.heals()


def test_a_target_with_receipts_can_be_taken_back_at_once(project: Project) -> None:
    project.configure(
        (
            "target: {command: bin/target-file, deletes: true}",
            "target: {command: bin/target-file, receipts_path: a.jsonl}",
        ),
        (
            "target: {command: [bin/target-file], deletes: true}",
            "target: {command: [bin/target-file], receipts_path: b.jsonl}",
        ),
    )
    project.syncs()
    project.remove("crm", "c8")
    for _ in range(3):
        if "mary@example.com" in project.people("warehouse"):
            project.syncs()
    assert reverted(project, last_run(project))["kept"] == []
    assert project.people("warehouse")["mary@example.com"] == ("Mary", "Rome")
    listed = json.loads(project.run("runs", "list", "--json").out)["runs"]
    first = next(run["run"] for run in reversed(listed) if run["counts"].get("operations") == 3)
    assert reverted(project, first)["kept"] == []
    assert "nina@example.com" not in project.people("warehouse")
    assert project.people("warehouse")["ada@example.com"] == ("Ada", "Rome")
    stays(project)
