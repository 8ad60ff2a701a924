"""The sink: operations in the order in which they depend on one another, and rows of ordinary taps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any

from tap_salesforce.api import SalesforceError
from target_kit import Operation, OperationSink, Outcome, Rejected, Row, SettingsError, TargetError
from target_salesforce.batches import MOST
from target_salesforce.operations import Operations
from target_salesforce.records import KEY, Outcomes, Records
from target_salesforce.rows import Rows

if TYPE_CHECKING:
    from target_salesforce.target import TargetSalesforce


class ObjectSink(OperationSink):
    """The records of one object."""

    target: TargetSalesforce

    @property
    def max_size(self) -> int:
        """Records that are written at once."""
        return min(MOST, int(self.target.config.get("batch_size_rows") or MOST))

    @property
    def _settings(self) -> Mapping[str, Any]:
        return (self.target.config.get("streams") or {}).get(self.stream_name) or {}

    @cached_property
    def _records(self) -> Records:
        try:
            known = self.target.org.describe(str(self._settings.get("object") or self.stream_name))
        except SalesforceError as error:
            raise TargetError(error.message, hint=error.hint) from error
        return Records(self.target.org, known, self.target.link_field, tuple(self.key_properties))

    @cached_property
    def _rows_of(self) -> Rows:
        match = str(self._settings.get("match") or KEY)
        if match not in self._records.object.fields:
            raise SettingsError(
                f"`streams.{self.stream_name}.match`: {self._records.object.name} has no field {match!r}",
                hint="name one that it has, in upper and lower case as Salesforce writes it",
            )
        return Rows(self._records, match)

    def operate(self, operations: Sequence[Operation]) -> Iterable[Outcome]:
        """Do what the reconciler asks: runs of one kind, each after the one before."""
        outcomes: Outcomes = {}
        for _, some in groupby(operations, lambda op: op.kind):
            outcomes |= Operations(self._records).carry_out(list(some))
        return [outcomes[op.op_id] for op in operations]

    def load(self, rows: Sequence[Row]) -> Iterator[tuple[Row, Rejected]]:
        """Write the records of an ordinary tap."""
        known = set(self._rows_of.ignored)
        yield from self._rows_of.write(rows)
        if new := sorted(self._rows_of.ignored - known):
            self.logger.warning(
                "%s: left out, since %s has no such field, or it cannot be written: %s",
                self.stream_name,
                self._records.object.name,
                ", ".join(new),
            )
