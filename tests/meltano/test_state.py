"""Every way a `meltano run` can go. Afterwards the next run makes up for it: nothing lost, nothing doubled, silence."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.meltano.project import TO_CRM, TO_WAREHOUSE, MeltanoProject
from tests.scenarios.project import STREAM

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

NINA = {"email": "nina@example.com"}


def test_a_run_delivers_both_ways_and_the_next_one_writes_nothing(project: MeltanoProject) -> None:
    run = project.two_way()
    assert "read crm person: 9 records, 2 changed, 0 missing" in run.err
    assert "2 operations to warehouse" in run.err
    assert '"topic"' not in run.err, "Meltano did not understand a line of the log"
    project.heals(rounds=0)


@pytest.mark.parametrize("then", ["exit 5", "signal 9"])
def test_a_tap_that_dies_stops_the_run_before_anything_is_written(project: MeltanoProject, then: str) -> None:
    before = project.files.both()
    project.files.switch("crm", tap=[{"at": 5, "then": then}])
    assert project.meltano("run", "two-way").code == 1
    assert project.files.both() == before
    project.heals()


def test_a_read_that_died_after_its_last_line_proves_no_deletion(project: MeltanoProject) -> None:
    project.files.switch("crm", tap=[{"at": 1, "skip": 9, "print": []}, {"at": 2, "then": "exit 1"}])
    for _ in range(3):
        assert project.meltano("run", "two-way").code == 1
    project.heals()


def test_a_target_that_dies_is_given_the_same_again(project: MeltanoProject) -> None:
    project.files.switch("warehouse", target={"after": 1, "exit": 6, "keep": True})
    assert project.meltano("run", "two-way").code == 1
    project.heals()


def test_rows_that_a_target_refuses_are_parked_and_the_run_goes_on(project: MeltanoProject) -> None:
    receipts = project.folder / "receipts.jsonl"
    project.configure(("config: {path: " + str(project.folder) + "/warehouse.json, switches: "
                       + str(project.folder) + "/warehouse-switches.json}\n  - name: target-reconciler",
                       "config: {path: " + str(project.folder) + "/warehouse.json, switches: "
                       + str(project.folder) + f"/warehouse-switches.json, receipts_path: {receipts}}}\n"
                       "  - name: target-reconciler"))  # fmt: skip
    sync = project.folder / "sync.yml"
    named = "target: {meltano: target-file--warehouse, deletes: true"
    sync.write_text(sync.read_text().replace(named, f"{named}, receipts_path: receipts.jsonl"))
    project.files.switch("warehouse", target={"answer": {"rejected": NINA}})
    project.two_way()
    project.two_way()  # which reads the receipts of the first
    told = json.loads(project.antiphon("conflicts", "list", "--json").out)
    assert "the rejected row of nina@example.com" in json.dumps(told)
    assert project.files.people("warehouse")["ada@example.com"] == ("Ada", "Turin")
    project.files.switch("warehouse")
    project.files.change("crm", "c9", city="Oslo")
    project.two_way()
    project.files.change("crm", "c9", city="Pisa")
    project.heals(rounds=2)


@pytest.mark.parametrize("whose", ["tap of the crm", "target of the warehouse"])
def test_a_run_that_is_killed_is_made_up_for(project: MeltanoProject, whose: str) -> None:
    if whose == "tap of the crm":
        side = "crm"
        project.files.switch(side, tap=[{"at": 5, "then": "hang 60"}])
    else:
        side = "warehouse"
        project.files.switch(side, target={"after": 1, "hang": 60, "keep": True})
    process = project.start("run", "two-way")
    project.files.waits_for(side)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    project.heals("--force", rounds=2)  # Meltano itself takes five minutes to believe that the run is gone


def forget(project: MeltanoProject) -> None:
    """Meltano's own memory of both acknowledgements is wiped."""
    for state in (TO_CRM, TO_WAREHOUSE):
        assert project.meltano("state", "clear", "--force", state).code == 0


def full_refresh(project: MeltanoProject) -> None:
    """Taps start anew, and `tap-reconciler` is handed no STATE."""
    project.two_way("--full-refresh")


def merge(project: MeltanoProject) -> None:
    """STATE is merged into what was there."""
    project.two_way("--state-strategy=merge")


