"""Two populated systems meet: whom both know is joined, whom one lacks is created once, and nobody is doubled."""

from __future__ import annotations

from collections import Counter

import pytest

from antiphon_sandbox.people import Person, people
from tests.e2e.world import SIDES, World

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.xdist_group("e2e-join")]

EACH, SHARED = 2_000, 600
TWICE, NAMELESS = 5, 40
FIELDS = ("email", "first_name", "last_name", "city", "phone")
COLUMNS = "email text, first_name text, last_name text, city text, phone text"
TOUCH = """;
create function touch() returns trigger language plpgsql as
  $$ begin new.updated_at := clock_timestamp(); return new; end $$;
create trigger touch before insert or update on {table} for each row execute function touch();
"""
ENTITY = """
entities:
  contact:
    sides:
      crm: {{stream: public-customers, key: id, {crm}}}
      warehouse: {{stream: public-contacts, key: contact_id, {warehouse}}}
    match: [email]
    initial: {{prefer: crm}}
    policy: {{latest: {{else: crm}}}}
    fields:
      email: {{crm: email, warehouse: email, normalize: [strip, lower]}}
      first_name: first_name
      last_name: last_name
      city: city
      phone: phone
"""
SPELLED = "lower(btrim(email, E' \\t'))"


INCREMENTAL = "replication: incremental, replication_key: updated_at"


def fill(world: World) -> None:
    """2,000 people on each side, 600 of them the same; some twice, some spelled differently or without e-mail."""
    stamp = "updated_at timestamptz not null default clock_timestamp()"
    tables = {
        "crm": f"create table customers (id text primary key, {COLUMNS}, note text default 'none', {stamp})",
        "warehouse": f"create table contacts (contact_id text primary key, {COLUMNS}, "
        f"loaded_at timestamptz default now(), margin numeric(12,4) default 1.5, {stamp})",
    }
    for side, table in zip(SIDES, ("customers", "contacts"), strict=True):
        world.make_tables(side, tables[side] + TOUCH.format(table=table))
    here = list(people(0, EACH))
    there = list(people(EACH - SHARED, EACH))
    world.copy("crm", "customers", ("id", *FIELDS, "note"), [(*_row(p, 1), f"note {p.number}") for p in here])
    world.copy(
        "warehouse", "contacts", ("contact_id", *FIELDS, "margin"), [(*_row(p, 2), f"{p.number}.25") for p in there]
    )


def _row(person: Person, side: int) -> tuple[str | None, ...]:
    """The person as one side holds it. Multiples decide who is special, so that all cases meet one another."""
    number = person.number
    email: str | None = person.email
    if side == 2 and number % 7 == 0:
        email = f"  {person.email.upper()} "
    if number % EACH // 2 < NAMELESS // 2 and side == 1:
        email = None
    if number % 400 == 201:  # the e-mail of the neighbour before: twice on this side
        email = next(people(number - 1, 1)).email
    phone = person.phone if number % 11 or side == 1 else "+39 06 0000000"
    identity = f"00000000-0000-4000-8000-{side:04d}{number:08d}"
    return (identity, email, person.first_name, person.last_name, person.city, phone)


def emails(world: World) -> dict[str, Counter[str | None]]:
    """How often each side holds each e-mail, by its own SQL."""
    tables = {"crm": "customers", "warehouse": "contacts"}
    return {
        side: Counter(dict(world.sql(side, f"select {SPELLED}, count(*) from {table} group by 1")))
        for side, table in tables.items()
    }


def expected(before: dict[str, Counter[str | None]]) -> dict[str, Counter[str | None]]:
    """What each side must hold: one of each e-mail that was nowhere double, and of the others what was there."""
    after = {side: Counter(counted) for side, counted in before.items()}
    for side, other in (SIDES, SIDES[::-1]):
        for email, times in before[side].items():
            if email is None:
                after[other][None] += times
            elif times == 1 and not before[other][email]:
                after[other][email] = 1
    return after


def unequal(
    found: dict[str, Counter[str | None]], wanted: dict[str, Counter[str | None]]
) -> dict[tuple[str, str | None], tuple[int, int]]:
    """The e-mails that a side holds another number of times than it must."""
    return {
        (side, email): (found[side][email], wanted[side][email])
        for side in SIDES
        for email in found[side].keys() | wanted[side].keys()
        if found[side][email] != wanted[side][email]
    }


