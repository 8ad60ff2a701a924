"""What every command needs: the configuration, the ledger, and for commands that may write, the ledger to itself."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from uuid import uuid4

from antiphon.config import SyncConfig, load
from antiphon.errors import ConfigError, LedgerError, LedgerOutdated
from antiphon.ledger import Ledger, advisory
from antiphon.ledger.backup import save_run
from antiphon.ledger.lease import hold
from antiphon.ledger.postgres import schema_of
from antiphon.ledger.sql import SqlStore, open_store
from antiphon.model import Side
from antiphon.singer.plugins import workshop
from antiphon.sync.report import Reporter
from antiphon.sync.run import Runner, our_clock

_SQLITE = "sqlite:///"


def read_config(path: Path) -> SyncConfig:
    """sync.yml with the environment's variables in it."""
    return load(path, os.environ)


@contextmanager
def reading(config: SyncConfig) -> Iterator[Ledger]:
    """The ledger, to look at. An older one is migrated first, which needs the ledger alone for a moment."""
    try:
        store = open_store(config.ledger, name=config.name, make=False)
    except LedgerOutdated:
        with alone(config, "migration of the ledger"), _ledger(config, make=False):
            pass
        store = open_store(config.ledger, name=config.name, make=False)
    with _opened(store, config) as ledger:
        yield ledger


@contextmanager
def working(
    config: SyncConfig,
    command: str,
    report: Reporter,
    *,
    accept_empty: tuple[Side, ...] = (),
    wait: float = 0.0,
    patience: float = 900.0,
    backup: bool = False,
) -> Iterator[Runner]:
    """A runner that has the ledger to itself; `backup` keeps the ledger as it is before, if that is cheap.

    Raises `LedgerBusy` if another run has it.
    """
    unknown = [side for side in accept_empty if side not in config.sides]
    if unknown:
        raise ConfigError(
            f"--accept-empty {unknown[0]}: there is no such side",
            hint=f"the sides are {' and '.join(config.side_names)}",
        )
    with (
        alone(config, command, wait) as lock,
        _ledger(config) as ledger,
        workshop(_home(config), config.name, report.plugin, fds=(lock,), patience=patience) as shop,
    ):
        ledger.acquire(advisory.name_of_runner(command, os.getpid()))
        runner = Runner(config, ledger, shop, report, frozenset(accept_empty))
        if backup:
            _keep_backup(config, ledger, runner)
        yield runner


def _keep_backup(config: SyncConfig, ledger: Ledger, runner: Runner) -> None:
    try:
        if isinstance(ledger.store, SqlStore):
            save_run(ledger.store.database, backups_folder(config), runner.run_id, our_clock())
    except LedgerError as error:  # the run itself harms nothing
        runner.report.warn("backup", f"{error.message}; the run goes on without one")


def ledger_path(config: SyncConfig) -> Path:
    """The ledger's file; for a ledger on a server, what stands for it beside sync.yml."""
    if config.ledger.startswith(_SQLITE):
        return Path(config.ledger.removeprefix(_SQLITE))
    return config.path.resolve().parent / ".antiphon" / schema_of(config.name)


def _home(config: SyncConfig) -> Path:
    """The folder of the run's private files; with a ledger on a server, one that no other sync beside it has."""
    path = ledger_path(config)
    return path.parent if config.ledger.startswith(_SQLITE) else path


@contextmanager
def alone(config: SyncConfig, command: str, wait: float = 0.0) -> Iterator[int]:
    """The lock of the ledger's file, and for a ledger on a server its lease as well; see `ledger.advisory`."""
    until = time.monotonic() + wait
    with hold(ledger_path(config), wait=wait, who=f"antiphon {command}") as lock:
        if config.ledger.startswith(_SQLITE):
            yield lock
            return
        who = advisory.name_of_runner(f"antiphon {command}", os.getpid())
        with advisory.hold(config.ledger, name=config.name, wait=max(0.0, until - time.monotonic()), who=who):
            yield lock


def backups_folder(config: SyncConfig) -> Path:
    """Where backups go that nobody asked for."""
    return _home(config) / "backups"


@contextmanager
def _ledger(config: SyncConfig, *, make: bool = True) -> Iterator[Ledger]:
    """The ledger, for whoever has it alone."""
    store = open_store(config.ledger, name=config.name, make=make, backups=backups_folder(config))
    with _opened(store, config) as ledger:
        yield ledger


@contextmanager
def _opened(store: SqlStore, config: SyncConfig) -> Iterator[Ledger]:
    try:
        ledger = Ledger(store)
        ledger.create(ledger_id=uuid4().hex, name=config.name, now=our_clock(), secret=token_hex(32))
        yield ledger
    finally:
        store.close()
