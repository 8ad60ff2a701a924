from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from antiphon import model
from antiphon.equivalence import canonical_json
from antiphon.ledger.tables import AUDIT
from antiphon.mapping import CopyFrom, Entity, Field, Owner, Park
from antiphon.model import Cause, OpState
from antiphon.plan import Plan
from antiphon.show.conflicts import conflict_dict, conflict_text, conflicts_dict, conflicts_text, waiting
from antiphon.show.plan import plan_dict, plan_text
from antiphon.show.plan_file import dump
from antiphon.show.status import status_dict, status_text
from antiphon.show.text import WIDTH
from antiphon.show.values import MASK
from antiphon.show.veil import Veil
from antiphon.show.why import why_dict, why_text
from antiphon.sync import confirm, planning
from tests.show.world import SIDES, World, contact, sync_of

MARK = "ж"
SECRETS = st.text("жЖß\"'\\ \n\t;,7|[]→", max_size=12).map(lambda rest: f"{MARK}{rest}")


def life(
    entity: Entity, first: dict[str, Any], crm: dict[str, Any], warehouse: dict[str, Any]
) -> tuple[World, list[Plan]]:
    """A record created, edited on both sides, refused by a target that quotes every value, deleted on one side."""
    world = World(sync_of(entity))
    world.add("crm", "c1", email="ann@x.com", name="Ann", **first)
    plans = [world.round(), world.round()]
    (key,) = world.rows["warehouse"]
    world.edit("crm", "c1", stage=crm.get("stage"))
    world.edit("warehouse", key, stage=warehouse.get("stage"))
    plans += [world.round(), world.round()]
    world.edit("crm", "c1", name="Anna", **{**crm, "stage": first.get("stage")})
    world.edit("warehouse", key, **warehouse)
    world.begin()
    world.read()
    plans.append(world.propose())
    planning.adopt(world.ledger, world.mapping, plans[-1])
    for op in world.ledger.open_ops("warehouse"):
        quoted = " ".join([*map(str, op.patch.values()), *map(repr, op.patch.values()), canonical_json(op.patch)])
        quoted += " ".join(f"{value!s} {value!r} {canonical_json(value)}" for value in (*first.values(), *crm.values()))
        sent = model.replace(op, state=OpState.INFLIGHT, sent_at=world.clock())
        with world.ledger.transaction():
            world.ledger.put([sent])
        confirm.refuse(world.ledger, sent, f"bad row: {quoted}", world.moment())
    plans.append(world.propose())
    del world.rows["crm"]["c1"]
    plans += [world.round(), world.round(), world.round()]
    return world, plans


def everything(world: World, plans: list[Plan], typed: str = "crm:c1") -> list[str]:
    """All that this package can show of a world."""
    ledger, mapping, now = world.ledger, world.mapping, world.clock()
    texts = [conflicts_text(ledger, mapping, now), status_text(ledger, mapping, now)]
    dicts: list[Any] = [conflicts_dict(ledger, mapping), status_dict(ledger, mapping, now)]
    for plan in plans:
        texts += [plan_text(plan, ledger, mapping, limit=limit) for limit in (20, 0)]
        dicts += [plan_dict(plan, ledger, mapping), dump(plan, mapping, "L1", now)]
    for conflict in waiting(ledger):
        texts.append(conflict_text(ledger, mapping, conflict.cid, now))
        dicts.append(conflict_dict(ledger, mapping, conflict.cid))
    fields: list[str | None] = [None, *mapping.entities["contact"].fields]
    for field in fields:
        texts.append(why_text(ledger, mapping, typed, field, now))
        dicts.append(why_dict(ledger, mapping, typed, field, now))
    return texts + [canonical_json(each) for each in dicts]


@settings(max_examples=15, deadline=None)
@given(st.lists(SECRETS, min_size=4, max_size=4, unique=True))
def test_a_sensitive_value_appears_nowhere(secrets: list[str]) -> None:
    first, second, third, fourth = secrets
    world, plans = life(
        contact(sensitive=("phone", "stage", "tags")),
        {"phone": first, "stage": second, "tags": third},
        {"phone": second, "stage": third, "tags": f"{first};{third}"},
        {"phone": third, "stage": fourth, "tags": fourth},
    )
    shown = everything(world, plans)
    assert any(MASK in text for text in shown)
    assert [text for text in shown if MARK in text.casefold()] == []


