"""The sink: operations in the order in which they depend on one another, and rows of ordinary taps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING

from tap_tryton.api import NotAuthorized, TrytonError
from target_kit import Kind, Operation, OperationSink, Outcome, Rejected, Row, SettingsError, TargetError
from target_tryton.changes import Changes
from target_tryton.creates import Creates
from target_tryton.records import Outcomes, Records, outage
from target_tryton.rows import Rows
from target_tryton.settings import StreamSettings

if TYPE_CHECKING:
    from target_tryton.target import TargetTryton

_AT_ONCE = 200
"""Records that are collected before they are written and acknowledged."""


class ModelSink(OperationSink):
    """The records of one model."""

    target: TargetTryton

    @property
    def max_size(self) -> int:
        """Records that are written at once."""
        return min(_AT_ONCE, int(self.target.config.get("batch_size_rows") or _AT_ONCE))

    @cached_property
    def settings(self) -> StreamSettings:
        """How this stream is written."""
        return StreamSettings.of(self.target.config, self.stream_name)

    @cached_property
    def _records(self) -> Records:
        model, key = self.settings.model, tuple(self.key_properties)
        return Records(self.target.tryton, model, key, self.target.place_of(model), self.target.archived_is_deleted)

    @cached_property
    def _rows_of(self) -> Rows:
        try:
            fields = self.target.tryton.model(self.settings.model).fields
        except TrytonError as error:
            raise TargetError(error.message, hint=error.hint) from error
        if self.settings.match not in fields:
            raise SettingsError(
                f"`streams.{self.stream_name}.match`: {self.settings.model} has no field {self.settings.match!r}",
                hint=f"it has {', '.join(sorted(name for name, each in fields.items() if each.searchable))}",
            )
        return Rows(self.target.tryton, self.settings)

    def operate(self, operations: Sequence[Operation]) -> Iterable[Outcome]:
        """Do what the reconciler asks: runs of one kind, each after the one before."""
        outcomes: Outcomes = {}
        try:
            for kind, some in groupby(operations, lambda op: op.kind):
                does = Creates(self._records) if kind is Kind.CREATE else Changes(self._records)
                outcomes |= does.carry_out(list(some))
        except NotAuthorized as error:
            raise TargetError(error.message, hint=error.hint) from error
        except TrytonError as error:
            outcomes = {op.op_id: outage(error) for op in operations} | outcomes
        return [outcomes[op.op_id] for op in operations]

    def load(self, rows: Sequence[Row]) -> Iterator[tuple[Row, Rejected]]:
        """Write the records of an ordinary tap."""
        known = set(self._rows_of.ignored)
        yield from self._rows_of.write(rows)
        if new := sorted(self._rows_of.ignored - known):
            self.logger.warning(
                "%s: left out, since %s has no such field, or Tryton alone sets it: %s",
                self.stream_name,
                self.settings.model,
                ", ".join(new),
            )
