"""Backups: what was saved can be put back, whatever happened to the ledger since, and nothing of that is lost."""

from __future__ import annotations

import json
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from tests.scenarios.project import Project


def backup(project: Project, name: str = "saved.db") -> Path:
    run = project.run("backup", name)
    assert run.code == 0, run.err
    return project.folder / name


def restored(project: Project, file: Path) -> None:
    run = project.run("restore", str(file))
    assert run.code == 0, run.err


def test_a_backup_is_a_whole_ledger_that_only_its_owner_may_read(project: Project) -> None:
    project.syncs()
    told = json.loads(project.run("backup", "saved.db", "--json").out)
    file = project.folder / "saved.db"
    assert told["bytes"] == file.stat().st_size
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {path.name for path in project.folder.glob("saved.db*")} == {"saved.db"}
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT * FROM base").fetchall() == project.query("SELECT * FROM base")
    assert project.run("backup", "saved.db").code == 0


def test_what_was_synced_since_the_backup_is_neither_lost_nor_written_twice(project: Project) -> None:
    file = backup(project)
    project.syncs()
    project.change("warehouse", "w3", city="Oslo")
    project.syncs()
    before = project.both()
    restored(project, file)
    assert project.syncs().written == 0
    assert project.both() == before
    project.change("crm", "c3", city="Rome")
    project.heals()


def test_after_a_restore_nothing_is_deleted_until_both_sides_were_read_in_full(project: Project) -> None:
    project.syncs()
    file = backup(project)
    project.remove("crm", "c8")
    project.syncs()
    project.syncs()
    assert "mary@example.com" not in project.people("warehouse")
    restored(project, file)
    status = json.loads(project.run("status", "--json").out)
    assert "restored from a backup" in status["deletes_blocked"]
    project.remove("crm", "c7")
    project.syncs()
    assert "alan@example.com" in project.people("warehouse"), "two complete reads prove a deletion"
    assert json.loads(project.run("status", "--json").out)["deletes_blocked"] is None
    project.syncs()
    assert "alan@example.com" not in project.people("warehouse")
    project.is_quiet()


@pytest.mark.parametrize("loss", ["damaged", "gone", "emptied"])
def test_a_lost_ledger_is_restored(project: Project, loss: str) -> None:
    file = backup(project)
    project.syncs()
    match loss:
        case "damaged":
            project.ledger().write_bytes(b"\xaa" * 50_000)
        case "gone":
            project.ledger().unlink()
        case _:
            project.ledger().write_bytes(b"")
    restored(project, file)
    project.heals()
    aside = list(project.ledger().parent.glob("backups/replaced-*.db"))
    assert len(aside) == (loss != "gone")
    if loss == "damaged":
        assert aside[0].read_bytes() == b"\xaa" * 50_000


def test_a_runner_of_the_time_before_stays_fenced_off(project: Project) -> None:
    file = backup(project)
    for _ in range(3):
        project.syncs()
    ((epoch, seq),) = project.query("SELECT epoch, seq FROM instance")
    restored(project, file)
    assert project.query("SELECT epoch, seq FROM instance") == [(epoch, seq)]
    project.syncs()
    assert project.query("SELECT epoch FROM instance") == [(epoch + 1,)]


def test_each_sync_keeps_the_ledger_as_it_was_before_and_the_last_three_stay(project: Project) -> None:
    before = project.query("SELECT epoch FROM instance")
    for _ in range(5):
        project.syncs()
    kept = sorted(project.ledger().parent.glob("backups/run-*.db"))
    assert len(kept) == 3
    restored(project, kept[0])
    project.heals()
    assert before < project.query("SELECT epoch FROM instance")


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [(None, 64, ("there is no backup", "antiphon backup")), (b"crm, warehouse", 1, ("damaged, or no database",))],
    ids=["no file", "no database"],
)
def test_what_is_no_backup_is_refused_and_the_ledger_stays(
    project: Project, content: bytes | None, code: int, says: tuple[str, ...]
) -> None:
    if content is not None:
        (project.folder / "file.db").write_bytes(content)
    before = project.query("SELECT * FROM instance")
    project.fails("restore", "file.db", code=code, says=says)
    assert project.query("SELECT * FROM instance") == before
    assert not list(project.ledger().parent.glob("backups/restoring*"))


def test_the_backup_of_another_sync_is_refused(project: Project) -> None:
    file = backup(project)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE instance SET name = 'companies'")
    project.fails("restore", "saved.db", says=("belongs to the sync 'companies'",))


@pytest.mark.parametrize(("name", "says"), [("sync.yml", "is no backup"), (".antiphon/ledger.db", "the ledger itself")])
def test_a_backup_replaces_nothing_but_a_backup(project: Project, name: str, says: str) -> None:
    before = (project.folder / name).read_bytes()
    project.fails("backup", name, code=64, says=(says,))
    assert (project.folder / name).read_bytes() == before


def test_a_backup_that_finds_no_room_leaves_the_one_before(project: Project) -> None:
    file = backup(project)
    before = file.read_bytes()
    project.syncs()
    project.fails(
        "backup", "saved.db", says=("no backup", "has room"), before=("sh", "-c", 'ulimit -f 140; exec "$@"', "sh")
    )
    assert file.read_bytes() == before
    assert {path.name for path in project.folder.glob("saved.db*")} == {"saved.db"}
