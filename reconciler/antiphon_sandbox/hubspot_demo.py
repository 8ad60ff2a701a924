"""`antiphon demo`: a HubSpot of the sandbox and a DuckDB warehouse, our own plugins, edits on both sides."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import duckdb

from antiphon_sandbox.hubspot import Account, HubSpot, Limits, Record
from antiphon_sandbox.hubspot.schema import Property
from antiphon_sandbox.people import people

FIRMS = ("Acme", "Bolt", "Cobalt", "Dune", "Ember", "Fjord")

TABLES = """
create table companies (company_id uuid primary key, name text, domain text);
create table contacts (
    contact_id uuid primary key, email text, first_name text, last_name text, city text, phone text, stage text,
    score integer
);
create table deals (deal_id uuid primary key, name text, amount decimal(12, 2), stage text);
create table contact_companies (contact_id uuid, company_id uuid, primary key (contact_id, company_id));
create table deal_contacts (deal_id uuid, contact_id uuid, primary key (deal_id, contact_id));
"""

SYNC = """\
name: demo
sides:
  crm:
    config: {{access_token: $HUBSPOT_TOKEN, api_base: "{url}"}}
    tap: {{command: "{bin}/tap-hubspot"}}
    target: {{command: "{bin}/target-hubspot"}}
  warehouse:
    config: {{url: "duckdb:///{folder}/warehouse.duckdb"}}
    tap: {{command: "{bin}/tap-sql"}}
    target: {{command: "{bin}/target-sql"}}
entities:
  company:
    sides:
      crm:       {{stream: companies, key: id, on_create: assigned}}
      warehouse: {{stream: main-companies, key: company_id, on_create: uuid}}
    match: [domain]
    policy: {{latest: {{else: crm}}}}
    fields: {{name: name, domain: domain}}
  contact:
    sides:
      crm:       {{stream: contacts, key: id, on_create: assigned}}
      warehouse: {{stream: main-contacts, key: contact_id, on_create: uuid}}
    match: [email]
    initial: {{prefer: crm}}
    policy: {{latest: {{else: crm}}}}
    fields:
      email:      {{crm: email, warehouse: email, normalize: [strip, lower]}}
      first_name: {{crm: firstname, warehouse: first_name}}
      last_name:  {{crm: lastname, warehouse: last_name}}
      city:       city
      phone:      {{crm: phone, warehouse: phone, policy: park}}
      score:      {{crm: lead_score, warehouse: score, policy: {{owner: warehouse}}}}
      stage:
        crm: lifecyclestage
        warehouse: stage
        policy: {{ladder: [subscriber, lead, marketingqualifiedlead, salesqualifiedlead, opportunity, customer]}}
  deal:
    sides:
      crm:       {{stream: deals, key: id, on_create: assigned}}
      warehouse: {{stream: main-deals, key: deal_id, on_create: uuid}}
    match: [name]
    policy: {{latest: {{else: crm}}}}
    fields:
      name:   {{crm: dealname, warehouse: name}}
      amount: amount
      stage:  {{crm: dealstage, warehouse: stage}}
  employment:
    sides:
      crm:       {{stream: contacts_to_companies, key: [from_id, to_id]}}
      warehouse: {{stream: main-contact_companies, key: [contact_id, company_id]}}
    references:
      contact: {{crm: from_id, warehouse: contact_id, entity: contact}}
      company: {{crm: to_id, warehouse: company_id, entity: company}}
  involvement:
    sides:
      crm:       {{stream: deals_to_contacts, key: [from_id, to_id]}}
      warehouse: {{stream: main-deal_contacts, key: [deal_id, contact_id]}}
    references:
      deal:    {{crm: from_id, warehouse: deal_id, entity: deal}}
      contact: {{crm: to_id, warehouse: contact_id, entity: contact}}
