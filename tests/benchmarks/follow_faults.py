"""`antiphon follow` under faults: users edit while servers restart, plugins and the process itself are killed.

    python -m tests.benchmarks.follow_faults --seconds 600

Faults come one after the other in a random order (`--seed`): a server is stopped at once and started again, a slot is
dropped, the network to a server falls silent or a table stays locked for longer than `--patience`, a plugin is killed,
a plugin hangs (SIGSTOP), all of it sleeps as a laptop does (SIGSTOP, SIGCONT), its clock jumps by an hour, the process
is killed (kill -9) or asked to end (SIGTERM) and started again. Then the users rest, the process ends by SIGTERM,
`antiphon sync` takes what is left and `antiphon verify` must find nothing; every user's last value must stand on the
other side.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial, wraps
from pathlib import Path

import psycopg

from antiphon_sandbox import postgres
from tests.benchmarks.faults import asked, endure, plugins
from tests.benchmarks.follow_latency import SIDES, Pair, databases, follow, kill
from tests.benchmarks.follow_load import Writer
from tests.benchmarks.network import Network

PATIENCE = 5
ROWS = 500
CLOCK = """
import os, time

real, real_ns, file = time.time, time.time_ns, os.environ["CLOCK"]

def ahead():
    try:
        with open(file) as told:
            return int(told.read())
    except (OSError, ValueError):
        return 0

time.time = lambda: real() + ahead()
time.time_ns = lambda: real_ns() + ahead() * 10**9
"""
"""Found by every Python process that has its folder in PYTHONPATH: a clock that can be put forward and back."""
QUIET = (3.0, 8.0)
"""Seconds between two faults."""


@dataclass
class Networked(Pair):
    """Two databases, each behind a network."""

    networks: dict[str, Network] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """With a clock of its own."""
        return {**super().environment, "PYTHONPATH": str(self.folder / "clock"), "CLOCK": str(self.clock)}

    @property
    def clock(self) -> Path:
        """The file that says by how many seconds Antiphon's clock is ahead."""
        return self.folder / "ahead"


@contextmanager
def networked() -> Iterator[Networked]:
    """Databases to which Antiphon has a network of its own; users have another."""
    networks: dict[str, Network] = {}
    with ExitStack() as stack:

        def through(side: str, cluster: postgres.Cluster) -> str:
            networks[side] = stack.enter_context(Network(cluster.port))
            return cluster.dsn().replace(f":{cluster.port}/", f":{networks[side].port}/")

        pair = stack.enter_context(databases(ROWS, through))
        made = Networked(pair.folder, pair.clusters, networks=networks)
        stack.callback(kill, made)
        (made.folder / "clock").mkdir()
        (made.folder / "clock" / "sitecustomize.py").write_text(CLOCK, encoding="utf-8")
        yield made


def a_server_restarts(made: Pair, chance: random.Random) -> None:
    """As after a crash."""
    cluster = made.clusters[chance.choice(SIDES)]
    postgres.stop(cluster, mode="immediate")
    postgres.start(cluster.data_dir, durable=True)


def a_slot_is_dropped(made: Pair, chance: random.Random) -> None:
    """With whoever reads it."""
    with made.connect(chance.choice(SIDES)) as connection:
        connection.execute("select pg_terminate_backend(active_pid) from pg_replication_slots where active")
        for _ in range(50):
            try:
                connection.execute("select pg_drop_replication_slot(slot_name) from pg_replication_slots")
            except psycopg.errors.ObjectInUse:
                time.sleep(0.05)
            else:
                return


def a_plugin_is_killed(made: Pair, chance: random.Random) -> None:
    """By somebody's hand."""
    if running := plugins(made):
        os.kill(chance.choice(running), signal.SIGKILL)


def a_plugin_hangs(made: Pair, chance: random.Random) -> None:
    """As one whose network neither answers nor refuses."""
    if running := plugins(made):
        os.kill(chance.choice(running), signal.SIGSTOP)
        time.sleep(PATIENCE + 2)


def the_network_hangs(made: Networked, chance: random.Random) -> None:
    """It accepts, and stays silent."""
    network = made.networks[chance.choice(SIDES)]
    network.hang()
    time.sleep(PATIENCE + 2)
    network.go_on()


def a_table_is_locked(made: Pair, chance: random.Random) -> None:
    """By somebody's long transaction: the outbox fills."""
    with made.connect(chance.choice(SIDES)) as connection, connection.transaction():
        connection.execute("lock table contact in share mode")
        time.sleep(PATIENCE + 2)


def the_laptop_sleeps(made: Pair, _chance: random.Random) -> None:
    """With all that runs on it."""
    asleep = [made.process.pid, *plugins(made)]
    for process in asleep:
        os.kill(process, signal.SIGSTOP)
    time.sleep(2 * PATIENCE)
    for process in asleep:
        os.kill(process, signal.SIGCONT)


def the_clock_jumps(made: Networked, chance: random.Random) -> None:
    """By an hour, and back again."""
    made.clock.write_text(chance.choice(["3600", "-3600"]), encoding="utf-8")
    time.sleep(PATIENCE)
    made.clock.unlink()


def the_process_is_killed(made: Pair, _chance: random.Random) -> None:
    """And started anew."""
    made.process.kill()
    made.process.wait()


def the_process_is_stopped(made: Pair, _chance: random.Random) -> None:
    """And started anew. It must end well."""
    made.process.send_signal(signal.SIGTERM)
    made.process.wait(120)


FAULTS: tuple[Callable[[Networked, random.Random], None], ...] = (
    a_server_restarts,
    a_slot_is_dropped,
    a_plugin_is_killed,
    a_plugin_hangs,
    the_network_hangs,
    a_table_is_locked,
    the_laptop_sleeps,
    the_clock_jumps,
    the_process_is_killed,
    the_process_is_stopped,
)


def main() -> None:
    """Run for so long, and judge."""
    asking = asked(__doc__, 600)
    asking.add_argument("--rate", type=float, default=20)
    given = asking.parse_args()
    chance = random.Random(given.seed)
    with networked() as made:
        options = ("--patience", str(PATIENCE), "--wait", "60")
        follow(made, *options)
        writers = {side: Writer(made.connect, side, ROWS, given.rate) for side in SIDES}
        endure(
            "follow under faults",
            made,
            list(writers.values()),
            [wraps(fault)(partial(fault, made, chance)) for fault in FAULTS],
            lambda: [each for side in SIDES for each in missing(made, side, writers[side].last)],
            given,
            chance=chance,
            quiet=QUIET,
            options=options,
        )


def missing(made: Pair, side: str, last: dict[str, str]) -> list[tuple[str, str, str]]:
    """The user's last values that do not stand on the other side."""
    there = next(other for other in SIDES if other != side)
    column = Writer.COLUMN[side]
    with made.connect(there) as connection:
        shown = dict(connection.execute(f"select code, {column} from contact".encode()).fetchall())
    return [(side, code, value) for code, value in sorted(last.items()) if shown[code] != value]


if __name__ == "__main__":
    main()
