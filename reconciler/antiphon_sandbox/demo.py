"""`antiphon demo`: two real PostgreSQL servers, two foreign Singer plugins, edits on both sides by plain SQL."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg

from antiphon_sandbox import postgres
from antiphon_sandbox.people import Person, people

PLUGINS = ("tap-postgres", "target-postgres")
SHARED = 0.3
"""This part of the people is on both sides from the start."""

CRM_TABLE = """create table customers (
    id text primary key, email text, first_name text, last_name text, city text, phone text, stage text,
    score integer, note text
)"""
WAREHOUSE_TABLE = """create table contacts (
    contact_id uuid primary key, email text, first_name text, last_name text, city text, phone text, stage text,
    score integer,
    loaded_at timestamptz default now()
)"""
FIELDS = ("email", "first_name", "last_name", "city", "phone", "stage", "score")

SYNC = """\
name: demo
sides:
  crm:
    config: {{host: 127.0.0.1, port: {crm.port}, user: {crm.user}, password: $CRM_PASSWORD, database: app}}
    tap: {{command: {tap}, config: {{filter_schemas: [public]}}, env: {{PGTZ: UTC}}}}
    target: {{command: {target}, config: {writes}, env: {{PGTZ: UTC}}}}
  warehouse:
    config:
      {{host: 127.0.0.1, port: {warehouse.port}, user: {warehouse.user}, password: $WAREHOUSE_PASSWORD, database: app}}
    tap: {{command: {tap}, config: {{filter_schemas: [public]}}, env: {{PGTZ: UTC}}}}
    target: {{command: {target}, config: {writes}, env: {{PGTZ: UTC}}}}
entities:
  contact:
    sides:
      crm:       {{stream: public-customers, key: id, on_create: uuid}}
      warehouse: {{stream: public-contacts, key: contact_id, on_create: uuid}}
    match: [email]
    initial: {{prefer: crm}}
    policy: {{latest: {{else: crm}}}}
    fields:
      email:      {{crm: email, warehouse: email, normalize: [strip, lower]}}
      first_name: first_name
      last_name:  last_name
      city:       city
      phone:      {{crm: phone, warehouse: phone, policy: park}}
      stage:      stage
      score:      {{crm: score, warehouse: score, policy: {{owner: warehouse}}}}
guards: {{max_create: 10000}}
"""
WRITES = (
    "{default_target_schema: public, add_record_metadata: false, activate_version: false, load_method: upsert, "
    "validate_records: false, batch_size_rows: 100000}"
)


@dataclass(frozen=True)
class Project:
    """A folder with sync.yml between two running clusters."""

    folder: Path
    crm: postgres.Cluster
    warehouse: postgres.Cluster

    @property
    def environment(self) -> dict[str, str]:
        """What the commands need: the passwords, and nothing that is not there anyway."""
        return {**os.environ, "CRM_PASSWORD": self.crm.password, "WAREHOUSE_PASSWORD": self.warehouse.password}

    def antiphon(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the project as a user would."""
        return subprocess.run(
            [sys.executable, "-m", "antiphon", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )


def find_plugin(name: str) -> str:
    """The executable of a Singer plugin: of `make plugins`, or on the PATH. Raises `SandboxError` if there is none."""
    for folder in (Path.cwd(), *Path(__file__).resolve().parents):
        candidate = folder / ".plugins" / name / "bin" / name
        if candidate.exists():
            return str(candidate)
    found = shutil.which(name)
    if found is None:
        raise postgres.SandboxError(
            f"The demo needs {name}. In a checkout: make plugins. Elsewhere: pipx install meltanolabs-{name}"
        )
    return found


def build_project(folder: Path, stack: ExitStack, *, records: int, sync: str = SYNC) -> Project:
    """Two clusters with `records` people each, a part of them the same, and a sync.yml between them."""
    folder.mkdir(parents=True, exist_ok=True)
    crm = stack.enter_context(postgres.running(folder / "crm-data"))
    warehouse = stack.enter_context(postgres.running(folder / "warehouse-data"))
    project = Project(folder, crm, warehouse)
    shared = int(records * SHARED)
    for cluster, table, first in ((crm, CRM_TABLE, 0), (warehouse, WAREHOUSE_TABLE, records - shared)):
        postgres.create_database(cluster, "app")
        with postgres.connect(cluster, "app") as connection:
            connection.execute(table)
            fill(connection, "customers" if cluster is crm else "contacts", people(first, records))
    text = sync.format(
        crm=crm,
        warehouse=warehouse,
        tap=find_plugin("tap-postgres"),
        target=find_plugin("target-postgres"),
        writes=WRITES,
    )
    (folder / "sync.yml").write_text(text, encoding="utf-8")
    return project


def fill(connection: psycopg.Connection[tuple[object, ...]], table: str, rows: Iterable[Person]) -> None:
    """Insert people into `customers` (text keys) or `contacts` (UUID keys)."""
    key = "id" if table == "customers" else "contact_id"
    with connection.cursor() as cursor, cursor.copy(f"copy {table} ({key}, {', '.join(FIELDS)}) from stdin") as copy:
        for person in rows:
            identity = f"C-{person.number:06d}" if table == "customers" else person.uuid
            copy.write_row((identity, *(getattr(person, name) for name in FIELDS)))


def run_demo(*, records: int, keep: Path | None) -> int:
    """Tell the story. Returns the exit code: 0 if it went as it must."""
    started = time.monotonic()
    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="antiphon-demo-")))
        _tell(
            f"Two PostgreSQL servers: a CRM and a warehouse, {records} people each, "
            f"{int(records * SHARED)} of them on both."
        )
        project = build_project(folder, stack, records=records)
        steps = _Story(project)
        steps.first_sync()
        steps.edits()
        steps.settle()
        _tell(
            f"Done in {time.monotonic() - started:.0f} seconds. "
            + (f"The project is in {folder}." if keep else "Run it with --keep FOLDER to look around.")
        )
        return 0 if steps.well else 1


