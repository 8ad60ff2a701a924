"""The order of sending: parents first, deletions last and children first; circles end."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from antiphon.model import Op, OpKind
from antiphon.plan.order import in_order
from tests.kernel.facts import CRM, WAREHOUSE

ENTITIES = ["company", "contact", "note"]


def op(name: str, entity: str = "contact", kind: OpKind = OpKind.CREATE, *deps: str, **options: Any) -> Op:
    given: dict[str, Any] = {"side": CRM, "patch": {}, **options}
    return Op(
        op_id=f"op-{name}",
        lid=name,
        entity=entity,
        kind=kind,
        key={},
        expect={},
        source={},
        reasons={},
        losers={},
        deps=deps,
        planned_at=0,
        run_id="run",
        **given,
    )


def levels(*ops: Op) -> list[list[str]]:
    return [[each.lid for each in level] for level in in_order(ops, ENTITIES)]


def test_nothing_has_no_order() -> None:
    assert levels() == []


def test_what_others_name_goes_first() -> None:
    child, parent = op("child", "contact", OpKind.CREATE, "parent"), op("parent", "company")

    assert levels(child, parent) == [["parent"], ["child"]]


def test_an_update_waits_for_the_record_that_it_names() -> None:
    assert levels(op("a", "company", OpKind.UPDATE, "b"), op("b", "note")) == [["b"], ["a"]]


def test_a_chain_takes_a_level_for_each_link() -> None:
    chain = [op("a", "contact", OpKind.CREATE, "b"), op("b", "contact", OpKind.CREATE, "c"), op("c")]

    assert levels(*chain) == [["c"], ["b"], ["a"]]


def test_a_chain_may_be_longer_than_the_stack_is_deep() -> None:
    length = 5000
    chain = [op(str(number), "contact", OpKind.CREATE, str(number + 1)) for number in range(length)]

    assert levels(*chain) == [[str(number)] for number in reversed(range(length))]


def test_what_is_created_elsewhere_or_not_at_all_is_not_waited_for() -> None:
    there = op("b", side=WAREHOUSE)

    assert levels(op("a", "contact", OpKind.CREATE, "b", "stranger"), there) == [["a", "b"]]


def test_a_circle_ends() -> None:
    circle = [op("a", "contact", OpKind.CREATE, "b"), op("b", "contact", OpKind.CREATE, "a")]

    assert sorted(lid for level in levels(*circle) for lid in level) == ["a", "b"]


def test_a_record_that_names_itself_waits_for_nobody() -> None:
    assert levels(op("a", "contact", OpKind.CREATE, "a")) == [["a"]]


def test_deletions_go_last_and_children_first() -> None:
    gone = [op(name, name, OpKind.DELETE) for name in ENTITIES]

    assert levels(*gone, op("new")) == [["new"], ["note"], ["contact"], ["company"]]


def test_within_a_level_operations_of_one_shape_stand_together() -> None:
    ops = [
        op("1", "contact", OpKind.UPDATE, patch={"b": 1}),
        op("2", "contact", OpKind.UPDATE, patch={"a": 1}),
        op("3", "contact", OpKind.UPDATE, patch={"b": 2}),
        op("4", "company", OpKind.UPDATE, patch={"z": 1}),
        op("5", "unknown", OpKind.UPDATE, patch={}),
    ]

    assert levels(*ops) == [["4", "2", "1", "3", "5"]]


graphs = st.dictionaries(
    st.sampled_from("abcdef"),
    st.tuples(st.sampled_from(ENTITIES), st.sampled_from(OpKind), st.sets(st.sampled_from("abcdef"))),
    max_size=6,
)


@given(graphs, st.randoms(use_true_random=False))
def test_every_operation_has_one_place_whatever_the_order_it_came_in(graph: dict[str, Any], random: Any) -> None:
    ops = [op(name, entity, kind, *sorted(deps)) for name, (entity, kind, deps) in graph.items()]
    found = levels(*ops)

    random.shuffle(ops)

    assert levels(*ops) == found
    assert sorted(lid for level in found for lid in level) == sorted(graph)
