"""L3: schedules drawn from seeds, the same on every machine; each one ends well, whatever went wrong on the way."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from antiphon.ledger.tables import BASE, CONFLICT, LINK, MEMBER
from tests.simulation.engine import Engine, Faults
from tests.simulation.long_run import Stopwatch, report
from tests.simulation.regressions import REGRESSIONS, Regression
from tests.simulation.schedule import PERIOD, Schedule, draw, minimise, run, settle, start
from tests.simulation.shape import PROFILES, SIDES
from tests.simulation.taps import Reading
from tests.simulation.users import Users

SCHEDULES = int(os.environ.get("ANTIPHON_SIMULATION_SCHEDULES", "2000"))
FIRST = int(os.environ.get("ANTIPHON_SIMULATION_FROM", "0"))
SHARES = 2

pytestmark = [pytest.mark.simulation, pytest.mark.slow]


@pytest.mark.parametrize("share", range(SHARES))
def test_every_schedule_ends_well(share: int, capsys: pytest.CaptureFixture[str]) -> None:
    watch = Stopwatch()
    counts: Counter[str] = Counter()
    for seed in range(FIRST + share, FIRST + SCHEDULES, SHARES):
        schedule = draw(seed)
        verdict = run(schedule)
        assert not verdict.wrong, _story(schedule, verdict.wrong)
        counts += verdict.counts
    with capsys.disabled():
        sys.stdout.write(f"\nseeds {FIRST} to {FIRST + SCHEDULES}, share {share}: {report(counts, [], watch.spent)}\n")


def test_schedules_that_are_planned_record_by_record_end_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "portion", 1)
    for seed in range(FIRST, FIRST + SCHEDULES // 20):
        schedule = draw(seed)
        verdict = run(schedule)
        assert not verdict.wrong, _story(schedule, verdict.wrong)


@pytest.mark.parametrize("regression", REGRESSIONS, ids=lambda r: r.story)
def test_what_once_went_wrong_stays_right(regression: Regression) -> None:
    assert run(regression.schedule).wrong == []


def test_the_same_seed_gives_the_same_ledger_byte_for_byte_in_whatever_order_python_keeps_its_sets() -> None:
    seeds = [*range(20), 97, 124, 161, 434, 483]
    code = (
        "from tests.simulation.schedule import draw, run\n"
        f"for seed in {seeds}: print(seed, repr(run(draw(seed), keep=True).dump))"
    )
    here = Path(__file__).parents[2]
    dumps = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            cwd=here,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.splitlines()
        for hash_seed in ("1", "2")
    ]
    assert len(dumps[0]) == len(seeds)
    assert [one.split()[0] for one, two in zip(*dumps, strict=True) if one != two] == []


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_the_order_of_records_in_a_read_decides_nothing(profile: str) -> None:
    for seed in range(25):
        schedule = draw(seed, profile)
        calm = tuple(replace(act, phase="before") for act in schedule.acts)
        schedule = replace(schedule, acts=calm, faults=())
        assert _essence(schedule, shuffle=None) == _essence(schedule, shuffle=seed), f"seed {seed}"


def _essence(schedule: Schedule, shuffle: int | None) -> list[str]:
    """Both sides' records, links, bases and conflicts, without the times that reading took."""
    world, engine = start(schedule)
    users = Users(world, list(schedule.acts))
    world.users = users
    for number in range(schedule.rounds):
        users.begin(number)
        world.moment("before")
        order = None if shuffle is None else shuffle * 100 + number
        engine.round(Faults(reading={side: Reading(shuffle=order) for side in SIDES}))
        users.rest()
        world.tick(PERIOD)
    world.users = None
    assert settle(world, engine) == []
    return sorted(_records(engine) + _rows(engine))


def _records(engine: Engine) -> list[str]:
    rows = [(side, row) for side, system in engine.world.systems.items() for row in system.every_row()]
    return [f"{side} {row.entity} {row.rid} {row.alive} {row.values}" for side, row in rows]


def _rows(engine: Engine) -> list[str]:
    links = [f"{link.lid} {link.state} {link.alias_of}" for link in engine.store.scan(LINK)]
    members = [f"{m.lid} {m.side} {m.rid} {m.held}" for m in engine.store.scan(MEMBER)]
    bases = [f"{row.lid} {row.fields!r}" for row in engine.store.scan(BASE)]
    conflicts = [f"{c.lid} {c.field} {c.kind} {c.state} {c.values}" for c in engine.store.scan(CONFLICT)]
    return links + members + bases + conflicts


def _story(schedule: Schedule, wrong: list[str]) -> str:
    replay = f"python -m tests.simulation --from {schedule.seed} --trace"
    return "\n".join([*wrong, f"made small (replay: {replay}):", str(minimise(schedule))])
