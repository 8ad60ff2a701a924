"""kill -9 at any moment, of Antiphon, a tap or a target: nothing is lost, nothing is doubled, and it heals by itself.

`ANTIPHON_KILLS` says how many (15 by default: each victim at each of its moments), `ANTIPHON_SEED` which.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from antiphon_sandbox import postgres
from antiphon_sandbox.people import people
from tests.e2e.accounts import Rounds, account, watch
from tests.e2e.world import ACCOUNT, SIDES, Done, World

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.xdist_group("e2e-kills"),
    pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="finds processes in /proc"),
]

KILLS = int(os.environ.get("ANTIPHON_KILLS", "15"))
SEED = os.environ.get("ANTIPHON_SEED", "1")
PEOPLE, EDITS, HEAL_EVERY = 200, 6, 5
FIELDS = ("first_name", "city", "phone")
MARKS = {
    "antiphon": ("tap-record", "tap-state", "target-state", "flush"),
    "tap": ("tap-record", "tap-state"),
    "target": ("target-state", "flush"),
}
WAITING = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and usename = %s"
TAP, TARGET = ("tap-postgres", "--catalog"), ("target-postgres", "--config")
TABLE = """create table people (
    id uuid primary key default gen_random_uuid(), code text not null default '',
    first_name text, city text, phone text, note text default 'untouched',
    updated_at timestamptz not null default clock_timestamp()
);
create function touch() returns trigger language plpgsql as
  $$ begin new.updated_at := clock_timestamp(); return new; end $$;
create trigger touch before insert or update on people for each row execute function touch()
"""
ENTITY = """
entities:
  person:
    sides:
      crm: {stream: public-people, key: id, on_create: uuid, replication: incremental, replication_key: updated_at}
      warehouse: {stream: public-people, key: id, on_create: uuid}
    match: [code]
    initial: {prefer: crm}
    policy: {latest: {else: crm}}
    fields: {code: code, first_name: first_name, city: {crm: city, warehouse: city, policy: {owner: crm}}, phone: phone}
