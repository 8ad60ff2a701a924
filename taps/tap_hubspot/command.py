"""The tap's command line: errors as one clear message with an exit code, never a traceback."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, NoReturn

import click
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.plugin_base import SingerCommand

from tap_hubspot.api import HubSpotError, NotAuthorized

FAILED, WRONG_USAGE = 1, 64
DEBUG = "ANTIPHON_DEBUG"


class TapCommand(SingerCommand):
    """Runs the tap; exit codes: 0 done, 1 failed, 64 wrong usage or settings."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run, and turn whatever stops the run into a message and an exit code."""
        options["standalone_mode"] = False
        try:
            outcome = super().main(*args, **options)
        except (Exception, KeyboardInterrupt) as error:
            if os.environ.get(DEBUG) and not isinstance(error, HubSpotError | click.ClickException):
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
        code = FAILED
        match error:
            case NotAuthorized() if error.status is None:
                said, code = str(error), WRONG_USAGE
            case HubSpotError():
                said = str(error)
            case click.ClickException():
                said, code = error.format_message(), WRONG_USAGE
            case FileNotFoundError() | json.JSONDecodeError():
                said, code = f"the settings cannot be read: {error}", WRONG_USAGE
            case KeyboardInterrupt() | click.Abort():
                said = "stopped; what STATE covers need not be read again"
            case BrokenPipeError():
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more can be said there
                said = "whoever reads the records stopped reading"
            case _:
                said = (
                    f"this is a fault in {self.name}: {type(error).__name__}: {error}\n"
                    f"  nothing that STATE covers is lost; set {DEBUG}=1 to see where, and please report it"
                )
        self.logger.error("%s", said)
        sys.exit(code)


def answer_check(report: dict[str, Any], form: str | None) -> NoReturn:
    """Print the report and exit: 0 if all is well, 1 if not."""
    if form == "json":
        click.echo(json.dumps(report, indent=2))
    else:
        click.echo(f"account: {report['account'] or 'not reached'}")
        for each in report["checks"]:
            click.echo(f"{'ok  ' if each['ok'] else 'FAIL'} {each['name']}: {each['message']}")
            if each["hint"]:
                click.echo(f"     {each['hint']}")
    sys.exit(0 if all(each["ok"] for each in report["checks"]) else FAILED)
