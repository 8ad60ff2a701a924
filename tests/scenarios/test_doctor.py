"""`antiphon doctor`: what works, what must be mended, and what will be promised."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.project import BIN, Project

SECRET = "s3cret-of-the-crm"
OURS = """\
  warehouse:
    config: {{url: "sqlite:///{folder}/people.db"}}
    tap: {{command: {bin}/tap-sql}}
    target: {{command: {bin}/target-sql}}
entities:
"""


def doctor(project: Project, *words: str, code: int = 0) -> dict[str, Any]:
    run = project.run("doctor", "--json", *words)
    assert run.code == code, run.err + run.out
    found: dict[str, Any] = json.loads(run.out)
    assert found["sound"] is (code == 0)
    return found


def told(found: dict[str, Any], verdict: str) -> dict[str, str]:
    return {f["about"]: f["message"] for f in found["findings"] if f["verdict"] == verdict}


@pytest.fixture
def mixed(tmp_path: Path) -> Project:
    """The CRM behind foreign plugins, the warehouse a database behind ours."""
    project = Project.create(tmp_path / "project")
    with closing(sqlite3.connect(project.folder / "people.db")) as database, database:
        database.execute("create table people (id text primary key, email text, name text, city text)")
    file = project.folder / "sync.yml"
    text = file.read_text(encoding="utf-8")
    entities = text.split("entities:\n")[1]
    file.write_text(
        text.split("  warehouse:\n")[0] + OURS.format(folder=project.folder, bin=BIN) + entities, encoding="utf-8"
    )
    project.switch("crm")
    return project


def test_two_sound_sides_and_what_they_are_promised(project: Project) -> None:
    before = project.both()
    found = doctor(project)
    assert told(found, "mend") == {}
    assert "1 streams" in told(found, "ok")["crm tap"]
    promised = {entry["side"]: entry for entry in found["guarantees"]}
    assert promised["crm"]["same field"]["weak"] is True
    assert promised["crm"]["same field"]["says"].startswith("overwritten")
    text = project.run("doctor").out
    assert "! crm and warehouse: overwritten" in text.replace("\n        ", " ")
    assert text.endswith("nothing must be mended\n")
    assert project.both() == before


def test_it_makes_no_ledger(project: Project) -> None:
    shutil.rmtree(project.ledger().parent)
    assert "none yet" in told(doctor(project), "ok")["ledger"]
    assert not project.ledger().exists()


def test_every_broken_part_is_named_beside_the_sound_ones(project: Project) -> None:
    project.switch("crm", discover=[{"at": 0, "then": "exit 3"}])
    project.switch("warehouse", target={"exit": 5}, say=["no route to the host"])
    found = doctor(project, code=1)
    broken = told(found, "mend")
    assert broken.keys() == {"crm tap", "warehouse target"}
    assert "exit code 3" in broken["crm tap"]
    assert "exit code 5" in broken["warehouse target"]
    assert told(found, "ok").keys() >= {"crm target", "warehouse tap", "ledger"}
    text = project.run("doctor").out
    assert "MEND crm tap" in text
    assert text.endswith("2 to be mended\n")


def test_a_stream_that_is_gone_and_a_column_that_is_not_there(project: Project) -> None:
    tables = project.get("crm")
    project.put("crm", {"persons": tables["people"]})
    del (columns := project.get("warehouse"))["people"]["columns"]["city"]
    project.put("warehouse", columns)
    found = doctor(project, code=1)
    broken = told(found, "mend")
    assert broken["crm tap"] == "it has no stream 'people'"
    assert "no column 'city'" in broken["sync.yml"]


def test_a_run_at_work_is_told_and_not_disturbed(project: Project) -> None:
    project.switch("crm", tap=[{"at": 1, "then": "hang 60"}])
    working = project.start("sync")
    project.waits_for("crm")
    run = project.run("doctor", "--json", alone=False)
    found = json.loads(run.out)
    assert run.code == 0
    assert any("another run is at work" in f["message"] for f in found["findings"] if f["verdict"] == "look")
    project.lets_go_on("crm")
    assert project.ended(working).code == 0


def test_files_that_others_may_read_are_mended(project: Project) -> None:
    project.ledger().chmod(0o644)
    found = doctor(project)
    assert "may be read by others" in told(found, "look")["ledger file"]
    assert "is no more" in told(doctor(project, "--fix"), "ok")["ledger file"]
    assert project.ledger().stat().st_mode & 0o077 == 0


def test_what_our_target_lacks_is_made_and_then_more_is_promised(mixed: Project) -> None:
    found = doctor(mixed, code=1)
    (lacking,) = [f for f in found["findings"] if f["verdict"] == "mend"]
    assert (lacking["about"], lacking["fixable"]) == ("warehouse target", True)
    assert "antiphon_key" in lacking["message"]
    found = doctor(mixed, "--fix")
    with closing(sqlite3.connect(mixed.folder / "people.db")) as database:
        columns = [row[1] for row in database.execute("pragma table_info(people)")]
    assert "antiphon_key" in columns
    promised = {entry["side"]: entry for entry in found["guarantees"]}
    assert promised["warehouse"]["same field"]["says"].startswith("caught: the write is refused in the same step")
    assert promised["crm"]["same field"]["says"].startswith("overwritten")
    assert promised["warehouse"]["create repeated"]["says"].startswith("made once: the record carries the key")
    assert "another account" not in str(told(found, "look"))
    mixed.syncs()
    assert "warehouse clock" in told(doctor(mixed), "ok")


def test_another_database_than_the_ledger_knows_is_told(mixed: Project) -> None:
    doctor(mixed, "--fix")
    mixed.syncs()
    (mixed.folder / "people.db").rename(mixed.folder / "other.db")
    text = (mixed.folder / "sync.yml").read_text(encoding="utf-8")
    (mixed.folder / "sync.yml").write_text(text.replace("people.db", "other.db"), encoding="utf-8")
    assert "the ledger knows" in told(doctor(mixed, code=1), "mend")["warehouse"]


def test_no_secret_is_told(project: Project) -> None:
    text = (project.folder / "sync.yml").read_text(encoding="utf-8")
    text = text.replace("config: {path:", f"config: {{token: {SECRET}, path:", 1)
    (project.folder / "sync.yml").write_text(text, encoding="utf-8")
    project.switch("crm", target={"exit": 5, "say": [f"login with {SECRET} refused"]})
    run = project.run("doctor")
    assert run.code == 1
    assert "login with" in run.out
    assert SECRET not in run.out + run.err
