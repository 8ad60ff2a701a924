"""Faults, one after the other in a random order, while users edit what is followed; and the judgement in the end."""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from tests.benchmarks.follow_latency import Pair, follow
from tests.benchmarks.made import machine, tell

Fault = Callable[[], None]
"""Does harm, and names it. Whoever is named after the process ends it."""
ENDS = ("the_process_is_killed", "the_process_is_stopped")


class User(Protocol):
    """A thread that edits until it is told to stop."""

    def start(self) -> None:
        """Begin."""

    def end(self) -> int:
        """Stop; how many edits there were."""


def asked(description: str | None, seconds: float) -> argparse.ArgumentParser:
    """The options of a run under faults."""
    asking = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    asking.add_argument("--seconds", type=float, default=seconds)
    asking.add_argument("--seed", type=int, default=1)
    return asking


def endure(
    benchmark: str,
    made: Pair,
    users: Sequence[User],
    faults: Sequence[Fault],
    missing: Callable[[], Sequence[object]],
    given: argparse.Namespace,
    *,
    chance: random.Random,
    quiet: tuple[float, float],
    options: Sequence[str],
) -> None:
    """Run for so long, let the users rest, end the process, and judge: exits if anything is lost or left.

    Each fault has its turn before one comes again; `quiet` are the seconds between two of them.
    """
    for user in users:
        user.start()
    done = Counter[str]()
    coming: list[Fault] = []
    ends = time.monotonic() + given.seconds
    while time.monotonic() < ends:
        time.sleep(chance.uniform(*quiet))
        coming = coming or chance.sample(faults, len(faults))
        fault = coming.pop()
        name = fault.__name__
        print(f"{ends - time.monotonic():4.0f} s left: {name.replace('_', ' ')}", file=sys.stderr)
        fault()
        done[name] += 1
        if made.process.poll() is not None:
            if name not in ENDS:
                sys.exit(f"it ended after {name}:\n{''.join(made.said[-30:])}")
            follow(made, *options)
    edits = sum(user.end() for user in users)
    time.sleep(quiet[1])
    made.process.send_signal(signal.SIGTERM)
    code = made.process.wait(120)
    ended = settled(made)
    lost = missing()
    commands = {name: each.returncode for name, each in ended.items()}
    tell(
        benchmark=benchmark,
        seconds=given.seconds,
        seed=given.seed,
        **done,
        edits=edits,
        ended_with=code,
        **commands,
        lost=len(lost),
        machine=machine(),
    )
    if lost or code or any(commands.values()):
        told = "\n".join((each.stdout + each.stderr[-3000:]).decode() for each in ended.values())
        sys.exit(f"{lost[:10]}\n{''.join(made.said[-30:])}\n{told}")


def plugins(made: Pair) -> list[int]:
    """The processes that the follower started."""
    try:
        children = Path(f"/proc/{made.process.pid}/task/{made.process.pid}/children").read_text(encoding="utf-8")
    except OSError:
        return []
    return [int(child) for child in children.split()]


def settled(made: Pair) -> dict[str, subprocess.CompletedProcess[bytes]]:
    """Sync until `verify` finds nothing: what a server refused while it went down is tried again within a minute."""
    for _ in range(5):
        ended = {name: made.antiphon(name) for name in ("sync", "verify")}
        if ended["verify"].returncode == 0:
            break
        print(ended["verify"].stdout.decode(), file=sys.stderr)
        time.sleep(20)
    return ended
