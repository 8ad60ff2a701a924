"""The reconciler's operations on records that are there: look, compare, write what differs, look again.

| operation | calls for fifty over JSON-RPC                                          | over REST           |
|-----------|------------------------------------------------------------------------|---------------------|
| update    | one look to compare with `expect`; one write of what differs; one look | a write per record  |
| delete    | one look to compare with `expect`; one delete                          | a delete per record |
| archive   | as an update of `active`                                               | a write per record  |

Over JSON-RPC each write is bound to the `_timestamp` that the look found: if anybody modified the record in between,
Tryton refuses, and the record is looked at and compared anew. Over REST there is no such bond: an edit in the moment
between look and write is overwritten.

A call is one transaction: refused for one row, it has written none. It is then made again in halves, until the row to
blame stands alone with its receipt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from tap_tryton.api import STAMP, Changed, MaybeApplied, NotAuthorized, ServerFault, Shown, TrytonError
from target_kit import Applied, Fault, Gone, Kind, Operation, Outcome, Rejected, Stale
from target_kit import split_on_error as split
from target_tryton.records import ATTEMPTS, ONE_ROW, Outcomes, Records, id_of, outage, row_fault

Seen: TypeAlias = tuple[Operation, Shown]
"""An operation, and its record as the look found it."""


@dataclass(slots=True)
class Changes:
    """Updates, archives or deletes some records. `written`: those that must be read back; `unsure`: perhaps done."""

    records: Records
    outcomes: Outcomes = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)

    def carry_out(self, operations: Sequence[Operation]) -> Outcomes:
        """One outcome per operation. Raises `NotAuthorized`."""
        self.outcomes, waiting = self.records.convertible(operations)
        ended: TrytonError = Unsettled()
        for attempt in range(ATTEMPTS):
            if not waiting:
                break
            self.records.pause(attempt)
            try:
                self._send(self._look(waiting))
            except MaybeApplied as error:
                ended = error
                self.unsure |= {op.op_id for op in waiting}
            except NotAuthorized:
                raise
            except ServerFault as error:
                return self.outcomes | {op.op_id: row_fault(op, error) for op in self._open(waiting)}
            except TrytonError as error:
                ended = error
                break
            waiting = self._open(waiting)
        waiting = self._open(waiting)
        self.outcomes |= self.records.read_back(operations, self.written)
        return self.outcomes | {op.op_id: outage(ended) for op in waiting}

    def _open(self, operations: Sequence[Operation]) -> list[Operation]:
        """Those that are not done: their record was modified in between, or nobody knows."""
        return [op for op in operations if op.op_id not in self.outcomes and op.op_id not in self.written]

    def _look(self, operations: Sequence[Operation]) -> list[Seen]:
        """What is to be written, by what is there now."""
        there = self.records.look([id_of(op) for op in operations], operations)
        ready: list[Seen] = []
        for op in operations:
            shown = there.get(id_of(op))
            early = self._compared(op, shown)
            if early is not None:
                self.outcomes[op.op_id] = early
            elif shown is not None:
                ready.append((op, shown))
        return ready

    def _compared(self, op: Operation, there: Shown | None) -> Outcome | None:
        """Why the operation ends here; None if it is to be written."""
        key, values = self.records.key_of(id_of(op)), self.records.values
        if there is None or self.records.is_gone(there):
            return Applied(key) if op.kind is Kind.DELETE and op.op_id in self.unsure else Gone(key)
        if values.differs(op.expect, op.values, there):
            return Stale(key, values.shown(there, {*op.expect, *op.values}), str(there[STAMP]))
        if op.kind is Kind.UPDATE and not values.changed(op.values, there):
            return self.records.applied(op, id_of(op), there)
        if op.extra.get("archive") and "active" not in there:
            words = f"{self.records.model} has no field `active`: its records cannot be archived, only deleted"
            return Rejected(Fault("NoArchive", words, 400))
        return None

    # ---- writing

    def _send(self, ready: Sequence[Seen]) -> None:
        deletes = [(op, shown) for op, shown in ready if op.kind is Kind.DELETE and not op.extra.get("archive")]
        doomed = {op.op_id for op, _ in deletes}
        self._in_batches([(op, shown) for op, shown in ready if op.op_id not in doomed], self._write)
        self._in_batches(deletes, self._delete)

    def _in_batches(self, work: Sequence[Seen], does: Callable[[Sequence[Seen]], list[Outcome | None]]) -> None:
        size = self.records.tryton.session.writes_at_once
        for start in range(0, len(work), size):
            batch = work[start : start + size]
            answers = split(batch, does, ONE_ROW, _answer)
            found = zip(batch, answers, strict=True)
            self.outcomes |= {op.op_id: answer for (op, _), answer in found if answer is not None}

    def _write(self, some: Sequence[Seen]) -> list[Outcome | None]:
        values, records = self.records.values, self.records
        changes = [
            (id_of(op), {"active": False} if op.kind is Kind.DELETE else values.changed(op.values, shown))
            for op, shown in some
        ]
        records.tryton.session.write(records.model, changes, _stamps(some))
        self.written |= {op.op_id: id_of(op) for op, _ in some}
        return [None] * len(some)

    def _delete(self, some: Sequence[Seen]) -> list[Outcome | None]:
        stamps = _stamps(some)
        self.records.tryton.session.delete(self.records.model, list(stamps), stamps)
        return [Applied(self.records.key_of(id_of(op))) for op, _ in some]


class Unsettled(TrytonError):
    """The record is modified all the time: no look was followed by a write."""

    def __init__(self) -> None:
        super().__init__(f"the record was modified before each of {ATTEMPTS} writes", hint="it is tried again later")


def _stamps(some: Sequence[Seen]) -> dict[int, str]:
    return {id_of(op): str(shown[STAMP]) for op, shown in some}


def _answer(item: Seen, error: Exception) -> Outcome | None:
    """A record that was modified in between is looked at again; anything else is the row's own."""
    return None if isinstance(error, Changed) else row_fault(item, error)
