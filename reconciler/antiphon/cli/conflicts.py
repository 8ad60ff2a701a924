"""`antiphon conflicts`: what waits for a person."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence

import click

from antiphon.cli.files import FORMAT, bom_for, read_rows, write_text
from antiphon.cli.options import Options, common
from antiphon.cli.output import show
from antiphon.cli.session import read_config, reading, working
from antiphon.errors import ConfigError
from antiphon.model import Conflict, ConflictKind
from antiphon.sheet import dump, form_of
from antiphon.show.conflicts import conflict_dict, conflict_text, conflicts_dict, conflicts_text, find_conflict
from antiphon.show.inbox import NEEDED, choose, columns_of, inbox_rows, read_inbox
from antiphon.sync.decide import Decision, decide, decision_of, outlook, unfit
from antiphon.sync.links import refuse
from antiphon.sync.run import Runner, bound, our_clock

_EXAMPLES = 3
_FILTERS = (
    click.option(
        "--where",
        multiple=True,
        metavar="CONDITION",
        help="Those of which this is true: field=phone, record~@x.com, crm!=Rome. All conditions must hold.",
    ),
    click.option(
        "--kind",
        "kinds",
        multiple=True,
        type=click.Choice([kind.value for kind in ConflictKind]),
        help="Those of this kind.",
    ),
)


def _filtered(command: click.decorators.FC) -> click.decorators.FC:
    for option in reversed(_FILTERS):
        command = option(command)
    return command


@click.group()
def conflicts() -> None:
    """List, show and settle what waits for a person."""


@conflicts.command("list")
@_filtered
@common
def list_conflicts(options: Options, where: tuple[str, ...], kinds: tuple[str, ...]) -> int:
    """One line for each open conflict."""
    config = read_config(options.config)
    with reading(config) as ledger:
        mapping = bound(config, ledger)
        chosen = choose(ledger, mapping, where, kinds)
        show(
            options.as_json,
            conflicts_text(ledger, mapping, our_clock(), chosen=chosen),
            conflicts_dict(ledger, mapping, chosen=chosen),
        )
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
@click.argument("conflict", required=False)
@_filtered
@click.option("--take", metavar="SIDE", help="This side's value, or this side's word on a deletion.")
@click.option("--value", help="Another value for both sides: JSON, or text.")
@click.option("--retry", is_flag=True, help="Try a refused write again.")
@click.option("--yes", is_flag=True, help="Settle all that were chosen by --where and --kind, without asking.")
@common
def resolve(
    options: Options,
    conflict: str | None,
    where: tuple[str, ...],
    kinds: tuple[str, ...],
    take: str | None,
    value: str | None,
    *,
    retry: bool,
    yes: bool,
) -> int:
    """Settle a CONFLICT, or all that --where and --kind choose; the next sync carries it out."""
    config = read_config(options.config)
    if (conflict is None) is not bool(where or kinds):
        raise ConfigError(
            "name one conflict, or choose several by --where and --kind",
            hint="`antiphon conflicts list` shows those that wait",
        )
    decision = decision_of(config.side_names, take=take, value=value, retry=retry, cid=conflict or "CONFLICT")
    with working(config, "conflicts resolve", options.report) as runner:
        if conflict is not None:
            chosen: Sequence[Conflict] = (find_conflict(runner.ledger, conflict),)
        else:
            chosen = choose(runner.ledger, runner.mapping(), where, kinds, decided=False)
            _agree(chosen, decision, yes=yes)
        _write(runner, dict.fromkeys((c.cid for c in chosen), decision))
    ids = [c.cid for c in chosen]
    if conflict is not None:
        show(options.as_json, f"{ids[0]}: {outlook(decision)}", {"conflict": ids[0], "decided": ids})
    else:
        show(options.as_json, f"{_count(len(ids))} decided: {outlook(decision)}", {"decided": ids})
    return 0


@conflicts.command("export")
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, allow_dash=True))
@_filtered
@FORMAT
@common
def export_conflicts(
    options: Options, file: str, where: tuple[str, ...], kinds: tuple[str, ...], form: str | None
) -> int:
    """Write what waits to a CSV or JSON file (- is standard output): fill its column decision, then import it."""
    config = read_config(options.config)
    form_chosen = form_of(file, form)
    with reading(config) as ledger:
        mapping = bound(config, ledger)
        chosen = choose(ledger, mapping, where, kinds)
        rows = dump(form_chosen, columns_of(mapping), inbox_rows(ledger, mapping, chosen))
        write_text(file, bom_for(file, form_chosen) + rows)
    if file != "-":
        show(
            options.as_json,
            f"{_count(len(chosen))} in {file}: fill the column `decision`, then `antiphon conflicts import {file}`",
            {"conflicts": len(chosen), "file": file},
        )
    return 0


@conflicts.command("import")
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, allow_dash=True))
@FORMAT
@common
def import_conflicts(options: Options, file: str, form: str | None) -> int:
    """Take the decisions of a file that `export` wrote: all of them, or none if a row is wrong.

    The column decision holds a side's name, `value: …`, or `retry`. Rows without one are left for later; a conflict
    whose sides changed since the export is refused, and one that is over is passed over.
    """
    config = read_config(options.config)
    rows = read_rows(file, form, NEEDED, "make one: `antiphon conflicts export FILE`")
    with working(config, "conflicts import", options.report) as runner:
        inbox, bad = read_inbox(runner.ledger, runner.mapping(), rows)
        refuse(bad, "correct these, or export anew what changed")
        _write(runner, inbox.decisions)
    facts = {
        "decided": list(inbox.decisions),
        "undecided": inbox.undecided,
        "unchanged": inbox.unchanged,
        "over": inbox.over,
    }
    rest = [
        (inbox.unchanged, "decided so before"),
        (inbox.undecided, "without a decision"),
        (inbox.over, "over already"),
    ]
    said = [f"{_count(len(inbox.decisions))} decided; the next sync carries them out"]
    said += [f"{count} {what}" for count, what in rest if count]
    show(options.as_json, "\n".join(said), facts)
    return 0


def _agree(chosen: Sequence[Conflict], decision: Decision, *, yes: bool) -> None:
    """Settle many at once only if each can be settled so, and a person agrees to the number."""
    if not chosen:
        raise ConfigError("no open conflict is like that", hint="`antiphon conflicts list` takes the same conditions")
    unfitting = Counter(c.kind.value for c in chosen if unfit(c, decision))
    if unfitting:
        first = next(c for c in chosen if unfit(c, decision))
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(unfitting.items()))
        raise ConfigError(
            f"{unfitting.total()} of the {len(chosen)} conflicts cannot be settled so ({kinds}): "
            f"{first.cid}: {unfit(first, decision)}",
            hint="choose the others by --kind; nothing was decided",
        )
    kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(Counter(c.kind.value for c in chosen).items()))
    few = ", ".join(c.cid for c in chosen[:_EXAMPLES]) + (", …" if len(chosen) > _EXAMPLES else "")
    question = f"{_count(len(chosen))} would be decided ({kinds}): {few}; {outlook(decision)}"
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigError(question, hint="add --yes to decide them all")
    click.confirm(f"{question}. Decide them all?", abort=True, err=True)


def _write(runner: Runner, decisions: dict[str, Decision]) -> None:
    started = our_clock()
    decide(runner.ledger, decisions)
    if len(decisions) > 1:
        runner.record("conflicts resolve", "done", started, {"decided": len(decisions)})


def _count(number: int) -> str:
    return f"{number} conflict{'' if number == 1 else 's'}"
