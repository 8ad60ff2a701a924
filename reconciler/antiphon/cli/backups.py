"""The commands `backup` and `restore`."""

from __future__ import annotations

from pathlib import Path

import click

from antiphon.cli.options import Options, common
from antiphon.cli.output import show
from antiphon.cli.session import alone, backups_folder, ledger_path, read_config, reading
from antiphon.errors import ConfigError
from antiphon.ledger.backup import save
from antiphon.ledger.restore import restore as put_back
from antiphon.ledger.sql import SqlStore
from antiphon.ledger.tables import REVISION
from antiphon.show.times import iso
from antiphon.sync.run import our_clock

_SQLITE_FILE = b"SQLite format 3\0"  # https://sqlite.org/fileformat2.html, section 1.3.1


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@common
def backup(options: Options, file: Path) -> int:
    """Write the whole ledger, as of now, to FILE. A run may be at work meanwhile.

    FILE is a SQLite database, whatever the ledger is kept in; it holds the values of records, so it is readable by its
    owner alone.
    """
    config = read_config(options.config)
    _may_be_replaced(file, ledger_path(config))
    with reading(config) as ledger:
        instance = ledger.instance
        if isinstance(ledger.store, SqlStore):
            save(ledger.store.database, file, REVISION)
    size = file.stat().st_size
    show(
        options.as_json,
        f"{file}: the ledger {instance.id} of {instance.name}, {size:,} bytes; `antiphon restore {file}` puts it back",
        {"file": str(file), "ledger": instance.id, "bytes": size},
    )
    return 0


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@common
def restore(options: Options, file: Path) -> int:
    """Put the backup FILE in the ledger's place. What it replaces is kept beside the ledger, in `backups`.

    Until both sides were read in full, nothing is deleted on any side.
    """
    config = read_config(options.config)
    now = our_clock()
    with alone(config, "restore"):
        instance = put_back(file, config.ledger, name=config.name, backups=backups_folder(config), now=now)
    show(
        options.as_json,
        f"the ledger {instance.id} of {instance.name} is as it was when {file} was made; what it replaced is in "
        f"{backups_folder(config)}\nthe next `antiphon sync` reads what happened since; nothing is deleted before both "
        "sides were read in full",
        {"ledger": instance.id, "file": str(file), "kept_in": str(backups_folder(config)), "at": iso(now)},
    )
    return 0


def _may_be_replaced(file: Path, ledger: Path) -> None:
    """Raises `ConfigError` unless the file is new, or an older backup."""
    if not file.exists():
        return
    if file.resolve() == ledger.resolve():
        raise ConfigError(f"{file} is the ledger itself", hint="name another file")
    with file.open("rb") as there:
        if there.read(len(_SQLITE_FILE)) != _SQLITE_FILE:
            raise ConfigError(f"{file} is there, and is no backup", hint="name another file")
