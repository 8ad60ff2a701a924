"""Values between HubSpot's texts and a record: what is sent comes back, and another way to say it is no edit."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon_sandbox.hubspot import Account
from tap_hubspot.api import NotConvertible, Property

NUMBER, BOOL = Property("n", "number"), Property("b", "bool")
DATE, MOMENT = Property("d", "date"), Property("m", "datetime")
ONE = Property("o", "enumeration", "select", options={"NEW": "New lead", "OPEN": "Open"})
MANY = Property("o", "enumeration", "checkbox", options={"a": "A", "b": "B", "c": "C"})
ANY = [NUMBER, BOOL, DATE, MOMENT, ONE, MANY, Property("s"), Property("p", "phone_number")]

SANDBOX = {
    "number": "num_children",
    "bool": "hs_email_optout",
    "date": "date_of_birth",
    "datetime": "notes_next_activity_date",
    "string": "city",
}
VALUES = {
    "number": st.integers(-(10**12), 10**12) | st.decimals(-(10**9), 10**9, places=4, allow_nan=False),
    "bool": st.booleans(),
    "date": st.dates(date(1900, 1, 1), date(2200, 1, 1)).map(lambda day: day.isoformat()),
    "datetime": st.datetimes(datetime(1980, 1, 1), datetime(2200, 1, 1)).map(  # noqa: DTZ001
        lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC).isoformat()
    ),
    "string": st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
}


@given(st.sampled_from(sorted(VALUES)).flatmap(lambda kind: st.tuples(st.just(kind), VALUES[kind])))
def test_what_is_sent_comes_back_the_same_from_hubspot(case: tuple[str, Any]) -> None:
    kind, value = case
    account, name = Account(), SANDBOX[kind]
    known = Property.parse(account.kind("contacts").properties[name].shown("2026-01-01T00:00:00Z"))
    kept = account.enter("contacts", {name: known.to_hubspot(value)}).values[name]
    assert known.same(known.from_hubspot(kept), value)
    assert known.to_hubspot(known.from_hubspot(kept)) == kept or kind == "number"


@pytest.mark.parametrize(
    ("known", "one", "other"),
    [
        (NUMBER, "3039", 3039),
        (NUMBER, "1.50", Decimal("1.5")),
        (NUMBER, "1e3", 1000),
        (BOOL, "true", True),
        (BOOL, "no", False),
        (DATE, "2000-02-29", "951782400000"),
        (DATE, "2000-02-29", "2000-02-29T00:00:00+00:00"),
        (MOMENT, "2022-02-14T21:36:16.420Z", "1644874576420"),
        (MOMENT, "2022-02-14T21:36:16.420Z", "2022-02-14 22:36:16.42+01:00"),
        (ONE, "NEW", "new lead"),
        (MANY, "a;b", ["B", "a"]),
        (MANY, "a;b", "b;a"),
        (Property("email"), "Ann@Example.com", " ann@example.com"),
        (Property("s"), None, ""),
        (Property("zip"), "00123", "00123"),
    ],
)
def test_two_ways_to_say_the_same_are_the_same(known: Property, one: Any, other: Any) -> None:
    assert known.same(one, other)


@pytest.mark.parametrize(
    ("known", "one", "other"),
    [
        (Property("zip"), "00123", "123"),
        (Property("s"), "Rome", "rome"),
        (Property("s"), "Rome", "Rome "),
        (NUMBER, "0", None),
        (BOOL, "false", None),
        (MOMENT, "2022-02-14T21:36:16.420Z", "2022-02-14T21:36:16.421Z"),
        (MANY, "a;b", "a"),
    ],
)
def test_different_values_are_different(known: Property, one: Any, other: Any) -> None:
    assert not known.same(one, other)


@pytest.mark.parametrize(
    ("known", "value"),
    [
        (NUMBER, "many"),
        (NUMBER, True),
        (NUMBER, "1_000"),
        (NUMBER, "NaN"),
        (BOOL, "perhaps"),
        (DATE, "2023-02-29"),
        (DATE, "2000-02-29T12:00:00Z"),
        (MOMENT, "soon"),
        (ONE, "OLD"),
        (MANY, "a;d"),
    ],
)
def test_what_hubspot_would_refuse_is_not_convertible(known: Property, value: Any) -> None:
    with pytest.raises(NotConvertible, match=known.name):
        known.to_hubspot(value)


@pytest.mark.parametrize("known", ANY, ids=lambda known: f"{known.type} {known.field_type}")
def test_nothing_clears_in_every_type(known: Property) -> None:
    assert known.to_hubspot(None) == known.to_hubspot("") == known.to_hubspot([]) == ""
    assert known.from_hubspot(None) is None
    assert known.from_hubspot("") is None


def test_what_does_not_fit_its_own_type_is_shown_as_it_is() -> None:
    assert NUMBER.from_hubspot("4 (estimated)") == "4 (estimated)"
    assert MOMENT.from_hubspot("next week") == "next week"


def test_a_time_without_a_zone_is_utc() -> None:
    assert MOMENT.to_hubspot("2022-02-14T21:36:16") == "2022-02-14T21:36:16.000Z"
    local = datetime(2022, 2, 14, 22, 36, 16, tzinfo=timezone(timedelta(hours=1)))
    assert MOMENT.to_hubspot(local.isoformat()) == "2022-02-14T21:36:16.000Z"
