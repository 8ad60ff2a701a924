"""Plugins of others, unmodified, in the job: an edit crosses to or from each, is read again, and then there is silence.

`docs/plugins.md` lists exactly those that are proven here.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from ruamel.yaml import YAML

from antiphon_sandbox import postgres
from tests.meltano.definitions import ROOT
from tests.meltano.project import PLUGINS, MeltanoProject, with_job
from tests.scenarios.project import BIN, Project

PROVEN = {
    "tap-postgres": "tap",
    "target-postgres": "target",
    "tap-jsonl": "tap",
    "target-jsonl": "target",
    "target-duckdb": "target",
}

HEAD = f"""\
requires_meltano: '>=4'
project_id: 01a22205-133c-7a05-bb50-c8a74d1e03e4
default_environment: dev
environments:
- name: dev
plugins:
  utilities:
  - name: reconciler
    namespace: reconciler
    executable: {BIN}/antiphon
    commands:
      status: status
"""

POSTGRES_AND_FILES = """\
  extractors:
  - name: tap-postgres
    namespace: tap_postgres
    executable: {plugins}/tap-postgres/bin/tap-postgres
    capabilities: [catalog, discover]
    config:
      {{host: {host}, port: {port}, user: {user}, password: $PASSWORD, database: postgres, filter_schemas: [public]}}
    select: [public-people.*]
  - name: tap-jsonl
    namespace: tap_jsonl
    executable: {plugins}/tap-jsonl/bin/tap-jsonl
    capabilities: [catalog, discover]   # not `state`: it would read new lines alone
    config: {{path: {folder}/people.jsonl, stream_name: people, primary_keys: [id]}}
  loaders:
  - name: target-postgres
    namespace: target_postgres
    executable: {plugins}/target-postgres/bin/target-postgres
    config:
      {{host: {host}, port: {port}, user: {user}, password: $PASSWORD, database: postgres,
       default_target_schema: public, load_method: upsert, validate_records: false,
       add_record_metadata: false, activate_version: false}}
  - name: target-jsonl
    namespace: target_jsonl
    executable: {plugins}/target-jsonl/bin/target-jsonl
    config: {{destination_path: {folder}, do_timestamp_file: false}}
"""
POSTGRES_AND_FILES_SYNC = """\
name: people
sides:
  postgres:
    tap: {meltano: tap-postgres}
    target: {meltano: target-postgres}
  jsonl:
    tap: {meltano: tap-jsonl}
    target: {meltano: target-jsonl}
entities:
  person:
    sides:
      postgres: {stream: public-people, key: id, on_create: uuid}
      jsonl: {stream: people, key: id, on_create: uuid, allow: [create]}   # a second line of a key would be another row
    match: [email]
    fields: {email: email, name: name, city: city}
guards: {max_change: 100%}
"""

DUCKDB = """\
  extractors:
  - name: tap-file
    namespace: tap_file
    executable: bin/tap-file
    capabilities: [catalog, discover, state]
    config: {{path: {folder}/crm.json, switches: {folder}/crm-switches.json}}
  - name: tap-duckdb
    namespace: tap_sql
    executable: {bin}/tap-sql
    capabilities: [catalog, discover, state]
    config: {{url: 'duckdb:///{folder}/warehouse.duckdb'}}
    select: [main-people.*]
  loaders:
  - name: target-file
    namespace: target_file
    executable: bin/target-file
    config: {{path: {folder}/crm.json, switches: {folder}/crm-switches.json}}
  - name: target-duckdb
    namespace: target_duckdb
    executable: {plugins}/target-duckdb/bin/target-duckdb
    config: {{path: {folder}/warehouse.duckdb, default_target_schema: main, hard_delete: true}}
"""
DUCKDB_SYNC = """\
name: people
sides:
  file:
    tap: {meltano: tap-file}
    target: {meltano: target-file, deletes: true}
  duckdb:
    tap: {meltano: tap-duckdb}
    target: {meltano: target-duckdb, deletes: true}
entities:
  person:
    sides:
      file: {stream: people, key: id, on_create: uuid}
      duckdb: {stream: main-people, key: id, on_create: uuid}
    match: [email]
    on_delete: delete
    fields: {email: email, name: name, city: city}
