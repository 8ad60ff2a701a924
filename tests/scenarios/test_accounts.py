"""A side that is suddenly another account: nothing of it is believed before a person says so."""

from __future__ import annotations

import pytest

from tests.scenarios.project import Project

pytestmark = pytest.mark.e2e


def settings(project: Project, account: str) -> tuple[str, str]:
    before = f"crm: {{path: {project.folder}/crm.json,"
    return before.removeprefix("crm: "), f"{{path: {project.folder}/crm.json, account: {account},"


def test_another_account_stops_the_run_until_it_is_accepted_by_name(project: Project) -> None:
    project.configure(settings(project, "portal-7"))
    project.syncs()
    project.change("crm", "c3", city="Delft")
    project.configure(settings(project, "portal-8"))
    stopped = project.run("sync")
    assert stopped.code == 3
    assert "crm is another account than it was: 'portal-8' instead of 'portal-7'" in stopped.complaint
    assert "antiphon sync --accept-account crm" in stopped.complaint
    assert stopped.written == 0
    assert project.run("sync", "--accept-account", "crn").code == 64
    assert project.run("sync", "--accept-account", "crm").code == 0
    assert project.people("crm") == project.people("warehouse")
    project.is_quiet()
