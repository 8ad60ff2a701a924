"""The error of our taps."""

from __future__ import annotations

import re

_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@\s]+@")


class TapError(Exception):
    """The run ends with this message. `hint` says the way on; no message holds a secret."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint

    @property
    def wrong_settings(self) -> bool:
        """Whether the settings alone are at fault: exit code 64, else 1."""
        return False

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


def hide(text: str) -> str:
    """A text without the password of any URL in it."""
    return _PASSWORD.sub(r"\1…@", text)
