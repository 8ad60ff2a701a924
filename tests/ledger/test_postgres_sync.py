"""A whole sync with its ledger on a server: runs of two folders, as of two hosts, keep off each other."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from antiphon_sandbox import postgres
from tests.ledger.wire import Wire, wire
from tests.scenarios.project import Project

PASSWORD = "p@ss/w:rd%41#?"


@pytest.fixture
def project(cluster: postgres.Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Two systems that were never synced; the ledger's password holds what a URL must not."""
    with postgres.connect(cluster) as connection:
        connection.execute(b"DROP SCHEMA IF EXISTS antiphon_people CASCADE")
        if not connection.execute(b"SELECT FROM pg_roles WHERE rolname = 'runner'").fetchall():
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


@pytest.fixture
def two_hosts(cluster: postgres.Cluster, tmp_path: Path) -> Iterator[tuple[Project, Project, Wire]]:
    """A sync that is under way on one host, and stands in the middle of its delivery; and the same sync on another."""
    with postgres.connect(cluster) as connection:
        connection.execute(b"DROP SCHEMA IF EXISTS antiphon_people CASCADE")
    with wire(cluster.port) as line:
        here = Project.create(tmp_path / "here")
        here.configure(("name: people\n", f"name: people\nledger: {cluster.url()}\n"))
        assert here.syncs().written == 0
        here.edit()
        elsewhere = here.copied(tmp_path / "elsewhere")
        text = (here.folder / "sync.yml").read_text(encoding="utf-8")
        for side in ("crm", "warehouse"):  # both hosts see the same two systems, by plugins of their own
            text = text.replace(f"{here.folder}/{side}-switches", f"{elsewhere.folder}/{side}-switches")
        (elsewhere.folder / "sync.yml").write_text(text, encoding="utf-8")
        url = cluster.url().replace(f":{cluster.port}/", f":{line.port}/")
        here.configure(("name: people\n", f"name: people\nledger: {url}\n"))
        here.switch("warehouse", target={"after": 1, "hang": 60, "exit": 1})
        yield here, elsewhere, line


def agree_and_are_quiet(here: Project, elsewhere: Project) -> None:
    """Everything arrived on both sides, once."""
    here.switch("warehouse")
    for _ in range(2):
        elsewhere.syncs()
    assert here.people("crm") == here.people("warehouse")
    assert here.people("crm")["nina@example.com"] == ("Nina", "Pisa")
    before = here.both()
    assert elsewhere.syncs().written == 0
    assert here.both() == before


def test_a_run_whose_lease_another_one_took_is_refused_in_the_middle_of_its_delivery(
    two_hosts: tuple[Project, Project, Wire], cluster: postgres.Cluster
) -> None:
    here, elsewhere, _ = two_hosts
    first = here.start("sync")
    try:
        here.waits_for("warehouse")
        busy = elsewhere.fails("sync", says=("another run is at work",))
        assert f"process {first.pid} on " in busy.complaint
        with postgres.connect(cluster) as connection:  # its lease ends, and its ledger's connection does not
            ended = connection.execute(
                b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'antiphon sync (%'"
            ).fetchall()
        assert len(ended) == 1
        elsewhere.syncs("--wait", "10")
        here.lets_go_on("warehouse")
        run = here.ended(first)
    finally:
        first.kill()
    assert run.code == 1, run.err
    assert "another run took this ledger over" in run.complaint
    agree_and_are_quiet(here, elsewhere)


def test_a_run_that_the_network_cut_off_frees_the_lease_and_does_no_harm(
    two_hosts: tuple[Project, Project, Wire],
) -> None:
    here, elsewhere, line = two_hosts
    first = here.start("sync")
    try:
        here.waits_for("warehouse")
        line.cut()
        elsewhere.syncs("--wait", "30")
        line.tell()
        here.lets_go_on("warehouse")
        run = here.ended(first)
    finally:
        first.kill()
    assert run.code == 1, run.err
    assert "connection to the ledger" in run.complaint, run.complaint
    agree_and_are_quiet(here, elsewhere)


def test_a_run_that_is_killed_in_the_middle_of_its_delivery_is_taken_up_elsewhere(
    two_hosts: tuple[Project, Project, Wire],
) -> None:
    here, elsewhere, _ = two_hosts
    first = here.start("sync")
    try:
        here.waits_for("warehouse")
        orphans = children(first.pid)
    finally:
        first.kill()
    first.communicate()
    elsewhere.syncs("--wait", "10")
    here.lets_go_on("warehouse")  # what the killed run started writes on, for only its own host knows of it
    for pid in orphans:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    agree_and_are_quiet(here, elsewhere)


def test_an_erased_person_is_in_no_data_file_of_the_server(
    cluster: postgres.Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.create_database(cluster, "erasing")
    monkeypatch.setenv("LEDGER_URL", cluster.url("erasing"))
    project = Project.create(tmp_path / "here")
    project.configure(("name: people\n", "name: people-to-erase\nledger: $LEDGER_URL\n"))
    project.syncs()
    project.change("crm", "c1", city="Adasville", email="ada@adasville.example")
    project.syncs()
    assert data_files_with(cluster, b"ada@example.com")
    run = project.run("erase", "crm:c1", "--yes", "--json")
    assert run.code == 0, run.err
    told = json.loads(run.out)
    assert [note for note in told["notes"] if "administrator" in note] == []
    assert "write-ahead log" in told["notes"][-1]
    for word in (b"ada@example.com", b"ada@adasville.example", b"Adasville", b'["c1"]', b'["w1"]'):
        assert data_files_with(cluster, word) == []
    assert data_files_with(cluster, b"grace@example.com")
    assert json.loads(project.run("verify", "--json").out)["audit"]["faults"] == []


def test_an_account_without_the_right_says_what_is_left_to_the_administrator(project: Project) -> None:
    project.syncs()
    run = project.run("erase", "crm:c1", "--yes")
    assert run.code == 0, run.err
    assert "until an administrator runs: CHECKPOINT" in run.out


def data_files_with(cluster: postgres.Cluster, word: bytes) -> list[str]:
    """The files of the database, and those that all databases share, in which a word stands."""
    with postgres.connect(cluster, "erasing") as connection:
        connection.execute(b"CHECKPOINT")
        ((oid,),) = connection.execute(b"SELECT oid FROM pg_database WHERE datname = 'erasing'").fetchall()
    folders = [cluster.data_dir / "base" / str(oid), cluster.data_dir / "global"]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [str(path.relative_to(cluster.data_dir)) for path in files if word in path.read_bytes()]
