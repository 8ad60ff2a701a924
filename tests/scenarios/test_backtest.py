"""Backtest: what other policies would have made of the conflicts that there were, without reading or writing a side."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.scenarios.project import Project


def backtested(project: Project, *words: str) -> dict[str, Any]:
    run = project.run("backtest", "--json", *words)
    assert run.code == 0, run.err
    told: dict[str, Any] = json.loads(run.out)
    return told


@pytest.fixture
def contested(project: Project) -> Project:
    """Three contests: two over cities, which the CRM owned, and one over a name, which a person was asked about."""
    project.configure(("city: city}", "city: {crm: city, warehouse: city, policy: {owner: crm}}}"))
    project.syncs()
    for number, crm, warehouse in ((3, "Delft", "Austin"), (4, "Boston", "")):
        project.change("crm", f"c{number}", city=crm)
        project.change("warehouse", f"w{number}", city=warehouse)
    project.change("crm", "c5", name="Don")
    project.change("warehouse", "w5", name="Donald Knuth")
    project.change("crm", "c6", city="Boston")  # no contest: one side alone changed it
    project.syncs()
    project.syncs()
    assert project.people("warehouse")["edsger@example.com"] == ("Edsger", "Delft")
    return project


def test_under_the_policies_that_were_nothing_changes(contested: Project) -> None:
    told = backtested(contested)
    assert (told["contests"], told["changed"]) == (3, 0)
    assert told["asked"] == {"then": 1, "now": 1}


def test_another_owner_would_have_won(contested: Project) -> None:
    before = contested.both(), contested.ledger().read_bytes()
    told = backtested(contested, "--policy", "city={owner: warehouse}")
    assert (told["contests"], told["changed"]) == (3, 2)
    assert {(each["field"], each["ended"], each["would"]) for each in told["which"]} == {("city", "crm", "warehouse")}
    assert {"crm": {"city": "Delft"}, "warehouse": {"city": "Austin"}} in [each["values"] for each in told["which"]]
    assert (contested.both(), contested.ledger().read_bytes()) == before


def test_a_person_would_have_been_asked_or_not(contested: Project) -> None:
    told = backtested(contested, "--policy", "person.city=park", "--policy", "name={owner: warehouse}")
    assert told["changed"] == 3
    assert told["asked"] == {"then": 1, "now": 2}
    assert sorted((each["field"], each["ended"], each["would"]) for each in told["which"]) == [
        ("city", "crm", "a person is asked"),
        ("city", "crm", "a person is asked"),
        ("name", "a person is asked", "warehouse"),
    ]


def test_where_the_values_would_be_the_same_nothing_changes(contested: Project) -> None:
    told = backtested(contested, "--policy", "city=nonempty")
    assert [each["would"] for each in told["which"]] == ["a person is asked"], "one of the two cities was empty"


def test_another_file_with_the_same_ledger_is_as_good(contested: Project) -> None:
    text = (contested.folder / "sync.yml").read_text(encoding="utf-8")
    other = text.replace("{owner: crm}", "{owner: warehouse}")
    (contested.folder / "other.yml").write_text(other, encoding="utf-8")
    assert backtested(contested, "--config", "other.yml")["changed"] == 2


def test_people_are_told_how_many_and_which(contested: Project) -> None:
    run = contested.run("backtest", "--policy", "city={owner: warehouse}")
    assert "3 contests" in run.out
    assert "2 would have ended otherwise" in run.out
    assert "crm wins → warehouse wins" in run.out
    assert "Delft" in run.out


def test_hidden_values_stay_hidden(contested: Project) -> None:
    contested.configure(
        ("city: city}", "city: {crm: city, warehouse: city, policy: {owner: warehouse}, sensitive: true}}")
    )
    for words in ((), ("--json",)):
        run = contested.run("backtest", *words)
        assert run.code == 0, run.err
        assert "Delft" not in run.out
        assert "Austin" not in run.out


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ("city", ("write FIELD=POLICY",)),
        ("town=latest", ("town: sync.yml has no such field",)),
        ("city=newest", ("newest", "latest")),
        ("city={owner: ", ("no YAML",)),
    ],
)
def test_a_policy_that_is_none_is_refused(project: Project, policy: str, says: tuple[str, ...]) -> None:
    project.fails("backtest", "--policy", policy, code=64, says=says)
