"""Printing results: text for people, JSON for programs."""

from __future__ import annotations

from typing import Any

import click

from antiphon.config import SyncConfig, bind
from antiphon.equivalence import canonical_json
from antiphon.ledger import Ledger
from antiphon.ledger.tables import CURSOR
from antiphon.mapping import Mapping as SyncMapping


def show(as_json: bool, text: str, facts: Any) -> None:  # the one choice every command makes
    """Print a command's result."""
    click.echo(canonical_json(facts) if as_json else text)


def bound(config: SyncConfig, ledger: Ledger) -> SyncMapping:
    """The mapping with the columns as the ledger knows them."""
    columns = {
        (side, entity): cursor.schema
        for side in config.side_names
        for entity in config.entities
        if (cursor := ledger.get(CURSOR, side, entity)) is not None and cursor.schema
    }
    return bind(config, columns)
