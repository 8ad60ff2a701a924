"""When two values are the same: every comparison goes through a canonical form, never through `==` on raw values.

| value                         | its canonical form                                                           |
|-------------------------------|------------------------------------------------------------------------------|
| null, "", []                  | empty                                                                        |
| true, false                   | a boolean; also "true", "f", 1 … where a side's schema says boolean          |
| 1, 1.0, 1.50                  | a number, exact; also "1.50" where a side's schema says number               |
| 2026-11-20T10:00:00+01:00     | an instant, to the microsecond; without a zone, in the side's time zone      |
| 2026-11-20                    | a date; also the midnight instant that stands for it                         |
| text                          | itself, after the field's `normalize` steps                                  |
| what `transform:` is for      | what it becomes on its way                                                   |
| a reference                   | the link of the record it names                                              |
| a picklist value              | its name in `values:`                                                        |
| a `set`                       | its members, without order                                                   |
| an object, a list             | its canonical JSON                                                           |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from functools import lru_cache
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import msgspec
import phonenumbers

from antiphon.identity import row_hash
from antiphon.mapping import Field, Kind, SetUnion
from antiphon.model import Missing, Rid, Side, Value
from antiphon.transforms import Untransformable, transformed

Canonical: TypeAlias = tuple[Any, ...]
EMPTY: Canonical = ("empty",)

_encoder = msgspec.json.Encoder(order="deterministic", decimal_format="number")
from_json: Callable[[str | bytes], Any] = msgspec.json.Decoder(float_hook=Decimal).decode
"""The value of a JSON text; fractions become `Decimal`, so that nothing is rounded."""

_DATETIME = re.compile(r"[+-]?\d{4,6}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?( ?(Z|[+-]\d\d(:?\d\d)?))?$")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,9})?")
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
TRUE, FALSE = {"true", "t", "yes", "y", "1", "on"}, {"false", "f", "no", "n", "0", "off"}

Resolve: TypeAlias = Callable[[str, Side, Rid], str | None]
"""(entity, side, rid) to the link that holds the id, or None."""


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A reference to a record that is not linked yet: the field waits."""

    entity: str
    side: Side
    rid: Rid


@dataclass(frozen=True, slots=True)
class Unmapped:
    """A value that has no meaning on the other side: `why` it has none."""

    value: str
    why: str = "which `values:` does not name"


def canonical_json(value: Any) -> str:  # a JSON value of any shape
    """The one text of a JSON value: keys sorted, no spaces, decimals as they are."""
    return _encoder.encode(value).decode()


def hash_of(fields: Mapping[str, Value]) -> str:
    """128 bits of a record's canonical JSON."""
    return row_hash(_encoder.encode(fields))


def make_rid(values: list[Value]) -> Rid:
    """A record's id from its key values, in the order of the key columns. 7 and 7.0 are one id, "7" is another."""
    if len(values) == 1 and type(values[0]) is int:  # most ids are
        return f"[{values[0]}]"
    return canonical_json([int(v) if type(v) in _FRACTIONS and v == int(v) else v for v in values])  # type: ignore[arg-type]


_FRACTIONS = frozenset({float, Decimal})


def typed_rids(text: str) -> list[Rid]:
    """The ids that typed words may stand for: 42 is a number or a text, a JSON array is a composite key."""
    if not text:
        return []
    found = [make_rid([text])]
    try:
        value = from_json(text)
    except msgspec.DecodeError:
        return found
    return [*found, make_rid(value if isinstance(value, list) else [value])]


def is_empty(value: Value | Missing) -> bool:
    """Null, the empty string and the empty list."""
    return not value and (value is None or isinstance(value, str | list))


def alike(one: Value | Missing, two: Value | Missing) -> bool:
    """Whether two values are written alike, so that their canonical forms need not be made: on one side they are equal.

    Python also calls 1 and True equal, [1] and [True], 1.0 and 1.00.
    """
    if one is two:
        return True
    if type(one) is not type(two) or one != two:
        return False
    return isinstance(one, str | int) or canonical_json(one) == canonical_json(two)


