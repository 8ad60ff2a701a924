"""Running a command line: errors become messages and exit codes, and no traceback reaches a user."""

from __future__ import annotations

import gc
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import click

from antiphon.cli.errors import exit_code_of, explain


def run(command: click.Command, name: str) -> None:
    """Run `antiphon` or one of our Singer plugins, and exit."""
    signal.signal(signal.SIGTERM, _stop)
    seek_circles_rarely()
    try:
        outcome = command.main(prog_name=name, standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as ending:
        sys.exit(ending.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader is gone; nothing more can be said
        print("error: whoever read the output stopped reading", file=sys.stderr)
        sys.exit(1)
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get("ANTIPHON_DEBUG"):
            raise
        explain(error)
        sys.exit(exit_code_of(error))
    sys.exit(outcome if isinstance(outcome, int) else 0)


def seek_circles_rarely() -> None:
    """Rows are many and refer to no one: at Python's own pace a fifth of a round went into looking for circles."""
    gc.freeze()
    gc.set_threshold(500_000, 20, 50)


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    """Whoever ends the command asks it to clean up, as with Ctrl-C: plugins are ended, private files removed."""
    raise KeyboardInterrupt
