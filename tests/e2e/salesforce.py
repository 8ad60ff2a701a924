"""A Salesforce of the sandbox and a PostgreSQL, synced by `antiphon` with our own plugins as processes.

Accounts, contacts and opportunities; the latter two refer to accounts. Each side is read by itself and compared here,
so that nothing rests on what Antiphon says of itself.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from antiphon_sandbox import postgres
from antiphon_sandbox.salesforce import Field, Org, Salesforce
from antiphon_sandbox.salesforce.org import Record
from tests.e2e.crm import BIN, LONGEST, Done
from tests.e2e.world import ACCOUNT, PASSWORD

SABOTEUR = Path(__file__).with_name("saboteur.py")

SYNC = """\
name: salesforce-warehouse
sides:
  crm:
    config: {{domain: "{url}", client_id: "{app.client_id}", client_secret: $SECRET}}
    tap: {{command: {wrap}{bin}/tap-salesforce, config: {{overlap_seconds: 5}}, catalog: crm.json}}
    target: {{command: {wrap}{bin}/target-salesforce, config: {{bulk_from: 5}}}}
  warehouse:
    config: {{url: "postgresql://{account}:{password}@{host}:{port}/{database}"}}
    tap: {{command: {wrap}{bin}/tap-sql, catalog: warehouse.json}}
    target: {{command: {wrap}{bin}/target-sql}}
entities:
  account:
    sides:
      crm: {{stream: Account, key: Id, on_create: assigned, {read}}}
      warehouse: {{stream: public-accounts, key: account_id, on_create: uuid}}
    match: [website]
    initial: {{prefer: crm}}
    on_delete: delete
    policy: {{latest: {{else: crm}}}}
    fields:
      name: {{crm: Name, warehouse: name}}
      website: {{crm: Website, warehouse: website, normalize: [strip, lower]}}
      city: {{crm: BillingCity, warehouse: city}}
      phone: {{crm: Phone, warehouse: phone, policy: park}}
      revenue: {{crm: AnnualRevenue, warehouse: revenue}}
  contact:
    sides:
      crm: {{stream: Contact, key: Id, on_create: assigned, {read}}}
      warehouse: {{stream: public-contacts, key: contact_id, on_create: uuid}}
    match: [email]
    initial: {{prefer: crm}}
    on_delete: delete
    policy: {{latest: {{else: crm}}}}
    fields:
      email: {{crm: Email, warehouse: email, normalize: [strip, lower]}}
      first_name: {{crm: FirstName, warehouse: first_name}}
      last_name: {{crm: LastName, warehouse: last_name}}
      city: {{crm: MailingCity, warehouse: city}}
      born: {{crm: Birthdate, warehouse: born}}
      optout: {{crm: HasOptedOutOfEmail, warehouse: optout, policy: {{optout: ["true"]}}}}
    references:
      account: {{crm: AccountId, warehouse: account_id, entity: account}}
  opportunity:
    sides:
      crm: {{stream: Opportunity, key: Id, on_create: assigned, {read}}}
      warehouse: {{stream: public-opportunities, key: opportunity_id, on_create: uuid}}
    match: [name]
    initial: {{prefer: crm}}
    on_delete: delete
    policy: {{latest: {{else: crm}}}}
    fields:
      name: {{crm: Name, warehouse: name}}
      stage: {{crm: StageName, warehouse: stage, policy: {{ladder: [Prospecting, Negotiation/Review, Closed Won]}}}}
      closes: {{crm: CloseDate, warehouse: closes}}
      amount: {{crm: Amount, warehouse: amount}}
    references:
      account: {{crm: AccountId, warehouse: account_id, entity: account}}
guards: {{max_change: 100%}}
"""
READ = "replication: incremental, replication_key: SystemModstamp, overlap: 2s, full_read: every 24h"

TABLES = """
create table accounts (account_id uuid primary key, name text, website text, city text, phone text,
    revenue numeric(18), note text default 'untouched');
create table contacts (contact_id uuid primary key, account_id uuid references accounts, email text, first_name text,
    last_name text, city text, born date, optout boolean not null default false, note text default 'untouched');
