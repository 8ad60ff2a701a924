"""Rows to store: short ones by hand, nasty ones by hypothesis from the type hints of the row classes."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st
from msgspec.structs import fields

from antiphon.ledger.store import Store
from antiphon.ledger.tables import Table
from antiphon.model import (
    MISSING,
    Base,
    BaseStatus,
    Link,
    LinkState,
    Member,
    Missing,
    Observation,
    Op,
    OpKind,
    OpState,
    RecordState,
    Value,
)

SIDES = ("crm", "wh")


def put(store: Store, table: Table[Any], *rows: Any) -> None:
    with store.transaction():
        store.put(table, rows)


def obs(rid: str, *, side: str = "crm", touched: bool = False, state: RecordState = RecordState.LIVE) -> Observation:
    return Observation(side, "contact", rid, state, {"id": rid}, "hash", 1, 2, touched=touched)


def link(lid: str, state: LinkState = LinkState.ACTIVE, *, alias_of: str | None = None) -> Link:
    return Link(lid, "contact", state, 1, f"key-{lid}", alias_of=alias_of)


def member(lid: str, rid: str, *, side: str = "crm", held: bool = True) -> Member:
    return Member(lid, side, "contact", rid, held)


def base(value: Value) -> Base:
    return Base(value, "m1")


def op(op_id: str, lid: str, state: OpState = OpState.PLANNED, *, side: str = "crm", acked_at: int | None = None) -> Op:
    return Op(
        op_id,
        lid,
        side,
        "contact",
        OpKind.UPDATE,
        key={"id": 7},
        patch={"name": "Ada"},
        expect={"name": None},
        source={"name": "Ada"},
        reasons={"name": "only wh changed"},
        losers={},
        deps=("l8", "l9"),
        planned_at=5,
        run_id="r1",
        state=state,
        acked_at=acked_at,
    )


def nasty(table: Table[Any]) -> st.SearchStrategy[Any]:
    """Rows of a table with whatever their types allow."""
    hints = get_type_hints(table.row)
    return st.builds(table.row, **{f.name: _of_type(hints[f.name]) for f in fields(table.row)})


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["", "null", "\x00", "'; --", "\u2028", "é", "e\u0301", "😀", "1", "true", "%s", "?", ":name"]
)
_INT = st.integers(-(2**63), 2**63 - 1)
_SCALAR = (
    st.none()
    | st.booleans()
    | st.integers()
    | _TEXT
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.sampled_from([Decimal("1.50"), Decimal("1E+400"), Decimal("0.1"), 2**70, "MISSING", "missing"])
)
_VALUE = st.recursive(
    _SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3), max_leaves=6
)


def _of_type(hint: Any) -> st.SearchStrategy[Any]:
    if hint in (Any, Value):
        return _VALUE
    if hint == Value | Missing:
        return _VALUE | st.just(MISSING)
    if get_origin(hint) in (Union, UnionType):
        return st.one_of(*(_of_type(part) for part in get_args(hint)))
    if get_origin(hint) is Mapping:
        return st.dictionaries(_TEXT, _of_type(get_args(hint)[1]), max_size=3)
    if get_origin(hint) is tuple:
        first, *others = get_args(hint)
        if others == [...]:
            return st.lists(_of_type(first), max_size=3).map(tuple)
        return st.tuples(*(_of_type(part) for part in get_args(hint)))
    if hint is Base:
        return st.builds(Base, _VALUE, _TEXT, st.sampled_from(BaseStatus), _VALUE | st.just(MISSING), st.none() | _TEXT)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return st.sampled_from(hint)
    return {str: _TEXT, int: _INT, bool: st.booleans(), NoneType: st.none()}[hint]
