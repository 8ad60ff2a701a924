"""The project that each scenario starts from: two systems in agreement, and a ledger that knows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.project import Project


@pytest.fixture(scope="session")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One first sync for all scenarios: it joins the eight people of both sides and writes nothing."""
    project = Project.create(tmp_path_factory.mktemp("settled") / "project")
    run = project.syncs()
    assert run.written == 0, run.err
    return project


@pytest.fixture
def project(settled: Project, tmp_path: Path) -> Project:
    """Two systems in agreement, and then users change three things."""
    found = settled.copied(tmp_path / "project")
    found.edit()
    return found
