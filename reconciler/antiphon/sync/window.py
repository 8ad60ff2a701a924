"""The counting guards over time: what many small rounds do must not pass where one large round would be stopped."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from antiphon.ledger import Ledger
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import Instant, Op, OpKind, Side
from antiphon.plan.guards import Tripped, check

WINDOW: Instant = 15 * 60 * 1_000_000
"""As a run every fifteen minutes would count."""


class Window:
    """The operations of the last fifteen minutes, as far as the guards count them."""

    def __init__(self) -> None:
        self._recent: deque[tuple[Instant, Op]] = deque()

    def check(self, ledger: Ledger, mapping: SyncMapping, planned: Iterable[Op], now: Instant) -> list[Tripped]:
        """Count these operations with those before them; the guards that forbid them."""
        self._recent.extend((now, op) for op in planned)
        while self._recent and self._recent[0][0] < now - WINDOW:
            self._recent.popleft()
        ops = {op.op_id: op for _, op in self._recent}.values()
        changed: dict[tuple[str, Side], set[str]] = {}
        for op in ops:
            if op.kind is OpKind.UPDATE:
                changed.setdefault((op.entity, mapping.other(op.side)), set()).add(op.lid)
        counted = [op for op in ops if op.kind is not OpKind.UPDATE]
        return list(check(mapping, counted, changed, ledger.linked(mapping.entities)))
