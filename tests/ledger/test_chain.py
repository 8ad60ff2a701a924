"""The audit's chain: whatever is done to a row behind the ledger's back is seen, and the row is named."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antiphon.ledger import Ledger
from antiphon.ledger.chain import check_chain
from antiphon.ledger.memory import MemoryStore
from antiphon.ledger.sql import open_store
from antiphon.ledger.tables import AUDIT, INSTANCE, LINK
from antiphon.model import Audit, Cause, LinkState, replace
from tests.ledger.rows import link, nasty, put

SECRET = "5e" * 32


def audit(n: int) -> Audit:
    return Audit("l1", "crm", "city", f"Rome {n}", f"Turin {n}", Cause.DELIVERED, f"op{n}", "r1", n)


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    made = Ledger(open_store("sqlite://"))
    made.create(ledger_id="0001", name="contacts", now=1, secret=SECRET)
    for first in (1, 4):
        with made.transaction():
            made.put(audit(n) for n in range(first, first + 3))
    yield made
    made.close()


def faults(ledger: Ledger) -> list[str]:
    return list(check_chain(ledger.store).faults)


def rows(ledger: Ledger) -> dict[int, Audit]:
    return {row.seq: row for row in ledger.store.scan(AUDIT)}


def test_an_audit_that_nobody_touched_is_whole(ledger: Ledger) -> None:
    checked = check_chain(ledger.store)
    assert (checked.rows, checked.faults) == (6, ())
    assert checked.head == rows(ledger)[6].chain


def test_an_empty_audit_is_whole() -> None:
    made = Ledger(MemoryStore())
    made.create(ledger_id="0001", name="contacts", now=1)
    assert check_chain(made.store).faults == ()


@pytest.mark.parametrize(
    "change",
    [
        {"cause": Cause.SUPERSEDED},
        {"at": 99},
        {"field": None},
        {"lid": "l2"},
        {"run_id": "r2"},
        {"op_id": ""},
        {"side": "warehouse"},
        {"old_digest": "00" * 16},
        {"chain": "00" * 16},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_changed_row_is_named(ledger: Ledger, change: dict[str, Any]) -> None:
    put(ledger.store, AUDIT, replace(rows(ledger)[3], **change))
    assert "audit row 3" in faults(ledger)[0]
    assert not any("audit row 6" in fault for fault in faults(ledger))


@pytest.mark.parametrize("name", ["old", "new"])
@pytest.mark.parametrize("value", ["Milan", None, ["Rome 3"]])
def test_a_changed_value_is_named(ledger: Ledger, name: str, value: Any) -> None:
    put(ledger.store, AUDIT, replace(rows(ledger)[3], **{name: value}))
    assert faults(ledger) == [f"audit row 3: its {name} value was changed"]


@pytest.mark.parametrize(
    ("removed", "fault"),
    [
        ([1], "audit row 1 was removed"),
        ([3, 4], "audit rows 3 to 4 were removed"),
        ([6], "audit row 6 was removed"),
        ([1, 2, 3, 4, 5, 6], "audit rows 1 to 6 were removed"),
    ],
)
def test_removed_rows_are_named(ledger: Ledger, removed: list[int], fault: str) -> None:
    with ledger.store.transaction():
        ledger.store.remove(AUDIT, [(seq,) for seq in removed])
    assert faults(ledger) == [fault]


def swapped(ledger: Ledger) -> None:
    two, three = rows(ledger)[2], rows(ledger)[3]
    put(ledger.store, AUDIT, replace(two, seq=3), replace(three, seq=2))


def moved_up_into_the_gap(ledger: Ledger) -> None:
    moved = [replace(row, seq=seq - 1) for seq, row in rows(ledger).items() if seq > 2]
    with ledger.store.transaction():
        ledger.store.remove(AUDIT, [(6,)])
        ledger.store.put(AUDIT, moved)


def invented_at_the_end(ledger: Ledger) -> None:
    put(ledger.store, AUDIT, replace(rows(ledger)[6], seq=7))


def cut_with_the_head_moved(ledger: Ledger) -> None:
    with ledger.store.transaction():
        ledger.store.remove(AUDIT, [(6,)])
        ledger.store.put(INSTANCE, [replace(ledger.instance, audit_seq=5)])


@pytest.mark.parametrize(
    ("spoil", "named"),
    [(swapped, {2, 3}), (moved_up_into_the_gap, {2, 6}), (invented_at_the_end, {7}), (cut_with_the_head_moved, {5})],
    ids=lambda case: getattr(case, "__name__", ""),
)
def test_rows_in_the_wrong_place_are_named(ledger: Ledger, spoil: Callable[[Ledger], None], named: set[int]) -> None:
    spoil(ledger)
    told = " ".join(faults(ledger))
    assert all(f"row {seq}" in told for seq in named), told


def test_the_chain_outlives_the_values_of_an_erased_record_and_of_no_other(ledger: Ledger) -> None:
    put(ledger.store, LINK, link("l1"))
    put(ledger.store, AUDIT, replace(rows(ledger)[3], old=None, new=None))
    assert len(faults(ledger)) == 2
    put(ledger.store, LINK, link("l1", LinkState.ERASED))
    assert faults(ledger) == []


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(nasty(AUDIT), min_size=1, max_size=5))
def test_whatever_values_are_kept_the_chain_holds(kind: str, written: list[Audit]) -> None:
    made = Ledger(MemoryStore() if kind == "memory" else open_store("sqlite://"))
    made.create(ledger_id="0001", name="contacts", now=1, secret=SECRET)
    with made.transaction():
        made.put(written)
    assert faults(made) == []
    made.close()
