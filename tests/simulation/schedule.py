"""One schedule: everything drawn from a seed, run, judged; and made smaller when it fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from antiphon.ledger.tables import TABLES
from antiphon.model import OpState
from antiphon.plan import Plan
from tests.simulation import invariants, users
from tests.simulation.engine import Engine, Faults, Steps, WatchedSqlStore, WatchedStore
from tests.simulation.shape import MANY, SECOND, SIDES, Shape
from tests.simulation.shape import draw as draw_shape
from tests.simulation.taps import Reading
from tests.simulation.targets import Writing
from tests.simulation.users import Act, Users
from tests.simulation.world import World

PERIOD = 600
"""Seconds between two rounds."""

FAULTS = {
    "crash": 30,
    "second": 6,
    "tap dies": 8,
    "duplicates": 4,
    "shuffle": 4,
    "empty": 2,
    "swapped": 1,
    "target dies": 12,
    "silent": 5,
    "mute": 3,
    "busy": 6,
    "old bookmark": 4,
    "half line": 4,
    "clock jump": 4,
    "unread": 4,
    "restore": 2,
    "column gone": 4,
    "field gone": 3,
    "hand in": 3,
}

QUIET_ROUNDS = 14
"""After so many rounds without edits and faults everything must have come to rest."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong in one round."""

    round: int
    kind: str
    side: str
    number: int


@dataclass(frozen=True)
class Schedule:
    """All that happens, as data."""

    seed: int
    shape: Shape
    rounds: int
    acts: tuple[Act, ...]
    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        lines = [f"seed {self.seed}, profile {self.shape.profile}, {self.rounds} rounds"]
        lines += [f"  {act}" for act in sorted(self.acts, key=lambda act: act.round)]
        lines += [f"  {fault}" for fault in sorted(self.faults, key=lambda fault: fault.round)]
        return "\n".join(lines)


@dataclass
class Verdict:
    """What a schedule came to."""

    wrong: list[str]
    rounds: int
    outcomes: Counter[str]
    dump: str = field(default="", repr=False)


def draw(seed: int, profile: str | None = None) -> Schedule:
    """The schedule of a seed."""
    rng = Random(seed)
    shape = draw_shape(rng, profile)
    rounds = rng.randint(2, 7)
    acts = users.draw(rng, shape, rounds, rng.randint(2, 16))
    faults = [
        Fault(rng.randrange(rounds), rng.choices(list(FAULTS), list(FAULTS.values()))[0], rng.choice(SIDES), rng.randrange(1000))
        for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 4, 6)))
    ]
    return Schedule(seed, shape, rounds, tuple(acts), tuple(f for f in faults if _can_be_noticed(f, shape)))


def _can_be_noticed(fault: Fault, shape: Shape) -> bool:
    """Only a full read shows that a side is empty or another account, and that only by many records."""
    if fault.kind == "swapped" and (shape.records < MANY or not fault.round):
        return False
    return fault.kind not in ("swapped", "empty") or not shape.incremental[fault.side]


def run(schedule: Schedule, *, keep: bool = False, tell: Callable[[str], None] | None = None) -> Verdict:
    """Run it and judge it. With `keep` the verdict holds the whole ledger as text; `tell` hears what happens."""
    world, engine = start(schedule)
    if tell is not None:
        trace(world, engine, tell)
    people = Users(world, list(schedule.acts))
    world.users = people.moment
    backup: WatchedStore | None = None
    for number in range(schedule.rounds):
        people.begin(number)
        world.moment("before")
        faults = _faults(schedule, number, world, engine.outcomes)
        store = engine.store
        if faults.restore and backup is not None:
            world.happened.add("restored")
            engine.store = backup
            backup = None
        elif isinstance(store, WatchedStore) and any(f.kind == "restore" for f in schedule.faults):
            backup = store.snapshot()
        engine.round(faults)
        people.rest()
        world.tick(PERIOD)
    world.users = None
    users.heal(world)
    wrong = invariants.during(world, engine)
    wrong += settle(world, engine)
    dump = dump_of(engine) if keep else ""
    engine.store.close()
    return Verdict(wrong, engine.number, Counter(engine.outcomes), dump)


def start(schedule: Schedule) -> tuple[World, Engine]:
    """The world and the engine before the first round."""
    world = World(schedule.shape)
    users.seed(world, Random(schedule.seed + 1))
    world.tick(PERIOD)
    steps = Steps()
    engine = Engine(world, WatchedSqlStore(steps) if schedule.shape.sql else WatchedStore(steps), steps)
    engine.checks = invariants.CHECKS
    return world, engine


