"""docs/simulation.md names commands, kinds of worlds and options that there are."""

from __future__ import annotations

import re
from pathlib import Path

from tests.simulation import __main__ as simulation
from tests.simulation.shape import FOREIGN, HUBSPOT, SQL

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "simulation.md").read_text(encoding="utf-8")


def test_every_kind_of_world_is_told_of() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == {HUBSPOT, SQL, FOREIGN}


def test_every_option_that_it_names_is_one() -> None:
    source = Path(simulation.__file__).read_text(encoding="utf-8")
    assert set(re.findall(r"(?<!-)--[a-z][a-z-]+", PAGE)) <= set(re.findall(r'"(--[a-z-]+)"', source))