def doubtful(before: dict[str, Counter[str | None]]) -> int:
    """How many records have an e-mail that some side holds more than once."""
    double = {email for counted in before.values() for email, times in counted.items() if email and times > 1}
    return sum(before[side][email] for side in SIDES for email in double)


def test_two_populated_sides_join_without_a_duplicate(world: World) -> None:
    fill(world)
    world.write_sync(
        ENTITY.format(crm=f"on_create: uuid, {INCREMENTAL}", warehouse=f"on_create: {{from: crm}}, {INCREMENTAL}")
    )
    before, definitions = emails(world), world.definitions()
    rows = world.versions("customers", "contacts")
    notes = world.sql("crm", "select id::text, note from customers")
    margins = world.sql("warehouse", "select contact_id::text, loaded_at, margin from contacts")

    refused = world.antiphon("sync", code=3)
    assert "max_create is 1000" in refused.err
    assert "apply" in refused.err
    assert world.versions("customers", "contacts") == rows

    world.antiphon("plan", "--out", "plan.json")
    assert world.versions("customers", "contacts") == rows
    world.antiphon("apply", "plan.json")

    assert unequal(emails(world), expected(before)) == {}
    assert set(notes) <= set(world.sql("crm", "select id::text, note from customers"))
    assert set(margins) <= set(world.sql("warehouse", "select contact_id::text, loaded_at, margin from contacts"))
    assert world.definitions() == definitions

    parked = world.conflicts()
    assert {conflict["kind"] for conflict in parked} == {"ambiguous"}
    assert len(parked) == doubtful(before) > TWICE
    shown = world.antiphon("--json", "conflicts", "show", parked[0]["cid"])
    assert "email" in shown.out

    facts = world.verify()
    assert facts["agreed"] == sum(emails(world)["crm"].values()) - sum(
        times for email, times in before["crm"].items() if email and max(times, before["warehouse"][email]) > 1
    )
    assert_equal_pairs(world)

    settled = world.versions("customers", "contacts")
    world.antiphon("sync")
    assert world.versions("customers", "contacts") == settled
    assert world.antiphon("plan", "--exit-code").code == 0


def assert_equal_pairs(world: World) -> None:
    """By e-mail, whoever is once on each side is the same there in every field, and the CRM's word went."""
    query = (
        "select {spelled}, first_name, last_name, city, phone from {table} where {spelled} in ("
        "select {spelled} from {table} where email is not null group by 1 having count(*) = 1)"
    )
    rows = {
        side: {email: rest for email, *rest in world.sql(side, query.format(spelled=SPELLED, table=table))}
        for side, table in (("crm", "customers"), ("warehouse", "contacts"))
    }
    both = rows["crm"].keys() & rows["warehouse"].keys()
    assert len(both) > 2 * EACH - SHARED - 500
    assert [email for email in both if rows["crm"][email] != rows["warehouse"][email]] == []


def test_a_side_that_numbers_its_records_gets_no_new_ones_and_everyone_is_told_why(world: World) -> None:
    world.make_tables("crm", f"create table customers (id serial primary key, {COLUMNS})")
    world.make_tables("warehouse", f"create table contacts (contact_id text primary key, {COLUMNS})")
    world.copy("crm", "customers", FIELDS, [_row(p, 3)[1:] for p in people(300, 100)])
    world.copy("warehouse", "contacts", ("contact_id", *FIELDS), [_row(p, 4) for p in people(350, 100)])

    def write(crm: str) -> None:
        world.write_sync(ENTITY.format(crm=crm, warehouse="on_create: {from: crm}"))

    for options in ("allow: [create, update]", "on_create: {from: warehouse}"):
        write(options)
        world.antiphon("sync")
        assert world.sql("crm", "select min(id), max(id), count(*) from customers") == [(1, 100, 100)]
        waiting = world.conflicts()
        assert {conflict["kind"] for conflict in waiting} == {"key"}
        assert len(waiting) == 50
        assert all("id" in conflict["reason"] or "on_create" in conflict["reason"] for conflict in waiting)
    write("on_create: uuid")
    assert "a UUID is none" in world.antiphon("sync", code=64).err
    write("on_create: {from: warehouse}")
    assert world.number("warehouse", "select count(*) from contacts") == 150
    assert world.number("warehouse", "select count(*) from contacts where contact_id ~ '^[0-9]+$'") == 50
    world.sql("crm", "insert into customers (email, city) values ('next@example.com', 'Rome')")
    world.antiphon("sync")
    assert world.sql("warehouse", "select contact_id, city from contacts where email = 'next@example.com'") == [
        ("101", "Rome")
    ]
    world.verify()
