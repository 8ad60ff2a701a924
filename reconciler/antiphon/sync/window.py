"""The counting guards over time: what many small rounds do must not pass where one large round would be stopped."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence

from antiphon.ledger import Ledger
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import Instant, Op, OpKind, Side
from antiphon.plan.guards import Tripped, check

_COUNTED: Instant = 10 * 1_000_000
"""To count a million links takes longer than a small round, so a count serves for ten seconds."""
WINDOW: Instant = 15 * 60 * 1_000_000
"""As a run every fifteen minutes would count."""


class Window:
    """The operations of the last fifteen minutes, as far as the guards count them."""

    def __init__(self) -> None:
        self._recent: deque[tuple[Instant, Op]] = deque()
        self._counted: dict[str, Op] = {}  # creates and deletes
        self._changed: dict[tuple[str, Side], Counter[str]] = {}  # how often each link was
        self._known: Mapping[str, int] | None = None
        self._known_at: Instant = 0

    def linked(self, ledger: Ledger, mapping: SyncMapping, now: Instant) -> Mapping[str, int]:
        """How many links each entity has, or had a moment ago."""
        if self._known is None or not 0 <= now - self._known_at < _COUNTED:
            self._known, self._known_at = _Remembered(ledger.linked(mapping.entities)), now
        return self._known

    def check(self, ledger: Ledger, mapping: SyncMapping, planned: Sequence[Op], now: Instant) -> list[Tripped]:
        """Count these operations with those before them; the guards that forbid them."""
        if not planned:
            return []
        while self._recent and self._recent[0][0] < now - WINDOW:
            self._forget(self._recent.popleft()[1], mapping)
        for op in planned:
            self._recent.append((now, op))
            if op.kind is OpKind.UPDATE:
                self._changed.setdefault((op.entity, mapping.other(op.side)), Counter())[op.lid] += 1
            else:
                self._counted[op.op_id] = op
        changed = {stream: set(lids) for stream, lids in self._changed.items() if not _allowed(mapping, len(lids))}
        return list(check(mapping, self._counted.values(), changed, self.linked(ledger, mapping, now)))

    def _forget(self, op: Op, mapping: SyncMapping) -> None:
        if op.kind is not OpKind.UPDATE:
            self._counted.pop(op.op_id, None)
            return
        lids = self._changed[op.entity, mapping.other(op.side)]
        lids[op.lid] -= 1
        if not lids[op.lid]:
            del lids[op.lid]


def _allowed(mapping: SyncMapping, number: int) -> bool:
    return mapping.guards.max_change.always_allows(number)


class _Remembered(Mapping[str, int]):
    """Counts, each asked once."""

    def __init__(self, asked: Mapping[str, int]) -> None:
        self._asked = asked
        self._found: dict[str, int] = {}

    def __getitem__(self, entity: str) -> int:
        if entity not in self._found:
            self._found[entity] = self._asked[entity]
        return self._found[entity]

    def __iter__(self) -> Iterator[str]:
        return iter(self._asked)

    def __len__(self) -> int:
        return len(self._asked)
