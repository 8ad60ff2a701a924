"""The ledger's work of a whole round: so many records changed on one side, read incrementally and written to the other.

    python -m tests.benchmarks.ledger_round --links 1000000

That is: observe the changes, plan, store the plan, commit the intent, settle the receipts, mark what is done; plugins
answer at once. Told are the medians by the clock and in milliseconds of the processor, of the whole round and of what
the ledger has of it: rows looked up, read and written, commits. Beside them stands what the disk takes to make one page
durable, for a round commits a fixed number of times. The limits set for a million links are 5 ms for one change and
250 ms for a thousand.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from antiphon.cli.program import seek_circles_rarely
from antiphon.ledger import Ledger
from antiphon.mapping import Mapping
from antiphon.settle import Moment
from antiphon.singer.listening import Outcome
from antiphon.singer.messages import Lines
from antiphon.sync.absence import complete
from antiphon.sync.collect import Collector
from antiphon.sync.outbound import Outbound, Written, deliver_side
from antiphon.sync.planning import adopt, index, propose
from antiphon.sync.run import bound, our_clock, stream_of
from tests.benchmarks.made import SIDES, Made, asked, line, lowest_fsync, machine, make, person, schema, tell

R = TypeVar("R")

RECEIPTS = {"crm": True, "warehouse": True}


def main() -> None:
    given = asked(__doc__, turns=31)
    seek_circles_rarely()
    made = make(given.links, given.folder)
    fsync = lowest_fsync(made.folder)
    ledger = made.copy()
    ledger.store = store = Watched(ledger.store)
    mapping = bound(made.config, ledger, RECEIPTS)
    for changes in (1, 10, 100, 1000):
        turns = max(3, given.turns // max(1, changes // 100))
        taken, within = [], []
        for turn in range(turns):
            store.seconds = 0.0
            taken.append(round_of(made, ledger, mapping, changes, turn))
            within.append(store.seconds)
        tell(
            benchmark="ledger work of a round",
            links=given.links,
            changes=changes,
            p50_ms=round(1000 * median(each for each, _ in taken), 2),
            max_ms=round(1000 * max(each for each, _ in taken), 2),
            processor_p50_ms=round(1000 * median(each for _, each in taken), 2),
            ledger_p50_ms=round(1000 * median(within), 2),
            fsync_ms=round(1000 * fsync, 3),
            in_fsyncs=round(median(each for each, _ in taken) / fsync, 1),
            machine=machine(),
        )
    ledger.close()


class Watched:
    """A store that counts the seconds that are spent in it."""

    def __init__(self, store: Any) -> None:
        self._store, self.seconds = store, 0.0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name == "transaction":
            return lambda **options: self._during(method(**options))
        if name in ("pick", "latest", "scan"):
            return lambda *words: self._each(method(*words))
        return partial(self._time, method)

    def _time(self, call: Callable[..., R], *words: Any) -> R:
        began = time.perf_counter()
        try:
            return call(*words)
        finally:
            self.seconds += time.perf_counter() - began

    @contextmanager
    def _during(self, transaction: AbstractContextManager[None]) -> Iterator[None]:
        """A transaction, of which only its begin and its commit count."""
        with ExitStack() as stack:
            self._time(stack.enter_context, transaction)
            yield
            self._time(stack.close)

    def _each(self, rows: Iterator[R]) -> Iterator[R]:
        """Rows that are read as they are asked for."""
        while (row := self._time(next, rows, None)) is not None:
            yield row


def round_of(made: Made, ledger: Ledger, mapping: Mapping, changes: int, turn: int) -> tuple[float, float]:
    """Seconds, by the clock and of the processor, of a round in which this many records of crm have another stage."""
    step = max(1, made.links // changes)
    stamp = our_clock()
    records = [line(person(number, stage=f"{stamp} {turn}")).rstrip() for number in range(0, step * changes, step)]
    entity = made.config.entities["contact"]
    streams = {side: stream_of(entity, side, full=False) for side in SIDES}
    path = made.folder / f"receipts-{stamp}.jsonl"
    ledger.acquire("benchmark")  # as a run does, which has read no row yet
    began, busy = time.perf_counter(), time.process_time()
    for side in SIDES:
        collector = Collector(ledger, side, [streams[side]], our_clock, durable=False)
        shown = records if side == "crm" else []
        texts = [schema().rstrip(), *shown, json.dumps({"type": "STATE", "value": {"at": stamp}}).encode()]
        collector.take(Lines(texts, "tap"))
        collector.ended()
        complete(ledger, side, {"contact": 0}, durable=False)
    index(ledger, mapping)
    run_id = f"{stamp:x}"
    plan = propose(ledger, mapping, Moment(our_clock(), run_id, mapping.version), held={})
    if len(plan.operations) != changes or plan.tripped:
        sys.exit(f"planned {len(plan.operations)} writes of {changes}: {plan.tripped}")
    adopt(ledger, mapping, plan)
    written = write(ledger, mapping, run_id, path)
    taken = time.perf_counter() - began, time.process_time() - busy
    path.unlink()
    if written.sent != changes or written.refused or written.outage:
        sys.exit(f"wrote {written}")
    return taken


def write(ledger: Ledger, mapping: Mapping, run_id: str, path: Path) -> Written:
    """Deliver to a target that applies everything at once."""
    delivery = deliver_side(Outbound(ledger, mapping, "warehouse", our_clock, run_id, path))
    try:
        lines = next(delivery)
        while True:
            state = None
            with path.open("a", encoding="utf-8") as file:
                for text in lines:
                    message = json.loads(text)
                    if message["type"] == "STATE":
                        state = message["value"]
                    elif message["type"] == "RECORD":
                        receipt = {"op_id": message["sync"]["op_id"], "status": "applied", "at": "2026-11-28T08:00:00Z"}
                        receipt["stored"] = {k: v for k, v in message["record"].items() if k != "id"}
                        file.write(json.dumps(receipt) + "\n")
            lines = delivery.send(Outcome(0, state, ""))
    except StopIteration as end:
        done: Written = end.value
        return done


if __name__ == "__main__":
    main()
