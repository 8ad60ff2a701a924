"""What `lint` says: one finding, and how bad it is."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Severity(enum.StrEnum):
    """Whether a sync may run with it."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that cannot converge or cannot be done. `where` is a key path of sync.yml, `hint` the way on."""

    severity: Severity
    where: str
    message: str
    hint: str = ""


def error(where: str, message: str, hint: str = "") -> Finding:
    """A finding that a run must not start with."""
    return Finding(Severity.ERROR, where, message, hint)


def warning(where: str, message: str, hint: str = "") -> Finding:
    """A finding that a person should know of."""
    return Finding(Severity.WARNING, where, message, hint)
