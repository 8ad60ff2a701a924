"""The sink of one stream: collects work, hands it over in batches, and sees to it that every outcome is recorded."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from singer_sdk import Sink

from target_kit.errors import NoKey, TargetError
from target_kit.lines import encode
from target_kit.operations import Operation, Row, Work
from target_kit.outcomes import Outcome, Rejected

if TYPE_CHECKING:
    from target_kit.target import OperationTarget


class OperationSink(Sink):
    """Writes one stream. Subclasses say how; collecting, receipts and refused rows are seen to here.

    A batch holds operations or rows, never both, and no two operations of one record.
    An exception out of `operate` or `load` ends the run: what was written without a receipt is asked for again.
    """

    target: OperationTarget

    def __init__(
        self, target: OperationTarget, stream_name: str, schema: dict[str, Any], key_properties: Sequence[str] | None
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self.target = target
        self._operations: list[Operation] = []
        self._rows: list[Row] = []
        self._busy: set[bytes] = set()

    @abc.abstractmethod
    def operate(self, operations: Sequence[Operation]) -> Iterable[Outcome]:
        """Do what the reconciler asks; one outcome per operation, in their order."""

    @abc.abstractmethod
    def load(self, rows: Sequence[Row]) -> Iterable[tuple[Row, Rejected]]:
        """Write the records of an ordinary tap, the later ones over the earlier; those that the system refuses."""

    # ---- collecting

    def must_drain_before(self, work: Work) -> bool:
        """Whether what waits must be written first: work of the other sort, or an operation of the same record."""
        if isinstance(work, Row):
            return bool(self._operations)
        waiting_rows = self.current_size > len(self._operations)
        return waiting_rows or not self._busy.isdisjoint(_records(work))

    def take(self, work: Work) -> None:
        """Collect one piece of work."""
        if isinstance(work, Row):
            self.collect(work)
        else:
            self._operations.append(work)
            self._busy.update(_records(work))
        self.tally_record_read()

    def collect(self, row: Row) -> None:
        """Keep a row for `write_collected`; a sink that batches rows in a form of its own overrides both."""
        self._rows.append(row)

    def write_collected(self) -> Iterable[tuple[Row, Rejected]]:
        """Write the rows that were collected; those that the system refuses."""
        rows, self._rows = self._rows, []
        return self.load(rows) if rows else ()

    def has_operations(self) -> bool:
        """Whether operations of the reconciler wait here."""
        return bool(self._operations)

    def require_key(self, record: Mapping[str, Any], where: str) -> None:
        """Raise `NoKey` unless the record has all values of its key."""
        for name in self.key_properties:
            if record.get(name) is None:
                raise NoKey(
                    f"{where}: a record of {self.stream_name!r} has no value for its key column {name!r}",
                    hint="the tap is at fault: `key_properties` of the SCHEMA names columns that every record has",
                )

    # ---- delivering

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Collect a plain record; the SDK's own way in."""
        del context
        self.take(Row(record))

    def process_batch(self, context: dict[str, Any]) -> None:
        """Write all that was collected."""
        del context
        self.record_counter_metric.increment(self.current_size)
        operations, self._operations = self._operations, []
        self._busy.clear()
        if operations:
            outcomes = list(self.operate(operations))
            if len(outcomes) != len(operations):
                raise TargetError(
                    f"this is a fault in {self.target.name}: {len(outcomes)} outcomes for {len(operations)} operations"
                )
            for operation, outcome in zip(operations, outcomes, strict=True):
                self.target.record_outcome(self.stream_name, operation, outcome)
        for row, rejected in self.write_collected():
            self.target.record_refusal(self, row, rejected)


def _records(operation: Operation) -> tuple[bytes, ...]:
    """By what names an operation's record is known."""
    names = [b"sync_key " + operation.sync_key.encode()]
    if operation.key:
        names.append(b"key " + encode(sorted(operation.key.items())))
    return tuple(names)
