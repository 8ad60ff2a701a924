"""The fields of a model: what the server says of them, as JSON Schema, and their values between Singer and Tryton.

| Tryton's type              | in a record                     | JSON Schema                              |
|----------------------------|---------------------------------|------------------------------------------|
| char, text                 | text                            | string, `maxLength` where there is a size |
| integer, many2one          | number                          | integer                                  |
| float                      | number                          | number                                   |
| numeric                    | text of the number              | string, `singer.decimal`                 |
| boolean                    | true, false                     | boolean (SQLite answers 1 and 0)         |
| date                       | `2026-01-02`                    | string, date                             |
| datetime, timestamp        | `2026-01-02T03:04:05.678901Z`   | string, date-time                        |
| time                       | `03:04:05.678901`               | string, time                             |
| timedelta                  | seconds                         | number                                   |
| selection                  | the stored value                | string, `enum` where the list is fixed   |
| multiselection             | a list of stored values, sorted | array of strings                         |
| reference                  | `party.party,5`                 | string                                   |
| many2many                  | a list of ids, sorted           | array of integers                        |

Lists of children (one2many) are streams of their own; binary, dict and full-text fields are left out.
Source: trytond documentation, "Fields"; `trytond.protocols.jsonrpc` for the forms that JSON has no type for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

CORE = frozenset({"id", "active", "create_date", "create_uid", "write_date", "write_uid"})
_TEXT = {"type": ["string", "null"]}
_NUMBER = {"type": ["number", "null"]}
_INTEGER = {"type": ["integer", "null"]}
SHAPES: Mapping[str, dict[str, Any]] = {
    "char": _TEXT,
    "text": _TEXT,
    "integer": _INTEGER,
    "float": _NUMBER,
    "numeric": {"type": ["string", "null"], "format": "singer.decimal"},
    "boolean": {"type": ["boolean", "null"]},
    "date": {"type": ["string", "null"], "format": "date"},
    "datetime": {"type": ["string", "null"], "format": "date-time"},
    "timestamp": {"type": ["string", "null"], "format": "date-time"},
    "time": {"type": ["string", "null"], "format": "time"},
    "timedelta": _NUMBER,
    "selection": _TEXT,
    "multiselection": {"type": ["array", "null"], "items": {"type": "string"}},
    "reference": _TEXT,
    "many2one": _INTEGER,
    "many2many": {"type": ["array", "null"], "items": {"type": "integer"}},
}


class NotConvertible(ValueError):
    """A value that Tryton would not take; the message names the field, the value and what is allowed."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a model, as the server defines it."""

    name: str
    type: str
    label: str = ""
    help: str = ""
    read_only: bool = False
    required: bool = False
    searchable: bool = True
    eager: bool = True
    size: int | None = None
    options: tuple[str | None, ...] = ()
    relation: str = ""
    digits: int | None = None

    @classmethod
    def of(cls, name: str, shown: Mapping[str, Any]) -> Field | None:
        """The field of an entry of `fields_get`; None for one that a column cannot hold."""
        kind = str(shown["type"])
        if kind not in SHAPES or (kind == "integer" and name.startswith("_")):
            return None
        selection, size, digits = shown.get("selection"), shown.get("size"), shown.get("digits")
        options = tuple(value for value, _ in selection) if kind == "selection" and isinstance(selection, list) else ()
        places = digits[1] if isinstance(digits, list) and len(digits) > 1 else None
        return cls(
            name,
            kind,
            str(shown.get("string") or ""),
            str(shown.get("help") or ""),
            read_only=bool(shown.get("readonly")) or name in CORE - {"active"},
            required=bool(shown.get("required")),
            searchable=bool(shown.get("searchable")),
            eager=shown.get("loading") == "eager",
            size=size if isinstance(size, int) else None,
            options=options,
            relation=str(shown.get("relation") or ""),
            digits=places if isinstance(places, int) else None,
        )

    def to_schema(self) -> dict[str, Any]:
        """The column."""
        shape = dict(SHAPES[self.type])
        if self.read_only:
            shape["readOnly"] = True
        if self.size:
            shape["maxLength"] = self.size
        if self.options:
            shape["enum"] = [*dict.fromkeys([*(each for each in self.options if each), None])]
        said = ". ".join(part.rstrip(".") for part in (self.label, self.help, self._told) if part)
        return {**shape, "description": f"{said}."} if said else shape

    @property
    def _told(self) -> str:
        return f"Id in {self.relation}" if self.type == "many2one" else ""

    def from_tryton(self, value: Any) -> Any:
        """The value of a record, from an answer of the server."""
        if isinstance(value, dict) and value.get("__class__") in _DECODERS:
            return _DECODERS[value["__class__"]](value)
        return None if value is None else _SHOWN.get(self.type, lambda shown: shown)(value)

    def to_tryton(self, value: Any) -> Any:
        """The value to send. Raises `NotConvertible`."""
        if value is None or value == "":
            return self._empty()
        try:
            sent = _CONVERTERS[self.type](value)
        except (ValueError, TypeError, ArithmeticError) as error:
            raise NotConvertible(f"{self.name}: {value!r} is no {self.type}") from error
        if self.options and sent not in self.options:
            allowed = ", ".join(str(each) for each in self.options if each)
            raise NotConvertible(f"{self.name}: {value!r} is not allowed, these are: {allowed}")
        if self.size and isinstance(sent, str) and len(sent) > self.size:
            raise NotConvertible(f"{self.name}: {len(sent)} characters, and Tryton keeps {self.size}")
        return sent

    def to_write(self, value: Any, held: Any) -> Any:
        """The value to send where `held` is what is there; lists of ids are sent as what to add and to remove.

        Raises `NotConvertible`.
        """
        sent = self.to_tryton(value)
        if self.type != "many2many":
            return sent
        old, new = set(held or ()), set(sent)
        steps = [["add", sorted(new - old)], ["remove", sorted(old - new)]]
        return [step for step in steps if step[1]]

    def same(self, one: Any, other: Any) -> bool:
        """Whether two values of records are the same to Tryton; what cannot be read as the type is only itself."""
        try:
            return bool(self._plain(one) == self._plain(other))
        except (ValueError, TypeError, ArithmeticError):
            return repr(one) == repr(other)

    def _plain(self, value: Any) -> Any:
        if value is None or value in ("", []):  # a list has no hash
            return False if self.type == "boolean" else None
        return _COMPARED.get(self.type, _CONVERTERS[self.type])(value)

    def _empty(self) -> Any:
        if self.type == "selection" and "" in self.options and None not in self.options:
            return ""
        return {"boolean": False, "many2many": [], "multiselection": []}.get(self.type)


