from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.equivalence import from_json
from antiphon.errors import ConfigError
from antiphon.model import Op, OpKind, OpState, replace
from antiphon.plan import Plan
from antiphon.plan.review import fingerprint
from antiphon.show.plan_file import dump, load
from tests.show.world import World, contact, lived, sync_of

OP = Op(
    op_id="o1",
    lid="l1",
    side="crm",
    entity="contact",
    kind=OpKind.UPDATE,
    key={"id": 7},
    patch={"city": "Paris", "phone": "555"},
    expect={"city": "Rome", "phone": None},
    source={},
    reasons={"city": "only warehouse changed it"},
    losers={},
    deps=(),
    planned_at=1,
    run_id="r1",
)


def plan_of(*ops: Op) -> Plan:
    return Plan((), (), (), ops, (), {}, ())


def changed_world() -> World:
    world = lived()
    world.edit("crm", "c1", city="Paris", stage="customer")
    world.edit("warehouse", "w1", tags="vip;new")
    world.begin()
    world.read()
    return world


def test_a_plan_survives_its_file() -> None:
    world = changed_world()
    plan = world.propose()
    found = load(dump(plan, world.mapping, "L1", world.clock()), "plan.json")
    assert (found.ledger, found.mapping_version, found.made_at[:10]) == ("L1", "v1", "2026-11-20")
    assert found.fingerprints == tuple(fingerprint(op) for op in plan.operations)
    assert [(op.lid, op.side, dict(op.patch), dict(op.reasons)) for op in found.operations] == [
        (op.lid, op.side, dict(op.patch), dict(op.reasons)) for op in plan.operations
    ]


def test_a_later_planning_of_the_same_writes_has_the_same_fingerprints() -> None:
    world = changed_world()
    first = world.propose()
    world.begin()
    world.read()
    second = world.propose()
    assert [op.op_id for op in first.operations] != [op.op_id for op in second.operations]
    assert [fingerprint(op) for op in first.operations] == [fingerprint(op) for op in second.operations]


def test_a_fingerprint_knows_what_is_written_and_nothing_of_when() -> None:
    same = replace(OP, op_id="o2", planned_at=9, run_id="r9", seq=4, attempt=2, state=OpState.INFLIGHT, reasons={})
    assert fingerprint(same) == fingerprint(OP)
    others = [
        replace(OP, lid="l2"),
        replace(OP, side="warehouse"),
        replace(OP, kind=OpKind.CREATE),
        replace(OP, key={"id": "7"}),
        replace(OP, patch={"city": "Paris"}),
        replace(OP, patch={"city": "Parma", "phone": "555"}),
        replace(OP, expect={"city": "Rome"}),
    ]
    assert len({fingerprint(op) for op in [OP, *others]}) == len(others) + 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.decimals(allow_nan=False, allow_infinity=False)
    | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["email", "city", "phone"]), JSON), st.booleans())
def test_any_value_keeps_its_fingerprint_in_the_file(patch: dict[str, Any], hidden: bool) -> None:  # noqa: FBT001
    mapping = sync_of(contact(sensitive=("phone", "city") if hidden else ()))
    op = replace(OP, patch=patch, expect={})
    found = load(dump(plan_of(op), mapping, "L1", 1), "plan.json")
    assert found.fingerprints == (fingerprint(op),)


def test_decimals_are_written_as_they_are() -> None:
    text = dump(plan_of(replace(OP, patch={"city": Decimal("1500.00")})), sync_of(contact()), "L1", 1)
    assert '"patch":{"city":1500.00}' in text


def test_a_sensitive_value_is_a_mark_that_the_fingerprint_still_covers() -> None:
    mapping = sync_of(contact(sensitive=("phone",)))
    first = dump(plan_of(OP), mapping, "L1", 1)
    second = dump(plan_of(replace(OP, patch={**OP.patch, "phone": "556"})), mapping, "L1", 1)
    assert '"phone":"55' not in first + second
    assert load(first, "f").fingerprints != load(second, "f").fingerprints
    assert set(load(first, "f").operations[0].patch["phone"]) == {"$hidden"}  # type: ignore[arg-type]


