"""Operations of every kind under every fault at once: each receipt tells the truth, and nothing is done twice.

`ANTIPHON_SEEDS` says how many schedules are played (9 by default).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.targets.salesforce.schedule import Schedule


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("seed", range(int(os.environ.get("ANTIPHON_SEEDS", "9"))))
def test_each_receipt_tells_the_truth_and_nothing_is_done_twice(seed: int, tmp_path: Path) -> None:
    assert Schedule(seed, tmp_path).play() == []
