"""Salesforce and a PostgreSQL in sync by Change Data Capture: the log is told apart, lost and found again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from antiphon_sandbox.salesforce import App, Salesforce
from antiphon_sandbox.salesforce.pubsub import PubSub
from tests.e2e.following import FOLLOW, eventually, following
from tests.e2e.salesforce import KINDS, READ, Sales
from tests.e2e.world import Servers

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.xdist_group("e2e-salesforce")]


@pytest.fixture
def events() -> Iterator[PubSub]:
    with Salesforce(app=App(lifetime=10.0**9)) as salesforce, PubSub(salesforce, keepalive=0.1) as events:
        salesforce.org.changes.on |= {kind.object for kind in KINDS}
        yield events


@pytest.fixture
def sales(servers: Servers, tmp_path: Path, events: PubSub) -> Iterator[Sales]:
    found = Sales(events.salesforce, servers["warehouse"], tmp_path)
    found.make()
    config = tmp_path / "sync.yml"
    text = config.read_text(encoding="utf-8").replace(READ, "replication: log")
    address = f"overlap_seconds: 5, pubsub_address: 'http://{events.address}'"
    config.write_text(text.replace("overlap_seconds: 5", address), encoding="utf-8")
    yield found
    found.drop()


def test_a_log_that_is_lost_loses_no_edit_writes_nothing_twice_and_is_followed(sales: Sales, events: PubSub) -> None:
    org = sales.org
    acme = org.enter("Account", {"Name": "Acme", "Website": "acme.example"})
    people = [
        org.enter("Contact", {"LastName": f"P{n}", "Email": f"p{n}@example.com", "AccountId": acme.id})
        for n in range(5)
    ]
    sales.insert("contacts", email="w@example.com", last_name="Ware")
    sales.sync()
    assert sales.differences() == []

    # Edits of both sides, and a deletion.
    org.edit(people[0].id, MailingCity="Rome")
    sales.sql("update contacts set first_name = 'Bea' where email = 'p1@example.com'")
    org.trash(people[2].id)
    sales.sync()
    assert sales.differences() == []

    # The log forgets, an edit has no event at all, and what we wrote ourselves is told, and is no edit.
    org.changes.on.discard("Contact")
    org.edit(people[3].id, MailingCity="Bonn")
    org.trash(people[1].id)
    org.changes.on.add("Contact")
    org.changes.epoch += 1
    org.edit(acme.id, Phone="1")
    done = sales.sync()
    assert "is looked for" in done.err
    assert done.wrote == {"warehouse": 3}
    assert sales.differences() == []
    assert len(sales.crm(KINDS[1])) == 4
    org.changes.gap("Contact", "GAP_OVERFLOW", ["000000000000000AAA"], datetime.now(UTC))
    assert not sum(sales.sync().wrote.values())

    # Somebody follows: events are told as they come, the warehouse is asked every second.
    with following(sales.start(*FOLLOW)) as follower:
        subscribed = events.calls.count("Subscribe")
        org.edit(people[0].id, MailingCity="Oslo", FirstName="Åse")
        eventually(lambda: sales.rows(KINDS[1])["p0@example.com"]["city"] == "Oslo")
        sales.sql("update contacts set first_name = 'Cy' where email = 'p0@example.com'")
        eventually(lambda: org.records[people[0].id].values["FirstName"] == "Cy")
        org.trash(people[4].id)
        eventually(lambda: "p4@example.com" not in sales.rows(KINDS[1]))
        assert events.calls.count("Subscribe") <= subscribed + len(KINDS)  # once for each
        assert follower.end() == 0
    assert sales.differences() == []
