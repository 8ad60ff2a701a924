"""`antiphon follow` between two PostgreSQL servers: one long story, and one with plugins that cannot stay."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.e2e.following import FOLLOW, Follower, dropped, eventually, following, keep_log, mebibytes
from tests.e2e.small import make_small, write_small
from tests.e2e.world import BIN, SIDES, World

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.xdist_group("e2e-follow")]

ROWS = 40
TIMES = 300
"""So often every row is changed while a target hangs: 12 MB."""
HEARTBEATS = 2.5
"""Seconds in which a follower that does not wait would have read twice."""
TABLE = "create table people (id text primary key, code text, email text, phone text, note text)"
SYNC = """name: follow
sides:
{sides}entities:
  person:
    sides:
      crm: {{stream: public-people, key: id, on_create: uuid, replication: log}}
      warehouse: {{stream: public-people, key: id, on_create: uuid, replication: log}}
    match: [code]
    policy: park
    fields: {{code: code, email: email, phone: phone, note: {{crm: note, warehouse: note, policy: {{owner: crm}}}}}}
guards: {{max_change: 100%}}
"""
SIDE = """  {side}:
    config: {{url: "{url}"}}
    tap: {{command: tap-sql, config: {{slot: {name}, publication: {name}}}}}
    target: {{command: target-sql}}
"""


@pytest.fixture
def followed(world: World) -> Iterator[World]:
    """Both sides keep a logical log, and hold the same people under other ids."""
    for side in SIDES:
        keep_log(world, side)
        world.sql(side, TABLE)
        rows: list[tuple[Any, ...]] = [(f"{side}-{n}", f"p{n}", f"{n}@example.com", f"{n}") for n in range(ROWS)]
        world.copy(side, "people", ("id", "code", "email", "phone"), rows)
    sides = "".join(
        SIDE.format(side=side, url=world.servers[side].dsn(world.databases[side]), name=world.databases[side])
        for side in SIDES
    )
    (world.folder / "sync.yml").write_text(SYNC.format(sides=sides), encoding="utf-8")
    yield world
    for side in SIDES:
        eventually(partial(dropped, world, side))


def value(world: World, side: str, column: str, code: str) -> Any:
    return world.sql(side, f"select {column} from people where code = %s", code)[0][0]


def shows(world: World, side: str, column: str, code: str, wanted: str) -> bool:
    return bool(value(world, side, column, code) == wanted)


def knows(world: World, side: str, city: str) -> bool:
    return bool(world.sql(side, "select 1 from contacts where city = %s", city))


def edit(world: World, side: str, column: str, code: str, value: str) -> None:
    world.sql(side, f"set synchronous_commit = on; update people set {column} = '{value}' where code = '{code}'")


def test_changes_cross_both_ways_a_conflict_is_settled_and_neither_a_kill_nor_a_stop_loses_anything(
    followed: World,
) -> None:
    world = followed
    with following(world.start(*FOLLOW)) as follower:
        edit(world, "crm", "email", "p1", "one@example.com")
        edit(world, "warehouse", "phone", "p1", "+1")
        world.sql("warehouse", "set synchronous_commit = on; insert into people values ('w', 'new', 'n@example.com')")
        eventually(lambda: value(world, "warehouse", "email", "p1") == "one@example.com")
        eventually(lambda: value(world, "crm", "phone", "p1") == "+1")
        eventually(lambda: world.number("crm", "select count(*) from people where code = 'new'") == 1)

        assert follower.answers("/ready") == follower.answers("/live") == (200, "yes\n")
        assert 'antiphon_operations_written_total{side="crm"}' in follower.answers("/metrics")[1]
        follower.process.send_signal(signal.SIGSTOP)  # so that both edits fall into one round
        edit(world, "crm", "note", "p2", "of the crm")
        edit(world, "warehouse", "note", "p2", "of the warehouse")
        follower.process.send_signal(signal.SIGCONT)
        eventually(lambda: value(world, "warehouse", "note", "p2") == "of the crm")
        assert value(world, "crm", "note", "p2") == "of the crm"

        follower.process.send_signal(signal.SIGSTOP)
        edit(world, "crm", "phone", "p5", "+39")
        edit(world, "warehouse", "phone", "p5", "+44")
        follower.process.send_signal(signal.SIGCONT)
        eventually(lambda: bool(world.ledger("select cid from conflict where state = 'open'")))
        ((conflict,),) = world.ledger("select cid from conflict where state = 'open'")
        world.antiphon("conflicts", "resolve", conflict, "--take", "crm")  # it steps aside for that
        eventually(lambda: value(world, "warehouse", "phone", "p5") == "+39")

        wait_while_the_warehouse_takes_nothing(world, follower)

        edit(world, "crm", "email", "p3", "before the kill")
        follower.end(signal.SIGKILL)
    edit(world, "crm", "email", "p4", "while nobody followed")
    edit(world, "warehouse", "phone", "p4", "+4")

    with following(world.start(*FOLLOW)) as follower:
        for side, column, code, wanted in (
            ("warehouse", "email", "p3", "before the kill"),
            ("warehouse", "email", "p4", "while nobody followed"),
            ("crm", "phone", "p4", "+4"),
        ):
            eventually(partial(shows, world, side, column, code, wanted))
        for number in range(0, ROWS, 4):
            edit(world, "crm", "phone", f"p{number}", f"last {number}")
        assert follower.end() == 0
    assert not world.ledger("select op_id from outbox where state in ('inflight', 'sent')")

    world.antiphon("sync")
    world.verify()
    for number in range(0, ROWS, 4):
        assert value(world, "warehouse", "phone", f"p{number}") == f"last {number}"
    lost = world.ledger("select old, new from audit where cause = 'superseded' and field = 'note'")
    assert [(json.loads(old), json.loads(new)) for old, new in lost] == [("of the warehouse", "of the crm")]


def wait_while_the_warehouse_takes_nothing(world: World, follower: Follower) -> None:
    """Its target hangs: what changes meanwhile is neither read nor planned, and takes no memory. Then all arrives."""
    eventually(lambda: follower.answers("/ready")[0] == 200)
    urls = {side: world.servers[side].dsn(world.databases[side]) for side in SIDES}
    target = follower.plugin("target-sql", urls["warehouse"])
    watched = [follower.process.pid, follower.plugin("tap-sql", urls["crm"])]
    os.kill(target, signal.SIGSTOP)
    edit(world, "crm", "email", "p6", "under way")
    under_way = "select op_id from outbox where state in ('planned', 'inflight')"
    eventually(lambda: len(world.ledger(under_way)) == 1)
    begun, before = world.ledger(under_way), [mebibytes(process) for process in watched]

    world.sql(
        "crm",
        f"do $$ begin for n in 1..{TIMES} loop update people set email = n || code || repeat('x', 1000); commit; "
        "end loop; end $$",
    )
    edit(world, "crm", "phone", "p6", "last")
    time.sleep(HEARTBEATS)
    assert world.ledger(under_way) == begun
    assert max(mebibytes(process) - was for process, was in zip(watched, before, strict=True)) < 10
    assert value(world, "warehouse", "email", "p6") not in ("under way", f"{TIMES}p6{'x' * 1000}")

    os.kill(target, signal.SIGCONT)
    last = f"select count(*) from people where email = '{TIMES}' || code || repeat('x', 1000)"
    wanted = world.number("crm", last)
    assert wanted >= ROWS
    eventually(lambda: world.number("warehouse", last) == wanted)
    eventually(lambda: value(world, "warehouse", "phone", "p6") == "last")


def test_taps_and_targets_of_others_are_run_again_and_again(world: World) -> None:
    make_small(world, 5)
    write_small(world, guards="guards: {max_change: 100%}")
    with following(world.start(*FOLLOW, "--interval", "1")) as follower:
        for side, there in (SIDES, SIDES[::-1]):
            world.sql(side, f"update contacts set city = 'of {side}' where id = '{side}-003'")
            eventually(partial(knows, world, there, f"of {side}"))
        assert follower.end() == 0
    world.antiphon("sync")
    world.verify()


FILES = """name: files
sides:
  crm:
    config: {{url: "duckdb:///{folder}/crm.duckdb"}}
    tap: {{command: tap-sql}}
    target: {{command: target-sql}}
  warehouse:
    config: {{url: "sqlite:///{folder}/warehouse.sqlite"}}
    tap: {{command: tap-sql}}
    target: {{command: target-sql}}
