"""The command line of our targets: `--check`, and errors as one clear message with an exit code, never a traceback."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import click
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.plugin_base import SingerCommand

from target_kit.checks import CheckReport
from target_kit.errors import SettingsError, TargetError
from target_kit.operations import Kind

FAILED = 1
WRONG_USAGE = 64
DEBUG = "ANTIPHON_DEBUG"


class TargetCommand(SingerCommand):
    """Runs a target; exit codes: 0 done, 1 failed, 64 wrong usage or settings."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run, and turn whatever stops the run into a message and an exit code."""
        options["standalone_mode"] = False
        try:
            outcome = super().main(*args, **options)
        except (Exception, KeyboardInterrupt) as error:
            if os.environ.get(DEBUG) and not isinstance(error, TargetError | click.ClickException):
                raise
            self._end(error)
        sys.exit(outcome if isinstance(outcome, int) else 0)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the callback; wrong settings are told one by one."""
        try:
            return super(SingerCommand, self).invoke(ctx)
        except ConfigValidationError as error:
            told = "; ".join(error.errors)
            raise click.UsageError(f"the settings are wrong: {told}", ctx) from None

    def _end(self, error: BaseException) -> NoReturn:
        code = FAILED
        match error:
            case TargetError():
                said, code = str(error), error.exit_code
            case click.ClickException():
                said, code = error.format_message(), WRONG_USAGE
            case FileNotFoundError() | json.JSONDecodeError():
                said, code = f"the settings cannot be read: {error}", WRONG_USAGE
            case KeyboardInterrupt() | click.Abort():
                said = "stopped; what STATE and receipts cover is safe, the rest is to be sent again"
            case BrokenPipeError():
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more can be said there
                said = "whoever reads the STATE stopped reading"
            case _:
                said = (
                    f"this is a fault in {self.name}: {type(error).__name__}: {error}\n"
                    f"  nothing that STATE covers is lost; set {DEBUG}=1 to see where, and please report it"
                )
        self.logger.error("%s", said)
        sys.exit(code)


def add_check_options(params: Sequence[click.Parameter]) -> list[click.Parameter]:
    """The options of the SDK's command and those of `--check`."""
    return [
        *params,
        click.Option(["--check"], is_flag=True, help="Look at settings, rights and tables; write nothing."),
        click.Option(["--streams"], default="", help="With --check: the streams to look at, separated by commas."),
        click.Option(["--fix"], is_flag=True, help="With --check: make what is missing and can be made."),
        click.Option(
            ["--planned"],
            default="",
            metavar="JSON",
            help='With --check: only reckon what {"stream": {"create|update|delete": number}} would cost.',
        ),
    ]


def parse_planned(text: str) -> dict[str, dict[Kind, int]]:
    """The numbers of operations by stream that `--planned` names."""
    try:
        return {
            str(stream): {Kind(kind): int(number) for kind, number in numbers.items()}
            for stream, numbers in json.loads(text).items()
        }
    except (AttributeError, TypeError, ValueError) as error:
        raise SettingsError(
            f"--planned: {text!r} is not to be read: {error}",
            hint='write for instance {"contacts": {"create": 10, "update": 200}}',
        ) from error


def answer_check(report: CheckReport, form: str | None, hide: Callable[[str], str]) -> NoReturn:
    """Print the report and exit: 0 if all is well, 1 if not."""
    text = json.dumps(report.to_json(), indent=2) if form == "json" else report.to_text()
    click.echo(hide(text))
    sys.exit(0 if report.ok else FAILED)