@settings(max_examples=15, deadline=None)
@given(st.lists(st.text(max_size=60), min_size=5, max_size=5))
@example(["", "\x1b\x08", "\x08\U00018cd6", "", ""])  # alike once nothing is left that a terminal would obey
def test_whatever_stands_in_a_field_the_page_is_kept(values: list[str]) -> None:
    a, b, c, d, e = values
    world, plans = life(
        contact(), {"phone": a, "stage": b, "tags": c}, {"phone": d, "stage": e}, {"phone": e, "city": a, "stage": c}
    )
    ledger, mapping, now = world.ledger, world.mapping, world.clock()
    texts = [conflicts_text(ledger, mapping, now), status_text(ledger, mapping, now)]
    texts += [plan_text(plan, ledger, mapping) for plan in plans]
    texts += [conflict_text(ledger, mapping, c.cid, now) for c in waiting(ledger)]
    texts.append(why_text(ledger, mapping, "crm:c1", None, now))
    for line in "\n".join(texts).split("\n"):
        assert cell_len(line) <= WIDTH, line
        assert line.isprintable(), line


def test_a_life_leaves_every_kind_of_trace() -> None:
    """What the property above walks over: an overwritten edit, a refusal, conflicts and a deletion."""
    world, plans = life(
        contact(), {"phone": "1", "stage": "a"}, {"phone": "2", "stage": "b"}, {"phone": "3", "stage": "c"}
    )
    kinds = {conflict.kind.value for plan in plans for conflict in plan.conflicts}
    assert {"field", "delete-vs-update"} <= kinds
    assert any(op.losers for plan in plans for op in plan.operations)
    shown = everything(world, plans)
    assert any("bad row" in text for text in shown)
    assert any("overwrites warehouse's" in text for text in shown)
    causes = {audit.cause for audit in world.ledger.store.scan(AUDIT)}
    assert Cause.SUPERSEDED in causes


def test_an_id_made_of_a_sensitive_field_is_hidden_with_its_copies_and_references() -> None:
    person = contact(sensitive=("email",))
    keyed = replace(person, sides={**person.sides, "warehouse": replace(person.sides["warehouse"], key=("email",))})
    keyed = replace(keyed, sides={**keyed.sides, "crm": replace(keyed.sides["crm"], key_rule=CopyFrom("warehouse"))})
    boss = Field("boss", dict.fromkeys(SIDES, "boss"), Owner("crm"), references="contact")
    veil = Veil(sync_of(replace(keyed, fields={**keyed.fields, "boss": boss})))
    assert veil.hides_id("contact", "warehouse")
    assert veil.hides_id("contact", "crm")
    assert veil.hides("contact", "boss")
    assert veil.columns("contact", "crm", {"id": "ann", "city": "Rome"}) == {"id": MASK, "city": "Rome"}
    assert veil.text('several have it: crm ["a]n"], warehouse ["b"].', ()) == f"several have it: crm {MASK}."


def test_hidden_match_values_and_ids_appear_nowhere() -> None:
    code = Field("code", {"crm": "id", "warehouse": "code"}, Park())
    entity = contact(sensitive=("email", "code", "stage"), code=code)
    world, plans = life(entity, {"code": "ж1", "stage": "ж5"}, {"stage": "ж6"}, {"stage": "ж7"})
    twin = {"id": "ж2", "email": "ann@x.com", "firstname": "Ann"}
    world.rows["crm"]["c1"] = twin
    world.rows["crm"]["c3"] = {**twin, "id": "ж3"}
    plans.append(world.round())
    shown = everything(world, plans, "crm:ж1")
    assert any(f"crm:{MASK}" in text for text in shown)
    assert [text for text in shown if "ж" in text or "ann@x.com" in text] == []


def test_a_field_that_shares_a_column_with_a_sensitive_one_is_hidden() -> None:
    twin = Field("mobile", {"crm": "mobile", "warehouse": "phone"}, Park())
    person = contact(sensitive=("phone",))
    veil = Veil(sync_of(replace(person, fields={**person.fields, "mobile": twin})))
    assert veil.columns("contact", "crm", {"mobile": "1", "phone": "2"}) == {"mobile": MASK, "phone": MASK}


def test_what_sync_yml_names_no_more_is_hidden() -> None:
    veil = Veil(sync_of(contact()))
    assert [veil.hides(*name) for name in (("contact", "age"), ("deal", "city"), ("contact", "city"))] == [
        True,
        True,
        False,
    ]


def test_empty_is_no_secret() -> None:
    veil = Veil(sync_of(contact(sensitive=("phone",))))
    assert [veil.value("contact", "phone", value) for value in (None, "", "555")] == [None, "", MASK]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("phone +1 555 is bad", f"phone {MASK} is bad"),
        ("tried 7 times, 17 in all", f"tried {MASK} times, 17 in all"),
        ("ROSSI and rossi", f"{MASK} and {MASK}"),
        ("nothing here", "nothing here"),
    ],
)
def test_free_text_is_searched_for_hidden_values(text: str, shown: str) -> None:
    assert Veil(sync_of(contact())).text(text, ["+1 555", "7", "Rossi"]) == shown
