"""How long a change takes through `antiphon follow`: from its commit in one PostgreSQL to being visible in the other.

    python -m tests.benchmarks.follow_latency --samples 200 [--peers]

Both servers wait for the disk, as they would at work. One change at a time, at random moments, alternating between the
sides; the other side is looked at every half millisecond, and that is the resolution.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from antiphon_sandbox import postgres
from tests.benchmarks import bucardo
from tests.benchmarks.made import lowest_fsync, machine, tell

SIDES = ("crm", "warehouse")
LOOK = 0.0005
PROGRAMS = Path(sys.executable).parent
TABLE = """
create table contact (id text primary key, code text unique, email text, first_name text, last_name text, phone text,
                      city text, amount numeric(12, 2), active boolean, updated_at timestamptz default now())
"""
FIELDS = ("code", "email", "first_name", "last_name", "phone", "city", "amount", "active")
SYNC = """name: latency
sides:
{sides}entities:
  contact:
    sides:
      crm: {{stream: public-contact, key: id, on_create: uuid, replication: log}}
      warehouse: {{stream: public-contact, key: id, on_create: uuid, replication: log}}
    match: [code]
    policy: {{owner: crm}}
    fields: {{{fields}}}
guards: {{max_change: 100%, max_create: 100%}}
"""
SIDE = """  {side}:
    config: {{url: "{url}"}}
    tap: {{command: tap-sql}}
    target: {{command: target-sql}}
