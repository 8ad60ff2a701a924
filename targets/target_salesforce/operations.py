"""The reconciler's operations: look, compare, write what differs, look again.

| operation | requests for two hundred                                                                   |
|-----------|--------------------------------------------------------------------------------------------|
| create    | a look for the keys of the links; one collection; a look at what was stored, or refused    |
| update    | a look to compare with `expect`; one collection of what differs; a look at what was stored |
| delete    | a look to compare with `expect`; one collection                                            |

A few updates are made on condition that the record was not modified since the look; of many an edit in the moment
between look and write is overwritten, since collections and jobs know no condition. A write of which nobody knows
whether it was done is looked for before it is made again: a create by the key of its link, which is unique.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

from tap_salesforce.api import DELETED, MaybeApplied, SalesforceError
from tap_salesforce.api.org import Shown
from target_kit import Applied, Failed, Fault, Gone, Kind, Operation, Outcome, Rejected
from target_salesforce.batches import COMPOSED, MOST, Changed, Done, Result, Writer, outage
from target_salesforce.records import MODIFIED, RETRIEVED, Outcomes, Records, id_of
from target_salesforce.settings import KEY

JOB = 7
"""Requests of a job: made, filled, closed, looked at two or three times, and one list of results."""

_ATTEMPTS = 4
_PAUSE = 0.5
"""Seconds before a write of unknown fate is looked for, growing with each attempt."""


def requests(numbers: Mapping[Kind, int], few: int, takes_bulk: Callable[[int], bool]) -> int:
    """The requests that so many operations of each kind take, if nothing goes wrong.

    `few`: how many updates are made on condition; `takes_bulk`: whether a job writes so many records.
    """

    def writes(number: int, most: int = MOST) -> int:
        return JOB if takes_bulk(number) else ceil(number / most)

    total = 0
    for kind, number in numbers.items():
        looks = 1 if kind is Kind.CREATE else ceil(number / RETRIEVED)
        shown = 0 if kind is Kind.DELETE else ceil(number / RETRIEVED)
        on_condition = kind is Kind.UPDATE and number <= few
        total += looks + writes(number, COMPOSED if on_condition else MOST) + shown if number else 0
    return total


@dataclass(slots=True)
class Operations:
    """Carries out operations of one kind.

    `written`: ids of the records that must be read back, by operation; `stuck`: what an operation comes to that is
    still open after the last attempt; `unsure`: operations that may have been carried out.
    """

    records: Records
    writer: Writer
    outcomes: Outcomes = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    stuck: Outcomes = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)

    def carry_out(self, operations: Sequence[Operation]) -> Outcomes:
        """One outcome per operation. Raises `TargetError` if the settings are wrong."""
        self.outcomes, waiting = self.records.convertible(operations)
        for attempt in range(_ATTEMPTS):
            if not waiting:
                break
            if attempt:
                self.records.org.session.pause(_PAUSE * attempt)
            try:
                self._attempt(waiting)
            except MaybeApplied as error:
                self.unsure |= {op.op_id for op in waiting}
                self.stuck |= {op.op_id: outage(error) for op in self._open(waiting)}
            except SalesforceError as error:
                self.outcomes |= {op.op_id: outage(error) for op in self._open(waiting)}
            waiting = self._open(waiting)
        self.outcomes |= {op.op_id: self.stuck[op.op_id] for op in waiting}
        self._read_back(operations)
        return self.outcomes

    def _open(self, operations: Sequence[Operation]) -> list[Operation]:
        return [op for op in operations if op.op_id not in self.outcomes and op.op_id not in self.written]

    def _attempt(self, operations: Sequence[Operation]) -> None:
        match operations[0].kind:
            case Kind.CREATE:
                self._create(operations)
            case Kind.UPDATE:
                self._update(operations)
            case Kind.DELETE:
                self._delete(operations)

    # ---- creates

    def _create(self, operations: Sequence[Operation]) -> None:
        records = self.records
        if not records.has_link:
            words = (
                f"{records.object.name} has no field {records.link} that is a unique external id, without which a "
                "create could be done twice: run `antiphon doctor --fix`, or `target-salesforce --check --fix`"
            )
            self.outcomes |= {op.op_id: Failed(Fault("NoKeyField", words, 503)) for op in operations}
            return
        surely = any(op.op_id in self.unsure or op.sent_before is not None for op in operations)
        made = self._made(operations, surely=surely)
        new = [op for op in operations if op.op_id not in made]
        self.outcomes |= made
        rows = [{**records.to_send(op.values, creating=True), records.link: op.sync_key} for op in new]
        results = self.writer.create(rows, records.link) if rows else []
        told = dict(zip((op.op_id for op in new), results, strict=True))
        refused = [op for op in new if isinstance(told[op.op_id], Rejected)]
        others = [op for op in new if not isinstance(told[op.op_id], Rejected)]
        self._note(others, [told[op.op_id] for op in others])
        self.outcomes |= self._made(refused, surely=True)  # the record that was made before may be why: its key, a rule
        left = self._open(refused)
        self._note(left, [told[op.op_id] for op in left])

    def _made(self, operations: Sequence[Operation], *, surely: bool) -> Outcomes:
        """Outcomes of creates whose record was made before."""
        names = {name for op in operations for name in op.values}
        there = self.records.linked([op.sync_key for op in operations], names, surely=surely) if operations else {}
        return {op.op_id: self._made_before(op, there[op.sync_key]) for op in operations if op.sync_key in there}

    def _made_before(self, op: Operation, shown: Shown) -> Outcome:
        if shown.get(DELETED):
            return Gone(self.records.key_of(str(shown[KEY])))
        writable = {name: value for name, value in op.values.items() if self.records.is_writable(name, creating=False)}
        return (
            self.records.stale(op, shown) if self.records.changed(writable, shown) else self.records.applied(op, shown)
        )

    # ---- updates and deletes

    def _compared(self, operations: Sequence[Operation]) -> list[tuple[Operation, Shown]]:
        """Those that are to be written, with what is there."""
        there = self.records.by_id(operations, {op.op_id: id_of(op) for op in operations})
        ready = []
        for op in operations:
            shown = there.get(id_of(op))
            if shown is None:
                done = op.kind is Kind.DELETE and op.op_id in self.unsure
                key = self.records.key_of(id_of(op))
                self.outcomes[op.op_id] = Applied(key) if done else Gone(key)
            elif self.records.differs(op, shown):
                self.outcomes[op.op_id] = self.records.stale(op, shown)
            else:
                ready.append((op, shown))
        return ready

    def _update(self, operations: Sequence[Operation]) -> None:
        changes: dict[str, Mapping[str, object]] = {}
        ready, seen = [], {}
        for op, shown in self._compared(operations):
            changed = self.records.changed(op.values, shown)
            if changed:
                ready.append(op)
                changes[op.op_id] = {KEY: id_of(op), **changed}
                seen[id_of(op)] = str(shown.get(MODIFIED) or "")
            else:
                self.outcomes[op.op_id] = self.records.applied(op, shown)
        self._note(ready, self.writer.update([changes[op.op_id] for op in ready], seen) if ready else [])

    def _delete(self, operations: Sequence[Operation]) -> None:
        ready = [op for op, _ in self._compared(operations)]
        results = self.writer.delete([id_of(op) for op in ready]) if ready else []
        for op, result in zip(ready, results, strict=True):
            if isinstance(result, Done):
                self.outcomes[op.op_id] = Applied(self.records.key_of(id_of(op)))
            else:
                self._note([op], [result])

    # ---- after the write

    def _note(self, operations: Sequence[Operation], results: Sequence[Result]) -> None:
        for op, result in zip(operations, results, strict=True):
            match result:
                case Done(key):
                    self.written[op.op_id] = key
                case Changed():
                    words = f"{self.records.object.name} {id_of(op)} is modified again and again while it is written"
                    self.stuck[op.op_id] = Failed(Fault("Modified", words, 503))
                case Gone():
                    self.outcomes[op.op_id] = Gone(self.records.key_of(id_of(op)))
                case _:
                    self.outcomes[op.op_id] = result

    def _read_back(self, operations: Sequence[Operation]) -> None:
        """Add what was written, with the values as they were stored; without them if they cannot be read."""
        done = [op for op in operations if op.op_id in self.written]
        try:
            there = self.records.by_id(done, self.written) if done else {}
        except SalesforceError:
            there = {}  # it is written all the same: the next read of the tap tells the values
        for op in done:
            shown = there.get(self.written[op.op_id])
            key = self.records.key_of(self.written[op.op_id])
            self.outcomes[op.op_id] = Applied(key) if shown is None else self.records.applied(op, shown)
