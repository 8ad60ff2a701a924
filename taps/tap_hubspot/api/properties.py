"""Properties: what a column of a record is, in Singer's words and in HubSpot's.

HubSpot shows and takes every value as text or null. The forms are declared here once, for both directions:

| type                  | in HubSpot                 | in a record               | taken as well                      |
|-----------------------|----------------------------|---------------------------|------------------------------------|
| string, phone_number  | "+39 06 1"                 | the text                  | numbers, as their text             |
| number                | "3039"                     | the number                | its text                           |
| bool                  | "true"                     | true                      | 1, 0, yes, no, t, f, on, off       |
| date                  | "2000-02-29"               | the same, `date`          | a midnight in UTC, as text or ms   |
| datetime              | "2022-02-14T21:36:16.420Z" | the same, `date-time`     | any zone, without one UTC; ms      |
| enumeration           | "NEW"                      | the same, with options    | an option's label                  |
| enumeration, checkbox | "a;b"                      | the same                  | a list; options in any order       |

`same` says when two values mean the same to HubSpot: then there is nothing to write, and no edit to see.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TRUE, _FALSE = {"true", "t", "yes", "y", "1", "on"}, {"false", "f", "no", "n", "0", "off"}
_INTEGER = re.compile(r"-?\d{1,15}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")


class NotConvertible(Exception):
    """The value does not fit the property: what was found, and what is allowed."""


@dataclass(frozen=True, slots=True)
class Property:
    """A property's definition. `options` are the values of an enumeration with their labels."""

    name: str
    type: str = "string"
    field_type: str = "text"
    label: str = ""
    description: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    unique: bool = False
    read_only: bool = False

    @classmethod
    def parse(cls, shown: Mapping[str, Any]) -> Property:
        """As the properties API shows it (HubSpot docs, "Properties API")."""
        meta = shown.get("modificationMetadata") or {}
        options = () if shown.get("externalOptions") else shown.get("options") or ()
        return cls(
            name=str(shown["name"]),
            type=str(shown.get("type") or "string"),
            field_type=str(shown.get("fieldType") or "text"),
            label=str(shown.get("label") or ""),
            description=str(shown.get("description") or ""),
            options={str(each["value"]): str(each.get("label") or "") for each in options},
            unique=bool(shown.get("hasUniqueValue")),
            read_only=bool(meta.get("readOnlyValue") or shown.get("calculated")),
        )

    @property
    def many(self) -> bool:
        """Whether it holds several options at once."""
        return self.type == "enumeration" and self.field_type == "checkbox"

    def to_schema(self) -> dict[str, Any]:
        """The column's JSON Schema."""
        kinds: dict[str, dict[str, Any]] = {
            "number": {"type": ["number", "null"]},
            "bool": {"type": ["boolean", "null"]},
            "date": {"type": ["string", "null"], "format": "date"},
            "datetime": {"type": ["string", "null"], "format": "date-time"},
        }
        schema = dict(kinds.get(self.type, {"type": ["string", "null"]}))
        if self.type == "enumeration" and self.options and not self.many:
            schema["enum"] = [*self.options, None]
        if self.many and self.options:
            schema["x-options"] = list(self.options)
            schema["x-separator"] = ";"
        if self.label:
            schema["title"] = self.label
        if self.description:
            schema["description"] = self.description
        if self.read_only:
            schema["readOnly"] = True
        if self.unique:
            schema["x-unique"] = True
        return schema

    def from_hubspot(self, value: str | None) -> Any:
        """The value of a record for what HubSpot shows; what does not fit its own type stays as it is shown."""
        if value is None or value == "":
            return None
        match self.type:
            case "number":
                return _plain(value)
            case "bool":
                return {"true": True, "false": False}.get(value.lower(), value)
            case "date":
                return _shown(value, _date)
            case "datetime":
                return _shown(value, canonical_moment)
            case _:
                return value

    def to_hubspot(self, value: Any) -> str:
        """The text to send; the empty one clears. Raises `NotConvertible` for what HubSpot would refuse."""
        if value is None or value in ("", []):
            return ""
        match self.type:
            case "number":
                return _text_of_number(self.name, value)
            case "bool":
                return _bool(self.name, value)
            case "date":
                return self._typed(value, _date, "a date as YYYY-MM-DD, or a midnight in UTC")
            case "datetime":
                return self._typed(value, canonical_moment, "a time as ISO 8601, or in milliseconds")
            case "enumeration":
                return self._option(value)
            case _:
                return _text(value)

    def same(self, one: Any, other: Any) -> bool:
        """Whether two values, each as a record or HubSpot has it, mean the same here."""
        return self.canonical(one) == self.canonical(other)

    def canonical(self, value: Any) -> str | None:
        """One text for all ways to say the value; what does not fit is only equal to itself."""
        try:
            text = self.to_hubspot(value)
        except NotConvertible:
            return f"\x00{value}"
        if not text:
            return None
        if self.type == "number":
            number = Decimal(text)
            return str(number.normalize() if number else Decimal(0))
        if self.many:
            return ";".join(sorted(text.split(";")))
        if self.name == "email":
            return text.strip().lower()
        return text

    def _typed(self, value: Any, read: Callable[[str], str], allowed: str) -> str:
        try:
            return read(_text(value))
        except (ValueError, OverflowError):
            raise NotConvertible(f"{self.name}: {value!r} is not {allowed}") from None

    def _option(self, value: Any) -> str:
        given = value if isinstance(value, list) else str(value).split(";") if self.many else [value]
        chosen = [_text(each).strip() for each in given if each not in (None, "")]
        if not self.options:
            return ";".join(chosen)
        by_label = {label.lower(): option for option, label in self.options.items()}
        found = []
        for each in chosen:
            option = each if each in self.options else by_label.get(each.lower())
            if option is None:
                listed = ", ".join(self.options)
                raise NotConvertible(f"{self.name}: {each!r} is none of its options: {listed}")
            found.append(option)
        return ";".join(dict.fromkeys(found))


