"""Columns: what kind of value each holds, the type that a new one gets, and a Singer value in the form to write."""

from __future__ import annotations

import base64
import binascii
import enum
import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import types
from sqlalchemy.dialects import mysql, postgresql

from target_kit.lines import encode
from target_sql.faults import RowRefused, value_refused
from target_sql.limits import Limit

_SQLITE_DIGITS = 15
_REDSHIFT_BYTES = 1_024_000
"""Amazon Redshift Developer Guide, "VARBYTE type", which is VARBINARY, too; there is no BYTEA."""
_DAY = len("2026-01-01")
_TRUE, _FALSE = {"true", "t", "yes", "1"}, {"false", "f", "no", "0"}


class Kind(enum.StrEnum):
    """What a column holds; docs/types.md has the table of every database's types."""

    INTEGER = "integer"
    NUMBER = "number"  # exact
    FLOAT = "float"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"  # without a zone
    TIMESTAMPTZ = "timestamptz"
    TIME = "time"
    UUID = "uuid"
    JSON = "json"
    ARRAY = "array"
    BYTES = "bytes"  # base64 in JSON
    TEXT = "text"
    OTHER = "other"  # written as text that the database reads


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. `writable` is false for generated ones; `always`: an identity that refuses values.

    `sql`: the type as the database writes it, where SQLAlchemy does not reflect. `limit`: what fits into it, where the
    database would change the rest without a word.
    """

    name: str
    kind: Kind
    type: types.TypeEngine[Any]
    nullable: bool = True
    writable: bool = True
    always: bool = False
    sql: str = ""
    limit: Limit | None = None

    def refuse(self, value: Any) -> RowRefused | None:
        """Why the column does not hold a value unchanged; None if it does, or if its database will tell."""
        why = self.limit.fault(value) if self.limit is not None and value is not None else ""
        return value_refused(self.name, value, why) if why else None


_KINDS: tuple[tuple[type[types.TypeEngine[Any]], Kind], ...] = (
    (types.Boolean, Kind.BOOLEAN),
    (types.Integer, Kind.INTEGER),
    (types.Float, Kind.FLOAT),
    (types.Numeric, Kind.NUMBER),
    (types.Date, Kind.DATE),
    (types.Time, Kind.TIME),
    (types.Uuid, Kind.UUID),
    (types.JSON, Kind.JSON),
    (types.ARRAY, Kind.ARRAY),
    (types._Binary, Kind.BYTES),  # noqa: SLF001 -- BINARY, VARBINARY and BLOB share nothing else
    (types.String, Kind.TEXT),
)


_BY_NAME = {
    "TIMESTAMP_TZ": Kind.TIMESTAMPTZ,
    "TIMESTAMP_LTZ": Kind.TIMESTAMPTZ,
    "TIMESTAMP_NTZ": Kind.TIMESTAMP,
}
"""Snowflake's own types, which are none of SQLAlchemy's."""


def kind_of(sql_type: types.TypeEngine[Any]) -> Kind:
    """What a reflected column holds."""
    if isinstance(sql_type, types.DateTime):
        return Kind.TIMESTAMPTZ if getattr(sql_type, "timezone", False) else Kind.TIMESTAMP
    if isinstance(sql_type, mysql.TINYINT) and sql_type.display_width == 1:
        return Kind.BOOLEAN
    named = _BY_NAME.get(type(sql_type).__name__.upper())
    if named is not None:
        return named
    return next((kind for known, kind in _KINDS if isinstance(sql_type, known)), Kind.OTHER)


def new_type(schema: Mapping[str, Any], dialect: str, *, in_key: bool) -> types.TypeEngine[Any]:
    """The type of a column to create, after the JSON Schema of its values."""
    declared = schema.get("type", "string")
    kinds = {declared} if isinstance(declared, str) else set(declared)
    kinds -= {"null"}
    if not kinds and isinstance(options := schema.get("anyOf", schema.get("oneOf")), list):
        real = [each for each in options if each.get("type") not in ("null", ["null"])]
        if len(real) == 1:
            return new_type(real[0], dialect, in_key=in_key)
    if kinds & {"object", "array"}:
        return _json_type(dialect)
    if kinds == {"boolean"}:
        return types.Boolean()
    if kinds == {"integer"}:
        return types.BigInteger()
    if kinds in ({"number"}, {"integer", "number"}) or schema.get("format") == "singer.decimal":
        return _number(schema, dialect)
    if kinds == {"string"}:
        return _text(schema, dialect, in_key=in_key)
    return _plain_text(dialect, in_key=in_key)


def _json_type(dialect: str) -> types.TypeEngine[Any]:
    """The clouds' types for JSON take no value that is bound as it is: there it is its text."""
    if dialect == "postgresql":
        return postgresql.JSONB()
    return types.JSON() if dialect in {"duckdb", "sqlite", "mysql", "mariadb"} else _plain_text(dialect, in_key=False)


