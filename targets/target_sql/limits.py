"""What a column does not hold though its database takes it: rounds it, cuts it, or leaves a part of it out.

| type                         | what becomes of a value without a word                                              |
|------------------------------|-------------------------------------------------------------------------------------|
| decimals with a scale, money | decimal places beyond it are rounded away                                           |
| floats                       | a whole number becomes the nearest one; DuckDB and SQLite make one too large infinite |
| text with a length           | blanks beyond it go; a cast to an array's items cuts all else, too                  |
| moments, times, intervals    | digits of a second beyond the precision are rounded away                            |
| times without a zone         | a zone, a date go                                                                   |
| dates                        | a time of day goes                                                                  |

A fraction in a float column is the nearest that it has: that is what such a column says of itself. The rest is the
database's to refuse. PostgreSQL 18 documentation, chapter 8 "Data Types"; MySQL 8.4 reference, "Data Types"; MariaDB,
"Data Types"; DuckDB, "Data Types".
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

import msgspec

from target_kit.lines import encode

Fault: TypeAlias = Callable[[Any], str]
"""Why a value, which is not null, does not fit; empty if it does, or if the database says so itself."""

_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_MICROSECONDS = 6
_SINGLE, _DOUBLE = 7, 15
"""Decimal digits that every number of a float has."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What fits into a column.

    `safe` matches JSON tokens, a line each, as long as they fit for certain. Tokens of ASCII without any of `signs` and
    without a match of `suspect`, if it is given, fit as well; that is quicker to see. `token` is the pattern of one
    that fits, without the quotes that may stand around it; empty if only a closer look tells.
    """

    fault: Fault
    safe: re.Pattern[bytes]
    suspect: re.Pattern[bytes] | None = None
    signs: tuple[bytes, ...] = ()
    token: str = ""

    def takes(self, tokens: bytes) -> bool:
        """Whether all of the tokens, a line each, fit for certain."""
        plain = self.suspect is not None and tokens.isascii() and not self.suspect.search(tokens)
        return (plain and not any(sign in tokens for sign in self.signs)) or self._matches(tokens)

    def _matches(self, tokens: bytes) -> bool:
        return _matched(self.safe, tokens, 0) == len(tokens)

    def unfit(self, tokens: bytes) -> Iterator[tuple[int, str]]:
        """Which of the tokens, a line each, do not fit, and why."""
        if self.takes(tokens):
            return
        end = number = 0
        while True:
            start, end = end, _matched(self.safe, tokens, end)
            if end == len(tokens):
                return
            number += tokens.count(b"\n", start, end)
            start, end = end, tokens.index(b"\n", end) + 1
            value = _decode(tokens[start:end])
            if value is not None and (why := self.fault(value)):
                yield number, why
            number += 1


def _matched(pattern: re.Pattern[bytes], text: bytes, start: int) -> int:
    found = pattern.match(text, start)
    return found.end() if found else start


def _limit(fault: Fault, token: str = "", suspect: str = "", signs: str = "") -> Limit:
    """`signs`: words with blanks between."""
    either = f'"?(?:{token})"?\n|' if token else ""
    safe = re.compile(f"(?:{either}null\n)*+".encode())
    return Limit(fault, safe, re.compile(suspect.encode()) if suspect else None, tuple(signs.encode().split()), token)


# ---- numbers


def _decimals(scale: int) -> Limit:
    """Numbers with so many decimal places; a negative scale rounds whole numbers."""

    def fault(value: Any) -> str:
        number = _number(value)
        if not number or not number.is_finite() or _places(number) <= scale:
            return ""
        kept = f"{scale} decimal places" if scale >= 0 else f"whole multiples of {10**-scale}"
        return f"it keeps {kept}; give it more, or round where the value comes from"

    if scale < 0:
        return _limit(fault)
    token, more = rf"-?\d++(?:\.\d{{0,{scale}}}+0*+)?+", rf"\.\d{{{scale}}}0*[1-9]"
    return _limit(fault, token, more, r"\ e E")


def _places(number: Decimal) -> int:
    """Decimal places of a finite number but 0, without noughts at the end; negative for those before the point."""
    _, digits, exponent = number.as_tuple()
    return -int(exponent) - next(place for place, digit in enumerate(reversed(digits)) if digit)


def _floats(digits: int) -> Limit:
    def fault(value: Any) -> str:
        number = _number(value)
        if not number or not number.is_finite():
            return ""
        nearest = _nearest(number, digits)
        if not math.isfinite(nearest):
            return "it is too large for a float"
        if nearest == 0:
            return "it is too small for a float"
        if _places(number) > 0 or number in _texts(nearest, digits):
            return ""
        return f"a float has no such whole number, the nearest is {Decimal(nearest)}; make the column a decimal or text"

    power = r"(?:[eE][-+]?\d\d?)?+" if digits == _DOUBLE else ""
    return _limit(fault, rf"-?\d{{1,{digits}}}+(?:\.\d{{1,{2 * digits}}}+)?+{power}")


def _nearest(number: Decimal, digits: int) -> float:
    if digits == _DOUBLE:
        return float(number)
    try:
        found: float = struct.unpack("f", struct.pack("f", float(number)))[0]
    except OverflowError:
        return math.inf
    return found


def _texts(number: float, digits: int) -> set[Decimal]:
    """The number, and what programs write for it: as few digits as tell it, or as many as any float needs."""
    enough = range(digits, digits + 3)
    shown = [f"{number:.{count}g}" for count in enough]
    return {Decimal(number), *(Decimal(text) for text in shown if _nearest(Decimal(text), digits) == number)}


def _whole(value: Any) -> str:
    number = _number(value)
    return "it is no whole number" if number and number.is_finite() and _places(number) > 0 else ""


def _number(value: Any) -> Decimal | None:
    """The number; None if it is none, which the database knows better."""
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


# ---- text and bytes


def _characters(most: int) -> Limit:
    def fault(value: Any) -> str:
        return f"it is longer than {most} characters; make the column wider" if len(_text(value)) > most else ""

    return _long(fault, most)


def _long(fault: Fault, most: int) -> Limit:
    """Text of at most so many bytes, the quotes around it not counted, is short enough."""
    token = rf'"[^\n]{{0,{most + 1}}}+\n|[^"\n]{{0,{most}}}+\n|null\n'
    return Limit(fault, re.compile(f"(?:{token})*+".encode()))


def _padded(most: int) -> Limit:
    """`char(n)`, where blanks at the end mean nothing."""

    def fault(value: Any) -> str:
        longer = len(_text(value).rstrip(" ")) > most
        return f"it is longer than {most} characters; make the column wider" if longer else ""

    return _long(fault, most)


def _octets(most: int) -> Limit:
    def fault(value: Any) -> str:
        longer = len(_text(value).encode()) > most
        return f"it is longer than {most} bytes; make the column wider" if longer else ""

    return _long(fault, most)


def _binary(length: int) -> Limit:
    """`binary(n)`, which fills up with zero bytes."""

    def fault(value: Any) -> str:
        try:
            found = len(base64.b64decode(_text(value), validate=True))
        except (binascii.Error, ValueError):
            return ""
        return f"it has {found} bytes, the column {length}; make it VARBINARY" if found < length else ""

    return _limit(fault)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else encode(value).decode()


# ---- time

_ZONE = r"(?:Z|[+-]\d\d(?::?\d\d)?)?+"
_DAY = re.compile(r"[+-]?\d{4,}-\d\d?-\d\d?(?:[T ]00:00(?::00(?:\.0*)?)?\s*(?:[Zz]|[+-]\d\d(?::?\d\d)?)?)?(?: BC)?")
_TIME = re.compile(r"\d\d?:\d\d(?::\d\d(?:\.\d*)?)?(?: ?[AaPp][Mm])?(?P<zone>\s*(?:[Zz]|[+-]\d\d(?::?\d\d)*))?")
_FRACTION = re.compile(r"[.,](\d*)")
_CLOCK_DEPENDENT = re.compile(r"\s*(now|today|tomorrow|yesterday)\b", re.IGNORECASE)
_LEAP = re.compile(r":\d\d:60")


def _moments(digits: int) -> Limit:
    def fault(value: Any) -> str:
        text = _text(value)
        if _CLOCK_DEPENDENT.match(text):
            return "it is no moment but what the time of the write makes of it"
        return "moments have no second of that number" if _LEAP.search(text) else _seconds(text, digits)

    point, more = rf"(?:\.\d{{0,{digits}}}+0*+)?+", rf"\.\d{{{digits}}}0*[1-9]"
    token = rf"\d{{4}}-\d\d-\d\d[T ]\d\d:\d\d:[0-5]\d{point}{_ZONE}"
    return _limit(fault, token, more, r"\ o O s S , :60")  # the letters are those of today, now and the like


def _times(digits: int, *, zone: bool) -> Limit:
    def fault(value: Any) -> str:
        found = _TIME.fullmatch(_text(value).strip())
        if found is None:
            return "it is no time of day alone"
        if found["zone"] and not zone:
            return "it has a zone, the column has none"
        return _seconds(_text(value), digits)

    point = rf"(?:\.\d{{0,{digits}}}+0*+)?+"
    return _limit(fault, rf"\d\d:\d\d(?::[0-5]\d{point})?+{_ZONE if zone else ''}")


def _intervals(digits: int) -> Limit:
    return _limit(lambda value: _seconds(_text(value), digits), r"[^.,\"\\\n]*+")


def _seconds(text: str, digits: int) -> str:
    places = max((len(found.rstrip("0")) for found in _FRACTION.findall(text)), default=0)
    return f"it keeps {digits} digits of a second; give it more, or round at the source" if places > digits else ""


def _day(value: Any) -> str:
    text = _text(value).strip()
    if _CLOCK_DEPENDENT.match(text):
        return "it is no day but what the time of the write makes of it"
    if ":" in text and not _DAY.fullmatch(text):
        return "it is a moment, of which a date keeps the day alone; make the column a timestamp"
    return ""


# ---- arrays

_ITEM = re.compile(r'"(?:[^"\\]|\\.)*"|[^{},"]+')


def _items(item: Limit) -> Limit:
    """Arrays, each of whose items must fit."""

    def fault(value: Any) -> str:
        return next((why for each in _each(value) if each is not None and (why := item.fault(each))), "")

    if not item.token:
        return _limit(fault)
    each = rf'(?:"?(?:{item.token})"?|null)'
    return Limit(fault, re.compile(rf"(?:\[(?:{each}(?:, ?{each})*+)?\]\n|null\n)*+".encode()))


def _each(value: Any) -> Iterator[Any]:
    """The items of an array, or of PostgreSQL's text of one."""
    if isinstance(value, list):
        for item in value:
            yield from _each(item) if isinstance(item, list) else (item,)
    elif isinstance(value, str):
        for found in _ITEM.findall(value):
            quoted = found.startswith('"')
            yield re.sub(r"\\(.)", r"\1", found[1:-1]) if quoted else None if found == "NULL" else found


