"""The command line: `--check`, and every error as one clear message with an exit code, never a traceback."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.plugin_base import SingerCommand

from tap_sql.engines import hide
from tap_sql.errors import TapError

DEBUG = "ANTIPHON_DEBUG"
_FAILED = 1
_WRONG_USAGE = 64


class TapCommand(SingerCommand):
    """Runs the tap; exit codes: 0 done, 1 failed, 64 wrong usage or settings."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run, and turn whatever stops the run into a message and an exit code."""
        options["standalone_mode"] = False
        try:
            outcome = super().main(*args, **options)
        except (Exception, KeyboardInterrupt) as error:
            if os.environ.get(DEBUG) and not isinstance(error, TapError | click.ClickException):
                raise
            self._end(error)
        sys.exit(outcome if isinstance(outcome, int) else 0)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the callback; wrong settings are told one by one."""
        try:
            return super(SingerCommand, self).invoke(ctx)
        except ConfigValidationError as error:
            raise click.UsageError(f"the settings are wrong: {'; '.join(error.errors)}", ctx) from None

    def _end(self, error: BaseException) -> NoReturn:
        code = _FAILED
        match error:
            case TapError():
                said, code = f"{error}\n  {error.hint}" if error.hint else str(error), error.code
            case click.ClickException():
                said, code = error.format_message(), _WRONG_USAGE
            case FileNotFoundError() | json.JSONDecodeError():
                said, code = f"settings, catalog or STATE cannot be read: {error}", _WRONG_USAGE
            case KeyboardInterrupt() | click.Abort():
                said = "stopped; what STATE covers was shown"
            case BrokenPipeError():
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more can be said there
                said = "whoever reads the records stopped reading"
            case _:
                said = (
                    f"this is a fault in {self.name}: {type(error).__name__}: {error}\n"
                    f"  what STATE covers was shown; set {DEBUG}=1 to see where, and please report it"
                )
        self.logger.error("%s", hide(said))
        sys.exit(code)


def check_options(params: Sequence[click.Parameter]) -> list[click.Parameter]:
    """The options of the SDK's command and those of `--check`."""
    return [
        *params,
        click.Option(["--check"], is_flag=True, help="Look at settings, rights and tables; read no rows."),
        click.Option(["--streams"], default="", help="With --check: the streams to look at, separated by commas."),
    ]
