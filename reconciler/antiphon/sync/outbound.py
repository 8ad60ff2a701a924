"""Writing one side: the outbox level by level into its target, bisecting where a foreign target dies on a row.

`deliver_side` is a generator: it yields the lines for one run of the target, and is sent the `Outcome`. Its driver
runs the targets of both sides at once, while the ledger is touched by one thread only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from antiphon.ledger import Ledger
from antiphon.ledger.tables import OUTBOX
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import Instant, Op, OpState, Side
from antiphon.protocol import parse_bookmark
from antiphon.settle import Moment
from antiphon.singer.listening import Outcome, ending
from antiphon.singer.messages import encode
from antiphon.sync.confirm import acknowledge, end_line, read_receipts, refuse
from antiphon.sync.deliver import Skipped, intend, messages, ready
from antiphon.sync.tally import Fate, Tally, tally

OPS_PER_RUN = 20_000
"""Operations in one run of a target."""

Delivery: TypeAlias = Generator[list[bytes], Outcome, "Written"]


@dataclass(frozen=True, slots=True)
class Outbound:
    """The way to one side, in one run. `receipts` is where its target writes them, if it does.

    `hide` takes secrets out of what a receipt says.
    """

    ledger: Ledger
    mapping: SyncMapping
    side: Side
    clock: Callable[[], Instant]
    run_id: str
    receipts: Path | None
    hide: Callable[[str], str] = str

    def at(self, now: Instant) -> Moment:
        """That instant, in this run."""
        return Moment(now, self.run_id, self.mapping.version)


@dataclass(slots=True)
class Written:
    """What became of one side's operations since it `began`. `outage`: how the target failed; `words`: its last."""

    side: Side
    began: Instant
    sent: int = 0
    refused: list[tuple[Op, str]] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    unacknowledged: int = 0
    outage: str = ""
    words: str = ""
    remarks: list[str] = field(default_factory=list)
    counts: Tally = field(default_factory=Counter)
    seconds: float = 0.0


@dataclass(slots=True)
class _Suspects:
    """Operations on which a foreign target died alone; guilty only if it could do another one."""

    found: list[tuple[Op, str]] = field(default_factory=list)
    failures: int = 0
    last: Outcome | None = None


def deliver_side(outbound: Outbound) -> Delivery:
    """Write everything of one side that may go out."""
    written = Written(outbound.side, outbound.clock())
    suspects = _Suspects()
    replay = outbound.receipts is not None
    levels, written.skipped = ready(outbound.ledger, outbound.mapping, outbound.side, outbound.clock(), replay=replay)
    for level in levels:
        for start in range(0, len(level), OPS_PER_RUN):
            yield from _run(outbound, level[start : start + OPS_PER_RUN], written, suspects)
            if written.outage:
                return written
    if suspects.last is not None and suspects.found and not written.sent:
        return fail(written, suspects.last)
    for op, words in suspects.found:
        refuse(outbound.ledger, op, words, outbound.at(outbound.clock()))
        written.refused.append((op, words))
        written.counts[op.entity, "rejected"] += 1
    return written


def _run(
    outbound: Outbound, ops: Sequence[Op], written: Written, suspects: _Suspects, *, again: bool = False
) -> Generator[list[bytes], Outcome, None]:
    ledger, mapping, side = outbound.ledger, outbound.mapping, outbound.side
    at = outbound.clock()
    intended = intend(ledger, mapping, side, ops, at, began=written.began)
    if not intended:
        return
    if outbound.receipts is not None:
        end_line(outbound.receipts)
    outcome = yield [encode(message) for message in messages(ledger, mapping, side, intended, at)]
    now = outbound.clock()
    written.seconds += (now - at) / 1_000_000
    left = settle(outbound, [op.op_id for op in intended], outcome, now, written)
    if outcome.code == 0:
        return
    suspects.last, suspects.failures = outcome, suspects.failures + 1
    out_of_patience = not written.sent and suspects.failures > _patience(len(ops))
    if outcome.hung or outbound.receipts is not None:
        fail(written, outcome)
    elif len(left) == 1 and outcome.code < 0 and not again:  # killed: a row that is to blame will show it once more
        yield from _run(outbound, left, written, suspects, again=True)
    elif len(left) == 1:
        suspects.found.append((left[0], outcome.words or f"it {ending(outcome.code)}"))
    elif out_of_patience:
        fail(written, outcome)
    elif left:
        middle = len(left) // 2
        for half in (left[:middle], left[middle:]):
            yield from _run(outbound, half, written, suspects)
            if written.outage:
                return


def settle(outbound: Outbound, op_ids: Sequence[str], outcome: Outcome, now: Instant, written: Written) -> list[Op]:
    """Settle what a target says of one batch, by receipts and STATE; the operations of which it said nothing."""
    ledger, mapping, side, at = outbound.ledger, outbound.mapping, outbound.side, outbound.at(now)
    if outbound.receipts is not None:
        read_receipts(ledger, mapping, side, outbound.receipts, at, written.remarks.append, outbound.hide)
    fates = _fates(ledger, op_ids)
    if any(op.state is OpState.INFLIGHT for op in fates):  # to look for them takes the whole outbox
        acknowledge(ledger, mapping, parse_bookmark(outcome.state), side, at)
        fates = _fates(ledger, op_ids)
    unanswered = {op.op_id for op in fates if op.state is OpState.INFLIGHT}
    left = list(ledger.store.get(OUTBOX, [(op_id,) for op_id in op_ids if op_id in unanswered]).values())
    written.counts += tally(op for op in fates if op.op_id not in unanswered)
    written.sent += len(op_ids) - len(left)
    if outcome.code == 0:
        written.unacknowledged += len(left)
        written.counts += tally(left)
    return left


def _fates(ledger: Ledger, op_ids: Sequence[str]) -> list[Fate]:
    return [Fate._make(row) for row in ledger.store.pick(OUTBOX, Fate._fields, None, [(op_id,) for op_id in op_ids])]


def fail(written: Written, outcome: Outcome) -> Written:
    """Note how the target failed."""
    written.outage = (
        f"said nothing for {outcome.hung:g} seconds and was ended" if outcome.hung else ending(outcome.code)
    )
    written.words = outcome.words
    return written


def _patience(number: int) -> int:
    """So many failures in a row, before anything worked, are an outage and not a bad row."""
    return 2 * max(number, 1).bit_length() + 2
