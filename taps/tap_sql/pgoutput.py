"""What PostgreSQL's `pgoutput` says of committed changes: bytes in, changes out.

The format is PostgreSQL's documentation, section "Logical Replication Message Formats", protocol version 1, values as
text. Nothing here connects to anything.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

UNCHANGED: Final = object()
"""A TOASTed value that the change did not touch, and that the log therefore does not have."""

Value: TypeAlias = object
"""A value as the text of its type, None for null, or `UNCHANGED`."""

_KEY = 1
_FULL = "f"


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it was when the changes that follow were made. `key`: the columns of its replica identity."""

    schema: str
    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    full: bool


@dataclass(frozen=True, slots=True)
class Upsert:
    """A row as it is after an insert or update. `old`: what is known of it before, its key if that changed."""

    table: Table
    row: Mapping[str, Value]
    old: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Delete:
    """A row that is no more: its key, or all of it under REPLICA IDENTITY FULL."""

    table: Table
    old: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Truncate:
    """Tables of which nothing is left."""

    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True)
class Begin:
    """A transaction follows, whose COMMIT stands at `lsn` in the log."""

    lsn: int


@dataclass(frozen=True, slots=True)
class Commit:
    """The transaction is over; the log goes on at `lsn`."""

    lsn: int


Change: TypeAlias = Begin | Upsert | Delete | Truncate | Commit


class Malformed(ValueError):
    """These bytes are no message of pgoutput."""


def changes(messages: Iterable[bytes]) -> Iterator[Change]:
    """The changes in messages, in their order. Raises `Malformed`."""
    decoder = Decoder()
    for message in messages:
        change = decoder.decode(message)
        if change is not None:
            yield change


class Decoder:
    """Reads one session's messages, which name tables by numbers that earlier ones gave them."""

    def __init__(self) -> None:
        self._tables: dict[int, Table] = {}

    def decode(self, message: bytes) -> Change | None:
        """What a message says; None where that is nothing about rows. Raises `Malformed`."""
        reader = _Reader(message)
        match reader.character():
            case "B":
                return Begin(reader.integer(8))
            case "C":
                reader.skip(9)  # flags, and where the COMMIT itself stands
                return Commit(reader.integer(8))
            case "R":
                number, table = _table(reader)
                self._tables[number] = table
                return None
            case "I":
                table = self._table(reader)
                reader.expect("N")
                return Upsert(table, _row(reader, table), {})
            case "U":
                table = self._table(reader)
                kind = reader.character()
                old = _old(reader, table, kind) if kind in "KO" else {}
                if kind in "KO":
                    reader.expect("N")
                return Upsert(table, _row(reader, table), old)
            case "D":
                table = self._table(reader)
                return Delete(table, _old(reader, table, reader.character()))
            case "T":
                count, _ = reader.integer(4), reader.integer(1)
                return Truncate(tuple(self._table(reader) for _ in range(count)))
            case "O" | "Y" | "M":  # origin, type, message: nothing about rows
                return None
            case other:
                raise Malformed(f"a message of the unknown kind {other!r}")

    def _table(self, reader: _Reader) -> Table:
        return self._tables[reader.integer(4)]


def _table(reader: _Reader) -> tuple[int, Table]:
    number, schema, name = reader.integer(4), reader.text(), reader.text()
    identity = reader.character()
    columns, key = [], []
    for _ in range(reader.integer(2)):
        flags, column = reader.integer(1), reader.text()
        reader.skip(8)  # its type and modifier
        columns.append(column)
        if flags & _KEY:
            key.append(column)
    return number, Table(schema or "pg_catalog", name, tuple(columns), tuple(key), identity == _FULL)


def _row(reader: _Reader, table: Table) -> dict[str, Value]:
    count = reader.integer(2)
    if count != len(table.columns):
        raise Malformed(f"{count} values for the {len(table.columns)} columns of {table.schema}.{table.name}")
    return {column: _value(reader) for column in table.columns}


def _old(reader: _Reader, table: Table, kind: str) -> dict[str, Value]:
    """The old row: under `K` only its key has values, the other columns are sent as null."""
    row = _row(reader, table)
    return row if kind == "O" else {column: row[column] for column in table.key}


def _value(reader: _Reader) -> Value:
    match reader.character():
        case "n":
            return None
        case "u":
            return UNCHANGED
        case "t":
            return reader.bytes(reader.integer(4)).decode()
        case other:
            raise Malformed(f"a value of the unknown kind {other!r}")


class _Reader:
    """Reads one message from its start to its end."""

    _FORMS: Final = {1: ">B", 2: ">h", 4: ">I", 8: ">Q"}

    def __init__(self, message: bytes) -> None:
        self._message, self._at = message, 0

    def bytes(self, count: int) -> bytes:
        found = self._message[self._at : self._at + count]
        if len(found) != count:
            raise Malformed("a message that ends too early")
        self._at += count
        return found

    def skip(self, count: int) -> None:
        self.bytes(count)

    def character(self) -> str:
        return self.bytes(1).decode("latin-1")

    def expect(self, wanted: str) -> None:
        if (found := self.character()) != wanted:
            raise Malformed(f"{found!r} where {wanted!r} was due")

    def integer(self, size: int) -> int:
        return int(struct.unpack(self._FORMS[size], self.bytes(size))[0])

    def text(self) -> str:
        end = self._message.index(b"\0", self._at)
        found = self._message[self._at : end].decode()
        self._at = end + 1
        return found


def lsn_number(lsn: str) -> int:
    """A position of the log, `16/B374D848`, as the number that it is."""
    high, _, low = lsn.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def lsn_text(number: int) -> str:
    """The reverse of `lsn_number`."""
    return f"{number >> 32:X}/{number & 0xFFFFFFFF:X}"


def elements(text: str) -> list[str | None]:
    """The elements of an array's text, `{1,NULL,"a b"}`. Raises `ValueError` for more than one dimension.

    After PostgreSQL's documentation, section "Array Input and Output Syntax".
    """
    if not text.startswith("{") or not text.endswith("}"):
        raise ValueError("it does not count from 1")
    found: list[str | None] = []
    part, quoted, was_quoted, at = "", False, False, 1
    while at < len(text):
        sign = text[at]
        if quoted and sign == "\\":
            at += 1
            part += text[at]
        elif sign == '"':
            quoted, was_quoted = not quoted, True
        elif quoted:
            part += sign
        elif sign == "{":
            raise ValueError("it has more than one dimension")
        elif sign in ",}":
            if part or was_quoted or sign == ",":
                found.append(None if part == "NULL" and not was_quoted else part)
            part, was_quoted = "", False
        else:
            part += sign
        at += 1
    return found
