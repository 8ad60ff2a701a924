"""Rows of a driver as the JSON text of records, and rows of which something was refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from tap_sql.errors import Refused
from tap_sql.relations import Column
from tap_sql.values import encode, renderer


@dataclass(frozen=True, slots=True)
class Bad:
    """A record without the columns that were `refused`, and why each was."""

    record: bytes
    refused: Mapping[str, str]


Row: TypeAlias = bytes | Bad
"""A record as JSON text, an object on one line."""


def rendered(columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> Iterator[Row]:
    """The records of rows whose values stand in the order of `columns`."""
    heads = [_name(column.name) for column in columns]
    renders = [renderer(column) for column in columns]
    parts = list(zip(heads, renders, strict=True))
    for row in rows:
        try:
            yield (
                b"{"
                + b",".join(
                    head + (b"null" if value is None else render(value))
                    for (head, render), value in zip(parts, row, strict=True)
                )
                + b"}"
            )
        except Refused:
            yield _bad(columns, row)


def _bad(columns: Sequence[Column], row: Sequence[Any]) -> Bad:
    kept, refused = [], {}
    for column, value in zip(columns, row, strict=True):
        try:
            kept.append(_name(column.name) + (b"null" if value is None else renderer(column)(value)))
        except Refused as error:
            refused[column.name] = str(error)
    return Bad(b"{" + b",".join(kept) + b"}", refused)


def _name(name: str) -> bytes:
    return encode(name) + b":"
