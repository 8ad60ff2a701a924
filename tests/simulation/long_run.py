"""Many schedules on several cores, in blocks of seeds: a run that was broken off is taken up again."""

from __future__ import annotations

import gc
import json
import math
import signal
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from time import monotonic

import antiphon
from tests.simulation.schedule import draw, run

BLOCK = 250
"""Seeds that one worker runs before it answers."""

_FOLDERS = (Path(antiphon.__file__).parent, Path(__file__).parent)


@dataclass
class Block:
    """What some consecutive seeds came to."""

    first: int
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[tuple[int, str]] = field(default_factory=list)  # seed, first sentence


def run_block(first: int, size: int, profile: str | None = None) -> Block:
    """Run the schedules of some seeds. An exception is as wrong as a broken invariant."""
    block = Block(first)
    for seed in range(first, first + size):
        try:
            verdict = run(draw(seed, profile))
        except Exception:  # noqa: BLE001 - whatever it is, the seed must be told and the others must run
            block.counts["schedules"] += 1
            block.wrong.append((seed, traceback.format_exc().strip().splitlines()[-1]))
            continue
        block.counts += verdict.counts
        if verdict.wrong:
            block.wrong.append((seed, verdict.wrong[0]))
    gc.collect()
    return block


def run_blocks(
    firsts: Iterator[int], size: int, workers: int, profile: str | None, out_of_time: Callable[[], bool]
) -> Iterator[Block]:
    """Run blocks side by side and give each as it ends. No new one begins when the time is over."""
    with ProcessPoolExecutor(workers, initializer=_prepare) as pool:
        running: set[Future[Block]] = set()
        while True:
            while len(running) < workers and not out_of_time():
                first = next(firsts, None)
                if first is None:
                    break
                running.add(pool.submit(run_block, first, size, profile))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()


def _prepare() -> None:
    """Schedules leave cycles behind, which `run_block` collects at its end; what was imported is never garbage.

    A key that breaks the run off is for the one who hands out the blocks: those under way are ended first.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    gc.disable()


class Notebook:
    """Blocks that are done, one a line of JSON, for this very code. A torn last line is a block to be run again."""

    def __init__(self, path: Path | None) -> None:
        self.path, self.code = path, _code()

    def read(self) -> list[Block]:
        """What was done before. Lines of other code do not count."""
        if self.path is None or not self.path.exists():
            return []
        blocks = []
        for line in self.path.read_text().splitlines():
            try:
                shown = json.loads(line)
            except ValueError:
                continue
            if shown["code"] == self.code:
                wrong = [(seed, sentence) for seed, sentence in shown["wrong"]]
                blocks.append(Block(shown["first"], Counter(shown["counts"]), wrong))
        return blocks

    def add(self, block: Block) -> None:
        """Write down one more."""
        if self.path is not None:
            line = {"code": self.code, "first": block.first, "counts": block.counts, "wrong": block.wrong}
            with self.path.open("a") as file:
                file.write(json.dumps(line) + "\n")


def _code() -> str:
    """A fingerprint of the reconciler and the simulation: other code gives other schedules."""
    digest = blake2b(digest_size=8)
    for folder in _FOLDERS:
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def report(counts: Counter[str], wrong: list[tuple[int, str]], seconds: float) -> str:
    """The figures of a run in words."""
    total, rounds = counts["schedules"], counts["rounds"]
    pace = f" in {seconds:,.0f} s ({total / seconds:,.0f}/s)" if seconds else ""
    kinds = (
        f"{counts['small']:,} small ones, {counts['with references']:,} with references, {counts['on SQL']:,} in SQL"
    )
    lines = [f"{total:,} schedules ({kinds}), {rounds:,} rounds{pace}"]
    for word in ("profile", "act", "drawn", "met", "ended"):
        shown = {key.removeprefix(f"{word} "): n for key, n in counts.most_common() if key.startswith(f"{word} ") and n}
        lines.append(f"{_TITLES[word]}: " + ", ".join(f"{name} {n:,}" for name, n in shown.items()))
    broken = Counter(sentence.split(":")[0] for _, sentence in wrong)
    lines.append(f"{len(wrong)} wrong {dict(broken)}: {[seed for seed, _ in sorted(wrong)][:20]}")
    return "\n".join(lines)


_TITLES = {
    "profile": "profiles",
    "act": "acts of users",
    "drawn": "faults drawn",
    "met": "faults that found something to spoil",
    "ended": "rounds ended",
}


class Stopwatch:
    """How long a run took and how it goes on."""

    def __init__(self, seconds: float = math.inf) -> None:
        self.began, self.limit = monotonic(), seconds

    def over(self) -> bool:
        """Whether the time is up."""
        return self.spent > self.limit

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return monotonic() - self.began
