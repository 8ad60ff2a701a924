"""Operations of every kind under every fault at once: each receipt tells the truth, and nothing is done twice.

`python -m tests.benchmarks.hubspot_seeds` runs more of the same.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.targets.hubspot.schedule import play


@pytest.mark.parametrize("seed", range(12))
def test_each_receipt_tells_the_truth_and_nothing_is_done_twice(seed: int, tmp_path: Path) -> None:
    assert play(seed, tmp_path) == []
