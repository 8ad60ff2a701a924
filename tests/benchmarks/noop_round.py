"""A round in which nothing changed: `antiphon sync`, both taps print every record through pipes, the ledger is on disk.

    python -m tests.benchmarks.noop_round --links 1000000

Told are the seconds of the taps alone (both at once, into nothing) and of the round, what the round costs beyond the
taps by the clock and in seconds of the processor, which other work on the machine changes less, and the memory. The
limits set for a million links are 8 seconds and 1 GiB.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.made import SIDES, Made, asked, machine, make, tell


def main() -> None:
    given = asked(__doc__, turns=3)
    made = make(given.links, given.folder)
    alone = min(taps_alone(made) for _ in range(given.turns))
    taken = min(round_of(made) for _ in range(given.turns))
    tell(
        benchmark="noop round",
        links=given.links,
        taps_alone_s=round(alone.seconds, 2),
        round_s=round(taken.seconds, 2),
        beyond_the_taps_s=round(taken.seconds - alone.seconds, 2),
        processor_s_beyond_the_taps=round(taken.processor - alone.processor, 2),
        records_per_s=round(2 * given.links / taken.seconds),
        memory_mib=round(taken.memory / 2**20),
        machine=machine(),
    )


class Cost(NamedTuple):
    """Seconds by the clock and of the processor, the taps' included, and bytes of memory of the largest process."""

    seconds: float
    processor: float
    memory: int


def taps_alone(made: Made) -> Cost:
    """What both taps cost together when nobody reads them."""
    tap = Path(__file__).with_name("tap.py")
    began = time.perf_counter()
    before = os.times()
    running = [subprocess.Popen([sys.executable, tap, made.output(side)], stdout=subprocess.DEVNULL) for side in SIDES]
    if any(process.wait() for process in running):
        raise SystemExit("a tap failed")
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(time.perf_counter() - began, spent, 0)


def round_of(made: Made) -> Cost:
    """What one round costs."""
    began = time.perf_counter()
    command = [str(Path(sys.executable).with_name("antiphon")), "sync", "--json"]
    process = subprocess.Popen(command, cwd=made.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.stdout, process.stderr
    if out is None or err is None:
        raise SystemExit("no pipe")
    said, told = out.read(), err.read()
    _, status, usage = os.wait4(process.pid, 0)
    taken = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0 or b" 0 changed" not in told:
        raise SystemExit(f"the round was none:\n{said.decode()}\n{told.decode()}")
    return Cost(taken, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


if __name__ == "__main__":
    main()
