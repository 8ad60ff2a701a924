"""`antiphon follow` under load: a burst in one transaction, and changes in both directions for minutes.

    python -m tests.benchmarks.follow_load --rows 50000 --rate 1000 --seconds 300
    python -m tests.benchmarks.follow_load --find --seconds 300

Both servers wait for the disk. The burst changes every row of one side in one transaction and is over when the other
side shows all of it. Then each side changes `rate` rows a second, each in a transaction of its own, by column: no two
edits meet. Once in ten seconds is told how long a marked change took. At the end: what a change cost each process of
the processor, how much memory each had at the beginning, in the middle and at the end, how many operations the targets
were handed at once, and whether the lag grew. `--find` looks for the highest rate at which it does not, by runs of
`--trial` seconds each, and then holds it for `--seconds`.
"""

from __future__ import annotations

import argparse
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar

import psycopg
import requests

from tests.benchmarks.follow_latency import SIDES, Pair, pair, percentile
from tests.benchmarks.made import machine, tell
from tests.benchmarks.processes import mebibytes, per_change, seconds

TELL = 10.0
NOISE = 100.0
"""Milliseconds by which a lag may differ without having grown."""
DRAINED = 5.0
"""Seconds after the last change within which all must have crossed."""


def burst(made: Pair, rows: int) -> None:
    """Change every row of crm at once."""
    with made.connect("crm") as crm, made.connect("warehouse") as warehouse:
        used, batches = seconds(made), batch_sizes(made)
        crm.execute("update contact set first_name = 'burst ' || code")
        began = time.perf_counter()
        while True:
            row = warehouse.execute("select count(*) from contact where first_name = 'burst ' || code").fetchone()
            if row == (rows,):
                break
            if made.process.poll() is not None:
                raise SystemExit("".join(made.said[-20:]))
            time.sleep(0.1)
        took = time.perf_counter() - began
        processor = per_change(used, seconds(made), rows)
    tell(
        benchmark="follow burst",
        rows=rows,
        seconds=round(took, 2),
        rows_per_second=round(rows / took),
        processor_ms_per_change=processor,
        mebibytes=mebibytes(made),
        batches_of_at_most=grown(batches, batch_sizes(made)),
        machine=machine(),
    )


class Writer(threading.Thread):
    """Changes rows of one side at a steady rate, in one column; a server that is not there is waited for."""

    COLUMN: ClassVar = {"crm": "city", "warehouse": "phone"}

    def __init__(self, made: Pair, side: str, rows: int, rate: float) -> None:
        super().__init__(daemon=True)
        self._made, self._side, self._rows, self._rate = made, side, rows, rate
        self.last: dict[str, str] = {}
        self.written = 0
        self.stop = threading.Event()
        self._chance = random.Random(side)

    def run(self) -> None:
        """Write until told to stop."""
        while not self.stop.is_set():
            try:
                with self._made.connect(self._side) as connection:
                    self._write(connection)
            except psycopg.OperationalError:
                time.sleep(0.1)

    def end(self) -> int:
        """Stop; how many changes were written."""
        self.stop.set()
        self.join()
        return self.written

    def _write(self, connection: psycopg.Connection[Any]) -> None:
        query = f"update contact set {self.COLUMN[self._side]} = %s where code = %s".encode()
        began, before = time.perf_counter(), self.written
        while not self.stop.is_set():
            ahead = (self.written - before) / self._rate - (time.perf_counter() - began)
            if ahead > 0:
                time.sleep(ahead)
            code = f"c{self._chance.randint(1, self._rows)}"
            self.written += 1
            value = f"{self.written}"
            self.last.pop(code, None)  # if the connection breaks, nobody knows whether it was committed
            connection.execute(query, (value, code))
            self.last[code] = value


