"""`antiphon follow` between HubSpot and PostgreSQL: by webhooks, past those that never come, and by search."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from antiphon_sandbox.hubspot import Fault, HubSpot, Webhooks
from antiphon_sandbox.hubspot.schema import Property
from tests.e2e.following import FOLLOW, dropped, eventually, following, keep_log
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.xdist_group("e2e-follow")]

TABLES = """
create table people (id text primary key, email text unique, city text, phone text);
create table firms (id text primary key, domain text unique);
create table members (person text, firm text, primary key (person, firm));
"""
SYNC = """name: follow
sides:
  crm:
    config: {{access_token: {hubspot.token}, api_base: "{hubspot.url}"}}
    tap:
      command: tap-hubspot
      config:
        {{{listen}sweep_seconds: 3, overlap_seconds: 60, objects: [contacts, companies],
           associations: [contacts_to_companies]}}
    target: {{command: target-hubspot}}
  warehouse:
    config: {{url: "{url}"}}
    tap: {{command: tap-sql, config: {{slot: {name}, publication: {name}}}}}
    target: {{command: target-sql}}
entities:
  contact:
    sides:
      crm: {{stream: contacts, key: id, on_create: assigned, replication: incremental, replication_key: updatedAt}}
      warehouse: {{stream: public-people, key: id, on_create: uuid, replication: log}}
    match: [email]
    on_delete: delete
    policy: park
    fields: {{email: email, phone: phone, city: {{crm: city, warehouse: city, policy: {{owner: crm}}}}}}
  company:
    sides:
      crm: {{stream: companies, key: id, on_create: assigned, replication: incremental, replication_key: updatedAt}}
      warehouse: {{stream: public-firms, key: id, on_create: uuid, replication: log}}
    match: [domain]
    policy: park
    fields: {{domain: domain}}
  membership:
    sides:
      crm: {{stream: contacts_to_companies, key: [from_id, to_id]}}
      warehouse: {{stream: public-members, key: [person, firm], replication: log}}
    on_delete: delete
    references:
      contact: {{crm: from_id, warehouse: person, entity: contact}}
      company: {{crm: to_id, warehouse: firm, entity: company}}