# ---- types

_TYPE = re.compile(
    r'("char"|character varying|double precision|[a-z]\w*)(?![.\w])\s*(?:\(\s*(-?\d+)(?:\s*,\s*(-?\d+))?\s*\))?'
    r"([^\[\]]*)((?:\[\d*\])*)",
    re.IGNORECASE,
)
_COARSE = {"mysql", "mariadb"}
_BYTES_OF_TEXT = {"name": 63, '"char"': 1, "tinytext": 255, "text": 65_535, "mediumtext": 16_777_215}
_SCALES = {("bigquery", "numeric"): 9}
"""BigQuery's dialect shows BIGNUMERIC without measures as NUMERIC, too. GoogleSQL reference, "Decimal types"."""
_SINGLES = {"real": _SINGLE, "float4": _SINGLE, "float": _SINGLE}
_FLOATS = {"real", "float", "float4", "float8", "float64", "double", "double precision", "double_precision"}
_DECIMALS = {"numeric", "decimal", "number", "dec"}
_INTEGERS = re.compile(r"u?(tiny|small|big|huge)?int(eger)?")
_ODD_SECONDS = {"timestamp_s": 0, "timestamp_ms": 3}


def limit_of(sql: str, dialect: str) -> Limit | None:
    """What fits into a column of a type, as its database writes it; None if the database refuses all else by itself."""
    found = _TYPE.fullmatch(sql.strip())
    if found is None:
        return None
    name, first, second, rest, brackets = found.groups()
    measures = [int(each) for each in (first, second) if each is not None]
    plain = _plain(name.lower(), measures, rest.lower(), dialect, in_array=bool(brackets))
    for _ in range(brackets.count("[") if plain is not None else 0):
        plain = _items(plain) if plain is not None else None
    return plain


