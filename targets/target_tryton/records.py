"""The records of one model as operations need them: looked at, named by their key, and shown as they were stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tap_tryton.api import (
    REPLACED,
    STAMP,
    Changed,
    MaybeApplied,
    NotAuthorized,
    NotConvertible,
    Refused,
    ServerFault,
    Shown,
    Tryton,
    TrytonError,
)
from target_kit import Applied, Failed, Fault, Kind, Operation, Outcome, Rejected
from target_tryton.settings import Place
from target_tryton.values import Values

ATTEMPTS = 5
_PAUSE = 0.3
"""Seconds before a write of unknown fate is looked for, growing with each attempt."""

ONE_ROW = (Refused, ServerFault, Changed)
"""Errors that may be due to a single row of a call."""

Outcomes: TypeAlias = dict[str, Outcome]
"""By the id of the operation."""


@dataclass(frozen=True, slots=True)
class Records:
    """The records of one model. `place`: where the key of a link is kept; `key`: the key columns of the stream."""

    tryton: Tryton
    model: str
    key: tuple[str, ...]
    place: Place | None
    archived_is_deleted: bool = True

    @property
    def values(self) -> Values:
        """The fields of the model."""
        return Values(self.tryton.model(self.model))

    def convertible(self, operations: Sequence[Operation]) -> tuple[Outcomes, list[Operation]]:
        """Operations with a value or an id that Tryton would not take are rejected here; the other ones."""
        outcomes: Outcomes = {}
        for op in operations:
            if (wrong := self._wrong(op)) is not None:
                outcomes[op.op_id] = Rejected(Fault("NotConvertible", wrong, 400))
        return outcomes, [op for op in operations if op.op_id not in outcomes]

    def _wrong(self, op: Operation) -> str | None:
        place = self.place
        if op.kind is Kind.CREATE and place is not None and op.values.get(place.children or place.field):
            return f"{place}: it holds the key of the link; name another field in `keys`"
        try:
            if op.kind is not Kind.CREATE:
                id_of(op)
            self.values.checked(op.values)
        except NotConvertible as error:
            return str(error)
        return None

    def look(self, ids: Sequence[int], operations: Sequence[Operation]) -> dict[int, Shown]:
        """The records that are there, by id, with the fields that the operations speak of."""
        known = self.tryton.model(self.model).fields
        asked = {name for op in operations for name in (*op.expect, *op.values)} | {"active", REPLACED}
        return self.tryton.read(self.model, ids, sorted({"id", STAMP, *(asked & set(known))})) if ids else {}

    def is_gone(self, there: Shown) -> bool:
        """Whether the tap tells this record as gone: merged, or archived if that counts as deleted."""
        inactive = "active" in there and not there["active"]
        return inactive and (self.archived_is_deleted or bool(there.get(REPLACED)))

    def read_back(self, operations: Sequence[Operation], written: Mapping[str, int]) -> Outcomes:
        """What was written, with the values as they were stored; without them if they cannot be read."""
        done = [op for op in operations if op.op_id in written]
        try:
            there = self.look([written[op.op_id] for op in done], done)
        except NotAuthorized:
            raise
        except TrytonError:
            there = {}
        return {op.op_id: self.applied(op, written[op.op_id], there.get(written[op.op_id])) for op in done}

    def applied(self, op: Operation, key: int, shown: Shown | None) -> Applied:
        """The outcome of an operation that is written."""
        if shown is None:
            return Applied(self.key_of(key))
        return Applied(self.key_of(key), self.values.shown(shown, op.values), str(shown[STAMP]))

    def key_of(self, key: int) -> dict[str, int]:
        """The key of a record, by column."""
        return dict.fromkeys(self.key or ("id",), key)

    def pause(self, attempt: int) -> None:
        """Wait before another attempt."""
        if attempt:
            self.tryton.session.sleep(_PAUSE * attempt)


def id_of(op: Operation) -> int:
    """The id of an operation's record. Raises `NotConvertible`."""
    value = next(iter(op.key.values()), "")
    try:
        return int(str(value))
    except ValueError:
        raise NotConvertible(f"{value!r} is no id of Tryton: these are whole numbers") from None


def row_fault(item: object, error: Exception) -> Outcome:
    """What an error means for the one row that it is due to."""
    del item
    words = error.message if isinstance(error, TrytonError) else str(error)
    if isinstance(error, ServerFault | Changed):  # by whose fault is unknown: tried for a while, then a person looks
        return Failed(Fault(type(error).__name__, words))
    hint = error.hint if isinstance(error, TrytonError) else ""
    return Rejected(Fault("Refused", f"{words} ({hint})" if hint else words, 400))


def outage(error: TrytonError) -> Outcome:
    """What an error that stops a whole call means for each of its rows."""
    status = 504 if isinstance(error, MaybeApplied) else 503
    return Failed(Fault(type(error).__name__, error.message, status))