entities:
  person:
    sides:
      crm: {{stream: main-people, key: id, on_create: uuid}}
      warehouse: {{stream: people, key: id, on_create: uuid}}
    match: [code]
    policy: park
    fields: {{code: code, email: email}}
guards: {{max_change: 100%}}
"""


def in_duckdb(folder: Path, statement: str) -> list[tuple[Any, ...]]:
    """Run SQL once nobody else has the file."""
    while True:
        try:
            with duckdb.connect(str(folder / "crm.duckdb")) as connection:
                return connection.execute(statement).fetchall()
        except duckdb.IOException:
            time.sleep(0.01)


def test_files_are_asked_again_and_again_and_are_everybody_s_in_between(tmp_path: Path) -> None:
    there = partial(sqlite3.connect, tmp_path / "warehouse.sqlite", isolation_level=None)
    table = "create table people (id text primary key, code text, email text)"
    in_duckdb(tmp_path, table)
    with closing(there()) as warehouse:
        warehouse.execute(table)
        warehouse.execute("insert into people values ('w1', 'one', 'one@example.com')")
        (tmp_path / "sync.yml").write_text(FILES.format(folder=tmp_path), encoding="utf-8")
        process = subprocess.Popen(
            [str(BIN / "antiphon"), *FOLLOW, "--poll", "0.2"],
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        with following(process) as follower:
            shown = "select email from people where code = 'one'"
            in_duckdb(tmp_path, "update people set email = 'new@example.com' where code = 'one'")
            eventually(lambda: warehouse.execute(shown).fetchone() == ("new@example.com",))
            warehouse.execute("update people set email = 'newer@example.com' where code = 'one'")
            eventually(lambda: in_duckdb(tmp_path, shown) == [("newer@example.com",)])
            assert not follower.has_said("failed"), follower.said
            assert follower.end() == 0
