"""Values between Singer and Salesforce: what is sent is stored, and what is stored is the same as what was sent."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from antiphon_sandbox.salesforce import Field as Stored
from antiphon_sandbox.salesforce.values import stored
from tap_salesforce.api import Field, NotConvertible, folded, literal, long_id, same, to_salesforce

ROME = timezone(timedelta(hours=1))
SHORT, LONG = "0018M000003uKqq", "0018M000003uKqqQAE"
FIELDS: dict[str, Field] = {
    "text": Field("F", "string", length=20),
    "email": Field("F", "email", length=80),
    "picklist": Field("F", "picklist"),
    "multipicklist": Field("F", "multipicklist"),
    "reference": Field("F", "reference"),
    "boolean": Field("F", "boolean"),
    "int": Field("F", "int"),
    "double": Field("F", "double", scale=3),
    "currency": Field("F", "currency", scale=2),
    "percent": Field("F", "percent"),
    "date": Field("F", "date"),
    "datetime": Field("F", "datetime"),
    "time": Field("F", "time"),
}
ALIKE: list[tuple[str, Any, Any]] = [
    ("text", " Ames ", "Ames"),
    ("text", "", None),
    ("text", "   ", None),
    ("text", 7, "7"),
    ("email", "Ann@example.com", "Ann@example.com"),
    ("picklist", "Web ", "Web"),
    ("multipicklist", "b; a", "a;b"),
    ("multipicklist", ["a", "b"], "b;a"),
    ("multipicklist", "", None),
    ("reference", SHORT, LONG),
    ("reference", "", None),
    ("boolean", None, False),
    ("boolean", "", False),
    ("boolean", "TRUE", True),
    ("boolean", 1, True),
    ("int", "12.0", 12),
    ("int", Decimal(12), 12),
    ("double", 1, Decimal("1.0")),
    ("double", "1.2344", Decimal("1.234")),
    ("currency", "10.505", Decimal("10.51")),
    ("currency", 10.5, Decimal("10.50")),
    ("currency", "-0.001", 0),
    ("percent", 10.4, 10),
    ("date", "2026-01-02T23:30:00-05:00", "2026-01-02"),
    ("date", datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02"),
    ("datetime", "2026-01-02T04:04:05.678+01:00", "2026-01-02T03:04:05.000+0000"),
    ("datetime", "2026-01-02 03:04:05", "2026-01-02T03:04:05+00:00"),
    ("datetime", datetime(2026, 1, 2, 4, 4, 5, 999, ROME), "2026-01-02T03:04:05Z"),
    ("time", "10:30:00", "10:30:00.000Z"),
    ("time", time(10, 30, 0, 5), "10:30:00.000Z"),
]
UNLIKE: list[tuple[str, Any, Any]] = [
    ("text", "Ames", "ames"),
    ("text", "0", None),
    ("picklist", "Web", "web"),
    ("multipicklist", "a;b", "a"),
    ("reference", LONG, LONG.lower()),
    ("boolean", True, None),
    ("int", 0, None),
    ("currency", "10.50", "10.51"),
    ("date", "2026-01-02", "2026-01-03"),
    ("datetime", "2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z"),
    ("datetime", "2026-01-02T03:04:05+01:00", "2026-01-02T03:04:05Z"),
    ("time", "10:30:00", "10:30:01"),
    ("date", "yesterday", "2026-01-02"),
    ("int", "many", 7),
]
WRONG: list[tuple[str, Any]] = [
    ("boolean", "maybe"), ("int", 1.5), ("int", True), ("double", "much"), ("double", float("nan")),
    ("currency", float("inf")), ("date", "02.01.2026"), ("datetime", "soon"), ("time", "late"), ("text", {"a": 1}),
    ("text", ["a"]), ("text", True),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "one", "other"), ALIKE)
def test_what_salesforce_takes_for_the_same_is_no_change(kind: str, one: Any, other: Any) -> None:
    field = FIELDS[kind]
    assert same(field, one, other)
    assert same(field, other, one)


@pytest.mark.parametrize(("kind", "one", "other"), UNLIKE)
def test_what_differs_for_salesforce_is_a_change(kind: str, one: Any, other: Any) -> None:
    assert not same(FIELDS[kind], one, other)


@pytest.mark.parametrize(("kind", "value", "_"), [each for each in ALIKE if each[0] != "time"])
def test_what_is_sent_comes_back_as_the_same(kind: str, value: Any, _: Any) -> None:
    field = FIELDS[kind]
    there = Stored("F", field.type, length=80, scale=field.scale)
    kept = stored(there, to_salesforce(field, value))
    assert same(field, field.from_salesforce(kept), value)


@pytest.mark.parametrize(("kind", "value"), WRONG)
def test_what_no_field_of_the_type_takes_is_refused_by_name(kind: str, value: Any) -> None:
    with pytest.raises(NotConvertible, match=r"^F: .* is no "):
        to_salesforce(FIELDS[kind], value)


def test_every_digit_of_a_number_is_sent() -> None:
    assert to_salesforce(FIELDS["currency"], "12345678901234567.89") == "12345678901234567.89"
    assert to_salesforce(FIELDS["double"], "0.1") == 0.1


def test_ids_are_told_apart_by_case_and_other_values_are_not() -> None:
    assert long_id(SHORT) == LONG
    assert long_id(LONG) == LONG
    assert folded(FIELDS["reference"], SHORT) == LONG
    assert folded(FIELDS["email"], " Ann@Example.com") == "ann@example.com"
    assert folded(FIELDS["double"], "7") == folded(FIELDS["double"], 7.0)
    assert literal(FIELDS["text"], "O'Hara \\ Sons") == r"'O\'Hara \\ Sons'"
    for kind, value, shown in (
        ("int", 7, "7"), ("date", "2026-01-02", "2026-01-02"), ("boolean", True, "true"),
        ("time", "09:30:00", "09:30:00.000Z"),
    ):  # fmt: skip
        assert literal(FIELDS[kind], value) == shown
