"""Schedules of operations under all faults of HubSpot at once.

`python -m tests.benchmarks.hubspot_seeds --seeds 200`
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import sys
import tempfile
import time
from pathlib import Path

from tests.targets.hubspot.schedule import play


def main() -> None:
    """Play schedules, and tell the seeds that went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    logging.disable(logging.WARNING)  # rows are refused on purpose
    started, bad = time.monotonic(), 0
    for seed in range(given.first, given.first + given.seeds):
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):  # its STATE
            wrong = play(seed, Path(folder))
        for words in wrong:
            print(f"seed {seed}: {words}")
        bad += bool(wrong)
    print(f"{given.seeds} seeds in {time.monotonic() - started:.0f} s, {bad} went wrong")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
