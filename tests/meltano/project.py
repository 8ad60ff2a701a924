"""The sync of the scenarios as a Meltano project: two systems that are files, and the job `two-way`."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML

from antiphon.propose import JOB, blocks, guess_systems, insert
from tests.scenarios.project import BIN, Project, Run

PLUGINS = Path(__file__).parents[2] / ".plugins"
MELTANO = PLUGINS / "meltano" / "bin" / "meltano"
LONGEST = 180

TO_WAREHOUSE = "dev:tap-reconciler--to-warehouse-to-target-file--warehouse"
TO_CRM = "dev:tap-reconciler--to-crm-to-target-file--crm"

MELTANO_YML = """\
# Two systems that are files.
requires_meltano: '>=4'
project_id: 01a22205-133c-7a05-bb50-c8a74d1e03e3
default_environment: dev
environments:
- name: dev
plugins:
  extractors:
  - name: tap-file
    namespace: tap_file
    executable: bin/tap-file
    capabilities: [catalog, discover, state]
    settings: [{{name: path}}, {{name: switches}}]
  - name: tap-file--crm
    inherit_from: tap-file
    config: {{path: {folder}/crm.json, switches: {folder}/crm-switches.json}}
  - name: tap-file--warehouse
    inherit_from: tap-file
    config: {{path: {folder}/warehouse.json, switches: {folder}/warehouse-switches.json}}  # of the data team

  loaders:
  - name: target-file
    namespace: target_file
    executable: bin/target-file
    settings: [{{name: path}}, {{name: switches}}, {{name: receipts_path}}]
  - name: target-file--crm
    inherit_from: target-file
    config: {{path: {folder}/crm.json, switches: {folder}/crm-switches.json}}
  - name: target-file--warehouse
    inherit_from: target-file
    config: {{path: {folder}/warehouse.json, switches: {folder}/warehouse-switches.json}}

  # what else there is
  utilities:
  - name: reconciler
    namespace: reconciler
    executable: {bin}/antiphon
    commands:
      status: status
"""

PROJECT_SYNC = (
    (
        (
            "config: {{path: {folder}/crm.json, switches: {folder}/crm-switches.json}}\n"
            "    tap: {{command: bin/tap-file}}\n    target: {{command: bin/target-file, deletes: true}}"
        ),
        "tap: {meltano: tap-file--crm}\n    target: {meltano: target-file--crm, deletes: true}",
    ),
    (
        (
            "config: {{path: {folder}/warehouse.json, switches: {folder}/warehouse-switches.json}}\n"
            "    tap: {{command: bin/tap-file}}\n    target: {{command: [bin/target-file], deletes: true}}"
        ),
        "tap: {meltano: tap-file--warehouse}\n    target: {meltano: target-file--warehouse, deletes: true}",
    ),
)


def with_job(text: str) -> str:
    """meltano.yml with the reconciler's plugins and the job, as `antiphon init` would write them."""
    shown = YAML(typ="safe").load(text)["plugins"]
    known = {kind: {plugin["name"]: plugin for plugin in shown[kind]} for kind in shown}
    wanted = blocks(known, guess_systems(known), job=JOB, sync_file="sync.yml", requirement="antiphon")
    return insert(text, wanted)


@dataclass(frozen=True, slots=True)
class MeltanoProject:
    """The folder of a Meltano project with one sync in it. `files` is that sync, as the scenarios know it.

    `more` is what a user's environment has beside ours.
    """

    files: Project
    more: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def around(files: Project, *, job: bool = True) -> MeltanoProject:
        """Put meltano.yml beside sync.yml, which then names the plugins by their Meltano names.

        With `job` it has the job, too, as `antiphon init` would write it.
        """
        files.configure(*((old.format(folder=files.folder), new) for old, new in PROJECT_SYNC))
        project = MeltanoProject(files)
        project.configure()
        if job:
            (project.folder / "meltano.yml").write_text(with_job(project.text), encoding="utf-8")
        return project

    @property
    def text(self) -> str:
        """meltano.yml as it stands."""
        return (self.folder / "meltano.yml").read_text(encoding="utf-8")

    @property
    def folder(self) -> Path:
        """Where meltano.yml stands."""
        return self.files.folder

    @property
    def environ(self) -> dict[str, str]:
        """As in a shell of the user's: `meltano` is on the PATH, and says nothing to anybody."""
        return {
            **os.environ,
            "PATH": f"{MELTANO.parent}:{os.environ['PATH']}",
            "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
            "MELTANO_CLI_DISABLE_VERSION_CHECK": "true",
            "NO_COLOR": "1",
            "PYTHONDONTWRITEBYTECODE": "",
            "ANTIPHON_DEBUG": "",
            **self.more,
        }

    def configure(self, *changes: tuple[str, str]) -> None:
        """Write meltano.yml as it was before `antiphon init`, each first text of the changes replaced by the second."""
        text = MELTANO_YML.format(folder=self.folder, bin=BIN)
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        (self.folder / "meltano.yml").write_text(text, encoding="utf-8")

    def start(self, *words: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Start `meltano` and go on."""
        return subprocess.Popen(
            [str(MELTANO), *words],
            cwd=self.folder,
            env=self.environ | (env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def meltano(self, *words: str, env: dict[str, str] | None = None) -> Run:
        """Run `meltano` to its end."""
        process = self.start(*words, env=env)
        out, err = process.communicate(timeout=LONGEST)
        return Run(process.returncode, out, err)

    def antiphon(self, *words: str) -> Run:
        """Run `antiphon` in the project."""
        return self.files.run(*words, env=self.environ)

    def two_way(self, *options: str) -> Run:
        """The job, which ends well."""
        run = self.meltano("run", *options, "two-way")
        assert run.code == 0, run.err
        return run

    def heals(self, *options: str, rounds: int = 1) -> None:
        """With the fault gone, so many jobs deliver what users did; then a job writes nothing."""
        for side in ("crm", "warehouse"):
            self.files.switch(side)
        for _ in range(rounds):
            self.two_way(*options)
        self.is_healed()
        before = self.files.both()
        self.two_way(*options)
        assert self.files.both() == before

    def is_healed(self) -> None:
        """Both sides hold what users made of them, nobody twice."""
        crm, warehouse = self.files.people("crm"), self.files.people("warehouse")
        assert crm == warehouse
        assert crm["ada@example.com"] == ("Ada", "Turin")
        assert crm["grace@example.com"] == ("Grace Hopper", "Rome")
        assert crm["nina@example.com"] == ("Nina", "Pisa")
        assert len(crm) == 9
