from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon import model
from antiphon.mapping import Limit, OnDelete
from antiphon.model import OpKind
from antiphon.show import to_json
from antiphon.show.groups import arrange
from antiphon.show.plan import plan_dict, plan_text
from antiphon.sync import planning
from tests.show.world import World, contact, lived, sync_of


def test_a_first_plan_shows_creates_joins_and_conflicts() -> None:
    world = World()
    world.add("crm", "c1", email="Ann@x.com", name="Ann", city="Rome")
    world.add("crm", "c2", email="bob@x.com", name="Bob", city="Oslo", stage="lead")
    world.add("warehouse", "w1", email="ann@x.com", name="Anne", city="Rome")
    world.read()
    assert (
        plan_text(world.propose(), world.ledger, world.mapping)
        == """\
warehouse  create contact "bob@x.com"  new on crm  (contact_id ad033fbe-774f-8c7e-b34e-4c07e3595a2c)
    city   Oslo
    email  bob@x.com
    name   Bob
    stage  lead
    empty: phone, tags
newly linked: 1
    contact "Ann@x.com", crm:c1 = warehouse:w1: the same email
waiting for a person: 1
    contact "Ann@x.com", name: crm Ann | warehouse Anne
        the sides differ where they first meet; `initial` is to ask
1 to create, 0 to update, 0 to delete, 1 conflict"""
    )


def test_an_update_says_why_each_value_won_and_what_it_overwrites() -> None:
    world = lived()
    world.edit("crm", "c1", city="Paris", stage="customer", phone="+1 555 0100")
    world.edit("warehouse", "w1", stage="mql", phone="+1 555 0199", tags="vip;new")
    world.begin()
    world.read()
    assert (
        plan_text(world.propose(), world.ledger, world.mapping)
        == """\
warehouse  update contact "Ann@x.com"  (contact_id w1)
    city   Rome → Paris    only crm changed it
    stage  mql → customer  crm owns stage; overwrites warehouse's "mql"
crm  update contact "Ann@x.com"  (id c1)
    tags  vip → vip;new  only warehouse changed it
waiting for a person: 1
    contact "Ann@x.com", phone: crm +1 555 0100 | warehouse +1 555 0199 (was +1 555 0000)
        both sides changed it; the policy is to ask
0 to create, 2 to update, 0 to delete, 1 conflict"""
    )


def test_a_delete_shows_what_will_be_gone() -> None:
    world = World(sync_of(contact(deletes=True, on_delete=OnDelete.DELETE)))
    world.add("crm", "c1", email="ann@x.com", name="Ann", city="Rome")
    world.round()
    world.round()
    del world.rows["crm"]["c1"]
    world.begin()
    world.read()
    world.read()
    text = plan_text(world.propose(), world.ledger, world.mapping)
    assert '  delete contact "ann@x.com"  deleted on crm\n' in text
    assert "    city   Rome\n" in text
    assert text.endswith("0 to create, 0 to update, 1 to delete, 0 conflicts")


def test_nothing_to_do() -> None:
    world = lived()
    world.round()
    world.begin()
    world.read()
    assert plan_text(world.propose(), world.ledger, world.mapping) == "Nothing to do."


def test_what_was_planned_before_and_not_sent_is_shown_too() -> None:
    world = World()
    world.add("crm", "c1", email="ann@x.com", name="Ann")
    world.read()
    planning.adopt(world.ledger, world.mapping, world.propose())
    text = plan_text(world.propose(), world.ledger, world.mapping)
    assert text.startswith("planned before and still to be sent: 1\nwarehouse  create contact")
    assert text.endswith("0 to create, 0 to update, 0 to delete, 0 conflicts, 1 planned before")
    assert plan_dict(world.propose(), world.ledger, world.mapping)["summary"]["standing"] == 1


def test_a_side_that_was_not_read_is_said_to_wait() -> None:
    world = World()
    world.add("crm", "c1", email="ann@x.com", name="Ann")
    world.read()
    held = {"warehouse": "warehouse was not read since the last plan"}
    plan = planning.propose(world.ledger, world.mapping, world.moment(), held=held)
    assert (
        plan_text(plan, world.ledger, world.mapping)
        == """\
looked at again in the next plan: 1
    contact "ann@x.com": warehouse was not read since the last plan
0 to create, 0 to update, 0 to delete, 0 conflicts, 1 waiting"""
    )


