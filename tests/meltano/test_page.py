"""The page on Meltano is executed line by line, in a copy of this project on a machine that has only `meltano`."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.meltano.definitions import ROOT
from tests.meltano.project import MELTANO

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.xdist_group("meltano-page")]

PAGE = ROOT / "docs" / "meltano.md"
LONGEST = 400
NOT_OURS = ("__pycache__", ".*", "tests", "docs")


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Path]:
    """The project as a newcomer has it after `git clone`, without what Meltano does not need."""
    folder = tmp_path / "antiphon"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*NOT_OURS))
    yield folder
    _run(folder, "meltano invoke sandbox:stop")


def test_every_line_does_what_the_page_shows(copy: Path) -> None:
    for command, shown in lines():
        done = _run(copy, command)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr[-4000:]}"
        assert not shown or shown in done.stdout, f"{command}\n{done.stdout}"


def lines() -> Iterator[tuple[str, str]]:
    """The commands of the page, each with what is shown beneath it."""
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL):
        for each in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = each.partition("\n")
            yield command, shown.strip()


def _run(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    assert words[0] == "meltano", command
    environ = {"MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false", "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": ""}
    return subprocess.run(
        [str(MELTANO), *words[1:]],
        cwd=folder,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
