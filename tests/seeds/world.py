"""A HubSpot of the sandbox and a warehouse, and the commands that sync them. People's edits are in `users`."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeAlias

import duckdb

from antiphon_sandbox.hubspot import HubSpot, Record
from antiphon_sandbox.hubspot.schema import Property
from tests.seeds.warm import command

CRM, WAREHOUSE = "crm", "warehouse"
SIDES = (CRM, WAREHOUSE)

SYNC = """\
name: seeds
sides:
  crm:
    config: {{{auth}, api_base: "{url}"}}
    tap: {{command: {tap_hubspot}, config: {{overlap_seconds: 1}}}}
    target: {{command: {target_hubspot}}}
  warehouse:
    config: {{url: "{warehouse}"}}
    tap: {{command: {tap_sql}}}
    target: {{command: {target_sql}}}
entities:
  company:
    sides:
      crm: {{stream: companies, key: id, on_create: assigned{incremental}}}
      warehouse: {{stream: {main}companies, key: company_id, on_create: uuid{diff}}}
    match: [domain]
    on_delete: delete
    policy: {{latest: {{else: crm}}}}
    fields: {{domain: domain, name: name, city: city}}
  contact:
    sides:
      crm: {{stream: contacts, key: id, on_create: assigned{incremental}}}
      warehouse: {{stream: {main}contacts, key: contact_id, on_create: uuid{diff}}}
    match: [email]
    initial: {{prefer: crm}}
    on_delete: delete
    policy: {{latest: {{else: crm}}}}
    fields:
      email: {{crm: email, warehouse: email, normalize: [strip, lower]}}
      last_name: {{crm: lastname, warehouse: last_name}}
      first_name: {{crm: firstname, warehouse: first_name}}
      city: city
      phone: {{crm: phone, warehouse: phone, policy: park}}
      score: {{crm: lead_score, warehouse: score, policy: {{owner: warehouse}}}}
      children: {{crm: num_children, warehouse: children}}
      born: {{crm: date_of_birth, warehouse: born}}
      roles: {{crm: hs_buying_role, warehouse: roles, policy: set, separator: ";"}}
      stage:
        crm: lifecyclestage
        warehouse: stage
        policy: {{ladder: [subscriber, lead, marketingqualifiedlead, salesqualifiedlead, opportunity, customer]}}
  deal:
    sides:
      crm: {{stream: deals, key: id, on_create: assigned{incremental}}}
      warehouse: {{stream: {main}deals, key: deal_id, on_create: uuid{diff}}}
    match: [name]
    on_delete: delete
    policy: {{latest: {{else: warehouse}}}}
    fields: {{name: {{crm: dealname, warehouse: name}}, amount: amount, description: description}}
  employment:
    sides:
      crm: {{stream: contacts_to_companies, key: [from_id, to_id]}}
      warehouse: {{stream: {main}contact_companies, key: [contact_id, company_id]}}
    on_delete: delete
    references:
      contact: {{crm: from_id, warehouse: contact_id, entity: contact}}
      company: {{crm: to_id, warehouse: company_id, entity: company}}
  involvement:
    sides:
      crm: {{stream: deals_to_contacts, key: [from_id, to_id]}}
      warehouse: {{stream: {main}deal_contacts, key: [deal_id, contact_id]}}
    on_delete: delete
    references:
      deal: {{crm: from_id, warehouse: deal_id, entity: deal}}
      contact: {{crm: to_id, warehouse: contact_id, entity: contact}}
guards: {{max_change: 100%}}
"""

TABLES = """
create table companies (company_id varchar primary key, domain varchar, name varchar, city varchar);
create table contacts (
    contact_id varchar primary key, email varchar, last_name varchar, first_name varchar, city varchar,
    phone varchar, score integer, children integer, born date, roles varchar, stage varchar
);
create table deals (deal_id varchar primary key, name varchar, amount decimal(12, 2), description varchar);
create table contact_companies (contact_id varchar, company_id varchar, primary key (contact_id, company_id));
create table deal_contacts (deal_id varchar, contact_id varchar, primary key (deal_id, contact_id));
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """What is kept on both sides. `tag` is the column that names a thing and that nobody edits."""

    table: str
    entity: str
    key: str
    tag: str
    columns: Mapping[str, str]  # of the warehouse, with their properties in HubSpot


CONTACTS = Kind(
    "contacts", "contact", "contact_id", "last_name",
    {"last_name": "lastname", "email": "email", "first_name": "firstname", "city": "city", "phone": "phone",
     "score": "lead_score", "children": "num_children", "born": "date_of_birth", "roles": "hs_buying_role",
     "stage": "lifecyclestage"},
)  # fmt: skip
COMPANIES = Kind("companies", "company", "company_id", "domain", {"domain": "domain", "name": "name", "city": "city"})
DEALS = Kind("deals", "deal", "deal_id", "name", {"name": "dealname", "amount": "amount", "description": "description"})
KINDS = (COMPANIES, CONTACTS, DEALS)
PAIRS = (("contact_companies", CONTACTS, COMPANIES), ("deal_contacts", DEALS, CONTACTS))