def test_thousands_of_alike_operations_are_one_line() -> None:
    world = World()
    for n in range(1234):
        world.add("crm", f"c{n:04}", email=f"p{n:04}@x.com", name="N", city="Rome")
    for n in range(1200):
        world.add("warehouse", f"w{n:04}", email=f"q{n:04}@x.com", name="N", city="Rome")
    world.read()
    plan = world.propose()
    text = plan_text(plan, world.ledger, world.mapping)
    assert re.search(
        r'^warehouse  create contact  × 1,234, e\.g\. "p\d+@x\.com", "p\d+@x\.com", "p', text, re.MULTILINE
    )
    assert "    new on crm: city, email, name, phone, stage, tags" in text
    assert "(2,434 operations are shown as groups; see all with `--json`)" in text
    assert "guards: max_create: 1234 contact would be created on warehouse, of 0 linked" in text
    assert text.endswith("2,434 to create, 0 to update, 0 to delete, 0 conflicts")
    assert len(text.splitlines()) < 20
    assert len(plan_dict(plan, world.ledger, world.mapping)["operations"]) == 2434


def test_a_group_of_conflicts_is_one_entry_and_rare_ones_stand_alone() -> None:
    world = World(sync_of(contact(), max_change=Limit()))
    for n in range(30):
        world.add("crm", f"c{n:02}", email=f"p{n:02}@x.com", name="A", city="Rome" if n else "Oslo")
        world.add("warehouse", f"w{n:02}", email=f"p{n:02}@x.com", name="B", city="Rome")
    world.read()
    text = plan_text(world.propose(), world.ledger, world.mapping)
    assert "waiting for a person: 31" in text
    assert '    contact "p00@x.com", city: crm Oslo | warehouse Rome\n' in text
    assert re.search(r'contact  × 30, e\.g\. ("p\d\d@x\.com"(, )?){3}, name', text)
    assert "newly linked: 30\n    contact  × 30" in text
    assert text.endswith("0 to create, 0 to update, 0 to delete, 31 conflicts")


def test_the_dict_names_every_value_and_can_be_written() -> None:
    world = lived()
    world.edit("crm", "c1", city="Paris", stage="customer")
    world.edit("warehouse", "w1", stage="mql")
    world.begin()
    world.read()
    shown = plan_dict(world.propose(), world.ledger, world.mapping)
    (op,) = shown["operations"]
    assert (op["side"], op["kind"], op["record"], op["key"]) == (
        "warehouse",
        "update",
        "Ann@x.com",
        {"contact_id": "w1"},
    )
    assert op["fields"] == [
        {"field": "city", "from": "Rome", "to": "Paris", "reason": "only crm changed it"},
        {"field": "stage", "from": "mql", "to": "customer", "reason": "crm owns stage", "overwrites": "mql"},
    ]
    assert to_json(shown).startswith("{\n")


def test_the_same_plan_gives_the_same_text() -> None:
    texts = set()
    for turn in (1, -1):
        world = World()
        for n in list(range(60))[::turn]:
            world.add("crm", f"c{n:02}", email=f"p{n:02}@x.com", name="N", city="Rome" if n % 3 else None)
        world.read()
        texts.add(plan_text(world.propose(), world.ledger, world.mapping, limit=7))
    assert len(texts) == 1


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 3)), max_size=120),
    st.integers(0, 30),
)
def test_no_item_is_lost_in_a_grouping(items: list[tuple[int, int]], limit: int) -> None:
    shown = arrange(items, lambda item: item[0] % 40, limit)
    assert Counter(item for part in shown.parts for item in part) + Counter(shown.left_out) == Counter(items)
    assert all(len({item[0] % 40 for item in part}) == 1 for part in shown.parts)
    assert sum(len(part) == 1 for part in shown.parts) <= max(len(items) if len(items) <= limit else 0, 2 * limit + 1)
    assert shown.grouped + sum(len(part) == 1 for part in shown.parts) + len(shown.left_out) == len(items)


@pytest.mark.parametrize("limit", [0, 1, 5, 20])
def test_the_counts_in_the_text_add_up(limit: int) -> None:
    world = World(sync_of(contact(), max_create=Limit()))
    for n in range(80):
        filled = {name: "x" for bit, name in enumerate(("name", "city", "phone")) if n >> bit & 1}
        world.add("crm", f"c{n:02}", email=f"p{n:02}@x.com", **filled)
    world.read()
    plan = world.propose()
    mixed = tuple(
        model.replace(op, patch={name: value for name, value in op.patch.items() if value}, kind=OpKind.UPDATE)
        for op in plan.operations
    )
    text = plan_text(replace(plan, operations=mixed), world.ledger, world.mapping, limit=limit)
    groups = sum(int(count) for count in re.findall(r"contact  × (\d+), e\.g\.", text))
    singles = len(re.findall(r'^warehouse  update contact "', text, re.MULTILINE))
    hidden = sum(int(count) for count in re.findall(r"\((\d+) more operations are not shown", text))
    assert groups + singles + hidden == 80
    assert "0 to create, 80 to update" in text
