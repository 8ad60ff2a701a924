"""`docs/ledger.md` names commands and options that there are, and the limits of the code."""

from __future__ import annotations

import re
from pathlib import Path

import click

from antiphon.cli.commands import antiphon
from antiphon.ledger.backup import CHEAP, KEPT

PAGE = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text(encoding="utf-8")


def test_every_command_and_option_it_names_exists() -> None:
    named = re.findall(r"`antiphon ([a-z]+(?: [a-z]+)?)([^`]*)`", PAGE)
    assert len(named) > 8
    for words, rest in named:
        command: click.Command = antiphon
        for word in words.split():
            assert isinstance(command, click.Group)
            assert word in command.commands, words
            command = command.commands[word]
        options = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= options, (words, rest)


def test_the_limits_it_names_are_those_of_the_code() -> None:
    assert f"up to {CHEAP // 1024**2} MiB" in PAGE
    assert {3: "the last three stay"}[KEPT] in PAGE
