"""What every store keeps: the twin in memory, SQLite in memory, SQLite in a file, PostgreSQL."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antiphon.errors import LedgerError
from antiphon.ledger import Store
from antiphon.ledger.tables import AUDIT, BASE, INSTANCE, LINK, MATCH_KEY, MEMBER, OBS, OUTBOX, TABLES, Table
from antiphon.model import (
    MISSING,
    Audit,
    Bases,
    Cause,
    Instance,
    LinkState,
    MatchKey,
    Observation,
    OpState,
    RecordState,
    replace,
)
from tests.ledger.rows import base, link, member, nasty, obs, op, put


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(data=st.data())
def test_a_row_comes_back_as_it_went_in(store: Store, table: Table[Any], data: st.DataObject) -> None:
    row = data.draw(nasty(table))
    key = table.key_of(row)
    put(store, table, row)
    assert store.get(table, [key]) == {key: row}
    for index in table.indexes:
        if (entry := table.entry_of(index, row)) is None:
            continue
        assert row in store.find(table, index, [entry])
        assert store.count(table, index, entry) == len(store.find(table, index, [entry]))
    with store.transaction():
        store.remove(table, [key])
    assert store.get(table, [key]) == {}


def test_types_come_back_and_not_only_equal_values(store: Store) -> None:
    shown = replace(
        obs("[1]"),
        fields={"amount": Decimal("1.50"), "yes": True, "one": 1, "none": None, "list": [Decimal("0.1"), {"a": []}]},
        dirty={"amount": (3, 4)},
        field_times={"amount": 5},
    )
    put(store, OBS, shown)
    put(store, OUTBOX, op("o1", "l1"))
    back = store.get(OBS, [shown.key])[shown.key]
    assert repr(sorted(back.fields.items())) == repr(sorted(shown.fields.items()))
    assert back.dirty == {"amount": (3, 4)}
    assert type(back.dirty["amount"]) is tuple
    assert type(back.touched) is bool
    assert back.state is RecordState.LIVE
    stored = store.find(OUTBOX, "lid", [("l1",)])[0]
    assert stored.deps == ("l8", "l9")
    assert stored.state is OpState.PLANNED


@pytest.mark.parametrize("previous", [MISSING, None, "", "null", 0, False, [], {}, "missing"], ids=repr)
def test_null_is_not_missing(store: Store, previous: Any) -> None:
    put(store, BASE, Bases("l1", {"name": {"crm": replace(base(None), previous=previous)}}))
    back = store.get(BASE, [("l1",)])[("l1",)].fields["name"]["crm"]
    assert back.value is None
    assert (type(back.previous), back.previous) == (type(previous), previous)


def test_null_beside_nothing_in_audit(store: Store) -> None:
    row = Audit("l1", "crm", None, None, {"a": [None, Decimal("2.5")]}, Cause.DELETED, "o1", "r1", 9, seq=3)
    put(store, AUDIT, row)
    assert store.get(AUDIT, [(3,)]) == {(3,): row}


def test_put_replaces_the_row_with_the_same_key(store: Store) -> None:
    put(store, OBS, obs("[1]", touched=True), obs("[2]"))
    put(store, OBS, replace(obs("[1]"), state=RecordState.GONE), replace(obs("[1]"), version="last of two"))
    assert [row.version for row in store.scan(OBS)] == ["last of two", None]
    assert store.find(OBS, "touched", [(True,)]) == []


def test_pick_gives_some_columns_of_what_get_and_find_would_give(store: Store) -> None:
    put(store, OBS, *(replace(obs(f"[{n}]", touched=n % 2 == 0), line=None if n else "mark") for n in range(300)))
    put(store, OBS, obs("[1]", side="wh"))
    names = ("rid", "state", "touched", "line")
    live = store.pick(OBS, names, "live", [("crm", "contact", RecordState.LIVE)])
    picked = sorted((f"[{n}]", RecordState.LIVE, n % 2 == 0, None if n else "mark") for n in range(300))
    assert sorted(live) == picked
    assert sorted(store.pick(OBS, names, "touched", [(True,)])) == [row for row in picked if row[2]]
    keys = [("crm", "contact", f"[{n}]") for n in (7, 8, 900, 7)]
    found = list(store.pick(OBS, ("touched", "rid"), None, keys))
    assert sorted(found) == [(False, "[7]"), (True, "[8]")]
    assert all(type(touched) is bool for touched, _ in found)


def test_get_gives_what_exists_in_the_order_asked(store: Store) -> None:
    put(store, LINK, *(link(f"l{n}") for n in range(300)))
    asked = [("l7",), ("nobody",), ("l299",), ("l0",), ("l7",)] + [(f"l{n}",) for n in range(299, 100, -1)]
    found = store.get(LINK, iter(asked))
    assert list(found) == list(dict.fromkeys(key for key in asked if key != ("nobody",)))
    assert all(row.lid == key[0] for key, row in found.items())
    assert store.get(LINK, []) == {}


def test_find_gives_rows_once_and_in_the_order_of_keys(store: Store) -> None:
    ids = [(f"l{n:03}", rid, side) for n in range(250) for rid in "ba" for side in ("wh", "crm")]
    put(store, MEMBER, *(member(lid, rid, side=side, held=False) for lid, rid, side in ids))
    wanted = [(f"l{n:03}",) for n in range(249, -1, -1)]
    rows = store.find(MEMBER, "lid", iter(wanted + wanted[:30]))
    assert [MEMBER.key_of(row) for row in rows] == sorted(MEMBER.key_of(row) for row in rows)
    assert len(rows) == 1000
    put(store, MATCH_KEY, *(MatchKey("crm", "contact", "1", rule, "a@x") for rule in (1, 0)))
    assert store.find(MATCH_KEY, "record", [("crm", "contact", "1"), ("crm", "contact", "2"), ("wh", "a", "1")]) == [
        MatchKey("crm", "contact", "1", 0, "a@x"),
        MatchKey("crm", "contact", "1", 1, "a@x"),
    ]
    assert store.find(MEMBER, "lid", []) == []


def test_order_is_that_of_code_points(store: Store) -> None:
    lids = ["", "Z", "a", "é", "\uffff", "😀", "\U0010ffff", "aa", "a\x00", "1", "10", "9"]
    put(store, LINK, *(link(lid) for lid in lids))
    assert [row.lid for row in store.scan(LINK)] == sorted(lids)
    assert [row.lid for row in store.find(LINK, "state", [("contact", LinkState.ACTIVE)])] == sorted(lids)


def test_find_by_booleans_both_ways(store: Store) -> None:
    put(store, OBS, obs("[1]", touched=True), obs("[2]"), obs("[3]", touched=True))
    assert [row.rid for row in store.find(OBS, "touched", [(True,)])] == ["[1]", "[3]"]
    assert [row.rid for row in store.find(OBS, "touched", [(False,)])] == ["[2]"]
    assert [row.rid for row in store.find(OBS, "touched", [(True,), (False,)])] == ["[1]", "[2]", "[3]"]
    put(store, MEMBER, member("l1", "[1]", held=False), member("l2", "[1]"), member("l3", "[1]", held=False))
    holders = ("crm", "contact", "[1]")
    assert [row.lid for row in store.find(MEMBER, "holder", [(*holders, True)])] == ["l2"]
    assert [row.lid for row in store.find(MEMBER, "holder", [(*holders, False)])] == ["l1", "l3"]


def test_find_by_null(store: Store) -> None:
    put(store, LINK, link("l1"), link("l2", alias_of="l1"), link("l3", alias_of="None"))
    assert [row.lid for row in store.find(LINK, "alias", [(None,)])] == ["l1"]
    assert [row.lid for row in store.find(LINK, "alias", [(None,), ("l1",)])] == ["l1", "l2"]
    assert store.count(LINK, "alias", (None,)) == 1


def test_count(store: Store) -> None:
    put(store, OUTBOX, op("o1", "l1"), op("o2", "l2", OpState.SENT), op("o3", "l3"))
    assert store.count(OUTBOX, "state", ("crm", OpState.PLANNED)) == 2
    assert store.count(OUTBOX, "state", ("wh", OpState.PLANNED)) == 0


def test_remove_forgets_what_exists(store: Store) -> None:
    put(store, OBS, obs("[1]", touched=True), obs("[2]", touched=True))
    with store.transaction():
        store.remove(OBS, [("crm", "contact", "[1]"), ("crm", "contact", "[9]")])
        store.remove(OBS, [])
    assert [row.rid for row in store.find(OBS, "touched", [(True,)])] == ["[2]"]


def test_scan_shows_every_row_by_key_and_does_not_mind_writes(store: Store) -> None:
    put(store, MATCH_KEY, *(MatchKey("crm", "contact", f"[{n % 3000}]", n // 3000, f"k{n}") for n in range(12_000)))
    seen = []
    for row in store.scan(MATCH_KEY):
        seen.append(MATCH_KEY.key_of(row))
        if len(seen) % 4000 == 1:
            put(store, MATCH_KEY, replace(row, key="changed"))
    assert seen == sorted(seen)
    assert len(seen) == 12_000
    assert list(store.scan(OUTBOX)) == []


def test_a_transaction_reads_what_it_wrote(store: Store) -> None:
    with store.transaction():
        store.put(OBS, [obs("[1]", touched=True)])
        assert store.find(OBS, "touched", [(True,)]) == [obs("[1]", touched=True)]
        store.remove(OBS, [("crm", "contact", "[1]")])
        assert list(store.scan(OBS)) == []


def _write_and_raise(store: Store, error: type[BaseException]) -> None:
    store.put(OBS, [obs("[1]", touched=True), obs("[3]", touched=True), obs("[1]", state=RecordState.GONE)])
    store.remove(OBS, [("crm", "contact", "[2]")])
    store.put(MEMBER, [member("l1", "[1]", held=False), member("l2", "[1]")])
    raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failed_transaction_leaves_no_trace(store: Store, error: type[BaseException]) -> None:
    put(store, OBS, obs("[1]"), obs("[2]", touched=True))
    put(store, MEMBER, member("l1", "[1]"))
    with pytest.raises(error), store.transaction():
        _write_and_raise(store, error)
    assert list(store.scan(OBS)) == [obs("[1]"), obs("[2]", touched=True)]
    assert store.find(OBS, "touched", [(True,)]) == [obs("[2]", touched=True)]
    assert store.count(OBS, "live", ("crm", "contact", RecordState.LIVE)) == 2
    assert store.find(MEMBER, "holder", [("crm", "contact", "[1]", True)]) == [member("l1", "[1]")]
    put(store, OBS, obs("[4]"))  # and the next one works
    assert store.count(OBS, "live", ("crm", "contact", RecordState.LIVE)) == 3


def test_transactions_are_not_nested(store: Store) -> None:
    with store.transaction():
        with pytest.raises(RuntimeError, match="not nested"), store.transaction():
            pass
        store.put(LINK, [link("l1")])
    assert list(store.scan(LINK)) == [link("l1")]


def test_writes_happen_in_transactions(store: Store) -> None:
    with pytest.raises(RuntimeError, match="happen in transactions"):
        store.put(LINK, [link("l1")])
    with pytest.raises(RuntimeError, match="happen in transactions"):
        store.remove(LINK, [("l1",)])
    assert list(store.scan(LINK)) == []


def test_one_link_holds_a_record(store: Store) -> None:
    put(store, MEMBER, member("l1", "[1]"), member("l2", "[1]", held=False), member("l2", "[1]", side="wh"))
    with pytest.raises(LedgerError, match="contradict"), store.transaction():
        store.put(MEMBER, [member("l3", "[2]"), member("l2", "[1]")])
    assert [m.lid for m in store.scan(MEMBER) if m.held] == ["l1", "l2"]
    assert store.find(MEMBER, "holder", [("crm", "contact", "[2]", True)]) == []


def test_a_record_freed_and_taken_in_one_put(store: Store) -> None:
    put(store, MEMBER, member("l1", "[1]"))
    put(store, MEMBER, member("l1", "[1]", held=False), member("l2", "[1]"), member("l2", "[1]"))
    assert [row.lid for row in store.find(MEMBER, "holder", [("crm", "contact", "[1]", True)])] == ["l2"]


def test_much_at_once(store: Store) -> None:
    many: list[Observation] = [obs(f"[{n}]", touched=n % 2 == 0) for n in range(12_345)]
    put(store, OBS, *many)
    put(store, MEMBER, *(member(f"l{n}", row.rid) for n, row in enumerate(many)))
    assert len(store.find(OBS, "touched", [(True,)])) == 6173
    assert list(store.get(OBS, [row.key for row in many]).values()) == many
    held = store.find(MEMBER, "holder", [(*row.key, True) for row in many])
    assert {m.rid for m in held} == {row.rid for row in many}
    with store.transaction():
        store.remove(OBS, [row.key for row in many[1:]])
    assert list(store.scan(OBS)) == many[:1]


def test_the_largest_and_smallest_numbers_of_a_column(store: Store) -> None:
    row = Instance("i", "n", 2**63 - 1, epoch=-(2**63))
    put(store, INSTANCE, row)
    assert list(store.scan(INSTANCE)) == [row]


def test_the_latest_rows_come_one_by_one_however_many_there_are(store: Store) -> None:
    put(store, OUTBOX, *(op(f"o{n:03}", "l1", OpState.ACKED, acked_at=n // 2) for n in range(60)))
    put(store, OUTBOX, op("never", "l1"), op("other", "l1", OpState.ACKED, side="warehouse", acked_at=99))
    latest = store.latest(OUTBOX, "acked", ("l1", "crm"))
    assert [row.op_id for row in latest] == [f"o{n:03}" for n in reversed(range(60))]
    assert next(iter(store.latest(OUTBOX, "acked", ("l1", "warehouse")))).op_id == "other"
    assert list(store.latest(OUTBOX, "acked", ("l2", "crm"))) == []
    asked = [("l1", "crm"), ("l2", "crm"), ("l1", "warehouse")] * 50
    assert store.newest(OUTBOX, "acked", asked) == {("l1", "crm"): 29, ("l1", "warehouse"): 99}


@pytest.mark.parametrize(("least", "found"), [(0, 60), (1, 58), (25, 10), (26, 8), (29, 2), (30, 0)])
def test_the_latest_rows_since_then_are_all_that_come(store: Store, least: int, found: int) -> None:
    put(store, OUTBOX, *(op(f"o{n:03}", "l1", OpState.ACKED, acked_at=n // 2) for n in range(60)))
    latest = [row.op_id for row in store.latest(OUTBOX, "acked", ("l1", "crm"), least)]
    assert latest == [f"o{n:03}" for n in reversed(range(60 - found, 60))]