def iso(moment: datetime) -> str:
    """A moment as HubSpot writes it: 2022-02-14T21:36:16.420Z."""
    moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def canonical_moment(text: str) -> str:
    """A moment, given in ISO 8601 or milliseconds, as HubSpot writes it."""
    return iso(_moment(text))


def milliseconds(text: str) -> int:
    """Milliseconds since 1970 of a moment in ISO 8601."""
    return (_moment(text) - _EPOCH) // timedelta(milliseconds=1)


def _moment(text: str) -> datetime:
    if _INTEGER.fullmatch(text):
        return _EPOCH + timedelta(milliseconds=int(text))
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _date(text: str) -> str:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return date.fromisoformat(text).isoformat()
    moment = _moment(text).astimezone(UTC)
    if moment.time() != datetime.min.time():
        raise ValueError(text)
    return moment.date().isoformat()


def _shown(value: str, read: Callable[[str], str]) -> str:
    try:
        return read(value)
    except (ValueError, OverflowError):
        return value


def _plain(value: str) -> int | Decimal | str:
    if _INTEGER.fullmatch(value):
        return int(value)
    return Decimal(value) if _NUMBER.fullmatch(value) else value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _text_of_number(name: str, value: Any) -> str:
    text = _text(value).strip()
    try:
        if isinstance(value, bool) or not _NUMBER.fullmatch(text):
            raise NotConvertible(f"{name}: {value!r} is no number")
        return f"{Decimal(text):f}"
    except InvalidOperation:
        raise NotConvertible(f"{name}: {value!r} is no number") from None


def _bool(name: str, value: Any) -> str:
    text = _text(value).strip().lower()
    if text in _TRUE:
        return "true"
    if text in _FALSE:
        return "false"
    raise NotConvertible(f"{name}: {value!r} is neither true nor false")