def sustained(made: Pair, rows: int, rate: float, length: float) -> bool:
    """Change rows of both sides, and look how long changes take. Whether that did not grow."""
    writers = {side: Writer(made, side, rows, rate) for side in SIDES}
    used, batches, memory = seconds(made), batch_sizes(made), [mebibytes(made)]
    for writer in writers.values():
        writer.start()
    began = time.perf_counter()
    lags: list[tuple[float, float]] = []
    told = began
    while (now := time.perf_counter()) - began < length:
        lags.append((now - began, probe(made, rows)))
        time.sleep(0.2)
        if len(memory) == 1 and now - began > length / 2:
            memory.append(mebibytes(made))
        if time.perf_counter() - told > TELL:
            recent = [lag for at, lag in lags if at > told - began]
            told = time.perf_counter()
            tell(
                benchmark="follow sustained",
                second=round(told - began),
                lag_p50_ms=percentile(recent, 0.5),
                lag_max_ms=round(max(recent)),
                **{f"{side}_changes_per_second": round(w.written / (told - began)) for side, w in writers.items()},
            )
    changes = sum(writer.end() for writer in writers.values())
    ended = time.perf_counter()
    wait_until_shown(made, writers)
    drained = time.perf_counter() - ended
    memory.append(mebibytes(made))
    first, last = ([lag for at, lag in lags if (at < length / 3, at > 2 * length / 3)[late]] for late in (False, True))
    kept_up = changes >= 0.95 * 2 * rate * (ended - began)
    steady = kept_up and percentile(last, 0.5) <= 2 * percentile(first, 0.5) + NOISE and drained < DRAINED
    tell(
        benchmark="follow sustained",
        rate_each_way=round(rate),
        changes=changes,
        seconds=round(ended - began),
        lost=0,
        drained_in_seconds=round(drained, 2),
        lag_p50_ms_of_first_and_last_third=[percentile(part, 0.5) for part in (first, last)],
        lag_grew=not steady,
        writers_kept_up=kept_up,
        processor_ms_per_change=per_change(used, seconds(made), changes),
        mebibytes_at_start_middle_end={name: [each.get(name) for each in memory] for name in memory[0]},
        batches_of_at_most=grown(batches, batch_sizes(made)),
        machine=machine(),
    )
    return steady


def wait_until_shown(made: Pair, writers: Mapping[str, Writer]) -> None:
    """Wait until each side shows what was last written on the other."""
    for side in SIDES:
        there = next(other for other in SIDES if other != side)
        wanted = sorted(writers[side].last.items())
        with made.connect(there) as connection:
            while True:
                shown = dict(connection.execute(f"select code, {Writer.COLUMN[side]} from contact".encode()).fetchall())
                if all(shown[code] == value for code, value in wanted):
                    break
                if made.process.poll() is not None:
                    raise SystemExit("".join(made.said[-20:]))
                time.sleep(0.1)


def batch_sizes(made: Pair) -> Counter[str]:
    """How many batches of at most so many operations the targets were handed, as the follower's metrics tell."""
    port = next(json.loads(line)["port"] for line in made.said if '"topic": "listening"' in line)
    found: Counter[str] = Counter()
    for line in requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text.splitlines():
        if line.startswith("antiphon_batch_operations_bucket"):
            found[line.partition('le="')[2].partition('"')[0]] += int(float(line.rpartition(" ")[2]))
    return found


def grown(before: Counter[str], after: Counter[str]) -> dict[str, int]:
    """The batches that came meanwhile, by size; a bucket of Prometheus also counts all smaller ones."""
    found, smaller = {}, 0
    for size in sorted(after, key=float):
        number = after[size] - before[size]
        if number > smaller:
            found[f"{float(size):g}"] = number - smaller
        smaller = number
    return found


def highest(made: Pair, rows: int, most: float, length: float) -> float:
    """The highest rate up to `most` at which the lag does not grow within so many seconds; within a tenth of it."""
    low, high = 0.0, most
    rate = high
    while high - low > 0.1 * high:
        low, high = (rate, high) if sustained(made, rows, rate, length) else (low, rate)
        rate = (low + high) / 2
    return low


def probe(made: Pair, rows: int) -> float:
    """Milliseconds that one change takes."""
    value = f"{time.perf_counter()}"
    with made.connect("crm") as crm, made.connect("warehouse") as warehouse:
        code = f"c{random.randint(1, rows)}"
        crm.execute("update contact set last_name = %s where code = %s", (value, code))
        began = time.perf_counter()
        query = "select last_name from contact where code = %s"
        while warehouse.execute(query, (code,)).fetchone() != (value,):
            time.sleep(0.002)
        return 1000 * (time.perf_counter() - began)


def main() -> None:
    """Run both."""
    asking = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asking.add_argument("--rows", type=int, default=50_000)
    asking.add_argument("--rate", type=float, default=1000)
    asking.add_argument("--seconds", type=float, default=300)
    asking.add_argument("--find", action="store_true", help="look for the highest rate up to --rate first")
    asking.add_argument("--trial", type=float, default=40, help="seconds of each run of --find")
    given = asking.parse_args()
    with pair(given.rows, "--listen", "127.0.0.1:0") as made:
        burst(made, given.rows)
        rate = highest(made, given.rows, given.rate, given.trial) if given.find else given.rate
        sustained(made, given.rows, rate, given.seconds)


if __name__ == "__main__":
    main()