Thing: TypeAlias = dict[str, str]  # columns and their values as plain text; "" is the id
Things: TypeAlias = dict[str, list[Thing]]  # by tag


@dataclass(slots=True)
class World:
    """Both systems and the project's folder. `address` is where the warm process listens."""

    hubspot: HubSpot
    folder: Path
    address: str
    embedded: str  # duckdb or sqlite

    @classmethod
    def create(cls, hubspot: HubSpot, folder: Path, address: str, chance: random.Random) -> World:
        """Both sides empty, the unique properties made, and a sync.yml in one of its forms."""
        account = hubspot.account
        for kind in KINDS:
            account.define(kind.table, Property("antiphon_key", unique=True, defined_by_hubspot=False))
        account.define("contacts", Property("lead_score", "number", "number", defined_by_hubspot=False))
        world = cls(hubspot, folder, address, chance.choice(["duckdb", "sqlite"]))
        auth = 'access_token: "$TOKEN"'
        if chance.random() < 0.5:
            tokens = hubspot.tokens
            refresh = tokens.grant_refresh()
            auth = f'client_id: "{tokens.client_id}", client_secret: "{tokens.client_secret}", refresh_token: {refresh}'
        text = SYNC.format(
            auth=auth,
            url=hubspot.url,
            warehouse=f"{world.embedded}:///{world.file}",
            main="main-" if world.embedded == "duckdb" else "",
            incremental=chance.choice(
                ["", ", replication: incremental, replication_key: updatedAt, overlap: 1s, full_read: every 24h"]
            ),
            diff=chance.choice(["", ", replication: diff"]),
            **{
                program.replace("-", "_"): command(program)
                for program in ("tap-hubspot", "target-hubspot", "tap-sql", "target-sql")
            },
        )
        (folder / "sync.yml").write_text(text, encoding="utf-8")
        for statement in TABLES.split(";")[:-1]:
            world.sql(statement)
        return world

    # ---- the sync

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `antiphon` as its user does."""
        return subprocess.run(
            [*command("antiphon"), *words], cwd=self.folder, capture_output=True, text=True, timeout=300, check=False,
            env={**os.environ, "TOKEN": self.hubspot.token, "WARM": self.address},
        )  # fmt: skip

    def ledger(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Look into the ledger's file."""
        with sqlite3.connect(f"file:{self.folder}/.antiphon/ledger.db?mode=ro", uri=True) as connection:
            return connection.execute(statement, parameters).fetchall()

    def a_minute_later(self) -> None:
        """What failed by HubSpot's fault need not wait any longer."""
        with sqlite3.connect(self.folder / ".antiphon/ledger.db") as connection:
            connection.execute("update outbox set not_before = 0")

    # ---- the warehouse

    @property
    def file(self) -> Path:
        """The database."""
        return self.folder / f"warehouse.{self.embedded}"

    def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run SQL as a user of the warehouse; what it returns."""
        if self.embedded == "duckdb":
            with duckdb.connect(str(self.file)) as connection:
                cursor = connection.execute(statement, list(parameters))
                return cursor.fetchall() if cursor.description else []
        with sqlite3.connect(self.file) as plain:
            return plain.execute(statement, parameters).fetchall()

    # ---- what stands in both

    def live(self, kind: Kind) -> list[Record]:
        """What a person sees in HubSpot's list."""
        return self.hubspot.account.live(kind.table)

    def things(self, side: str, kind: Kind) -> Things:
        """All of a kind on one side, by tag."""
        found: Things = {}
        if side == CRM:
            for record in self.live(kind):
                each = {mine: plain(record.values.get(theirs)) for mine, theirs in kind.columns.items()}
                found.setdefault(each[kind.tag], []).append({"": record.id, **each})
        else:
            names = ["", *kind.columns]
            for row in self.sql(f"select {', '.join([kind.key, *kind.columns])} from {kind.table}"):
                each = dict(zip(names, map(plain, row), strict=True))
                found.setdefault(each[kind.tag], []).append(each)
        return found

    def pairs(self, side: str, table: str, a: Kind, b: Kind) -> set[tuple[str, str]]:
        """Which things of two kinds belong together, by their tags. Those of things that are gone do not count."""
        if side == WAREHOUSE:
            rows = self.sql(
                f"select x.{a.tag}, y.{b.tag} from {table} t "
                f"join {a.table} x on x.{a.key} = t.{a.key} join {b.table} y on y.{b.key} = t.{b.key}"
            )
            return {(str(one), str(other)) for one, other in rows}
        account = self.hubspot.account
        with account.lock:
            tags = {record.id: plain(record.values.get(b.columns[b.tag])) for record in self.live(b)}
            return {
                (plain(record.values.get(a.columns[a.tag])), tags[other])
                for record in self.live(a)
                for other in account.links.of(record, account.kind(b.table))
                if other in tags
            }


def plain(value: Any) -> str:
    """A value as both sides' people would read it: numbers without idle zeros, sets in order, nothing as nothing."""
    text = "" if value is None else str(value)
    if ";" in text:
        return ";".join(sorted(text.split(";")))
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return f"{number.normalize():f}" if not text.startswith(("+", "0")) or text == "0" else text
