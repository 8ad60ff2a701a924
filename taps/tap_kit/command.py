"""The command line of our taps: `--check`, and errors as one clear message with an exit code, never a traceback."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import IO, Any, ClassVar, NoReturn

import click
from singer_sdk import Tap
from singer_sdk import typing as th
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TapCapabilities
from singer_sdk.plugin_base import SingerCommand, _ConfigInput

from tap_kit.errors import TapError, hide
from tap_kit.following import Followed, stay
from tap_kit.messages import Writer

FAILED, WRONG_USAGE = 1, 64
DEBUG = "ANTIPHON_DEBUG"


class Capability(CapabilitiesEnum):
    """What our taps can do beyond the SDK's list; `--about --format=json` names only what is true."""

    CHECK = "check"  # answers `--check`
    ENVELOPE = "envelope"  # says which account is read, and what became of each record
    DELETES = "deletes"  # tells deletions by itself
    MERGES = "merges"  # tells into which record another was merged
    FIELD_TIMES = "field-times"  # tells when each field was edited
    FOLLOW = "follow"  # stays, and shows what changed whenever it is asked


FOLLOW = th.Property(
    "follow",
    th.BooleanType,
    default=False,
    title="Follow",
    description="Stay, and show what changed whenever it is asked on standard input: `antiphon follow` sets it by "
    "itself.",
)
"""The setting of taps with the capability `follow`."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that `--check` looked at. `hint`: the way on if it is not `ok`."""

    name: str
    ok: bool
    message: str
    hint: str = ""
    fixable: bool = False

    @classmethod
    def of(cls, name: str, error: TapError) -> Check:
        """What an error says of the thing."""
        return cls(name, ok=False, message=error.message, hint=error.hint)


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
        code = FAILED
        match error:
            case TapError():
                said, code = str(error), WRONG_USAGE if error.wrong_settings else FAILED
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
        self.logger.error("%s", hide(said))
        sys.exit(code)


class CheckedTap(Tap):
    """A tap of the SDK that answers `--check` and ends with one clear line for each error."""

    package_name = "antiphon"
    message_writer_class = Writer
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
        Capability.CHECK,
        Capability.ENVELOPE,
    ]

    @property
    def overlap(self) -> float:
        """Seconds that an incremental read goes back, by the setting `overlap_seconds`."""
        return float(self.config["overlap_seconds"])

    @property
    def asked_for(self) -> list[str] | None:
        """The streams that a catalog which was handed in selects; None without one."""
        if self.input_catalog is None:
            return None
        selected = (entry for entry in self.input_catalog.streams if entry.metadata.resolve_selection()[()])
        return [entry.stream or entry.tap_stream_id for entry in selected]

    def check(self, streams: Sequence[str]) -> tuple[str | None, list[Check]]:
        """What `--check` finds: the fingerprint of the account, None if it is not reached, and the checks."""
        raise NotImplementedError

    def followed(self) -> Followed:
        """What is followed with the setting `follow`. Taps that have the capability say it."""
        raise NotImplementedError

    def follow(self) -> None:
        """Stay, and show what changed whenever it is asked."""
        stay(self.followed())

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """The command line of the SDK's taps, with `--check`."""
        command = super().get_singer_command()
        return TapCommand(
            name=cls.name,
            callback=cls.invoke,
            context_settings={"help_option_names": ["--help"]},
            params=[
                *command.params,
                click.Option(["--check"], is_flag=True, help="Look at settings and rights; read nothing."),
                click.Option(["--streams"], default="", help="With --check: the streams to look at, with commas."),
            ],
            help=command.help,
            logger=cls.logger,
        )

    @classmethod
    def invoke(
        cls,
        *,
        check: bool = False,
        streams: str = "",
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        state: IO[str] | None = None,
        catalog: IO[str] | None = None,
        **_: Any,
    ) -> None:
        """Run the tap, follow, or answer `--check`."""
        if about:
            super().invoke(about=about, about_format=about_format)
        given = config or _ConfigInput()
        if check:
            tap = cls(
                config=given.config,
                parse_env_config=given.parse_env,
                setup_mapper=False,  # which would look for all streams
            )
            account, checks = tap.check([name for name in streams.split(",") if name])
            answer_check(account, checks, about_format)
        cls.print_version(print_fn=cls.logger.info)
        tap = cls(
            config=given.config,
            state=None if state is None else json.load(state),
            catalog=None if catalog is None else json.load(catalog),
            parse_env_config=given.parse_env,
        )
        if tap.config.get("follow"):
            tap.follow()
        else:
            tap.sync_all()


def answer_check(account: str | None, checks: Sequence[Check], form: str | None) -> NoReturn:
    """Print what was found and exit: 0 if all is well, 1 if not."""
    if form == "json":
        shown = {"account": account, "checks": [asdict(each) for each in checks]}
        click.echo(hide(json.dumps(shown, indent=2)))
    else:
        click.echo(f"account: {account or 'not reached'}")
        for each in checks:
            click.echo(hide(f"{'ok  ' if each.ok else 'FAIL'} {each.name}: {each.message}"))
            if each.hint:
                click.echo(f"     {each.hint}")
    sys.exit(0 if all(each.ok for each in checks) else FAILED)