def set_back(project: MeltanoProject) -> None:
    """Somebody restores the STATE of last week."""
    shown = json.loads(project.meltano("state", "get", TO_WAREHOUSE).out)
    old: dict[str, Any] = shown
    old["singer_state"]["bookmarks"]["outbox"]["seq"] = 0
    assert project.meltano("state", "set", "--force", TO_WAREHOUSE, json.dumps(old)).code == 0


@pytest.mark.parametrize("happens", [forget, full_refresh, merge, set_back], ids=lambda each: each.__name__)
def test_whatever_becomes_of_the_state(project: MeltanoProject, happens: Callable[[MeltanoProject], None]) -> None:
    project.two_way()
    happens(project)
    project.files.change("warehouse", "w3", city="Oslo")
    project.two_way()
    assert project.files.people("crm")["edsger@example.com"] == ("Edsger", "Oslo")
    project.heals(rounds=0)


def test_of_two_runs_at_once_the_second_is_told_and_the_first_is_right(project: MeltanoProject) -> None:
    project.files.switch("crm", tap=[{"at": 5, "then": "hang 60"}])
    first = project.start("run", "two-way")
    project.files.waits_for("crm")
    second = project.meltano("run", "two-way", env={"TARGET_RECONCILER_WAIT": "0"})
    assert second.code == 1
    assert "already running" in second.err
    project.files.lets_go_on("crm")
    _, err = first.communicate(timeout=120)
    assert first.returncode == 0, err
    project.heals(rounds=0)


def test_antiphon_sync_and_the_job_keep_one_ledger(project: MeltanoProject) -> None:
    run = project.antiphon("sync")
    assert run.code == 0, run.err
    project.is_healed()
    project.heals(rounds=0)
    project.files.change("crm", "c3", city="Oslo")
    project.two_way()
    assert project.files.people("warehouse")["edsger@example.com"] == ("Edsger", "Oslo")
    run = project.antiphon("sync")
    assert (run.code, run.written) == (0, 0), run.err


def test_a_column_that_the_project_does_not_select_is_no_field_of_the_sync(project: MeltanoProject) -> None:
    crm = "inherit_from: tap-file\n    config: {path: " + str(project.folder) + "/crm.json"
    project.configure((crm, crm.replace("config:", f"select: ['{STREAM}.*', '!{STREAM}.city']\n    config:")))
    run = project.antiphon("sync")
    assert run.code == 64
    assert "select rules of tap-file--crm in meltano.yml leave out" in run.complaint
    assert "sync.yml:" in run.complaint


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ("tap-fle--crm", ["no extractor 'tap-fle--crm'", "tap-file--crm", "meltano add"]),
        ("", ["is empty"]),
    ],
)
def test_a_plugin_that_the_project_lacks(project: MeltanoProject, named: str, says: list[str]) -> None:
    sync = project.folder / "sync.yml"
    sync.write_text(sync.read_text().replace("tap: {meltano: tap-file--crm}", f"tap: {{meltano: '{named}'}}"))
    run = project.antiphon("sync")
    assert run.code == 64, run.err
    assert all(word in run.complaint for word in says), run.complaint


def test_without_a_project_the_way_on_is_told(project: MeltanoProject) -> None:
    Path(project.folder, "meltano.yml").unlink()
    run = project.antiphon("sync")
    assert run.code == 64
    assert "no meltano.yml" in run.complaint
    assert "`command:`" in run.complaint


def test_a_sync_of_the_project_may_begin_with_a_proposal(project: MeltanoProject) -> None:
    crm = "inherit_from: tap-file\n    config: {path: " + str(project.folder) + "/crm.json"
    project.configure((crm, crm.replace("config:", f"select: ['{STREAM}.*', '!{STREAM}.city']\n    config:")))
    words = [
        word
        for side in ("crm", "warehouse")
        for word in ("--tap", f"{side}=meltano:tap-file--{side}", "--target", f"{side}=meltano:target-file--{side}")
    ]
    run = project.antiphon("init", *words, "--file", "new.yml")
    assert run.code == 0, run.err
    text = Path(project.folder, "new.yml").read_text(encoding="utf-8")
    assert "tap: {meltano: tap-file--crm}" in text
    assert "Only on warehouse: city." in text
    assert project.antiphon("-c", "new.yml", "lint").code == 0
    run = project.antiphon("init", "--tap", "crm=meltano:tap-none", *words[2:], "--force")
    assert run.code == 64
    assert "no extractor 'tap-none'" in run.complaint
