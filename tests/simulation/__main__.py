"""Long runs: `python -m tests.simulation --seeds N --from S --profile P --seconds T`."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.simulation.schedule import draw, minimise, run
from tests.simulation.shape import PROFILES


def tell(line: str) -> None:
    """One line of what was found."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Run schedules until time or seeds are up; the first wrong ones are shown, made small."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, default=10**9)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--profile", choices=sorted(PROFILES))
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--show", type=int, default=3, help="so many wrong schedules")
    parser.add_argument("--trace", action="store_true", help="tell all that happens in the first wrong one, made small")
    options = parser.parse_args()
    began = time.monotonic()
    mix: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    wrong: list[int] = []
    kinds: Counter[str] = Counter()
    rounds = 0
    for seed in range(options.first, options.first + options.seeds):
        if time.monotonic() - began > options.seconds:
            break
        schedule = draw(seed, options.profile)
        verdict = run(schedule)
        mix[schedule.shape.profile] += 1
        outcomes.update(verdict.outcomes)
        rounds += verdict.rounds
        if verdict.wrong:
            wrong.append(seed)
            kinds[verdict.wrong[0][:4]] += 1
            if len(wrong) <= options.show:
                small = minimise(schedule)
                tell(str(small))
                tell("\n".join(run(small, tell=tell if options.trace else None).wrong))
    spent = time.monotonic() - began
    total = sum(mix.values())
    tell(f"{total} schedules, {rounds} rounds in {spent:.1f} s ({total / spent:.0f}/s); {dict(sorted(mix.items()))}")
    tell(f"rounds ended: {dict(outcomes.most_common())}")
    tell(f"{len(wrong)} wrong {dict(kinds)}: {wrong[:20]}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
