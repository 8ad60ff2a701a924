"""What can go wrong, as one tree by what the reader must do. Only the command line prints, catches and exits."""

from __future__ import annotations

from tap_kit import TapError


class SettingsError(TapError):
    """A setting, the catalog or the STATE is wrong: correct it."""

    @property
    def wrong_settings(self) -> bool:
        """It is."""
        return True


class DriverMissing(SettingsError):
    """The driver of this database is not installed: install its extra."""


class DatabaseError(TapError):
    """The database refused or went away: mend it there, then run again."""


class ValueRefused(TapError):
    """A value has no Singer form. Nothing of its row was changed to make it fit."""


class Refused(ValueError):
    """Why one value has no JSON form; its column and row are added by who knows them."""


__all__ = ["DatabaseError", "DriverMissing", "Refused", "SettingsError", "TapError", "ValueRefused"]
