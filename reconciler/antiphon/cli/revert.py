"""The commands `revert`, which takes back what a run wrote, and `runs`, which names the runs."""

from __future__ import annotations

import sys

import click

from antiphon.cli.errors import CONFLICTS_WAIT
from antiphon.cli.options import Options, accept_empty, common, patience
from antiphon.cli.output import show
from antiphon.cli.rounds import read_sides
from antiphon.cli.session import read_config, reading, working
from antiphon.errors import AntiphonError, ConfigError
from antiphon.ledger.tables import RUN
from antiphon.show.plan import plan_dict, plan_text
from antiphon.show.revert import kept_dicts, kept_text
from antiphon.show.text import listed, number, table
from antiphon.show.times import iso, stamp
from antiphon.sync.reverting import propose_revert
from antiphon.sync.run import our_clock


@click.command()
@click.option("--run", "run_id", required=True, metavar="ID", help="The run to take back; see `antiphon runs list`.")
@click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--strict", is_flag=True, help=f"Exit with {CONFLICTS_WAIT} if something was kept as it is.")
@accept_empty
@patience
@common
def revert(
    options: Options,
    run_id: str,
    accept_empty: tuple[str, ...],
    patience: float,
    *,
    dry_run: bool,
    yes: bool,
    strict: bool,
) -> int:
    """Take back what a run wrote: values are written back, created records deleted, deleted ones created again.

    What somebody edited since is kept and listed, never overwritten. Both sides are read first, and the plan is shown
    before anything is written. The taking back is a run of its own, which can be taken back as well.
    """
    config = read_config(options.config)
    if not (dry_run or yes or sys.stdin.isatty()):
        raise ConfigError(
            "revert writes to both systems", hint="--dry-run shows what it would write, --yes goes through with it"
        )
    with working(
        config, "revert", options.report, accept_empty=accept_empty, patience=patience, backup=not dry_run
    ) as runner:
        read_sides(runner)
        mapping, plan, kept = propose_revert(runner, run_id)
        text = plan_text(plan, runner.ledger, mapping)
        left = kept_text(kept, runner.ledger, mapping)
        facts = plan_dict(plan, runner.ledger, mapping) | {"kept": kept_dicts(kept, runner.ledger, mapping)}
        told = f"{text}\n{left}" if left else text
        if not dry_run and not yes:
            click.echo(told, err=True)
            click.confirm(f"Take back the run {run_id}?", abort=True, err=True)
        if not dry_run:
            started = our_clock()
            counts = {"operations": len(plan.operations), "kept": len(kept)}
            try:
                runner.carry_out(mapping, plan, reviewed=True)
            except AntiphonError as error:
                runner.record("revert", error.message, started, counts)
                show(options.as_json, told, facts)
                raise
            runner.record("revert", "done", started, counts)
    show(options.as_json, told, facts)
    return CONFLICTS_WAIT if strict and kept else 0


@click.group()
def runs() -> None:
    """List the runs that may have written something."""


@runs.command("list")
@click.option("--limit", type=int, default=20, show_default=True, help="So many, the last first.")
@common
def list_runs(options: Options, limit: int) -> int:
    """One line for each run, the last first: its id, when it began, what it did."""
    config = read_config(options.config)
    with reading(config) as ledger:
        found = sorted(ledger.store.scan(RUN), key=lambda run: (run.started, run.run_id), reverse=True)[:limit]
    rows = [
        (
            run.run_id,
            stamp(run.started),
            run.command,
            run.outcome,
            listed([f"{number(count)} {name}" for name, count in sorted(run.counts.items())]),
        )
        for run in found
    ]
    show(
        options.as_json,
        "\n".join(table(rows, most=(12, 23, 16, 40))) or "no run wrote anything yet",
        {
            "runs": [
                {
                    "run": run.run_id,
                    "command": run.command,
                    "started": iso(run.started),
                    "ended": iso(run.ended),
                    "outcome": run.outcome,
                    "counts": dict(run.counts),
                }
                for run in found
            ]
        },
    )
    return 0
