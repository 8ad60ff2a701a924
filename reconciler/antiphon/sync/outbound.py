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


def deliver_side(
    ledger: Ledger,
    mapping: SyncMapping,
    side: Side,
    *,
    clock: Callable[[], Instant],
    run_id: str,
    receipts: Path | None,
    hide: Callable[[str], str] = str,
) -> Delivery:
    """Write everything of one side that may go out. `hide` takes secrets out of what a receipt says."""
    written = Written(side, clock())
    suspects = _Suspects()
    levels, written.skipped = ready(ledger, mapping, side, clock(), replay=receipts is not None)
    for level in levels:
        for start in range(0, len(level), OPS_PER_RUN):
            yield from _run(
                ledger,
                mapping,
                side,
                level[start : start + OPS_PER_RUN],
                clock,
                run_id,
                receipts,
                hide,
                written,
                suspects,
            )
            if written.outage:
                return written
    if suspects.last is not None and suspects.found and not written.sent:
        return fail(written, suspects.last)
    for op, words in suspects.found:
        refuse(ledger, op, words, Moment(clock(), run_id, mapping.version))
        written.refused.append((op, words))
        written.counts[op.entity, "rejected"] += 1
    return written


def _run(
    ledger: Ledger,
    mapping: SyncMapping,
    side: Side,
    ops: Sequence[Op],
    clock: Callable[[], Instant],
    run_id: str,
    receipts: Path | None,
    hide: Callable[[str], str],
    written: Written,
    suspects: _Suspects,
    *,
    again: bool = False,
) -> Generator[list[bytes], Outcome, None]:
    at = clock()
    intended = intend(ledger, mapping, side, ops, at, began=written.began)
    if not intended:
        return
    if receipts is not None:
        end_line(receipts)
    outcome = yield [encode(message) for message in messages(ledger, mapping, side, intended, at)]
    now = clock()
    written.seconds += (now - at) / 1_000_000
    op_ids = [op.op_id for op in intended]
    left = settle(ledger, mapping, side, op_ids, outcome, now, run_id, receipts, hide, written)
    if outcome.code == 0:
        return
    suspects.last, suspects.failures = outcome, suspects.failures + 1
    out_of_patience = not written.sent and suspects.failures > _patience(len(ops))
    if outcome.hung or receipts is not None:
        fail(written, outcome)
    elif len(left) == 1 and outcome.code < 0 and not again:  # killed: a row that is to blame will show it once more
        yield from _run(ledger, mapping, side, left, clock, run_id, receipts, hide, written, suspects, again=True)
    elif len(left) == 1:
        suspects.found.append((left[0], outcome.words or f"it {ending(outcome.code)}"))
    elif out_of_patience:
        fail(written, outcome)
    elif left:
        middle = len(left) // 2
        for half in (left[:middle], left[middle:]):
            yield from _run(ledger, mapping, side, half, clock, run_id, receipts, hide, written, suspects)
            if written.outage:
                return


def settle(
    ledger: Ledger,
    mapping: SyncMapping,
    side: Side,
    op_ids: Sequence[str],
    outcome: Outcome,
    at: Instant,
    run_id: str,
    receipts: Path | None,
    hide: Callable[[str], str],
    written: Written,
) -> list[Op]:
    """Settle what a target says of one batch, by receipts and STATE; the operations of which it said nothing."""
    now = Moment(at, run_id, mapping.version)
    if receipts is not None:
        read_receipts(ledger, mapping, side, receipts, now, written.remarks.append, hide)
    fates = _fates(ledger, op_ids)
    if any(op.state is OpState.INFLIGHT for op in fates):  # to look for them takes the whole outbox
        acknowledge(ledger, mapping, parse_bookmark(outcome.state), side, now)
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
