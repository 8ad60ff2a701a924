"""People work in both databases while rounds run: every edit arrives, loses on record, or waits; then all is quiet.

`ANTIPHON_EDIT_SECONDS` says how long they work (60 by default), `ANTIPHON_SEED` what they do.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from antiphon_sandbox import postgres
from tests.e2e.accounts import Rounds, account, watch
from tests.e2e.world import SIDES, World

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.xdist_group("e2e-edits")]

SECONDS = float(os.environ.get("ANTIPHON_EDIT_SECONDS", "60"))
SEED = os.environ.get("ANTIPHON_SEED", "1")
PEOPLE, COMPANIES = 120, 20
PLAIN = ("name", "phone", "stage", "nick", "street", "zip")
TABLES = """
create table companies (id uuid primary key default gen_random_uuid(), code text, name text, site text);
create table contacts (
    id uuid primary key default gen_random_uuid(), code text, name text, phone text, stage text, nick text,
    street text, zip text, tags text[] default '{}', company_id uuid references companies, note text default 'untouched'
);
create table memberships (
    contact_id uuid references contacts, company_id uuid references companies, primary key (contact_id, company_id)
)
"""
ENTITIES = """
entities:
  company:
    sides:
      crm: {stream: public-companies, key: id, on_create: uuid}
      warehouse: {stream: public-companies, key: id, on_create: uuid}
    match: [code]
    policy: {latest: {else: warehouse}}
    fields: {code: code, name: name, site: site}
  contact:
    sides:
      crm: {stream: public-contacts, key: id, on_create: uuid}
      warehouse: {stream: public-contacts, key: id, on_create: uuid}
    match: [code]
    policy: {latest: {else: crm}}
    fields:
      code: code
      name: {crm: name, warehouse: name, policy: {owner: crm}}
      phone: {crm: phone, warehouse: phone, policy: park}
      stage: stage
      nick: {crm: nick, warehouse: nick, policy: nonempty}
      street: street
      zip: zip
      tags: {crm: tags, warehouse: tags, policy: set}
    groups: {address: [street, zip]}
    references:
      company: {crm: company_id, warehouse: company_id, entity: company}
  membership:
    sides:
      crm: {stream: public-memberships, key: [contact_id, company_id]}
      warehouse: {stream: public-memberships, key: [contact_id, company_id]}
    references:
      contact: {crm: contact_id, warehouse: contact_id, entity: contact}
      company: {crm: company_id, warehouse: company_id, entity: company}
