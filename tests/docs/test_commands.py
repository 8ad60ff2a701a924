"""`docs/commands.md` is what `--help` prints, `docs/guarantees.md` what `doctor` tells, and each proof is a test.

`ANTIPHON_PASTE=1 make test PYTEST_ARGS=tests/docs` pastes what the commands print into both.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from antiphon.cli.commands import antiphon
from antiphon.promises import SITUATIONS
from antiphon.show.doctor import guarantees_markdown

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
WIDTH = 78
"""As much of a terminal of 80 columns as click uses."""
PASTED = "<!-- what follows is pasted by a test -->\n"
PROOFS = sorted({proof for each in SITUATIONS for promise in each.promises for proof in promise.proof})


def commands(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Every command with the words that call it."""
    yield words
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands(inner, (*words, name))


def helped(words: tuple[str, ...]) -> str:
    """What the console script prints, in a terminal of 80 columns."""
    done = subprocess.run(
        [str(BIN / words[0]), *words[1:], "--help"],
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.rstrip()


def pasted(file: Path, text: str) -> None:
    """The part of the file below the mark is this text."""
    head, mark, found = file.read_text(encoding="utf-8").partition(PASTED)
    assert mark, f"{file} has no mark"
    if os.environ.get("ANTIPHON_PASTE"):
        file.write_text(head + mark + text, encoding="utf-8")
    else:
        assert found == text, f"paste {file.name} anew: ANTIPHON_PASTE=1 make test PYTEST_ARGS=tests/docs"


def test_the_page_of_commands_is_what_help_prints() -> None:
    """One console script is started by itself, to see that the others print the same in this process."""
    context = click.Context(antiphon, info_name="antiphon", terminal_width=WIDTH, **antiphon.context_settings)
    assert helped(("antiphon", "conflicts", "resolve")) == _help(("antiphon", "conflicts", "resolve"), context)
    parts = [
        f"\n## `{' '.join(words)}`\n\n```\n{_help(words, context)}\n```\n"
        for words in commands(antiphon, ("antiphon",))
    ]
    pasted(ROOT / "docs" / "commands.md", "".join(parts))


def _help(words: tuple[str, ...], context: click.Context) -> str:
    command: click.Command = antiphon
    for word in words[1:]:
        assert isinstance(command, click.Group)
        command = command.commands[word]
        context = click.Context(command, info_name=word, parent=context, terminal_width=WIDTH)
    return command.get_help(context).rstrip()


def test_the_page_of_guarantees_is_what_doctor_tells() -> None:
    """The tables are those that `doctor` chooses from."""
    pasted(ROOT / "docs" / "guarantees.md", "\n" + guarantees_markdown())


@pytest.mark.parametrize("proof", PROOFS)
def test_each_promise_names_a_test_that_exists(proof: str) -> None:
    """A promise without a proof is a wish."""
    file, name = proof.split("::")
    assert name in named_in(ROOT / file)


@cache
def named_in(file: Path) -> frozenset[str]:
    """The names of the tests in a file."""
    return frozenset(
        node.name for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)
    )


def test_in_each_situation_something_is_promised_whatever_the_plugins_can_do() -> None:
    """The last line of each table holds for everybody, and no line is out of reach behind one that always holds."""
    for situation in SITUATIONS:
        always = [promise.where for promise in situation.promises if promise.holds.__name__ == "_always"]
        assert always == [situation.promises[-1].where]
