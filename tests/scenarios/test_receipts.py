"""A target that writes receipts: every status it may give, names that it assigns itself, receipts that are none.

The warehouse's target keeps the envelope and names new rows itself (`on_create: assigned`); the CRM's is foreign.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.scenarios.project import STREAM, Project

NINA = {"email": "nina@example.com"}


@pytest.fixture
def project(project: Project) -> Project:
    project.configure(
        ("command: [bin/target-file]", "command: [bin/target-file], receipts_path: receipts.jsonl"),
        (
            "warehouse: {stream: people, key: id, on_create: uuid}",
            "warehouse: {stream: people, key: id, on_create: assigned}",
        ),
    )
    return project


def test_the_name_that_the_target_gave_a_new_row_is_learnt(project: Project) -> None:
    project.syncs()
    nina = next(row for row in project.rows("warehouse") if row["email"] == NINA["email"])
    assert nina["id"] == "a9"
    assert project.query("SELECT rid FROM member WHERE side = 'warehouse' AND rid LIKE '%a9%' AND held") == [
        ('["a9"]',)
    ]
    project.heals(rounds=0)
    project.change("crm", "c9", city="Oslo")
    project.syncs()
    assert project.people("warehouse")["nina@example.com"] == ("Nina", "Oslo")


def test_an_edit_made_while_the_write_was_under_way_is_found_and_not_overwritten(project: Project) -> None:
    project.switch("warehouse", target={"meanwhile": {STREAM: {"w1": {"city": "Oslo"}}}})
    run = project.syncs()
    assert run.written == 3
    assert project.people("warehouse")["ada@example.com"] == ("Ada", "Oslo")
    project.switch("warehouse")
    run = project.syncs()
    assert run.written == 0
    assert (project.people("crm")["ada@example.com"][1], project.people("warehouse")["ada@example.com"][1]) == (
        "Turin",
        "Oslo",
    )
    ((cid,),) = project.query("SELECT cid FROM conflict WHERE state = 'open'")
    shown = project.run("conflicts", "show", cid)
    assert all(word in shown.out for word in ("Rome", "Turin", "Oslo")), shown.out
    assert project.run("conflicts", "resolve", cid, "--take", "crm").code == 0
    project.heals()


def test_a_row_that_was_deleted_while_the_write_was_under_way_is_not_brought_back(project: Project) -> None:
    project.switch("warehouse", target={"meanwhile": {STREAM: {"w1": None}}})
    project.syncs()
    project.switch("warehouse")
    for _ in range(3):
        project.syncs()
        assert "ada@example.com" not in project.people("warehouse")
        assert project.people("crm")["ada@example.com"] == ("Ada", "Turin")
    project.is_quiet()
    assert project.run("sync", "--strict").code == 4


@pytest.mark.parametrize("status", ["rejected", "skipped"])
def test_a_row_that_the_target_will_never_take_is_shown_with_its_words_and_tried_again_once_it_changes(
    project: Project, status: str
) -> None:
    project.switch("warehouse", target={"answer": {status: NINA}})
    run = project.run("sync", "--strict")
    assert run.code == 4
    assert project.people("warehouse")["ada@example.com"] == ("Ada", "Turin")
    assert f"the {status} row of nina@example.com" in project.run("conflicts", "list").out
    project.is_quiet()
    project.switch("warehouse")
    project.change("crm", "c9", city="Oslo")
    project.syncs()
    project.change("crm", "c9", city="Pisa")
    project.heals()
    assert project.run("sync", "--strict").code == 0


def test_a_row_that_may_work_later_is_tried_later(project: Project) -> None:
    project.switch("warehouse", target={"answer": {"failed": NINA}})
    run = project.run("sync", "--strict")
    assert (run.code, run.written) == (0, 3), run.err
    assert len(project.rows("warehouse")) == 8
    time.sleep(1.1)
    project.heals()


def test_a_value_that_the_target_stored_in_its_own_way_is_told_and_not_fought(project: Project) -> None:
    project.switch("warehouse", target={"lower": ["name"]})
    project.syncs()
    project.is_quiet()
    assert project.people("crm")["nina@example.com"] == ("Nina", "Pisa")
    assert project.people("warehouse")["nina@example.com"] == ("nina", "Pisa")


MISHAPS: dict[str, dict[str, Any]] = {
    "is written twice": {"receipts": "twice"},
    "is cut off": {"receipts": "half a line"},
    "is garbage": {"receipts": "garbage"},
    "is of an operation that nobody knows": {"receipts": "unknown"},
    "is missing although a STATE covers it": {"receipts": "none"},
    "and STATE are missing": {"receipts": "none", "silent": True},
    "comes but the target fails": {"exit": 1},
}


@pytest.mark.parametrize("story", MISHAPS)
def test_nothing_is_lost_or_doubled_when_a_receipt(project: Project, story: str) -> None:
    project.switch("warehouse", target=MISHAPS[story])
    run = project.run("sync")
    assert run.code == (1 if "fails" in story else 0), run.err
    assert any("no receipt" in told for told in run.warnings) == ("garbage" in story), run.err
    assert project.people("warehouse")["nina@example.com"] == ("Nina", "Pisa")
    project.heals()
    project.change("warehouse", "a9", city="Oslo")
    project.change("crm", "c1", city="Oslo")
    project.syncs()
    assert project.people("crm") == project.people("warehouse")
    assert project.people("crm")["nina@example.com"] == ("Nina", "Oslo")
    project.is_quiet()


def test_what_may_not_be_written_to_is_told_before_anything_is_written(project: Project) -> None:
    (project.folder / "receipts.jsonl").mkdir()
    run = project.fails("sync", code=64, says=("receipts.jsonl", "`receipts_path` in sync.yml"))
    assert len(project.rows("warehouse")) == 8, run.err
    (project.folder / "receipts.jsonl").rmdir()
    project.heals()


def test_a_target_without_receipts_may_not_name_its_rows_itself(project: Project) -> None:
    project.configure(
        (
            "warehouse: {stream: people, key: id, on_create: uuid}",
            "warehouse: {stream: people, key: id, on_create: assigned}",
        )
    )
    before = project.both()
    project.fails(
        "sync", code=64, says=("sync.yml:", "entities.person.sides.warehouse.on_create", "writes no receipts")
    )
    assert project.both() == before
