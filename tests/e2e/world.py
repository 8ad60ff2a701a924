"""What the end-to-end tests share: a project folder between two databases, worked on as its users would.

The sync logs in as an account that may read and write rows and nothing else. Everything that a test claims about a
database is read from that database by SQL; the ledger is opened only to see what Antiphon recorded.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import pytest

from antiphon_sandbox import postgres

Servers: TypeAlias = Mapping[str, postgres.Cluster]
Rows: TypeAlias = list[tuple[Any, ...]]

SIDES = ("crm", "warehouse")
ACCOUNT = "sync_account"
PASSWORD = "only-rows"
ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
LONGEST = 300

PLUGINS = """\
  {side}:
    config:
      {{host: {cluster.host}, port: {cluster.port}, user: {account}, password: $SYNC_PASSWORD, database: {database}}}
    tap: {{command: {tap}, config: {{filter_schemas: [public]}}, env: {{PGTZ: UTC}}}}
    target:
      command: {target}
      config: {{default_target_schema: public, add_record_metadata: false, activate_version: false, load_method: upsert,
               validate_records: false, batch_size_rows: 100000}}
      env: {{PGTZ: UTC}}
"""

DEFINITIONS = """
select 'column', c.table_name || '.' || c.column_name, concat_ws(' ', ordinal_position, data_type, udt_name,
       is_nullable, column_default, character_maximum_length, numeric_precision, numeric_scale, is_identity,
       is_generated)
  from information_schema.columns c where c.table_schema = 'public'
union all select 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
  from pg_constraint where connamespace = 'public'::regnamespace
union all select 'index', tablename || '.' || indexname, indexdef from pg_indexes where schemaname = 'public'
union all select 'trigger', tgrelid::regclass || '.' || tgname, pg_get_triggerdef(oid)
  from pg_trigger where not tgisinternal
union all select 'table', relname, concat_ws(' ', relkind, relpersistence, relacl) from pg_class
  where relnamespace = 'public'::regnamespace
order by 1, 2
"""


@dataclass(frozen=True, slots=True)
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def facts(self) -> dict[str, Any]:
        """What `--json` printed."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def log(self) -> list[dict[str, Any]]:
        """The structured lines of standard error."""
        return [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]

    def wrote(self) -> dict[str, int]:
        """How many rows the run wrote to each side, by its own word."""
        return {line["side"]: line["sent"] for line in self.log if line["topic"] == "wrote"}


