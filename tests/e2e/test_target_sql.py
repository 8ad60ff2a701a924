"""Two-way through tap-sql and target-sql, whose receipts are exact: two users on the same rows, and kill -9.

The stress is the one in which Bucardo loses every row: one user edits the e-mail in one database, another the phone in
the other, of the same 500 rows. `ANTIPHON_STRESS_SECONDS` says how long they work (12 by default; 40 for the whole).
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest

from antiphon_sandbox import postgres
from tests.e2e.world import ACCOUNT, PASSWORD, SIDES, World

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.xdist_group("e2e-target-sql")]

SECONDS = float(os.environ.get("ANTIPHON_STRESS_SECONDS", "12"))
ROWS, KILLS, MOST_ROUNDS = 500, 2, 8
TABLE = "create table people (id text primary key, code text, email text, phone text, note text default 'untouched')"
SYNC = """name: exact
sides:
{sides}entities:
  person:
    sides:
      crm: {{stream: public-people, key: id, on_create: uuid}}
      warehouse: {{stream: {stream}, key: id, on_create: uuid}}
    match: [code]
    policy: park
    on_delete: delete
    fields: {{code: code, email: email, phone: phone}}
guards: {{max_change: 100%}}
"""
SIDE = """  {side}:
    config: {{url: "{url}"}}
    tap: {{command: tap-sql}}
    target: {{command: target-sql, receipts_path: receipts-{side}.jsonl}}
"""


@pytest.fixture
def exact(world: World) -> World:
    """Both sides are PostgreSQL and hold the same people under other ids; receipts may be kept in their schema."""
    for side in SIDES:
        _make_people(world, side)
    write_sync(world, {side: url_of(world, side) for side in SIDES}, "public-people")
    return world


def _make_people(world: World, side: str) -> None:
    world.make_tables(side, TABLE)
    world.sql(side, f"grant create on schema public to {ACCOUNT}")
    world.sql(side, f"grant delete on people to {ACCOUNT}")
    rows: list[tuple[Any, ...]] = [(f"{side}-{n}", f"p{n}", f"{n}@example.com", f"{n}") for n in range(ROWS)]
    world.copy(side, "people", ("id", "code", "email", "phone"), rows)


def url_of(world: World, side: str) -> str:
    cluster = world.servers[side]
    return f"postgresql://{ACCOUNT}:{PASSWORD}@{cluster.host}:{cluster.port}/{world.databases[side]}"


def write_sync(world: World, urls: dict[str, str], stream: str) -> None:
    sides = "".join(SIDE.format(side=side, url=url) for side, url in urls.items())
    (world.folder / "sync.yml").write_text(SYNC.format(sides=sides, stream=stream), encoding="utf-8")


@dataclass
class User:
    """Somebody who edits one field of random rows in one database until told to stop; `last` is what they wrote."""

    world: World
    side: str
    column: str
    seed: int
    last: dict[str, str] = field(default_factory=dict)
    edits: int = 0

    def work(self, stop: threading.Event) -> None:
        chance = random.Random(self.seed)
        with postgres.connect(self.world.servers[self.side], self.world.databases[self.side]) as connection:
            while not stop.is_set():
                self.edits += 1
                code, value = f"p{chance.randrange(ROWS)}", f"{self.column} {self.edits}"
                connection.execute(f"update people set {self.column} = %s where code = %s".encode(), (value, code))
                self.last[code] = value
                time.sleep(0.004)


def test_two_users_on_the_same_rows_lose_nothing_although_targets_are_killed(exact: World) -> None:
    exact.antiphon("sync")
    users = [User(exact, "crm", "email", 1), User(exact, "warehouse", "phone", 2)]
    stop = threading.Event()
    threads = [threading.Thread(target=user.work, args=(stop,)) for user in users]
    for thread in threads:
        thread.start()
    killed = rounds = 0
    ended = time.monotonic() + SECONDS
    try:
        while time.monotonic() < ended or (killed < KILLS and rounds < MOST_ROUNDS):
            rounds += 1
            if rounds % 2 or rounds == 2:
                killed += _sync_and_kill_a_target(exact, random.Random(rounds).uniform(0.0, 0.3))
            else:
                exact.antiphon("sync", "--wait", "60")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    writing = exact.settle("people")
    lost = {
        (user.column, side, code): (wanted, there[code])
        for user in users
        for side in SIDES
        if (there := _column(exact, side, user.column))
        for code, wanted in user.last.items()
        if there[code] != wanted
    }
    print(f"{users[0].edits} + {users[1].edits} edits, {rounds} rounds, {killed} kills, {writing} more to settle")
    assert lost == {}
    assert exact.conflicts() == []
    assert {side: exact.number(side, "select count(*) from people") for side in SIDES} == dict.fromkeys(SIDES, ROWS)
    assert killed >= KILLS
    assert min(user.edits for user in users) > 100


def _sync_and_kill_a_target(world: World, after: float) -> int:
    """Start a round and kill -9 the first target that shows up, a moment later; whether there was one."""
    process = world.start("sync", "--wait", "60")
    killed = 0
    while process.poll() is None and not killed:
        for pid in _children(process, "target-sql"):
            time.sleep(after)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed = 1
        time.sleep(0.02)
    process.communicate(timeout=120)
    return killed


def _children(process: subprocess.Popen[str], name: str) -> list[int]:
    """The processes of a program that `process` started and that write rows, not those that are only asked."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            stat = (folder / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            words = (folder / "cmdline").read_bytes()
            if int(stat[1]) == process.pid and name.encode() in words and b"--about" not in words:
                found.append(int(folder.name))
    return found


