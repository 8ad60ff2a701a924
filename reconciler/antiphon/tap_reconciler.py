"""`tap-reconciler`: a Singer tap that emits what one side must get. The STATE it is handed is the acknowledgement."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from antiphon.cli.program import run
from antiphon.cli.session import read_config, working
from antiphon.errors import ConfigError
from antiphon.singer.about import SETTINGS, About
from antiphon.singer.messages import encode
from antiphon.sync.pipes import give_out
from antiphon.sync.report import Reporter

ABOUT = About(
    name="tap-reconciler",
    description="Emits what one side of a two-way sync lacks, from Antiphon's ledger.",
    capabilities=("about", "state", "structured-logging"),
    settings=SETTINGS,
    required=("side",),
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="antiphon", prog_name="tap-reconciler")
@click.option("--about", is_flag=True, help="Describe this plugin.")
@click.option("--format", "form", default="text", help="The form of --about: text, json, markdown.")
@click.option(
    "-c",
    "--config",
    "config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file with this plugin's settings.",
)
@click.option(
    "-s",
    "--state",
    "state",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The STATE that the target acknowledged last.",
)
def command(config: Path | None, state: Path | None, form: str, *, about: bool) -> int:
    """Write Singer messages for one side to standard output."""
    if about:
        click.echo(ABOUT.text(form))
        return 0
    if config is None:
        raise click.UsageError('--config FILE is missing; it holds the settings, e.g. {"side": "crm"}')
    settings = ABOUT.read(config)
    sync = read_config(Path(settings["sync"]))
    with working(sync, "tap-reconciler", Reporter(), wait=settings["wait"]) as runner:
        for message in give_out(runner, settings["side"], _read_state(state)):
            sys.stdout.buffer.write(encode(message))
        sys.stdout.buffer.flush()
    return 0


def _read_state(path: Path | None) -> Any:  # any JSON value: what is no bookmark of ours counts as none
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8").strip()
        return _last_value(text) if text else None
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"the STATE in {path} cannot be read: {error}",
            hint="an empty file, or none, means: nothing was acknowledged",
        ) from error


def _last_value(text: str) -> Any:  # any JSON value
    """The one JSON value of the text; of several lines, as a target prints them, the last."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return json.loads(text.splitlines()[-1])


def main() -> None:
    """The console script."""
    run(command, "tap-reconciler")
