"""A value on its way to the other side keeps its meaning and takes on the receiver's words."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.equivalence import canon, kind_of
from antiphon.mapping import Field, SetUnion
from antiphon.model import Rid, Side, Value
from antiphon.represent import as_type, reference, referenced, represent
from tests.kernel.facts import CRM, WAREHOUSE, field, law, side

LINKS = {("company", CRM, "[7]"): "acme"}
TEXT, NUMBER, INTEGER = {"type": ["null", "string"]}, {"type": "number"}, {"type": ["integer", "null"]}
BOOLEAN, ARRAY = {"type": "boolean"}, {"type": "array"}


def resolve(entity: str, where: Side, rid: Rid) -> str | None:
    return LINKS.get((entity, where, rid))


def sent(
    given: Field,
    value: Value,
    schema: Mapping[str, Any] | None = None,
    *,
    members: Mapping[tuple[str, Side], Rid] | None = None,
) -> Value:
    """What the warehouse is sent for a value of the CRM."""
    sides = {CRM: side(), WAREHOUSE: side(columns={given.columns[WAREHOUSE]: schema or {}})}
    known = members or {}
    return represent(given, CRM, WAREHOUSE, value, sides, resolve, lambda lid, where: known.get((lid, where)))


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        (TEXT, 7, "7"),
        (TEXT, Decimal("1.50"), "1.50"),
        (TEXT, True, "true"),
        (TEXT, False, "false"),
        (TEXT, {"b": 1, "a": 2}, '{"a":2,"b":1}'),
        (TEXT, ["a"], '["a"]'),
        (TEXT, "as it is", "as it is"),
        ({"type": "string", "format": "date"}, "2026-11-20", "2026-11-20"),
        (NUMBER, "7", 7),
        (NUMBER, " 1.50 ", Decimal("1.50")),
        (NUMBER, "7.0", Decimal("7.0")),
        (NUMBER, "1e2", 100),
        (NUMBER, "1e400", Decimal("1e400")),
        (NUMBER, "seven", "seven"),
        (NUMBER, "NaN", "NaN"),
        (NUMBER, "1_0", "1_0"),
        (NUMBER, True, 1),
        (NUMBER, False, 0),
        (INTEGER, "12345678901234567890", 12345678901234567890),
        ({"type": ["string", "number"]}, "7", "7"),
        ({"type": "string", "format": "singer.decimal"}, "1.50", "1.50"),
        ({"type": "string", "format": "singer.decimal"}, Decimal("1.50"), "1.50"),
        (BOOLEAN, "true", True),
        (BOOLEAN, " F ", False),
        (BOOLEAN, 1, True),
        (BOOLEAN, Decimal("0.0"), False),
        (BOOLEAN, 2, 2),
        (BOOLEAN, "perhaps", "perhaps"),
        (BOOLEAN, [], []),
        ({}, 7, 7),
        ({}, True, True),
    ],
    ids=repr,
)
def test_a_value_takes_the_type_of_the_column_where_its_meaning_stays(
    schema: Mapping[str, Any], value: Value, expected: Value
) -> None:
    found = as_type(schema, value)

    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize("nothing", [None, "", []], ids=repr)
@pytest.mark.parametrize("schema", [TEXT, NUMBER, ARRAY], ids=repr)
def test_empty_is_written_as_null(nothing: Value, schema: Mapping[str, Any]) -> None:
    assert sent(field("f"), nothing, schema) is None


texts = st.text(max_size=6) | st.sampled_from(["true", "no", "7", "1.50", "1e3", "2026-11-20T10:00:00Z"])
numbers = st.integers() | st.decimals(allow_nan=False, allow_infinity=False)
shown: st.SearchStrategy[tuple[dict[str, Any], Value]] = st.one_of(
    st.tuples(st.just(TEXT), texts),
    st.tuples(st.just(NUMBER), numbers),
    st.tuples(st.just(BOOLEAN), st.booleans()),
    st.tuples(st.just({}), texts | numbers | st.booleans()),
)


@law
@given(shown, st.sampled_from([TEXT, NUMBER, INTEGER, BOOLEAN, {}]))
def test_what_is_sent_means_what_was_there(given: tuple[dict[str, Any], Value], there: dict[str, Any]) -> None:
    here, value = given
    mine = field("f", kind=kind_of([here, there]))

    written = sent(mine, value, there)

    if here or there is not TEXT:  # a side that does not say what it holds may mean a number by a number
        assert canon(mine, WAREHOUSE, written, resolve) == canon(mine, CRM, value, resolve)


# ---- picklists

STAGE = field("stage", picklist={CRM: {"mql": "marketingqualifiedlead"}, WAREHOUSE: {"mql": "M", "lead": "L"}})


@pytest.mark.parametrize(("value", "expected"), [("marketingqualifiedlead", "M"), ("lead", "L"), (7, 7)], ids=repr)
def test_a_picklist_value_is_sent_in_the_receivers_words(value: Value, expected: Value) -> None:
    assert sent(STAGE, value) == expected


def test_a_name_that_the_receiver_does_not_rename_is_sent_as_it_is() -> None:
    assert represent(STAGE, WAREHOUSE, CRM, "L", {CRM: side(), WAREHOUSE: side()}, resolve, lambda *_: None) == "lead"


# ---- sets

TAGS = field("tags", SetUnion(), separator="|")


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        (ARRAY, "a| b", ["a", "b"]),
        (ARRAY, ["a", "b"], ["a", "b"]),
        (TEXT, ["a", "b"], "a|b"),
        (TEXT, "a|b", "a|b"),
        (None, ["a", "b"], ["a", "b"]),
        (None, "a|b", "a|b"),
        (TEXT, [1, "b"], "1|b"),
    ],
    ids=repr,
)
def test_a_set_is_a_list_or_a_text_as_the_receiver_holds_it(
    schema: Mapping[str, Any] | None, value: Value, expected: Value
) -> None:
    assert sent(TAGS, value, schema) == expected


def test_a_set_in_a_text_is_parted_by_semicolons_unless_told() -> None:
    assert sent(field("tags", SetUnion()), ["a", "b"], TEXT) == "a;b"


# ---- references

COMPANY = field("company", references="company")


def test_a_reference_is_sent_as_the_receivers_id() -> None:
    assert sent(COMPANY, 7, members={("acme", WAREHOUSE): '["c-7"]'}) == "c-7"
    assert sent(COMPANY, 7, TEXT, members={("acme", WAREHOUSE): "[42]"}) == "42"


def test_a_reference_to_a_record_without_an_id_there_is_kept_open() -> None:
    assert sent(COMPANY, 7) == reference("acme")
    assert referenced(reference("acme")) == "acme"


@pytest.mark.parametrize("value", ["acme", None, {}, {"$link": "a", "b": 1}, ["$link"]], ids=repr)
def test_only_an_open_reference_is_one(value: Value) -> None:
    assert referenced(value) is None


def test_a_reference_to_nobody_is_sent_as_null() -> None:
    assert sent(COMPANY, 8) is None
