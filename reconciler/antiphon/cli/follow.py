"""`antiphon follow`: stay up, and have changes cross as they are made."""

from __future__ import annotations

import click

from antiphon.cli.options import Options, common
from antiphon.cli.session import read_config, working
from antiphon.sync.follow import Stop
from antiphon.sync.follow import follow as follow_sides


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
@click.option("--wait", type=float, default=0.0, metavar="SECONDS", help="Wait so long for another run to end.")
@common
def follow(options: Options, interval: float, poll: float, patience: float, wait: float) -> int:
    """Stay up and have changes cross as they are made.

    Ends on SIGTERM or Ctrl-C once the writes under way are finished.
    """
    config = read_config(options.config)
    with (
        Stop().heard() as stop,
        working(config, "follow", options.report, patience=patience, wait=wait, backup=True) as runner,
    ):
        follow_sides(runner, stop, interval=interval, poll=poll)
    return 0
