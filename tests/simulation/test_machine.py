"""L4: Hypothesis tells the stories nobody thought of, and makes the bad ones short.

Every step is one thing that a user does, that goes wrong, or a round; what must hold at every commit is looked at after
each. In the end everybody rests, and all must be well. `ANTIPHON_MACHINE_EXAMPLES` sets how many stories are told.
"""

from __future__ import annotations

import os
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.simulation import faults, invariants, users
from tests.simulation.engine import Engine
from tests.simulation.faults import Fault
from tests.simulation.judge import Judge
from tests.simulation.schedule import PERIOD, Schedule, settle, start
from tests.simulation.shape import PROFILES, SIDES
from tests.simulation.shape import draw as draw_shape
from tests.simulation.users import PHASES, Act, Users
from tests.simulation.world import World

EXAMPLES = int(os.environ.get("ANTIPHON_MACHINE_EXAMPLES", "25"))
STEPS = 30

pytestmark = [pytest.mark.simulation, pytest.mark.slow]

SEED = st.integers(0, 999)
NUMBER = st.integers(1000, 9999)
SIDE = st.sampled_from(SIDES)
TOGGLED = sorted(set(faults.KINDS) - {"crash", "restore", "side restored", "swapped"})
"""What may be switched on for the next round; a backup needs one made before, and a swapped side many records."""


class Machine(RuleBasedStateMachine):
    """A sync, its users, and whatever goes wrong."""

    @initialize(seed=SEED, profile=st.sampled_from(sorted(PROFILES)))
    def begin(self, seed: int, profile: str) -> None:
        """Two systems, some of whose records are the same."""
        shape = draw_shape(Random(seed), profile)
        self.world: World
        self.engine: Engine
        self.world, self.engine = start(Schedule(seed, shape, 0, (), ()))
        self.people = Users(self.world, [])
        self.world.users = self.people
        self.faults: list[Fault] = []
        self.backups = {side: system.back_up() for side, system in self.world.systems.items()}
        self.number = 0

    # ---- users

    @rule(verb=st.sampled_from(["edit", "empty", "same", "variant", "poison"]), side=SIDE, which=SEED, number=NUMBER)
    def edit(self, verb: str, side: str, which: int, number: int) -> None:
        """A user changes a value."""
        users.perform(self.world, self.act("before", 1, verb, side, which, number))

    @rule(verb=st.sampled_from(["create", "twin"]), side=SIDE, which=SEED, number=NUMBER)
    def create(self, verb: str, side: str, which: int, number: int) -> None:
        """A user makes a record, perhaps one like another."""
        users.perform(self.world, self.act("before", 1, verb, side, which, number))

    @rule(verb=st.sampled_from(["delete", "undo", "both", "restore"]), side=SIDE, which=SEED, number=NUMBER)
    def delete(self, verb: str, side: str, which: int, number: int) -> None:
        """A user deletes a record, or takes one out of the archive."""
        users.perform(self.world, self.act("before", 1, verb, side, which, number))

    @rule(verb=st.sampled_from(["merge", "rekey"]), side=SIDE, which=SEED, number=NUMBER)
    def merge(self, verb: str, side: str, which: int, number: int) -> None:
        """A user makes one record of two, or gives one another key."""
        users.perform(self.world, self.act("before", 1, verb, side, which, number))

    @rule(side=SIDE, which=SEED)
    def touch(self, side: str, which: int) -> None:
        """A batch job stamps a whole table."""
        users.perform(self.world, self.act("before", 1, "touch", side, which, 1000))

    @rule(phase=st.sampled_from(PHASES), nth=st.integers(1, 6), side=SIDE, which=SEED, number=NUMBER)
    def edit_during_the_next_round(self, phase: str, nth: int, side: str, which: int, number: int) -> None:
        """A user will change a value while the engine reads, plans or writes."""
        self.people.acts.append(self.act(phase, nth, "rival" if number % 2 else "edit", side, which, number))

    # ---- what goes wrong

    @rule(kind=st.sampled_from(TOGGLED), side=SIDE, number=SEED)
    def switch_on(self, kind: str, side: str, number: int) -> None:
        """Something will go wrong in the next round."""
        incremental = self.world.shape.incremental[side]
        if kind != "empty" or not incremental:
            self.faults.append(Fault(self.number, kind, side, number))

    @rule(side=SIDE, number=SEED)
    def crash(self, side: str, number: int) -> None:
        """The engine will die in the next round."""
        self.faults.append(Fault(self.number, "crash", side, number))

    @precondition(lambda self: self.number > 0)
    @rule(side=SIDE)
    def go_back(self, side: str) -> None:
        """A side's operators restore a backup."""
        self.world.systems[side].go_back(self.backups[side])

    # ---- the engine

    @rule()
    def round(self) -> None:
        """One round, with everything that was switched on for it."""
        self.people.begin(self.number)
        self.world.moment("before")
        self.engine.round(faults.of_round(tuple(self.faults), self.number, self.world, self.engine.outcomes))
        self.people.rest()
        self.world.tick(PERIOD)
        self.number += 1

    # ---- what must hold

    @invariant()
    def all_is_accounted_for(self) -> None:
        """I4; and I8, I9, I15 as the targets saw them happen."""
        if hasattr(self, "engine"):
            assert self.world.violations == []
            assert list(invariants.accounting(self.engine)) == []

    @invariant()
    def nothing_is_there_twice(self) -> None:
        """I9."""
        if hasattr(self, "engine"):
            assert list(invariants.no_duplicate(Judge(self.world, self.engine))) == []

    @invariant()
    def bases_are_true(self) -> None:
        """I10."""
        if hasattr(self, "engine"):
            assert list(invariants.base_truth(Judge(self.world, self.engine))) == []

    def teardown(self) -> None:
        """Everybody rests: I1, I2, I3, I13 and all the others."""
        if hasattr(self, "engine"):
            self.world.users = None
            users.heal(self.world)
            wrong = settle(self.world, self.engine)
            self.engine.store.close()
            assert wrong == []

    def act(self, phase: str, nth: int, verb: str, side: str, which: int, number: int) -> Act:
        """An act on one of the entities and fields that there are."""
        entities = list(self.world.shape.mapping.entities)
        entity = entities[which % len(entities)]
        fields = list(self.world.shape.mapping.entities[entity].fields)
        return Act(self.number, phase, nth, verb, side, entity, fields[which // 7 % len(fields)], number)


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    derandomize="ANTIPHON_MACHINE_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