def canon(
    field: Field, side: Side, value: Value, resolve: Resolve, timezone: str = "UTC"
) -> Canonical | Unresolved | Unmapped:
    """The canonical form of one side's value of `field`: equal exactly if the values mean the same."""
    if is_empty(value):
        return EMPTY
    if field.transform:
        arriving = sent(field, value, timezone) if field.direction and side == field.direction[0] else value
        return arriving if isinstance(arriving, Unmapped) else _typed(field.kind, arriving, timezone)
    if field.references:
        rid = make_rid([value])
        lid = resolve(field.references, side, rid)
        return ("link", lid) if lid else Unresolved(field.references, side, rid)
    if isinstance(field.policy, SetUnion):
        members = {_scalar(field, side, v, timezone) for v in split(field, value)} - {EMPTY}
        unmapped = [m for m in members if isinstance(m, Unmapped)]
        if unmapped:
            return min(unmapped, key=str)
        return ("set", *sorted(members, key=str)) if members else EMPTY
    return _scalar(field, side, value, timezone)


def sent(field: Field, value: Value, timezone: str) -> Value | Unmapped:
    """What the receiving side of a field with `transform:` is sent for a value of its source."""
    made = transformed(field.transform, normalized(field, value), timezone)
    return Unmapped(str(value), f"of which `{made.step}` makes nothing") if isinstance(made, Untransformable) else made


def split(field: Field, value: Value) -> list[Value]:
    """The members of a multi-select: a list as it is, a text cut at the field's separator."""
    if isinstance(value, list):
        return [v for v in value if not is_empty(v)]
    if isinstance(value, str):
        return [part.strip() for part in value.split(field.separator or ";") if part.strip()]
    return [] if is_empty(value) else [value]


def _scalar(field: Field, side: Side, value: Value, timezone: str) -> Canonical | Unmapped:
    if field.picklist and isinstance(value, str):
        mine = field.picklist.get(side, {})
        names = [name for name, stored in mine.items() if stored == value]
        if names:
            return ("text", names[0])
        if value in mine or not any(value in stored for stored in field.picklist.values()):
            return Unmapped(value)
        return ("text", value)
    return _typed(field.kind, normalized(field, value), timezone)


def _typed(kind: Kind, value: Value, timezone: str) -> Canonical:
    if is_empty(value):
        return EMPTY
    if isinstance(value, str):
        return _typed_text(kind, value, timezone)
    if isinstance(value, bool):
        return ("bool", value) if kind is not Kind.NUMBER else ("number", Decimal(int(value)))
    if isinstance(value, int | float | Decimal):
        if kind is Kind.BOOLEAN and value in (0, 1):
            return ("bool", bool(value))
        return ("text", str(value)) if kind is Kind.TEXT else ("number", _number(value))
    return ("json", canonical_json(value))


def _number(value: float | Decimal | str) -> Decimal:
    """The number without trailing zeros, so that equal numbers are written alike."""
    number = Decimal(str(value)) if isinstance(value, float) else Decimal(value)
    return number.normalize(_EXACT) if number else Decimal(0)


def is_number(text: str) -> bool:
    """Whether a text writes a number as JSON and SQL do. Python also takes `1_0`, `NaN`, other alphabets' digits."""
    return _NUMBER.fullmatch(text) is not None