"""


@dataclass
class Pair:
    """Databases by side, and the process that follows them."""

    folder: Path
    clusters: dict[str, postgres.Cluster]
    said: list[str] = field(default_factory=list)
    running: subprocess.Popen[str] | None = None

    def connect(self, side: str) -> psycopg.Connection[Any]:
        """A connection of a user."""
        return postgres.connect(self.clusters[side])

    @property
    def process(self) -> subprocess.Popen[str]:
        """The process that follows."""
        if self.running is None:
            raise RuntimeError("nobody follows")
        return self.running

    @property
    def environment(self) -> dict[str, str]:
        """What a user's shell has."""
        return {**os.environ, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"}

    def antiphon(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end."""
        command = [str(PROGRAMS / "antiphon"), *arguments]
        return subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, check=False)


@contextmanager
def databases(rows: int, through: Callable[[str, postgres.Cluster], str] | None = None) -> Iterator[Pair]:
    """Two servers with the same contacts under other ids. `through` gives the URL by which Antiphon reaches each."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="antiphon-follow-")))
        clusters = {side: stack.enter_context(logged(folder / side)) for side in SIDES}
        made = Pair(folder, clusters)
        for side in SIDES:
            with made.connect(side) as connection:
                connection.execute(TABLE.encode())
                query = (
                    "insert into contact select %s || n, 'c' || n, n || '@example.com' from generate_series(1, %s) n"
                )
                connection.execute(query.encode(), (side, rows))
        urls = {side: through(side, clusters[side]) if through else clusters[side].dsn() for side in SIDES}
        sides = "".join(SIDE.format(side=side, url=urls[side]) for side in SIDES)
        fields = ", ".join(f"{name}: {name}" for name in FIELDS)
        (folder / "sync.yml").write_text(SYNC.format(sides=sides, fields=fields), encoding="utf-8")
        try:
            yield made
        finally:
            kill(made)


@contextmanager
def logged(folder: Path) -> Iterator[postgres.Cluster]:
    """A server that keeps a logical log, and waits for the disk."""
    with postgres.running(folder, durable=True) as cluster, postgres.connect(cluster) as connection:
        connection.execute("alter system set wal_level = logical")
    with postgres.running(folder, durable=True) as cluster:
        yield cluster


def follow(made: Pair, *options: str) -> None:
    """Start the process, and wait until it follows."""
    command = [str(PROGRAMS / "antiphon"), "follow", *options]
    process = made.running = subprocess.Popen(
        command, cwd=made.folder, env=made.environment, stderr=subprocess.PIPE, text=True
    )
    following = threading.Event()

    def listen() -> None:
        for line in process.stderr or ():
            if '"topic": "plugin"' not in line:
                made.said.append(line)
            if '"topic": "following"' in line:
                following.set()
        following.set()

    threading.Thread(target=listen, daemon=True).start()
    following.wait()
    if process.poll() is not None:
        sys.exit("".join(made.said[-30:]))


def kill(made: Pair) -> None:
    """End the process, if it still runs."""
    if made.running is not None and made.running.poll() is None:
        made.running.kill()
        made.running.wait()


def end(made: Pair) -> None:
    """Ask the process to end, and see that it ends well."""
    made.process.send_signal(signal.SIGTERM)
    if made.process.wait(120) != 0:
        sys.exit("".join(made.said[-20:]))


def latencies(connect: Callable[[str], psycopg.Connection[Any]], rows: int, samples: int) -> dict[str, list[float]]:
    """Milliseconds from commit to visible, by direction."""
    found: dict[str, list[float]] = {}
    chance = random.Random(1)
    with connect("crm") as crm, connect("warehouse") as warehouse:
        ends = {"crm": crm, "warehouse": warehouse}
        for sample in range(samples):
            here, there = SIDES if sample % 2 else SIDES[::-1]
            code, value = f"c{chance.randint(1, rows)}", f"value {chance.random()}"
            time.sleep(chance.uniform(0.02, 0.08))
            ends[here].execute("update contact set city = %s where code = %s", (value, code))
            began = time.perf_counter()
            while ends[there].execute("select city from contact where code = %s", (code,)).fetchone() != (value,):
                time.sleep(LOOK)
                if time.perf_counter() - began > 30:
                    sys.exit(f"lost: {code} {value}")
            found.setdefault(f"{here} to {there}", []).append(1000 * (time.perf_counter() - began))
    return found


def percentile(values: list[float], share: float) -> float:
    return round(sorted(values)[min(len(values) - 1, int(len(values) * share))], 2)


def measure(made: Pair, what: str, database: str, rows: int, samples: int) -> None:
    """Print a distribution for each direction."""

    def connect(side: str) -> psycopg.Connection[Any]:
        return postgres.connect(made.clusters[side], database)

    latencies(connect, rows, 20)
    for direction, values in latencies(connect, rows, samples).items():
        tell(
            benchmark="follow latency",
            what=what,
            direction=direction,
            samples=len(values),
            p50_ms=percentile(values, 0.5),
            p95_ms=percentile(values, 0.95),
            p99_ms=percentile(values, 0.99),
            max_ms=round(max(values), 2),
            fsync_ms=round(1000 * lowest_fsync(made.folder), 3),
            machine=machine(),
        )


def main() -> None:
    """Measure Antiphon, and then its peers between the same servers."""
    asking = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asking.add_argument("--samples", type=int, default=200)
    asking.add_argument("--rows", type=int, default=10_000)
    asking.add_argument("--peers", action="store_true", help="also Bucardo, with its defaults and tuned")
    given = asking.parse_args()
    if given.peers and not bucardo.installed():
        sys.exit("--peers: apt-get install bucardo postgresql-plperl-15")
    with databases(given.rows) as made:
        follow(made)
        measure(made, "antiphon follow", "postgres", given.rows, given.samples)
        end(made)
        for tuned in (False, True) if given.peers else ():
            what = f"bucardo, {'tuned' if tuned else 'with its defaults'}"
            folder = Path(tempfile.mkdtemp(dir=made.folder, prefix="bucardo-"))
            fill = f"insert into contact select 'r' || n, 'c' || n from generate_series(1, {given.rows}) n"
            with bucardo.syncing(folder, made.clusters, f"{TABLE}; {fill}", "contact", tuned=tuned):
                measure(made, what, bucardo.DATABASE, given.rows, given.samples)


if __name__ == "__main__":
    main()