@dataclass(frozen=True, slots=True)
class World:
    """A project folder between a database on each of two clusters."""

    folder: Path
    servers: Servers
    databases: Mapping[str, str]

    @classmethod
    @contextmanager
    def between(cls, servers: Servers, folder: Path) -> Iterator[World]:
        """New databases, dropped afterwards."""
        name = f"app_{uuid4().hex[:12]}"
        for cluster in servers.values():
            postgres.create_database(cluster, name)
        world = cls(folder, servers, dict.fromkeys(SIDES, name))
        try:
            yield world
        finally:
            for cluster in servers.values():
                postgres.start(cluster.data_dir)
                with postgres.connect(cluster) as connection:
                    connection.execute(f"drop database {name} with (force)".encode())

    # ---- the two databases

    def sql(self, side: str, statement: str, *parameters: Any) -> Rows:
        """Run SQL as a user of that side; what it returns."""
        with postgres.connect(self.servers[side], self.databases[side]) as connection:
            cursor = connection.execute(statement.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def number(self, side: str, statement: str, *parameters: Any) -> int:
        """The one number that a statement returns."""
        return int(self.sql(side, statement, *parameters)[0][0])

    def make_tables(self, side: str, ddl: str) -> None:
        """Create tables and let the sync read and write their rows."""
        self.sql(side, ddl)
        self.sql(side, f"grant select, insert, update on all tables in schema public to {ACCOUNT}")
        self.sql(side, f"grant usage on all sequences in schema public to {ACCOUNT}")

    def copy(self, side: str, table: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
        """Load rows."""
        with (
            postgres.connect(self.servers[side], self.databases[side]) as connection,
            connection.cursor() as cursor,
            cursor.copy(f"copy {table} ({', '.join(columns)}) from stdin".encode()) as copy,
        ):
            for row in rows:
                copy.write_row(row)

    def definitions(self) -> dict[str, Rows]:
        """Every column, constraint, index, trigger and table of both databases."""
        return {side: self.sql(side, DEFINITIONS) for side in SIDES}

    def versions(self, *tables: str) -> dict[str, Rows]:
        """Which row version stands where: any write, even of the same values, changes it."""
        return {
            f"{side}.{table}": self.sql(side, f"select ctid::text, xmin::text from {table} order by 1")
            for side in SIDES
            for table in tables
            if self.number(side, "select count(*) from pg_class where oid = to_regclass(%s)", table)
        }

    # ---- the project

    def write_sync(self, entities: str, *, name: str = "sync.yml", wrap: str = "", catalogs: bool = False) -> None:
        """Write sync.yml; `entities` is everything below `sides`. `wrap` stands before every plugin's command.

        With `catalogs` each tap is asked for its streams now, instead of in every round.
        """
        sides = "".join(
            PLUGINS.format(
                side=side,
                cluster=self.servers[side],
                account=ACCOUNT,
                database=self.databases[side],
                tap=f"{wrap} {plugin('tap-postgres')}".strip(),
                target=f"{wrap} {plugin('target-postgres')}".strip(),
            )
            for side in SIDES
        )
        if catalogs:
            for side in SIDES:
                self._discover(side)
                sides = sides.replace("    tap: {command", f"    tap: {{catalog: {side}-catalog.json, command", 1)
        (self.folder / name).write_text(f"name: e2e\nsides:\n{sides}{entities}", encoding="utf-8")

    def settings(self, side: str) -> dict[str, Any]:
        """How a plugin reaches the side's database."""
        cluster = self.servers[side]
        login = {"user": ACCOUNT, "password": PASSWORD, "database": self.databases[side]}
        return {"host": cluster.host, "port": cluster.port, **login}

    def _discover(self, side: str) -> None:
        settings = self.folder / f"{side}-tap.json"
        settings.write_text(json.dumps({**self.settings(side), "filter_schemas": ["public"]}), encoding="utf-8")
        self.shell(f"{plugin('tap-postgres')} --config {settings} --discover > {side}-catalog.json")

    @property
    def environment(self) -> dict[str, str]:
        """What a user's shell has."""
        return {**os.environ, "SYNC_PASSWORD": PASSWORD, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Start a command of `antiphon` in the project."""
        return subprocess.Popen(
            ["antiphon", *arguments],
            cwd=self.folder,
            env={**self.environment, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def antiphon(self, *arguments: str, code: int | None = 0) -> Done:
        """Run a command of `antiphon` to its end; it must end with exit code `code`, unless that is None."""
        started = time.monotonic()
        process = self.start(*arguments)
        out, err = process.communicate(timeout=LONGEST)
        done = Done(process.returncode, out, err, time.monotonic() - started)
        print(f"{done.seconds:5.1f} s  antiphon {' '.join(arguments)}: {done.code} {done.wrote() or ''}")
        assert code is None or done.code == code, (
            f"antiphon {' '.join(arguments)}: {done.code}\n{out[-3000:]}\n{spoken(err)}"
        )
        return done

    def shell(self, line: str, code: int = 0) -> Done:
        """Run a line of bash in the project; every part of a pipe must succeed."""
        started = time.monotonic()
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST,
        )
        assert done.returncode == code, f"{line}: {done.returncode}\n{done.stdout[-3000:]}\n{spoken(done.stderr)}"
        return Done(done.returncode, done.stdout, done.stderr, time.monotonic() - started)

    def settle(self, *tables: str, rounds: int = 4) -> int:
        """Sync until a round writes nothing; how many rounds wrote. Then nothing is left to do, by every measure."""
        for number in range(rounds + 1):
            before = self.versions(*tables)
            self.antiphon("--json", "sync", "--wait", "60")
            if self.versions(*tables) == before:
                self.verify()
                return number
        pytest.fail(f"after {rounds} rounds the sync still writes")

    def verify(self) -> dict[str, Any]:
        """`antiphon verify` finds nothing; what it counted."""
        facts = self.antiphon("--json", "verify").facts
        assert facts["clean"], facts
        return facts

    def conflicts(self) -> list[dict[str, Any]]:
        """What waits for a person."""
        found: list[dict[str, Any]] = self.antiphon("--json", "conflicts", "list").facts["conflicts"]
        return found

    # ---- what Antiphon recorded

    def ledger(self, query: str, *parameters: Any) -> Rows:
        """Look into the ledger's file."""
        path = self.folder / ".antiphon" / "ledger.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return connection.execute(query, parameters).fetchall()


def spoken(err: str) -> str:
    """Standard error without what the plugins said."""
    return "\n".join(line for line in err.splitlines() if '"topic": "plugin"' not in line)[-6000:]


def plugin(name: str) -> Path:
    """The executable of a plugin, exactly as published."""
    executable = ROOT / ".plugins" / name / "bin" / name
    if not executable.is_file():
        pytest.skip(f"{executable.relative_to(ROOT)} is not built: run `make plugins`")
    return executable


def add_sync_account(cluster: postgres.Cluster) -> None:
    """The account of the sync: rows may be read and written, definitions may not be touched."""
    with postgres.connect(cluster) as connection:
        connection.execute(f"create role {ACCOUNT} login password '{PASSWORD}'".encode())
