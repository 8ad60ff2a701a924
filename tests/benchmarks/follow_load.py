"""`antiphon follow` under load: a burst in one transaction, and changes in both directions for minutes.

    python -m tests.benchmarks.follow_load --rows 50000 --rate 1000 --seconds 300

Both servers wait for the disk. The burst changes every row of one side in one transaction and is over when the other
side shows all of it. Then each side changes `rate` rows a second, each in a transaction of its own, by column: no two
edits meet. Once in ten seconds is told how long a marked change took, and how much memory is in use.
"""

from __future__ import annotations

import argparse
import random
import threading
import time
from typing import Any, ClassVar

import psycopg

from tests.benchmarks.follow_latency import SIDES, Pair, pair, percentile
from tests.benchmarks.made import machine, tell
from tests.benchmarks.processes import mebibytes, per_change, seconds

TELL = 10.0


def burst(made: Pair, rows: int) -> None:
    """Change every row of crm at once."""
    with made.connect("crm") as crm, made.connect("warehouse") as warehouse:
        used = seconds(made)
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


def sustained(made: Pair, rows: int, rate: float, length: float) -> None:
    """Change rows of both sides, and look how long changes take."""
    writers = {side: Writer(made, side, rows, rate) for side in SIDES}
    for writer in writers.values():
        writer.start()
    began = time.perf_counter()
    lags: list[float] = []
    told = began
    while time.perf_counter() - began < length:
        lags.append(probe(made, rows))
        time.sleep(0.5)
        if time.perf_counter() - told > TELL:
            told = time.perf_counter()
            written = {f"{side}_changes_per_second": round(w.written / (told - began)) for side, w in writers.items()}
            tell(
                benchmark="follow sustained",
                second=round(told - began),
                lag_p50_ms=percentile(lags, 0.5),
                lag_max_ms=round(max(lags)),
                **written,
                mebibytes=mebibytes(made),
            )
            lags = []
    for writer in writers.values():
        writer.stop.set()
        writer.join()
    ended = time.perf_counter()
    for side in SIDES:
        there = next(other for other in SIDES if other != side)
        wanted = sorted(writers[side].last.items())
        with made.connect(there) as connection:
            while True:
                shown = dict(connection.execute(f"select code, {Writer.COLUMN[side]} from contact".encode()).fetchall())
                if all(shown[code] == value for code, value in wanted):
                    break
                time.sleep(0.1)
    tell(
        benchmark="follow sustained",
        changes=sum(writer.written for writer in writers.values()),
        seconds=round(ended - began),
        lost=0,
        drained_in_seconds=round(time.perf_counter() - ended, 2),
        machine=machine(),
    )


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
    given = asking.parse_args()
    with pair(given.rows) as made:
        burst(made, given.rows)
        sustained(made, given.rows, given.rate, given.seconds)


if __name__ == "__main__":
    main()
