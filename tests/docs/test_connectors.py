"""docs/connectors.md tells what our connectors can do as they say it, and which tests of the contract prove it.

`ANTIPHON_PASTE=1 make test PYTEST_ARGS=tests/docs` pastes the tables anew.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from antiphon.testing import PROVEN_BY, Lab, capabilities_of
from antiphon.testing.contract import Contract
from tests.contract.hubspot import HubSpotLab
from tests.contract.salesforce import SalesforceLab
from tests.contract.sql import SqlLab
from tests.contract.tryton import TrytonLab, TrytonRestLab

PAGE = Path("docs/connectors.md")
LABS: tuple[type[Lab], ...] = (HubSpotLab, SalesforceLab, SqlLab, TrytonLab, TrytonRestLab)


def programs(kind: str) -> list[Any]:
    """The taps or the targets of the labs, each once."""
    found = [lab.tap if kind == "tap" else lab.target for lab in LABS]
    return [*dict.fromkeys(each for each in found if each is not None)]


def table(kind: str) -> str:
    """Capability by connector, with the tests that prove it."""
    connectors = programs(kind)
    able = {each: capabilities_of(each) for each in connectors}
    lines = [
        f"| capability | {' | '.join(f'`{each.name}`' for each in connectors)} | proven by |",
        f"|---|{'---|' * len(connectors)}---|",
    ]
    for capability, tests in PROVEN_BY.items():
        cells = ["yes" if capability in able[each] else "" for each in connectors]
        if any(cells):
            proofs = "<br>".join(f"`{test}`" for test in tests if _concerns(test, kind))
            lines.append(f"| `{capability}` | {' | '.join(cells)} | {proofs} |")
    return "\n".join(lines)


def _concerns(test: str, kind: str) -> bool:
    """Whether a test of a capability that both kinds list is of this kind."""
    of_tap = "_a_tap_" in test
    return "check" in test or of_tap == (kind == "tap")


@pytest.mark.parametrize("kind", ["tap", "target"])
def test_the_table_is_what_the_connectors_say(kind: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    pattern = re.compile(rf"(?<=<!-- {kind}s -->\n).*?(?=\n<!-- end of {kind}s -->)", re.DOTALL)
    assert pattern.search(text)
    pasted = pattern.sub(lambda _: table(kind), text)
    if os.environ.get("ANTIPHON_PASTE"):
        PAGE.write_text(pasted, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == pasted


def test_the_code_of_the_page_makes_a_class_of_tests() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    made: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), made)  # noqa: S102  # that is what is tested
    assert issubclass(made["TestMine"], Contract)
    assert made["TestMine"].lab is made["MyLab"]


def test_every_connector_of_ours_has_a_lab() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    ours = {script for script in project["scripts"] if script.startswith(("tap-", "target-"))}
    assert {each.name for kind in ("tap", "target") for each in programs(kind)} == ours - {
        "tap-reconciler", "target-reconciler",
    }  # fmt: skip


def test_every_proof_is_a_test_and_every_test_is_a_proof() -> None:
    named = {test for tests in PROVEN_BY.values() for test in tests}
    assert named == {name for name in vars(Contract) if name.startswith("test_")}
