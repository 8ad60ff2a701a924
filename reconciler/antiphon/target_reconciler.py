"""`target-reconciler`: a Singer target that collects what one side's tap shows into the ledger."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from antiphon.cli.program import run
from antiphon.cli.session import read_config, working
from antiphon.equivalence import canonical_json
from antiphon.singer.about import SETTINGS, About
from antiphon.sync.pipes import take_in
from antiphon.sync.report import Reporter

ABOUT = About(
    name="target-reconciler",
    description="Collects one side of a two-way sync into Antiphon's ledger.",
    capabilities=("about", "structured-logging"),
    settings=SETTINGS,
    required=("side",),
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="antiphon", prog_name="target-reconciler")
@click.option("--about", is_flag=True, help="Describe this plugin.")
@click.option("--format", "form", default="text", help="The form of --about: text, json, markdown.")
@click.option(
    "-c",
    "--config",
    "config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file with this plugin's settings.",
)
def command(config: Path | None, form: str, *, about: bool) -> int:
    """Read Singer messages of one side from standard input."""
    if about:
        click.echo(ABOUT.text(form))
        return 0
    if config is None:
        raise click.UsageError('--config FILE is missing; it holds the settings, e.g. {"side": "crm"}')
    settings = ABOUT.read(config)
    sync = read_config(Path(settings["sync"]))
    with working(sync, "target-reconciler", Reporter(), wait=settings["wait"]) as runner:
        take_in(runner, settings["side"], sys.stdin.fileno(), _say)
    return 0


def _say(state: Mapping[str, Any]) -> None:
    print(canonical_json(state), flush=True)


def main() -> None:
    """The console script."""
    run(command, "target-reconciler")