class _Story:
    """The demo's steps."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self.well = True

    def first_sync(self) -> None:
        """Two populated sides join, and each gets whom it lacks."""
        _tell("The first sync joins the people by e-mail and creates those that one side lacks.")
        self._run("sync")
        self._run("verify")

    def edits(self) -> None:
        """Users edit both sides by SQL."""
        _tell("Now people work on both sides at once. In the CRM:")
        self._sql(
            self._project.crm, "update customers set city = 'Trieste', phone = '+39 040 111' where id = 'C-000900'"
        )
        self._sql(self._project.crm, "update customers set stage = 'churned' where id = 'C-000001'")
        self._sql(self._project.crm, "delete from customers where id = 'C-000002'")
        _tell("and in the warehouse, on the same person as the first of these:")
        self._sql(
            self._project.warehouse,
            "update contacts set score = 99, phone = '+39 040 222' where contact_id = '{uuid}'",
        )
        self._run("plan")
        self._run("sync", "--quiet")
        _tell(
            "City and score crossed. The phone was changed on both sides, and neither number was overwritten: it waits."
        )
        self._run("conflicts", "list")

    def settle(self) -> None:
        """A person decides; the next sync carries it out, and the one after is silent."""
        listed = self._project.antiphon("conflicts", "list", "--json").stdout
        cid = _conflict_on(listed, "phone")
        self._run("conflicts", "resolve", cid, "--take", "warehouse")
        self._run("sync", "--quiet")
        _tell("The deleted customer: a deletion is proven by two complete reads, and then waits for a person, too.")
        self._run("sync", "--quiet")
        self._run("conflicts", "list")
        self._run("why", "crm:C-000900")
        self._run("verify")
        _tell("Nothing is left to do: the next sync writes nothing.")
        self._run("sync", "--quiet")

    def _sql(self, cluster: postgres.Cluster, statement: str) -> None:
        statement = statement.format(uuid=next(people(900, 1)).uuid)
        print(f"   sql> {statement}")
        with postgres.connect(cluster, "app") as connection:
            connection.execute(statement.encode())

    def _run(self, *arguments: str) -> None:
        print(f"$ antiphon {' '.join(arguments)}", flush=True)
        done = self._project.antiphon(*arguments)
        for text in (done.stderr if done.returncode else "", done.stdout):
            for line in text.rstrip().splitlines():
                print(f"   {line}")
        if done.returncode:
            print(f"   exit code {done.returncode}")
            self.well = False


def _conflict_on(listed: str, field: str) -> str:
    found: list[dict[str, str]] = json.loads(listed)["conflicts"]
    return next(conflict["cid"] for conflict in found if conflict["field"] == field)


def _tell(text: str) -> None:
    print(f"\n# {text}", flush=True)
