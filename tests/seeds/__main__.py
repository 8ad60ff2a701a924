"""Whole syncs under all faults at once, seed by seed: `python -m tests.seeds --seeds 200`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from tests.seeds.play import Played, play
from tests.seeds.warm import warmed


def one(address: str, keep: Path | None, seed: int) -> Played:
    """Play a seed in a folder of its own."""
    if keep is not None:
        folder = keep / f"seed-{seed}"
        folder.mkdir(parents=True)
        played = play(seed, folder, address)
        (folder / "log").write_text("\n".join(played.log), encoding="utf-8")
        return played
    with tempfile.TemporaryDirectory(prefix="antiphon-seed-") as name:
        return play(seed, Path(name), address)


def main() -> None:
    """Play seeds, and tell those that went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="keep the folders and logs of all seeds here")
    given = parser.parse_args()
    started = time.monotonic()
    seeds = range(given.first, given.first + given.seeds)
    bad, syncs, faults, edits = 0, 0, 0, 0
    with warmed() as address, ProcessPoolExecutor(given.workers) as pool:
        for seed, played in zip(seeds, pool.map(partial(one, address, given.keep), seeds), strict=True):
            for words in played.wrong:
                print(f"seed {seed}: {words}", flush=True)
            bad += bool(played.wrong)
            syncs, faults, edits = syncs + played.syncs, faults + played.faults, edits + played.edits
    print(
        f"{given.seeds} seeds, {syncs} syncs, {edits} edits and {faults} faults in {time.monotonic() - started:.0f} s: "
        f"{bad} went wrong"
    )
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
