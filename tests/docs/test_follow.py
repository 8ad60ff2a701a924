"""What docs/follow.md says of keeping `antiphon follow` running names what there is."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path, PurePosixPath

from click import Command, Option

from antiphon.cli.follow import follow
from antiphon.config.sides import DEFAULT_LEDGER

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "follow.md").read_text(encoding="utf-8")


def block(kind: str) -> str:
    """A block of code of the page."""
    found = re.search(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, kind
    return found[1]


def options_of(command: Command) -> set[str]:
    return {name for option in command.params if isinstance(option, Option) for name in option.opts}


def test_service_and_container_name_options_that_there_are() -> None:
    entry = re.search(r"^ENTRYPOINT (\[.*\])$", block("dockerfile"), re.MULTILINE)
    service = re.search(r"^ExecStart=\S+/(antiphon .*)$", block("ini"), re.MULTILINE)
    assert entry is not None
    assert service is not None
    for words in (json.loads(entry[1]), service[1].split()):
        assert words[:2] == ["antiphon", "follow"]
        assert {word for word in words if word.startswith("--")} <= options_of(follow)


def test_the_container_keeps_the_ledger_in_a_volume_of_its_user() -> None:
    text = block("dockerfile")
    said = dict(re.findall(r"^(USER|WORKDIR|VOLUME|STOPSIGNAL) (\S+)$", text, re.MULTILINE))
    ledger = PurePosixPath(DEFAULT_LEDGER.removeprefix("sqlite:///"))
    assert said["VOLUME"] == str(PurePosixPath(said["WORKDIR"]) / ledger.parent)
    assert f"install --directory --owner {said['USER']} --mode 0700 {said['VOLUME']}" in text
    assert f":{said['VOLUME']} " in PAGE
    assert said["STOPSIGNAL"] == "SIGTERM"
    extras = re.findall(r"antiphon\[([a-z,]+)\]", text)[0].split(",")
    with (ROOT / "pyproject.toml").open("rb") as file:
        assert set(extras) <= set(tomllib.load(file)["project"]["optional-dependencies"])
