"""How near tap-hubspot and target-hubspot come to what HubSpot's limits allow, and to the least possible requests.

`python -m tests.benchmarks.hubspot_pace --contacts 100000 --changes 5000`

The least number of requests is reckoned here from the limits of the API, not taken from our client. The least time is
that of the limits alone: 190 requests at once, and 190 more after each ten seconds; 5 searches after each second. The
server and the plugin share the machine, so that time can be met only where it is calm; how long a client takes that
sends the same requests and does nothing else (`hubspot_bare`) stands beside it. Times of a plugin are from the first
request to the last; its start comes on top, once.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from antiphon_sandbox.hubspot import Limits
from antiphon_sandbox.hubspot.schema import Property
from tests.benchmarks.hubspot_bare import BURST, SEARCHES, SPAN, Heard
from tests.taps.hubspot import catalog_of, settings

COLUMNS = ["email", "firstname", "lastname", "city", "phone"]


@dataclass(frozen=True, slots=True)
class Least:
    """What cannot be done with less."""

    api: int
    search: int = 0

    @property
    def seconds(self) -> float:
        """The time that the limits allow at best."""
        return max((ceil(self.api / BURST) - 1) * SPAN, (ceil(self.search / SEARCHES) - 1) * 1.0, 0.0)


@contextmanager
def measured(hubspot: Heard, folder: Path, what: str, least: Least) -> Iterator[None]:
    """Print the ratios of what is done within."""
    hubspot.forget()
    started = time.monotonic()
    yield
    whole = time.monotonic() - started
    told(hubspot, folder, f"{what} in {whole:.1f} s", least)


def told(hubspot: Heard, folder: Path, what: str, least: Least) -> None:
    """Print how what was just heard compares with what is possible."""
    seconds, silence, tally = hubspot.seconds, hubspot.silence, dict(hubspot.limits.tally)
    asked = tally.get("api", 0) + tally.get("search", 0)
    bare = hubspot.bare(folder)
    print(
        f"{what}: {asked} requests, {asked / (least.api + least.search):.3f} of the least possible "
        f"({least.api} and {least.search} searches), {tally.get('429', 0)} refused by a limit; from the first to the "
        f"last {seconds:.1f} s, at most {silence:.1f} s without any, "
        f"{seconds / bare:.2f} of what they take a bare client ({bare:.1f} s), "
        f"{seconds / least.seconds if least.seconds else float('nan'):.2f} of what the limits allow "
        f"({least.seconds:.1f} s)",
        flush=True,
    )


def run(package: str, folder: Path, config: dict[str, Any], words: Sequence[str], feed: Path | None = None) -> None:
    """Run a plugin to its end; what it prints is thrown away."""
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with (feed or Path(os.devnull)).open("rb") as source:
        done = subprocess.run(
            [sys.executable, "-m", package, "--config", str(folder / "config.json"), *words],
            stdin=source, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr.decode()[-2000:])


def operations(path: Path, ops: Iterator[dict[str, Any]]) -> Path:
    """A file with operations of the reconciler."""
    with path.open("w", encoding="utf-8") as file:
        schema = {
            "type": "SCHEMA",
            "stream": "contacts",
            "key_properties": ["id"],
            "schema": {"properties": {"id": {}}},
        }
        file.write(json.dumps(schema) + "\n")
        for op in ops:
            values = op.pop("values")
            file.write(json.dumps({"type": "RECORD", "stream": "contacts", "record": values, "sync": op}) + "\n")
        file.write(json.dumps({"type": "STATE", "value": {"done": True}}) + "\n")
    return path


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--creates", type=int, default=20_000)
    parser.add_argument("--changes", type=int, default=5_000)
    given = parser.parse_args()
    with Heard() as hubspot, tempfile.TemporaryDirectory() as name:
        folder, account = Path(name), hubspot.account
        account.define("contacts", Property("antiphon_key", unique=True))
        made = [
            account.enter("contacts", {"email": f"n{n}@example.com", "firstname": f"N{n}", "city": "Rome"})
            for n in range(given.contacts)
        ]
        catalogs = {}
        for how in (False, True):
            catalogs[how] = folder / f"catalog-{how}.json"
            catalogs[how].write_text(json.dumps(catalog_of(hubspot, {"contacts": COLUMNS}, incremental=how)))
        hubspot.limits = Limits(burst=BURST, search=SEARCHES)
        config = settings(hubspot)

        overhead = 2  # the account, and the properties of contacts
        pages = ceil(given.contacts / 100) + 1  # and the recycle bin
        with measured(hubspot, folder, f"read {given.contacts} contacts", Least(pages + overhead)):
            run("tap_hubspot", folder, config, ["--catalog", str(catalogs[False])])

        now = account.clock()
        for record in made[: given.changes]:
            account.edit("contacts", record.id, city="Oslo")
            time.sleep(0.001)  # people are not quicker than that
        state = {"bookmarks": {"contacts": {"replication_key": "updatedAt", "replication_key_value": _iso(now)}}}
        (folder / "state.json").write_text(json.dumps(state))
        least = Least(ceil(given.changes / 50) + 1 + overhead, ceil(given.changes / 200))  # by fifty, with their times
        with measured(hubspot, folder, f"read {given.changes} changes", least):
            words = ["--catalog", str(catalogs[True]), "--state", str(folder / "state.json")]
            run("tap_hubspot", folder, {**config, "overlap_seconds": 0}, words)

        changes = operations(
            folder / "changes.jsonl",
            (
                {"op_id": f"u{r.id}", "op": "update", "key": {"id": r.id}, "sync_key": r.id,
                 "expect": {"city": "Oslo"}, "values": {"id": r.id, "city": "Graz"}}
                for r in made[: given.changes]
            ),
        )  # fmt: skip
        batches = ceil(given.changes / 100)
        least = Least(batches * 2 + ceil(given.changes / 50) + overhead)  # a look, a write, and histories by fifty
        with measured(hubspot, folder, f"write {given.changes} changes, with a look before and after each", least):
            run("target_hubspot", folder, {**config, "receipts_path": str(folder / "r.jsonl")}, [], changes)
        _all_applied(folder / "r.jsonl", given.changes)

        creates = operations(
            folder / "creates.jsonl",
            (
                {"op_id": f"c{n}", "op": "create", "key": {}, "sync_key": f"k{n}", "expect": {},
                 "values": {"email": f"new{n}@example.com", "city": "Graz"}}
                for n in range(given.creates)
            ),
        )  # fmt: skip
        least = Least(ceil(given.creates / 100) * 3 + overhead)  # is it there, is it in the bin, make it
        with measured(hubspot, folder, f"create {given.creates} contacts, each once", least):
            run("target_hubspot", folder, {**config, "receipts_path": str(folder / "c.jsonl")}, [], creates)
        _all_applied(folder / "c.jsonl", given.creates)


def _all_applied(path: Path, number: int) -> None:
    statuses = [json.loads(line)["status"] for line in path.read_text(encoding="utf-8").splitlines()]
    if statuses != ["applied"] * number:
        sys.exit(f"{path.name}: not all were applied")


def _iso(ms: int) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(ms / 1000))}.{ms % 1000:03d}Z"


if __name__ == "__main__":
    main()