def trace(world: World, engine: Engine, tell: Callable[[str], None]) -> None:
    """Tell every plan, and the records as they stood then."""

    def show(plan: Plan) -> None:
        tell(f"--- round {engine.number} at {world.now // SECOND % 100_000} after {engine.outcomes[-1:]}")
        for side, system in world.systems.items():
            for row in system.every_row():
                tell(f"  {side} {row.entity} {row.rid} {'' if row.alive else f'ended by {row.ended_by} {row.merged_into}'} {row.values}")
        for op in plan.operations:
            tell(f"  op {op.side} {op.kind} {op.lid[:8]} {dict(op.key)} {dict(op.patch)} expect {dict(op.expect)} {dict(op.reasons)} losers {dict(op.losers)}")
        for conflict in plan.conflicts:
            tell(f"  conflict {conflict.state} {conflict.kind} {conflict.lid[:8]} {conflict.field} {conflict.evidence}")
        for key, why in plan.waits.items():
            tell(f"  waits {key} {why}")
        tell(f"  log {world.log[-8:]}")

    engine.trace = show


def settle(world: World, engine: Engine) -> list[str]:
    """The quiet tail: no edits, no faults, until nothing moves; then the judgement."""
    world.tick(2 * 3600)
    if world.violations:
        return list(world.violations)
    still = 0
    for number in range(QUIET_ROUNDS):
        before = len(world.log)
        engine.round(Faults(full=number < 2, confirmed=True))
        if world.violations:
            return list(world.violations)
        world.tick(PERIOD)
        still = still + 1 if len(world.log) == before and not invariants.pending(engine) else 0
        if still and number >= 3:
            break
    before = len(world.log)
    engine.round(Faults(confirmed=True))
    wrong = list(world.violations)
    if len(world.log) > before:
        wrong.append(f"I2: still writing after {QUIET_ROUNDS} quiet rounds: {world.log[before:][:3]}")
    return wrong + invariants.after(world, engine)


def dump_of(engine: Engine) -> str:
    """The whole ledger and the log of writes, as text."""
    tables = [f"{table.name} {row}" for table in TABLES for row in engine.store.scan(table)]
    return "\n".join([*tables, *(str(entry) for entry in engine.world.log)])


def minimise(schedule: Schedule) -> Schedule:
    """A smaller schedule that is wrong as well."""
    small = schedule
    again = True
    while again:
        again = False
        for name in ("faults", "acts"):
            for item in list(getattr(small, name)):
                fewer = tuple(x for x in getattr(small, name) if x is not item)
                tried: Schedule = replace(small, **{name: fewer})  # type: ignore[arg-type]  # a field of Schedule
                if run(tried).wrong:
                    small, again = tried, True
    return small


def _faults(schedule: Schedule, number: int, world: World, outcomes: list[str]) -> Faults:
    faults = Faults()
    for fault in schedule.faults:
        if fault.round == number:
            _apply(faults, fault, world, outcomes)
    return faults


def _apply(faults: Faults, fault: Fault, world: World, outcomes: list[str]) -> None:
    side, number = fault.side, fault.number
    reading: Any = faults.reading.setdefault(side, Reading())
    writing: Any = faults.writing.setdefault(side, Writing())
    match fault.kind:
        case "crash":
            faults.crash_at = 1 + number % 60 if number % 3 else 1 + number % 25
            writing.drains = bool(number % 2)
        case "second":
            faults.second_at = 1 + number % 40
        case "tap dies":
            reading.dies_after = number % 8
        case "duplicates":
            reading.duplicates = True
        case "shuffle":
            reading.shuffle = number
        case "empty":
            reading.empty = True
            world.happened.add("empty")
        case "swapped":
            reading.swapped = "done" in outcomes
        case "target dies":
            writing.dies_after, writing.flushes = number % 4, bool(number // 4 % 2)
            writing.drains = bool(number % 2)
        case "silent":
            writing.silent = True
        case "mute":
            writing.mute = True
        case "busy":
            writing.busy = frozenset(range(number % 3, number % 3 + 1 + number % 4))
        case "old bookmark":
            faults.old_bookmark = side
        case "half line":
            faults.half_line = side
        case "clock jump":
            faults.skew += (3600 if number % 2 else -3600) * SECOND
        case "unread":
            faults.unread = side
        case "restore":
            faults.restore = True
        case "column gone":
            columns = sorted({c for e in world.shape.mapping.entities.values() for c in e.sides[side].columns if c not in e.sides[side].key})
            reading.hidden = frozenset({columns[number % len(columns)]}) if columns else frozenset()
        case "field gone":
            entity = list(world.shape.mapping.entities)[0]
            names = [n for n in world.shape.mapping.entities[entity].fields if n not in {x for rule in world.shape.mapping.entities[entity].match for x in rule}]
            faults.mapping = (entity, names[number % len(names)]) if names else None
        case "hand in":
            faults.hand_in = True
