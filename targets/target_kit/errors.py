"""What stops a whole run of a target; what befalls one row is an outcome (`target_kit.outcomes`)."""

from singer_sdk.exceptions import MissingKeyPropertiesError, RecordsWithoutSchemaException


class TargetError(Exception):
    """The run ends with this message; what STATE and receipts cover is safe, the rest is to be sent again.

    `hint` says the way on. `exit_code`: 1 failed, 64 wrong usage or settings.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class SettingsError(TargetError):
    """The settings or the command line are wrong: correct them and run again."""

    exit_code = 64


class ProtocolError(TargetError):
    """The input is not what the Singer specification says: whatever writes it is at fault."""


class NoSchema(ProtocolError, RecordsWithoutSchemaException):
    """A record came before the SCHEMA of its stream."""


class NoKey(ProtocolError, MissingKeyPropertiesError):
    """A record lacks a value of its key."""


class RowsRefused(TargetError):
    """Everything else was written, but some records were refused and are kept nowhere."""
