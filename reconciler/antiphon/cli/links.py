"""`antiphon links`: which records are the same thing, and what a person says of it."""

from __future__ import annotations

import click

from antiphon.cli.files import FORMAT, bom_for, read_rows, write_text
from antiphon.cli.options import Options, common
from antiphon.cli.output import show
from antiphon.cli.session import read_config, reading, working
from antiphon.errors import ConfigError
from antiphon.facts import ObsKey
from antiphon.ledger import Ledger
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import LinkState
from antiphon.sheet import dump, form_of
from antiphon.show.find import Hit, find_record
from antiphon.show.links import LINES, Wanted, columns_of, find_links, link_rows, links_text, told
from antiphon.sync.links import Relinked, Wish, of_records, relink, wishes_of
from antiphon.sync.run import Runner, bound, our_clock

_FILTERS = (
    click.option("--entity", "entities", multiple=True, metavar="ENTITY", help="Those of this entity."),
    click.option(
        "--state",
        "states",
        multiple=True,
        type=click.Choice([state.value for state in LinkState]),
        help="Those in this state.  [default: all that are not closed]",
    ),
    click.option("--record", "records", multiple=True, metavar="RECORD", help="Those of this record."),
)


def _filtered(command: click.decorators.FC) -> click.decorators.FC:
    for option in reversed(_FILTERS):
        command = option(command)
    return command


@click.group()
def links() -> None:
    """List, make and undo links: which records are the same thing."""


@links.command("list")
@_filtered
@click.option("--all", "everything", is_flag=True, help=f"Show all, not only the first {LINES}.")
@common
def list_links(
    options: Options, entities: tuple[str, ...], states: tuple[str, ...], records: tuple[str, ...], *, everything: bool
) -> int:
    """One line for each link."""
    config = read_config(options.config)
    with reading(config) as ledger:
        mapping = bound(config, ledger)
        found = find_links(ledger, mapping, Wanted(entities, tuple(map(LinkState, states)), records))
        text = links_text(ledger, mapping, found, most=len(found) if everything else LINES)
        shown = list(link_rows(ledger, mapping, found)) if options.as_json else []
    show(options.as_json, text, {"links": shown, "total": len(found)})
    return 0


@links.command("add")
@click.argument("one", metavar="RECORD")
@click.argument("other", metavar="RECORD")
@click.option("--forget", is_flag=True, help="If they were a link once, forget what they agreed on: `initial` decides.")
@common
def add_link(options: Options, one: str, other: str, *, forget: bool) -> int:
    """Say that two records are the same, such as crm:42 and warehouse:7f3.

    Records that were a link before go on from the values that they last agreed on.
    """
    config = read_config(options.config)
    with working(config, "links add", options.report) as runner:
        mapping = runner.mapping()
        keys = [_record(runner.ledger, mapping, typed) for typed in (one, other)]
        if keys[0][1] != keys[1][1]:
            raise ConfigError(f"{one} is a {keys[0][1]}, {other} a {keys[1][1]}: these are never the same")
        if keys[0][0] == keys[1][0]:
            raise ConfigError(
                f"both records are on {keys[0][0]}; a link has one of each side", hint=f"merge them on {keys[0][0]}"
            )
        wish = Wish(f"{one} and {other}", keys[0][1], {side: rid for side, _, rid in keys}, linked=True)
        done, text = _carry_out(runner, mapping, [wish], "links add", forget=forget)
    show(options.as_json, text, _facts(done))
    return 0


@links.command("remove")
@click.argument("records", metavar="RECORD...", nargs=-1, required=True)
@common
def remove_links(options: Options, records: tuple[str, ...]) -> int:
    """Say that the records of a link are not the same, or that a record has no partner.

    Nothing is deleted, and they are not linked again by themselves.
    """
    config = read_config(options.config)
    with working(config, "links remove", options.report) as runner:
        mapping = runner.mapping()
        wishes = {}
        for typed in records:
            hit = _one(find_record(runner.ledger, mapping, typed), typed)
            wishes[hit] = of_records(runner.ledger, hit.entity, hit.lid, hit.key, typed)
        done, text = _carry_out(runner, mapping, list(wishes.values()), "links remove")
    show(options.as_json, text, _facts(done))
    return 0