def counted(value: Value) -> Decimal | None:
    """A number, or a text that writes one, as a counter counts it; None if it is none that can be added exactly."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    if isinstance(value, str):
        value = value.strip()
        if not is_number(value):
            return None
    number = _number(value)
    return number if number.is_finite() and abs(number.adjusted()) < _LONGEST_COUNT else None


def added(*numbers: Decimal) -> Decimal:
    """Their exact sum."""
    total = Decimal(0)
    for number in numbers:
        total = _EXACT.add(total, number)
    return _number(total)


_LONGEST_COUNT = 100
"""Numbers of more digits than this would be long to add exactly: 1e999999 is short to write."""


def _typed_text(kind: Kind, value: str, timezone: str) -> Canonical:
    if kind is Kind.TEXT:
        return ("text", value)
    text = value.strip()
    if kind is Kind.NUMBER:
        return ("number", _number(text)) if is_number(text) else ("text", value)
    if kind is Kind.BOOLEAN and text.lower() in TRUE | FALSE:
        return ("bool", text.lower() in TRUE)
    if kind is Kind.JSON:
        try:
            return ("json", canonical_json(from_json(text)))
        except (msgspec.DecodeError, ArithmeticError):  # an exponent may be too large for any number
            return ("text", value)
    if kind in (Kind.DATETIME, Kind.DATE, Kind.ANY) and _DATETIME.match(text):
        moment = _moment(text, timezone)
        if moment is not None:
            if kind is Kind.DATE and text[10:].strip("T Z0:.+") == "":
                return ("date", text[:10])
            return ("moment", moment)
    if kind is Kind.DATE:
        return ("date", text)
    return ("text", value)


@lru_cache(maxsize=4096)
def _moment(text: str, timezone: str) -> str | None:
    try:
        moment = datetime.fromisoformat(text.replace(" +", "+").replace(" Z", "Z"))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=ZoneInfo(timezone))
        return moment.astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return None


def normalized(field: Field, value: Value) -> Value:
    """The value after the field's `normalize` steps. Steps other than e164 leave everything but text alone."""
    for step, argument in field.normalize:
        if isinstance(value, str):
            value = NORMALIZERS[step](value, argument)
        elif step in ("e164", "digits") and isinstance(value, int) and not isinstance(value, bool):
            value = NORMALIZERS[step](str(value), argument)
    return value


def _e164(value: str, region: str) -> str:
    try:
        number = phonenumbers.parse(value, region or None)
    except phonenumbers.NumberParseException:
        return value
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


NORMALIZERS: Mapping[str, Callable[[str, str], str]] = {
    "strip": lambda value, _: value.strip(),
    "lower": lambda value, _: value.casefold(),
    "upper": lambda value, _: value.upper(),
    "collapse": lambda value, _: " ".join(value.split()),
    "digits": lambda value, _: "".join(c for c in value if c.isdigit()),
    "e164": _e164,
}
"""The steps that `normalize:` may name. e164 takes the region of numbers without a country code."""


def kind_of(schemas: list[Mapping[str, Any]]) -> Kind:
    """The kind of a field from the JSON schemas of its columns: the more telling of the two sides decides."""
    kinds = {_kind(schema) for schema in schemas}
    for kind in (Kind.BOOLEAN, Kind.NUMBER, Kind.DATE, Kind.DATETIME, Kind.LIST, Kind.JSON, Kind.TEXT):
        if kind in kinds:
            return kind
    return Kind.ANY


def _kind(schema: Mapping[str, Any]) -> Kind:
    variants = [v for key in ("anyOf", "oneOf") for v in schema.get(key, ())]
    if variants:
        kinds = {_kind(v) for v in variants} - {Kind.ANY}
        return kinds.pop() if len(kinds) == 1 else Kind.ANY
    declared = schema.get("type", [])
    types = set(declared if isinstance(declared, list) else [declared]) - {"null"}
    if types == {"string"}:
        formats = {"date-time": Kind.DATETIME, "date": Kind.DATE, "singer.decimal": Kind.NUMBER}
        return formats.get(schema.get("format", ""), Kind.TEXT)
    if types and types <= {"integer", "number"}:
        return Kind.NUMBER
    by_type = {"boolean": Kind.BOOLEAN, "array": Kind.LIST, "object": Kind.JSON}
    return by_type.get(next(iter(types)), Kind.ANY) if len(types) == 1 else Kind.ANY
