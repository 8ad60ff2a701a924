"""The ledger over every store: who may write, how rows are numbered, what the planner sees."""

import pytest

from antiphon.errors import LedgerBusy, LedgerError
from antiphon.ledger import Ledger, Store
from antiphon.ledger.tables import (
    ABSENCE,
    AUDIT,
    BASE,
    CONFLICT,
    CURSOR,
    LINK,
    MATCH_KEY,
    MEMBER,
    OBS,
    TOMBSTONE,
)
from antiphon.model import (
    Absence,
    Audit,
    Bases,
    Cause,
    Conflict,
    ConflictKind,
    ConflictState,
    Cursor,
    LinkState,
    MatchKey,
    OpState,
    RecordState,
    Tombstone,
)
from tests.ledger.rows import SIDES, base, link, member, obs, op, put


def audit(lid: str, field: str = "name") -> Audit:
    return Audit(lid, "crm", field, "old", "new", Cause.DELIVERED, "o1", "r1", 9)


def conflict(cid: str, state: ConflictState) -> Conflict:
    return Conflict(cid, "l1", "contact", "name", ConflictKind.FIELD, {"crm": 1}, {}, {}, "park", "r1", 9, state=state)


# ---- the instance


def test_create_finds_what_it_created(store: Store) -> None:
    made = Ledger(store).create(ledger_id="0001", name="contacts", now=1)
    assert Ledger(store).create(ledger_id="0002", name="contacts", now=2) == made
    assert Ledger(store).instance == made


def test_create_refuses_the_ledger_of_another_sync(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="belongs to the sync 'contacts', not to 'deals'"):
        ledger.create(ledger_id="0002", name="deals", now=2)


def test_who_acquires_later_fences_the_earlier_one_off(ledger: Ledger) -> None:
    other = Ledger(ledger.store)
    assert ledger.acquire("run 1") == 1
    assert other.acquire("run 2") == 2
    with pytest.raises(LedgerBusy, match="took this ledger over"), ledger.transaction():
        ledger.put([link("l1")])
    with other.transaction():
        other.put([link("l2")])
    assert [row.lid for row in ledger.store.scan(LINK)] == ["l2"]
    assert ledger.instance.holder == "run 2"


# ---- numbers


def test_audit_rows_are_numbered_without_gaps(ledger: Ledger) -> None:
    with ledger.transaction():
        ledger.put([audit("l1"), link("l1"), audit("l2")])
    with pytest.raises(LedgerError), ledger.transaction():
        ledger.put([audit("l9"), member("l1", "[1]"), member("l2", "[1]")])
    with ledger.transaction():
        ledger.put([audit("l3")])
    assert [(row.seq, row.lid) for row in ledger.store.scan(AUDIT)] == [(1, "l1"), (2, "l2"), (3, "l3")]


def test_more_than_nine_audit_rows_stay_in_order(ledger: Ledger) -> None:
    with ledger.transaction():
        ledger.put([audit(f"l{n}") for n in range(120)])
    assert [row.lid for row in ledger.store.scan(AUDIT)] == [f"l{n}" for n in range(120)]


def test_operations_are_numbered_in_their_order(ledger: Ledger) -> None:
    with ledger.transaction():
        assert [row.seq for row in ledger.number([op("o2", "l2"), op("o1", "l1")])] == [1, 2]
    with ledger.transaction():
        assert [(row.op_id, row.seq) for row in ledger.number([op("o3", "l3")])] == [("o3", 3)]


# ---- writing


def test_a_member_is_freed_and_taken_in_one_apply(ledger: Ledger) -> None:
    put(ledger.store, MEMBER, member("l2", "[1]"))
    with ledger.transaction():
        ledger.apply([member("l1", "[1]"), member("l2", "[1]", held=False)])
    assert ledger.facts(SIDES).holder(("crm", "contact", "[1]")) == "l1"


def test_two_links_never_hold_one_record(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="contradict"), ledger.transaction():
        ledger.apply([link("l1"), member("l1", "[1]"), member("l2", "[1]")])
    assert list(ledger.store.scan(LINK)) == []
    assert list(ledger.store.scan(MEMBER)) == []


def test_dropped_bases_go_on_every_side(ledger: Ledger) -> None:
    put(ledger.store, LINK, link("l1"))
    put(ledger.store, BASE, Bases("l1", {field: {side: base(1) for side in SIDES} for field in ("name", "city")}))
    ws = ledger.workspace(["l1"])
    ws.put_base("l1", "crm", "phone", base(2))
    ws.drop_bases("l1", "name")
    ws.drop_bases("l1", "no such field")
    with ledger.transaction():
        ledger.apply_workspace(ws)
    left = ledger.facts(SIDES).bases("l1")
    assert {field: sorted(by_side) for field, by_side in left.items()} == {"city": ["crm", "wh"], "phone": ["crm"]}


def test_mark_changes_what_the_planner_looks_at(ledger: Ledger) -> None:
    put(ledger.store, OBS, obs("[1]"), obs("[2]", touched=True))
    first, second = ("crm", "contact", "[1]"), ("crm", "contact", "[2]")
    with ledger.transaction():
        ledger.apply([], touch=[first, ("crm", "contact", "nobody")], untouch=[second])
    assert ledger.facts(SIDES).touched() == [first]
    with ledger.transaction():
        ledger.mark([first], touched=False)
    assert ledger.facts(SIDES).touched() == []


