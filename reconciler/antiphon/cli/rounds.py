"""The commands that read the sides and write to them: `plan`, `apply`, `sync`, and `verify`, which only reads."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from antiphon.cli.errors import CHANGES_WAIT, CONFLICTS_WAIT
from antiphon.cli.files import read_text, write_text
from antiphon.cli.options import Options, accept_empty, common, patience
from antiphon.cli.output import show
from antiphon.cli.session import read_config, working
from antiphon.errors import AntiphonError, ConfigError
from antiphon.mapping import Mapping as SyncMapping
from antiphon.plan import Plan, fingerprint
from antiphon.show.plan import cost_text, plan_dict, plan_text
from antiphon.show.plan_file import dump as dump_plan
from antiphon.show.plan_file import load as load_plan
from antiphon.sync.costs import costs
from antiphon.sync.pipes import complete_side, settle_written
from antiphon.sync.run import Runner, our_clock
from antiphon.sync.verify import verify as verify_sides
from antiphon.sync.verify import waiting_writes


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the plan to a file that `apply` carries out."
)
@click.option("--exit-code", is_flag=True, help=f"Exit with {CHANGES_WAIT} if anything would be written.")
@accept_empty
@patience
@common
def plan(options: Options, out: Path | None, accept_empty: tuple[str, ...], patience: float, *, exit_code: bool) -> int:
    """Read both sides and show what a sync would write, field by field, with the reason each value won."""
    config = read_config(options.config)
    with working(config, "plan", options.report, accept_empty=accept_empty, patience=patience) as runner:
        read_sides(runner)
        mapping, proposed = runner.propose()
        text, facts = _shown(options, runner, mapping, proposed)
        if out is not None:
            write_text(str(out), dump_plan(proposed, mapping, runner.ledger.instance.id, our_clock()))
        waiting = waiting_writes(runner.ledger, mapping, proposed)
        reckoned = tuple(costs(proposed.operations, runner.config, runner.shop))
    if reckoned:
        text, facts = f"{text}\n{cost_text(reckoned)}", {**facts, "costs": [asdict(cost) for cost in reckoned]}
    show(options.as_json, text, facts)
    return CHANGES_WAIT if exit_code and waiting else 0


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--strict", is_flag=True, help=f"Exit with {CONFLICTS_WAIT} if anything waits for a person.")
@accept_empty
@patience
@common
def apply(options: Options, file: Path | None, accept_empty: tuple[str, ...], patience: float, *, strict: bool) -> int:
    """Carry out a reviewed plan (FILE), or the plan that follows now.

    What changed since the review is dropped and listed.
    """
    config = read_config(options.config)
    reviewed = (
        load_plan(read_text(str(file), "make one: `antiphon plan --out FILE`"), str(file)) if file is not None else None
    )
    with working(config, "apply", options.report, accept_empty=accept_empty, patience=patience, backup=True) as runner:
        if reviewed is not None and reviewed.ledger != runner.ledger.instance.id:
            raise ConfigError(
                f"{file} was made from another ledger", hint="make the plan anew: `antiphon plan --out FILE`"
            )
        read_sides(runner)
        prints = frozenset(reviewed.fingerprints) if reviewed is not None else None
        return _write(options, runner, "apply", strict=strict, reviewed=prints)


@click.command()
@click.option("--strict", is_flag=True, help=f"Exit with {CONFLICTS_WAIT} if anything waits for a person.")
@click.option("--full", is_flag=True, help="Read incremental streams in full, too.")
@click.option("--wait", type=float, default=0.0, metavar="SECONDS", help="Wait so long for another run to end.")
@click.option(
    "--accept-scope", is_flag=True, help="Streams or keys of sync.yml changed on purpose: let deletes through again."
)
@click.option(
    "--accept-account", multiple=True, metavar="SIDE", help="Believe that this side is rightly another account."
)
@accept_empty
@patience
@common
def sync(
    options: Options,
    accept_empty: tuple[str, ...],
    accept_account: tuple[str, ...],
    patience: float,
    wait: float,
    *,
    strict: bool,
    full: bool,
    accept_scope: bool,
) -> int:
    """Read both sides, settle what both changed, and write to each only what it lacks."""
    config = read_config(options.config)
    with working(
        config, "sync", options.report, accept_empty=accept_empty, patience=patience, wait=wait, backup=True
    ) as runner:
        if accept_scope:
            runner.accept_scope()
        for side in accept_account:
            runner.accept_account(side)
        read_sides(runner, full=full)
        return _write(options, runner, "sync", strict=strict)


@click.command()
@patience
@accept_empty
@common
def verify(options: Options, accept_empty: tuple[str, ...], patience: float) -> int:
    """Read both sides in full and compare every linked record. Exit code 2 if anything differs or waits."""
    config = read_config(options.config)
    with working(config, "verify", options.report, accept_empty=accept_empty, patience=patience) as runner:
        read_sides(runner, full=True)
        mapping, proposed = runner.propose()
        found = verify_sides(runner.ledger, mapping, proposed)
    show(options.as_json, found.text(), found.facts())
    return 0 if found.clean else CHANGES_WAIT


@click.command()
@click.option("--complete", "side", required=True, metavar="SIDE", help="The side whose tap just ended well.")
@accept_empty
@common
def collect(options: Options, side: str, accept_empty: tuple[str, ...]) -> int:
    """Say that a tap which fed `target-reconciler` ended well, so that what it did not show is known to be missing."""
    config = read_config(options.config)
    with working(config, "collect", options.report, accept_empty=accept_empty) as runner:
        said = complete_side(runner, side)
    show(options.as_json, said, {"side": side})
    return 0


@click.command()
@common
def confirm(options: Options) -> int:
    """Read the receipts that targets wrote since the last run: the closing step of a round of blocks or pipes.

    Without it, the next round does so.
    """
    config = read_config(options.config)
    with working(config, "confirm", options.report) as runner:
        found = settle_written(runner)
    told = ", ".join(f"{number} of {side}" for side, number in found.items())
    without = "no receipts: no target in sync.yml names its `receipts_path`"
    show(options.as_json, f"receipts read: {told}" if found else without, found)
    return 0


def read_sides(runner: Runner, *, full: bool = False) -> None:
    """Ask the plugins what they are, settle what an earlier run left, and read both sides."""
    runner.ask_plugins()
    runner.recover()
    runner.read(full=full)


def _shown(options: Options, runner: Runner, mapping: SyncMapping, plan: Plan) -> tuple[str, dict[str, Any]]:
    """The plan in the form that was asked for; the other one is empty."""
    if options.as_json:
        return "", plan_dict(plan, runner.ledger, mapping)
    return plan_text(plan, runner.ledger, mapping), {}


def _write(
    options: Options, runner: Runner, command: str, *, strict: bool, reviewed: frozenset[str] | None = None
) -> int:
    started = our_clock()
    mapping, proposed = runner.propose(reviewed=reviewed)
    text, facts = _shown(options, runner, mapping, proposed)
    counts: dict[str, int] = {"operations": len(proposed.operations), "conflicts": len(proposed.conflicts)}
    try:
        written = runner.carry_out(mapping, proposed, reviewed=reviewed is not None)
    except AntiphonError as error:
        runner.record(command, error.message, started, counts)
        show(options.as_json, text, facts)
        raise
    runner.record(command, "done", started, counts)
    if reviewed is not None:
        dropped = reviewed - {fingerprint(op) for op in proposed.operations}
        text += (
            f"\n{len(dropped)} reviewed operations were dropped because their records changed since the review"
            if dropped
            else ""
        )
        facts = {**facts, "dropped": sorted(dropped)}
    show(options.as_json, text, facts)
    waiting: Any = runner.waiting()
    refused = any(each.refused for each in written)
    return CONFLICTS_WAIT if strict and (waiting or refused) else 0
