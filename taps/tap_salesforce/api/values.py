"""Values between Singer and Salesforce: what is sent, and when two of them are the same to Salesforce.

| type                      | what is the same                                                                 |
|---------------------------|----------------------------------------------------------------------------------|
| text                      | with and without spaces around it; the empty text and none                       |
| id, reference             | 15 and 18 characters                                                             |
| multipicklist             | the same values in whatever order, as `a;b` or as a list                         |
| double, currency, percent | what is the same when rounded to the field's scale                               |
| datetime                  | the same second, in whatever zone                                                |
| time                      | the same second, in UTC                                                          |
| boolean                   | none and false                                                                   |

Source: Salesforce docs, "Primitive Data Types", "Field Types"; recorded: datetimes come back in whole seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tap_salesforce.api.fields import Field

_NUMBERS = frozenset({"double", "currency", "percent"})
_IDS = frozenset({"id", "reference"})
_BARE = frozenset({"boolean", "int", "long", "date", "datetime", "time", *_NUMBERS})
_FLAGS: Mapping[Any, bool] = {True: True, False: False, "true": True, "false": False}
_SUFFIXES = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_SHORT, _LONG = 15, 18


class NotConvertible(ValueError):
    """A value that the field would not take; the message names the field, the value and the type."""


def to_salesforce(field: Field, value: Any) -> Any:
    """The value to send. Raises `NotConvertible`. What only Salesforce knows (lengths, lists, rules) is left to it."""
    if value is None or value == "":
        return False if field.type == "boolean" else None
    try:
        return _sent(field, value)
    except (ValueError, TypeError, KeyError, ArithmeticError) as error:
        raise NotConvertible(f"{field.name}: {value!r} is no {field.type}") from error


def same(field: Field, one: Any, other: Any) -> bool:
    """Whether two values are the same to Salesforce; what cannot be read as the type is only itself."""
    try:
        return bool(_plain(field, one) == _plain(field, other))
    except (ValueError, TypeError, KeyError, ArithmeticError):
        return repr(one) == repr(other)


def folded(field: Field, value: Any) -> str:
    """A value as queries compare it: text in whatever case, ids exactly."""
    try:
        text = str(_plain(field, value))
    except (ValueError, TypeError, KeyError, ArithmeticError):
        text = str(value)
    return text if field.type in _IDS else text.lower()


def literal(field: Field, value: Any) -> str:
    """A value in SOQL. Raises `NotConvertible`."""
    if field.type in _BARE:
        return str(to_salesforce(field, value)).lower() if field.type == "boolean" else str(to_salesforce(field, value))
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"


def long_id(value: str) -> str:
    """An id in 18 characters: the last three say which of the first fifteen are upper case."""
    if len(value) != _SHORT:
        return value
    parts = (value[start : start + 5] for start in range(0, _SHORT, 5))
    return value + "".join(_SUFFIXES[sum(1 << n for n, each in enumerate(part) if each.isupper())] for part in parts)


def _sent(field: Field, value: Any) -> Any:
    match field.type:
        case "boolean":
            return _FLAGS[value.lower() if isinstance(value, str) else value]
        case "int" | "long":
            number = _decimal(value)
            if number != number.to_integral_value():
                raise ValueError(value)
            return int(number)
        case kind if kind in _NUMBERS:
            number = _decimal(value)
            near = float(number)  # a text is taken too, and keeps every digit
            return near if Decimal(repr(near)) == number else format(number, "f")
        case "date":
            return date.fromisoformat(str(value)[:10]).isoformat()
        case "datetime":
            return _moment(value).strftime("%Y-%m-%dT%H:%M:%SZ")
        case "time":
            return f"{_time(value).isoformat()}.000Z"
        case "multipicklist" if isinstance(value, list):
            return ";".join(str(each) for each in value)
        case _ if isinstance(value, dict | list | bool):
            raise TypeError(value)
        case _:
            return str(value)


def _plain(field: Field, value: Any) -> Any:
    value = value.strip() if isinstance(value, str) else value
    if value is None or value == "":
        return False if field.type == "boolean" else None
    match field.type:
        case "id" | "reference":
            return long_id(str(value))
        case "multipicklist":
            return frozenset(part.strip() for part in str(_sent(field, value)).split(";"))
        case kind if kind in _NUMBERS:
            return _decimal(value).quantize(Decimal(1).scaleb(-field.scale), ROUND_HALF_UP)
        case _:
            return _sent(field, value)


def _decimal(value: Any) -> Decimal:
    number = Decimal(str(value)) if not isinstance(value, bool) else Decimal("nan")
    if not number.is_finite():
        raise ValueError(value)
    return number


def _time(value: Any) -> time:
    shown = value if isinstance(value, time) else time.fromisoformat(str(value).removesuffix("Z"))
    return shown.replace(microsecond=0, tzinfo=None)


def _moment(value: Any) -> datetime:
    shown = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    shown = shown.replace(tzinfo=UTC) if shown.tzinfo is None else shown.astimezone(UTC)
    return shown.replace(microsecond=0)
