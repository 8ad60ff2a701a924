"""Every row of the table in `antiphon.equivalence`, and the traps of Python beside them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.equivalence import (
    EMPTY,
    NORMALIZERS,
    Unmapped,
    Unresolved,
    canon,
    canonical_json,
    from_json,
    is_empty,
    kind_of,
    make_rid,
    normalized,
    split,
)
from antiphon.mapping import Field, Kind, SetUnion
from antiphon.model import MISSING, Rid, Side, Value
from tests.kernel.facts import CRM, WAREHOUSE, field, law


def nobody(_entity: str, _side: Side, _rid: Rid) -> str | None:
    return None


def form(kind: Kind, value: Value, *, timezone: str = "UTC", **options: Any) -> Any:
    return canon(field("f", kind=kind, **options), CRM, value, nobody, timezone)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
    | st.sampled_from(
        ["NaN", "sNaN", "Infinity", "1_0", "true", "0001-01-01T00:00:00+14:00", "1e99999999999999999999", "2026-11-20"]
    )
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


# ---- null, "", [] are one value: empty


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("value", [None, "", []])
def test_null_the_empty_text_and_the_empty_list_are_empty_whatever_the_kind(kind: Kind, value: Value) -> None:
    assert form(kind, value) == EMPTY


@pytest.mark.parametrize("value", [0, False, Decimal(0), "0", "false", {}, [None], " "], ids=repr)
def test_nothing_else_is_empty(value: Value) -> None:
    assert not is_empty(value)
    assert form(Kind.ANY, value) != EMPTY


def test_unknown_is_not_empty() -> None:
    assert not is_empty(MISSING)


def test_a_text_that_normalizes_to_nothing_is_empty() -> None:
    assert form(Kind.TEXT, "  ", normalize=(("strip", ""),)) == EMPTY


# ---- the same, and not the same


@pytest.mark.parametrize(
    ("kind", "one", "two"),
    [
        (Kind.BOOLEAN, True, "true"),
        (Kind.BOOLEAN, True, " T "),
        (Kind.BOOLEAN, True, 1),
        (Kind.BOOLEAN, True, "1"),
        (Kind.BOOLEAN, True, Decimal("1.0")),
        (Kind.BOOLEAN, False, "f"),
        (Kind.BOOLEAN, False, "No"),
        (Kind.BOOLEAN, False, 0),
        (Kind.NUMBER, 1, 1.0),
        (Kind.NUMBER, 1, Decimal("1.00")),
        (Kind.NUMBER, 1, "1"),
        (Kind.NUMBER, Decimal("1.50"), "1.5"),
        (Kind.NUMBER, 0.1, Decimal("0.1")),
        (Kind.NUMBER, 0, "-0.0"),
        (Kind.NUMBER, 100, "1e2"),
        (Kind.NUMBER, True, 1),
        (Kind.ANY, 1, Decimal("1.0")),
        (Kind.TEXT, "1", 1),
        (Kind.DATETIME, "2026-11-20T10:00:00+01:00", "2026-11-20T09:00:00Z"),
        (Kind.DATETIME, "2026-11-20T09:00:00Z", "2026-11-20 09:00:00.000000 +00:00"),
        (Kind.DATETIME, "2026-11-20T09:00:00.1234567Z", "2026-11-20T09:00:00.123456Z"),
        (Kind.DATETIME, "2026-11-20T09:00Z", "2026-11-20T09:00:00+0000"),
        (Kind.ANY, "2026-11-20T09:00:00Z", "2026-11-20 09:00:00+00"),
        (Kind.DATE, "2026-11-20", "2026-11-20T00:00:00Z"),
        (Kind.DATE, "2026-11-20", "2026-11-20T00:00:00.000+00:00"),
        (Kind.DATE, "2026-11-20", " 2026-11-20 "),
        (Kind.JSON, {"a": 1, "b": {"c": [1], "d": None}}, {"b": {"d": None, "c": [1]}, "a": 1}),
        (Kind.JSON, {"a": 1}, '{ "a" : 1 }'),
        (Kind.LIST, ["a", "b"], ["a", "b"]),
    ],
    ids=repr,
)
def test_the_same_meaning_has_the_same_form(kind: Kind, one: Value, two: Value) -> None:
    assert form(kind, one) == form(kind, two)


@pytest.mark.parametrize(
    ("kind", "one", "two"),
    [
        (Kind.ANY, True, 1),
        (Kind.ANY, False, 0),
        (Kind.ANY, True, "true"),
        (Kind.ANY, 1, "1"),
        (Kind.ANY, 0, None),
        (Kind.ANY, False, None),
        (Kind.ANY, [1], [True]),
        (Kind.ANY, {"a": 1}, {"a": True}),
        (Kind.BOOLEAN, True, 2),
        (Kind.BOOLEAN, True, "maybe"),
        (Kind.NUMBER, 1, "1_0"),
        (Kind.NUMBER, 10, "1_0"),
        (Kind.NUMBER, 9007199254740993, 9007199254740992),
        (Kind.NUMBER, Decimal("0.1"), Decimal("0.10000000000000001")),
        (Kind.TEXT, "1.50", "1.5"),
        (Kind.TEXT, "a", "A"),
        (Kind.TEXT, "a", " a"),
        (Kind.TEXT, "\u00e9", "e\u0301"),
        (Kind.TEXT, "2026-11-20T09:00:00Z", "2026-11-20T10:00:00+01:00"),
        (Kind.DATE, "2026-11-20", "2026-11-20T00:00:01Z"),
        (Kind.DATE, "2026-11-20", "2026-11-21"),
        (Kind.LIST, ["a", "b"], ["b", "a"]),
        (Kind.JSON, {"a": None}, {}),
    ],
    ids=repr,
)
def test_another_meaning_has_another_form(kind: Kind, one: Value, two: Value) -> None:
    assert form(kind, one) != form(kind, two)


@pytest.mark.parametrize(
    "text", ["NaN", "nan", "sNaN", "-NaN123", "Infinity", "-inf", "1_000", "\uff11\uff12", "twelve", "1e", "."]
)
def test_what_is_no_number_stays_text_and_equals_itself(text: str) -> None:
    assert form(Kind.NUMBER, text) == form(Kind.NUMBER, text) == ("text", text)


@pytest.mark.parametrize(
    "text", ["soon", "2026-13-40T99:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:00:00-10:00"]
)
def test_what_is_no_instant_stays_text(text: str) -> None:
    assert form(Kind.DATETIME, text) == ("text", text)


def test_what_is_no_date_is_compared_as_it_is_written() -> None:
    assert form(Kind.DATE, "soon") == ("date", "soon")


def test_what_is_no_json_stays_text() -> None:
    assert form(Kind.JSON, "{") == ("text", "{")


def test_an_instant_without_a_zone_is_in_the_time_zone_of_its_side() -> None:
    assert form(Kind.DATETIME, "2026-07-01T10:00:00", timezone="Europe/Rome") == form(
        Kind.DATETIME, "2026-07-01T08:00:00Z"
    )


def test_summer_time_moves_an_instant_without_a_zone() -> None:
    assert form(Kind.DATETIME, "2026-12-01T10:00:00", timezone="Europe/Rome") == form(
        Kind.DATETIME, "2026-12-01T09:00:00Z"
    )


def test_the_hour_that_comes_twice_is_taken_the_first_time() -> None:
    assert form(Kind.DATETIME, "2026-10-25T02:30:00", timezone="Europe/Rome") == form(
        Kind.DATETIME, "2026-10-25T00:30:00Z"
    )


@law
@given(kind=st.sampled_from(Kind), value=json_values, as_set=st.booleans())
def test_every_value_has_a_form_that_equals_itself(kind: Kind, value: Value, *, as_set: bool) -> None:
    mine = field("f", SetUnion() if as_set else None, kind=kind)
    first, second = (canon(mine, CRM, value, nobody) for _ in range(2))

    assert first == second
    assert hash(first) == hash(second)
    assert str(first) == str(second)


@given(st.decimals(allow_nan=False, allow_infinity=False), st.integers(min_value=0, max_value=5))
def test_the_scale_of_a_number_never_shows(number: Decimal, zeros: int) -> None:
    longer = Decimal(
        (number.as_tuple().sign, (*number.as_tuple().digits, *[0] * zeros), int(number.as_tuple().exponent) - zeros)
    )

    assert str(form(Kind.NUMBER, number)) == str(form(Kind.NUMBER, longer))


# ---- normalize


@pytest.mark.parametrize(
    ("steps", "value", "expected"),
    [
        (("strip", "lower"), "  Bob@X.com ", "bob@x.com"),
        (("upper",), "it", "IT"),
        (("lower",), "STRASSE", "strasse"),
        (("collapse",), " a \t b ", "a b"),
        (("digits",), "+39 02-1234", "39021234"),
        (("digits",), 39021234, "39021234"),
        (("strip",), 7, 7),
        (("digits",), True, True),
        (("lower",), None, None),
    ],
    ids=repr,
)
def test_normalize_applies_its_steps_in_order(steps: tuple[str, ...], value: Value, expected: Value) -> None:
    assert normalized(field("f", normalize=tuple((step, "") for step in steps)), value) == expected


@pytest.mark.parametrize(
    ("value", "region", "expected"),
    [
        ("(415) 555-2671", "US", "+14155552671"),
        (4155552671, "US", "+14155552671"),
        ("+39 02 1234 5678", "US", "+390212345678"),
        ("+39 02 1234 5678", "", "+390212345678"),
        ("call me", "US", "call me"),
        ("02 1234 5678", "", "02 1234 5678"),
    ],
    ids=repr,
)
def test_e164_writes_a_telephone_number_one_way(value: Value, region: str, expected: str) -> None:
    assert normalized(field("phone", normalize=(("e164", region),)), value) == expected


@given(st.sampled_from(sorted(NORMALIZERS)), st.text(max_size=12))
def test_a_step_repeated_changes_nothing_more(step: str, text: str) -> None:
    mine = field("f", normalize=((step, "US" if step == "e164" else ""),))
    once = normalized(mine, text)

    assert normalized(mine, once) == once


# ---- picklists

STAGES = field("stage", picklist={CRM: {"mql": "marketingqualifiedlead"}, WAREHOUSE: {"lead": "L", "mql": "M"}})


@pytest.mark.parametrize(("crm", "warehouse"), [("marketingqualifiedlead", "M"), ("lead", "L")])
def test_picklist_values_with_the_same_name_are_the_same(crm: str, warehouse: str) -> None:
    assert canon(STAGES, CRM, crm, nobody) == canon(STAGES, WAREHOUSE, warehouse, nobody)


@pytest.mark.parametrize(("side", "value"), [(CRM, "mql"), (CRM, "M"), (WAREHOUSE, "lead"), (CRM, "brand new")])
def test_a_picklist_value_without_a_partner_is_unmapped(side: Side, value: str) -> None:
    assert canon(STAGES, side, value, nobody) == Unmapped(value)


def test_a_picklist_may_swap_two_words() -> None:
    swapped = field("s", picklist={CRM: {"on": "off", "off": "on"}})

    assert canon(swapped, CRM, "on", nobody) == canon(swapped, WAREHOUSE, "off", nobody)
    assert canon(swapped, CRM, "off", nobody) == canon(swapped, WAREHOUSE, "on", nobody)


def test_a_number_in_a_picklist_is_a_number() -> None:
    assert canon(STAGES, CRM, 7, nobody) == ("number", Decimal(7))


# ---- sets


def tags(value: Value, **options: Any) -> Any:
    return canon(field("tags", SetUnion(), **options), CRM, value, nobody)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (["a", "b"], ["b", "a", "b"]),
        (["a", "b"], "b; a"),
        (["a", "", None], "a;"),
        ([], ";;"),
        (["a"], "a"),
        ([1], 1),
    ],
    ids=repr,
)
def test_a_set_has_members_and_no_order(one: Value, two: Value) -> None:
    assert tags(one) == tags(two)


def test_members_that_normalize_to_nothing_are_no_members() -> None:
    assert tags([" "], normalize=(("strip", ""),)) == EMPTY


def test_a_set_in_a_text_is_cut_at_its_separator() -> None:
    assert split(field("tags", SetUnion(), separator="|"), "a|b;c| ") == ["a", "b;c"]


def test_nothing_has_no_members() -> None:
    assert split(field("tags", SetUnion()), None) == []


def test_one_unmapped_member_leaves_the_whole_set_unmapped() -> None:
    assert tags("a;zzz", picklist={CRM: {"a": "a"}}) == Unmapped("zzz")


def test_the_form_of_a_set_is_written_one_way() -> None:
    assert str(tags(["a", "b", 1])) == str(tags([1, "b", "a"]))


# ---- references


def test_a_reference_means_the_link_that_it_leads_to() -> None:
    def resolve(entity: str, side: Side, rid: Rid) -> str | None:
        return "acme" if (entity, side, rid) in {("company", CRM, "[7]"), ("company", WAREHOUSE, '["c-7"]')} else None

    company: Field = field("company", references="company")

    assert canon(company, CRM, 7, resolve) == canon(company, WAREHOUSE, "c-7", resolve) == ("link", "acme")
    assert canon(company, CRM, 8, resolve) == Unresolved("company", CRM, "[8]")
    assert canon(company, CRM, None, resolve) == EMPTY


# ---- JSON


@pytest.mark.parametrize(
    "text",
    [
        "123456789012345678901234567890",
        "-123456789012345678901234567890",
        "18446744073709551616",
        "1.50",
        "0.10000000000000000000000001",
        '{"a":[1,2.0,{"b":null}],"z":"é"}',
        "1E+2",
    ],
    ids=repr,
)
def test_json_goes_in_and_out_without_a_change(text: str) -> None:
    assert canonical_json(from_json(text)) == text


def test_json_keys_are_sorted_and_nothing_is_padded() -> None:
    assert canonical_json({"b": 1, "a": [True, None]}) == '{"a":[true,null],"b":1}'


json_texts = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@law
@given(json_texts)
def test_the_canonical_text_of_a_value_is_read_as_that_value(value: Any) -> None:
    text = canonical_json(value)

    assert canonical_json(from_json(text)) == text


# ---- record ids


def test_a_record_id_is_the_list_of_its_key_values() -> None:
    assert make_rid([7]) == "[7]"
    assert make_rid(["it", 7, None]) == '["it",7,null]'


def test_a_whole_number_is_one_id_however_it_is_written_and_a_text_is_another() -> None:
    assert make_rid([7]) == make_rid([Decimal("7.0")]) == make_rid([7.0])
    assert make_rid(["7"]) != make_rid([7])
    assert make_rid([Decimal("7.5")]) == "[7.5]"
    assert make_rid([True]) != make_rid([1])


def test_the_parts_of_a_composite_key_stay_apart() -> None:
    assert make_rid(["a", "bc"]) != make_rid(["ab", "c"])
    assert make_rid(['a","b']) != make_rid(["a", "b"])


# ---- kinds


@pytest.mark.parametrize(
    ("schemas", "kind"),
    [
        ([{"type": "string"}, {"type": ["null", "integer"]}], Kind.NUMBER),
        ([{"type": ["integer", "number"]}], Kind.NUMBER),
        ([{"type": ["null", "string"]}], Kind.TEXT),
        ([{"type": "string"}, {"type": "boolean"}], Kind.BOOLEAN),
        ([{"type": "number"}, {"type": "boolean"}], Kind.BOOLEAN),
        ([{"type": "string", "format": "date-time"}, {"type": "string"}], Kind.DATETIME),
        ([{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}], Kind.DATE),
        ([{"type": "string", "format": "date"}], Kind.DATE),
        ([{"type": "string", "format": "singer.decimal"}], Kind.NUMBER),
        ([{"type": "string", "format": "uuid"}], Kind.TEXT),
        ([{"type": "array"}, {"type": "string"}], Kind.LIST),
        ([{"type": ["object", "null"]}], Kind.JSON),
        ([{"type": ["string", "integer"]}], Kind.ANY),
        ([{"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}], Kind.DATETIME),
        ([{"oneOf": [{"type": "string"}, {"type": "integer"}]}], Kind.ANY),
        ([{}, {}], Kind.ANY),
        ([], Kind.ANY),
    ],
    ids=repr,
)
def test_the_more_telling_schema_says_what_a_field_holds(schemas: list[Mapping[str, Any]], kind: Kind) -> None:
    assert kind_of(schemas) is kind


def test_a_date_and_the_midnight_that_stands_for_it_are_the_same_across_the_sides() -> None:
    kind = kind_of([{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}])

    assert form(kind, "2026-11-20T00:00:00Z") == form(kind, "2026-11-20")
