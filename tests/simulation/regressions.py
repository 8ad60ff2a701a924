"""Schedules that once went wrong, made small. Each names what was wrong with the reconciler then."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.simulation.faults import Fault
from tests.simulation.schedule import Schedule, draw
from tests.simulation.users import Act


@dataclass(frozen=True)
class Regression:
    """One of them: the shape comes from the seed, what happens stands here."""

    story: str
    seed: int
    profile: str | None
    acts: tuple[Act, ...] = ()
    faults: tuple[Fault, ...] = ()

    @property
    def schedule(self) -> Schedule:
        """The schedule to run."""
        return replace(draw(self.seed, self.profile), acts=self.acts, faults=self.faults)


REGRESSIONS: list[Regression] = []
