"""The sink: operations in the order in which they depend on one another, and rows of ordinary taps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING

from tap_kit import in_batches
from tap_salesforce.api import SalesforceError, SObject
from target_kit import Operation, OperationSink, Outcome, Rejected, Row, SettingsError, TargetError
from target_salesforce.batches import Batches, Writer
from target_salesforce.bulk import Bulk
from target_salesforce.operations import Operations
from target_salesforce.records import Outcomes, Records
from target_salesforce.rows import Rows
from target_salesforce.settings import StreamSettings

if TYPE_CHECKING:
    from target_salesforce.target import TargetSalesforce


_COLLECTED = 100_000
"""Records that one job writes at most, and that wait in memory until then."""

_LOOKED_AT = 2000
"""Records that one look shows; by collections no more are written before the next look."""


class ObjectSink(OperationSink):
    """The records of one object."""

    target: TargetSalesforce

    @property
    def max_size(self) -> int:
        """Records that are collected before they are written and acknowledged."""
        return int(self.target.config.get("batch_size_rows") or _COLLECTED)

    @cached_property
    def settings(self) -> StreamSettings:
        """How this stream is written."""
        return StreamSettings.of(self.target.config, self.stream_name)

    @cached_property
    def object(self) -> SObject:
        """The object, as the org describes it."""
        try:
            return self.target.org.describe(self.settings.object)
        except SalesforceError as error:
            raise TargetError(error.message, hint=error.hint) from error

    @cached_property
    def _records(self) -> Records:
        return Records(self.target.org, self.object, self.target.link_field, tuple(self.key_properties))

    def _writer(self, number: int) -> Writer:
        """The way to write so many records."""
        return self._bulk if self.target.takes_bulk(number) else self._bulk.small

    @cached_property
    def _bulk(self) -> Bulk:
        conditional = int(self.target.config["conditional_up_to"])
        small = Batches(self.target.org, self.object, self.target.write_headers, conditional)
        return Bulk(self.target.org, self.object, small)

    @cached_property
    def _rows_of(self) -> Rows:
        if self.settings.match not in self.object.fields:
            raise SettingsError(
                f"`streams.{self.stream_name}.match`: {self.object.name} has no field {self.settings.match!r}",
                hint="name one that it has, in upper and lower case as Salesforce writes it",
            )
        return Rows(self._records, self.settings, self._bulk.purge)

    def refers_to(self, other: ObjectSink) -> bool:
        """Whether records of this object may refer to those of another, which must be there first."""
        return any(other.object.name in each.refers_to for each in self.object.fields.values())

    def operate(self, operations: Sequence[Operation]) -> Iterable[Outcome]:
        """Do what the reconciler asks: runs of one kind, each after the one before."""
        outcomes: Outcomes = {}
        for _, some in groupby(operations, lambda op: op.kind):
            run = list(some)
            writer = self._writer(len(run))
            for part in in_batches(run, len(run) if isinstance(writer, Bulk) else _LOOKED_AT):
                outcomes |= Operations(self._records, writer).carry_out(part)
        return [outcomes[op.op_id] for op in operations]

    def load(self, rows: Sequence[Row]) -> Iterator[tuple[Row, Rejected]]:
        """Write the records of an ordinary tap, after those that they may refer to."""
        self.target.drain_parents_of(self)
        known = set(self._rows_of.ignored)
        yield from self._rows_of.write(rows, self._writer(len(rows)))
        if new := sorted(self._rows_of.ignored - known):
            self.logger.warning(
                "%s: left out, since %s has no such field, or it cannot be written: %s",
                self.stream_name,
                self.object.name,
                ", ".join(new),
            )
