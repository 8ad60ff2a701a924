"""How rows become columns: made from the type hints of the row classes, once per table.

| type hint                 | column            | in the database                                             |
|---------------------------|-------------------|-------------------------------------------------------------|
| str                       | TEXT              | itself                                                      |
| a StrEnum                 | TEXT              | its value                                                   |
| int                       | BIGINT            | itself                                                      |
| bool                      | BOOLEAN           | itself                                                      |
| Mapping, tuple, Any, Value| TEXT              | canonical JSON; null is the text `null`                     |
| Value or Missing          | TEXT, may be NULL | as Value; `MISSING` is NULL                                 |
| any of these or None      | may be NULL       | None is NULL                                                |

PostgreSQL's texts hold no U+0000. There a str is stored with U+0000 as U+0001 U+0001 and U+0001 as U+0001 U+0002, which
keeps the order of texts; JSON escapes both by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, Generic, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
import sqlalchemy as sa
from msgspec.structs import fields
from sqlalchemy.dialects import postgresql

from antiphon.equivalence import canonical_json, from_json
from antiphon.ledger.tables import Table
from antiphon.model import MISSING, Missing, Value

R = TypeVar("R")
Convert: TypeAlias = Callable[[Any], Any]

# Bytes decide the order of texts everywhere, as they do in Python: PostgreSQL would else ask the server's language.
_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


@dataclass(frozen=True, slots=True)
class Column:
    """One field of a row class as a column; no conversion where the driver takes the value as it is."""

    name: str
    type: sa.types.TypeEngine[Any]
    nullable: bool = False
    encode: Convert | None = None
    decode: Convert | None = None


class Codec(Generic[R]):
    """The columns of one table, and its rows as tuples of what the database driver understands."""

    def __init__(self, table: Table[R], *, null_character: bool = True) -> None:
        hints = get_type_hints(table.row)
        self.table = table
        self.columns = {f.name: _column(f.name, hints[f.name]) for f in fields(table.row)}  # type: ignore[arg-type]  # rows are structs
        if not null_character:
            for name, column in self.columns.items():
                if column.type is _TEXT and column.encode is None:
                    self.columns[name] = replace(column, encode=without_null_character, decode=with_null_character)
        self._values = attrgetter(*self.columns)
        self._encoders = _at(column.encode for column in self.columns.values())
        self._decoders = _at(column.decode for column in self.columns.values())

    def encode(self, row: R) -> tuple[Any, ...]:
        """The row's values, in the order of its columns."""
        values = list(self._values(row))
        for at, convert in self._encoders:
            values[at] = convert(values[at])
        return tuple(values)

    def decode(self, stored: Sequence[Any]) -> R:
        """The row of a tuple that `encode` made. Raises `ValueError` or `KeyError` if it made no such thing."""
        values = list(stored)
        for at, convert in self._decoders:
            values[at] = convert(values[at])
        return self.table.row(*values)

    def decode_columns(self, names: tuple[str, ...], stored: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Stored values of the named columns, by row."""
        return _converted(stored, _at(self.columns[name].decode for name in names))

    def encode_entries(self, names: tuple[str, ...], entries: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Values of the named columns, to look for."""
        return _converted(entries, _at(self.columns[name].encode for name in names))


def _converted(rows: list[tuple[Any, ...]], converts: tuple[tuple[int, Convert], ...]) -> list[tuple[Any, ...]]:
    if not rows or not converts:
        return rows
    columns: list[Iterable[Any]] = list(zip(*rows, strict=True))
    for at, convert in converts:
        columns[at] = map(convert, columns[at])
    return list(zip(*columns, strict=True))


def _at(converts: Any) -> tuple[tuple[int, Convert], ...]:  # one conversion or None per column
    return tuple((at, convert) for at, convert in enumerate(converts) if convert is not None)


def _column(name: str, hint: Any) -> Column:
    if hint == Value | Missing:
        return Column(name, _TEXT, nullable=True, encode=_encode_known, decode=_decode_known)
    if hint in (Any, Value):
        return Column(name, _TEXT, encode=canonical_json, decode=from_json)
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    kind, *others = [kind for kind in kinds if kind is not NoneType]
    if others:
        raise TypeError(f"no column can hold {hint}, the type of {name}")
    column = _plain(name, kind)
    if NoneType not in kinds:
        return column
    encode, decode = _unless_none(column.encode), _unless_none(column.decode)
    return Column(name, column.type, nullable=True, encode=encode, decode=decode)


def _plain(name: str, kind: Any) -> Column:
    if kind is str:
        return Column(name, _TEXT)
    if kind is bool:
        return Column(name, sa.Boolean(), decode=bool)
    if kind is int:
        return Column(name, sa.BigInteger())
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return Column(name, _TEXT, encode=str, decode={member.value: member for member in kind}.__getitem__)
    if get_origin(kind) is tuple:
        return Column(name, _TEXT, encode=canonical_json, decode=msgspec.json.Decoder(kind).decode)
    if get_origin(kind) is Mapping:
        decode = msgspec.json.Decoder(_decoded(kind), float_hook=Decimal).decode
        return Column(name, _TEXT, encode=canonical_json, decode=decode)
    raise TypeError(f"no column can hold {kind}, the type of {name}")


def _decoded(hint: Any) -> Any:
    """The type that JSON of a type hint is decoded to: structs within are made as it is read."""
    if get_origin(hint) is Mapping:
        key, values = get_args(hint)
        return dict[key, _decoded(values)]  # type: ignore[misc, valid-type]
    return Any if hint == Value else hint


def without_null_character(text: str | None) -> str | None:
    """The text as PostgreSQL can hold it."""
    if text and ("\x00" in text or "\x01" in text):
        return text.replace("\x01", "\x01\x02").replace("\x00", "\x01\x01")
    return text


def with_null_character(text: str | None) -> str | None:
    """The text that `without_null_character` was given."""
    return text.replace("\x01\x01", "\x00").replace("\x01\x02", "\x01") if text and "\x01" in text else text


def _unless_none(convert: Convert | None) -> Convert | None:
    return convert and (lambda value: None if value is None else convert(value))


def _encode_known(value: Value | Missing) -> str | None:
    return None if value is MISSING else canonical_json(value)


def _decode_known(text: str | None) -> Value | Missing:
    return MISSING if text is None else from_json(text)
