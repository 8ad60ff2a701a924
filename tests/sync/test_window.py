"""Guards over time: many small rounds may not do what one round may not."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon.ledger import Ledger
from antiphon.ledger.memory import MemoryStore
from antiphon.mapping import Guards, Limit, Mapping
from antiphon.model import Link, LinkState, Op, OpKind
from antiphon.sync.window import WINDOW, Window

MINUTE = 60_000_000


def op(number: int, kind: OpKind) -> Op:
    nothing: dict[str, Any] = {name: {} for name in ("key", "patch", "expect", "source", "reasons", "losers")}
    return Op(f"op {number}", f"l{number}", "crm", "contact", kind, **nothing, deps=(), planned_at=0, run_id="run")


@pytest.fixture
def mapping() -> Mapping:
    guards = Guards(max_delete=Limit(count=5), max_change=Limit(percent=50), max_create=Limit(count=5))
    return Mapping("sync", ("crm", "warehouse"), {"contact": None}, "1", guards)  # type: ignore[dict-item]  # not looked at


@pytest.fixture
def ledger() -> Ledger:
    ledger = Ledger(MemoryStore())
    with ledger.transaction():
        ledger.put(Link(f"l{number}", "contact", LinkState.ACTIVE, 0, f"l{number}") for number in range(20))
    return ledger


@pytest.mark.parametrize(
    ("kind", "name", "most"),
    [(OpKind.DELETE, "max_delete", 5), (OpKind.CREATE, "max_create", 5), (OpKind.UPDATE, "max_change", 10)],
)
def test_one_at_a_time_they_are_stopped_as_if_all_came_at_once(
    ledger: Ledger, mapping: Mapping, kind: OpKind, name: str, most: int
) -> None:
    window = Window()
    for number in range(most):
        assert window.check(ledger, mapping, [op(number, kind)], number) == []
    assert [guard.name for guard in window.check(ledger, mapping, [op(most, kind)], most)] == [name]


def test_what_was_done_a_quarter_of_an_hour_ago_counts_no_more(ledger: Ledger, mapping: Mapping) -> None:
    window = Window()
    for number in range(20):
        for kind in (OpKind.DELETE, OpKind.UPDATE):
            assert window.check(ledger, mapping, [op(number, kind)], number * WINDOW // 4) == []


def test_changing_the_same_link_again_is_no_other_change(ledger: Ledger, mapping: Mapping) -> None:
    window = Window()
    for number in range(100):
        assert window.check(ledger, mapping, [op(number % 3, OpKind.UPDATE)], number * MINUTE // 10) == []
