"""What Salesforce makes of a value that is written: kept, converted, or refused in its words."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

from antiphon_sandbox.salesforce.errors import bad_json, refuse
from antiphon_sandbox.salesforce.schema import Field

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_TEXT = frozenset({"string", "textarea", "email", "phone", "url", "picklist", "multipicklist", "combobox"})
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
SHORT, LONG = 15, 18
"""Characters of an id: as people see it, and with three more that make it safe where case is not kept."""


def long_id(short: str) -> str:
    """The 18 characters of an id of 15: each of the three more tells which of five are upper case."""
    suffix = ""
    for start in range(0, SHORT, 5):
        part = short[start : start + 5]
        suffix += _ALPHABET[sum(1 << place for place, each in enumerate(part) if each.isupper())]
    return short[:SHORT] + suffix


def stamp(at: datetime) -> str:
    """A moment as Salesforce shows it: whole seconds, in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def moment(text: str) -> datetime:
    """The moment of a text. Raises `ValueError`."""
    shown = datetime.fromisoformat(text)
    if shown.tzinfo is None:
        raise ValueError(text)
    return shown


def stored(field: Field, value: Any) -> Any:
    """What is kept of a value. Raises `Refused`. The empty text is no value; text is kept without spaces around it."""
    value = value.strip() if isinstance(value, str) else value
    if value in (None, ""):
        return False if field.type == "boolean" else None
    try:
        return _converted(field, value)
    except (TypeError, ValueError) as error:
        raise bad_json("double" if field.type in {"currency", "percent"} else field.type, value) from error


def _converted(field: Field, value: Any) -> Any:
    match field.type:
        case "boolean":
            return {True: True, False: False, "true": True, "false": False}[value] if value in _FLAGS else _none(value)
        case "int":
            return int(value)
        case "double" | "currency" | "percent":
            return _number(field, value)
        case "date":
            return date.fromisoformat(str(value)[:10]).isoformat()
        case "datetime":
            return stamp(moment(str(value)))
        case "reference":
            return _reference(field, str(value))
        case _:
            return _text(field, value)


_FLAGS = (True, False, "true", "false")


def _none(value: Any) -> Any:
    raise ValueError(value)


def _number(field: Field, value: Any) -> float | int:
    number = round(float(value), field.scale)
    return int(number) if number == int(number) else number


def _reference(field: Field, value: str) -> str:
    if len(value) not in {SHORT, LONG} or not value.isalnum():
        raise refuse("MALFORMED_ID", f"{field.shown_label}: id value of incorrect type: {value}", field.name)
    return long_id(value)


def _text(field: Field, value: Any) -> str:
    if isinstance(value, bool | list | dict):
        raise TypeError(value)
    text = str(value)
    if len(text) > field.length and field.type in _TEXT:
        words = f"{field.shown_label}: data value too large: {text} (max length={field.length})"
        raise refuse("STRING_TOO_LONG", words, field.name)
    if field.type == "email" and not _EMAIL.fullmatch(text):
        raise refuse("INVALID_EMAIL_ADDRESS", f"{field.shown_label}: invalid email address: {text}", field.name)
    chosen = text.split(";") if field.type == "multipicklist" else [text]
    if field.restricted and any(each not in field.options for each in chosen):
        raise refuse(
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            f"{field.shown_label}: bad value for restricted picklist field: {text}",
            field.name,
        )
    return text
