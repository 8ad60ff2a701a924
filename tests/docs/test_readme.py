"""The README cannot lie: its session is run on real servers, its sync.yml is linted, its commands exist.

`ANTIPHON_PASTE=1 make test PYTEST_ARGS=tests/docs` pastes what the commands print into the README.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from antiphon.cli.commands import antiphon
from antiphon.config import lint, load
from antiphon_sandbox import postgres
from antiphon_sandbox.demo import Project, build_project

README = Path(__file__).parents[2] / "README.md"
LONGEST = 120
VOLATILE = (
    (re.compile(r"\b[0-9a-f]{12}\b"), "<id>"),
    (re.compile(r"\b\d+ (s|min|h) ago"), "<age>"),
    (re.compile(r" +"), " "),
)


def blocks(language: str) -> list[str]:
    """The code blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.fixture(scope="module")
def project() -> Iterator[Project]:
    """The demo's two servers, small, after their first sync."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="antiphon-readme-"))
        project = build_project(Path(folder), stack, records=100)
        for _ in range(2):
            done = project.antiphon("sync")
            assert done.returncode == 0, done.stderr
        yield project


@pytest.mark.e2e
@pytest.mark.xdist_group("readme")
def test_the_session_is_what_the_commands_print(project: Project) -> None:
    """Statements and commands of the first block are run in order; the output must be the one that is pasted."""
    (session,) = blocks("console")
    played = play(project, session)
    if os.environ.get("ANTIPHON_PASTE"):
        README.write_text(README.read_text(encoding="utf-8").replace(session, played), encoding="utf-8")
    assert settled(played) == settled(session)


def play(project: Project, session: str) -> str:
    """The session with the output that it has now."""
    played: list[str] = []
    ids: list[str] = []
    for line in session.splitlines():
        statement = re.match(r"(\w+)=# (.*)", line)
        if statement:
            cluster = {"crm": project.crm, "warehouse": project.warehouse}[statement[1]]
            with postgres.connect(cluster, "app") as connection:
                connection.execute(statement[2].encode())
            played.append(line)
        elif line.startswith("$ antiphon "):
            words = line.removeprefix("$ antiphon ").split()
            words = [ids[-1] if re.fullmatch(r"[0-9a-f]{12}", word) else word for word in words]
            done = project.antiphon(*words)
            assert done.returncode == 0, done.stderr
            ids += re.findall(r"^ +([0-9a-f]{12}) ", done.stdout, flags=re.MULTILINE)
            played += ["$ antiphon " + " ".join(words), *done.stdout.rstrip().splitlines()]
    return "\n".join(played) + "\n"


def settled(text: str) -> str:
    """The text without what differs from run to run."""
    for pattern, word in VOLATILE:
        text = pattern.sub(word, text)
    return text


def test_its_sync_file_is_accepted(tmp_path: Path) -> None:
    """The example passes `lint` without a finding, with the targets that it names."""
    (text,) = blocks("yaml")
    (tmp_path / "sync.yml").write_text(text, encoding="utf-8")
    config = load(tmp_path / "sync.yml", {"HUBSPOT_TOKEN": "a", "WAREHOUSE_URL": "duckdb:///b"})
    assert lint(config, {}, dict.fromkeys(config.side_names, True)) == []


def test_every_command_it_names_exists() -> None:
    """The table of commands names none that is not there; `docs/commands.md` has them all."""
    named = set(re.findall(r"`antiphon (\w+)", README.read_text(encoding="utf-8")))
    assert named <= antiphon.commands.keys()


def test_it_is_short() -> None:
    """A page that nobody reads to its end promises nothing."""
    assert len(README.read_text(encoding="utf-8").splitlines()) <= LONGEST
