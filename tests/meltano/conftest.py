"""The Meltano project that each test starts from: two systems in agreement, and three edits since."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.meltano.project import MeltanoProject
from tests.scenarios.project import Project


@pytest.fixture(scope="session")
def agreed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One first sync for all: it joins the eight people of both sides and writes nothing."""
    project = Project.create(tmp_path_factory.mktemp("meltano") / "project")
    assert project.syncs().written == 0
    return project


@pytest.fixture
def project(agreed: Project, tmp_path: Path) -> MeltanoProject:
    """Two systems in agreement, and then users change three things."""
    files = agreed.copied(tmp_path / "project")
    files.edit()
    return MeltanoProject.around(files)
