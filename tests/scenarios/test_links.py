"""A person says which records are the same: `antiphon links`."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

from tests.scenarios.project import Project


def listed(project: Project, *words: str) -> list[dict[str, Any]]:
    run = project.run("links", "list", "--json", *words)
    assert run.code == 0, run.err
    found: list[dict[str, Any]] = json.loads(run.out)["links"]
    return found


def states(project: Project) -> dict[str, str]:
    return {link["record"]: link["state"] for link in listed(project)}


def does(project: Project, *words: str) -> str:
    run = project.run("links", *words)
    assert run.code == 0, run.err
    return run.out


def changed(file: Path, *rows: dict[str, str], **changes: dict[str, str]) -> None:
    """A spreadsheet: cells changed by the record's name, rows added, and saved as a spreadsheet saves it."""
    with file.open(encoding="utf-8-sig", newline="") as opened:
        reader = csv.DictReader(opened)
        table = [{**row, **changes.get(row["record"].partition("@")[0], {})} for row in reader]
        columns = list(reader.fieldnames or ())
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, columns, delimiter=";", lineterminator="\r\n")
        writer.writeheader()
        writer.writerows([*table, *rows])


def test_two_records_that_were_parted_are_left_alone_and_not_linked_again(project: Project) -> None:
    project.syncs()
    assert "not linked again" in does(project, "remove", "ada@example.com")
    project.change("crm", "c1", city="Bari")
    project.syncs()
    assert project.people("crm")["ada@example.com"] == ("Ada", "Bari")
    assert project.people("warehouse")["ada@example.com"] == ("Ada", "Turin")
    assert states(project)["ada@example.com"] == "detached"
    assert "A person took the link apart" in project.run("why", "crm:c1").out
    project.is_quiet()


def test_linked_again_they_go_on_from_what_they_last_agreed_on(project: Project) -> None:
    project.syncs()
    project.syncs()  # which sees that the first one's writes arrived
    does(project, "remove", "ada@example.com")
    project.change("crm", "c1", city="Bari")
    project.change("warehouse", "w1", name="Ada Lovelace")
    assert "the next sync compares them" in does(project, "add", "crm:c1", "warehouse:w1")
    project.syncs()
    for side in ("crm", "warehouse"):
        assert project.people(side)["ada@example.com"] == ("Ada Lovelace", "Bari")
    assert project.run("conflicts", "list", "--json").out.count('"cid"') == 0
    project.is_quiet()


def test_a_write_that_nobody_saw_arrive_is_taken_for_an_edit_of_both(project: Project) -> None:
    project.syncs()
    does(project, "remove", "ada@example.com")
    does(project, "add", "crm:c1", "warehouse:w1")
    assert project.syncs().written == 0
    assert project.people("warehouse")["ada@example.com"] == ("Ada", "Turin")
    project.change("crm", "c1", city="Bari")
    project.syncs()
    assert project.people("warehouse")["ada@example.com"] == ("Ada", "Bari")


def test_without_their_past_what_differs_is_asked(project: Project) -> None:
    project.syncs()
    does(project, "remove", "ada@example.com")
    project.change("crm", "c1", city="Bari")
    project.syncs()
    does(project, "add", "warehouse:w1", "crm:c1", "--forget")
    project.syncs()
    (conflict,) = json.loads(project.run("conflicts", "list", "--json").out)["conflicts"]
    assert (conflict["kind"], conflict["field"]) == ("join", "city")


def test_records_that_no_rule_would_match_are_one_by_hand(project: Project) -> None:
    project.syncs()
    project.add("crm", id="c20", email="liz@example.com", name="Liz", city="Rome")
    project.add("warehouse", id="w20", email="elizabeth@example.com", name="Liz", city="Rome")
    assert project.run("plan").code == 0  # both are seen, nothing is written yet
    does(project, "add", "crm:c20", "warehouse:w20")
    before = len(project.rows("crm"))
    project.syncs()
    assert len(project.rows("crm")) == before
    (link,) = listed(project, "--record", "crm:c20")
    assert (link["crm"], link["warehouse"], link["match_rule"]) == ("c20", "w20", "by hand")
    assert "A person said" in project.run("why", "crm:c20").out