def _plain_text(dialect: str, *, in_key: bool) -> types.TypeEngine[Any]:
    """Text of any length. MySQL's TEXT ends at 64 KiB, and its keys need a length; Redshift's is VARCHAR(256)."""
    if dialect == "redshift":
        return types.String(65_535)
    if dialect not in {"mysql", "mariadb"}:
        return types.Text()
    return types.String(255) if in_key else mysql.LONGTEXT()


def _number(schema: Mapping[str, Any], dialect: str) -> types.TypeEngine[Any]:
    more = schema.get("x-singer.decimal")
    known: Mapping[str, Any] = more if isinstance(more, dict) else schema
    precision, scale = known.get("precision"), known.get("scale")
    step = schema.get("multipleOf")
    if scale is None and isinstance(step, int | float | Decimal) and 0 < step < 1:
        precision, scale = 38, max(0, -Decimal(str(step)).normalize().as_tuple().exponent)  # type: ignore[operator]
    exact = precision is not None or schema.get("format") == "singer.decimal"
    if dialect == "postgresql":
        return types.Numeric(precision, scale) if precision is not None else types.Numeric()
    if not exact:
        return types.Double()
    if dialect == "sqlite":
        return types.Text()  # NUMERIC keeps fifteen digits there and no more
    return types.Numeric(min(precision or 38, 38), 10 if scale is None else scale)


def _text(schema: Mapping[str, Any], dialect: str, *, in_key: bool) -> types.TypeEngine[Any]:
    match schema.get("format"):
        case "date-time":
            if dialect in {"mysql", "mariadb"}:
                return mysql.DATETIME(fsp=6)
            return types.TIMESTAMP(timezone=True)
        case "date":
            return types.Date()
        case "time":
            return types.Text() if dialect in {"mysql", "mariadb"} else types.Time()
        case "uuid" if dialect in {"postgresql", "duckdb"}:
            return types.Uuid()
        case "uuid":
            return types.String(36)
        case _:
            pass
    if schema.get("contentEncoding") == "base64":
        if dialect == "redshift":
            return types.VARBINARY(_REDSHIFT_BYTES)
        return mysql.LONGBLOB() if dialect in {"mysql", "mariadb"} else types.LargeBinary()
    return _plain_text(dialect, in_key=in_key)


# ---- values


def to_bind(value: Any, column: Column, dialect: str) -> Any:
    """A Singer value as the driver takes it. Raises `RowRefused` naming the column if it cannot be held unchanged."""
    if value is None:
        return None
    try:
        if dialect == "sqlite":
            return _sqlite(value, column)
        if dialect == "duckdb" and column.kind is Kind.JSON:
            return encode(value).decode()
        return _python(value, column)
    except (ValueError, ArithmeticError, TypeError, binascii.Error) as error:
        raise value_refused(column.name, value, str(error) or f"it is no {column.kind}") from error


