"""Writing one side by a target that stays: while it writes one batch, the one before is settled.

| the ledger's thread                                      | the target                     |
|----------------------------------------------------------|--------------------------------|
| intends a run of operations, in one durable transaction  |                                |
| makes the lines of batch 2 ready                         | writes batch 1                 |
| settles batch 1                                          | writes batch 2                 |
| settles batch 2; only now is there another transaction   |                                |

A round of one batch is as it would be without. What one operation refers to in another of a lower level is settled
before it is intended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from antiphon.ledger.tables import OUTBOX
from antiphon.model import Instant, Op
from antiphon.singer.listening import Outcome
from antiphon.singer.messages import encode
from antiphon.sync.confirm import end_line
from antiphon.sync.deliver import intend, messages, ready
from antiphon.sync.outbound import Delivery, Outbound, Written, fail, settle

RUN = 20_000
"""Operations that are intended at once. SQLite writes whole pages, so that many small transactions cost far more."""
BATCH = 1000
"""Operations that a target is handed at once."""
_RECORD = b'{"type":"RECORD"'


@dataclass(frozen=True, slots=True)
class Handed:
    """Lines for the target, and how many batches may be under way before more is done."""

    lines: Sequence[bytes]
    leave: int = 0
    intended: bool = True
    """Whether this is the first of its intent, which must be durable before it is handed over."""

    @property
    def operations(self) -> int:
        """How many the lines hold."""
        return sum(line.startswith(_RECORD) for line in self.lines)


Ahead: TypeAlias = Generator[Handed, list[Outcome], Written]
"""Yields batches, and is sent the outcomes that came meanwhile, in the order of the batches."""


def deliver_ahead(outbound: Outbound, receipts: Path) -> Ahead:
    """Write everything of one side that may go out; its target writes these receipts."""
    ledger, mapping, side, clock = outbound.ledger, outbound.mapping, outbound.side, outbound.clock
    written = Written(side, clock())
    found, written.skipped = ready(ledger, mapping, side, clock(), replay=True)
    levels = [[op.op_id for op in level] for level in found]
    few = sum(map(len, levels)) <= BATCH
    known = {op.op_id: op for level in found for op in level} if few else {}  # many are asked for when their turn comes
    del found
    if levels:
        end_line(receipts)
    for level in levels:
        for start in range(0, len(level), RUN):
            at = clock()
            parts = list(_intended(outbound, level[start : start + RUN], known, at, written.began))
            under_way: deque[_Part] = deque()
            for place, part in enumerate(parts):
                under_way.append(part)
                last = part is parts[-1]
                for outcome in (yield Handed(part.lines, leave=0 if last else 1, intended=place == 0)):
                    settle(outbound, under_way.popleft().op_ids, outcome, clock(), written)
                    if outcome.code != 0:
                        fail(written, outcome)
                if written.outage:
                    yield Handed([])  # let go of what is under way: nobody knows what came of it, it is sent again
                    return written
            written.seconds += (clock() - at) / 1_000_000
    return written


@dataclass(frozen=True, slots=True)
class _Part:
    """Operations that are handed over together: their ids and their lines."""

    op_ids: list[str]
    lines: list[bytes]


def _intended(
    outbound: Outbound, op_ids: Sequence[str], known: Mapping[str, Op], at: Instant, began: Instant
) -> Iterator[_Part]:
    ledger, mapping, side = outbound.ledger, outbound.mapping, outbound.side
    for start in range(0, len(op_ids), BATCH):
        some = op_ids[start : start + BATCH]
        ops = known or {op_id: op for (op_id,), op in ledger.store.get(OUTBOX, [(op_id,) for op_id in some]).items()}
        sent = intend(ledger, mapping, side, [ops[op_id] for op_id in some], at, began=began)
        if sent:
            lines = [encode(message) for message in messages(ledger, mapping, side, sent, at)]
            yield _Part([op.op_id for op in sent], lines)


def plainly(delivery: Delivery) -> Ahead:
    """A delivery that waits for each of its batches."""
    try:
        lines = next(delivery)
        while True:
            (outcome,) = yield Handed(lines)
            lines = delivery.send(outcome)
    except StopIteration as end:
        written: Written = end.value
        return written


class Lane:
    """One side's batches, written in their order by a thread of its own. After a failure no more is handed over."""

    def __init__(self, pool: ThreadPoolExecutor, write: Callable[[Sequence[bytes]], Outcome]) -> None:
        """`pool` has one thread."""
        self._pool, self._write = pool, write
        self._waiting: deque[Future[Outcome]] = deque()
        self._failed: Outcome | None = None

    def add(self, handed: Handed, *, here: bool) -> None:
        """Have a batch written; `here`, if nothing is under way: in this thread, which then has nobody to wait for."""
        if not handed.lines:
            return
        if here and not self._waiting:
            future: Future[Outcome] = Future()
            future.set_result(self._try(handed.lines))
        else:
            future = self._pool.submit(self._try, handed.lines)
        self._waiting.append(future)

    @property
    def under_way(self) -> int:
        """How many batches were handed over whose outcome nobody has asked for."""
        return len(self._waiting)

    def outcomes(self, leave: int) -> list[Outcome]:
        """What came of the batches, but for so many of the last ones."""
        return [self._waiting.popleft().result() for _ in range(len(self._waiting) - leave)]

    def _try(self, lines: Sequence[bytes]) -> Outcome:
        if self._failed is None:
            outcome = self._write(lines)
            self._failed = outcome if outcome.code != 0 else None
            return outcome
        return self._failed
