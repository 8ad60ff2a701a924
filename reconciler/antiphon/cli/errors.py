"""What a user sees of an error: what went wrong, and what to do."""

from __future__ import annotations

import sys

import click

from antiphon.errors import AntiphonError

FAILED = 1
CHANGES_WAIT = 2
CONFLICTS_WAIT = 4
WRONG_USAGE = 64


def exit_code_of(error: BaseException) -> int:
    """0 done; 1 failed; 2 changes are waiting; 3 stopped by a guard; 4 conflicts are waiting; 64 wrong usage."""
    if isinstance(error, AntiphonError):
        return error.exit_code
    return WRONG_USAGE if isinstance(error, click.ClickException) else FAILED


def explain(error: BaseException) -> None:
    """Say it on standard error, without a traceback."""
    match error:
        case AntiphonError():
            _say(f"error: {error.message}")
            if error.hint:
                _say("\n".join("  " + line for line in error.hint.splitlines()))
        case click.ClickException():
            _say(f"error: {error.format_message()}")
        case KeyboardInterrupt() | click.Abort():
            _say("stopped; the next run goes on from here")
        case _:
            _say(f"error: this is a fault in Antiphon: {type(error).__name__}: {error}")
            _say("  nothing was lost; set ANTIPHON_DEBUG=1 to see where, and please report it")


def _say(text: str) -> None:
    print(text, file=sys.stderr)
