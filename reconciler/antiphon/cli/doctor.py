"""`antiphon doctor`: does everything work, and what will be promised?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from antiphon.cli.options import Options, common, patience
from antiphon.cli.output import show
from antiphon.cli.session import alone, ledger_path, read_config, reading
from antiphon.config import SyncConfig
from antiphon.errors import ConfigError, LedgerBusy, LedgerError
from antiphon.model import Side
from antiphon.show.doctor import doctor_dict, doctor_text
from antiphon.singer.plugins import workshop
from antiphon.sync.examine import Finding, Verdict, examine, examine_files, examine_ledger
from antiphon.sync.resolve import resolve

_MUST_MEND = 1


@click.command()
@click.option("--fix", is_flag=True, help="Mend what can be mended: rights on files, what a target can make itself.")
@patience
@common
def doctor(options: Options, patience: float, *, fix: bool) -> int:
    """Try both sides and the ledger, and show what is promised on each side. Exit code 1 if anything must be mended.

    No record is written, and none is read.
    """
    config, catalogs = resolve(read_config(options.config))
    home = ledger_path(config).parent
    with workshop(home, f"{config.name}-doctor", options.report.plugin, patience=patience) as shop:
        found = examine(config, catalogs, shop, fix=fix)
    found.findings += _ledger(config, found.accounts)
    found.findings += _left_over(config, home)
    found.findings += examine_files(_private(config, home), fix=fix)
    show(options.as_json, doctor_text(found), doctor_dict(found))
    return 0 if found.sound else _MUST_MEND


def _ledger(config: SyncConfig, accounts: Mapping[Side, str]) -> list[Finding]:
    try:
        with reading(config) as ledger:
            return list(examine_ledger(ledger, config, accounts))
    except ConfigError as error:
        if ledger_path(config).exists():
            return [Finding("ledger", Verdict.MEND, error.message, error.hint)]
        return [Finding("ledger", Verdict.OK, "none yet: the first `antiphon plan` or `sync` makes it")]
    except LedgerError as error:
        return [Finding("ledger", Verdict.MEND, error.message, error.hint)]


def _left_over(config: SyncConfig, home: Path) -> list[Finding]:
    """Who holds the ledger; if nobody does, the folders that a killed run left for the next one to remove."""
    try:
        with alone(config, "doctor"):
            left = [path for path in home.glob("run-*") if path.is_dir()]
    except LedgerBusy as error:
        return [Finding("ledger", Verdict.LOOK, error.message, error.hint)]
    except LedgerError as error:
        return [Finding("ledger", Verdict.MEND, error.message, error.hint)]
    if left:
        names = ", ".join(path.name for path in left)
        return [Finding("runs", Verdict.LOOK, f"a run that was killed left {names}", "the next run removes it")]
    return []


def _private(config: SyncConfig, home: Path) -> dict[str, Path]:
    """Files that hold values of people, or passwords."""
    found = {"ledger file": ledger_path(config)} if config.ledger.startswith("sqlite:///") else {}
    for name, side in config.sides.items():
        found[f"{name} receipts"] = home / f"receipts-{config.name}-{name}.jsonl"
        if side.tap.config_file is not None:
            found[f"{name} tap settings"] = side.tap.config_file
        if side.target is not None and side.target.config_file is not None:
            found[f"{name} target settings"] = side.target.config_file
    return found