_DATETIME = ("year", "month", "day", "hour", "minute", "second", "microsecond")
_TIME = ("hour", "minute", "second", "microsecond")


def _written(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _moment(value: Any) -> datetime:
    shown = datetime.fromisoformat(str(value))
    return shown.replace(tzinfo=UTC) if shown.tzinfo is None else shown.astimezone(UTC)


def as_datetime(at: datetime) -> dict[str, Any]:
    """A moment as Tryton takes it: UTC, with microseconds."""
    at = at.astimezone(UTC)
    return {"__class__": "datetime", **{part: getattr(at, part) for part in _DATETIME}}


def _datetime(value: Any) -> dict[str, Any]:
    return as_datetime(_moment(value).replace(microsecond=0))


def _date(value: Any) -> dict[str, Any]:
    at = date.fromisoformat(str(value)[:10])
    return {"__class__": "date", "year": at.year, "month": at.month, "day": at.day}


def _time(value: Any) -> dict[str, Any]:
    at = time.fromisoformat(str(value))
    return {"__class__": "time", **{part: getattr(at, part) for part in _TIME}}


def _decimal(value: Any) -> dict[str, Any]:
    number = Decimal(str(value))
    if not number.is_finite():
        raise InvalidOperation
    return {"__class__": "Decimal", "decimal": str(number)}


def _integer(value: Any) -> int:
    number = Decimal(str(value)) if not isinstance(value, bool) else Decimal(int(value))
    if number != number.to_integral_value():
        raise ValueError(value)
    return int(number)


def _boolean(value: Any) -> bool:
    known = {True: True, False: False, "true": True, "false": False, "1": True, "0": False}
    try:
        return known[value.lower() if isinstance(value, str) else value]
    except KeyError:
        raise ValueError(value) from None


def _list_of(convert: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    def convert_all(value: Any) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise TypeError(value)
        return sorted(convert(each) for each in value)

    return convert_all


_DECODERS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "datetime": lambda shown: _written(datetime(*(shown[part] for part in _DATETIME))),  # noqa: DTZ001  # Tryton's is UTC
    "date": lambda shown: date(shown["year"], shown["month"], shown["day"]).isoformat(),
    "time": lambda shown: time(*(shown[part] for part in _TIME)).isoformat(),
    "timedelta": lambda shown: shown["seconds"],
    "Decimal": lambda shown: str(shown["decimal"]),
}
"""What JSON has no type for, as a record holds it."""

_SHOWN: Mapping[str, Callable[[Any], Any]] = {
    "boolean": bool,
    "many2many": sorted,
    "multiselection": sorted,
    "float": float,
    "timedelta": float,
    "numeric": str,
}
"""Plain values, as a record holds them, where this is not as they come."""

_COMPARED: Mapping[str, Callable[[Any], Any]] = {
    "datetime": _moment,
    "timestamp": _moment,
    "numeric": lambda value: Decimal(str(value)),
    "float": float,
    "timedelta": float,
    "many2many": sorted,
    "multiselection": sorted,
}
"""Values of records in a form that can be compared, where this is not as they are sent."""

_CONVERTERS: Mapping[str, Callable[[Any], Any]] = {
    "char": str,
    "text": str,
    "integer": _integer,
    "many2one": _integer,
    "float": float,
    "numeric": _decimal,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "timestamp": lambda value: as_datetime(_moment(value)),
    "time": _time,
    "timedelta": lambda value: {"__class__": "timedelta", "seconds": float(value)},
    "selection": str,
    "multiselection": _list_of(str),
    "reference": str,
    "many2many": _list_of(_integer),
}
