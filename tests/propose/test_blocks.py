"""The job in meltano.yml: which plugins it takes, and that everything else in the file stays as it was."""

from __future__ import annotations

import difflib
from typing import Any

import pytest
from ruamel.yaml import YAML

from antiphon.errors import ConfigError
from antiphon.propose import JOB, Blocks, System, blocks, guess_systems, insert

FILE = """\
# Ours.
plugins:
    extractors:
      - name: tap-crm  # of sales
        config:
            query: |
                select 1
      - name: tap-sql
        pip_url: tap-sql  # pinned soon
      # - name: tap-later

    # loaders
    loaders:
      - {name: target-crm}
      - {name: target-sql, config: {a: 1}}  # both
    utilities: []
jobs:
  - name: nightly
    tasks: [tap-crm target-sql]
# the end"""


def known(text: str) -> dict[str, dict[str, dict[str, Any]]]:
    plugins = (YAML(typ="safe").load(text) or {}).get("plugins") or {}
    return {k: {p["name"]: p for p in plugins.get(k) or ()} for k in ("extractors", "loaders", "utilities")}


def wanted(text: str = FILE, job: str = JOB, requirement: str = "antiphon") -> Blocks:
    systems = {"crm": System("tap-crm", "target-crm", ".antiphon/receipts-crm.jsonl"), "db": System("tap-sql", None)}
    return blocks(known(text), systems, job=job, sync_file="sync.yml", requirement=requirement)


def test_the_two_systems_are_those_that_are_read_and_written() -> None:
    assert guess_systems(known(FILE)) == {
        "crm": System("tap-crm", "target-crm"),
        "sql": System("tap-sql", "target-sql"),
    }
    heirs = {"tap-x": {}, "tap-x--eu": {"inherit_from": "tap-x"}, "tap-x--us": {"inherit_from": "tap-x"}}
    ours = {"tap-reconciler": {}, "tap-reconciler--to-eu": {"inherit_from": "tap-reconciler"}}
    found = guess_systems({"extractors": {**heirs, **ours}, "loaders": {"target-x--eu": {}}, "utilities": {}})
    assert found == {"eu": System("tap-x--eu", "target-x--eu"), "us": System("tap-x--us", None)}
    with pytest.raises(ConfigError, match=r"cannot be told \(tap-a, tap-b, tap-c\)"):
        guess_systems({"extractors": {"tap-a": {}, "tap-b": {}, "tap-c": {}}, "loaders": {}, "utilities": {}})


def test_what_stands_in_the_file_stays_where_and_as_it_is() -> None:
    text = insert(FILE, wanted())
    gone = [line for line in difflib.ndiff(FILE.splitlines(), text.splitlines()) if line.startswith("- ")]
    assert gone == ["-     utilities: []"]
    assert text.index("name: tap-reconciler--to-db") < text.index("# - name: tap-later") < text.index("# loaders")
    assert "# both\n      - name: target-reconciler\n" in text
    shown = YAML(typ="safe").load(text)
    assert shown["jobs"][1] == {
        "name": "two-way",
        "tasks": [
            "tap-crm target-reconciler--crm",
            "reconciler:complete-crm",
            "tap-sql target-reconciler--db",
            "reconciler:complete-db",
            "tap-reconciler--to-crm target-crm--two-way",
            "reconciler:confirm",
        ],
    }
    assert shown["plugins"]["extractors"][0]["config"] == {"query": "select 1\n"}
    assert shown["plugins"]["loaders"][-1]["inherit_from"] == "target-crm"
    assert insert(text, wanted()) == text, "a second time changed something"


@pytest.mark.parametrize(
    "text",
    [
        "", "# nothing\n", "plugins:\n", "plugins: {}\njobs: []", "plugins: {loaders: [{name: target-crm}]}\n",
        "plugins:\n  loaders:   # none\n  extractors: [{name: tap-crm}]\n",
    ],
)  # fmt: skip
def test_a_file_of_any_form_is_added_to(text: str) -> None:
    shown = YAML(typ="safe").load(insert(text, wanted(text)))
    assert {plugin["name"] for plugin in shown["plugins"]["loaders"]} >= {"target-reconciler", "target-reconciler--db"}
    assert shown["plugins"]["utilities"][0]["commands"]["confirm"] == "confirm"
    assert shown["jobs"][0]["name"] == "two-way"


def test_a_file_that_is_one_line_is_left_to_a_person() -> None:
    with pytest.raises(ConfigError, match="nothing can be added to") as caught:
        insert("{plugins: {extractors: []}}", wanted())
    assert "- name: target-reconciler--db" in caught.value.hint


def test_what_contradicts_is_named_and_overwritten_only_by_force() -> None:
    text = insert(FILE, wanted()).replace("config: {side: db}", "config: {side: old}", 1)
    with pytest.raises(ConfigError, match="tap-reconciler--to-db already") as caught:
        insert(text, wanted())
    assert "--job NAME" in caught.value.hint
    assert insert(text, wanted(), replace=True) == insert(FILE, wanted())
    both = insert(insert(FILE, wanted()), wanted(insert(FILE, wanted()), job="orders"))
    assert [job["name"] for job in YAML(typ="safe").load(both)["jobs"]] == ["nightly", "two-way", "orders"]


def test_the_plugins_run_as_those_of_ours_that_are_there() -> None:
    there = FILE.replace("utilities: []", "utilities:\n      - {name: ours, pip_url: -e ../x, executable: antiphon}")
    text = insert(there, wanted(there))
    shown = YAML(typ="safe").load(text)["plugins"]
    assert shown["extractors"][2]["pip_url"] == "-e ../x"
    assert shown["utilities"][0]["commands"]["complete-db"] == "collect --complete db"
    there = there.replace("pip_url: -e ../x, executable: antiphon", "executable: /opt/bin/antiphon")
    shown = YAML(typ="safe").load(insert(there, wanted(there)))["plugins"]
    assert (shown["loaders"][2]["executable"], "pip_url" in shown["loaders"][2]) == (
        "/opt/bin/target-reconciler",
        False,
    )
