"""How fast tap-sql reads PostgreSQL, beside meltanolabs-tap-postgres: the same rows, the same content, one run.

    python -m tests.benchmarks.sql_extract [--rows 1000000] [--rounds 3]

Prints the medians and their ratio; every process runs to the end of its output, which goes to /dev/null while it is
timed. Afterwards both outputs are compared row by row, by a hash of the values that they mean.
"""

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from antiphon_sandbox import postgres

PEER = Path(".plugins/tap-postgres/bin/tap-postgres")
STREAM = "public-contacts"
TABLE = """
CREATE TABLE contacts (
    id integer PRIMARY KEY, email varchar(80), first_name text, last_name text, phone text, company text, stage text,
    amount numeric(12, 2), subscribed boolean, active boolean, created_at timestamptz, updated_at timestamptz
)
"""
FILL = """
INSERT INTO contacts
SELECT i, 'user' || i || '@example.com', 'First' || i, 'Last' || i, '+39 06 ' || i, 'Company ' || i % 1000,
       (array['lead', 'mql', 'sql'])[1 + i % 3], i * 1.37, i % 2 = 0, i % 3 = 0,
       '2020-01-01'::timestamptz + i * interval '1.000007 seconds',
       '2024-01-01'::timestamptz + i * interval '1.000013 seconds'
FROM generate_series(1, {rows}) i
"""
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


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
            compare(folder, cluster, given.rows, given.rounds)


def compare(folder: Path, cluster: postgres.Cluster, rows: int, rounds: int) -> None:
    """Time both taps in turns, then hold their contents against each other."""
    taps = {
        "meltanolabs-tap-postgres": prepared(folder, "peer", str(PEER), peer_settings(cluster)),
        "tap-sql": prepared(folder, "ours", f"{sys.executable} -m tap_sql", {"url": cluster.url()}),
    }
    seconds: dict[str, list[float]] = {name: [] for name in taps}
    for _ in range(rounds):
        for name, command in taps.items():
            began = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
            seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    for name, median in medians.items():
        print(f"{name:28} {median:7.1f} s  {rows / median:10,.0f} rows/s")
    print(f"ratio {medians['meltanolabs-tap-postgres'] / medians['tap-sql']:.1f}")
    digests = {name: content(command) for name, command in taps.items()}
    if len(set(digests.values())) != 1 or digests["tap-sql"][0] != rows:
        sys.exit(f"the contents differ: {digests}")
    print(f"identical content: {rows:,} rows, sum of row hashes {digests['tap-sql'][1]:016x}")


def peer_settings(cluster: postgres.Cluster) -> dict[str, Any]:
    """The cluster as the other tap takes it."""
    return {
        "host": cluster.host,
        "port": cluster.port,
        "user": cluster.user,
        "password": cluster.password,
        "database": "postgres",
    }


def prepared(folder: Path, name: str, command: str, config: dict[str, Any]) -> list[str]:
    """The command line that reads the one stream in full."""
    settings, catalog = folder / f"{name}.json", folder / f"{name}-catalog.json"
    settings.write_text(json.dumps(config), encoding="utf-8")
    line = [*command.split(), "--config", str(settings)]
    shown = json.loads(subprocess.run([*line, "--discover"], capture_output=True, check=True).stdout)
    entry = next(entry for entry in shown["streams"] if entry["tap_stream_id"] == STREAM)
    entry["replication_method"] = "FULL_TABLE"
    for item in entry["metadata"]:
        if not item["breadcrumb"]:
            item["metadata"] |= {"selected": True, "replication-method": "FULL_TABLE"}
    catalog.write_text(json.dumps({"streams": [entry]}), encoding="utf-8")
    return [*line, "--catalog", str(catalog)]


def content(command: list[str]) -> tuple[int, int]:
    """How many records a tap shows, and the sum of their hashes."""
    count, total = 0, 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        for record in records(process):
            count += 1
            total += int.from_bytes(hashlib.blake2b(meaning(record), digest_size=8).digest())
    return count, total % (1 << 64)


def records(process: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    """The records of a tap's output."""
    for line in process.stdout or ():
        message = _decode(line)
        if message["type"] == "RECORD":
            yield message["record"]


def meaning(record: dict[str, Any]) -> bytes:
    """The record's values, those that mean the same written the same."""
    values = dict(sorted(record.items()))
    values["amount"] = str(Decimal(values["amount"]).normalize())
    for name in ("created_at", "updated_at"):
        values[name] = datetime.fromisoformat(values[name]).timestamp()
    return json.dumps(values).encode()


if __name__ == "__main__":
    main()
