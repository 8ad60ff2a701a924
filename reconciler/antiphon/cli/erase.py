"""The command `erase`: a person's values leave everything that Antiphon keeps."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from antiphon.cli.options import Options, common
from antiphon.cli.output import show
from antiphon.cli.session import backups_folder, ledger_path, read_config, working
from antiphon.errors import ConfigError
from antiphon.facts import ObsKey
from antiphon.ledger.erased import Erased, lift
from antiphon.mapping import Mapping as SyncMapping
from antiphon.settle import Moment
from antiphon.show.find import Hit, digests_of, find_record
from antiphon.show.records import Records
from antiphon.show.text import listed
from antiphon.sync.confirm import read_receipts
from antiphon.sync.erase import Traces, trace
from antiphon.sync.erase import erase as erase_values
from antiphon.sync.run import Runner, our_clock
from antiphon.sync.traces import empty_receipts, remove_backups, remove_plans


@click.command()
@click.argument("record")
@click.option("--all", "everyone", is_flag=True, help="Erase every record that RECORD fits.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--lift", "lifted", is_flag=True, help="Let a record that was erased be taken in again.")
@common
def erase(options: Options, record: str, *, everyone: bool, yes: bool, lifted: bool) -> int:
    """Erase a RECORD (a match value, SIDE:ID or a link's id) from the ledger and the files beside it, for good.

    Only keyed hashes stay, by which the record is known and never taken in or created again. The two systems are not
    touched: delete it there as well.
    """
    config = read_config(options.config)
    with working(config, "erase", options.report) as runner:
        mapping = runner.mapping()
        if lifted:
            return _lift(options, runner, mapping, record)
        _settle(runner, mapping)
        hits = _find(runner, mapping, record)
        records = Records(runner.ledger, mapping)
        if len(hits) > 1 and not everyone:
            addresses = [hit.lid or (records.id(hit.key) if hit.key else "") for hit in hits]
            raise ConfigError(
                f"{len(hits)} records fit: {listed(addresses)}",
                hint="name one of them, or give --all to erase them all",
            )
        found = [trace(runner.ledger, hit.entity, hit.lid, hit.key) for hit in hits]
        if not yes:
            _ask(hits, found)
        started = our_clock()
        number = sum(erase_values(runner.ledger, mapping, each, Moment(started, runner.run_id, "")) for each in found)
        folders = (config.path.resolve().parent, ledger_path(config).parent, Path.cwd())
        lids = frozenset(lid for each in found for lid in each.lids)
        files = [
            *empty_receipts(runner.ledger, runner.receipt_files()),
            *remove_plans(folders, runner.ledger.instance.id, lids),
            *remove_backups(backups_folder(config)),
        ]
        runner.record("erase", "done", started, {"rows": number, "files": len(files)})
        remarks = runner.ledger.store.scrub()
    _tell(options, found, number, files, remarks)
    return 0


def _find(runner: Runner, mapping: SyncMapping, record: str) -> list[Hit]:
    """The records; none if they were erased before, and only what is left on the disk is still to be done."""
    try:
        return find_record(runner.ledger, mapping, record)
    except ConfigError:
        if Erased(runner.ledger).knows(digests_of(mapping, Erased(runner.ledger), record)):
            return []
        raise


def _settle(runner: Runner, mapping: SyncMapping) -> None:
    """Take in what targets said already, so that no receipt brings a value back later."""
    for side, path in runner.receipt_files():
        moment = Moment(our_clock(), runner.run_id, mapping.version)
        read_receipts(runner.ledger, mapping, side, path, moment, hide=runner.hiding(side))


def _ask(hits: list[Hit], found: list[Traces]) -> None:
    ids = listed([f"{side}:{rid}" for each in found for side, _, rid in sorted(each.keys)])
    if not found:
        return
    if not sys.stdin.isatty():
        raise ConfigError(
            f"this would erase {ids or hits[0].lid}, and cannot be undone", hint="give --yes to go through with it"
        )
    click.confirm(f"Erase {ids or hits[0].lid}? This cannot be undone.", abort=True, err=True)


def _tell(options: Options, found: list[Traces], number: int, files: list[Path], remarks: list[str]) -> None:
    keys: list[ObsKey] = sorted(key for each in found for key in each.keys)
    lines = [f"erased: {number} rows of the ledger"]
    lines += [f"  {path}" for path in files]
    lines += [f"note: {remark}" for remark in remarks]
    if keys:
        where = listed([f"{side}:{rid}" for side, _, rid in keys])
        lines.append(f"the two systems were not touched: delete it there as well ({where})")
    lines.append("backups that you made elsewhere, and Meltano's logs, are yours to look after")
    facts = {
        "rows": number,
        "links": sorted(lid for each in found for lid in each.lids),
        "records": [{"side": side, "entity": entity, "id": rid} for side, entity, rid in keys],
        "files": [str(path) for path in files],
        "notes": remarks,
    }
    show(options.as_json, "\n".join(lines), facts)


def _lift(options: Options, runner: Runner, mapping: SyncMapping, record: str) -> int:
    with runner.ledger.transaction():
        number = lift(runner.ledger, digests_of(mapping, Erased(runner.ledger), record))
    if not number:
        raise ConfigError(
            f"nothing that was erased fits {record!r}", hint="name it by SIDE:ID, or by a value it was matched by"
        )
    show(
        options.as_json,
        "it may be taken in again: with the next full read (`antiphon sync --full`)",
        {"lifted": number},
    )
    return 0
