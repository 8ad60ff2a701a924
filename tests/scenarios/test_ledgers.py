"""Ledgers that cannot be used: nothing is written, the message says why, and with the cause gone all goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.scenarios.project import Project

WITHOUT_PRIVILEGE = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
"""Runs a command of root's so that it, too, must keep to the modes of files."""


def damaged(project: Project) -> None:
    project.ledger().write_bytes(b"SQLite format 2000, perhaps" * 1000)


def damaged_within(project: Project) -> None:
    content = bytearray(project.ledger().read_bytes())
    for page in range(4096, len(content), 4096):
        content[page : page + 512] = b"\xaa" * 512
    project.ledger().write_bytes(content)


def cut_off(project: Project) -> None:
    content = project.ledger().read_bytes()
    project.ledger().write_bytes(content[: len(content) // 2 // 4096 * 4096])


def of_the_future(project: Project) -> None:
    project.query("UPDATE alembic_version SET version_num = '9999'")


def of_another_sync(project: Project) -> None:
    project.query("UPDATE instance SET name = 'companies'")


def of_another_program(project: Project) -> None:
    project.ledger().unlink()
    sqlite3.connect(project.ledger()).execute("CREATE TABLE shopping (item TEXT)").connection.close()


def a_folder(project: Project) -> None:
    project.ledger().unlink()
    project.ledger().mkdir()


BROKEN: dict[Callable[[Project], None], tuple[str, ...]] = {
    damaged: ("is damaged", "restore the last backup"),
    damaged_within: ("is damaged", "restore the last backup"),
    cut_off: ("is damaged", "restore the last backup"),
    of_the_future: ("newer Antiphon", "9999", "upgrade"),
    of_another_sync: ("belongs to the sync 'companies', not to 'people'", "its own `ledger:`"),
    of_another_program: ("not a ledger of Antiphon", "name another file"),
    a_folder: ("cannot be opened", "in a folder"),
}


@pytest.mark.parametrize("spoil", BROKEN, ids=lambda spoil: spoil.__name__)
@pytest.mark.parametrize("command", ["sync", "status"])
def test_a_ledger_that_is(project: Project, spoil: Callable[[Project], None], command: str) -> None:
    before, backup = project.both(), project.ledger().read_bytes()
    spoil(project)
    project.fails(command, says=("ledger", *BROKEN[spoil]))
    assert project.both() == before
    for path in project.ledger().parent.glob("ledger.db*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    project.ledger().write_bytes(backup)
    if command == "sync":
        project.heals()


def test_a_ledger_restored_from_a_backup_delivers_nothing_twice(project: Project) -> None:
    backup = project.ledger().read_bytes()
    project.syncs()
    project.ledger().write_bytes(backup)
    run = project.syncs()
    assert run.written == 0
    project.heals(rounds=0)


def test_a_ledger_restored_from_a_backup_overwrites_no_later_edit(project: Project) -> None:
    backup = project.ledger().read_bytes()
    project.syncs()
    project.change("warehouse", "w3", city="Oslo")
    project.syncs()
    project.ledger().write_bytes(backup)
    project.change("warehouse", "w3", city="Rome")
    project.change("crm", "c3", city="Rome")
    project.heals()


def test_an_acknowledgement_ahead_of_a_restored_ledger_stops_deletions_until_both_sides_are_read(
    project: Project,
) -> None:
    backup = project.ledger().read_bytes()
    project.syncs()
    ((ledger, epoch, seq),) = project.query("SELECT id, epoch, seq FROM instance")
    mark = {"ledger": ledger, "epoch": epoch, "side": "warehouse", "seq": seq}
    (project.folder / "ack.json").write_text(json.dumps({"bookmarks": {"outbox": mark}}), encoding="utf-8")
    (project.folder / "warehouse-side.json").write_text('{"side": "warehouse"}', encoding="utf-8")
    project.ledger().write_bytes(backup)
    run = project.run("--config", "warehouse-side.json", "--state", "ack.json", program="tap-reconciler")
    assert run.code == 0, run.err
    assert any("ahead of this ledger" in told and "no deletes until" in told for told in run.warnings), run.warnings
    assert '"RECORD"' not in run.out
    project.heals()


def test_a_lost_ledger_is_begun_anew_and_joins_what_is_there(project: Project) -> None:
    project.syncs()
    shutil.rmtree(project.ledger().parent)
    run = project.syncs()
    assert run.written == 0
    project.heals(rounds=0)


@pytest.mark.parametrize("kilobytes", [4, 40, 120, 200, 400])
def test_a_disk_that_fills_up_loses_nothing(project: Project, kilobytes: int) -> None:
    run = project.run("sync", before=("sh", "-c", f'ulimit -f {kilobytes * 2}; exec "$@"', "sh"))
    if run.code:
        assert run.code == 1
        assert "ledger" in run.complaint
        assert any(word in run.complaint for word in ("disk", "File too large")), run.complaint
    else:
        assert kilobytes > 40
    project.heals()


@pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root may write everywhere")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_ledger_that_may_not_be_written(project: Project, what: str) -> None:
    before, folder = project.both(), project.ledger().parent
    locked = project.ledger() if what == "file" else folder
    locked.chmod(0o444 if what == "file" else 0o555)
    run = project.fails("sync", says=("ledger.db",), before=WITHOUT_PRIVILEGE if os.geteuid() == 0 else ())
    assert any(word in run.complaint for word in ("read-only", "Permission denied", "cannot be locked")), run.complaint
    assert project.both() == before
    locked.chmod(0o755)
    project.heals()


def test_a_ledger_that_another_program_holds_is_waited_for_and_then_named(project: Project) -> None:
    connection = sqlite3.connect(project.ledger(), isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    project.fails("sync", says=("ledger.db", "locked by another process", "let it finish"))
    connection.execute("ROLLBACK")
    connection.close()
    project.heals()


def test_a_second_run_names_the_first_and_writes_nothing(project: Project) -> None:
    project.switch("crm", tap=[{"at": 5, "then": "hang 60"}])
    first = project.start("sync")
    project.waits_for("crm")
    before = project.both()
    run = project.run("sync", alone=False)
    assert run.code == 1
    assert all(
        word in run.complaint
        for word in ("another run is at work", f"process {first.pid}", "antiphon sync", "let it finish")
    )
    assert project.both() == before
    assert project.run("status", alone=False).code == 0
    project.switch("crm")
    waiting = project.start("sync", "--wait", "30")
    project.lets_go_on("crm")
    ended = project.ended(first, alone=False)
    assert (ended.code, ended.written) == (0, 3), ended.err
    last = project.ended(waiting)
    assert (last.code, last.written) == (0, 0), last.err
    project.heals(rounds=0)


def hanging(story: str) -> tuple[str, dict[str, Any]]:
    """The side whose plugin goes quiet, and how."""
    stories: dict[str, tuple[str, dict[str, Any]]] = {
        "while it asks": ("crm", {"discover": [{"at": 0, "then": "hang 60"}]}),
        "while it reads": ("crm", {"tap": [{"at": 5, "then": "hang 60"}]}),
        "before the first write": ("warehouse", {"target": {"after": 0, "hang": 60, "exit": 1}}),
        "after the first write": ("warehouse", {"target": {"after": 1, "hang": 60, "exit": 1, "keep": True}}),
    }
    return stories[story]


MOMENTS = ("while it asks", "while it reads", "before the first write", "after the first write")


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_that_is_killed_loses_nothing_and_keeps_others_off_until_its_plugins_ended(
    project: Project, moment: str
) -> None:
    side, switches = hanging(moment)
    project.switch(side, **switches)
    first = project.start("sync")
    project.waits_for(side)
    first.kill()
    first.communicate()
    assert len(list(project.ledger().parent.glob("run-*"))) == 1
    run = project.run("sync", alone=False)
    assert run.code == 1
    assert all(word in run.complaint for word in ("is gone", "plugins that it started", "run again")), run.complaint
    project.switch(side)
    project.lets_go_on(side)
    project.syncs("--wait", "30")
    project.heals()


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM], ids=lambda sign: sign.name)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_that_is_stopped_ends_at_once_and_leaves_nothing_behind(
    project: Project, moment: str, sign: signal.Signals
) -> None:
    side, switches = hanging(moment)
    project.switch(side, **switches)
    run = project.start("sync")
    project.waits_for(side)
    run.send_signal(sign)
    ended = project.ended(run)
    assert ended.code == 1
    assert "the next run goes on from here" in ended.err
    project.heals(rounds=2)


def test_a_doctor_that_is_stopped_while_a_plugin_is_quiet_ends_it(project: Project) -> None:
    side, switches = hanging("while it asks")
    project.switch(side, **switches)
    run = project.start("doctor")
    project.waits_for(side)
    run.send_signal(signal.SIGTERM)
    began = time.monotonic()
    ended = project.ended(run)
    assert (ended.code, ended.out) == (1, "")
    assert "stopped; the next run goes on from here" in ended.err
    assert time.monotonic() - began < 20