def test_an_operation_may_be_taken_out() -> None:
    other = replace(OP, lid="l2")
    lines = dump(plan_of(OP, other), sync_of(contact()), "L1", 1).splitlines()
    kept = [line.rstrip(",") if '"lid":"l2"' in line else line for line in lines if '"lid":"l1"' not in line]
    assert load("\n".join(kept), "plan.json").fingerprints == (fingerprint(other),)


def test_an_empty_plan_has_a_file_too() -> None:
    assert load(dump(plan_of(), sync_of(contact()), "L1", 1), "plan.json").operations == ()


def edited(change: Callable[[dict[str, Any]], Any]) -> str:
    found = from_json(dump(plan_of(OP), sync_of(contact(sensitive=("phone",))), "L1", 1))
    replaced = change(found)
    return json.dumps(found if replaced is None else replaced)


def put(*path: Any) -> Callable[[dict[str, Any]], None]:
    *way, last, value = path

    def change(found: Any) -> None:
        for step in way:
            found = found[step]
        found[last] = value

    return change


def drop(*path: Any) -> Callable[[dict[str, Any]], None]:
    *way, last = path

    def change(found: Any) -> None:
        for step in way:
            found = found[step]
        del found[last]

    return change


MISTAKES: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda _: [], "plan.json: this is no plan of Antiphon"),
    (lambda _: "plan", "plan.json: this is no plan of Antiphon"),
    (drop("antiphon_plan"), "plan.json: this is no plan of Antiphon"),
    (put("antiphon_plan", 2), "the plan file has version 2; this installation reads version 1"),
    (put("antiphon_plan", True), "the plan file has version true; this installation reads version 1"),
    (put("antiphon_plan", "1"), 'the plan file has version "1"; this installation reads version 1'),
    (drop("ledger"), "ledger is missing"),
    (put("ledger", 7), "ledger is a number, not a text"),
    (drop("mapping_version"), "mapping_version is missing"),
    (put("made_at", None), "made_at is null, not a text"),
    (drop("operations"), "operations is missing"),
    (put("operations", {}), "operations is an object, not a list"),
    (put("operations", ["x"]), "operations[0] is a text, not an object"),
    (drop("operations", 0, "fingerprint"), "operations[0].fingerprint is missing"),
    (put("operations", 0, "lid", False), "operations[0].lid is a boolean, not a text"),
    (put("operations", 0, "kind", "upsert"), "operations[0].kind is 'upsert'; it may be create, update, delete"),
    (put("operations", 0, "patch", []), "operations[0].patch is a list, not an object"),
    (put("operations", 0, "reasons", "city", 1), "operations[0].reasons.city is a number, not a text"),
    (put("operations", 0, "patch", "city", "Parma"), "operations[0] was edited"),
    (put("operations", 0, "patch", "phone", "557"), "operations[0] was edited"),
    (put("operations", 0, "expect", {}), "operations[0] was edited"),
    (put("operations", 0, "side", "warehouse"), "operations[0] was edited"),
    (put("operations", 0, "fingerprint", "000000000000"), "operations[0] was edited"),
    (
        lambda found: put("operations", found["operations"] * 2)(found),
        f"the operation {fingerprint(OP)} stands in it twice",
    ),
]


@pytest.mark.parametrize(("change", "says"), MISTAKES, ids=range(len(MISTAKES)))
def test_a_damaged_file_is_refused_with_the_place(change: Callable[[dict[str, Any]], Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(edited(change), "plan.json")
    assert caught.value.message.startswith("plan.json: ")
    assert says in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("text", ["", "{", "plan", '{"antiphon_plan": 1', "\ud800"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"plan\.json: this is no JSON"):
        load(text, "plan.json")
