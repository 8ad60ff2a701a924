"""The command `rebaseline`: every linked record joins anew."""

from __future__ import annotations

import sys

import click

from antiphon.cli.options import Options, accept_empty, common, patience
from antiphon.cli.output import show
from antiphon.cli.rounds import read_sides
from antiphon.cli.session import read_config, working
from antiphon.errors import AntiphonError, ConfigError
from antiphon.show.plan import plan_dict, plan_text
from antiphon.sync.rebaseline import propose_rebaseline, unblock
from antiphon.sync.run import our_clock

_ASK = "park"


@click.command()
@click.option(
    "--prefer", required=True, metavar=f"SIDE|{_ASK}", help="Whose value goes over where the sides differ, or ask."
)
@click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@accept_empty
@patience
@common
def rebaseline(
    options: Options, prefer: str, accept_empty: tuple[str, ...], patience: float, *, dry_run: bool, yes: bool
) -> int:
    """Forget what the sides agreed on, and join every linked record anew. Nothing is ever deleted.

    Both sides are read in full. Where they hold the same value, it is agreed on; where they differ, the values of the
    preferred side go over (an empty value never beats a value), or with `park` a person is asked.
    """
    config = read_config(options.config)
    if prefer != _ASK and prefer not in config.sides:
        raise ConfigError(
            f"--prefer {prefer}: there is no such side",
            hint=f"the sides are {' and '.join(config.side_names)}; `--prefer {_ASK}` asks a person",
        )
    if not (dry_run or yes or sys.stdin.isatty()):
        raise ConfigError(
            "rebaseline writes to both systems", hint="--dry-run shows what it would write, --yes goes through with it"
        )
    with working(
        config, "rebaseline", options.report, accept_empty=accept_empty, patience=patience, backup=not dry_run
    ) as runner:
        read_sides(runner, full=True)
        mapping, plan = propose_rebaseline(runner, None if prefer == _ASK else prefer)
        text, facts = plan_text(plan, runner.ledger, mapping), plan_dict(plan, runner.ledger, mapping)
        if not dry_run and not yes:
            click.echo(text, err=True)
            click.confirm("Go through with it?", abort=True, err=True)
        if not dry_run:
            started = our_clock()
            counts = {"operations": len(plan.operations), "conflicts": len(plan.conflicts)}
            try:
                runner.carry_out(mapping, plan, reviewed=True)
            except AntiphonError as error:
                runner.record("rebaseline", error.message, started, counts)
                show(options.as_json, text, facts)
                raise
            unblock(runner)
            runner.record("rebaseline", "done", started, counts)
    show(options.as_json, text, facts)
    return 0
