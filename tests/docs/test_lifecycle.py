"""`docs/lifecycle.md` names files and words that exist."""

from __future__ import annotations

import re
from pathlib import Path

from antiphon.model import LinkState, OpState

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "lifecycle.md").read_text(encoding="utf-8")


def test_every_file_it_names_exists() -> None:
    named = set(re.findall(r"`([\w/]+(?:\.py|/))`", PAGE)) - {"reconciler/antiphon/"}
    assert named
    for name in named:
        assert (ROOT / "reconciler" / "antiphon" / name).exists(), name


def test_the_states_it_names_are_those_of_the_code() -> None:
    shouted = set(re.findall(r"\b[A-Z]{5,}\b", PAGE))
    states = {state.name for state in (*OpState, *LinkState)}
    assert shouted <= states | {"RECORD", "STATE", "SCHEMA"}
