"""A sync of two taps and as many links as wanted, all in step: what every benchmark begins with.

The rows of the ledger are made directly: by the code that stores them where it is Python, in SQL where it is not.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from antiphon.config import SyncConfig, load, scope_version
from antiphon.equivalence import hash_of, make_rid
from antiphon.identity import short_id
from antiphon.ledger import Ledger
from antiphon.ledger.sql import SqlStore, open_store
from antiphon.ledger.statements import PAGE
from antiphon.ledger.tables import OBS
from antiphon.ledger.versions import MIGRATIONS
from antiphon.mapping import Mapping
from antiphon.match import match_keys
from antiphon.model import Cursor, Observation, RecordState, replace
from antiphon.singer.messages import encode
from antiphon.sync.lines import Marks, hash_lines
from antiphon.sync.planning import binding
from antiphon.sync.run import bound, stream_of

SIDES = ("crm", "warehouse")
NULLABLE = {"type": ["string", "null"]}
COLUMNS: dict[str, dict[str, Any]] = {
    "id": {"type": ["integer"]},
    **dict.fromkeys(("email", "first_name", "last_name", "phone", "company", "stage"), NULLABLE),
    "amount": {"type": ["number", "null"]},
    **{name: {"type": ["boolean", "null"]} for name in ("active", "newsletter")},
    **{name: {"type": ["string", "null"], "format": "date-time"} for name in ("created_at", "updated_at")},
}
FIELDS = ("email", "first_name", "last_name", "phone", "stage", "amount")
MADE = 1_700_000_000_000_000
"""Microseconds: when the ledger was made."""

SYNC = """\
name: people
sides:
  crm: {{tap: {{command: [{python}, {tap}, crm.jsonl]}}, target: {{command: [{python}, {tap}, crm]}}}}
  warehouse: {{tap: {{command: [{python}, {tap}, warehouse.jsonl]}}, target: {{command: [{python}, {tap}, warehouse]}}}}
entities:
  contact:
    sides:
      crm: {{stream: people, key: id, on_create: assigned}}
      warehouse: {{stream: people, key: id, on_create: assigned}}
    match: [email]
    fields: {{{fields}}}
"""


@dataclass(frozen=True)
class Made:
    """The folder of a sync: its sync.yml, its ledger, and what each tap prints."""

    folder: Path
    links: int

    @cached_property
    def config(self) -> SyncConfig:
        """What sync.yml says."""
        return load(self.folder / "sync.yml", os.environ)

    @property
    def path(self) -> Path:
        """The ledger's file."""
        return self.folder / ".antiphon" / "ledger.db"

    def copy(self) -> Ledger:
        """A copy of the ledger, to be changed."""
        path = self.path.with_name("copy.db")
        for left in path.parent.glob("copy.db*"):
            left.unlink()
        shutil.copyfile(self.path, path)
        ledger = Ledger(open_store(f"sqlite:///{path}", name="people"))
        ledger.acquire("benchmark")
        return ledger

    def output(self, side: str) -> Path:
        """What the side's tap prints."""
        return self.folder / f"{side}.jsonl"


def schema() -> bytes:
    """The SCHEMA line of a tap."""
    shape = {"type": "object", "properties": COLUMNS}
    return encode({"type": "SCHEMA", "stream": "people", "schema": shape, "key_properties": ["id"]})


def person(number: int, **changes: Any) -> dict[str, Any]:
    """A record."""
    return {
        "id": number,
        "email": f"person{number}@example.com",
        "first_name": f"First {number % 1000}",
        "last_name": f"Last {number % 5000}",
        "phone": f"+39 02 {number:07d}",
        "company": f"Company {number % 300}",
        "stage": "customer" if number % 3 else "lead",
        "amount": number / 4,
        "active": number % 5 != 0,
        "newsletter": number % 2 == 0,
        "created_at": "2026-01-01T10:00:00+00:00",
        "updated_at": f"2026-01-02T10:00:{number % 60:02d}.123456+00:00",
        **changes,
    }


def line(record: dict[str, Any], at: str = "2026-11-28T08:00:00.000000+00:00") -> bytes:
    """A record as the SDK prints it, with its end."""
    return encode({"type": "RECORD", "stream": "people", "record": record, "time_extracted": at})


def make(links: int, folder: Path) -> Made:
    """The sync in `folder`, made now unless it is there already."""
    tables = "".join(path.read_text(encoding="utf-8") for path in sorted(MIGRATIONS.rglob("v*.py")))
    made = Made(folder / f"{links}-links-{short_id(tables)}", links)
    if (made.folder / "made").exists():
        return made
    shutil.rmtree(made.folder, ignore_errors=True)
    made.path.parent.mkdir(parents=True)
    fields = ", ".join(f"{name}: {name}" for name in FIELDS)
    tap = Path(__file__).with_name("tap.py")
    text = SYNC.format(python=sys.executable, tap=tap, fields=fields)
    (made.folder / "sync.yml").write_text(text, encoding="utf-8")
    for side in SIDES:
        with made.output(side).open("wb") as file:
            file.write(schema())
            file.writelines(line(person(number)) for number in range(links))
            file.write(encode({"type": "STATE", "value": {"bookmarks": {"people": {"side": side}}}}))
    _fill(made)
    (made.folder / "made").touch()
    return made


