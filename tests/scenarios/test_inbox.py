"""Many conflicts at once: settled by what they are about, or in a spreadsheet."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.project import Project

FORMULA = '=HYPERLINK("http://evil.example","Ada")'


@pytest.fixture
def contested(settled: Project, tmp_path: Path) -> Project:
    """Four cities and one name that both sides changed, one of them to a formula, one to a text with an apostrophe."""
    project = settled.copied(tmp_path / "project")
    project.syncs()
    for n in range(1, 5):
        project.change("crm", f"c{n}", city=f"Turin {n}")
        project.change("warehouse", f"w{n}", city=f"Milan {n}")
    project.change("crm", "c5", name=FORMULA)
    project.change("warehouse", "w5", name="'s Gravesande")
    project.syncs()
    return project


def waiting(project: Project, *words: str) -> list[dict[str, Any]]:
    run = project.run("conflicts", "list", "--json", *words)
    assert run.code == 0, run.err
    found: list[dict[str, Any]] = json.loads(run.out)["conflicts"]
    return found


def ok(project: Project, *words: str) -> str:
    run = project.run("conflicts", *words)
    assert run.code == 0, run.err
    return run.out


def sheet(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as opened:
        return list(csv.DictReader(opened))


def save(file: Path, rows: list[dict[str, str]]) -> None:
    """As a spreadsheet of a country with a decimal comma saves it."""
    with file.open("w", encoding="utf-8-sig", newline="") as opened:
        writer = csv.DictWriter(opened, list(rows[0]), delimiter=";", lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)


def test_conflicts_are_chosen_by_what_they_are_about(contested: Project) -> None:
    assert len(waiting(contested)) == 5
    assert {c["field"] for c in waiting(contested, "--where", "field=city")} == {"city"}
    assert [c["record"] for c in waiting(contested, "--where", "crm~turin 3")] == ["edsger@example.com"]
    assert len(waiting(contested, "--where", "field=city", "--where", "crm!=Turin 1")) == 3
    assert waiting(contested, "--kind", "delete") == []
    contested.fails("conflicts", "list", "--where", "colour=red", code=64, says=("colour=red", "field", "crm"))


def test_many_are_settled_at_once_after_their_number_was_seen(contested: Project) -> None:
    words = ("conflicts", "resolve", "--where", "field=city", "--take", "warehouse")
    run = contested.fails(*words, code=64, says=("4 conflicts would be decided (4 field)", "--yes"))
    assert len(waiting(contested)) == 5
    assert "4 conflicts decided" in contested.run(*words, "--yes").out, run.err
    contested.syncs()
    assert contested.people("crm")["ada@example.com"] == ("Ada", "Milan 1")
    assert [c["field"] for c in waiting(contested) if c["state"] == "open"] == ["name"]
    contested.fails(*words, "--yes", code=64, says=("no open conflict is like that",))


def test_what_some_of_them_cannot_take_is_taken_by_none(contested: Project) -> None:
    contested.add("crm", id="c20", email="zoe@example.com", name="Zoe", city="Rome")
    for key in ("w20", "w21"):
        contested.add("warehouse", id=key, email="zoe@example.com", name="Zoe", city="Rome")
    contested.syncs()
    words = ("conflicts", "resolve", "--where", "entity=person", "--take", "crm", "--yes")
    contested.fails(*words, code=64, says=("3 of the 8 conflicts cannot be settled so (3 ambiguous)", "--kind"))
    assert all(c["state"] == "open" for c in waiting(contested))
    contested.fails("conflicts", "resolve", "--take", "crm", code=64, says=("--where",))


def test_a_spreadsheet_is_an_inbox(contested: Project) -> None:
    assert "5 conflicts in inbox.csv" in ok(contested, "export", "inbox.csv")
    file = contested.folder / "inbox.csv"
    rows = sheet(file)
    assert [row["answers"] for row in rows] == ["crm, warehouse, value: …"] * 5
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]
    by_name = {row["record"].partition("@")[0]: row for row in rows}
    assert (by_name["ada"]["crm"], by_name["ada"]["warehouse"], by_name["ada"]["before"]) == (
        *("Turin 1", "Milan 1"),
        "Rome",
    )
    assert (by_name["donald"]["crm"], by_name["donald"]["warehouse"]) == (f"'{FORMULA}", "''s Gravesande")
    by_name["ada"]["decision"] = "crm"
    by_name["grace"]["decision"] = "Warehouse"
    by_name["edsger"]["decision"] = "value: Como"
    save(file, rows)
    shown = json.loads(ok(contested, "import", "inbox.csv", "--json"))
    assert (len(shown["decided"]), shown["undecided"]) == (3, 2)
    assert "2 without a decision" in ok(contested, "import", "inbox.csv")
    contested.syncs()
    for side in ("crm", "warehouse"):
        people = contested.people(side)
        assert [people[f"{name}@example.com"][1] for name in ("ada", "grace", "edsger")] == [
            *("Turin 1", "Milan 2"),
            "Como",
        ]
    contested.syncs()
    assert len(waiting(contested)) == 2
    assert "3 over already" in ok(contested, "import", "inbox.csv")


def test_json_is_an_inbox_too(contested: Project) -> None:
    rows = json.loads(ok(contested, "export", "-", "--format", "json", "--where", "field=name"))
    assert rows[0]["crm"] == FORMULA
    rows[0]["decision"] = "value: Donald"
    (contested.folder / "inbox.json").write_text(json.dumps(rows), encoding="utf-8")
    ok(contested, "import", "inbox.json")
    contested.syncs()
    assert contested.people("crm")["donald@example.com"][0] == "Donald"


def test_every_bad_row_is_named_and_no_decision_is_taken(contested: Project) -> None:
    ok(contested, "export", "inbox.csv")
    file = contested.folder / "inbox.csv"
    rows = sheet(file)
    rows[0]["decision"] = "crm"
    rows[1]["decision"] = "the CRM is right"
    rows[2]["decision"] = "retry"
    rows[3] |= {"conflict": "#nothing", "decision": "crm"}
    rows[4]["decision"] = "value: …"
    save(file, [*rows, rows[0]])
    run = contested.fails("conflicts", "import", "inbox.csv", code=64, says=("nothing was changed",))
    told = [line.partition(": ") for line in run.complaint.splitlines() if line.startswith("line ")]
    assert [(where, what.split()[0]) for where, _, what in told] == [
        ("line 3", "the"),
        ("line 4", "another"),
        ("line 5", "there"),
        ("line 6", "write"),
        ("line 7", "the"),
    ]
    assert all(c["state"] == "open" for c in waiting(contested))
    file.write_text("conflict,city\n#a,Rome\n", encoding="utf-8")
    contested.fails("conflicts", "import", "inbox.csv", code=64, says=("inbox.csv, line 1", "'decision'"))
    file.write_bytes("conflict,decision\n#a,Mün".encode("latin-1"))
    contested.fails("conflicts", "import", "inbox.csv", code=64, says=("inbox.csv", "UTF-8"))


def test_a_decision_on_what_changed_since_is_refused(contested: Project) -> None:
    ok(contested, "export", "inbox.csv", "--where", "record=ada@example.com")
    file = contested.folder / "inbox.csv"
    rows = sheet(file)
    rows[0]["decision"] = "warehouse"
    save(file, rows)
    contested.change("crm", "c1", city="Bari")
    contested.syncs()
    contested.fails("conflicts", "import", "inbox.csv", code=64, says=("line 2", "is not what it was", "export anew"))
    assert contested.people("crm")["ada@example.com"] == ("Ada", "Bari")
