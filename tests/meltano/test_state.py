"""Every way a `meltano run` can go. Afterwards the next run makes up for it: nothing lost, nothing doubled, silence."""

from __future__ import annotations

import difflib
import json
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from antiphon_sandbox import postgres
from tests.meltano.project import LONGEST, TO_CRM, TO_WAREHOUSE, MeltanoProject
from tests.scenarios.project import BIN, SIDES, STREAM, Project

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

NINA = {"email": "nina@example.com"}
EDSGER = "edsger@example.com"


def test_of_two_runs_at_once_the_second_is_told_and_the_first_delivers_both_ways(project: MeltanoProject) -> None:
    project.files.switch("crm", tap=[{"at": 5, "then": "hang 60"}])
    first = project.start("run", "two-way")
    project.files.waits_for("crm")
    second = project.meltano("run", "two-way", env={"TARGET_RECONCILER_WAIT": "0"})
    assert second.code == 1
    assert "already running" in second.err
    project.files.lets_go_on("crm")
    _, err = first.communicate(timeout=LONGEST)
    assert first.returncode == 0, err
    assert "read crm person: 9 records, 2 changed, 0 missing" in err
    assert "2 operations to warehouse" in err
    assert '"topic"' not in err, "Meltano did not understand a line of the log"
    project.heals(rounds=0)


def test_whichever_plugin_dies_nothing_is_lost(project: MeltanoProject) -> None:
    """A tap that fails stops the run before anything is written, and one that failed at the end proves no deletion."""
    before = project.files.both()
    at_the_end = [{"at": 1, "skip": 9, "print": []}, {"at": 2, "then": "exit 1"}]
    for faults in ([{"at": 5, "then": "exit 5"}], [{"at": 5, "then": "signal 9"}], *[at_the_end] * 3):
        project.files.switch("crm", tap=faults)
        assert project.meltano("run", "two-way").code == 1
        assert project.files.both() == before
    project.files.switch("crm")
    project.files.switch("warehouse", target={"after": 1, "exit": 6, "keep": True})
    assert project.meltano("run", "two-way").code == 1
    assert project.files.both() != before, "the target got nothing before it died"
    project.heals()


def test_a_run_that_is_killed_is_made_up_for(project: MeltanoProject) -> None:
    """While the tap of the CRM reads, and again while the target of the warehouse writes."""
    project.files.switch("crm", tap=[{"at": 5, "then": "hang 60"}])
    kill(project, "crm")
    project.two_way("--force")  # Meltano itself takes five minutes to believe that the run is gone
    project.is_healed()
    project.files.change("crm", "c3", city="Oslo")
    project.files.change("crm", "c4", city="Oslo")
    project.files.switch("warehouse", target={"after": 1, "hang": 60, "keep": True})
    kill(project, "warehouse", "--force")
    project.heals("--force", rounds=2)
    assert [project.files.people("warehouse")[each][1] for each in (EDSGER, "barbara@example.com")] == ["Oslo"] * 2


def kill(project: MeltanoProject, side: str, *options: str) -> None:
    """`kill -9` of `meltano run` and all that it started, as soon as a plugin of the side has gone quiet."""
    process = project.start("run", *options, "two-way")
    project.files.waits_for(side)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    project.files.switch(side)


@pytest.fixture
def database() -> Iterator[dict[str, str]]:
    """A PostgreSQL that Meltano keeps its runs and STATE in."""
    with (
        tempfile.TemporaryDirectory(
            prefix="antiphon-meltano-"
        ) as name,  # pytest closes its own to the server's account
        postgres.running(Path(name) / "system") as cluster,
    ):
        yield {"MELTANO_DATABASE_URI": cluster.url()}


def test_whatever_becomes_of_the_state(project: MeltanoProject, database: dict[str, str]) -> None:
    """Each time a further edit is delivered by the next run. Meltano's system database is a PostgreSQL."""
    project.more.update(database)
    project.two_way()
    project.is_healed()

    for state in (TO_CRM, TO_WAREHOUSE):  # somebody clears both acknowledgements
        assert project.meltano("state", "clear", "--force", state).code == 0
    delivers(project, "Oslo")

    shown = json.loads(project.meltano("state", "get", TO_CRM).out)  # somebody restores the STATE of last week
    shown["singer_state"]["bookmarks"]["outbox"]["seq"] = 0
    assert project.meltano("state", "set", "--force", TO_CRM, json.dumps(shown)).code == 0
    delivers(project, "Bari")

    delivers(project, "Lima", "--full-refresh")  # `tap-reconciler` is handed no STATE
    delivers(project, "Kiel", "--state-strategy=merge")
    delivers(project, "Oslo")  # what stood in the STATE before is merged with what came since
    assert TO_CRM in project.meltano("state", "list").out
    assert not (project.folder / ".meltano" / "meltano.db").exists(), "the STATE lies in SQLite"
    project.heals(rounds=0)