def test_of_several_candidates_a_person_chooses_one(project: Project) -> None:
    project.syncs()
    project.add("crm", id="c20", email="liz@example.com", name="Liz", city="Rome")
    for key in ("w20", "w21"):
        project.add("warehouse", id=key, email="liz@example.com", name="Liz", city="Rome")
    project.syncs()
    kinds = {c["kind"] for c in json.loads(project.run("conflicts", "list", "--json").out)["conflicts"]}
    assert kinds == {"ambiguous"}
    does(project, "add", "crm:c20", "warehouse:w21")
    project.syncs()
    project.change("warehouse", "w21", city="Como")
    project.syncs()
    assert next(row for row in project.rows("crm") if row["id"] == "c20")["city"] == "Como"
    left = json.loads(project.run("conflicts", "list", "--json").out)["conflicts"]
    assert [c["kind"] for c in left] == ["duplicate-of"]
    assert len(project.rows("crm")) == 10


def test_what_cannot_be_linked_is_said_and_nothing_changes(project: Project) -> None:
    project.syncs()
    before = listed(project)
    project.fails("links", "add", "crm:c1", "warehouse:w2", code=64, says=("linked to", "links remove"))
    project.fails("links", "add", "crm:c1", "crm:c2", code=64, says=("both records are on crm",))
    project.fails("links", "add", "crm:c1", "warehouse:zz", code=64, says=("no record is found", "zz"))
    project.fails("links", "remove", "nobody@example.com", code=64, says=("nobody@example.com",))
    project.fails("links", "list", "--entity", "persn", code=64, says=("persn", "person"))
    assert listed(project) == before


def test_an_export_that_nobody_changed_changes_nothing(project: Project) -> None:
    project.syncs()
    before = listed(project)
    for name in ("links.csv", "links.json"):
        assert "9 links are in" in does(project, "export", name)
        assert "9 are so already" in does(project, "import", name)
    assert listed(project) == before


def test_a_spreadsheet_parts_and_joins(project: Project) -> None:
    project.syncs()
    project.add("crm", id="c20", email="+liz@example.com", name="Liz", city="Rome")
    project.add("warehouse", id="w20", email="elizabeth@example.com", name="Liz", city="Rome")
    project.run("plan")
    does(project, "export", "links.csv")
    joined = {"entity": "person", "crm": "c20", "warehouse": "w20"}
    changed(project.folder / "links.csv", joined, grace={"state": "detached"})
    shown = json.loads(does(project, "import", "links.csv", "--json"))
    assert (len(shown["added"]), len(shown["removed"]), shown["unchanged"]) == (1, 1, 8)
    project.syncs()
    found = states(project)
    assert found["grace@example.com"] == "detached"
    assert found["+liz@example.com"] == "active"


def test_every_bad_row_is_named_by_its_line_and_no_row_is_taken(project: Project) -> None:
    project.syncs()
    before = listed(project)
    rows = [
        "entity,crm,warehouse,state",
        "person,c1,w1,detached",
        "persn,c2,w2,",
        "person,c3,,",
        "person,nobody,w4,active",
        'person,c5,w5,"park',
        'ed"',
        "person,c1,w1,",
    ]
    (project.folder / "links.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    run = project.fails("links", "import", "links.csv", code=64, says=("nothing was changed",))
    told = [line.strip().partition(":")[0] for line in run.complaint.splitlines() if line.strip().startswith("line ")]
    assert told == ["line 3", "line 4", "line 5", "line 6"]
    (project.folder / "links.csv").write_text("\n".join([*rows[:2], rows[-1]]) + "\n", encoding="utf-8")
    project.fails("links", "import", "links.csv", code=64, says=("line 3", "stands in line 2 already"))
    (project.folder / "links.json").write_text('[\n{"entity": "person", "crm": "c1"},\n{"a" 1}]', encoding="utf-8")
    project.fails("links", "import", "links.json", code=64, says=("links.json, line 3", "no JSON"))
    (project.folder / "links.csv").write_text("entity,crm\nperson,c1\n", encoding="utf-8")
    project.fails("links", "import", "links.csv", code=64, says=("links.csv, line 1", "'warehouse'"))
    project.fails("links", "import", "links.txt", code=64, says=("links.txt", "--format"))
    assert listed(project) == before


def test_a_new_ledger_takes_the_links_of_the_old_one(project: Project) -> None:
    project.syncs()
    project.change("warehouse", "w1", email="ada@elsewhere.org")
    project.change("crm", "c1", email="lovelace@example.com")  # no rule would find them any more
    does(project, "export", "links.json")
    shutil.rmtree(project.ledger().parent)
    project.run("plan")
    does(project, "import", "links.json")
    run = project.syncs()
    assert run.written == 0
    assert len(project.rows("crm")) == len(project.rows("warehouse")) == 9
    (conflict,) = json.loads(project.run("conflicts", "list", "--json").out)["conflicts"]
    assert (conflict["kind"], conflict["field"]) == ("join", "email")