guards: {{max_change: 100%, max_delete: 100%, max_create: 100%}}
"""


@pytest.fixture
def hubspot() -> Iterator[HubSpot]:
    with HubSpot() as hubspot:
        hubspot.account.define("contacts", Property("antiphon_key", unique=True, defined_by_hubspot=False))
        yield hubspot


@pytest.fixture
def people(world: World) -> Iterator[World]:
    """An empty table of which the server keeps a log."""
    keep_log(world, "warehouse")
    world.sql("warehouse", TABLES)
    yield world
    eventually(partial(dropped, world, "warehouse"))


def write_sync(world: World, hubspot: HubSpot, webhook_url: str = "") -> None:
    name = world.databases["warehouse"]
    listen = {
        "webhook_listen": urlsplit(webhook_url).netloc,
        "webhook_url": webhook_url,
        "client_secret": hubspot.tokens.client_secret,
    }
    words = "".join(f'{key}: "{value}", ' for key, value in listen.items()) if webhook_url else ""
    text = SYNC.format(hubspot=hubspot, url=world.servers["warehouse"].dsn(name), name=name, listen=words)
    (world.folder / "sync.yml").write_text(text, encoding="utf-8")


def row(world: World, email: str) -> Any:
    found = world.sql("warehouse", "select city, phone from people where email = %s", email)
    return found[0] if found else None


def values(hubspot: HubSpot, email: str) -> dict[str, Any] | None:
    found = hubspot.account.find(hubspot.account.kind("contacts"), email, by="email")
    return dict(found.values) if found is not None else None


def test_webhooks_tell_at_once_a_sweep_finds_those_that_never_came_and_search_serves_where_none_can_come(
    people: World, hubspot: HubSpot
) -> None:
    world, account = people, hubspot.account
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/hubspot"
    ann, bob, eve = (account.enter("contacts", {"email": f"{name}@example.com"}) for name in ("ann", "bob", "eve"))
    hooks = Webhooks(url, hubspot.tokens.client_secret, twice=50)
    hooks.start()
    account.listeners.append(hooks.hear)
    firm = account.enter("companies", {"domain": "example.com"})
    write_sync(world, hubspot, url)
    with following(world.start(*FOLLOW)) as follower:
        searches = sum("search" in path for _, _, path in hubspot.seen)
        account.edit("contacts", ann.id, city="Oslo")
        assert eventually(lambda: row(world, "ann@example.com") == ("Oslo", None)) < 3  # no sweep could be so quick
        assert sum("search" in path for _, _, path in hubspot.seen) <= searches + 1
        world.sql("warehouse", "update people set phone = '+47' where email = 'ann@example.com'")
        eventually(lambda: "+47" in (values(hubspot, "ann@example.com") or {}).values())
        world.sql("warehouse", "insert into people values ('w', 'dan@example.com', 'Rome')")
        eventually(lambda: values(hubspot, "dan@example.com") is not None)

        for each in (ann, eve, bob):  # a stream that is read whole, soon after a webhook tells of it
            associate(hubspot, "PUT", each.id, firm.id)
        eventually(lambda: members(world) == 3)

        hubspot.faults.add(Fault("status", status=429, retry_after=1, times=10**6))
        for number in range(3):  # both sides at once, while HubSpot lets nobody in, and after
            account.edit("contacts", ann.id, city=f"of the crm {number}")
            world.sql("warehouse", f"update people set city = 'of the warehouse {number}' where phone = '+47'")
            time.sleep(2 if number < 2 else 0)
            if number == 1:
                hubspot.faults.clear()
                eventually(lambda: row(world, "ann@example.com") == ("of the crm 1", "+47"))
        eventually(lambda: row(world, "ann@example.com") == ("of the crm 2", "+47"))
        assert (values(hubspot, "ann@example.com") or {})["city"] == "of the crm 2"

        assert members(world) == 3  # what an answer did not show is not missing, if it was not to be whole
        associate(hubspot, "DELETE", bob.id, firm.id)
        eventually(lambda: members(world) == 2)

        account.merge(ann, eve)
        eventually(lambda: row(world, "eve@example.com") is None or bool(open_conflicts(world)))
        account.trash("contacts", bob.id)
        eventually(lambda: row(world, "bob@example.com") is None)

        assert requests.post(url, json=[{"objectId": 1}], timeout=5).status_code == 401  # nobody signed it
        account.listeners.remove(hooks.hear)
        account.edit("contacts", ann.id, phone="told by nobody")
        eventually(lambda: row(world, "ann@example.com") == ("of the crm 2", "told by nobody"))
        hooks.stop()
        assert follower.end() == 0

    write_sync(world, hubspot)
    with following(world.start(*FOLLOW, "--poll", "0.2")) as follower:
        account.edit("contacts", ann.id, phone="found by search")
        eventually(lambda: row(world, "ann@example.com") == ("of the crm 2", "found by search"))
        assert follower.end() == 0
    lost = world.ledger("select old from audit where cause = 'superseded' and field = 'city'")
    assert {"of the warehouse 1", "of the warehouse 2"} <= {json.loads(old) for (old,) in lost}


def associate(hubspot: HubSpot, method: str, contact: str, company: str) -> None:
    kind = "associations/default" if method == "PUT" else "associations"
    url = f"{hubspot.url}/crm/v4/objects/contacts/{contact}/{kind}/companies/{company}"
    requests.request(method, url, headers={"Authorization": f"Bearer {hubspot.token}"}, timeout=5).raise_for_status()


def members(world: World) -> int:
    return world.number("warehouse", "select count(*) from members")


def open_conflicts(world: World) -> Any:
    return world.ledger("select cid from conflict where state = 'open'")
