"""How long DIFF takes to find 1 % of changed rows in a table, beside a full read of it.

    python -m tests.benchmarks.sql_diff [--rows 1000000] [--rounds 3]

Prints, as medians in seconds: the full read that makes the snapshot, the statement that finds what changed (run by
itself inside the database), and whole runs of the tap when 1 % changed and when nothing did.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from antiphon_sandbox import postgres
from tests.benchmarks.sql_extract import FILL, STREAM, TABLE, prepared

TEXTS = ("email", "first_name", "last_name", "phone", "company", "stage", "amount")


def main() -> None:
    """Run everything and print the figures."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="antiphon-benchmark-") as name:
        folder = Path(name)
        with postgres.running(folder / "cluster") as cluster:
            with postgres.connect(cluster) as connection:
                connection.execute(TABLE)
                connection.execute(FILL.format(rows=given.rows).encode())
                connection.execute("ANALYZE contacts")
            measure(folder, cluster, given.rows, given.rounds)


def measure(folder: Path, cluster: postgres.Cluster, rows: int, rounds: int) -> None:
    """The first run, then rounds of changes."""
    command = prepared(folder, "ours", f"{sys.executable} -m tap_sql", {"url": cluster.url()})
    catalog = Path(command[-1])
    shown = json.loads(catalog.read_text(encoding="utf-8"))
    shown["streams"][0]["replication_method"] = "DIFF"
    catalog.write_text(json.dumps(shown), encoding="utf-8")
    seconds, records, state = run(command, folder, None)
    print(f"first run, all {records:,} rows   {seconds:6.2f} s")
    found, changed, still = [], [], []
    for number in range(rounds):
        with postgres.connect(cluster) as connection:
            connection.execute("UPDATE contacts SET phone = phone || 'x' WHERE mod(id, 100) = %s", (number,))
            connection.commit()
            found.append(finding(cluster))
        seconds, records, state = run(command, folder, state)
        if records != rows // 100:
            sys.exit(f"{records} changes were shown, {rows // 100} were made")
        changed.append(seconds)
        seconds, records, state = run(command, folder, state)
        still.append(seconds)
    print(f"finding 1 % of changed rows    {statistics.median(found):6.2f} s, inside the database")
    print(f"a run that shows them          {statistics.median(changed):6.2f} s, start of the process included")
    print(f"a run in which nothing changed {statistics.median(still):6.2f} s")


def run(command: list[str], folder: Path, state: dict[str, Any] | None) -> tuple[float, int, dict[str, Any]]:
    """One run of the tap: its seconds, its records, its STATE (the one it was handed if it said none)."""
    handed = []
    if state is not None:
        (folder / "state.json").write_text(json.dumps(state), encoding="utf-8")
        handed = ["--state", str(folder / "state.json")]
    began = time.perf_counter()
    ran = subprocess.run([*command, *handed], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    seconds = time.perf_counter() - began
    lines = ran.stdout.splitlines()
    states = [line for line in lines if line.startswith(b'{"type":"STATE"')]
    records = sum(line.startswith(b'{"type":"RECORD"') for line in lines)
    return seconds, records, json.loads(states[-1])["value"]


def finding(cluster: postgres.Cluster) -> float:
    """Seconds of the statement that finds what differs from the snapshot, as `tap_sql.diff` writes it."""
    texts = ", ".join(("id", *(f"{name}::text" for name in TEXTS), "subscribed", "active", "created_at", "updated_at"))
    with postgres.connect(cluster) as connection:
        (table,) = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'antiphon' AND tablename LIKE %s", (f"{STREAM}%",)
        ).fetchone() or ("",)
        for setting in ("work_mem = '128MB'", "parallel_setup_cost = 0", "parallel_tuple_cost = 0"):
            connection.execute(f"SET {setting}".encode())
        began = time.perf_counter()
        connection.execute(
            f"CREATE TEMPORARY TABLE found AS SELECT coalesce(t.id, s.id) AS id, t.hash FROM "
            f"(SELECT id, hash_record_extended(ROW({texts}), 0) AS hash FROM contacts) t FULL JOIN "
            f'(SELECT id, antiphon_hash AS hash FROM antiphon."{table}" WHERE antiphon_gone_at IS NULL) s USING (id) '
            f"WHERE t.hash IS DISTINCT FROM s.hash".encode()
        )
        return time.perf_counter() - began


if __name__ == "__main__":
    main()
