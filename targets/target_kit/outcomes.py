"""What became of one operation: a closed union, each written as one receipt (`antiphon.protocol.RECEIPT_SCHEMA`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, assert_never

from antiphon.protocol import Status


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row was not written: the error's class, the system's words, its code (HTTP status, SQLSTATE)."""

    name: str
    message: str
    status: int | str | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """It is written. `id`: the record's key, by column or in the key's order; `stored`: the values read back.

    `found`: values of others that stood there between our look and our write, and are overwritten.
    `current`: if it was done before and is asked again, the values that are there by now.
    """

    id: Any
    stored: Mapping[str, Any] = field(default_factory=dict)
    version: str | None = None
    found: Mapping[str, Any] = field(default_factory=dict)
    current: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stale:
    """Something else than expected is there: `found` tells the values; nothing was written."""

    id: Any
    found: Mapping[str, Any]
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """The record is not there any more. A create answers so, with the `id`, if its record was made and then deleted."""

    id: Any = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """It will never be written as it is: a person must look."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class Failed:
    """It could not be written now and may be later: it is tried again."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class Skipped:
    """It was left alone on purpose, with the reason; `found` if the values that are there serve as well."""

    reason: str
    id: Any = None
    found: Mapping[str, Any] = field(default_factory=dict)


Outcome: TypeAlias = Applied | Stale | Gone | Rejected | Failed | Skipped


def to_receipt(op_id: str, outcome: Outcome, at: str) -> dict[str, Any]:
    """The receipt of an operation. `at`: an ISO 8601 instant."""
    said: dict[str, Any] = {"op_id": op_id, "status": "", "at": at}
    match outcome:
        case Applied(identity, stored, version, found, current):
            said |= {"status": Status.APPLIED, "id": identity, "stored": stored, "version": version, "found": found}
            said |= {"current": current}
        case Stale(identity, found, version):
            said |= {"status": Status.STALE, "id": identity, "found": found, "version": version}
        case Gone(identity):
            said |= {"status": Status.GONE, "id": identity}
        case Rejected(fault):
            said |= {"status": Status.REJECTED, "error": _error(fault)}
        case Failed(fault):
            said |= {"status": Status.FAILED, "error": _error(fault)}
        case Skipped(reason, identity, found):
            error = {"class": "Skipped", "message": reason}
            said |= {"status": Status.SKIPPED, "id": identity, "found": found, "error": error}
        case _:
            assert_never(outcome)
    return {name: value for name, value in said.items() if value is not None and value != {}}


def _error(fault: Fault) -> dict[str, Any]:
    return {"class": fault.name, "status": fault.status, "message": fault.message}