def test_a_workspace_is_stored_whole(ledger: Ledger) -> None:
    put(ledger.store, OBS, obs("[1]", touched=True))
    ws = ledger.workspace(SIDES)
    ws.put_link(link("l1"))
    ws.put_member(link("l1"), "crm", "[1]")
    ws.put_base("l1", "crm", "name", base("Ada"))
    ws.audits.append(audit("l1"))
    ws.untouch.add(("crm", "contact", "[1]"))
    with ledger.transaction():
        ledger.apply_workspace(ws)
    facts = ledger.facts(SIDES)
    assert facts.touched() == []
    assert facts.holder(("crm", "contact", "[1]")) == "l1"
    assert facts.bases("l1") == {"name": {"crm": base("Ada")}}
    assert [row.seq for row in ledger.store.scan(AUDIT)] == [1]


# ---- reading


def test_open_operations_and_totals(ledger: Ledger) -> None:
    with ledger.transaction():
        ledger.put([op(f"o{n}", f"l{n}", state) for n, state in enumerate(OpState)])
        ledger.put([link("l1"), link("l2"), link("l3", LinkState.TOMBSTONE), link("l4", LinkState.PARKED)])
    assert {row.state for row in ledger.open_ops("crm")} == {OpState.PLANNED, OpState.INFLIGHT, OpState.SENT}
    assert ledger.open_ops("wh") == []
    assert (ledger.linked("contact"), ledger.linked("contact", 2), ledger.linked("deal")) == (3, 2, 0)
    assert ledger.totals() == {"active": 2, "tombstone": 1, "parked": 1}
    assert ledger.get(LINK, "l3") == link("l3", LinkState.TOMBSTONE)
    assert ledger.get(LINK, "l9") is None


@pytest.mark.parametrize("state", OpState)
def test_records_with_a_write_in_doubt_are_looked_at(ledger: Ledger, state: OpState) -> None:
    with ledger.transaction():
        ledger.put([obs("[1]"), obs("[7]", side="wh"), obs("[8]"), obs("[2]", touched=True)])
        ledger.put([link("l1"), member("l1", "[1]"), member("l1", "[7]", side="wh"), member("l1", "[8]", held=False)])
        ledger.put([op("o1", "l1", state)])
    in_doubt = (
        [("crm", "contact", "[1]"), ("wh", "contact", "[7]")] if state in (OpState.SENT, OpState.INFLIGHT) else []
    )
    assert ledger.facts(SIDES).touched() == sorted([*in_doubt, ("crm", "contact", "[2]")])


def test_matching_shows_live_records_only(ledger: Ledger) -> None:
    with ledger.transaction():
        for n, state in enumerate(RecordState):
            ledger.put([obs(f"[{n}]", state=state), MatchKey("crm", "contact", f"[{n}]", 0, "ada@example.com")])
        ledger.put([obs("[8]"), MatchKey("crm", "contact", "[8]", 0, "ada@example.com")])
        ledger.put([obs("[9]"), MatchKey("crm", "contact", "[9]", 1, "ada@example.com")])
        ledger.put([MatchKey("crm", "contact", "never shown", 0, "ada@example.com")])
    facts = ledger.facts(SIDES)
    assert facts.matching("contact", "crm", 0, "ada@example.com") == {"[0]", "[8]"}
    assert facts.matching("contact", "wh", 0, "ada@example.com") == frozenset()
    assert facts.match_keys(("crm", "contact", "[9]")) == {1: "ada@example.com"}


def test_the_planner_sees_a_link_with_all_that_hangs_on_it(ledger: Ledger) -> None:
    with ledger.transaction():
        ledger.put(
            [obs("[1]", touched=True), link("l1"), member("l1", "[1]"), member("l1", "[9]", side="wh", held=False)]
        )
        ledger.put(
            [link("l2", LinkState.ALIAS, alias_of="l1"), Bases("l1", {"name": {"crm": base("Ada")}}), op("o1", "l1")]
        )
        ledger.put([op("o2", "l1", OpState.ACKED, side="wh"), *map(conflict, "abc", ConflictState)])
        ledger.put([Tombstone("crm", "contact", "[1]", "l0", None, 3, "archived")])
        ledger.put([Absence("crm", "contact", "[1]", 1, pending=True), Cursor("crm", "contact", {"bookmark": "x"})])
    facts = ledger.facts(SIDES)
    key = ("crm", "contact", "[1]")
    assert facts.observation(key) == obs("[1]", touched=True)
    assert facts.holder(key) == "l1"
    assert facts.link("l1") == link("l1")
    assert facts.link("l9") is None
    assert facts.members("l1") == {"crm": "[1]"}
    assert facts.bases("l1") == {"name": {"crm": base("Ada")}}
    assert facts.ops("l1") == {"crm": op("o1", "l1")}
    assert [row.cid for row in facts.conflicts("l1")] == ["a", "b"]
    assert facts.aliases("l1") == ("l2",)
    assert facts.tombstone(key) == ledger.get(TOMBSTONE, *key)
    assert facts.absent(key)
    assert not facts.absent(("crm", "contact", "[2]"))
    assert facts.cursor("crm", "contact") == ledger.get(CURSOR, "crm", "contact")
    assert facts.cursor("wh", "contact") is None
    assert ledger.get(ABSENCE, *key) == Absence("crm", "contact", "[1]", 1, pending=True)
    assert ledger.get(CONFLICT, "c") == conflict("c", ConflictState.CLOSED)
    assert list(ledger.store.scan(MATCH_KEY)) == []
