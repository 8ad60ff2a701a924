"""How fast target-sql fills PostgreSQL, beside others: the same rows, the same content, one run.

    python -m tests.benchmarks.sql_load [--rows 1000000] [--rounds 1] [--peers meltano,sling,ingestr,dlt] [--only BATCH]

Prints medians, ratios to the slowest peer, the processor seconds of the loading process (which a busy machine changes
less than the others) and the most memory that it took. `meltano` is the pair of `.plugins`; the others are installed by
pip, each in an environment of its own under `.peers`, when they are named.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from antiphon_sandbox import postgres
from tests.benchmarks.sql_extract import FILL, TABLE, peer_settings, prepared

HASH = """
SELECT count(*), coalesce(sum(('x' || left(md5(ROW(
    id::bigint, email::text, first_name::text, last_name::text, phone::text, company::text, stage::text,
    amount::numeric(12, 2), subscribed::boolean, active::boolean, created_at::timestamptz, updated_at::timestamptz
)::text), 15))::bit(60)::bigint), 0) FROM {table}
"""
WAREHOUSE = "warehouse"
BATCHES = {"parquet": "parquet", "arrow": "arrow", "copy": "postgres-copy"}
"""Schema to the format of the files."""
OURS = f"{sys.executable} -m target_sql --config"
PACKAGES = {
    "dlt": ["dlt[postgres,sql_database,parquet]", "sqlalchemy<2.1", "psycopg2-binary", "pyarrow", "numpy"],
    "ingestr": ["ingestr<1"],  # the last whose program comes in the package
    "sling": [f"sling-{sys.platform}-amd64"],
}
DLT = """
import sys, dlt
from dlt.sources.sql_database import sql_table
source, target = sys.argv[1:]
pipeline = dlt.pipeline("bench", destination=dlt.destinations.postgres(target), dataset_name="peer_dlt")
pipeline.run(sql_table(credentials=source, table="contacts", schema="public", backend="pyarrow"))
"""


@dataclass
class Contender:
    """One way from the source to the warehouse. `run` gives the shell command; `table` is what it fills."""

    name: str
    table: str
    command: str
    prepare: Callable[[], None] = lambda: None
    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    memory: int = 0


@dataclass(frozen=True)
class Course:
    """The two databases and a folder."""

    folder: Path
    cluster: postgres.Cluster
    rows: int

    def sql(self, statement: str) -> list[tuple[int, ...]]:
        """Run SQL in the warehouse."""
        with postgres.connect(self.cluster, WAREHOUSE) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def empty(self, schema: str) -> Callable[[], None]:
        """An empty table of the source's own types."""
        statements = (
            f"DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}; SET search_path = {schema};{TABLE}"
        )

        def prepare() -> None:
            self.sql(statements)

        return prepare

    def drop(self, schema: str) -> None:
        """Nothing there at all."""
        self.sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")

    def config(self, name: str, settings: Mapping[str, object]) -> str:
        """A file of settings."""
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(settings), encoding="utf-8")
        return str(path)


