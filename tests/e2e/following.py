"""`antiphon follow` as its users see it: started, listened to, asked by HTTP, ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from antiphon_sandbox import postgres
from tests.e2e.world import World

FOLLOW = ("follow", "--listen", "127.0.0.1:0")
"""The words of the command."""


def dropped(world: World, side: str) -> bool:
    """Drop the slots of a side, once nobody reads them any more."""
    world.sql(
        side, "select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = current_database()"
    )
    return True


def keep_log(world: World, side: str) -> None:
    """Have a side's server keep a logical log."""
    if world.sql(side, "show wal_level") != [("logical",)]:
        cluster = world.servers[side]
        world.sql(side, "alter system set wal_level = logical")
        postgres.stop(cluster)
        postgres.start(cluster.data_dir)


def eventually(holds: Callable[[], bool], seconds: float = 30) -> float:
    """Wait until it holds; how long it took."""
    began = time.monotonic()
    while True:
        try:
            if holds():
                return time.monotonic() - began
        except postgres_error():
            pass
        assert time.monotonic() - began < seconds, "it did not come to be"
        time.sleep(0.005)


def postgres_error() -> type[Exception]:
    import psycopg  # noqa: PLC0415 - an extra

    return psycopg.Error


class Follower:
    """`antiphon follow` at work."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said: list[dict[str, Any]] = []
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()
        eventually(lambda: self.has_said("following") or self.process.poll() is not None, 60)
        assert self.process.poll() is None, self.said

    def close(self) -> None:
        self.listener.join(30)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(json.loads(line) if line.startswith("{") else {"topic": line})

    def has_said(self, topic: str) -> bool:
        return any(line["topic"] == topic for line in self.said)

    def answers(self, path: str) -> tuple[int, str]:
        """What it says by HTTP."""
        port = next(line["port"] for line in self.said if line["topic"] == "listening")
        found = requests.get(f"http://127.0.0.1:{port}{path}", timeout=10)
        return found.status_code, found.text

    def plugin(self, program: str, url: str) -> int:
        """The process of a plugin that stays."""
        for file in Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            for child in file.read_text(encoding="utf-8").split():
                words = Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0")
                if any(Path(word).name == program for word in words):
                    settings = json.loads(Path(words[words.index("--config") + 1]).read_text(encoding="utf-8"))
                    if settings["url"] == url:
                        return int(child)
        raise AssertionError(f"no {program} of this database runs")

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


def mebibytes(process: int) -> int:
    """How much memory a process has."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) >> 10


@contextmanager
def following(process: subprocess.Popen[str]) -> Iterator[Follower]:
    """Within, somebody follows; whoever has not ended by then is killed."""
    follower = Follower(process)
    try:
        yield follower
    finally:
        if follower.process.poll() is None:
            os.killpg(follower.process.pid, signal.SIGKILL)
            follower.process.wait(30)
        follower.close()
