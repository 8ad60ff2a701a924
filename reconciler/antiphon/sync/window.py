"""The counting guards over time: what many small rounds do must not pass where one large round would be stopped."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from antiphon.ledger import Ledger
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import Conflict, Instant, Op, OpKind, Side, replace
from antiphon.plan.guards import Linked, Tripped, check

_COUNTED: Instant = 10 * 1_000_000
"""To count a million links takes longer than a small round, so a count serves for ten seconds."""
WINDOW: Instant = 15 * 60 * 1_000_000
"""As a run every fifteen minutes would count."""


class Window:
    """The operations of the last fifteen minutes, as far as the guards count them."""

    def __init__(self) -> None:
        self._counted: deque[tuple[Instant, Op]] = deque()  # creates and deletes, without their values
        self._changed: dict[tuple[str, Side], dict[str, Instant]] = {}  # links, in the order of their last change
        self._known: dict[str, int] = {}
        self._known_at: Instant = 0

    def linked(self, ledger: Ledger, now: Instant) -> Linked:
        """How many links each entity has, or had a moment ago."""
        if not 0 <= now - self._known_at < _COUNTED:
            self._known.clear()
            self._known_at = now

        def count(entity: str, _most: int | None) -> int:
            if entity not in self._known:
                self._known[entity] = ledger.linked(entity)
            return self._known[entity]

        return count

    def check(
        self,
        ledger: Ledger,
        mapping: SyncMapping,
        planned: Sequence[Op],
        now: Instant,
        conflicts: Sequence[Conflict] = (),
    ) -> list[Tripped]:
        """Count these operations with those before them; the guards that forbid them.

        Conflicts count as changes of both sides.
        """
        if not planned and not conflicts:
            return []
        self._forget(now - WINDOW)
        for conflict in conflicts:
            for side in mapping.sides:
                self._change(conflict.entity, side, conflict.lid, now)
        for op in planned:
            if op.kind is OpKind.UPDATE:
                self._change(op.entity, mapping.other(op.side), op.lid, now)
            else:
                self._counted.append((now, replace(op, patch={}, expect={}, source={}, reasons={}, losers={})))
        changed = {stream: lids.keys() for stream, lids in self._changed.items() if not _allowed(mapping, len(lids))}
        counted = [op for _, op in self._counted]
        return list(check(mapping, counted, changed, self.linked(ledger, now)))

    def _change(self, entity: str, side: Side, lid: str, now: Instant) -> None:
        lids = self._changed.setdefault((entity, side), {})
        lids.pop(lid, None)
        lids[lid] = now

    def _forget(self, before: Instant) -> None:
        while self._counted and self._counted[0][0] < before:
            self._counted.popleft()
        for lids in self._changed.values():
            while lids and lids[oldest := next(iter(lids))] < before:
                del lids[oldest]


def _allowed(mapping: SyncMapping, number: int) -> bool:
    return mapping.guards.max_change.always_allows(number)
