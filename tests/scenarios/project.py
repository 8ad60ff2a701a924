"""A sync of two systems that are plain files, run as a user runs it: `antiphon` in a folder with a sync.yml."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
SIDES = ("crm", "warehouse")
STREAM = "people"
LONGEST = 60
"""Seconds after which a command that should have ended is a failed test."""

TEXT = {"type": ["string", "null"]}
NAMES = ("Ada", "Grace", "Edsger", "Barbara", "Donald", "Frances", "Alan", "Mary")

SYNC = """\
name: people
sides:
  crm:
    config: {{path: {folder}/crm.json, switches: {folder}/crm-switches.json}}
    tap: {{command: bin/tap-file}}
    target: {{command: bin/target-file, deletes: true}}
  warehouse:
    config: {{path: {folder}/warehouse.json, switches: {folder}/warehouse-switches.json}}
    tap: {{command: bin/tap-file}}
    target: {{command: [bin/target-file], deletes: true}}
entities:
  person:
    sides:
      crm: {{stream: people, key: id, on_create: uuid}}
      warehouse: {{stream: people, key: id, on_create: uuid}}
    match: [email]
    on_delete: delete
    fields: {{email: email, name: name, city: city}}
"""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """One command that a user ran."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of the log."""
        return [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]

    @property
    def complaint(self) -> str:
        """The error as it is told, with the way on; there is one at most."""
        told = [line for line in self.err.splitlines() if not line.startswith("{")]
        assert sum(line.startswith("error: ") for line in told) <= 1, self.err
        return "\n".join(told)

    @property
    def warnings(self) -> list[str]:
        """What a user must know, though the run went on."""
        return [event["message"] for event in self.events if event["level"] == "warning"]

    @property
    def written(self) -> int:
        """How many writes were delivered."""
        return sum(event["sent"] for event in self.events if event["topic"] == "wrote")


