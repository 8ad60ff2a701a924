"""The command `antiphon`: one file for each family of its commands."""

from __future__ import annotations

from typing import Any

import click

from antiphon.cli.backtest import backtest
from antiphon.cli.backups import backup, restore
from antiphon.cli.conflicts import conflicts
from antiphon.cli.demo import demo
from antiphon.cli.doctor import doctor
from antiphon.cli.erase import erase
from antiphon.cli.follow import follow
from antiphon.cli.init import init
from antiphon.cli.links import links
from antiphon.cli.lint import lint
from antiphon.cli.looking import status, why
from antiphon.cli.options import COMMON
from antiphon.cli.rebaseline import rebaseline
from antiphon.cli.revert import revert, runs
from antiphon.cli.rounds import apply, collect, confirm, plan, sync, verify


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="antiphon")
@click.pass_context
def antiphon(context: click.Context, /, **before: Any) -> None:
    """Keep two systems in two-way sync through Singer taps and targets."""
    context.obj = before


for _option in reversed(COMMON):
    antiphon = _option(antiphon)

for _command in (
    init,
    lint,
    doctor,
    plan,
    apply,
    sync,
    follow,
    status,
    why,
    verify,
    collect,
    confirm,
    conflicts,
    links,
    backup,
    restore,
    erase,
    revert,
    runs,
    rebaseline,
    backtest,
    demo,
):
    antiphon.add_command(_command)
