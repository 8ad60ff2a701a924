"""The benchmarks of the reconciler run, on a few links: their figures mean something only on a calm machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("benchmarks")


def run(name: str, folder: Path, *options: str) -> list[str]:
    command = [sys.executable, "-m", f"tests.benchmarks.{name}", "--links", "2500", "--folder", str(folder), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_a_round_in_which_nothing_changed_is_measured_beside_its_taps(folder: Path) -> None:
    (figures,) = map(json.loads, run("noop_round", folder, "--turns", "1"))
    assert figures["records_per_s"] > 0
    assert figures["machine"]


def test_the_ledgers_work_is_measured_beside_the_disk(folder: Path) -> None:
    figures = [json.loads(line) for line in run("ledger_round", folder, "--turns", "3")]
    assert [each["changes"] for each in figures] == [1, 10, 100, 1000]
    assert all(each["fsync_ms"] > 0 for each in figures)


def test_collect_is_measured_beside_what_only_parses(folder: Path) -> None:
    *ways, limits = map(json.loads, run("collect", folder))
    assert [each["way"] for each in ways] == ["record by record", "line by line", "in bulk"]
    assert set(limits["limits"]) == {"msgspec decodes", "duckdb parses", "hashes"}
