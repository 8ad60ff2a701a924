"""One seed: two systems full of people, and whole syncs between them under all faults of the sandbox at once."""

from __future__ import annotations

import json
import random
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from antiphon_sandbox.hubspot import Account, Fault, Faults, HubSpot
from tests.seeds.judge import Judge
from tests.seeds.users import People
from tests.seeds.world import World

ROUNDS, TAIL, SILENT = 3, 8, 2
GUARDED = 3
LISTS, WRITES = "GET /crm/v3/objects", "batch/(update|create|upsert|archive)"


@dataclass(slots=True)
class Played:
    """What came of a seed."""

    wrong: list[str] = field(default_factory=list)
    syncs: int = 0
    faults: int = 0
    edits: int = 0
    log: list[str] = field(default_factory=list)


def faults(chance: random.Random, people: People) -> list[Fault]:
    """Some of everything that may go wrong."""

    def one(kind: str, most: float, times: int, **more: object) -> Fault:
        return Fault(kind, chance=chance.random() * most, times=times, **more)  # type: ignore[arg-type]

    found = [
        one("status", 0.15, 4, status=chance.choice([500, 502, 503, 504, 524])),
        one("status", 0.15, 4, status=503, applied=True),
        one("status", 0.1, 2, status=429, retry_after=0),
        one("status", 0.1, 2, status=423, retry_after=0),
        one("status", 0.1, 1, status=477, retry_after=0),
        one("secondly", 0.3, 1, path="/search"),
        one("daily", 0.02, 1),
        one("timeout", 0.1, 2, seconds=0.05, applied=chance.random() < 0.5),
        one("cut", 0.1, 3, applied=True),
        one("cut", 0.1, 3),
        one("slow", 0.1, 3, seconds=0.05),
        one("expire", 0.1, 2),
        one("truncate", 0.3, 1, path=LISTS),
        one("truncate", 0.3, 1, path="batch/read|/search"),
        one("duplicate", 0.3, 2, path=LISTS),
        one("partial", 0.3, 2, path="batch/"),
        one("human", 1.0, 2, path="batch/update", does=people.by_hand),
    ]
    chance.shuffle(found)
    return [fault for fault in found if chance.random() < 0.7]


def play(seed: int, folder: Path, address: str) -> Played:
    """Play a seed to its end."""
    chance, played = random.Random(seed), Played()
    account = Account(lag=chance.choice([0, 100, 300]), mints=chance.random() < 0.5)
    with HubSpot(account, faults=Faults(seed)) as hubspot:
        hubspot.portal.multi_status = chance.random() < 0.7
        world = World.create(hubspot, folder, address, chance)
        people = People(world, chance)
        judge = Judge(world, people)
        people.begin()
        for number in range(ROUNDS):
            if number:
                people.work()
            judge.look()
            hubspot.faults.add(*(faults(chance, people) if number or chance.random() < 0.5 else ()))
            if _sync(world, played, f"round {number}") is not None:
                people.synced |= people.made
            hubspot.faults.clear()
            judge.look()
        time.sleep(account.index.lag / 1000)
        quiet = 0  # rounds in a row: what is missing is believed to be gone after two reads, and then goes over there
        while quiet < SILENT and played.syncs < ROUNDS + TAIL:
            world.a_minute_later()
            quiet = quiet + 1 if _sync(world, played, "quiet round", well=True) == 0 else 0
            judge.look()
        if quiet < SILENT:
            played.wrong.append(f"{TAIL} quiet rounds, and still something is written")
        _run(world, played, "verify", "verify", well=True)
        if _sync(world, played, "the last round", well=True):
            played.wrong.append("the round after `verify` wrote something")
        played.wrong += judge.verdict()
        played.faults, played.edits = len(hubspot.faults.met), len(people.edits)
    return played


def _sync(world: World, played: Played, what: str, *, well: bool = False) -> int | None:
    """A sync; how many rows it wrote. None if it failed."""
    played.syncs += 1
    code, lines = _run(world, played, what, "sync", well=well)
    return None if code else sum(int(line["sent"]) for line in lines if line["topic"] == "wrote")


def _run(world: World, played: Played, what: str, *words: str, well: bool) -> tuple[int, list[dict[str, Any]]]:
    """Run a command that may fail in a storm, and must end well if it is to; its exit code and log.

    People see that a side really is empty, and say so, once nothing goes wrong any more.
    """
    done = world.run(*words)
    empty = re.search(r"`(--accept-empty) (\w+)`", done.stderr)
    if well and done.returncode == GUARDED and empty:
        done = world.run(*words, *empty.groups())
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    said = [f"{line['ts'][11:23]} {line['message']}" for line in lines]
    told = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    played.log += [f"---- {what}: exit {done.returncode}", *said, *told, done.stdout]
    if "Traceback" in done.stderr or done.returncode not in ((0,) if well else (0, 1, GUARDED)):
        played.wrong.append(f"{what} ended with {done.returncode}: {done.stdout[-200:]} {' '.join(told[-9:])}")
    return done.returncode, lines
