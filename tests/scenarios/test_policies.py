"""Policies in a sync.yml that a user runs: a counter, a function of the user's own, one way with a digest."""

from __future__ import annotations

from hashlib import sha256

import pytest

from tests.scenarios.project import STREAM, TEXT, Project

FIELDS = """\
    fields:
      email: email
      name: {crm: name, warehouse: name, policy: {python: "rules:longest"}}
      city: city
      visits: {crm: visits, warehouse: visits, policy: counter}
      digest: {crm: email, warehouse: digest, direction: {from: crm, to: warehouse}, transform: sha256}
"""
RULES = """\
from antiphon.verdicts import Question, Verdict, Wins


def longest(question: Question) -> Verdict:
    print("asked", question.field)
    return Wins(max(question.sides, key=lambda side: len(str(question.values[side]))), "the longer one")
"""


@pytest.fixture
def project(project: Project) -> Project:
    project.configure(
        ("command: [bin/target-file]", "command: [bin/target-file], receipts_path: warehouse.jsonl"),
        ("command: bin/target-file, deletes", "command: bin/target-file, receipts_path: crm.jsonl, deletes"),
        ("    fields: {email: email, name: name, city: city}\n", FIELDS),
    )
    (project.folder / "rules.py").write_text(RULES, encoding="utf-8")
    for side, more in (("crm", {}), ("warehouse", {"digest": TEXT})):
        tables = project.get(side)
        tables[STREAM]["columns"] |= {"visits": {"type": ["number", "null"]}, **more}
        for row in tables[STREAM]["rows"]:
            row.update({"visits": 10, **dict.fromkeys(more)})
        project.put(side, tables)
    return project


def test_counts_add_up_a_function_decides_and_a_digest_follows(project: Project) -> None:
    assert project.run("lint").code == 0
    project.syncs()
    project.change("crm", "c3", visits=13, name="Edsger W.")
    project.change("warehouse", "w3", visits=14.5, name="Edsger Wybe")
    project.change("crm", "c4", email="barbara@example.org")
    run = project.syncs()
    assert project.run("conflicts", "list").out.strip() == "No conflict waits for a person.", run.err
    both = {side: {row["email"]: row for row in project.rows(side)} for side in ("crm", "warehouse")}
    assert [rows["edsger@example.com"]["visits"] for rows in both.values()] == [17.5, 17.5]
    assert [rows["edsger@example.com"]["name"] for rows in both.values()] == ["Edsger Wybe", "Edsger Wybe"]
    assert {row["digest"] for row in both["warehouse"].values()} == {
        sha256(email.encode()).hexdigest() for email in both["crm"]
    }
    told = project.run("why", "edsger@example.com", "name").out
    assert "rules:longest: the longer one" in " ".join(told.split()), told
    project.is_quiet()


def test_a_function_that_cannot_be_imported_is_a_mistake_of_the_file(project: Project) -> None:
    (project.folder / "rules.py").write_text("import nothing_of_this_name", encoding="utf-8")
    run = project.run("sync")
    assert run.code == 64
    assert "rules imports 'nothing_of_this_name', which is not installed" in run.complaint
