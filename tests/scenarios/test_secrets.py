"""A password goes from the environment to the plugins, and nowhere else: whatever they print, however they end."""

from __future__ import annotations

import os
import stat
from typing import Any

import pytest

from tests.scenarios.project import STREAM, Project

SECRET = "correct-horse-battery-staple"
ENVIRON = {
    **os.environ,
    "ANTIPHON_DEBUG": "",
    "CRM_SECRET": SECRET,
    "CRM_URL": f"postgresql://ada:{SECRET}@db.example/crm",
}
TELLS = [f"connecting to db.example as ada with {SECRET}"]
NO_MESSAGE = f"connected with {SECRET}"

SETTINGS = {
    "a setting": ", password: $CRM_SECRET}}",
    "a setting within": ", login: {{user: ada, access: {{api_token: $CRM_SECRET}}}}}}",
    "a URL": ", sqlalchemy_url: $CRM_URL}}",
}


def told(project: Project) -> list[str]:
    """The files that hold the secret, beside those that tell the plugins what to print."""
    found = [path for path in project.folder.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    return [str(path.relative_to(project.folder)) for path in found if "switches" not in path.name]


def configure(project: Project, setting: str) -> None:
    switches = f"switches: {project.folder}/%s-switches.json}}"
    project.configure(
        *[
            (switches % side, switches[:-1] % side + SETTINGS[setting].replace("{{", "{").replace("}}", "}"))
            for side in ("crm", "warehouse")
        ],
        ("command: bin/tap-file}", "command: bin/tap-file, env: {TAP_TOKEN: $CRM_SECRET}}"),
    )


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_sync_whose_plugins_print_their_password(project: Project, setting: str) -> None:
    configure(project, setting)
    for side in ("crm", "warehouse"):
        project.switch(side, say=TELLS, target={"say": TELLS, "remark": TELLS})
    for words in (["--verbose", "plan", "--out", "plan.json"], ["sync"], ["--json", "status"], ["--verbose", "verify"]):
        run = project.run(*words, env=ENVIRON)
        assert run.code in {0, 2}, run.err
        assert SECRET not in run.out + run.err
        assert told(project) == []
    assert (project.folder / "plan.json").exists()


FAILURES: dict[str, dict[str, Any]] = {
    "asking fails": {"discover": [{"at": 0, "then": "exit 1"}]},
    "asking shows no JSON": {"discover": [{"at": 0, "print": [NO_MESSAGE]}]},
    "reading fails": {"tap": [{"at": 4, "then": "exit 1"}]},
    "reading shows no message": {"tap": [{"at": 4, "print": [NO_MESSAGE]}]},
    "reading is cut off": {"tap": [{"at": 4, "print": [NO_MESSAGE], "end": "", "then": "exit 1"}]},
    "writing fails": {"target": {"say": TELLS, "exit": 1}},
}


@pytest.mark.parametrize("story", FAILURES)
def test_a_sync_of_which(project: Project, story: str) -> None:
    configure(project, "a setting")
    project.switch("crm", say=TELLS, **FAILURES[story])
    run = project.fails("sync", env=ENVIRON)
    assert SECRET not in run.out + run.err
    assert told(project) == []
    configure(project, "a setting")
    project.switch("crm")
    assert project.run("sync", env=ENVIRON).code == 0


def test_the_last_words_that_are_kept_with_a_parked_row(project: Project) -> None:
    configure(project, "a setting")
    project.switch("warehouse", target={"say": TELLS, "bad": {"name": "Nina"}})
    run = project.run("sync", "--strict", env=ENVIRON)
    assert run.code == 4
    listed = project.run("--json", "conflicts", "list", env=ENVIRON)
    assert SECRET not in run.out + run.err + listed.out
    assert "•••" in listed.out
    assert told(project) == []


def test_a_receipt_that_quotes_the_password(project: Project) -> None:
    configure(project, "a setting")
    text = (project.folder / "sync.yml").read_text(encoding="utf-8")
    (project.folder / "sync.yml").write_text(
        text.replace("command: [bin/target-file]", "command: [bin/target-file], receipts_path: crm-switches.receipts"),
        encoding="utf-8",
    )
    project.switch("warehouse", target={"answer": {"rejected": {"name": "Nina"}}, "message": TELLS[0]})
    run = project.run("sync", "--strict", env=ENVIRON)
    assert run.code == 4
    listed = project.run("--json", "conflicts", "list", env=ENVIRON)
    assert SECRET not in run.out + run.err + listed.out
    assert told(project) == []


def test_a_run_that_is_killed_leaves_its_private_files_for_the_next_one_to_remove(project: Project) -> None:
    configure(project, "a setting")
    project.switch("crm", tap=[{"at": 4, "then": "hang 60"}])
    first = project.start("sync", env=ENVIRON)
    project.waits_for("crm")
    first.kill()
    out, err = first.communicate()
    assert SECRET not in out + err
    (folder,) = project.ledger().parent.glob("run-*")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.iterdir())
    assert all(name.startswith(f".antiphon/{folder.name}/") for name in told(project))
    project.switch("crm")
    project.lets_go_on("crm")
    run = project.run("sync", "--wait", "30", env=ENVIRON)
    assert run.code == 0, run.err
    assert told(project) == []


def test_a_password_in_a_file_of_settings(project: Project) -> None:
    settings = project.folder / "switches-of-a-user.json"
    settings.write_text(f'{{"password": "{SECRET}"}}', encoding="utf-8")
    project.configure(("command: bin/tap-file}", "command: bin/tap-file, config_file: switches-of-a-user.json}"))
    project.switch("crm", say=TELLS, tap=[{"at": 4, "then": "exit 1"}])
    run = project.fails("sync")
    assert SECRET not in run.out + run.err
    assert told(project) == []


def test_a_value_of_a_record_that_happens_to_be_named_so_is_synced_as_it_is(project: Project) -> None:
    assert STREAM in project.get("crm")
    project.change("crm", "c3", city="a secret city")
    project.syncs()
    assert project.people("warehouse")["edsger@example.com"] == ("Edsger", "a secret city")
