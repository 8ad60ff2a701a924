"""The values of a `sensitive` field are shown nowhere, whatever is shown and however a run ends."""

from __future__ import annotations

import json
import stat

import pytest

from tests.scenarios.project import Project

SECRETS = ("Xanadu", "Shangri-La", "Zembla", "Ruritania")


@pytest.fixture
def discreet(project: Project) -> Project:
    """Cities are nobody's business: one is delivered, one contested, one refused in words that quote it, one waits."""
    project.configure(
        (
            "target: {command: [bin/target-file], deletes: true}",
            "target: {command: [bin/target-file], receipts_path: said.jsonl}",
        ),
        ("city: city}", "city: {crm: city, warehouse: city, sensitive: true}}"),
    )
    project.change("crm", "c1", city="Xanadu")
    project.change("crm", "c3", city="Shangri-La")
    project.change("warehouse", "w3", city="Zembla")
    project.syncs()
    return project


def shows_nothing(project: Project, *words: str, code: int = 0) -> str:
    run = project.run(*words)
    assert run.code == code, run.err
    for secret in SECRETS:
        assert secret not in run.out + run.err, f"{words}: {run.out}{run.err}"
    return run.out


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_no_command_shows_it(discreet: Project, form: tuple[str, ...]) -> None:
    discreet.change("crm", "c4", city="Ruritania")
    shows_nothing(discreet, "plan", "--out", "plan.json", *form)
    plan = (discreet.folder / "plan.json").read_text(encoding="utf-8")
    assert "barbara" in plan or "w4" in plan
    assert not any(secret in plan for secret in SECRETS)
    (conflict,) = json.loads(discreet.run("conflicts", "list", "--json").out)["conflicts"]
    run_id = json.loads(discreet.run("runs", "list", "--json").out)["runs"][0]["run"]
    for words in (
        ("status",),
        ("conflicts", "list"),
        ("conflicts", "show", conflict["cid"]),
        ("why", "ada@example.com"),
        ("why", "edsger@example.com", "city"),
        ("revert", "--run", run_id, "--dry-run"),
        ("rebaseline", "--prefer", "crm", "--dry-run"),
        ("backtest", "--policy", "city={owner: crm}"),
        ("links", "list"),
        ("runs", "list"),
    ):
        assert shows_nothing(discreet, *words, *form)
    shows_nothing(discreet, "verify", *form, code=2)


def test_a_target_that_quotes_it_in_its_refusal_is_not_repeated(discreet: Project) -> None:
    discreet.change("crm", "c4", city="Ruritania")
    discreet.switch(
        "warehouse",
        target={"answer": {"rejected": {"city": "Ruritania"}}, "message": "the city Ruritania is on no map"},
    )
    shows_nothing(discreet, "sync")
    assert "is on no map" in shows_nothing(discreet, "why", "barbara@example.com")
    shows_nothing(discreet, "status", "--json")


def test_what_a_foreign_target_says_before_it_ends_is_not_repeated(discreet: Project) -> None:
    discreet.change("warehouse", "w4", city="Ruritania")
    discreet.change("warehouse", "w5", name="Don")
    discreet.switch("crm", target={"bad": {"city": "Ruritania"}})
    run = discreet.run("sync")
    assert any(event.get("topic") == "refused" for event in run.events), run.err
    assert "Ruritania" not in run.out + run.complaint
    quoted = [event for event in run.events if "Ruritania" in json.dumps(event) and event.get("topic") != "plugin"]
    assert quoted == [], "only the plugin's own lines are its own"


def test_the_files_that_must_hold_it_are_for_their_owner_alone(discreet: Project) -> None:
    held = [
        path
        for path in discreet.folder.rglob("*")
        if path.is_file() and b"Xanadu" in path.read_bytes() and path.name not in ("crm.json", "warehouse.json")
    ]
    assert {"ledger.db", "said.jsonl"} <= {path.name for path in held}
    for path in held:
        within = stat.S_IMODE(path.parent.stat().st_mode) & 0o077 == 0
        assert within or stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    discreet.syncs()
    assert not list(discreet.folder.glob("said.jsonl*")), "receipts that are settled are not kept"