"""


@dataclass
class Killer:
    """Rounds that are killed, and users who edit between them."""

    world: World
    chance: random.Random
    rounds: Rounds = field(default_factory=Rounds)
    killed: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    written: int = 0
    life: dict[str, float] = field(default_factory=lambda: {"antiphon": 2.5, "tap": 1.0, "target": 1.0})
    """Seconds that each victim is thought to live: the shortest life that was seen to end by itself."""

    def users_edit(self) -> None:
        """Some fields on each side, now and then the same one on both; and somebody new."""
        for _ in range(EDITS):
            code, name = f"P{self.chance.randrange(PEOPLE):04d}", self.chance.choice(FIELDS)
            for side in SIDES if self.chance.random() < 0.2 else [self.chance.choice(SIDES)]:
                self.written += 1
                self.world.sql(side, f"update people set {name} = %s where code = %s", f"{side} {self.written}", code)
        self.written += 1
        side = self.chance.choice(SIDES)
        self.world.sql(side, "insert into people (code, city) values (%s, %s)", f"N{self.written:04d}", side)

    def kill_by_time(self, victim: str) -> bool:
        """Kill at a moment drawn over the life of the victim; whether it was still alive."""
        process = self.world.start("sync", "--wait", "60")
        pid: int | None = process.pid
        if victim != "antiphon":
            wanted = {"tap": TAP, "target": TARGET}[victim]
            pid = _await(lambda: next(iter(_children(process.pid, *wanted)), 0 if process.poll() is not None else None))
        moment = self.chance.uniform(0.0, self.life[victim])
        lived = _lived(pid, moment) if pid else 0.0
        hit = bool(pid) and lived >= moment and self.kill(pid or 0)
        if pid and not hit:  # on a fast machine all of them are gone sooner
            self.life[victim] = lived
        self._end(process)
        return hit

    def kill_by_mark(self, victim: str, mark: str) -> bool:
        """Kill when a plugin prints a certain message."""
        token = self.world.folder / f"killed-{self.written}"
        self._end(self.world.start("-c", "watched.yml", "sync", "--wait", "60", KILL=f"{mark} {victim} {token}"))
        return token.exists()

    def kill_in_flush(self, victim: str) -> bool:
        """Kill while the target's statement waits for a lock in the warehouse."""
        self.world.sql("crm", "update people set phone = %s where code = 'P0000'", f"flush {self.written}")
        with postgres.connect(self.world.servers["warehouse"], self.world.databases["warehouse"]) as connection:
            connection.autocommit = False
            connection.execute("lock table people in share row exclusive mode")
            process = self.world.start("sync", "--wait", "60")
            found = _await(
                lambda: self.world.number("warehouse", WAITING, ACCOUNT) or (0 if process.poll() is not None else None)
            )
            pid: int | None = process.pid
            if victim == "target":  # that of the CRM ends by itself
                pid = _await(lambda: targets[0] if len(targets := _children(process.pid, *TARGET)) == 1 else None)
            hit = bool(found and pid) and self.kill(pid or 0)
            time.sleep(0.2)
            connection.rollback()
        self._end(process)
        return hit

    def kill(self, pid: int) -> bool:
        """Kill a process; whether it was still alive."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            return True
        return False

    def _end(self, process: subprocess.Popen[str]) -> Done:
        out, err = process.communicate(timeout=120)
        done = Done(process.returncode, out, err, 0)
        self.rounds.note(done)
        assert "fault in Antiphon" not in err, err[-4000:]
        return done

    def heal(self) -> None:
        """Users are idle: after four rounds at most nothing is left to do, nothing is lost and nobody is doubled."""
        number = 0
        for number in range(5):
            before = self.world.versions("people")
            self.rounds.note(self.world.antiphon("sync", "--wait", "60"))
            if number and self.world.versions("people") == before:
                break
        else:
            pytest.fail("after four rounds the sync still writes")
        self.world.verify()
        assert self.world.conflicts() == []
        rows = {
            side: self.world.sql(side, "select code, first_name, city, phone from people order by code")
            for side in SIDES
        }
        assert rows["crm"] == rows["warehouse"]
        codes = [code for code, *_ in rows["crm"]]
        users = {f"P{number:04d}" for number in range(PEOPLE)} | {
            code
            for side in SIDES
            for (code,) in self.world.sql(side, "select code from history.change where not by_sync and before is null")
        }
        assert codes == sorted(users)
        assert self.world.number("crm", "select count(*) from people where note <> 'untouched'") == 0
        accounts = account(self.world, "person", "people", FIELDS, self.rounds)
        print(f"healed after {sum(self.killed.values())} kills, by {number} rounds: {accounts}")
        assert accounts.lost == []


@pytest.fixture
def killer(world: World) -> Killer:
    for side in SIDES:
        world.make_tables(side, TABLE)
        rows = [(f"P{p.number:04d}", p.first_name, p.city, p.phone) for p in people(0, PEOPLE)]
        world.copy(side, "people", ("code", "first_name", "city", "phone"), rows)
    watch(world, "people")
    world.write_sync(ENTITY, catalogs=True)
    world.write_sync(ENTITY, name="watched.yml", wrap=f"{sys.executable} {Path(__file__).with_name('saboteur.py')}")
    world.antiphon("sync")
    return Killer(world, random.Random(SEED))


def test_kills_at_any_moment_lose_nothing_and_double_nobody(killer: Killer) -> None:
    for number in range(KILLS):
        victim = tuple(MARKS)[number % 3]
        marks = (*MARKS[victim], "", "", "")
        mark = marks[number // 3 % len(marks)]
        hit = False
        for _ in range(4):
            killer.users_edit()
            if mark == "flush":
                hit = killer.kill_in_flush(victim)
            elif mark:
                hit = killer.kill_by_mark(victim, mark)
            else:
                hit = killer.kill_by_time(victim)
            if hit:
                break
            killer.missed += 1
        assert hit, f"{victim} was never alive at {mark or 'the moment drawn'}"
        killer.killed[f"{victim} at {mark or 'any time'}"] += 1
        if number % HEAL_EVERY == HEAL_EVERY - 1:
            killer.heal()
    killer.heal()
    print(f"seed {SEED}: survived {dict(killer.killed)}; {killer.missed} came too late")
    assert sum(killer.killed.values()) == KILLS


def test_a_row_on_which_the_target_was_killed_is_not_blamed_for_it(killer: Killer) -> None:
    world = killer.world
    world.sql("crm", "update people set phone = code where code in ('P0001', 'P0002')")
    with postgres.connect(world.servers["warehouse"], world.databases["warehouse"]) as connection:
        connection.autocommit = False
        connection.execute("select from people where code = 'P0001' for update")
        process = world.start("sync")
        killed: set[int] = set()
        while len(killed) < 2:  # first both rows go out, then each alone
            # The server's processes wait on, though nobody listens to them any more.
            assert _await(lambda: world.number("warehouse", WAITING, ACCOUNT) // (len(killed) + 1) or None)
            pid = next(p for p in _children(process.pid, *TARGET) if p not in killed)
            assert killer.kill(pid)
            killed.add(pid)
        connection.rollback()
    process.communicate(timeout=60)
    assert world.conflicts() == []
    killer.heal()


def _children(parent: int, *words: str) -> list[int]:
    """The living child processes whose command line holds all the words."""
    found = []
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if folder.name.isdecimal() and int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                line = (folder / "cmdline").read_text()
                found += [int(folder.name)] if all(word in line for word in words) else []
    return found


def _lived(pid: int, seconds: float) -> float:
    """How many of the seconds the process lived."""
    begun = time.monotonic()
    while (spent := time.monotonic() - begun) < seconds:
        try:
            if (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return spent
        except FileNotFoundError:
            return spent
        time.sleep(0.005)
    return spent


def _await(look: Callable[[], int | None], seconds: float = 60) -> int:
    """What `look` finds, as soon as it finds something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = look()
        if found is not None and found != 0:
            return found
        if found == 0:
            return 0
        time.sleep(0.01)
    return 0
