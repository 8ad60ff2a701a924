"""Values of properties: what HubSpot refuses, and the form in which it keeps what it takes.

Everything is kept and shown as text or null. An empty text clears the property.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from antiphon_sandbox.hubspot.errors import invalid_values
from antiphon_sandbox.hubspot.schema import ObjectType, Property

Text: TypeAlias = str | None

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso(ms: int) -> str:
    """Milliseconds since 1970 as HubSpot writes a moment: 2022-02-14T21:36:16.420Z."""
    moment = _EPOCH + timedelta(milliseconds=ms)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def from_iso(text: str) -> int:
    """Milliseconds since 1970 of a moment in ISO 8601. Raises `ValueError`."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round((moment - _EPOCH) / timedelta(milliseconds=1))


class _Wrong(Exception):
    def __init__(self, message: str, error: str) -> None:
        super().__init__(message)
        self.error = error


def checked(kind: ObjectType, given: Mapping[str, Any], *, by_hubspot: bool = False) -> dict[str, Text]:
    """The values as they are kept. Raises `Refused` naming every value that is not valid."""
    kept: dict[str, Text] = {}
    faults = []
    for name, value in given.items():
        try:
            kept[name] = _kept(kind, name, value, by_hubspot=by_hubspot)
        except _Wrong as wrong:
            faults.append({"isValid": False, "message": str(wrong), "error": wrong.error, "name": name})
    if faults:
        raise invalid_values(faults)
    return kept


def _kept(kind: ObjectType, name: str, value: Any, *, by_hubspot: bool) -> Text:
    known = kind.properties.get(name)
    if known is None or known.archived:
        raise _Wrong(f'Property "{name}" does not exist', "PROPERTY_DOESNT_EXIST")
    if known.read_only and not by_hubspot:
        raise _Wrong(f'"{name}" is a read only property; its value cannot be set.', "READ_ONLY_VALUE")
    if value is None or value == "":
        return None
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if kind.name == "contacts" and name == "email":
        return _email(text)
    return _typed(known, text)


def _typed(known: Property, text: str) -> str:
    match known.type:
        case "number":
            try:
                float(text)
            except ValueError:
                raise _Wrong(f"{text} was not a valid number.", "INVALID_NUMBER") from None  # not recorded
            return text.strip()
        case "bool" | "enumeration" if known.options:
            return _option(known, text)
        case "date":
            return _date(text)
        case "datetime":
            return iso(_milliseconds(text))
        case _:
            return text


def _email(text: str) -> str:
    if not _EMAIL.fullmatch(text.strip()):
        raise _Wrong(f"Email address {text} is invalid", "INVALID_EMAIL")
    return text.strip().lower()


def _option(known: Property, text: str) -> str:
    chosen = [part for part in text.split(";") if part] if known.field_type == "checkbox" else [text]
    for each in chosen:
        if each not in known.options:
            allowed = ", ".join(known.options)
            raise _Wrong(f"{each} was not one of the allowed options: [{allowed}]", "INVALID_OPTION")
    return ";".join(chosen)


def _date(text: str) -> str:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        try:
            return datetime.fromisoformat(text).date().isoformat()
        except ValueError:
            pass
    ms = _milliseconds(text)
    moment = _EPOCH + timedelta(milliseconds=ms)
    if (moment - _EPOCH) % _DAY:
        seconds = f"{moment.second}.{moment.microsecond // 1000}"
        raise _Wrong(f"{text} is at {moment.hour}:{moment.minute}:{seconds} UTC, not midnight!", "INVALID_DATE")
    return moment.date().isoformat()


def _milliseconds(text: str) -> int:
    try:
        ms = int(text) if re.fullmatch(r"-?\d+", text) else from_iso(text)
        _ = _EPOCH + timedelta(milliseconds=ms)
    except (ValueError, OverflowError):
        raise _Wrong(f"{text} was not a valid long.", "INVALID_LONG") from None
    return ms
