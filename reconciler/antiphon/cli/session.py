"""What every command needs: the configuration, the ledger, and for commands that may write, the ledger to itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from antiphon.config import SyncConfig, load
from antiphon.errors import ConfigError
from antiphon.ledger import Ledger
from antiphon.ledger.lease import hold
from antiphon.ledger.sql import open_store
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
    """The ledger, to look at."""
    if not ledger_path(config).exists():
        raise ConfigError(f"there is no ledger at {ledger_path(config)}", hint="run `antiphon sync` or `antiphon plan` first")
    with _ledger(config) as ledger:
        yield ledger


@contextmanager
def working(
    config: SyncConfig, command: str, report: Reporter, *, accept_empty: tuple[Side, ...] = (), wait: float = 0.0, patience: float = 900.0
) -> Iterator[Runner]:
    """A runner that has the ledger to itself. Raises `LedgerBusy` if another run has it."""
    unknown = [side for side in accept_empty if side not in config.sides]
    if unknown:
        raise ConfigError(f"--accept-empty {unknown[0]}: there is no such side", hint=f"the sides are {' and '.join(config.side_names)}")
    with (
        hold(ledger_path(config), wait=wait, who=f"antiphon {command}") as lock,
        _ledger(config) as ledger,
        workshop(ledger_path(config).parent, report.plugin, fds=(lock,), patience=patience) as shop,
    ):
        ledger.acquire(f"{command} (process {os.getpid()})")
        yield Runner(config, ledger, shop, report, frozenset(accept_empty))


def ledger_path(config: SyncConfig) -> Path:
    """The ledger's file."""
    return Path(config.ledger.removeprefix(_SQLITE))


@contextmanager
def _ledger(config: SyncConfig) -> Iterator[Ledger]:
    store = open_store(config.ledger)
    try:
        ledger = Ledger(store)
        ledger.create(ledger_id=uuid4().hex, name=config.name, now=our_clock())
        yield ledger
    finally:
        store.close()
