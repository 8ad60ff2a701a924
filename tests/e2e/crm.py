"""A HubSpot of the sandbox and a DuckDB warehouse, synced by `antiphon` with our own plugins as processes.

People work in HubSpot at any time, in the warehouse between two rounds (DuckDB lets one program in at a time).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from antiphon_sandbox.hubspot import HubSpot
from antiphon_sandbox.hubspot.schema import Property

BIN = Path(sys.executable).parent
LONGEST = 240

SYNC = """\
name: crm-warehouse
sides:
  crm:
    config: {{access_token: $HUBSPOT_TOKEN, api_base: "{url}"}}
    tap: {{command: {bin}/tap-hubspot, config: {{overlap_seconds: 5}}}}
    target: {{command: {bin}/target-hubspot}}
  warehouse:
    config: {{url: "duckdb:///{folder}/warehouse.duckdb"}}
    tap: {{command: {bin}/tap-sql}}
    target: {{command: {bin}/target-sql}}
entities:
  company:
    sides:
      crm: {{stream: companies, key: id, on_create: assigned}}
      warehouse: {{stream: main-companies, key: company_id, on_create: uuid}}
    match: [domain]
    on_delete: {on_delete}
    policy: {{latest: {{else: crm}}}}
    fields: {{name: name, domain: {{crm: domain, warehouse: domain, normalize: [lower]}}}}
  contact:
    sides:
      crm: {{stream: contacts, key: id, on_create: assigned{incremental}}}
      warehouse: {{stream: main-contacts, key: contact_id, on_create: uuid}}
    match: [email]
    initial: {{prefer: crm}}
    on_delete: {on_delete}
    policy: {{latest: {{else: crm}}}}
    fields:
      email: {{crm: email, warehouse: email, normalize: [strip, lower]}}
      first_name: {{crm: firstname, warehouse: first_name}}
      city: city
      stage: {{crm: lifecyclestage, warehouse: stage, policy: {{ladder: [subscriber, lead, opportunity, customer]}}}}
      phone: {{crm: phone, warehouse: phone, policy: park}}
      children: {{crm: num_children, warehouse: children}}
      optout: {{crm: hs_email_optout, warehouse: optout}}
      born: {{crm: date_of_birth, warehouse: born}}
      next: {{crm: notes_next_activity_date, warehouse: next_activity}}
      roles: {{crm: hs_buying_role, warehouse: roles, policy: set, separator: ";"}}
  membership:
    sides:
      crm: {{stream: contacts_to_companies, key: [from_id, to_id, type_id]}}
      warehouse: {{stream: main-memberships, key: [contact_id, company_id, type_id]}}
    on_delete: {on_delete}
    fields: {{label: type_id}}
    references:
      contact: {{crm: from_id, warehouse: contact_id, entity: contact}}
      company: {{crm: to_id, warehouse: company_id, entity: company}}