def main() -> None:
    """Run everything and print the figures."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--rounds", type=int, default=1)
    arguments.add_argument("--peers", default="meltano")
    arguments.add_argument("--only", default="", help="of ours, those alone whose name holds this")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="antiphon-benchmark-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with postgres.running(folder / "cluster") as cluster:
            with postgres.connect(cluster) as connection:
                connection.execute(TABLE)
                connection.execute(FILL.format(rows=given.rows).encode())
                connection.execute("ANALYZE contacts")
            postgres.create_database(cluster, WAREHOUSE)
            course = Course(folder, cluster, given.rows)
            mine = [entrant for entrant in ours(course) if given.only in entrant.name or not entrant.command]
            entrants = [*mine, *peers(course, [peer for peer in given.peers.split(",") if peer])]
            race(course, entrants, given.rounds)


def ours(course: Course) -> list[Contender]:
    """target-sql behind a file, behind tap-sql, and behind files of columns."""
    tap = " ".join(prepared(course.folder, "tap", f"{sys.executable} -m tap_sql", {"url": course.cluster.url()}))
    lines = course.folder / "lines.jsonl"
    with lines.open("wb") as file:
        subprocess.run(tap.split(), stdout=file, stderr=subprocess.DEVNULL, check=True)
    batches = course.folder / "batches"
    batches.mkdir()
    target = {
        name: f"{OURS} {course.config(name, {'url': course.cluster.url(WAREHOUSE), 'schema': name})}"
        for name in ("file", "text", "made", *BATCHES)
    }

    def batch(form: str) -> str:
        storage = {"encoding": {"format": form}, "storage": {"root": batches.as_uri()}}
        settings = {"url": course.cluster.url(), "batch_config": storage}
        return " ".join(prepared(course.folder, f"{form}-tap", f"{sys.executable} -m tap_sql", settings))

    def emptied(schema: str) -> Callable[[], None]:
        def prepare() -> None:
            course.empty(schema)()
            for file in batches.iterdir():
                file.unlink()

        return prepare

    made, copy = "made.contacts", batch("postgres-copy")
    return [
        Contender("target-sql < Singer file", "file.contacts", f"{target['file']} < {lines}", course.empty("file")),
        Contender("  the same rows again", "file.contacts", f"{target['file']} < {lines}"),
        Contender("  a tenth of them changed", "file.contacts", f"{target['file']} < {lines}", lambda: _touch(course)),
        Contender("tap-sql | target-sql", "text.contacts", f"{tap} | {target['text']}", course.empty("text")),
        *(
            Contender(f"  BATCH {form}", f"{schema}.contacts", f"{batch(form)} | {target[schema]}", emptied(schema))
            for schema, form in BATCHES.items()
        ),
        Contender("  BATCH, the same again", "copy.contacts", f"{copy} | {target['copy']}"),
        Contender("  BATCH, a table it makes", made, f"{copy} | {target['made']}", lambda: course.drop("made")),
        Contender("limit: COPY | COPY", "raw.contacts", "", course.empty("raw")),
    ]


def _touch(course: Course) -> None:
    course.sql("UPDATE file.contacts SET email = 'changed' WHERE id % 10 = 0")


def peers(course: Course, names: list[str]) -> list[Contender]:
    """The others, as their documentation has them run."""
    source, target = course.cluster.dsn(), course.cluster.dsn(WAREHOUSE)
    found = []
    for name in names:
        if name == "meltano":
            tap = prepared(
                course.folder, "peer", ".plugins/tap-postgres/bin/tap-postgres", peer_settings(course.cluster)
            )
            settings = {**peer_settings(course.cluster), "database": WAREHOUSE, "load_method": "upsert"}
            config = course.config("peer-target", {**settings, "default_target_schema": "peer_meltano"})
            command = f"{' '.join(tap)} | .plugins/target-postgres/bin/target-postgres --config {config}"
            found.append(Contender("meltanolabs pair", "peer_meltano.contacts", command))
            continue
        programs = environment(name)
        command = {
            "sling": f"{programs}/sling run --src-conn '{source}?sslmode=disable' --src-stream public.contacts "
            f"--tgt-conn '{target}?sslmode=disable' "
            "--tgt-object peer_sling.contacts --mode full-refresh",
            "ingestr": f"{programs}/ingestr ingest --yes --source-uri '{source}' --source-table public.contacts "
            f"--dest-uri '{target}' --dest-table peer_ingestr.contacts",
            "dlt": f"{programs}/python {_script(course, 'load.py', DLT)} '{source}' '{target}'",
        }[name]
        found.append(Contender(name, f"peer_{name}.contacts", command))
    return found


def _script(course: Course, name: str, text: str) -> Path:
    path = course.folder / name
    path.write_text(text, encoding="utf-8")
    return path


def environment(name: str) -> Path:
    """The programs of a peer, installed when it is first named."""
    folder = Path(".peers") / name
    if not (folder / ".ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([folder / "bin/pip", "install", "--quiet", *PACKAGES[name]], check=True)
        for program in folder.glob("lib/*/site-packages/sling_*/bin/sling-*"):  # what its Python would fetch elsewhere
            program.chmod(0o755)
            (folder / "bin/sling").unlink(missing_ok=True)
            (folder / "bin/sling").symlink_to(program.absolute())
        (folder / ".ready").touch()
    return folder.absolute() / "bin"


def race(course: Course, entrants: list[Contender], rounds: int) -> None:
    """Run them in turns, then compare what they made."""
    print(f"{course.rows:,} rows, {rounds} round(s), {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    for _ in range(rounds):
        for entrant in entrants:
            entrant.prepare()
            began = time.perf_counter()
            if entrant.command:
                _run(entrant, course.folder)
            else:
                _copy(course)
            entrant.seconds.append(time.perf_counter() - began)
    with postgres.connect(course.cluster) as connection:
        wanted = connection.execute(HASH.format(table="contacts").encode()).fetchone()
    slowest = max(statistics.median(entrant.seconds) for entrant in entrants)
    for entrant in entrants:
        median = statistics.median(entrant.seconds)
        same = course.sql(HASH.format(table=entrant.table))[0] == wanted
        print(
            f"{entrant.name:28} {median:7.1f} s {course.rows / median:10,.0f} rows/s  ×{slowest / median:5.1f}"
            f"  {statistics.median(entrant.processor or [0]):6.2f} s of the processor  {entrant.memory // 1024:5} MiB"
            f"  {'identical content' if same else 'DIFFERENT CONTENT'}"
        )


def _run(entrant: Contender, folder: Path) -> None:
    """Run a shell command; the last process of its pipe is the one whose memory and processor seconds count."""
    log = folder / "stderr.log"
    report = folder / "usage"
    head, bar, last = entrant.command.rpartition(" | ")
    measured = f"{sys.executable} -c '{_MEASURE}' {report} {last}"
    with log.open("wb") as errors:
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", f"{head}{bar}{measured}"],
            stdout=subprocess.DEVNULL,
            stderr=errors,
            check=False,
        )
    if done.returncode:
        sys.exit(f"{entrant.name} failed:\n{log.read_text(encoding='utf-8', errors='replace')[-2000:]}")
    memory, seconds = report.read_text(encoding="ascii").split()
    entrant.memory = max(entrant.memory, int(memory))
    entrant.processor.append(float(seconds))


_MEASURE = (
    "import resource, subprocess, sys; code = subprocess.call(sys.argv[2:]); "
    "used = resource.getrusage(resource.RUSAGE_CHILDREN); "
    'open(sys.argv[1], "w").write(f"{used.ru_maxrss} {used.ru_utime + used.ru_stime}"); sys.exit(code)'
)


def _copy(course: Course) -> None:
    """What the server alone can do: COPY in text from one database to the other."""
    with (
        psycopg.connect(course.cluster.dsn()) as source,
        psycopg.connect(course.cluster.dsn(WAREHOUSE)) as target,
        source.cursor().copy("COPY contacts TO STDOUT") as out,
        target.cursor().copy("COPY raw.contacts FROM STDIN") as into,
    ):
        for piece in out:
            into.write(piece)


if __name__ == "__main__":
    main()
