"""What a column cannot hold unchanged though its database would take it: the tests run it, docs/types.md shows it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple


class Narrow(NamedTuple):
    """A column, a value that its database would change without a word, what it would make of it, and one that fits."""

    type: str
    value: Any
    becomes: str
    fits: Any


_EXACT = Decimal("12.3400")
_SECONDS = "2026-01-01T10:00:00.1234567Z"
_TAIL = "2026-01-01T10:00:00.123456000Z"
_BIG = 9_007_199_254_740_993

POSTGRESQL = [
    Narrow("numeric(10,2)", Decimal("12.345"), "12.35", _EXACT),
    Narrow("numeric(10,2)", "12.345", "12.35", "12.34"),
    Narrow("numeric(5,-2)", 1234, "1200", 1200),
    Narrow("price", Decimal("0.005"), "0.01", Decimal("1E+2")),
    Narrow("money", Decimal("12.345"), "$12.35", Decimal("12.34")),
    Narrow("numeric(6,2)[]", [1, Decimal("1.505")], "{1.00,1.51}", [Decimal("1.50"), None]),
    Narrow("numeric(6,2)[]", "{{1.505}}", "{{1.51}}", "{{1.50}}"),
    Narrow("double precision", _BIG, "9.007199254740992e+15", 9_007_199_254_740_992),
    Narrow("real", 16_777_217, "1.6777216e+07", 16_777_216),
    Narrow("varchar(3)", "ab   ", "ab ", "ab "),
    Narrow("varchar(3)[]", ["abcd"], "{abc}", ["abc", None]),
    Narrow("name", "a" * 64, "its first 63 bytes", "a" * 63),
    Narrow('"char"', "ab", "a", "a"),
    Narrow("timestamptz", _SECONDS, "2026-01-01 10:00:00.123457+00", _TAIL),
    Narrow("timestamp", _SECONDS, "2026-01-01 10:00:00.123457", _TAIL),
    Narrow("timestamptz", "now", "the time of the write", "infinity"),
    Narrow("timestamptz", "2026-01-01T23:59:60Z", "2026-01-02 00:00:00+00", "2026-01-01T23:59:59Z"),
    Narrow("timestamp(0)", "2026-01-01T10:00:00.5Z", "2026-01-01 10:00:01", "2026-01-01T10:00:00.0Z"),
    Narrow("date", "2026-01-01T10:00:00Z", "2026-01-01", "2026-01-01T00:00:00.000Z"),
    Narrow("date", "today", "the day of the write", "2026-01-01"),
    Narrow("time", "10:00:00+02:00", "10:00:00", "10:00:00.5"),
    Narrow("time", "2026-01-01 10:00:00", "10:00:00", "10:00"),
    Narrow("time(0)", "10:00:00.5", "10:00:01", "10:00:00"),
    Narrow("timetz(1)", "10:00:00.25+02:00", "10:00:00.3+02", "10:00:00.2+02:00"),
    Narrow("interval(0)", "PT1.5S", "00:00:02", "P1M2DT3H"),
]
DUCKDB = [
    Narrow("decimal(10,2)", Decimal("12.345"), "12.35", _EXACT),
    Narrow("integer", Decimal("1.5"), "2", Decimal("1.0")),
    Narrow("integer[]", [Decimal("1.5")], "[2]", [1, None]),
    Narrow("decimal(6,2)[]", [Decimal("1.505")], "[1.51]", [Decimal("1.50")]),
    Narrow("double", _BIG, "9007199254740992.0", 1),
    Narrow("double", Decimal("1E+400"), "inf", Decimal("1E+300")),
    Narrow("double", Decimal("1E-400"), "0.0", Decimal("1E-300")),
    Narrow("float", Decimal("1E+39"), "inf", Decimal("1E+38")),
    Narrow("timestamptz", _SECONDS, "2026-01-01 10:00:00.123456+00", _TAIL),
    Narrow("timestamp_s", "2026-01-01T10:00:00.5Z", "2026-01-01 10:00:01", "2026-01-01T10:00:00Z"),
    Narrow("date", "2026-01-01T10:00:00Z", "2026-01-01", "2026-01-01T00:00:00Z"),
    Narrow("time", "10:00:00.1234567", "10:00:00.123456", "10:00:00.123456"),
    Narrow("time", "10:00:00+02:00", "10:00:00", "10:00:00"),
]
SQLITE = [
    Narrow("real", _BIG, "9007199254740992.0", 1),
    Narrow("real", Decimal("1E+400"), "Inf", Decimal("1E+300")),
    Narrow("double", "Infinity", "text in a column of numbers", "0.5"),
]
MARIADB = [
    Narrow("decimal(10,2)", Decimal("12.345"), "12.35", _EXACT),
    Narrow("double", _BIG, "9007199254740992", 1),
    Narrow("float", 16_777_217, "16777200", 16_777_216),
    Narrow("double(9,2)", Decimal("1.505"), "1.5", Decimal("1.5")),
    Narrow("varchar(3)", "ab   ", "ab ", "ab "),
    Narrow("tinytext", "a" + " " * 255, "its first 255 bytes", "a" * 255),
    Narrow("binary(4)", "AAE=", "AAEAAA==", "AAECAw=="),
    Narrow("datetime", "2026-01-01T10:00:00.5Z", "2026-01-01 10:00:00", "2026-01-01T10:00:00Z"),
    Narrow("datetime(6)", _SECONDS, "2026-01-01 10:00:00.123456", _TAIL),
    Narrow("timestamp(2)", "2026-01-01T10:00:00.125Z", "2026-01-01 10:00:00.12", "2026-01-01T10:00:00.12Z"),
    Narrow("date", "2026-01-01T10:00:00Z", "2026-01-01", "2026-01-01T00:00:00Z"),
    Narrow("time(6)", "10:00:00+02:00", "10:00:00", "10:00:00.5"),
]
CASES = {"postgresql": POSTGRESQL, "duckdb": DUCKDB, "sqlite": SQLITE, "mariadb": MARIADB}
NAMES = {"postgresql": "PostgreSQL", "duckdb": "DuckDB", "sqlite": "SQLite", "mariadb": "MariaDB, MySQL"}
