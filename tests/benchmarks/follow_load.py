"""`antiphon follow` under load: a burst in one transaction, and changes in both directions for minutes.

    python -m tests.benchmarks.follow_load --rows 50000 --rate 1000 --seconds 300 [--peers]
    python -m tests.benchmarks.follow_load --find --seconds 300

Both servers wait for the disk. The burst changes every row of one side in one transaction and is over when the other
side shows all of it. Then each side changes `rate` rows a second, each in a transaction of its own, by column: no two
edits meet. Once in ten seconds is told how long a marked change took. At the end: what a change cost each process of
the processor, how much memory each had at the beginning, in the middle and at the end, how many operations the targets
were handed at once, and whether the lag grew. `--find` looks for the highest rate at which it does not, by runs of
`--trial` seconds each, and then holds it for `--seconds`. `--peers`: then the same burst and the same rate go through
Bucardo, tuned, between the same servers. What is not shown a minute after the last change counts as lost.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import requests

from antiphon_sandbox import postgres
from tests.benchmarks import bucardo
from tests.benchmarks.follow_latency import SIDES, TABLE, Pair, databases, end, follow, percentile
from tests.benchmarks.made import machine, tell
from tests.benchmarks.processes import mebibytes, per_change, seconds

TELL = 10.0
NOISE = 100.0
"""Milliseconds by which a lag may differ without having grown."""
DRAINED = 5.0
"""Seconds after the last change within which all must have crossed."""
LOST = 60.0
"""Seconds after the last change within which all that is not lost has crossed."""

Connect = Callable[[str], psycopg.Connection[Any]]
"""A connection of a user to a side."""


class System:
    """What is put under load. A peer tells nothing of what it costs."""

    def __init__(self, what: str, connect: Connect) -> None:
        self.what, self.connect = what, connect

    def begin(self) -> None:
        """Count costs from now on."""

    def look(self) -> None:
        """See how much memory is used."""

    def costs(self, _changes: int) -> dict[str, object]:
        """What was used since `begin`."""
        return {}


class Followed(System):
    """Antiphon. It must not end."""

    def __init__(self, made: Pair) -> None:
        super().__init__("antiphon follow", made.connect)
        self._made = made
        self.begin()

    def begin(self) -> None:
        self._used, self._batches, self._memory = seconds(self._made), batch_sizes(self._made), [mebibytes(self._made)]

    def look(self) -> None:
        if self._made.process.poll() is not None:
            sys.exit("".join(self._made.said[-20:]))
        self._memory.append(mebibytes(self._made))

    def costs(self, changes: int) -> dict[str, object]:
        self.look()
        middle = self._memory[len(self._memory) // 2]
        memory = (self._memory[0], middle, self._memory[-1])
        return {
            "processor_ms_per_change": per_change(self._used, seconds(self._made), changes),
            "mebibytes_at_start_middle_end": {name: [each.get(name) for each in memory] for name in memory[0]},
            "batches_of_at_most": grown(self._batches, batch_sizes(self._made)),
        }


def burst(system: System, rows: int) -> None:
    """Change every row of crm at once."""
    with system.connect("crm") as crm, system.connect("warehouse") as warehouse:
        system.begin()
        crm.execute("update contact set first_name = 'burst ' || code")
        began = time.perf_counter()
        while True:
            row = warehouse.execute("select count(*) from contact where first_name = 'burst ' || code").fetchone()
            if row == (rows,):
                break
            system.look()
            time.sleep(0.1)
        took = time.perf_counter() - began
    tell(
        benchmark="follow burst",
        what=system.what,
        rows=rows,
        seconds=round(took, 2),
        rows_per_second=round(rows / took),
        **system.costs(rows),
        machine=machine(),
    )


class Writer(threading.Thread):
    """Changes rows of one side at a steady rate, in one column; a server that is not there is waited for."""

    COLUMN: ClassVar = {"crm": "city", "warehouse": "phone"}

    def __init__(self, connect: Connect, side: str, rows: int, rate: float) -> None:
        super().__init__(daemon=True)
        self._connect, self._side, self._rows, self._rate = connect, side, rows, rate
        self.last: dict[str, str] = {}
        self.written = 0
        self.stop = threading.Event()
        self._chance = random.Random(side)

    def run(self) -> None:
        """Write until told to stop."""
        while not self.stop.is_set():
            try:
                with self._connect(self._side) as connection:
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


def sustained(system: System, rows: int, rate: float, length: float) -> bool:
    """Change rows of both sides, and look how long changes take. Whether that did not grow."""
    writers = {side: Writer(system.connect, side, rows, rate) for side in SIDES}
    system.begin()
    for writer in writers.values():
        writer.start()
    began = time.perf_counter()
    lags: list[tuple[float, float]] = []
    told = began
    while (now := time.perf_counter()) - began < length:
        lags.append((now - began, probe(system, rows)))
        time.sleep(0.2)
        system.look()
        if time.perf_counter() - told > TELL:
            recent = [lag for at, lag in lags if at > told - began]
            told = time.perf_counter()
            tell(
                benchmark="follow sustained",
                what=system.what,
                second=round(told - began),
                lag_p50_ms=percentile(recent, 0.5),
                lag_max_ms=round(max(recent)),
                **{f"{side}_changes_per_second": round(w.written / (told - began)) for side, w in writers.items()},
            )
    changes = sum(writer.end() for writer in writers.values())
    ended = time.perf_counter()
    lost = sum(len(never_shown(system, side, writers[side].last, ended + LOST)) for side in SIDES)
    drained = time.perf_counter() - ended
    first, last = ([lag for at, lag in lags if (at < length / 3, at > 2 * length / 3)[late]] for late in (False, True))
    kept_up = changes >= 0.95 * 2 * rate * (ended - began)
    steady = kept_up and percentile(last, 0.5) <= 2 * percentile(first, 0.5) + NOISE and drained < DRAINED
    tell(
        benchmark="follow sustained",
        what=system.what,
        rate_each_way=round(rate),
        changes=changes,
        seconds=round(ended - began),
        lost=lost,
        drained_in_seconds=round(drained, 2),
        lag_p50_ms_of_first_and_last_third=[percentile(part, 0.5) for part in (first, last)],
        lag_grew=not steady,
        writers_kept_up=kept_up,
        **system.costs(changes),
        machine=machine(),
    )
    return steady


def never_shown(system: System, side: str, last: Mapping[str, str], until: float) -> list[str]:
    """What was last written on a side and is not shown by the other until that time."""
    there = next(other for other in SIDES if other != side)
    with system.connect(there) as connection:
        while True:
            shown = dict(connection.execute(f"select code, {Writer.COLUMN[side]} from contact".encode()).fetchall())
            missing = [code for code, value in sorted(last.items()) if shown[code] != value]
            if not missing or time.perf_counter() > until:
                return missing
            system.look()
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


def highest(system: System, rows: int, most: float, length: float) -> float:
    """The highest rate up to `most` at which the lag does not grow within so many seconds; within a tenth of it."""
    low, high = 0.0, most
    rate = high
    while high - low > 0.1 * high:
        low, high = (rate, high) if sustained(system, rows, rate, length) else (low, rate)
        rate = (low + high) / 2
    return low


def probe(system: System, rows: int) -> float:
    """Milliseconds that one change takes; one that was lost took `LOST` seconds."""
    value = f"{time.perf_counter()}"
    with system.connect("crm") as crm, system.connect("warehouse") as warehouse:
        code = f"c{random.randint(1, rows)}"
        crm.execute("update contact set last_name = %s where code = %s", (value, code))
        began = time.perf_counter()
        query = "select last_name from contact where code = %s"
        while warehouse.execute(query, (code,)).fetchone() != (value,) and time.perf_counter() - began < LOST:
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
    asking.add_argument("--peers", action="store_true", help="also Bucardo, tuned")
    given = asking.parse_args()
    if given.peers and not bucardo.installed():
        sys.exit("--peers: apt-get install bucardo postgresql-plperl-15")
    with databases(given.rows) as made:
        follow(made, "--listen", "127.0.0.1:0")
        followed = Followed(made)
        burst(followed, given.rows)
        rate = highest(followed, given.rows, given.rate, given.trial) if given.find else given.rate
        sustained(followed, given.rows, rate, given.seconds)
        end(made)
        if given.peers:
            folder = Path(tempfile.mkdtemp(dir=made.folder, prefix="bucardo-"))
            fill = f"insert into contact select 'r' || n, 'c' || n from generate_series(1, {given.rows}) n"
            with bucardo.syncing(folder, made.clusters, f"{TABLE}; {fill}", "contact", tuned=True):
                peer = System("bucardo, tuned", lambda side: postgres.connect(made.clusters[side], bucardo.DATABASE))
                burst(peer, given.rows)
                sustained(peer, given.rows, rate, given.seconds)


if __name__ == "__main__":
    main()
