"""Targets without receipts that fail: what is not believed is sent again, only a row that kills its target is parked.

The warehouse's target is to create Nina and to move Ada to Turin; the CRM's is to change Grace's name.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.scenarios.project import Project

OUTAGES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "ends at once": ({"after": 0, "exit": 3}, ("the last words",)),
    "ends half-way": ({"after": 1, "exit": 1, "keep": True}, ("the last words",)),
    "ends after all, without a STATE": ({"exit": 1}, ("the last words",)),
    "dies on every row": ({"bad": {}}, ("ValueError: no room for",)),
    "says nothing and ends": ({"after": 0, "exit": 7, "say": []}, ("exit code 7",)),
}


@pytest.mark.parametrize("story", OUTAGES)
def test_nothing_is_parked_when_a_target(project: Project, story: str) -> None:
    fault, words = OUTAGES[story]
    project.switch("warehouse", target={"say": ["the last words"], **fault})
    run = project.fails("sync", says=("target-file of warehouse", "stays in the outbox", "mend the target", *words))
    assert run.written == 1
    assert project.people("crm")["grace@example.com"] == ("Grace Hopper", "Rome")
    assert project.query("SELECT count(*) FROM conflict") == [(0,)]
    project.heals(rounds=2)


def test_a_target_that_hangs_is_ended(project: Project) -> None:
    project.switch("warehouse", target={"after": 1, "hang": 60, "keep": True})
    project.fails("sync", "--patience", "1", says=("target-file of warehouse", "nothing for 1 seconds", "--patience"))
    project.heals()


def test_a_target_that_hangs_when_asked_what_it_can_do_is_ended(project: Project) -> None:
    project.program("target-slow", 'case "$1" in --about) sleep 60;; esac; exec bin/target-file "$@"')
    project.configure(("command: bin/target-file", "command: bin/target-slow"))
    project.fails("sync", "--patience", "1", says=("target-slow of", "nothing for 1 seconds"))
    project.configure()
    project.heals()


def test_a_target_whose_program_is_not_there_does_not_keep_the_other_side_from_its_writes(project: Project) -> None:
    project.configure(("[bin/target-file]", "[target-nowhere]"))
    project.fails("sync", code=64, says=("target-nowhere of warehouse", "there is no program"))
    project.configure()
    project.heals()


HARMLESS: dict[str, dict[str, Any]] = {
    "prints remarks": {"remark": ["Loading…", "[1]", "null", "{}", '"done"', "{"]},
    "prints what is no UTF-8": {"remark": ["\udcff\udcfe"]},
}


@pytest.mark.parametrize("story", HARMLESS)
def test_nothing_is_lost_when_a_target(project: Project, story: str) -> None:
    project.switch("warehouse", target=HARMLESS[story])
    run = project.syncs()
    assert run.written == 3
    project.heals(rounds=0)


def test_a_target_that_acknowledges_nothing_is_not_believed_before_its_writes_are_seen(project: Project) -> None:
    project.switch("warehouse", target={"silent": True})
    run = project.syncs()
    assert any("warehouse" in told and "acknowledged nothing of 2 writes" in told for told in run.warnings)
    project.heals()


def test_a_write_that_was_acknowledged_and_lost_is_sent_again(project: Project) -> None:
    project.switch("warehouse", target={"lose": True})
    project.syncs()
    assert len(project.rows("warehouse")) == 8
    project.heals(rounds=2)


def test_a_write_that_is_lost_three_times_waits_for_a_person(project: Project) -> None:
    project.switch("warehouse", target={"lose": True})
    for _ in range(7):  # what was to be created is sent again when two reads lacked it
        project.syncs()
    run = project.syncs()
    assert run.written == 0
    listed = project.run("--json", "conflicts", "list")
    assert listed.out.count("not-visible") == 2, listed.out
    project.switch("warehouse")
    for (cid,) in project.query("SELECT cid FROM conflict"):
        assert project.run("conflicts", "resolve", cid, "--retry").code == 0
    project.heals()


def test_a_row_that_kills_the_target_is_found_and_parked_with_its_last_words_and_tried_again_once_it_changes(
    project: Project,
) -> None:
    project.switch("warehouse", target={"bad": {"name": "Nina"}})
    run = project.run("sync", "--strict")
    assert run.code == 4, run.err
    assert [("Nina" in told, "ValueError: no room for" in told) for told in run.warnings] == [(True, True)]
    assert project.people("warehouse")["ada@example.com"] == ("Ada", "Turin")
    assert "ValueError: no room for" in project.run("conflicts", "list").out

    again = project.syncs()
    assert (again.written, again.warnings) == (0, [])

    project.change("crm", "c9", city="Oslo")
    project.change("crm", "c4", city="Ghent")
    still = project.syncs()
    assert any("no room for" in told for told in still.warnings)

    project.switch("warehouse")
    project.change("crm", "c9", city="Pisa")
    project.change("crm", "c4", city="Rome")
    project.heals()
    assert project.run("sync", "--strict").code == 0


def test_a_target_that_stores_names_in_lower_case_is_not_fought(project: Project) -> None:
    """Without receipts nobody knows whether it was the target or a user: the CRM follows, and then there is silence."""
    project.switch("warehouse", target={"lower": ["name"]})
    project.syncs()
    project.syncs()
    project.is_quiet()
    assert project.people("crm") == project.people("warehouse")
    assert project.people("crm")["nina@example.com"] == ("nina", "Pisa")


def test_a_target_whose_lower_case_is_declared_equal_changes_nothing_on_the_other_side(project: Project) -> None:
    project.configure(("name: name", "name: {crm: name, warehouse: name, normalize: [lower]}"))
    project.switch("warehouse", target={"lower": ["name"]})
    project.syncs()
    project.is_quiet()
    assert project.people("crm")["nina@example.com"] == ("Nina", "Pisa")
    assert project.people("warehouse")["nina@example.com"] == ("nina", "Pisa")
