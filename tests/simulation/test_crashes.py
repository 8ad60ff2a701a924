"""L2: the engine dies at every commit and line it writes, before and after, by itself or with the power of its machine.

A scenario is a schedule without other faults, whose users rest from the round on in which the engine dies. Its
uncrashed run says how many steps that round has, and how both sides must look in the end.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from dataclasses import replace

import pytest

from antiphon.ledger.tables import CONFLICT, LINK
from antiphon.mapping import Entity, Field, Latest, Policy
from antiphon.model import ConflictState, Side, Value
from tests.simulation.engine import Engine, Faults
from tests.simulation.schedule import PERIOD, Schedule, Size, draw, settle, start
from tests.simulation.shape import FOREIGN, MANY, SIDES
from tests.simulation.targets import Writing
from tests.simulation.users import LONGEST_TRANSACTION, Users
from tests.simulation.world import Row

SCENARIOS = int(os.environ.get("ANTIPHON_CRASH_SCENARIOS", "20"))
"""The same ones on every machine: 20 have about 700 steps at which the engine dies."""

REDRAWN = 150
"""A seed that gives no scenario is replaced by the one that is so much greater."""

SHARES = 2
CRASHING_ROUND = 1

pytestmark = [pytest.mark.simulation, pytest.mark.slow]


@pytest.mark.parametrize("share", range(SHARES))
def test_a_crash_at_any_step_is_made_good(share: int, capsys: pytest.CaptureFixture[str]) -> None:
    points = 0
    for seed in range(share, SCENARIOS, SHARES):
        scenario = _scenario(seed)
        expected, steps = _run(scenario, Faults())
        for step in range(1, steps + 1):
            writing = {side: Writing(drains=bool((step + seed) % 2)) for side in SIDES}
            power_cut = bool((step // 2 + seed) % 2)
            found, _ = _run(scenario, Faults(crash_at=step, power_cut=power_cut, writing=writing))
            assert found == expected, f"seed {seed}, profile {scenario.shape.profile}, crash at step {step} of {steps}"
        points += steps
    with capsys.disabled():
        sys.stdout.write(f"\n{points} crash points in {SCENARIOS // SHARES} scenarios, 0 wrong\n")


def _scenario(seed: int) -> Schedule:
    """Policies that ask when something was changed are left out: a crash delays what is seen."""
    drawn = next(
        s
        for n in range(100)
        if (s := draw(seed + n * REDRAWN, size=Size.WHOLE)).shape.records < MANY and not s.shape.sql
    )
    entities = {
        name: replace(entity, fields={n: _timeless(f) for n, f in entity.fields.items()})
        for name, entity in drawn.shape.mapping.entities.items()
    }
    shape = replace(drawn.shape, mapping=replace(drawn.shape.mapping, entities=entities))
    left_out = {"poison"}
    if FOREIGN in shape.kinds.values():  # a late upsert brings rows back
        left_out |= {"delete", "undo", "both", "rekey"}
    acts = tuple(replace(act, round=act.number % 2, phase="before") for act in drawn.acts if act.verb not in left_out)
    return replace(drawn, shape=shape, acts=acts, faults=(), rounds=2)


def _timeless(field: Field) -> Field:
    policy: Policy = field.policy.otherwise if isinstance(field.policy, Latest) else field.policy
    return replace(field, policy=policy)


def _run(scenario: Schedule, faults: Faults) -> tuple[dict[str, int], int]:
    """How both sides look in the end, and how many steps the crashing round has. Every invariant must hold."""
    world, engine = start(scenario)
    users = Users(world, list(scenario.acts))
    world.users = users
    steps = 0
    for number in range(scenario.rounds):
        users.begin(number)
        users.rest()
        world.tick(LONGEST_TRANSACTION)
        engine.round(faults if number == CRASHING_ROUND else Faults())
        steps = engine.steps.count
        world.tick(PERIOD)
    world.users = None
    wrong = settle(world, engine)
    assert wrong == [], f"{scenario.seed}: {faults}: {wrong}"
    return Counter(_records(engine) + _conflicts(engine)), steps


def _records(engine: Engine) -> list[str]:
    """The values that are no ids: those that a side assigns depend on the order of creates."""
    entities = engine.world.shape.mapping.entities
    return [
        f"{side} {row.entity} {_plain_values(entities[row.entity], side, row)}"
        for side, system in engine.world.systems.items()
        for row in system.every_row()
        if row.alive
    ]


def _plain_values(entity: Entity, side: Side, row: Row) -> list[Value]:
    return [row.values[field.columns[side]] for field in entity.fields.values() if not field.references]


def _conflicts(engine: Engine) -> list[str]:
    waiting = [c for c in engine.store.scan(CONFLICT) if c.state is not ConflictState.CLOSED]
    return [f"{c.entity} {c.kind} {c.field}" for c in waiting] + [
        f"{x.entity} {x.state}" for x in engine.store.scan(LINK) if not x.state.closed
    ]
