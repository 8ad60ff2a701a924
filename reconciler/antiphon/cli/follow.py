"""`antiphon follow`: stay up, and have changes cross as they are made."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import click

from antiphon.cli.options import Options, common
from antiphon.cli.session import ledger_path, read_config, working
from antiphon.ledger.lease import ASIDE, asked_aside
from antiphon.sync.follow import Follower, Pace, Stop
from antiphon.sync.health import Health

_LET = 10.0
"""Seconds that another command has to take the ledger once we let it go."""


@click.command()
@click.option(
    "--interval",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How often a tap is run that cannot stay.",
)
@click.option(
    "--poll",
    type=click.FloatRange(min=0.01),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="How often a tap is asked that stays, but cannot tell of changes.",
)
@click.option(
    "--patience",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a plugin may take for an answer before it is ended.",
)
@click.option(
    "--listen",
    default="",
    metavar="HOST:PORT",
    help="Answer there by HTTP: /metrics for Prometheus, /live and /ready.",
)
@click.option("--wait", type=float, default=0.0, metavar="SECONDS", help="Wait so long for another run to end.")
@common
def follow(options: Options, interval: float, poll: float, patience: float, listen: str, wait: float) -> int:
    """Stay up and have changes cross as they are made.

    Ends on SIGTERM or Ctrl-C once the writes under way are finished.
    """
    config = read_config(options.config)
    path, pace, first = ledger_path(config), Pace(interval, poll), True
    health = Health()
    with Stop().heard() as stop, health.served(listen) as port:
        if listen:
            options.report.say("listening", f"listening at {listen.rpartition(':')[0]}:{port}", port=port)
        while not stop.asked:
            with working(
                config, "follow", options.report, patience=patience, wait=wait if first else ASIDE, backup=first
            ) as runner:
                Follower(runner, stop, pace, health, partial(asked_aside, path)).follow(first=first)
            first = False
            health.beat()
            if not stop.asked:
                options.report.say("aside", "another command works on the ledger")
                _let_others(path, stop)
    return 0


def _let_others(path: Path, stop: Stop) -> None:
    """Wait until whoever asked for the ledger has it."""
    began = time.monotonic()
    while asked_aside(path) and not stop.asked and time.monotonic() - began < _LET:
        stop.wait(0.1)