@links.command("export")
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, allow_dash=True))
@_filtered
@FORMAT
@common
def export_links(
    options: Options,
    file: str,
    entities: tuple[str, ...],
    states: tuple[str, ...],
    records: tuple[str, ...],
    form: str | None,
) -> int:
    """Write links to a CSV or JSON file (- is standard output), which `import` takes."""
    chosen = form_of(file, form)
    config = read_config(options.config)
    with reading(config) as ledger:
        mapping = bound(config, ledger)
        found = find_links(ledger, mapping, Wanted(entities, tuple(map(LinkState, states)), records))
        write_text(file, bom_for(file, chosen) + dump(chosen, columns_of(mapping), link_rows(ledger, mapping, found)))
    if file != "-":
        show(options.as_json, f"{len(found)} links are in {file}", {"links": len(found), "file": file})
    return 0


@links.command("import")
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, allow_dash=True))
@FORMAT
@common
def import_links(options: Options, file: str, form: str | None) -> int:
    """Make and undo links as a CSV or JSON file says: all of its rows, or none.

    A row has the columns entity, and one per side with the id there. The column state may say active (the default) or
    detached: not the same. Rows that say what is so already change nothing.
    """
    config = read_config(options.config)
    needed = ("entity", *config.side_names)
    rows = read_rows(file, form, needed, "make one: `antiphon links export FILE`")
    with working(config, "links import", options.report) as runner:
        mapping = runner.mapping()
        wishes = wishes_of(runner.ledger, mapping, rows)
        done, text = _carry_out(runner, mapping, wishes, "links import", left=len(rows) - len(wishes))
    show(options.as_json, text, _facts(done))
    return 0


def _record(ledger: Ledger, mapping: SyncMapping, typed: str) -> ObsKey:
    """The one record of one side that is meant: `side:id`, or a match value of a record that has no partner."""
    hit = _one(find_record(ledger, mapping, typed), typed)
    if hit.key is not None:
        return hit.key
    side = next((word for word in typed.split(":")[:2] if word in mapping.sides), None)
    keys = [key for key in of_records(ledger, hit.entity, hit.lid, None, typed).keys if side in (None, key[0])]
    if len(keys) != 1:
        raise ConfigError(f"{typed}: it is linked; say which side's record is meant", hint="name it by `side:id`")
    return keys[0]


def _one(hits: list[Hit], typed: str) -> Hit:
    if len(hits) > 1:
        raise ConfigError(f"{len(hits)} records fit {typed!r}", hint="name one by `entity:side:id`")
    return hits[0]


def _carry_out(
    runner: Runner, mapping: SyncMapping, wishes: list[Wish], command: str, *, forget: bool = False, left: int = 0
) -> tuple[Relinked, str]:
    started = our_clock()
    done = relink(runner.ledger, mapping, wishes, now=started, forget=forget)
    done.unchanged += left
    counts = {"added": len(done.added), "removed": len(done.removed)}
    runner.record(command, "done", started, counts)
    lines = []
    if done.added:
        lines.append(told(runner.ledger, mapping, done.added, "linked; the next sync compares them"))
    if done.removed:
        lines.append(told(runner.ledger, mapping, done.removed, "no link any more, and not linked again by itself"))
    if done.unchanged:
        lines.append(f"{done.unchanged} {'is' if done.unchanged == 1 else 'are'} so already")
    return done, "\n".join(lines) or "nothing to do"


def _facts(done: Relinked) -> dict[str, object]:
    return {"added": done.added, "removed": done.removed, "unchanged": done.unchanged}
