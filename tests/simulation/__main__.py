"""Long runs: `python -m tests.simulation --schedules 1000000 --notebook FILE`; or one seed, told, with `--trace`."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from pathlib import Path

from tests.simulation.long_run import BLOCK, Notebook, Stopwatch, report, run_blocks
from tests.simulation.schedule import draw, minimise, run
from tests.simulation.shape import PROFILES

PROGRESS = 20.0
"""Seconds between two lines of progress."""


def tell(line: str) -> None:
    """One line of what was found."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Run schedules until their number or the time is up; the first wrong ones are shown, made small."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--schedules", type=int, help="so many; without it, as many as the time allows")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--profile", choices=sorted(PROFILES))
    parser.add_argument("--seconds", type=float, help="no new schedules after so long; 60 without --schedules")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--notebook", type=Path, help="a file that keeps what is done, to go on after a break")
    parser.add_argument("--show", type=int, default=3, help="so many wrong schedules")
    parser.add_argument("--trace", action="store_true", help="tell all that happens in the first seed, made small")
    options = parser.parse_args()
    if options.trace:
        return _trace(options.first, options.profile)
    number = options.schedules or 10**9
    watch = Stopwatch(options.seconds or (10**9 if options.schedules else 60.0))
    notebook = Notebook(options.notebook)
    size = min(BLOCK, number)
    firsts = range(options.first, options.first + number // size * size, size)
    done = {block.first: block for block in notebook.read() if block.first in firsts}
    counts: Counter[str] = Counter()
    wrong: list[tuple[int, str]] = []
    for block in done.values():
        counts += block.counts
        wrong += block.wrong
    if done:
        tell(f"{len(done) * size:,} schedules were run before")
    ahead = (first for first in firsts if first not in done)
    told, mine = 0.0, 0
    try:
        for block in run_blocks(ahead, size, options.workers, options.profile, watch.over):
            notebook.add(block)
            counts += block.counts
            wrong += block.wrong
            mine += size
            for seed, sentence in block.wrong:
                tell(f"seed {seed}: {sentence}")
            if watch.spent - told > PROGRESS:
                told = watch.spent
                tell(f"{counts['schedules']:,} schedules, {mine / told:,.0f}/s, {len(wrong)} wrong, {told:,.0f} s")
    except KeyboardInterrupt:
        tell("broken off; the notebook goes on from here" if options.notebook else "broken off")
    tell(f"seeds {firsts.start:,} to {firsts.start + len(firsts) * size:,}, code {notebook.code}")
    tell(report(counts, wrong, 0 if done else watch.spent))
    for seed, _ in sorted(wrong)[: options.show]:
        _explain(seed, options.profile)
    return bool(wrong) or (options.schedules is not None and counts["schedules"] < len(firsts) * size)


def _explain(seed: int, profile: str | None) -> None:
    small = minimise(draw(seed, profile))
    tell(f"\n{small}")
    tell("\n".join(run(small).wrong))
    tell(f"see it happen: python -m tests.simulation --from {seed} --trace")


def _trace(seed: int, profile: str | None) -> int:
    schedule = draw(seed, profile)
    small = minimise(schedule) if run(schedule).wrong else schedule
    tell(str(small))
    wrong = run(small, tell=tell).wrong
    tell("\n".join(wrong) or "nothing is wrong with it")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