def delivers(project: MeltanoProject, city: str, *options: str) -> None:
    """An edit in the warehouse reaches the CRM in one run, and what a user did there stays."""
    project.files.change("warehouse", "w3", city=city)
    project.two_way(*options)
    assert project.files.people("crm")[EDSGER] == ("Edsger", city)
    project.is_healed()


def test_init_writes_the_job_which_keeps_one_ledger_with_sync(agreed: Project, tmp_path: Path) -> None:
    """A column that the project does not select is left out; a target with receipts is asked for them by a heir.

    What it refuses is known when the run has ended.
    """
    project = fresh(agreed, tmp_path)
    before = project.text
    run = project.antiphon("init", "--name", "people")
    assert run.code == 0, run.err
    assert "the job two-way" in run.out
    lines = project.text.splitlines()
    assert not [line for line in difflib.ndiff(before.splitlines(), lines) if line.startswith("- ")]
    assert "  - name: target-file--warehouse--two-way" in lines
    assert f'    executable: "{BIN}/tap-reconciler"' in lines, "the job would not run what the project runs"
    sync = project.folder / "sync.yml"
    text = sync.read_text(encoding="utf-8")
    assert "tap: {meltano: tap-file--crm}" in text
    assert 'meltano: target-file--warehouse--two-way, receipts_path: ".antiphon/receipts-warehouse.jsonl"' in text
    assert "Only on warehouse: note." in text

    project.files.edit()
    project.files.switch("warehouse", target={"answer": {"rejected": NINA}})
    project.two_way()
    told = json.loads(project.antiphon("conflicts", "list", "--json").out)
    assert "the rejected row of nina@example.com" in json.dumps(told)
    assert project.files.people("warehouse")["ada@example.com"] == ("Ada", "Turin")
    project.files.switch("warehouse")
    project.files.change("crm", "c9", city="Oslo")
    project.two_way()
    assert project.files.people("warehouse")["nina@example.com"] == ("Nina", "Oslo")
    project.files.change("crm", "c9", city="Pisa")
    run = project.antiphon("sync")
    assert (run.code, run.written) == (0, 1), run.err
    project.heals(rounds=0)

    sync.write_text(text.replace("      city: city\n", "      city: city\n      note: note\n"), encoding="utf-8")
    run = project.antiphon("sync")
    assert run.code == 64
    assert "select rules of tap-file--crm in meltano.yml leave out" in run.complaint
    assert "sync.yml:" in run.complaint


def fresh(agreed: Project, tmp_path: Path) -> MeltanoProject:
    """No sync.yml and no job. Both sides have a note, which is not selected in the CRM."""
    files = agreed.copied(tmp_path / "project")
    about = json.dumps({"settings": {"properties": {"path": {}, "receipts_path": {}}}})
    files.program("target-noting", f'[ "$1" = --about ] && echo \'{about}\' || exec bin/target-file "$@"')
    for side in SIDES:
        tables = files.get(side)
        tables[STREAM]["columns"]["note"] = {"type": ["string", "null"]}
        files.put(side, tables)
    project = MeltanoProject.around(files, job=False)
    inherits = "inherit_from: tap-file\n    config: {path: " + str(project.folder) + "/crm.json"
    select = f"select: ['{STREAM}.*', '!{STREAM}.note']\n    config:"
    writes = "inherit_from: target-file\n    config: {path: " + str(project.folder) + "/warehouse.json"
    project.configure(
        (inherits, inherits.replace("config:", select)),
        (writes, writes.replace("config:", "executable: bin/target-noting\n    config:")),
    )
    (project.folder / "sync.yml").unlink()
    return project


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ("tap-fle--crm", ["no extractor 'tap-fle--crm'", "tap-file--crm", "meltano add"]),
        ("", ["is empty"]),
    ],
)
def test_a_plugin_that_the_project_lacks(project: MeltanoProject, named: str, says: list[str]) -> None:
    sync = project.folder / "sync.yml"
    sync.write_text(sync.read_text().replace("tap: {meltano: tap-file--crm}", f"tap: {{meltano: '{named}'}}"))
    run = project.antiphon("sync")
    assert run.code == 64, run.err
    assert all(word in run.complaint for word in says), run.complaint


def test_init_names_what_the_project_lacks(project: MeltanoProject) -> None:
    words = ("--tap", "crm=meltano:tap-none", "--tap", "warehouse=meltano:tap-file--warehouse")
    run = project.antiphon("init", *words, "--force")
    assert run.code == 64
    assert "no extractor 'tap-none'" in run.complaint
    run = project.antiphon("init", "--tap", "a=tap-a", "--tap", "b=meltano:tap-file--crm", "--job", "x", "--force")
    assert run.code == 64
    assert "a job runs plugins of Meltano alone" in run.complaint


def test_without_a_project_the_way_on_is_told(project: MeltanoProject) -> None:
    Path(project.folder, "meltano.yml").unlink()
    run = project.antiphon("sync")
    assert run.code == 64
    assert "no meltano.yml" in run.complaint
    assert "`command:`" in run.complaint
