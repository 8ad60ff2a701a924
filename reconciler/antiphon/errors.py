"""Errors, as one tree by what the reader must do; only the command line prints, catches and exits."""


class AntiphonError(Exception):
    """Something stopped the run; nothing is lost, and the next run goes on from here.

    `exit_code` follows the table of exit codes in the documentation: 1 failed, 3 stopped by a guard,
    64 wrong usage or configuration. `hint` says the way on.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(AntiphonError):
    """The configuration or the command line is wrong: correct it and run again."""

    exit_code = 64


class PluginFailed(AntiphonError):
    """A tap or target died, hung or broke the Singer protocol: see its own message, then run again."""


class LedgerError(AntiphonError):
    """The ledger cannot be used: it is locked, full, damaged or of another version."""


class LedgerOutdated(LedgerError):
    """An older Antiphon wrote the ledger: whoever has it alone migrates it."""


class LedgerBusy(LedgerError):
    """Another run is at work on this ledger: wait for it, then run again."""


class GuardTripped(AntiphonError):
    """A guard stopped the run before it wrote anything: read the numbers, then confirm or correct."""

    exit_code = 3
