"""Printing results: text for people, JSON for programs."""

from __future__ import annotations

from typing import Any

import click

from antiphon.equivalence import canonical_json


def show(as_json: bool, text: str, facts: Any) -> None:  # the one choice every command makes
    """Print a command's result."""
    click.echo(canonical_json(facts) if as_json else text)
