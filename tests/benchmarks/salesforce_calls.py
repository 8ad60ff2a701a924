"""How near tap-salesforce and target-salesforce come to the least possible number of requests.

`python -m tests.benchmarks.salesforce_calls --contacts 100000 --changes 5000`

The least number is reckoned here from the limits of the API, not taken from our clients: how many records one request
of each kind can read or write, and the few that a job of Bulk API 2.0 costs however many records it has. A job is asked
about until it is done; the sandbox is done at the second look, and so is the least. The ratios are the same anywhere.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Any

from antiphon_sandbox.salesforce import Field, Salesforce
from antiphon_sandbox.salesforce.jobs import Jobs

FIELDS = ["Email", "FirstName", "LastName", "MailingCity"]
RETRIEVED, COLLECTION, PAGE = 2000, 200, 2000
"""Records that one request shows by id, writes, and that one page of a query has (Salesforce docs)."""

BULK_PAGE = Jobs().page
MARGIN = 1.05


def query_job(records: int) -> int:
    """Requests of a query by a job: it is made, looked at twice, and read."""
    return 3 + ceil(records / BULK_PAGE)


def ingest_job(lists: int = 1) -> int:
    """Requests of a job that writes: made, filled, closed, looked at twice, and its lists of results."""
    return 5 + lists


def reads(records: int) -> int:
    """Requests of a query: by pages, or, once the first has told how many there are, by a job."""
    return min(ceil(records / PAGE), 1 + query_job(records))


def writes(records: int) -> int:
    """Requests that write records: by collections or by a job, which costs less."""
    return min(ceil(records / COLLECTION), ingest_job())


def looks(records: int) -> int:
    """Requests that show records by their ids."""
    return ceil(records / RETRIEVED)


@contextmanager
def measured(salesforce: Salesforce, what: str, least: int, told: list[float]) -> Iterator[None]:
    """Print the ratio of what is done within."""
    before = len(salesforce.seen)
    yield
    asked = [f"{method} {path.partition('?')[0]}" for method, path, _ in salesforce.seen[before:]]
    ratio = len(asked) / least
    told.append(ratio)
    print(f"{what}: {len(asked)} requests, {ratio:.3f} of the least possible ({least})", flush=True)


def run(package: str, folder: Path, config: Mapping[str, Any], words: Sequence[str], feed: Path | None = None) -> bytes:
    """Run a plugin to its end; what it printed."""
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with (feed or Path(os.devnull)).open("rb") as source:
        done = subprocess.run(
            [sys.executable, "-m", package, "--config", str(folder / "config.json"), *words],
            stdin=source, capture_output=True, check=False,
        )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr.decode()[-2000:])
    return done.stdout


def catalog(folder: Path, config: Mapping[str, Any], method: str) -> Path:
    """A catalog that asks for the fields of contacts."""
    found = json.loads(run("tap_salesforce", folder, config, ["--discover"]))
    for entry in found["streams"]:
        entry["replication_method"] = method
        for item in entry["metadata"]:
            item["metadata"]["selected"] = not item["breadcrumb"] or item["breadcrumb"][1] in FIELDS
    path = folder / f"{method}.json"
    path.write_text(json.dumps(found), encoding="utf-8")
    return path


def operations(path: Path, ops: Iterator[dict[str, Any]]) -> Path:
    """A file with operations of the reconciler."""
    schema = {"type": "SCHEMA", "stream": "Contact", "key_properties": ["Id"], "schema": {"properties": {"Id": {}}}}
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(schema) + "\n")
        for op in ops:
            values = op.pop("values")
            file.write(json.dumps({"type": "RECORD", "stream": "Contact", "record": values, "sync": op}) + "\n")
        file.write(json.dumps({"type": "STATE", "value": {"done": True}}) + "\n")
    return path


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--changes", type=int, default=5_000)
    given = parser.parse_args()
    told: list[float] = []
    with Salesforce(daily=10_000_000) as salesforce, tempfile.TemporaryDirectory() as name:
        folder, org = Path(name), salesforce.org
        org.objects["Contact"].add(Field("antiphon_key__c", length=36, external_id=True, unique=True))
        config = {"access_token": salesforce.token, "instance_url": salesforce.url, "objects": ["Contact"]}
        target = {**config, "receipts_path": str(folder / "receipts.jsonl")}

        creates = operations(
            folder / "creates.jsonl",
            (
                {"op_id": f"c{n}", "op": "create", "key": {}, "sync_key": f"00000000-0000-7000-8000-{n:012}",
                 "expect": {},
                 "values": {"LastName": f"N{n}", "Email": f"n{n}@example.com", "MailingCity": "Rome"}}
                for n in range(given.contacts)
            ),
        )  # fmt: skip
        describe = 1
        least = describe + 1 + writes(given.contacts) + looks(given.contacts)  # none of the keys is there: one look
        with measured(salesforce, f"create {given.contacts} contacts, each once, and read them back", least, told):
            run("target_salesforce", folder, target, [], creates)
        _all_applied(folder / "receipts.jsonl", given.contacts)

        catalogs = {method: catalog(folder, config, method) for method in ("FULL_TABLE", "INCREMENTAL")}
        account, deleted = 1, 1
        least = account + describe + deleted + reads(given.contacts)
        with measured(salesforce, f"read {given.contacts} contacts", least, told):
            run("tap_salesforce", folder, config, ["--catalog", str(catalogs["FULL_TABLE"])])

        people = org.live("Contact")
        later = datetime.now(UTC) + timedelta(hours=1)
        for record in people[: given.changes]:
            org.edit(record.id, at=later, MailingCity="Oslo")
        since = (later - timedelta(minutes=30)).isoformat()
        state = {"bookmarks": {"Contact": {"replication_key": "SystemModstamp", "replication_key_value": since}}}
        (folder / "state.json").write_text(json.dumps(state), encoding="utf-8")
        least = account + describe + deleted + reads(given.changes)
        with measured(salesforce, f"read {given.changes} changes", least, told):
            words = ["--catalog", str(catalogs["INCREMENTAL"]), "--state", str(folder / "state.json")]
            run("tap_salesforce", folder, {**config, "overlap_seconds": 0}, words)

        changes = operations(
            folder / "changes.jsonl",
            (
                {"op_id": f"u{r.id}", "op": "update", "key": {"Id": r.id}, "sync_key": r.id,
                 "expect": {"MailingCity": "Rome"}, "values": {"Id": r.id, "MailingCity": "Graz"}}
                for r in people[-given.changes :]
            ),
        )  # fmt: skip
        (folder / "receipts.jsonl").unlink()
        least = describe + looks(given.changes) + writes(given.changes) + looks(given.changes)
        with measured(salesforce, f"write {given.changes} changes, with a look before and after", least, told):
            run("target_salesforce", folder, target, [], changes)
        _all_applied(folder / "receipts.jsonl", given.changes)
    if max(told) > MARGIN:
        sys.exit(f"one of them takes more than {MARGIN} of the least possible")


def _all_applied(path: Path, number: int) -> None:
    statuses = [json.loads(line)["status"] for line in path.read_text(encoding="utf-8").splitlines()]
    if statuses != ["applied"] * number:
        sys.exit(f"{path.name}: not all were applied")


if __name__ == "__main__":
    main()
