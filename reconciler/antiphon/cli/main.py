"""The command `antiphon`."""

from __future__ import annotations

from antiphon.cli.commands import antiphon
from antiphon.cli.program import run


def main() -> None:
    """The console script."""
    run(antiphon, "antiphon")
