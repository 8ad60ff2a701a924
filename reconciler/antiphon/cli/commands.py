"""The commands of `antiphon`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from antiphon.cli.output import show
from antiphon.cli.session import read_config, reading, working
from antiphon.config.lint import lint as find_faults
from antiphon.errors import AntiphonError, ConfigError
from antiphon.plan import fingerprint
from antiphon.show.conflicts import conflict_dict, conflict_text, conflicts_dict, conflicts_text, find_conflict
from antiphon.show.plan import plan_dict, plan_text
from antiphon.show.plan_file import dump as dump_plan
from antiphon.show.plan_file import load as load_plan
from antiphon.show.status import status_dict, status_text
from antiphon.show.why import why_dict, why_text
from antiphon.sync.decide import resolve as resolve_conflict
from antiphon.sync.pipes import complete_side
from antiphon.sync.report import Reporter
from antiphon.sync.run import Runner, bound, our_clock
from antiphon.sync.verify import verify as verify_sides
from antiphon.sync.verify import waiting_writes

CHANGES_WAIT, CONFLICTS_WAIT = 2, 4
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Options:
    """What every command is told."""

    config: Path
    as_json: bool
    report: Reporter


_COMMON = (
    click.option("-c", "--config", type=click.Path(path_type=Path), help="The sync to work on.  [default: sync.yml]"),
    click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
    click.option("-q", "--quiet", is_flag=True, help="Say only what must be known."),
    click.option("-v", "--verbose", is_flag=True, help="Show what the plugins say."),
)


def common(command: Callable[..., R]) -> Callable[..., R]:
    """The options of every command; they may also stand before its name."""

    @functools.wraps(command)
    def told(*, config: Path | None, as_json: bool, quiet: bool, verbose: bool, **rest: Any) -> R:
        before: dict[str, Any] = click.get_current_context().find_root().obj or {}
        report = Reporter(quiet=quiet or before.get("quiet", False), verbose=verbose or before.get("verbose", False))
        path = config or before.get("config") or Path("sync.yml")
        return command(Options(path, as_json or before.get("as_json", False), report), **rest)

    for option in reversed(_COMMON):
        told = option(told)
    return told


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="antiphon")
@click.pass_context
def antiphon(context: click.Context, /, **before: Any) -> None:
    """Keep two systems in two-way sync through Singer taps and targets."""
    context.obj = before


for _option in reversed(_COMMON):
    antiphon = _option(antiphon)

accept_empty = click.option(
    "--accept-empty", multiple=True, metavar="SIDE", help="Believe a side that is empty, or not the one it was."
)
patience = click.option(
    "--patience",
    type=float,
    default=900.0,
    show_default=True,
    help="Seconds a plugin may be silent before it is ended.",
)


@antiphon.command()
@common
def lint(options: Options) -> int:
    """Check sync.yml: every mistake, and what could not converge."""
    config = read_config(options.config)
    findings = find_faults(config, None, None)
    lines = [
        f"{f.severity}: {config.locate(f.where)}: {f.message}" + (f"\n  {f.hint}" if f.hint else "") for f in findings
    ]
    lines.append(f"{options.config}: {len(config.entities)} entities between {' and '.join(config.side_names)}")
    show(
        options.as_json,
        "\n".join(lines),
        {
            "findings": [
                {"severity": f.severity, "where": f.where, "message": f.message, "hint": f.hint} for f in findings
            ]
        },
    )
    return ConfigError.exit_code if any(f.severity == "error" for f in findings) else 0


@antiphon.command()
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
        _read(runner)
        mapping, proposed = runner.propose()
        text, facts = plan_text(proposed, runner.ledger, mapping), plan_dict(proposed, runner.ledger, mapping)
        if out is not None:
            _save(out, dump_plan(proposed, mapping, runner.ledger.instance.id, our_clock()))
        waiting = waiting_writes(runner.ledger, mapping, proposed)
    show(options.as_json, text, facts)
    return CHANGES_WAIT if exit_code and waiting else 0


@antiphon.command()
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
    reviewed = load_plan(_text_of(file), str(file)) if file is not None else None
    with working(config, "apply", options.report, accept_empty=accept_empty, patience=patience) as runner:
        if reviewed is not None and reviewed.ledger != runner.ledger.instance.id:
            raise ConfigError(
                f"{file} was made from another ledger", hint="make the plan anew: `antiphon plan --out FILE`"
            )
        _read(runner)
        prints = frozenset(reviewed.fingerprints) if reviewed is not None else None
        return _write(options, runner, "apply", strict=strict, reviewed=prints)


@antiphon.command()
@click.option("--strict", is_flag=True, help=f"Exit with {CONFLICTS_WAIT} if anything waits for a person.")
@click.option("--full", is_flag=True, help="Read incremental streams in full, too.")
@click.option("--wait", type=float, default=0.0, metavar="SECONDS", help="Wait so long for another run to end.")
@click.option(
    "--accept-scope", is_flag=True, help="Streams or keys of sync.yml changed on purpose: let deletes through again."
)
@accept_empty
@patience
@common
def sync(
    options: Options,
    accept_empty: tuple[str, ...],
    patience: float,
    wait: float,
    *,
    strict: bool,
    full: bool,
    accept_scope: bool,
) -> int:
    """Read both sides, settle what both changed, and write to each only what it lacks."""
    config = read_config(options.config)
    with working(config, "sync", options.report, accept_empty=accept_empty, patience=patience, wait=wait) as runner:
        if accept_scope:
            runner.accept_scope()
        _read(runner, full=full)
        return _write(options, runner, "sync", strict=strict)


@antiphon.command()
@common
def status(options: Options) -> int:
    """Show links, waiting writes, conflicts, and how far each side was read."""
    config = read_config(options.config)
    with reading(config) as ledger:
        mapping = bound(config, ledger)
        show(options.as_json, status_text(ledger, mapping, our_clock()), status_dict(ledger, mapping, our_clock()))
    return 0


@antiphon.command()
@click.argument("record")
@click.argument("field", required=False)
@common
def why(options: Options, record: str, field: str | None) -> int:
    """Tell the story of a RECORD (a match value, SIDE:ID or a link's id), or of one FIELD of it."""
    config = read_config(options.config)
    with reading(config) as ledger:
        mapping = bound(config, ledger)
        show(
            options.as_json,
            why_text(ledger, mapping, record, field, our_clock()),
            why_dict(ledger, mapping, record, field, our_clock()),
        )
    return 0


@antiphon.command()
@patience
@accept_empty
@common
def verify(options: Options, accept_empty: tuple[str, ...], patience: float) -> int:
    """Read both sides in full and compare every linked record. Exit code 2 if anything differs or waits."""
    config = read_config(options.config)
    with working(config, "verify", options.report, accept_empty=accept_empty, patience=patience) as runner:
        _read(runner, full=True)
        mapping, proposed = runner.propose()
        found = verify_sides(runner.ledger, mapping, proposed)
    show(options.as_json, found.text(), found.facts())
    return 0 if found.clean else CHANGES_WAIT


@antiphon.command()
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


@antiphon.group()
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


@antiphon.command()
@click.option("--records", type=int, default=1000, show_default=True, help="People on each side.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Leave the project in this folder.")
def demo(records: int, keep: Path | None) -> int:
    """Show a two-way sync of two real PostgreSQL servers."""
    from antiphon_sandbox.demo import run_demo

    return run_demo(records=records, keep=keep)


def _read(runner: Runner, *, full: bool = False) -> None:
    runner.ask_plugins()
    runner.recover()
    runner.read(full=full)


def _write(
    options: Options, runner: Runner, command: str, *, strict: bool, reviewed: frozenset[str] | None = None
) -> int:
    started = our_clock()
    mapping, proposed = runner.propose(reviewed=reviewed)
    text, facts = plan_text(proposed, runner.ledger, mapping), plan_dict(proposed, runner.ledger, mapping)
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


def _save(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"the plan cannot be written to {file}: {error.strerror}", hint="name a file in a folder that is there"
        ) from error


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"the plan {file} cannot be read: {error.strerror}", hint="make one: `antiphon plan --out FILE`"
        ) from error
