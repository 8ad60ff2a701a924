"""Rows on their way into a table: each is the body of a JSON array, in the order of its batch's columns.

JSON tokens are kept as they came: numbers keep every digit, and what the database can read is never made a value here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from target_kit.lines import encode

_decoder = msgspec.json.Decoder(list[Any], float_hook=Decimal)


@dataclass(slots=True)
class Batch:
    """Rows that all have the same columns. `keys` holds the key tokens; `doubled`: some key came more than once."""

    columns: tuple[str, ...]
    lines: list[bytes] = field(default_factory=list)
    keys: set[bytes] = field(default_factory=set)
    doubled: bool = False

    def add(self, line: bytes, key: bytes | None) -> None:
        """One more row; `key` is None in a table without one."""
        self.lines.append(line)
        if key is not None:
            if key in self.keys:
                self.doubled = True
            self.keys.add(key)


def values_of(line: bytes) -> list[Any]:
    """The values of a row."""
    return _decoder.decode(b"[" + line + b"]")


def line_of(record: Mapping[str, Any], columns: Sequence[str]) -> bytes:
    """The row of a record."""
    return b",".join([encode(record[column]) for column in columns])


def key_of(record: Mapping[str, Any], key: Sequence[str]) -> bytes:
    """The key tokens of a record."""
    return b",".join([encode(record[column]) for column in key])


def csv_of(lines: Sequence[bytes], wrapped: Sequence[bool]) -> list[bytes]:
    r"""The rows as CSV with quote `"`, escape `\` and an unquoted `null`: JSON tokens but for escapes.

    `wrapped` says which columns hold JSON: there the token itself is the text. Raises `ValueError` for what is no text.
    """
    if any(wrapped):
        return [_rewritten(line, wrapped) for line in lines]
    return [_rewritten(line, wrapped) if b"\\" in line else line for line in lines]


def _rewritten(line: bytes, wrapped: Sequence[bool]) -> bytes:
    decoder = _raw_decoder(len(wrapped))
    return b",".join(
        [
            _quoted(bytes(token)) if is_json and bytes(token) != _NULL else _cell(bytes(token))
            for token, is_json in zip(decoder.decode(b"[" + line + b"]"), wrapped, strict=True)
        ]
    )


_NULL = b"null"
_decoders: dict[int, msgspec.json.Decoder[Any]] = {}


def _raw_decoder(width: int) -> msgspec.json.Decoder[Any]:
    if width not in _decoders:
        _decoders[width] = msgspec.json.Decoder(tuple[(msgspec.Raw,) * width])  # type: ignore[misc]
    return _decoders[width]


def _cell(token: bytes) -> bytes:
    if token[:1] in b"{[":
        return _quoted(token)
    return _quoted(msgspec.json.decode(token, type=str).encode()) if b"\\" in token else token


def _quoted(text: bytes) -> bytes:
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