"""


@dataclass
class Story:
    """The demo's steps. `well`: all went as it must so far."""

    hubspot: HubSpot
    folder: Path
    well: bool = True

    def prepare(self, records: int) -> list[Record]:
        """People, firms and deals in HubSpot; a third of the people are in the warehouse as well."""
        account = self.hubspot.account
        account.define("contacts", Property("lead_score", "number", "number", defined_by_hubspot=False))
        firms = [account.enter("companies", {"name": name, "domain": f"{name.lower()}.example"}) for name in FIRMS]
        contacts = []
        for person, firm in zip(people(1, records), cycle(firms), strict=False):
            named = {"firstname": person.first_name, "lastname": person.last_name}
            values = {**named, "email": person.email, "city": person.city, "phone": person.phone}
            contacts.append(account.enter("contacts", values))
            account.links.add(contacts[-1], firm, [1])
        for number, contact in enumerate(contacts[: records // 4], 1):
            values = {"dealname": f"Deal {number}", "amount": f"{number * 250}", "dealstage": "qualifiedtobuy"}
            account.links.add(account.enter("deals", values), contact, [3])
        self.sql(TABLES, quiet=True)
        for person in people(1, records // 3):
            row = [person.uuid, person.email.upper(), person.first_name, person.last_name, person.score]
            insert = "insert into contacts (contact_id, email, first_name, last_name, score) values (?, ?, ?, ?, ?)"
            self.sql(insert, *row, quiet=True)
        folder = Path(sys.executable).parent
        text = SYNC.format(url=self.hubspot.url, bin=folder, folder=self.folder)
        (self.folder / "sync.yml").write_text(text, encoding="utf-8")
        return contacts

    def tell(self) -> None:
        """First sync, edits on both sides, what waits, and silence."""
        contacts = self.prepare(24)
        person, gone = contacts[3], contacts[6]
        _tell("The target makes the property that lets a contact be created once and never twice.")
        self.make_keys()
        _tell("The first sync joins the people by e-mail, and creates on each side what it lacks.")
        self.run("sync")
        _tell(f"Now people work on both sides at once. In HubSpot on {_name(person)}:")
        self.edit(person, city="Trieste", phone="+39 040 111", lifecyclestage="opportunity")
        print(f"   HubSpot> delete {_name(gone)}")
        self.hubspot.account.trash("contacts", gone.id)
        _tell("and in the warehouse, on the same person, where somebody also connects another one with a company:")
        self.sql(
            "update contacts set score = 99, phone = '+39 040 222', stage = 'customer' where lower(email) = ?",
            person.values["email"],
        )
        self.sql(
            "insert into contact_companies select contact_id, company_id from contacts, companies "
            "where lower(email) = ? and name = 'Fjord'",
            contacts[0].values["email"],
        )
        self.run("sync")
        _tell(
            f"City, score and the association crossed. Both sides moved the stage of {_name(person)}: the ladder "
            "settled it, customer is the higher one. Both changed the phone: neither is overwritten, it waits. So does "
            "the deletion."
        )
        self.run("conflicts", "list")
        _tell("Somebody takes the warehouse's number; the deletion goes on waiting.")
        listed = json.loads(self.antiphon("conflicts", "list", "--json").stdout)["conflicts"]
        phone = next(each["cid"] for each in listed if each["field"] == "phone")
        self.run("conflicts", "resolve", phone, "--take", "warehouse")
        self.run("sync")
        print(
            f"   in HubSpot {_name(person)} now has {_values(person, 'city', 'phone', 'lead_score', 'lifecyclestage')}"
        )
        self.well = (
            self.well and person.values["phone"] == "+39 040 222" and person.values["lifecyclestage"] == "customer"
        )
        _tell("Nothing is left to do: the next sync writes nothing, and both sides agree.")
        self.run("sync", "--quiet")
        self.run("verify")
        refused = self.hubspot.limits.tally["429"]
        _tell(f"HubSpot was asked {self.hubspot.limits.used} times, and refused {refused} times for asking too fast.")

    # ---- what people do

    def edit(self, record: Record, **values: str) -> None:
        """A person changes a contact in HubSpot."""
        print(f"   HubSpot> {', '.join(f'{name} = {value!r}' for name, value in values.items())}")
        self.hubspot.account.edit("contacts", record.id, **values)

    def sql(self, statement: str, *parameters: Any, quiet: bool = False) -> None:
        """A person works in the warehouse."""
        if not quiet:
            print(f"   sql> {statement}")
        with duckdb.connect(str(self.folder / "warehouse.duckdb")) as connection:
            connection.execute(statement, list(parameters))

    # ---- commands

    def make_keys(self) -> None:
        """What `antiphon doctor --fix` asks the target to do."""
        config = self.folder / "target.json"
        config.write_text(json.dumps({"access_token": self.hubspot.token, "api_base": self.hubspot.url}))
        words = ["--check", "--streams", "contacts,companies,deals", "--fix"]
        print(f"$ target-hubspot --config target.json {' '.join(words)}", flush=True)
        command = [str(Path(sys.executable).parent / "target-hubspot"), "--config", str(config), *words]
        self._show(subprocess.run(command, capture_output=True, text=True, check=False))
        config.unlink()

    def antiphon(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the project as a user would."""
        return subprocess.run(
            [sys.executable, "-m", "antiphon", *words],
            cwd=self.folder,
            env={**os.environ, "HUBSPOT_TOKEN": self.hubspot.token},
            capture_output=True,
            text=True,
            check=False,
        )

    def run(self, *words: str) -> None:
        """Run a command and show it."""
        print(f"$ antiphon {' '.join(words)}", flush=True)
        self._show(self.antiphon(*words))

    def _show(self, done: subprocess.CompletedProcess[str]) -> None:
        for text in (done.stderr if done.returncode else "", done.stdout):
            for line in text.rstrip().splitlines():
                print(f"   {line}")
        if done.returncode:
            print(f"   exit code {done.returncode}")
            self.well = False


def run_demo(*, keep: Path | None) -> int:
    """Tell the story. Returns the exit code: 0 if it went as it must."""
    started = time.monotonic()
    with ExitStack() as stack:
        if keep is not None:
            shutil.rmtree(keep / ".antiphon", ignore_errors=True)
            keep.mkdir(parents=True, exist_ok=True)
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="antiphon-demo-")))
        hubspot = stack.enter_context(HubSpot(Account(lag=500), limits=Limits()))
        _tell(f"A CRM that answers like HubSpot, limits and all, at {hubspot.url}; and a warehouse in DuckDB.")
        story = Story(hubspot, folder.resolve())
        story.tell()
        _tell(
            f"Done in {time.monotonic() - started:.0f} seconds. "
            + (f"The project is in {folder}." if keep else "Run it with --keep FOLDER to look around.")
        )
        return 0 if story.well else 1


def _name(record: Record) -> str:
    return f"{record.values.get('firstname')} {record.values.get('lastname')}"


def _values(record: Record, *names: str) -> str:
    return ", ".join(f"{name} = {record.values.get(name)!r}" for name in names)


def _tell(text: str) -> None:
    print(f"\n# {text}", flush=True)
