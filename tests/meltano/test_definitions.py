"""The definitions under `plugins/` say what the plugins say: `ANTIPHON_PASTE=1 make test PYTEST_ARGS=tests/meltano`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from antiphon.singer.meltano import requirement
from tests.meltano.definitions import ROOT, as_yaml, definitions
from tests.meltano.project import MeltanoProject

FOUND = list(definitions())
SECRET = ("token", "password", "secret", "private_key")


@pytest.mark.parametrize(("path", "wanted"), FOUND, ids=[str(path) for path, _ in FOUND])
def test_a_definition_is_what_its_plugin_says(path: Path, wanted: dict[str, Any]) -> None:
    file = ROOT / path
    if os.environ.get("ANTIPHON_PASTE"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(as_yaml(wanted), encoding="utf-8")
    assert YAML(typ="safe").load(file.read_text(encoding="utf-8")) == wanted


def test_no_definition_is_left_of_a_plugin_that_is_gone() -> None:
    there = {path.relative_to(ROOT) for path in (ROOT / "plugins").rglob("*.yml")}
    assert there == {path for path, _ in FOUND}


@pytest.mark.parametrize(("path", "wanted"), FOUND, ids=[str(path) for path, _ in FOUND])
def test_every_setting_is_told_and_secrets_are_marked(path: Path, wanted: dict[str, Any]) -> None:
    for setting in wanted["settings"]:
        assert setting["description"], setting["name"]
        secret = setting["name"].endswith(SECRET) and setting["kind"] == "string"
        assert setting.get("sensitive", False) or not secret, setting["name"]


def test_what_init_has_meltano_install_is_what_runs() -> None:
    assert requirement() == f"-e {ROOT}", "this checkout is installed as `make` does"


@pytest.mark.e2e
def test_meltano_takes_a_definition_and_the_plugin_runs(project: MeltanoProject) -> None:
    """`meltano add --from-ref` with our files; what it installs is this checkout."""
    (project.folder / "meltano.yml").write_text(
        "requires_meltano: '>=4'\ndefault_environment: dev\nenvironments:\n- name: dev\n"
    )
    for path, wanted in FOUND:
        if path.stem in {"target-reconciler", "tap-reconciler"}:
            added = project.meltano("add", "--no-install", "--from-ref", str(ROOT / path), path.stem)
            assert added.code == 0, added.err
            shown = YAML(typ="safe").load((project.folder / "meltano.yml").read_text(encoding="utf-8"))
            kind = path.parts[1]
            (plugin,) = shown["plugins"][kind]
            assert {each["name"] for each in plugin["settings"]} == {each["name"] for each in wanted["settings"]}
            assert plugin["capabilities"] == wanted["capabilities"]