guards: {max_change: 100%}
"""


@dataclass
class User:
    """Somebody who works in one database for a while."""

    world: World
    side: str
    number: int
    until: float
    done: Counter[str] = field(default_factory=Counter)

    def work(self) -> Counter[str]:
        """Do random things at random times; what was done."""
        chance = random.Random(f"{SEED} {self.side} {self.number}")
        with postgres.connect(self.world.servers[self.side], self.world.databases[self.side]) as connection:
            while time.monotonic() < self.until:
                what = chance.choices([self.write, self.tag, self.move, self.hire, self.join], [60, 12, 8, 4, 4])[0]
                what(connection, chance)
                self.done[what.__name__] += 1
                time.sleep(chance.uniform(0.05, 0.25))
        return self.done

    def write(self, connection: psycopg.Connection[Any], chance: random.Random) -> None:
        """Give a field of a contact or of a company a value that nobody else ever gives; a nick may be emptied."""
        value: str | None = f"{self.side} {self.number} {sum(self.done.values())}"
        if chance.random() < 0.1:
            self._sql(connection, "update companies set site = %s where code = %s", value, _company(chance))
            return
        name = chance.choice(PLAIN)
        value = None if name == "nick" and chance.random() < 0.4 else value
        self._sql(connection, f"update contacts set {name} = %s where code = %s", value, _contact(chance))

    def tag(self, connection: psycopg.Connection[Any], chance: random.Random) -> None:
        """Add a tag, or take the first one away."""
        if chance.random() < 0.6:
            tag = f"{self.side[0]}{self.number}-{sum(self.done.values())}"
            self._sql(connection, "update contacts set tags = tags || %s::text where code = %s", tag, _contact(chance))
        else:
            self._sql(connection, "update contacts set tags = tags[2:] where code = %s", _contact(chance))

    def move(self, connection: psycopg.Connection[Any], chance: random.Random) -> None:
        """Somebody changes the company."""
        query = "update contacts set company_id = (select id from companies where code = %s) where code = %s"
        self._sql(connection, query, _company(chance), _contact(chance))

    def hire(self, connection: psycopg.Connection[Any], _chance: random.Random) -> None:
        """A new company, and a new contact in it."""
        code = f"{self.side[0]}{self.number}{sum(self.done.values()):04d}"
        self._sql(connection, "insert into companies (code, name) values (%s, 'new')", f"N{code}")
        query = "insert into contacts (code, name, company_id) select %s, 'new', id from companies where code = %s"
        self._sql(connection, query, f"n{code}", f"N{code}")

    def join(self, connection: psycopg.Connection[Any], chance: random.Random) -> None:
        """A contact belongs to one more company."""
        query = (
            "insert into memberships select p.id, c.id from contacts p, companies c where p.code = %s and c.code = %s"
            " on conflict do nothing"
        )
        self._sql(connection, query, _contact(chance), _company(chance))

    @staticmethod
    def _sql(connection: psycopg.Connection[Any], query: str, *parameters: Any) -> None:
        connection.execute(query.encode(), parameters)


def _contact(chance: random.Random) -> str:
    return f"p{int(PEOPLE * chance.random() ** 2):03d}"  # some are edited often, so that both sides meet


def _company(chance: random.Random) -> str:
    return f"c{chance.randrange(COMPANIES):02d}"


@pytest.fixture
def office(world: World) -> World:
    """The same companies and contacts on both sides, under other ids."""
    for side in SIDES:
        world.make_tables(side, TABLES)
        world.copy(side, "companies", ("code", "name"), [(f"c{n:02d}", f"Company {n}") for n in range(COMPANIES)])
        world.copy(side, "contacts", ("code", "name"), [(f"p{n:03d}", f"Person {n}") for n in range(PEOPLE)])
    watch(world, "companies", "contacts")
    world.write_sync(ENTITIES, catalogs=True)
    world.antiphon("sync")
    return world


def test_edits_on_both_sides_while_rounds_run_are_all_accounted_for(office: World) -> None:
    until = time.monotonic() + SECONDS
    users = [User(office, side, number, until) for side in SIDES for number in range(2)]
    rounds, number = Rounds(), 0
    with ThreadPoolExecutor(len(users)) as pool:
        working = [pool.submit(user.work) for user in users]
        while time.monotonic() < until:
            rounds.note(office.antiphon("sync"))
            number += 1
        done = sum((each.result() for each in working), Counter[str]())
    quiet = 0
    for quiet in range(5):  # noqa: B007  # told below
        before = office.versions("companies", "contacts", "memberships")
        rounds.note(office.antiphon("sync"))
        if office.versions("companies", "contacts", "memberships") == before:
            break
    else:
        pytest.fail("after four quiet rounds the sync still writes")
    office.verify()
    contested = {(conflict["record"], conflict["field"]) for conflict in office.conflicts()}
    contacts = account(office, "contact", "contacts", (*PLAIN, "tags"), rounds)
    companies = account(office, "company", "companies", ("name", "site"), rounds)
    print(f"{number} rounds, {quiet} quiet ones until silence; users: {dict(done)}; {len(contested)} conflicts wait")
    print(f"contacts: {contacts}\ncompanies: {companies}")
    assert contacts.lost + companies.lost == []
    assert {conflict["kind"] for conflict in office.conflicts()} <= {"field"}
    assert {conflict["field"] for conflict in office.conflicts()} <= {"phone", "nick"}
    assert_same(office)


def assert_same(world: World) -> None:
    """Both databases hold the same, by their own SQL; what waits for a person may differ."""
    queries = {
        "companies": "select code, name, site from companies order by 1",
        "contacts": "select p.code, p.name, p.stage, p.street, p.zip, c.code,"
        " array(select unnest(p.tags) order by 1)::text"
        " from contacts p left join companies c on c.id = p.company_id order by 1",
        "memberships": "select p.code, c.code from memberships m join contacts p on p.id = m.contact_id"
        " join companies c on c.id = m.company_id order by 1, 2",
    }
    for table, query in queries.items():
        crm, warehouse = (world.sql(side, query) for side in SIDES)
        assert sorted(set(crm) ^ set(warehouse), key=str) == [], table
        assert len(crm) == len(warehouse), table
    for side in SIDES:
        assert world.number(side, "select count(*) - count(distinct code) from contacts") == 0
        assert world.number(side, "select count(*) from contacts where note <> 'untouched'") == 0
