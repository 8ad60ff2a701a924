"""Nothing is lost or doubled when everything goes wrong at once: `python -m tests.seeds` plays more of these."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.seeds.play import play
from tests.seeds.warm import warmed

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.xdist_group("seeds")]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with warmed() as made:
        yield made


@pytest.mark.parametrize("seed", [18, 28])
def test_two_systems_full_of_people_become_one_through_any_storm(seed: int, address: str, tmp_path: Path) -> None:
    played = play(seed, tmp_path, address)
    assert played.wrong == [], "\n".join(played.log)
    assert played.faults
