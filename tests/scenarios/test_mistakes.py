"""Mistakes of users: exit code 64 and one error: where, what was found, what is allowed. Nothing is touched."""

from __future__ import annotations

import shutil

import pytest

from tests.scenarios.project import Project

CONFIGURATION: dict[str, tuple[tuple[str, str], tuple[str, ...]]] = {
    "a word that is none": (("match: [email]", "mach: [email]"), ("sync.yml:16", "mach", "did you mean 'match'")),
    "a field that is not there": (("match: [email]", "match: [mail]"), ("sync.yml:16", "mail", "did you mean 'email'")),
    "a variable that is not set": (
        ("name: people", "name: people\nledger: $LEDGER"),
        ("sync.yml:2", "LEDGER is not set", "`$$`"),
    ),
    "three sides": (("sides:\n  crm:", "sides:\n  erp: {tap: {command: x}}\n  crm:"), ("sync.yml:", "sides")),
    "a policy that is none": (
        ("{email: email,", "{email: {crm: email, warehouse: email, policy: newest},"),
        ("sync.yml:18", "newest", "latest"),
    ),
    "a tab": (("match:", "\tmatch:"), ("sync.yml:16", "a tab cannot indent")),
    "a quote that is not closed": (("match: [email]", 'match: ["email]'), ("sync.yml:",)),
    "a key twice": (
        ("on_delete: delete", "on_delete: delete\n    on_delete: park"),
        ("sync.yml:18", "on_delete", "first in line 17"),
    ),
    "a list for a map": (
        ("fields: {email: email, name: name, city: city}", "fields: [email]"),
        ("sync.yml:18", "fields", "found a list"),
    ),
    "a command that cannot be split": (
        ("command: bin/tap-file}", 'command: "tap-file \'"}'),
        ("sync.yml:5", "command"),
    ),
}


@pytest.mark.parametrize("story", CONFIGURATION)
def test_a_configuration_with(project: Project, story: str) -> None:
    before = project.both()
    change, says = CONFIGURATION[story]
    project.configure(change)
    run = project.fails("sync", code=64, says=says)
    assert project.fails("lint", code=64).complaint == run.complaint
    assert project.both() == before


WORDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "an unknown command": (("snyc",), ("snyc",)),
    "an unknown option": (("sync", "--ful"), ("--ful",)),
    "an option without its value": (("sync", "--patience"), ("--patience",)),
    "a value that is no number": (("sync", "--patience", "long"), ("--patience", "long")),
    "a side that is not there": (("sync", "--accept-empty", "erp"), ("--accept-empty erp", "crm and warehouse")),
    "a configuration that is not there": (("-c", "nowhere.yml", "sync"), ("nowhere.yml",)),
    "a configuration that is a folder": (("-c", "bin", "sync"), ("bin",)),
    "a plan that is not there": (("apply", "nowhere.plan"), ("nowhere.plan", "antiphon plan --out")),
    "a plan that is none": (("apply", "sync.yml"), ("sync.yml",)),
    "a folder for the plan that is not there": (("plan", "--out", "nowhere/plan.json"), ("nowhere",)),
    "a conflict that is not there": (("conflicts", "resolve", "abc", "--take", "crm"), ("abc", "conflicts list")),
    "an answer too many": (("conflicts", "resolve", "abc", "--take", "crm", "--retry"), ("abc",)),
    "a record that is not there": (("why", "nobody@example.com"), ("nobody@example.com",)),
    "a field that is not there": (("why", "ada@example.com", "shoe_size"), ("shoe_size",)),
    "a side to complete that is not there": (("collect", "--complete", "erp"), ("erp",)),
}


@pytest.mark.parametrize("story", WORDS)
def test_a_command_line_with(project: Project, story: str) -> None:
    before = project.both()
    words, says = WORDS[story]
    project.fails(*words, code=64, says=says, hinted=False)
    assert project.both() == before


def test_an_empty_configuration(project: Project) -> None:
    (project.folder / "sync.yml").write_text("", encoding="utf-8")
    project.fails("sync", code=64, says=("sync.yml",), hinted=False)


def test_a_configuration_that_is_no_text(project: Project) -> None:
    (project.folder / "sync.yml").write_bytes(b"\xff\xfe\x00name")
    project.fails("sync", code=64, says=("sync.yml",), hinted=False)


def test_looking_before_the_first_sync(project: Project) -> None:
    shutil.rmtree(project.ledger().parent)
    project.fails("status", code=64, says=("no ledger", "antiphon sync"))


PLUGINS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "no settings": ((), ("--config",)),
    "settings that are not there": (("--config", "nowhere.json"), ("nowhere.json",)),
    "settings that are no JSON": (("--config", "sync.yml"), ("sync.yml",)),
    "settings without a side": (("--config", "empty.json"), ("empty.json", "side")),
    "an unknown side": (("--config", "erp.json"), ("erp", "crm and warehouse")),
    "an unknown option": (("--catalog", "x"), ("--catalog",)),
}


@pytest.mark.parametrize("story", PLUGINS)
@pytest.mark.parametrize("plugin", ["tap-reconciler", "target-reconciler"])
def test_our_plugins_with(project: Project, plugin: str, story: str) -> None:
    words, says = PLUGINS[story]
    (project.folder / "empty.json").write_text("{}", encoding="utf-8")
    (project.folder / "erp.json").write_text('{"side": "erp"}', encoding="utf-8")
    run = project.run(*words, program=plugin)
    assert (run.code, run.out) == (64, ""), run.err
    assert all(each in run.complaint for each in says), run.complaint