@dataclass(frozen=True, slots=True)
class Project:
    """The folder of one sync."""

    folder: Path

    # ---- what a user has and does

    @staticmethod
    def create(folder: Path) -> Project:
        """Two systems that hold the same eight people under keys of their own, and were never synced."""
        project = Project(folder)
        (folder / "bin").mkdir(parents=True)
        for name, script in (("tap-file", "tap_file.py"), ("target-file", "target_file.py")):
            project.program(name, f'exec "{sys.executable}" -S "{HERE / script}" "$@"')
        for side in SIDES:
            rows = [
                {"id": f"{side[0]}{n}", "email": f"{name.lower()}@example.com", "name": name, "city": "Rome"}
                for n, name in enumerate(NAMES, 1)
            ]
            columns = dict.fromkeys(rows[0], TEXT)
            project.put(side, {STREAM: {"key": ["id"], "columns": columns, "rows": rows}})
        project.configure()
        return project

    def copied(self, folder: Path) -> Project:
        """The same sync in another folder."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        text = (folder / "sync.yml").read_text(encoding="utf-8")
        (folder / "sync.yml").write_text(text.replace(str(self.folder), str(folder)), encoding="utf-8")
        return Project(folder)

    def configure(self, *changes: tuple[str, str]) -> None:
        """Write sync.yml anew, each first text of the changes replaced by the second."""
        text = SYNC.format(folder=self.folder)
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        (self.folder / "sync.yml").write_text(text, encoding="utf-8")

    def program(self, name: str, script: str) -> None:
        """Put a program of a user into the project's `bin`."""
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)

    def edit(self) -> None:
        """A user changes a city and enters Nina in the CRM; another one changes a name in the warehouse."""
        self.change("crm", "c1", city="Turin")
        self.add("crm", id="c9", email="nina@example.com", name="Nina", city="Pisa")
        self.change("warehouse", "w2", name="Grace Hopper")

    def change(self, side: str, key: str, **values: Any) -> None:
        tables = self.get(side)
        next(row for row in tables[STREAM]["rows"] if row["id"] == key).update(values)
        self.put(side, tables)

    def add(self, side: str, **values: Any) -> None:
        tables = self.get(side)
        tables[STREAM]["rows"].append(values)
        self.put(side, tables)

    def remove(self, side: str, key: str) -> None:
        tables = self.get(side)
        tables[STREAM]["rows"] = [row for row in tables[STREAM]["rows"] if row["id"] != key]
        self.put(side, tables)

    # ---- what stands in the two systems

    def get(self, side: str) -> dict[str, Any]:
        shown: dict[str, Any] = json.loads((self.folder / f"{side}.json").read_text(encoding="utf-8"))
        return shown

    def put(self, side: str, tables: dict[str, Any]) -> None:
        (self.folder / f"{side}.json").write_text(json.dumps(tables, indent=1), encoding="utf-8")

    def rows(self, side: str) -> list[Row]:
        rows: list[Row] = self.get(side)[STREAM]["rows"]
        return rows

    def people(self, side: str) -> dict[str, tuple[str, str | None]]:
        """Name and city by address. Nobody may be there twice."""
        rows = self.rows(side)
        found = {row["email"]: (row["name"], row.get("city")) for row in rows}
        assert len(found) == len(rows), f"somebody is on {side} twice: {rows}"
        return found

    def both(self) -> tuple[list[Row], list[Row]]:
        """Everything on both sides."""
        return self.rows("crm"), self.rows("warehouse")

    # ---- faults

    def switch(self, side: str, **switches: Any) -> None:
        """Have a side's plugins misbehave by `tap`, `discover`, `target`, `say`; without any, mend them."""
        (self.folder / f"{side}-switches.json").write_text(json.dumps(switches), encoding="utf-8")

    def ledger(self) -> Path:
        return self.folder / ".antiphon" / "ledger.db"

    def query(self, text: str) -> list[tuple[Any, ...]]:
        """What stands in the ledger, or a change of it behind Antiphon's back."""
        connection = sqlite3.connect(self.ledger())
        try:
            with connection:
                return connection.execute(text).fetchall()
        finally:
            connection.close()

    # ---- running

    def start(
        self, *words: str, program: str = "antiphon", before: Sequence[str] = (), **options: Any
    ) -> subprocess.Popen[str]:
        """Start `antiphon` and go on. `before` are words of a command that starts it in its turn."""
        options = {"env": {**os.environ, "ANTIPHON_DEBUG": ""}, "stdin": subprocess.DEVNULL, **options}
        return subprocess.Popen(
            [*before, str(BIN / program), *words],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def run(self, *words: str, alone: bool = True, **options: Any) -> Run:
        """Run `antiphon` to its end. Whatever happens, no traceback is shown and no private file is left behind."""
        return self.ended(self.start(*words, **options), alone=alone)

    def ended(self, process: subprocess.Popen[str], *, alone: bool = True) -> Run:
        out, err = process.communicate(timeout=LONGEST)
        assert "Traceback" not in out + err, err
        assert "fault in Antiphon" not in err, err
        assert not alone or not list(self.folder.glob(".antiphon/run-*"))
        return Run(process.returncode, out, err)

    def waits_for(self, side: str) -> None:
        """Until a plugin of the side has reached the point at which it goes quiet."""
        deadline = time.monotonic() + LONGEST
        while not (self.folder / f"{side}-switches.reached").exists():
            assert time.monotonic() < deadline, "it never got there"
            time.sleep(0.02)

    def lets_go_on(self, side: str) -> None:
        """Have the quiet plugin of the side go on."""
        (self.folder / f"{side}-switches.reached").unlink()

    # ---- laws

    def fails(self, *words: str, code: int = 1, says: Sequence[str] = (), hinted: bool = True, **options: Any) -> Run:
        """The command ends with this code and one error that says all of this, and on a line of its own what to do."""
        run = self.run(*words, **options)
        assert run.code == code, run.err
        assert run.complaint.startswith("error: "), run.err
        assert not hinted or "\n  " in run.complaint, f"it does not say what to do: {run.complaint}"
        for each in says:
            assert each in run.complaint, run.complaint
        return run

    def syncs(self, *words: str) -> Run:
        """A sync that ends well."""
        run = self.run("sync", *words)
        assert run.code == 0, run.err
        return run

    def is_quiet(self) -> None:
        """A further sync writes nothing."""
        before = self.both()
        run = self.syncs()
        assert run.written == 0, run.err
        assert self.both() == before

    def heals(self, *, rounds: int = 1) -> None:
        """With the fault gone, so many syncs deliver everything that users did, and then there is silence.

        Two are needed where a target without receipts may have made a record: so many reads must lack it.
        """
        for side in SIDES:
            self.switch(side)
        for _ in range(rounds):
            self.syncs()
        wanted = {f"{name.lower()}@example.com": (name, "Rome") for name in NAMES}
        wanted |= {
            "ada@example.com": ("Ada", "Turin"),
            "grace@example.com": ("Grace Hopper", "Rome"),
            "nina@example.com": ("Nina", "Pisa"),
        }
        for side in SIDES:
            assert self.people(side) == wanted
        self.is_quiet()