"""


def project_in(folder: Path, plugins: str, sync: str) -> MeltanoProject:
    """A Meltano project with these plugins and the job."""
    (folder / "meltano.yml").write_text(with_job(HEAD + plugins), encoding="utf-8")
    (folder / "sync.yml").write_text(sync, encoding="utf-8")
    return MeltanoProject(Project(folder))


@pytest.fixture
def cluster() -> Iterator[postgres.Cluster]:
    with (
        tempfile.TemporaryDirectory(
            prefix="antiphon-meltano-"
        ) as name,  # pytest closes its own to the server's account
        postgres.running(Path(name) / "people") as cluster,
    ):
        yield cluster


@pytest.mark.e2e
@pytest.mark.slow
def test_postgres_and_a_file_of_lines(cluster: postgres.Cluster, tmp_path: Path) -> None:
    """Four plugins of four distributions: rows of the database become lines, an edit of a line reaches its row."""
    with postgres.connect(cluster) as connection:
        connection.execute("create table people (id text primary key, email text, name text, city text)")
        connection.execute("insert into people values ('1', 'ada@x', 'Ada', 'Rome'), ('2', 'bob@x', 'Bob', 'Rome')")
    lines = tmp_path / "people.jsonl"
    lines.write_text('{"id": "a", "email": "ada@x", "name": "Ada", "city": "Rome"}\n', encoding="utf-8")
    login = {"host": cluster.host, "port": cluster.port, "user": cluster.user}
    text = POSTGRES_AND_FILES.format(plugins=PLUGINS, folder=tmp_path, **login)
    project = project_in(tmp_path, text, POSTGRES_AND_FILES_SYNC)
    project.more["PASSWORD"] = cluster.password

    project.two_way()
    assert [json.loads(line)["name"] for line in lines.read_text().splitlines()] == ["Ada", "Bob"]
    with postgres.connect(cluster) as connection:
        connection.execute("insert into people values ('3', 'alan@x', 'Alan', 'Pisa')")
    lines.write_text(lines.read_text().replace('"Ada"', '"Ada Lovelace"'), encoding="utf-8")

    project.two_way()
    assert [json.loads(line)["name"] for line in lines.read_text().splitlines()] == ["Ada Lovelace", "Bob", "Alan"]
    shown = "select id, email, name, city, xmin::text from people order by id"
    with postgres.connect(cluster) as connection:
        rows = connection.execute(shown).fetchall()
    assert [row[:4] for row in rows[:2]] == [("1", "ada@x", "Ada Lovelace", "Rome"), ("2", "bob@x", "Bob", "Rome")]

    before = lines.read_text()
    run = project.two_way()
    assert run.err.count("0 operations to") == 2
    with postgres.connect(cluster) as connection:
        assert connection.execute(shown).fetchall() == rows
    assert lines.read_text() == before


@pytest.mark.e2e
@pytest.mark.slow
def test_duckdb(agreed: Project, tmp_path: Path) -> None:
    """Rows are created, one is updated in the columns that changed, one is deleted after two reads without it."""
    files = agreed.copied(tmp_path / "project")
    (files.folder / ".antiphon" / "ledger.db").unlink()
    warehouse = str(files.folder / "warehouse.duckdb")
    with duckdb.connect(warehouse) as connection:
        connection.execute("create table people (id text primary key, email text, name text, city text, note text)")
        connection.execute("insert into people values ('w1', 'ada@example.com', 'Ada', 'Rome', 'ours')")
        connection.execute("insert into people values ('w2', 'grace@example.com', 'Grace', 'Rome', 'ours')")
    text = DUCKDB.format(plugins=PLUGINS, folder=files.folder, bin=BIN)
    project = project_in(files.folder, text, DUCKDB_SYNC)

    project.two_way()
    with duckdb.connect(warehouse) as connection:
        assert connection.execute("select count(*) from people").fetchall() == [(8,)]
        connection.execute("update people set city = 'Oslo' where email = 'grace@example.com'")
    files.change("crm", "c1", city="Turin")
    files.remove("crm", "c8")

    project.two_way()
    shown = "select email, name, city, note from people where city <> 'Rome' order by 1"
    with duckdb.connect(warehouse) as connection:
        assert connection.execute(shown).fetchall() == [
            ("ada@example.com", "Ada", "Turin", "ours"),
            ("grace@example.com", "Grace", "Oslo", "ours"),
        ]
    assert files.people("crm")["grace@example.com"] == ("Grace", "Oslo")

    project.two_way()
    with duckdb.connect(warehouse) as connection:
        assert connection.execute("select count(*) from people where email = 'mary@example.com'").fetchall() == [(0,)]
    run = project.two_way()
    assert run.err.count("0 operations to") == 2
    assert len(files.people("crm")) == 7


def test_the_page_lists_what_is_proven() -> None:
    page = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` ([\d.]+)[^|]*\| (\w+) \|", page, flags=re.MULTILINE)
    assert {name: role for name, _, role in rows} == PROVEN
    for name, version, _ in rows:
        lock = (ROOT / "tests" / "plugins" / f"{name}.txt").read_text(encoding="utf-8")
        assert re.search(rf"^(meltanolabs-)?{name}=={version} ", lock, flags=re.MULTILINE), (
            f"{name} was tried otherwise"
        )


def test_the_projects_name_the_plugins_of_the_page() -> None:
    texts = (POSTGRES_AND_FILES.format(plugins="p", folder="f", host="h", port=1, user="u"), DUCKDB.format_map(_Any()))
    named = {
        plugin["name"]
        for text in texts
        for kind in ("extractors", "loaders")
        for plugin in YAML(typ="safe").load(HEAD + text)["plugins"][kind]
    }
    assert named >= PROVEN.keys()


class _Any(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return key