def _fill(made: Made) -> None:
    store = open_store(f"sqlite:///{made.path}", name="people")
    ledger = Ledger(store)
    ledger.create(ledger_id="0" * 32, name="people", now=MADE)
    config = made.config
    known = {name: shape for name, shape in COLUMNS.items() if name in ("id", *FIELDS)}
    uuids = dict.fromkeys(("email", "first_name", "last_name", "phone", "stage"), False)
    with ledger.transaction():
        for side in SIDES:
            cursor = Cursor(side, "contact", None, MADE, MADE, MADE, MADE, known=made.links, seen=made.links)
            ledger.put([replace(cursor, schema=known, uuids=uuids)])
    mapping = bound(config, ledger)
    with ledger.transaction():
        ledger.update_instance(mapping_version=binding(mapping), scope_version=scope_version(config))
    put = store._statements[OBS.name]
    for side in SIDES:
        rows = _observations(config, side, made.links)
        with store.transaction():
            while page := [put.codec.encode(row) for row in islice(rows, PAGE)]:
                store._driver.cursor().executemany(put.put, page)
    _link(store, mapping)
    store.close()


def _observations(config: SyncConfig, side: str, links: int) -> Iterator[Observation]:
    stream = stream_of(config.entities["contact"], side, full=True)
    shown = {name: shape for name, shape in COLUMNS.items() if name in stream.columns}
    marks = Marks(stream.key, stream.columns, shown)
    for number in range(links):
        record = person(number)
        fields = {name: record[name] for name in stream.columns}
        digest = hash_of(fields)
        mark = marks.stored(hash_lines([line(record)[:-1]])[0], digest)
        rid = make_rid([number])
        yield Observation(side, "contact", rid, RecordState.LIVE, fields, digest, MADE, MADE, touched=False, line=mark)


def _link(store: SqlStore, mapping: Mapping) -> None:
    """Links, their members, what both sides agreed on, and the keys they were matched by."""
    lid = "printf('00000000-0000-8000-8000-%012d', CAST(trim(rid, '[]') AS INTEGER))"
    pairs = ", ".join(
        f"'{name}', json_object("
        + ", ".join(f"'{side}', json_object('v', {side}.fields -> '{name}', 'm', :at)" for side in SIDES)
        + ")"
        for name in sorted(FIELDS)
    )
    entity = mapping.entities["contact"]
    first = match_keys(entity, "crm", person(0))[0]
    begin, end = first.split(person(0)["email"])
    run = store._driver.cursor().execute
    with store.transaction():
        run(
            "INSERT INTO link (lid, entity, state, created, sync_key, match_rule, closed_reason) "
            f"SELECT {lid}, entity, 'active', {MADE}, {lid}, 'email', '' FROM obs WHERE side = 'crm'"
        )
        run(f"INSERT INTO member (lid, side, entity, rid, held) SELECT {lid}, side, entity, rid, 1 FROM obs")
        run(
            f"INSERT INTO base (lid, fields) SELECT {lid}, json_object({pairs}) FROM obs AS crm "
            "JOIN (SELECT entity AS of, rid AS there, fields FROM obs WHERE side = 'warehouse') AS warehouse "
            "ON of = entity AND there = rid WHERE side = 'crm'",
            {"at": mapping.version},
        )
        run(
            "INSERT INTO match_key (side, entity, rid, rule, key) "
            "SELECT side, entity, rid, 0, ? || (fields ->> 'email') || ? FROM obs",
            (begin, end),
        )


# ---- what every benchmark is asked and tells


def asked(description: str | None, **defaults: int) -> argparse.Namespace:
    """The options of a benchmark."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(".benchmarks"), help="where what is made once is kept")
    for name, default in {"links": 1_000_000, **defaults}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    given.folder = given.folder.resolve()
    return given


def machine() -> str:
    """What the figures were measured on."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        processor = next(part.split(":")[1].strip() for part in text.splitlines() if part.startswith("model name"))
    except (OSError, StopIteration):
        processor = platform.processor() or platform.machine()
    busy = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    programs = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    return f"{os.cpu_count()} cores of {processor}, {programs}{busy}"


def lowest_fsync(folder: Path, times: int = 50) -> float:
    """Seconds that the disk takes to make a page durable, at the median: below this no commit can be."""
    path = folder / "fsync"
    taken = []
    with path.open("wb", buffering=0) as file:
        for _ in range(times):
            file.write(b"x" * 4096)
            began = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - began)
    path.unlink()
    return sorted(taken)[times // 2]


def tell(**figures: object) -> None:
    """Print a line of figures, for people and programs."""
    print(json.dumps(figures, default=str))