def _python(value: Any, column: Column) -> Any:
    match column.kind:
        case Kind.INTEGER:
            return _integer(value)
        case Kind.NUMBER:
            return Decimal(str(value))
        case Kind.FLOAT:
            return float(value)
        case Kind.BOOLEAN:
            return _boolean(value)
        case Kind.DATE:
            return _day(str(value))
        case Kind.TIMESTAMP | Kind.TIMESTAMPTZ:
            moment = datetime.fromisoformat(str(value))
            zoned = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
            return zoned if column.kind is Kind.TIMESTAMPTZ else zoned.replace(tzinfo=None)
        case Kind.TIME:
            return time.fromisoformat(str(value))
        case Kind.UUID:
            return uuid.UUID(str(value))
        case Kind.BYTES:
            return base64.b64decode(str(value), validate=True)
        case Kind.JSON:
            return value
        case Kind.ARRAY if isinstance(value, list):
            return value
        case _:
            return _text_of(value)


def _sqlite(value: Any, column: Column) -> Any:
    """SQLite keeps what it is given; its numbers have fifteen digits."""
    match column.kind:
        case Kind.BOOLEAN:
            return int(_boolean(value))
        case Kind.BYTES:
            return base64.b64decode(str(value), validate=True)
        case Kind.JSON | Kind.ARRAY:
            return encode(value).decode()
        case Kind.INTEGER:
            return _integer(value)
        case Kind.NUMBER | Kind.FLOAT:
            number = Decimal(str(value))
            if column.kind is Kind.NUMBER and len(number.normalize().as_tuple().digits) > _SQLITE_DIGITS:
                raise ValueError("SQLite's numbers have fifteen digits; make it a TEXT column")
            return float(number) if number != int(number) or column.kind is Kind.FLOAT else int(number)
        case _:
            return _text_of(value)


def _integer(value: Any) -> int:
    number = value if isinstance(value, int) else Decimal(str(value))
    if number != int(number):
        raise ValueError("it is no whole number")
    return int(number)


def _day(text: str) -> date:
    """The day, or the day that a moment at midnight begins."""
    if len(text) == _DAY:
        return date.fromisoformat(text)
    moment = datetime.fromisoformat(text)
    if moment.time() != time.min:
        raise ValueError("it is a moment, and not midnight")
    return moment.date()


def _boolean(value: Any) -> bool:
    word = str(value).lower()
    if word not in _TRUE | _FALSE:
        raise ValueError("it is no boolean")
    return word in _TRUE


def _text_of(value: Any) -> str:
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("text in databases has no NUL byte")
        return value
    return encode(value).decode()


def to_json(value: Any, column: Column | None = None) -> Any:
    """A value as read back, in the form in which a tap shows it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if column is not None and column.kind is Kind.BOOLEAN and isinstance(value, int):
        return bool(value)
    if column is not None and isinstance(value, str):
        return _from_text(value, column)
    return value if isinstance(value, str | int | float | Decimal | bool | list | dict | type(None)) else str(value)


def _from_text(value: str, column: Column) -> Any:
    """Where the database answers with text: JSON on DuckDB and SQLite, DuckDB's moments."""
    if column.kind is Kind.JSON:
        try:
            return msgspec.json.Decoder(float_hook=Decimal).decode(value)
        except msgspec.DecodeError:
            return value
    if column.kind is Kind.TIMESTAMPTZ and column.sql:
        return datetime.fromisoformat(value).astimezone(UTC).isoformat()
    return value


def core_type(column: Column, dialect: str) -> types.TypeEngine[Any]:
    """The type by which SQLAlchemy binds the column's values; none where `to_bind` has done all of it."""
    if dialect in {"sqlite", "duckdb"}:
        return sa.types.NULLTYPE
    if column.kind is Kind.UUID:
        return types.Uuid()
    return column.type