guards: {{max_change: 100%}}
"""

TABLES = """
create table companies (company_id uuid primary key, name text, domain text);
create table contacts (
    contact_id uuid primary key, email text, first_name text, city text, phone text, children integer,
    optout boolean, born date, next_activity timestamptz, roles text, stage text, note text default 'untouched'
);
create table memberships (
    contact_id uuid, company_id uuid, type_id integer, primary key (contact_id, company_id, type_id)
);
"""

PAIRS = {
    "email": "email", "firstname": "first_name", "city": "city", "phone": "phone", "num_children": "children",
    "hs_email_optout": "optout", "date_of_birth": "born", "notes_next_activity_date": "next_activity",
    "hs_buying_role": "roles", "lifecyclestage": "stage",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]

    @property
    def wrote(self) -> dict[str, int]:
        """Rows written to each side."""
        found: dict[str, int] = {}
        for line in self.log:
            if line["topic"] == "wrote":
                found[line["side"]] = found.get(line["side"], 0) + int(line["sent"])
        return found


@dataclass(slots=True)
class Crm:
    """The project folder between the two."""

    hubspot: HubSpot
    folder: Path

    @classmethod
    def create(cls, hubspot: HubSpot, folder: Path, *, on_delete: str = "delete", incremental: bool = True) -> Crm:
        """Both sides empty, the unique property made, and a sync.yml."""
        for kind in ("contacts", "companies"):
            hubspot.account.define(kind, Property("antiphon_key", unique=True, defined_by_hubspot=False))
        how = (
            ", replication: incremental, replication_key: updatedAt, overlap: 1s, full_read: every 24h"
            if incremental
            else ""
        )
        text = SYNC.format(url=hubspot.url, bin=BIN, folder=folder, on_delete=on_delete, incremental=how)
        (folder / "sync.yml").write_text(text, encoding="utf-8")
        world = cls(hubspot, folder)
        world.sql(TABLES)
        return world

    # ---- the warehouse

    def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run SQL as a user of the warehouse; what it returns."""
        with duckdb.connect(str(self.folder / "warehouse.duckdb")) as connection:
            connection.execute("set timezone = 'UTC'")
            cursor = connection.execute(statement, list(parameters))
            return cursor.fetchall() if cursor.description else []

    def insert(self, **values: Any) -> str:
        """A user of the warehouse enters a contact."""
        key = str(uuid.uuid4())
        columns = {"contact_id": key, **values}
        names, marks = ", ".join(columns), ", ".join("?" for _ in columns)
        self.sql(f"insert into contacts ({names}) values ({marks})", *columns.values())
        return key

    # ---- the sync

    def run(self, *words: str, env: Mapping[str, str] | None = None) -> Done:
        """Run `antiphon` as its user does."""
        done = subprocess.run(
            [str(BIN / "antiphon"), *words],
            cwd=self.folder,
            env={**os.environ, "HUBSPOT_TOKEN": self.hubspot.token, **(env or {})},
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def sync(self, *words: str) -> Done:
        """A sync that ends well."""
        done = self.run("sync", *words)
        assert done.code == 0, done.err[-4000:]
        return done

    def until_quiet(self, most: int = 8) -> int:
        """Rounds until one writes nothing; how many there were."""
        for number in range(1, most + 1):
            if not sum(self.sync().wrote.values()):
                return number
        raise AssertionError(f"{most} rounds, and still something is written")

    # ---- what stands in both

    def crm(self) -> dict[str, dict[str, Any]]:
        """The contacts of HubSpot by e-mail, as the warehouse would write them."""
        kind = self.hubspot.account.kind("contacts")
        with self.hubspot.account.lock:
            live = list(self.hubspot.account.all(kind))
        found = {}
        for record in live:
            values = {mine: _plain(theirs, record.values.get(theirs)) for theirs, mine in PAIRS.items()}
            found[str(values["email"])] = values
        assert len(found) == len(live), "a contact was doubled"
        return found

    def warehouse(self) -> dict[str, dict[str, Any]]:
        """The contacts of the warehouse by e-mail."""
        columns = list(PAIRS.values())
        moment = "strftime(next_activity at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%gZ') as next_activity"
        shown = ", ".join(columns).replace("next_activity", moment)
        rows = self.sql(f"select {shown} from contacts")
        found = {str(row[0]).strip().lower(): dict(zip(columns, map(_said, row), strict=True)) for row in rows}
        assert len(found) == len(rows), "a contact was doubled"
        for values in found.values():
            values["email"] = str(values["email"]).strip().lower()
            values["roles"] = _sorted(values["roles"])
        return found

    def differences(self) -> list[str]:
        """Where the two sides are not the same."""
        crm, warehouse = self.crm(), self.warehouse()
        found = [f"only in one: {email}" for email in crm.keys() ^ warehouse.keys()]
        for email in crm.keys() & warehouse.keys():
            for name, value in crm[email].items():
                if (value or None) != (warehouse[email][name] or None):
                    found.append(f"{email}.{name}: {value!r} in HubSpot, {warehouse[email][name]!r} in the warehouse")
        return found


def _plain(name: str, value: str | None) -> Any:
    if value is None:
        return None
    if name == "num_children":
        return str(int(float(value)))
    if name == "hs_buying_role":
        return _sorted(value)
    return value


def _said(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _sorted(value: str | None) -> str | None:
    return ";".join(sorted(value.split(";"))) if value else None
