"""How near a whole `antiphon sync` comes to what HubSpot's limits allow: a first load, then changes on both sides.

`python -m tests.benchmarks.hubspot_sync --contacts 100000 --changes 5000 --warehouse duckdb`

The least number of requests and the least time are reckoned from the limits of the API, and a bare client sends the
same requests once more (`hubspot_pace` does all this for tap and target alone). The seconds of a command hold the start
of each program, the plan and the warehouse; those of the processor say what it takes where nobody else is at work.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from math import ceil
from pathlib import Path

from antiphon_sandbox.hubspot import Limits
from antiphon_sandbox.hubspot.schema import Property
from tests.benchmarks.hubspot_bare import BURST, SEARCHES, Heard
from tests.benchmarks.hubspot_pace import Least, told
from tests.e2e.crm import BIN

SYNC = """\
name: pace
sides:
  crm:
    config: {{access_token: $TOKEN, api_base: "{url}"}}
    tap: {{command: {bin}/tap-hubspot, config: {{overlap_seconds: 0, objects: [contacts]}}}}
    target: {{command: {bin}/target-hubspot}}
  warehouse:
    config: {{url: "{warehouse}"}}
    tap: {{command: {bin}/tap-sql}}
    target: {{command: {bin}/target-sql}}
entities:
  contact:
    sides:
      crm: {{stream: contacts, key: id, on_create: assigned, replication: incremental, replication_key: updatedAt,
             overlap: 0s}}
      warehouse: {{stream: {stream}, key: contact_id, on_create: uuid}}
    match: [email]
    policy: {{latest: {{else: crm}}}}
    fields:
      email: {{crm: email, warehouse: email, normalize: [strip, lower]}}
      first_name: {{crm: firstname, warehouse: first_name}}
      city: city
guards: {{max_change: 100%, max_create: 1000000}}
"""
TABLE = "create table contacts (contact_id {key} primary key, email {text}, first_name {text}, city {text})"


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--changes", type=int, default=5_000)
    parser.add_argument("--warehouse", choices=["duckdb", "sqlite"], default="duckdb")
    given = parser.parse_args()
    with Heard() as hubspot, tempfile.TemporaryDirectory() as name:
        folder, account = Path(name), hubspot.account
        account.define("contacts", Property("antiphon_key", unique=True))
        made = [
            account.enter("contacts", {"email": f"n{n}@example.com", "firstname": f"N{n}", "city": "Rome"})
            for n in range(given.contacts)
        ]
        hubspot.limits = Limits(burst=BURST, search=SEARCHES)
        embedded = given.warehouse
        stream = "main-contacts" if embedded == "duckdb" else "contacts"
        url = f"{embedded}:///{folder}/warehouse.{embedded}"
        text = SYNC.format(url=hubspot.url, bin=BIN, warehouse=url, stream=stream)
        (folder / "sync.yml").write_text(text, encoding="utf-8")
        sql(folder, embedded, TABLE.format(key="varchar" if embedded == "sqlite" else "uuid", text="varchar"))

        pages = ceil(given.contacts / 100) + 1  # and the recycle bin
        sync(hubspot, folder, f"first load of {given.contacts} contacts", Least(pages + 2))
        for record in made[: given.changes]:
            account.edit("contacts", record.id, city="Oslo")
            time.sleep(0.001)  # people are not quicker than that
        last = f"(select email from contacts order by email desc limit {given.changes})"
        sql(folder, embedded, f"update contacts set first_name = 'Nina' where email in {last}")
        reads = ceil(given.changes / 50) + 1  # by fifty, with their histories; and the recycle bin
        writes = 2 * ceil(given.changes / 100) + ceil(given.changes / 50)  # a look, a write, and histories by fifty
        least = Least(reads + writes + 2, ceil(given.changes / 200))
        sync(hubspot, folder, f"{given.changes} changes on each side", least)
        again = Least(ceil(given.changes / 50) + 1 + 2, ceil(given.changes / 200))
        sync(hubspot, folder, "what we wrote is seen again, and nothing is to do", again)
        assert sum(each.values["firstname"] == "Nina" for each in account.live("contacts")) == given.changes
        assert sql(folder, embedded, "select count(*) from contacts where city = 'Oslo'") == str(given.changes)


def sync(hubspot: Heard, folder: Path, what: str, least: Least) -> None:
    """Sync, and print the ratios."""
    hubspot.forget()
    started, busy = time.monotonic(), processor()
    done = subprocess.run(
        [str(BIN / "antiphon"), "sync"], cwd=folder, env={**os.environ, "TOKEN": hubspot.token},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    seconds = time.monotonic() - started
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    worked = f"{processor() - busy:.1f} s of the processor; {phases(done.stderr)}"
    told(hubspot, folder, f"{what} in {seconds:.1f} s ({worked})", least)


def processor() -> float:
    """Seconds that the commands so far took of the processor."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def phases(log: str) -> str:
    """When each step of the round was told, in seconds after the first."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    told = {line["topic"]: line["ts"] for line in lines if line["topic"] in {"read", "wrote", "plan"}}
    return ", ".join(f"{topic} at {at[14:22]}" for topic, at in told.items())


def sql(folder: Path, embedded: str, statement: str) -> str:
    """Run SQL in the warehouse, as a program of its own would."""
    module = "duckdb" if embedded == "duckdb" else "sqlite3"
    code = (
        f"import {module}, sys; c = {module}.connect(sys.argv[1]); found = c.execute(sys.argv[2]); "
        "rows = found.fetchall() if found.description else []; c.commit(); print(rows[0][0] if rows else '')"
    )
    command = [sys.executable, "-c", code, str(folder / f"warehouse.{embedded}"), statement]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
