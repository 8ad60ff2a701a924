"""Values as JSON text. What has no JSON form is refused, never changed to fit.

Drivers hand over Python values, and databases text where a Python value would lose something: both are read here.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, TypeAlias, assert_never

import msgspec

from tap_sql.errors import Refused
from tap_sql.relations import Column, Kind

Render: TypeAlias = Callable[[Any], bytes]
"""One value, not null, as JSON text. Raises `Refused`."""

encode = msgspec.json.Encoder(decimal_format="number").encode
decode = msgspec.json.Decoder(float_hook=Decimal).decode

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_MOMENT = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[ T]"
    r"(?P<time>[0-9]{2}:[0-9]{2}(:[0-9]{2})?)(\.(?P<fraction>[0-9]+))?"
    r" ?(?P<zone>Z|[+-][0-9]{2}(:?[0-9]{2})?)?"
)
_TIME = re.compile(r"([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]+)?")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_BOOLEANS = {True: b"true", False: b"false", "t": b"true", "f": b"false", "true": b"true", "false": b"false"}
_SHORTEST_ZONE = len("+00")
_SHOWN = 40


def renderer(column: Column) -> Render:
    """How a column's values are written."""
    if column.kind is Kind.ARRAY:
        item = _of(column.item or Kind.TEXT)
        return lambda value: _array(value, item)
    return _of(column.kind)


def _of(kind: Kind) -> Render:
    match kind:
        case Kind.INTEGER:
            return _integer
        case Kind.NUMBER:
            return _number
        case Kind.FLOAT:
            return _float
        case Kind.BOOLEAN:
            return _boolean
        case Kind.DATE:
            return _date
        case Kind.TIMESTAMP | Kind.TIMESTAMPTZ:
            return _moment
        case Kind.TIME:
            return _time
        case Kind.UUID:
            return _uuid
        case Kind.JSON:
            return _json
        case Kind.BYTES:
            return _bytes
        case Kind.TEXT | Kind.ENUM | Kind.OTHER:
            return _text
        case Kind.ANY:
            return _any
        case Kind.ARRAY:
            raise Refused("an array within an array")
        case unknown:
            assert_never(unknown)


def shown(value: Any) -> str:
    """A value as an error may show it: cut short."""
    text = repr(value) if isinstance(value, str | bytes) else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _integer(value: Any) -> bytes:
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise Refused(f"{shown(value)} is no integer")
    text = value if isinstance(value, str) else format(value, "f") if isinstance(value, Decimal) else str(value)
    if not _INTEGER.fullmatch(text):
        raise Refused(f"{shown(value)} is no integer")
    return text.encode()


def _number(value: Any) -> bytes:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Refused(f"{value} has no JSON form")
        return repr(value).encode()
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise Refused(f"{value} has no JSON form")
        return format(value, "f").encode()
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        raise Refused(f"{shown(value)} is no number of JSON")
    return text.encode()


def _float(value: Any) -> bytes:
    if isinstance(value, Decimal) and value.is_finite():  # as it stood in JSON text: 1e+20 stays short
        return str(value).lower().encode()
    return _number(value)


def _boolean(value: Any) -> bytes:
    try:
        return _BOOLEANS[value]
    except (KeyError, TypeError):
        raise Refused(f"{shown(value)} is no boolean") from None


def _date(value: Any) -> bytes:
    text = str(value)
    try:
        date.fromisoformat(text)
    except ValueError:
        raise Refused(f"{shown(value)} is no date of the years 0001 to 9999") from None
    return b'"' + text.encode() + b'"'


def _moment(value: Any) -> bytes:
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = _in_utc(value)
    found = _MOMENT.fullmatch(str(value))
    if found is None:
        raise Refused(f"{shown(value)} is no moment of the years 0001 to 9999")
    zone = found["zone"] or ""
    if zone == "Z":
        zone = "+00:00"
    elif len(zone) == _SHORTEST_ZONE:
        zone += ":00"
    fraction = (found["fraction"] or "").rstrip("0")
    clock = found["time"] if found[3] else f"{found['time']}:00"
    text = f"{found['date']}T{clock}{'.' + fraction if fraction else ''}"
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise Refused(f"{shown(value)} is no moment of the years 0001 to 9999") from None
    return f'"{text}{zone}"'.encode()


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise Refused(f"{shown(moment)} is no moment of the years 0001 to 9999") from None


def _time(value: Any) -> bytes:
    text = str(value)
    found = _TIME.fullmatch(text)
    try:
        if found is None:
            raise Refused(f"{shown(value)} is no time of a day")
        time.fromisoformat(text)
    except ValueError:
        raise Refused(f"{shown(value)} is no time of a day") from None
    fraction = (found[2] or "").rstrip("0").rstrip(".")
    return f'"{found[1]}{fraction}"'.encode()


def _uuid(value: Any) -> bytes:
    text = str(value).lower()
    if not _UUID.fullmatch(text):
        raise Refused(f"{shown(value)} is no UUID")
    return b'"' + text.encode() + b'"'


def _json(value: Any) -> bytes:
    if not isinstance(value, str):
        return _encoded(value)
    try:
        decode(value)
    except (msgspec.DecodeError, UnicodeError, ArithmeticError) as error:
        raise Refused(f"{shown(value)} is no JSON: {error}") from None
    return value.replace("\n", " ").replace("\r", " ").encode()  # outside of strings: inside they would be no JSON


def _bytes(value: Any) -> bytes:
    if isinstance(value, str) and value.startswith("\\x"):  # PostgreSQL's own text
        value = bytes.fromhex(value[2:])
    if not isinstance(value, bytes | bytearray | memoryview):
        raise Refused(f"{shown(value)} is text among bytes")
    return b'"' + base64.b64encode(value) + b'"'


def _text(value: Any) -> bytes:
    if not isinstance(value, str):
        raise Refused(f"{shown(value)} is no text")
    return _encoded(value)


def _encoded(value: Any) -> bytes:
    try:
        return encode(value)
    except UnicodeEncodeError:
        raise Refused(f"{shown(value)} is no text in UTF-8") from None


def _any(value: Any) -> bytes:
    if isinstance(value, str):
        return _encoded(value)
    return _number(value)


def _array(value: Any, item: Render) -> bytes:
    items = decode(value) if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        raise Refused(f"{shown(value)} is no list of one dimension")
    if any(isinstance(each, list | tuple) for each in items):
        raise Refused("an array of more than one dimension has no form in its SCHEMA")
    return b"[" + b",".join(b"null" if each is None else item(each) for each in items) + b"]"
