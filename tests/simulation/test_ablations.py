"""L5: whatever is taken out of the reconciler, some schedule notices. What none would notice is not proven by any."""

from __future__ import annotations

import pytest

from tests.simulation.ablations import ABLATIONS, kills
from tests.simulation.schedule import run

pytestmark = [pytest.mark.simulation, pytest.mark.slow]


@pytest.mark.parametrize("name", ABLATIONS)
def test_without_it_schedules_go_wrong(name: str) -> None:
    found = kills(name, ABLATIONS[name].budget, enough=1)
    assert found.first is not None, f"{found.run} schedules without it, and all went well: {ABLATIONS[name].what}"


def test_with_all_of_it_the_same_schedules_go_right() -> None:

    for ablation in ABLATIONS.values():
        for seed in range(5):
            assert run(ablation.focus.draw(seed)).wrong == [], f"{ablation.name}, seed {seed}"
