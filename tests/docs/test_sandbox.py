"""docs/sandbox.md shows code that runs, and names every fault there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from antiphon_sandbox.hubspot.faults import Kind

PAGE = Path("docs/sandbox.md").read_text(encoding="utf-8")


def test_the_code_of_the_page_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(code, "docs/sandbox.md", "exec"), {})  # noqa: S102  # that is what is tested


def test_every_fault_is_named() -> None:
    table = PAGE.partition("| fault |")[2]
    named = {
        name for line in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", line)
    }
    assert named == set(get_args(Kind))
