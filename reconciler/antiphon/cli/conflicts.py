"""`antiphon conflicts`: what waits for a person."""

from __future__ import annotations

import click

from antiphon.cli.options import Options, common
from antiphon.cli.output import show
from antiphon.cli.session import read_config, reading, working
from antiphon.show.conflicts import conflict_dict, conflict_text, conflicts_dict, conflicts_text, find_conflict
from antiphon.sync.decide import resolve as resolve_conflict
from antiphon.sync.run import bound, our_clock


@click.group()
def conflicts() -> None:
    """List, show and settle what waits for a person."""


@conflicts.command("list")
@common
def list_conflicts(options: Options) -> int:
    """One line for each open conflict."""
    config = read_config(options.config)
    with reading(config) as ledger:
        mapping = bound(config, ledger)
        show(options.as_json, conflicts_text(ledger, mapping, our_clock()), conflicts_dict(ledger, mapping))
    return 0


@conflicts.command("show")
@click.argument("conflict")
@common
def show_conflict(options: Options, conflict: str) -> int:
    """One conflict in full, and how to settle it."""
    config = read_config(options.config)
    with reading(config) as ledger:
        mapping = bound(config, ledger)
        show(
            options.as_json,
            conflict_text(ledger, mapping, conflict, our_clock()),
            conflict_dict(ledger, mapping, conflict),
        )
    return 0


@conflicts.command("resolve")
@click.argument("conflict")
@click.option("--take", metavar="SIDE", help="This side's value, or this side's word on a deletion.")
@click.option("--value", help="Another value for both sides: JSON, or text.")
@click.option("--retry", is_flag=True, help="Try a refused write again.")
@common
def resolve(options: Options, conflict: str, take: str | None, value: str | None, *, retry: bool) -> int:
    """Settle a conflict; the next sync carries it out."""
    config = read_config(options.config)
    with working(config, "conflicts resolve", options.report) as runner:
        said = resolve_conflict(
            runner.ledger,
            runner.config.side_names,
            find_conflict(runner.ledger, conflict).cid,
            take=take,
            value=value,
            retry=retry,
        )
    show(options.as_json, said, {"conflict": conflict})
    return 0
