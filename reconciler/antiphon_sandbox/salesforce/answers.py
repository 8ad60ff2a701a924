"""Answers to queries: which records are found, and how they are shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from antiphon_sandbox.salesforce.org import Org, Record
from antiphon_sandbox.salesforce.soql import Asked, Step, read, reader


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query finds: rows as the API shows them, or for `COUNT()` their number alone."""

    rows: Sequence[Mapping[str, Any]]
    total: int


def run(org: Org, text: str, root: str, *, deleted: bool = False) -> Answer:
    """Answer a query; `deleted`: what lies in the recycle bin too. Raises `Refused`."""
    asked = read(org, text)
    found = _found(org, asked, deleted=deleted)
    rows = [_row(org, each, asked.paths, root) for each in found] if asked.paths else []
    return Answer(rows, len(found))


def cells(org: Org, asked: Asked, *, deleted: bool = False) -> Iterator[list[Any]]:
    """The values of each record that is found, in the order of the query's columns."""
    readers = [reader(org, path) for path in asked.paths]
    for record in _found(org, asked, deleted=deleted):
        yield [value(record) for value in readers]


def _found(org: Org, asked: Asked, *, deleted: bool) -> list[Record]:
    found = [each for each in org.records.values() if each.kind == asked.object.name]
    found = [each for each in found if (deleted or not each.in_bin) and (asked.test is None or asked.test(each))]
    found.sort(key=lambda each: each.id)
    for value, down, nulls_first in reversed(asked.order):
        found.sort(key=lambda each, of=value: _sortable(of(each)), reverse=down)  # type: ignore[misc]
        found.sort(key=lambda each, of=value, first=nulls_first: (of(each) is None) != first)  # type: ignore[misc]
    return found[asked.offset : None if asked.limit is None else asked.offset + asked.limit]


def _sortable(value: Any) -> tuple[bool, Any]:
    return (False, 0) if value is None else (True, value)


def _row(org: Org, record: Record, paths: Sequence[Sequence[Step]], root: str) -> dict[str, Any]:
    row: dict[str, Any] = shown_head(record.kind, record.id, root)
    for path in paths:
        step = path[0]
        if len(path) == 1:
            row[step.shown] = shown_value(record, step.field.name, step.field.type)
            continue
        parent = org.records.get(str(record.values.get(step.field.name)))
        if parent is None:
            row[step.shown] = None
        else:
            row[step.shown] = {**(row.get(step.shown) or {}), **_row(org, parent, [path[1:]], root)}
    return row


def shown_head(kind: str, record_id: str, root: str) -> dict[str, Any]:
    """What stands before the fields of a record."""
    return {"attributes": {"type": kind, "url": f"{root}/sobjects/{kind}/{record_id}"}}


def shown_value(record: Record, name: str, kind: str) -> Any:
    """A field as the API shows it; an address is made of its parts."""
    if kind != "address":
        return record.values.get(name)
    stem = name.removesuffix("Address")
    parts = {part.lower(): record.values.get(stem + part) for part in ("City", "Country")}
    return parts if any(parts.values()) else None
