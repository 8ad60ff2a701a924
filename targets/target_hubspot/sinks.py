"""The sinks: work into batches, several under way at once, outcomes back in the order of the work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tap_hubspot.api import BATCH, HubSpot, HubSpotError
from tap_hubspot.api.types import ASSOCIATION_WRITE, pair_of
from target_hubspot.batches import outage
from target_hubspot.operations import Operations, requests
from target_hubspot.pairs import Associations, Fate, Members, Pair, Pairs
from target_hubspot.rows import Rows
from target_hubspot.settings import Mode, StreamSettings
from target_kit import Applied, Kind, Operation, OperationSink, Outcome, Rejected, Row, SettingsError, TargetError

if TYPE_CHECKING:
    from target_hubspot.target import TargetHubSpot

_AT_ONCE = 2000
"""Records that are collected before they are written and acknowledged."""


class HubSpotSink(OperationSink):
    """What the sinks of this target share."""

    target: TargetHubSpot

    @property
    def max_size(self) -> int:
        """Records that are written at once."""
        return min(_AT_ONCE, int(self.target.config.get("batch_size_rows") or _AT_ONCE))

    @property
    def hubspot(self) -> HubSpot:
        """The account."""
        return self.target.hubspot

    @cached_property
    def settings(self) -> StreamSettings:
        """How this stream is written."""
        return StreamSettings.of(self.target.config, self.stream_name)

    def announce(self, number: int, calls: int) -> None:
        """Say beforehand how many calls it takes and how long, and if the calls left for today will not do."""
        try:
            self.hubspot.account()
        except HubSpotError as error:
            outage(error)
            return
        limiter = self.hubspot.session.limiter
        minutes = limiter.minutes(calls)
        if number > BATCH:  # of fewer nobody has to wait for the end
            self.logger.info(
                "%s: %d operations need about %d calls, %.1f minutes at HubSpot's pace",
                self.stream_name,
                number,
                calls,
                minutes,
            )
        if limiter.daily_left is not None and limiter.daily_left < calls:
            self.logger.warning(
                "%s: about %d calls are needed, and HubSpot leaves %d of %d for today: what does not go out is tried "
                "again in a later run",
                self.stream_name,
                calls,
                limiter.daily_left,
                limiter.daily or 0,
            )


class RecordSink(HubSpotSink):
    """Records of one object type."""

    @cached_property
    def _operations_of(self) -> Operations:
        verify = bool(self.target.config.get("verify", True))
        key = tuple(self.key_properties)
        return Operations(self.hubspot, self.settings.object, key, self.target.sync_key, verify)

    @cached_property
    def _rows_of(self) -> Rows:
        settings = self.settings
        if settings.mode in {Mode.ADD, Mode.REMOVE}:
            raise SettingsError(
                f"`streams.{self.stream_name}.mode` is {settings.mode.value}, which is for associations and lists",
                hint="use insert, update, upsert or mirror; or name the `list` that the stream fills",
            )
        if settings.match != "id" and settings.match not in self.hubspot.properties(settings.object):
            raise SettingsError(
                f"`streams.{self.stream_name}.match` is {settings.match!r}, which {settings.object} does not have",
                hint="name a property, or `id`",
            )
        return Rows(self.hubspot, settings)

    def operate(self, operations: Sequence[Operation]) -> Iterable[Outcome]:
        """Do what the reconciler asks."""
        does = self._operations_of
        work: dict[Kind, Callable[[Sequence[Operation]], dict[str, Outcome]]] = {
            Kind.CREATE: does.create,
            Kind.UPDATE: does.update,
            Kind.DELETE: does.delete,
        }
        jobs: list[tuple[Kind, Sequence[Operation]]] = []
        for kind in Kind:
            some = [op for op in operations if op.kind is kind]
            jobs += [(kind, some[n : n + BATCH]) for n in range(0, len(some), BATCH)]
        self.announce(len(operations), requests(Counter(op.kind for op in operations)))
        try:
            does.hubspot.properties(does.name)
        except HubSpotError as error:
            failed = outage(error)
            return [failed for _ in operations]
        outcomes: dict[str, Outcome] = {}
        with ThreadPoolExecutor(self.target.workers) as workers:
            for found in workers.map(lambda job: work[job[0]](job[1]), jobs):
                outcomes |= found
        return [outcomes[op.op_id] for op in operations]

    def load(self, rows: Sequence[Row]) -> Iterator[tuple[Row, Rejected]]:
        """Write the records of an ordinary tap."""
        try:
            writer = self._rows_of
        except HubSpotError as error:
            raise TargetError(error.message, hint=error.hint) from error
        known = set(writer.ignored)
        yield from writer.write(rows, self.target.workers)
        if new := sorted(writer.ignored - known - {"id"}):
            self.logger.warning(
                "%s: left out, since %s has no such property, or HubSpot alone sets it: %s",
                self.stream_name,
                self.settings.object,
                ", ".join(new),
            )


class PairSink(HubSpotSink):
    """Associations of two object types, or members of static lists."""

    @cached_property
    def _ends(self) -> tuple[str, str]:
        if self._is_list:
            return ("list_id", "record_id")
        return ("from_id", "to_id")

    @property
    def _is_list(self) -> bool:
        return self.settings.list is not None or self.settings.object == "list_memberships"

    @cached_property
    def _pairs(self) -> Pairs:
        if self._is_list:
            return Members(self.hubspot)
        from_type, to_type = pair_of(self.settings.object) or ("", "")
        return Associations(self.hubspot, from_type, to_type)

    def _pair(self, record: Any) -> Pair:
        first, second = self._ends
        start = self.settings.list if self.settings.list is not None else record.get(first)
        end = record.get(second)
        if start is None or end is None:
            raise TargetError(
                f"{self.stream_name}: a record needs {first} and {second}, found are {', '.join(sorted(record))}",
                hint=f"name the columns so, as tap-hubspot's stream {self.settings.object} does",
            )
        kind = record.get("type_id")
        return str(start), str(end), None if kind is None else int(kind)

    def operate(self, operations: Sequence[Operation]) -> Iterable[Outcome]:
        """Make and part pairs as the reconciler asks."""
        pairs = {op.op_id: self._pair({**op.values, **op.key}) for op in operations}
        fates = self._write(
            [pairs[op.op_id] for op in operations if op.kind is not Kind.DELETE],
            [pairs[op.op_id] for op in operations if op.kind is Kind.DELETE],
        )
        for op in operations:
            fate = fates[pairs[op.op_id]]
            yield fate if fate is not None else Applied(self._key_of(op, pairs[op.op_id]))

    def load(self, rows: Sequence[Row]) -> Iterator[tuple[Row, Rejected]]:
        """Add or remove pairs by the stream's mode; with mirror, deleted rows are removed."""
        mode = self.settings.mode
        add = [] if mode is Mode.REMOVE else [self._pair(row.record) for row in rows if not row.deleted]
        gone = [
            row for row in rows if (mode is Mode.REMOVE and not row.deleted) or (mode is Mode.MIRROR and row.deleted)
        ]
        fates = self._write(add, [self._pair(row.record) for row in gone])
        for row in rows:
            fate = fates.get(self._pair(row.record))
            if isinstance(fate, Rejected):
                yield row, fate
            elif fate is not None:
                raise TargetError(fate.fault.message, hint="run again: what was not written is sent again")

    def _write(self, add: Sequence[Pair], remove: Sequence[Pair]) -> dict[Pair, Fate]:
        fates: dict[Pair, Fate] = {}
        for does, pairs in ((self._pairs.add, add), (self._pairs.remove, remove)):
            unique = [*dict.fromkeys(pairs)]
            for start in range(0, len(unique), ASSOCIATION_WRITE):
                fates |= does(unique[start : start + ASSOCIATION_WRITE])
        return fates

    def _key_of(self, op: Operation, pair: Pair) -> dict[str, Any]:
        named = dict(zip((*self._ends, "type_id"), pair, strict=True))
        return {name: op.key.get(name, named.get(name)) for name in self.key_properties} or dict(op.key)
