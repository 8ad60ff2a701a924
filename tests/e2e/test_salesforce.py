"""Salesforce and a PostgreSQL become one and stay so, with our own plugins as processes, whatever goes wrong."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from antiphon_sandbox.salesforce import App, Fault, Salesforce
from antiphon_sandbox.salesforce.org import Record
from tests.e2e.salesforce import KINDS, Sales
from tests.e2e.world import Servers

WRITE = "POST .*composite(/sobjects)?$|PATCH"

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.xdist_group("e2e-salesforce")]


@pytest.fixture
def sales(servers: Servers, tmp_path: Path) -> Iterator[Sales]:
    with Salesforce(app=App(lifetime=10.0**9)) as salesforce:
        found = Sales(salesforce, servers["warehouse"], tmp_path)
        found.make(watched=True)
        yield found
        found.drop()


def test_under_faults_and_kills_nothing_is_lost_or_doubled_and_then_all_is_quiet(sales: Sales) -> None:
    org, chance = sales.org, random.Random(7)
    firms, people, deals = two_systems(sales)
    sales.sync()
    assert sales.differences() == []
    assert org.live("Account")[-1].values["Website"] == "woo.example"

    # Users go on, and everything that can go wrong does.
    cities: dict[str, str] = {}
    names: dict[str, str] = {}
    met: set[str] = set()
    for number, kill in enumerate(("target-state target", "target-state antiphon")):
        over_limit = [Fault("limit", "POST .*composite/sobjects$")] if number == 0 else []
        wrong = [(each, each.times) for each in (*over_limit, *faults(sales, chance, people[:15], deals[0]))]
        sales.salesforce.faults = [each for each, _ in wrong]
        for record in chance.sample(people[:15], 6):
            cities[str(record.values["Email"])] = value = f"crm {number} {record.id}"
            org.edit(record.id, MailingCity=value)
        for record in chance.sample(people[:15], 6):
            names[str(record.values["Email"])] = value = f"warehouse {number} {record.id}"
            sales.sql("update contacts set first_name = %s where lower(email) = %s", value, record.values["Email"])
        firm = org.enter("Account", {"Name": f"New {number}", "Website": f"new{number}.example"})
        org.enter("Contact", {"LastName": "New", "Email": f"new{number}@example.com", "AccountId": firm.id})
        key = sales.insert("accounts", name=f"Warehouse {number}", website=f"ware{number}.example")
        sales.insert("contacts", account_id=key, email=f"ware{number}@example.com", last_name="Ware")
        if number == 0:
            users_disagree_delete_and_merge(sales, firms, people, deals)
        killed = sales.folder / f"killed-{number}"
        sales.run("sync", "--wait", "60", env={"KILL": f"{kill} {killed}"})
        assert killed.exists()
        met |= {each.kind for each, times in wrong if each.times < times}

    assert met == {"human", "status", "cut", "timeout", "expire", "limit"}

    # Left alone, the two come together; what only a person can decide waits for one.
    sales.salesforce.faults = []
    sales.wait_for_what_is_tried_again()
    sales.sync()
    waiting = {each["kind"]: each for each in sales.conflicts()}
    assert waiting.keys() == {"field", "merged-duplicate"}
    assert sales.run("conflicts", "resolve", "--kind", "field", "--take", "warehouse", "--yes").code == 0
    for table in ("contacts", "opportunities"):  # the warehouse's user merges the two accounts as Salesforce did
        sales.sql(f"update {table} set account_id = (select account_id from accounts where website = 'f2.example') "
                  "where account_id = (select account_id from accounts where website = 'f3.example')")  # fmt: skip
    sales.sql("delete from accounts where website = 'f3.example'")
    sales.until_quiet()

    held = sales.crm(KINDS[1])  # raises if a contact was doubled
    expected = {f"n{n}@example.com" for n in range(20) if n not in {16, 17}} | {
        "w@example.com", *(f"{name}{number}@example.com" for name in ("new", "ware") for number in range(2)),
    }  # fmt: skip
    assert sorted(held) == sorted(expected)
    assert sales.differences() == []
    assert {email: held[email]["city"] for email in cities} == cities
    assert {email: held[email]["first_name"] for email in names} == names
    assert firms[0].values["Phone"] == "06 2"
    kept = [deals[0].values[name] for name in ("StageName", "Amount", "CloseDate")]
    assert kept == ["Closed Won", 99.99, "2027-02-02"]
    assert deals[11].in_bin
    assert sales.sql("select distinct note from contacts") == [("untouched",)]
    assert {each.operation for each in sales.salesforce.jobs.held.values()} == {"update"}  # what was many at once
    assert sales.run("verify").code == 0


def two_systems(sales: Sales) -> tuple[list[Record], list[Record], list[Record]]:
    """Two systems that know some of the same people; accounts, contacts and opportunities of Salesforce."""
    org = sales.org
    firms = [
        org.enter("Account", {"Name": f"Firm {n}", "Website": f"f{n}.example", "AnnualRevenue": 1000 * n})
        for n in range(4)
    ]
    people = [
        org.enter("Contact", {"LastName": f"Name {n}", "Email": f"n{n}@example.com", "AccountId": firms[n % 4].id,
                              "MailingCity": "Rome", "Birthdate": "1990-01-02"})
        for n in range(20)
    ]  # fmt: skip
    deals = [
        org.enter("Opportunity", {"Name": f"deal {n}", "StageName": "Prospecting", "CloseDate": "2026-12-31",
                                  "Amount": 10.5 * n, "AccountId": firms[n % 4].id})
        for n in range(12)
    ]  # fmt: skip
    known = sales.insert("accounts", name="Firm one", website="F1.example", phone="1")
    sales.insert("contacts", account_id=known, email="N5@example.com", last_name="Name 5", city="Oslo", optout=True)
    new = sales.insert("accounts", name="Woo", website="woo.example", revenue=12)
    sales.insert("contacts", account_id=new, email="w@example.com", last_name="Woo", born="1999-12-31")
    sales.insert("opportunities", account_id=new, name="deal w", stage="Closed Won", closes="2027-01-01", amount="7.25")
    return firms, people, deals


def users_disagree_delete_and_merge(
    sales: Sales, firms: list[Record], people: list[Record], deals: list[Record]
) -> None:
    """One phone and one stage are changed on both sides; records go on either side; two accounts become one."""
    sales.org.edit(firms[0].id, Phone="06 1")
    sales.sql("update accounts set phone = '06 2' where website = 'f0.example'")
    sales.org.edit(deals[0].id, StageName="Closed Won")
    sales.sql("update opportunities set stage = 'Negotiation/Review', amount = 99.99 where name = 'deal 0'")
    sales.org.merge(firms[2].id, firms[3].id)
    sales.org.trash(people[16].id)
    sales.sql("delete from contacts where email = 'n17@example.com'")
    sales.sql("delete from opportunities where name = 'deal 11'")


def faults(sales: Sales, chance: random.Random, people: list[Record], deal: Record) -> list[Fault]:
    """Everything that can go wrong, and an edit by hand between a look and a write."""
    return [
        Fault("human", "POST .*composite$|PATCH", does=lambda: sales.org.edit(deal.id, CloseDate="2027-02-02")),
        Fault("cut", WRITE, applied=True),
        Fault("status", WRITE, status=503),
        Fault("status", WRITE, chance=0.5, status=502, applied=True),
        Fault("cut", "DELETE .*composite", applied=True),
        Fault("timeout", "composite", chance=0.5, applied=True),
        Fault("timeout", "q=SELECT"),
        Fault("status", "q=SELECT", chance=0.3, times=3, status=503),
        Fault("expire", times=3, chance=0.2),
        Fault("human", "POST .*composite$|PATCH", times=2, does=lambda: lock(sales, chance.choice(people).id)),
    ]


def lock(sales: Sales, record_id: str) -> None:
    """Another transaction holds a record for a moment."""
    sales.org.locked.add(record_id)
    threading.Timer(0.3, sales.org.locked.discard, [record_id]).start()