def _plain(name: str, measures: Sequence[int], rest: str, dialect: str, *, in_array: bool) -> Limit | None:
    if name in _FLOATS:
        if len(measures) > 1:  # MySQL's FLOAT(M, D)
            return _decimals(measures[1])
        double = name not in _SINGLES or (name == "float" and dialect not in {"duckdb", "databricks", *_COARSE})
        return _floats(_DOUBLE if double or dialect == "sqlite" else _SINGLE)
    if dialect == "sqlite":  # which keeps all else as it is
        return None
    if name in _DECIMALS:
        scale = measures[1] if len(measures) > 1 else 0 if measures else _SCALES.get((dialect, name))
        return _decimals(scale) if scale is not None else None
    if name == "money":
        return _decimals(2)
    if dialect == "duckdb" and _INTEGERS.fullmatch(name):
        return _limit(_whole, r"-?\d++")
    return _of_text(name, measures, dialect, in_array=in_array) or _of_time(name, measures, rest, dialect)


def _of_text(name: str, measures: Sequence[int], dialect: str, *, in_array: bool) -> Limit | None:
    if dialect == "duckdb":  # it takes lengths and keeps none
        return None
    match name:
        case "character varying" | "varchar" | "nvarchar" | "string" if measures:
            return _characters(measures[0])
        case "character" | "char" | "nchar" | "bpchar" if measures:
            return _characters(measures[0]) if in_array else _padded(measures[0])
        case "binary" if measures and dialect in _COARSE:
            return _binary(measures[0])
        case "name" | '"char"' if dialect == "postgresql":
            return _octets(_BYTES_OF_TEXT[name])
        case "tinytext" | "text" | "mediumtext" if dialect in _COARSE:
            return _octets(_BYTES_OF_TEXT[name])
        case _:
            return None


def _of_time(name: str, measures: Sequence[int], rest: str, dialect: str) -> Limit | None:
    digits = min(measures[0], _MICROSECONDS) if measures else 0 if dialect in _COARSE else _MICROSECONDS
    zoned = "with time zone" in rest or name in {"timetz", "timestamptz"}
    if name.startswith("timestamp") or name == "datetime":
        return _moments(_ODD_SECONDS.get(name, digits))
    match name:
        case "date":
            return _limit(_day, r"\d{4}-\d\d-\d\d")
        case "time" | "timetz":
            return _times(digits, zone=zoned)
        case "interval":
            return _intervals(digits)
        case _:
            return None
