"""What every command is told, and the options that several of them share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from antiphon.sync.report import Reporter

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Options:
    """What every command is told."""

    config: Path
    as_json: bool
    report: Reporter


COMMON = (
    click.option("-c", "--config", type=click.Path(path_type=Path), help="The sync to work on.  [default: sync.yml]"),
    click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
    click.option("-q", "--quiet", is_flag=True, help="Say only what must be known."),
    click.option("-v", "--verbose", is_flag=True, help="Show what the plugins say."),
)


NEW_FILE = click.option(
    "-c", "--file", "config", type=click.Path(path_type=Path), help="The file to write.  [default: sync.yml]"
)


def common(command: Callable[..., R]) -> Callable[..., R]:
    """The options of every command; they may also stand before its name."""
    return _told(command, COMMON)


def common_but_new(command: Callable[..., R]) -> Callable[..., R]:
    """The same for a command that makes the sync's file, and whose `--config` is another."""
    return _told(command, (NEW_FILE, *COMMON[1:]))


def _told(command: Callable[..., R], options: Sequence[Callable[..., Any]]) -> Callable[..., R]:

    @functools.wraps(command)
    def told(*, config: Path | None, as_json: bool, quiet: bool, verbose: bool, **rest: Any) -> R:
        before: dict[str, Any] = click.get_current_context().find_root().obj or {}
        report = Reporter(quiet=quiet or before.get("quiet", False), verbose=verbose or before.get("verbose", False))
        path = config or before.get("config") or Path("sync.yml")
        return command(Options(path, as_json or before.get("as_json", False), report), **rest)

    for option in reversed(options):
        told = option(told)
    return told


accept_empty = click.option(
    "--accept-empty", multiple=True, metavar="SIDE", help="Believe a side that is empty, or not the one it was."
)
patience = click.option(
    "--patience",
    type=float,
    default=900.0,
    show_default=True,
    help="Seconds a plugin may be silent before it is ended.",
)