def _column(world: World, side: str, name: str) -> dict[str, Any]:
    return {row[0]: row[1] for row in world.sql(side, f"select code, {name} from people")}


def test_a_new_row_and_a_deleted_one_travel_both_ways_between_postgresql_and_duckdb(world: World) -> None:
    _make_people(world, "crm")
    path = world.folder / "warehouse.duckdb"
    with duckdb.connect(str(path)) as file:
        file.execute(TABLE)
        file.execute(
            "insert into people (id, code, email, phone) "
            f"select 'w-' || n, 'p' || n, n || '@example.com', '' || n from range({ROWS}) r(n)"
        )
    write_sync(world, {"crm": url_of(world, "crm"), "warehouse": f"duckdb:///{path}"}, "main-people")
    world.antiphon("sync")
    with duckdb.connect(str(path)) as file:
        file.execute("insert into people values ('w-new', 'new', 'new@example.com', '7', 'x')")
        file.execute("update people set phone = 'edited' where code = 'p1'")
        file.execute("delete from people where code = 'p2'")
    world.sql("crm", "update people set email = 'edited' where code = 'p1'")
    world.sql("crm", "insert into people (id, code, email) values ('crm-new', 'other', 'o@example.com')")
    _until_quiet(world, lambda: world.antiphon("--json", "sync").facts)
    crm = dict[Any, Any](
        (code, (email, phone)) for code, email, phone in world.sql("crm", "select code, email, phone from people")
    )
    with duckdb.connect(str(path)) as file:
        warehouse = {c: (e, p) for c, e, p in file.execute("select code, email, phone from people").fetchall()}
        notes = file.execute("select distinct note from people where code <> 'new' and code <> 'other'").fetchall()
    assert crm == warehouse
    assert crm["p1"] == ("edited", "edited")
    assert crm["new"] == ("new@example.com", "7")
    assert warehouse["other"] == ("o@example.com", None)
    assert "p2" not in crm
    assert notes == [("untouched",)]


def _until_quiet(world: World, sync: Callable[[], Any]) -> None:
    for _ in range(4):
        sync()
    world.verify()
