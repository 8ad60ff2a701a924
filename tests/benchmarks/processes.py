"""What each process of a follower uses: seconds of a processor, and memory."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from tests.benchmarks.follow_latency import Pair

_TICKS = os.sysconf("SC_CLK_TCK")
FOLLOW = "follow"
"""The name of the process that follows; plugins and servers are named with their side."""


def seconds(made: Pair) -> dict[str, float]:
    """Seconds of a processor, user and system, that each process has used since it began.

    A server's are those of all its backends, also of those that have ended.
    """
    found = {name: _used(process) for name, process in plugins(made).items()}
    for side, cluster in made.clusters.items():
        postmaster = int((cluster.data_dir / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
        backends = sum(_used(child) for child in _children(postmaster))
        found[f"PostgreSQL {side}"] = backends + _used(postmaster) + _used(postmaster, reaped=True)
    return found


def mebibytes(made: Pair) -> dict[str, int]:
    """Memory of the process that follows, and of each plugin."""
    return {name: _resident(process) for name, process in plugins(made).items()}


def plugins(made: Pair) -> dict[str, int]:
    """The process that follows, and each that it started, by name."""
    found = {FOLLOW: made.process.pid}
    for child in _children(made.process.pid):
        words = _words(child)
        if "--config" in words:
            settings = json.loads(Path(words[words.index("--config") + 1]).read_text(encoding="utf-8"))
            program = next(Path(word).name for word in words if Path(word).name.startswith(("tap-", "target-")))
            side = next(side for side, each in made.clusters.items() if f":{each.port}/" in settings["url"])
            found[f"{program} {side}"] = child
    return found


def per_change(before: dict[str, float], after: dict[str, float], changes: int) -> dict[str, float]:
    """Milliseconds of a processor for each change, by process, and in all."""
    spent = {name: round(1000 * (after[name] - before.get(name, 0.0)) / changes, 3) for name in after}
    return {**spent, "all": round(sum(spent.values()), 3)}


def _children(process: int) -> list[int]:
    """Also those that another thread than its first has started."""
    files = Path(f"/proc/{process}/task").glob("*/children")
    found = []
    for file in files:
        with suppress(FileNotFoundError, ProcessLookupError):  # that thread ended meanwhile
            found += [int(child) for child in file.read_text(encoding="utf-8").split()]
    return found


def _words(process: int) -> list[str]:
    return Path(f"/proc/{process}/cmdline").read_bytes().decode().split("\0")


def _used(process: int, *, reaped: bool = False) -> float:
    """After proc(5): utime and stime are the fields 14 and 15, those of waited-for children 16 and 17."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return 0.0  # it ended meanwhile: whoever waited for it tells
    fields = text.rpartition(")")[2].split()
    first = 13 if reaped else 11
    return (int(fields[first]) + int(fields[first + 1])) / _TICKS


def _resident(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) // 1024
