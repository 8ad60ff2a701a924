"""A whole sync with its ledger on a server: runs of two folders, as of two hosts, keep off each other."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from antiphon_sandbox import postgres
from tests.scenarios.project import Project

PASSWORD = "p@ss/w:rd%41#?"


@pytest.fixture
def project(cluster: postgres.Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Two systems that were never synced; the ledger's password holds what a URL must not."""
    with postgres.connect(cluster) as connection:
        connection.execute(f"CREATE ROLE runner LOGIN PASSWORD '{PASSWORD}'".encode())
        connection.execute(b"GRANT CREATE ON DATABASE postgres TO runner")
    monkeypatch.setenv("LEDGER_PASSWORD", PASSWORD)
    made = Project.create(tmp_path / "here")
    ledger = f"ledger: postgresql://runner:$LEDGER_PASSWORD@{cluster.host}:{cluster.port}/postgres"
    made.configure(("name: people\n", f"name: people\n{ledger}\n"))
    return made


@pytest.mark.skipif(not Path("/proc").exists(), reason="finds the plugins of a killed run in /proc")
def test_a_sync_with_its_ledger_on_a_server(project: Project, tmp_path: Path) -> None:
    project.fails("status", code=64, says=("there is no ledger at antiphon_people in postgres", "antiphon sync"))
    assert project.syncs().written == 0
    project.edit()
    elsewhere = project.copied(tmp_path / "elsewhere")
    assert not list(elsewhere.folder.glob("**/ledger.db"))
    project.switch("crm", tap=[{"at": 5, "then": "hang 60"}])
    first = project.start("sync")
    project.waits_for("crm")
    orphans = children(first.pid)
    try:
        busy = elsewhere.fails("sync", says=("another run is at work", f"antiphon sync (process {first.pid} on "))
        assert PASSWORD not in busy.err
        first.kill()
        first.wait()
        project.fails("sync", says=("is gone", "plugins that it started"), alone=False)
    finally:
        first.kill()
        for pid in orphans:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        first.communicate()
    assert elsewhere.syncs().written == 3


def children(pid: int) -> list[int]:
    return [int(word) for path in Path(f"/proc/{pid}/task").glob("*/children") for word in path.read_text().split()]
