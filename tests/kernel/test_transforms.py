"""`transform:`: what a value becomes on its one way, and that the receiving side is compared with what it was sent."""

from __future__ import annotations

from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.mapping import Kind
from antiphon.model import ConflictKind, Value
from antiphon.transforms import Untransformable, transformed
from tests.kernel.facts import CRM, WAREHOUSE, World, entity, field, law, opened, side, wrote
from tests.kernel.test_equivalence import json_values

CASES: list[tuple[Any, Value, Value]] = [
    (("sha256", ""), "a@x", sha256(b"a@x").hexdigest()),
    (("sha256", ""), 1, sha256(b"1").hexdigest()),
    (("sha256", ""), Decimal("1.00"), sha256(b"1").hexdigest()),
    (("sha256", ""), True, sha256(b"true").hexdigest()),
    (("month", ""), "2026-11-20", "2026-11"),
    (("month", ""), "2026-10-31T23:30:00Z", "2026-11"),  # in Rome it is November
    (("date", ""), "2026-10-31T23:30:00Z", "2026-11-01"),
    (("date", ""), "2026-11-20T08:00:00", "2026-11-20"),
    (("decimal", "2"), "1.005", Decimal("1.00")),
    (("decimal", "2"), Decimal("1.015"), Decimal("1.02")),
    (("decimal", "0"), 2.5, Decimal(2)),
    (("template", "https://x/{value}?v={value}"), 7, "https://x/7?v=7"),
    (("sha256", ""), None, None),
]


@pytest.mark.parametrize(("step", "value", "made"), CASES, ids=repr)
def test_what_a_step_makes(step: tuple[str, str], value: Value, made: Value) -> None:
    assert transformed((step,), value, "Europe/Rome") == made


def test_steps_follow_one_another() -> None:
    steps = (("date", ""), ("month", ""), ("template", "in {value}"))
    assert transformed(steps, "2026-11-20T10:00:00Z", "UTC") == "in 2026-11"


@pytest.mark.parametrize(
    ("step", "value"),
    [
        ("month", "soon"),
        ("month", 202611),
        ("date", ""),
        ("decimal", "much"),
        ("decimal", "1e999"),
        ("decimal", "1e50"),
        ("sha256", ["a"]),
    ],
)
def test_what_a_step_cannot_do_it_says(step: str, value: Value) -> None:
    assert transformed(((step, "2"),), value, "UTC") == Untransformable(step)


@law
@given(json_values, st.sampled_from(["sha256", "month", "date", "decimal", "template"]))
def test_any_value_is_transformed_or_not_and_nothing_is_raised(value: Value, step: str) -> None:
    once = transformed(((step, "3"),), value, "UTC")
    assert once == transformed(((step, "3"),), value, "UTC")


def world(*steps: tuple[str, str], kind: Kind = Kind.TEXT, **options: Any) -> World:
    mine = field("f", kind=kind, direction=(CRM, WAREHOUSE), transform=steps, **options)
    return World(entity(mine, warehouse=side(columns={"f": {"type": ["string", "null"]}})))


def test_the_other_side_gets_what_became_of_the_value_and_then_nothing_is_left_to_do() -> None:
    mail = world(("sha256", ""), normalize=(("strip", ""), ("lower", "")))
    mail.show(CRM, 1, f=" Ann@X.com")
    digest = sha256(b"ann@x.com").hexdigest()
    plan = mail.round()
    assert wrote(plan) == [(WAREHOUSE, "create", {"f": digest})]
    mail.deliver(plan)
    mail.show(WAREHOUSE, 1001, f=digest)
    assert mail.settle_down() == 0


def test_a_change_that_becomes_the_same_is_none() -> None:
    born = world(("month", ""))
    born.show(CRM, 1, f="2026-11-20")
    born.show(WAREHOUSE, 1, f="2026-11")
    born.link(1, 1)
    born.show(CRM, 1, f="2026-11-21")
    assert born.round().operations == ()
    born.show(CRM, 1, f="2026-12-01")
    assert wrote(born.round()) == [(WAREHOUSE, "update", {"f": "2026-12"})]


def test_an_edit_of_what_it_became_is_reverted() -> None:
    born = world(("month", ""))
    born.show(CRM, 1, f="2026-11-20")
    born.show(WAREHOUSE, 1, f="2026-11")
    born.link(1, 1)
    born.show(WAREHOUSE, 1, f="2025-01")
    plan = born.round()
    assert wrote(plan) == [(WAREHOUSE, "update", {"f": "2026-11"})]
    assert plan.operations[0].losers == {"f": "2025-01"}


def test_an_edit_that_may_stay_stays_until_the_source_changes_and_is_then_kept_in_the_audit() -> None:
    born = world(("month", ""), keep_edits=True)
    born.show(CRM, 1, f="2026-11-20")
    born.show(WAREHOUSE, 1, f="2026-11")
    born.link(1, 1)
    born.show(WAREHOUSE, 1, f="2025-01")
    assert born.round().operations == ()
    born.show(CRM, 1, f="2026-12-01")
    plan = born.round()
    assert wrote(plan) == [(WAREHOUSE, "update", {"f": "2026-12"})]
    assert plan.operations[0].losers == {"f": "2025-01"}


def test_what_nothing_can_be_made_of_is_parked_with_the_reason_on_a_create_and_on_an_update() -> None:
    born = world(("month", ""))
    born.show(CRM, 1, f="soon")
    plan = born.round()
    assert opened(plan) == [(ConflictKind.UNMAPPED, None)]
    assert plan.conflicts[0].evidence["reason"] == "crm holds 'soon' in f, of which `month` makes nothing"
    born.show(CRM, 2, f="2026-11-20")
    born.show(WAREHOUSE, 2, f="2026-11")
    born.link(2, 2)
    born.show(CRM, 2, f="later")
    assert opened(born.round()) == [(ConflictKind.UNMAPPED, "f")]