create table opportunities (opportunity_id uuid primary key, account_id uuid references accounts, name text,
    stage text, closes date, amount numeric(18, 2), note text default 'untouched');
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """One entity, named on both sides. `by` tells its records apart here, `pairs` are the other mapped fields."""

    object: str
    table: str
    by: tuple[str, str]
    pairs: Mapping[str, str]
    parent: bool = True


KINDS = (
    Kind(
        "Account", "accounts", ("Website", "website"),
        {"Name": "name", "BillingCity": "city", "Phone": "phone", "AnnualRevenue": "revenue"}, parent=False,
    ),
    Kind(
        "Contact", "contacts", ("Email", "email"),
        {"FirstName": "first_name", "LastName": "last_name", "MailingCity": "city", "Birthdate": "born",
         "HasOptedOutOfEmail": "optout"},
    ),
    Kind(
        "Opportunity", "opportunities", ("Name", "name"),
        {"StageName": "stage", "CloseDate": "closes", "Amount": "amount"},
    ),
)  # fmt: skip


@dataclass(slots=True)
class Sales:
    """The project folder between the two."""

    salesforce: Salesforce
    warehouse: postgres.Cluster
    folder: Path
    database: str = field(default_factory=lambda: f"sales_{uuid.uuid4().hex[:12]}")

    def make(self, *, watched: bool = False) -> None:
        """Both sides empty, the field for the key of the links, and a sync.yml. `watched`: plugins may be killed.

        Each tap is asked for its streams now, instead of in every round.
        """
        for kind in KINDS:
            self.org.objects[kind.object].add(Field("antiphon_key__c", length=36, external_id=True, unique=True))
        postgres.create_database(self.warehouse, self.database)
        self.sql(TABLES)
        self.sql(f"grant select, insert, update, delete on all tables in schema public to {ACCOUNT}")
        self.sql(f"grant create on schema public to {ACCOUNT}")
        app, there = self.salesforce.app, self.warehouse
        text = SYNC.format(
            url=self.salesforce.url, app=app, bin=BIN, account=ACCOUNT, password=PASSWORD, host=there.host,
            port=there.port, database=self.database, read=READ,
            wrap=f"{sys.executable} {SABOTEUR} " if watched else "",
        )  # fmt: skip
        (self.folder / "sync.yml").write_text(text, encoding="utf-8")
        login = {"domain": self.salesforce.url, "client_id": app.client_id, "client_secret": app.client_secret}
        url = f"postgresql://{ACCOUNT}:{PASSWORD}@{there.host}:{there.port}/{self.database}"
        self._discover("crm", "tap-salesforce", {**login, "objects": [kind.object for kind in KINDS]})
        self._discover("warehouse", "tap-sql", {"url": url})

    def _discover(self, side: str, tap: str, config: Mapping[str, Any]) -> None:
        settings = self.folder / f"{side}-tap.json"
        settings.write_text(json.dumps(config), encoding="utf-8")
        words = [str(BIN / tap), "--config", str(settings), "--discover"]
        done = subprocess.run(words, capture_output=True, timeout=LONGEST, check=True)
        (self.folder / f"{side}.json").write_bytes(done.stdout)

    def drop(self) -> None:
        """Drop the database."""
        with postgres.connect(self.warehouse) as connection:
            connection.execute(f"drop database if exists {self.database} with (force)".encode())

    @property
    def org(self) -> Org:
        """The org."""
        return self.salesforce.org

    # ---- what users do

    def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run SQL as a user of the warehouse; what it returns."""
        with postgres.connect(self.warehouse, self.database) as connection:
            cursor = connection.execute(statement.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def insert(self, table: str, **values: Any) -> str:
        """A user of the warehouse enters a row; its key."""
        key = str(uuid.uuid4())
        columns = {f"{'opportunity' if table == 'opportunities' else table[:-1]}_id": key, **values}
        names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
        self.sql(f"insert into {table} ({names}) values ({marks})", *columns.values())
        return key

    def one(self, object_name: str, **values: Any) -> Record:
        """The one live record of Salesforce with these values."""
        (found,) = (
            each for each in self.org.live(object_name)
            if all(each.values.get(name) == value for name, value in values.items())
        )  # fmt: skip
        return found

    # ---- the sync

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start `antiphon`, to be listened to."""
        return subprocess.Popen(
            [str(BIN / "antiphon"), *words],
            cwd=self.folder,
            env={**os.environ, "SECRET": self.salesforce.app.client_secret},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str, env: Mapping[str, str] | None = None) -> Done:
        """Run `antiphon` as its user does."""
        started = time.monotonic()
        done = subprocess.run(
            [str(BIN / "antiphon"), *words],
            cwd=self.folder,
            env={**os.environ, "SECRET": self.salesforce.app.client_secret, **(env or {})},
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        found = Done(done.returncode, done.stdout, done.stderr)
        print(f"{time.monotonic() - started:5.1f} s  antiphon {' '.join(words)}: {done.returncode} {found.wrote}")
        return found

    def sync(self, *words: str) -> Done:
        """A sync that ends well."""
        done = self.run("sync", "--wait", "60", *words)
        assert done.code == 0, done.err[-4000:]
        return done

    def until_quiet(self, most: int = 6) -> int:
        """Rounds until one writes nothing; how many there were."""
        for number in range(1, most + 1):
            self.wait_for_what_is_tried_again()
            if not sum(self.sync().wrote.values()):
                return number
        raise AssertionError(f"{most} rounds, and still something is written")

    def wait_for_what_is_tried_again(self) -> None:
        """What could not be written waits a while before it is tried again; wait as long."""
        with closing(sqlite3.connect(f"file:{self.folder}/.antiphon/ledger.db?mode=ro", uri=True)) as ledger:
            ((until,),) = ledger.execute("select max(not_before) from outbox where state = 'planned'")
        time.sleep(max(0.0, (until or 0) / 1e6 - time.time()))

    def conflicts(self) -> list[dict[str, Any]]:
        """What waits for a person."""
        found: list[dict[str, Any]] = json.loads(self.run("conflicts", "list", "--json").out)["conflicts"]
        return found

    # ---- what stands in both

    def crm(self, kind: Kind) -> dict[str, dict[str, Any]]:
        """The records of Salesforce, as the warehouse would write them."""
        live, found = self.org.live(kind.object), dict[str, dict[str, Any]]()
        for record in live:
            values = {mine: _said(record.values[theirs]) for theirs, mine in kind.pairs.items()}
            if kind.parent:
                account = self.org.records.get(str(record.values["AccountId"]))
                values["account"] = account and account.values["Website"]
            found[str(record.values[kind.by[0]]).lower()] = values
        assert len(found) == len(live), f"a record of {kind.object} was doubled"
        return found

    def rows(self, kind: Kind) -> dict[str, dict[str, Any]]:
        """The rows of the warehouse."""
        columns = [kind.by[1], *kind.pairs.values()]
        shown = ", ".join(f"t.{name}" for name in columns) + (", lower(a.website)" if kind.parent else "")
        join = "left join accounts a using (account_id)" if kind.parent else ""
        rows = self.sql(f"select {shown} from {kind.table} t {join}")
        names = [*kind.pairs.values(), *(["account"] if kind.parent else [])]
        found = {str(row[0]).lower(): dict(zip(names, map(_said, row[1:]), strict=True)) for row in rows}
        assert len(found) == len(rows), f"a row of {kind.table} was doubled"
        return found

    def differences(self) -> list[str]:
        """Where the two sides are not the same."""
        told = []
        for kind in KINDS:
            crm, rows = self.crm(kind), self.rows(kind)
            told += [f"{kind.table} {name}: only in one" for name in sorted(crm.keys() ^ rows.keys())]
            told += [
                f"{kind.table} {name}: {crm[name]} in Salesforce, {rows[name]} in the warehouse"
                for name in sorted(crm.keys() & rows.keys())
                if crm[name] != rows[name]
            ]
        return told


def _said(value: Any) -> Any:
    """A value of either side in one form."""
    if value is None or isinstance(value, bool):
        return value
    text = str(value)
    return text.rstrip("0").rstrip(".") if "." in text and text.replace(".", "").isdigit() else text
