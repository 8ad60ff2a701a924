"""One schedule: everything drawn from a seed, run, judged; and made smaller when it fails."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from antiphon.ledger.tables import TABLES
from antiphon.plan import Plan
from tests.simulation import faults, invariants, users
from tests.simulation.engine import Engine, Faults, Steps, WatchedSqlStore, WatchedStore
from tests.simulation.faults import Fault
from tests.simulation.shape import NO_GUARDS, SECOND, SHARE_OF_PAIRS, Shape
from tests.simulation.shape import draw as draw_shape
from tests.simulation.users import Act, Users
from tests.simulation.world import World

PERIOD = 600
"""Seconds between two rounds."""

QUIET_ROUNDS = 14
"""After so many rounds without edits and faults everything must have come to rest."""

FULL_READS = 3
"""So many of them show everything in full: after one that may still learn of a write, two prove what is gone.

Where no record is missing there is nothing to prove, and rest may come sooner.
"""

BLINDING = frozenset(
    {
        "clock jump",
        "write lost",
        "late record",
        "truncated",
        "empty",
    }
)
"""After one of these an incremental read does not show what it passed over: the next full read does."""

WATCHED, FURTHER_ROUNDS = 16, 5
"""About one schedule in so many is watched for some rounds more once it has come to rest."""

SHARE_OF_SMALL = 0.8
"""Of schedules of any size these have one record of each entity and side, few rounds and few acts."""

SHARE_OF_LEAN, LEAN_PAIRS = 0.8, 0.15
"""Most schedules are lean: small, and so many of them have two entities. Most mistakes need no more."""

SHARE_OF_RECALLING = 0.3
"""In so many schedules the targets of `hubspot` find in its histories whether a write without an answer was done."""

SHARE_OF_REWRITES = 0.05
"""In so many schedules each side writes cities in its own way."""


class Size(enum.Enum):
    """How much there is to a schedule."""

    LEAN = "lean"
    ANY = "any"
    WHOLE = "whole"


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
    """What a schedule came to. `counts` says what it was made of and what happened in it."""

    wrong: list[str]
    counts: Counter[str]
    dump: str = field(default="", repr=False)


def draw(seed: int, profile: str | None = None, *, plain: bool = False, size: Size | None = None) -> Schedule:
    """The schedule of a seed. Most are lean, so that there can be a million; `size` asks for another."""
    if size is None:
        size = Size.LEAN if Random(~seed).random() < SHARE_OF_LEAN else Size.ANY
    rng = Random(seed)
    shape = draw_shape(rng, profile, plain=plain, pairs=LEAN_PAIRS if size is Size.LEAN else SHARE_OF_PAIRS)
    small = size is not Size.WHOLE and (rng.random() < SHARE_OF_SMALL or size is Size.LEAN)
    if small:
        shape = replace(shape, records=1, mapping=replace(shape.mapping, guards=NO_GUARDS))
    rounds = rng.randint(1, 3) if small else rng.randint(2, 7)
    acts = users.draw(rng, shape, rounds, rng.randint(1, 6) if small else rng.randint(2, 16))
    happening = faults.draw(rng, shape, rounds)
    both_ways = all(entity.fields["city"].direction is None for entity in shape.cities)
    rewrites = not plain and rng.random() < SHARE_OF_REWRITES and both_ways
    shape = replace(shape, rewrites=rewrites, recalls=rng.random() < SHARE_OF_RECALLING)
    return Schedule(seed, shape, rounds, tuple(acts), happening)


def run(schedule: Schedule, *, keep: bool = False, tell: Callable[[str], None] | None = None) -> Verdict:
    """Run it and judge it. With `keep` the verdict holds the whole ledger as text; `tell` hears what happens."""
    world, engine = start(schedule)
    if tell is not None:
        trace(world, engine, tell)
    people = Users(world, list(schedule.acts))
    world.users = people
    backup: WatchedStore | None = None
    kinds = {fault.kind for fault in schedule.faults}
    backups = {s.side: s.back_up() for s in world.systems.values()} if "side restored" in kinds else {}
    for number in range(schedule.rounds):
        people.begin(number)
        for fault in schedule.faults:
            if (fault.round, fault.kind) == (number, "side restored"):
                world.systems[fault.side].go_back(backups[fault.side])
        world.moment("before")
        happening = faults.of_round(schedule.faults, number, world, engine.outcomes)
        store = engine.store
        if happening.restore and backup is not None:
            world.happened.add("restored")
            for reading in happening.reading.values():
                reading.swapped = False  # a ledger that knows no account yet takes any for the right one
            world.met["restore"] += 1
            engine.store = backup
            backup = None
        elif isinstance(store, WatchedStore) and "restore" in kinds:
            backup = store.snapshot()
        engine.round(happening)
        people.rest()
        world.tick(PERIOD)
    world.users = None
    users.heal(world)
    wrong = invariants.during(world, engine)
    wrong += settle(world, engine)
    dump = dump_of(engine) if keep else ""
    engine.store.close()
    return Verdict(wrong, _counts(schedule, world, engine), dump)


def _counts(schedule: Schedule, world: World, engine: Engine) -> Counter[str]:
    counts = Counter({"schedules": 1, "rounds": engine.number, f"profile {schedule.shape.profile}": 1})
    counts["on SQL"] = int(schedule.shape.sql)
    counts["small"] = int(schedule.shape.records == 1)
    counts["with references"] = int(len(schedule.shape.mapping.entities) > 1)
    counts.update(f"drawn {fault.kind}" for fault in schedule.faults)
    counts.update(f"act {act.verb}" for act in schedule.acts)
    counts.update(f"ended {outcome}" for outcome in engine.outcomes)
    counts.update({f"met {what}": number for what, number in world.met.items()})
    return counts


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
                past = "" if row.alive else f"ended by {row.ended_by or 'a merge'}"
                tell(f"  {side} {row.entity} {row.rid} {past} {row.values}")
        for op in plan.operations:
            tell(f"  {op.side} {op.kind} {op.lid[:8]} {dict(op.key)} {dict(op.patch)} expects {dict(op.expect)}")
        for conflict in plan.conflicts:
            tell(f"  {conflict.state} {conflict.kind} {conflict.lid[:8]} {conflict.field} {conflict.evidence}")
        for key, why in plan.waits.items():
            tell(f"  {key} waits: {why}")

    engine.trace = show


def settle(world: World, engine: Engine) -> list[str]:
    """The quiet tail: no edits, no faults, until nothing moves; then the judgement.

    The law allows 3 + ceil(lag / period) = 4 rounds beyond those that an operation in doubt takes (KERNEL, I1). Two
    complete reads are needed to believe in a deletion. After a round that wrote nothing and left nothing to be done
    that was not there before, no other may write.
    """
    world.tick(2 * 3600)
    if world.violations:
        return list(world.violations)
    wrong = _converges_without_full_reads(world, engine) if any(world.shape.incremental.values()) else []
    if wrong or world.violations:
        return wrong + world.violations
    before: tuple[int, int, tuple[object, ...]] = (-1, 0, ())
    for number in range(QUIET_ROUNDS):
        engine.round(Faults(full=number < FULL_READS, confirmed=True))
        if world.violations:
            return list(world.violations)
        world.tick(PERIOD)
        now = (len(world.log), invariants.pending(engine), invariants.unsettled(engine))
        proven = number + 1 >= FULL_READS or not invariants.missing(engine)
        if proven and now == before and not now[1]:
            break
        before = now
    written = len(world.log)
    for _ in range(FURTHER_ROUNDS if engine.number % WATCHED == 0 else 1):
        engine.round(Faults(confirmed=True))
        world.tick(PERIOD)
    wrong += world.violations
    if len(world.log) > written:
        wrong.append(f"I2: still writing after everything was quiet: {world.log[written:][:3]}")
    return wrong + invariants.after(world, engine)


def _converges_without_full_reads(world: World, engine: Engine) -> list[str]:
    """What incremental reads show is enough for records that live on both sides, if no tap ever left anything out."""
    for _ in range(QUIET_ROUNDS // 2):
        before = (len(world.log), invariants.unsettled(engine))
        engine.round(Faults(incremental=True, confirmed=True))
        if world.violations:
            return []
        world.tick(PERIOD)
        if (len(world.log), invariants.unsettled(engine)) == before and not invariants.pending(engine):
            break
    return (
        []
        if BLINDING & (+world.met).keys() or "restored" in world.happened
        else list(invariants.convergence_of_the_living(world, engine))
    )


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
