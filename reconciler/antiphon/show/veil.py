"""What must not be shown: the values of sensitive fields, wherever they turn up.

A field is hidden if sync.yml calls it sensitive; so is every other field that shares its column, every id that is made
of hidden columns or copied from a hidden id, and every reference to a record with a hidden id. A field that sync.yml
names no more is hidden: what it was is not known. Free text (a target's error message, a reason) is searched for the
hidden values of its record.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from antiphon.equivalence import canonical_json, from_json, is_empty, normalized, split
from antiphon.mapping import CopyFrom, Field
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import Audit, Bases, Conflict, Missing, Observation, Op, Row, Side
from antiphon.show.values import MASK, printable

_WORD = 4
"""A shorter value is hidden in free text only where it stands as a word of its own."""

_ID = re.compile(r"\[.*\]", re.DOTALL)


class Veil:
    """The hidden fields, columns and ids of a mapping."""

    def __init__(self, mapping: SyncMapping) -> None:
        self._mapping = mapping
        self._fields: set[tuple[str, str]] = set()
        self._columns: set[tuple[str, Side, str]] = set()
        self._ids: set[tuple[str, Side]] = set()
        before = -1
        while before != (before := len(self._fields) + len(self._columns) + len(self._ids)):
            self._spread()

    def _spread(self) -> None:
        for entity in self._mapping.entities.values():
            for field in entity.fields.values():
                columns = [(entity.name, side, column) for side, column in field.columns.items()]
                led = field.references and any((field.references, side) in self._ids for side in field.columns)
                if field.sensitive or led or any(column in self._columns for column in columns):
                    self._fields.add((entity.name, field.name))
                    self._columns.update(columns)
            for name, side in entity.sides.items():
                if any((entity.name, name, column) in self._columns for column in side.key):
                    self._ids.add((entity.name, name))
                if isinstance(side.key_rule, CopyFrom):
                    pair = {(entity.name, name), (entity.name, side.key_rule.side)}
                    if pair & self._ids:
                        self._ids |= pair

    @property
    def secrets_exist(self) -> bool:
        """Whether any field is hidden."""
        return bool(self._fields)

    def hides(self, entity: str, field: str) -> bool:
        """Whether the field's values are hidden."""
        there = self._mapping.entities.get(entity)
        return there is None or field not in there.fields or (entity, field) in self._fields

    def hides_id(self, entity: str, side: Side) -> bool:
        """Whether the ids of the side's records are hidden."""
        return (entity, side) in self._ids

    def value(self, entity: str, field: str, value: Any) -> Any:  # a field's value, or MISSING
        """The field's value as it may be shown. That it is empty or unknown may."""
        if isinstance(value, Missing) or is_empty(value):
            return value
        return MASK if self.hides(entity, field) else value

    def fields(self, entity: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values by field name, as they may be shown."""
        return {name: self.value(entity, name, value) for name, value in values.items()}

    def columns(self, entity: str, side: Side, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values by column, as they may be shown."""
        there = self._mapping.entities.get(entity)
        key = there.sides[side].key if there is not None and side in there.sides else ()
        return {
            column: MASK
            if not is_empty(value)
            and ((entity, side, column) in self._columns or (column in key and self.hides_id(entity, side)))
            else value
            for column, value in values.items()
        }

    def text(self, text: str, secrets: Iterable[str]) -> str:
        """Free text without the given values, and without ids if any entity's are hidden."""
        if self._ids:
            text = _ID.sub(MASK, text)
        folded = text.casefold()
        found = [secret for secret in secrets if secret.casefold() in folded]
        if not found:
            return text
        patterns = [
            re.escape(secret) if len(secret) >= _WORD else rf"(?<!\w){re.escape(secret)}(?!\w)"
            for secret in sorted(found, key=lambda s: (-len(s), s))
        ]
        return re.sub("|".join(patterns), MASK, text, flags=re.IGNORECASE)

    def anything(self, entity: str, value: Any, secrets: Iterable[str]) -> Any:
        """A JSON value of unknown shape: what stands under a hidden name is hidden, and every text is searched."""
        if isinstance(value, Mapping):
            return {
                name: MASK
                if not is_empty(inner) and self._hides_name(entity, name)
                else self.anything(entity, inner, secrets)
                for name, inner in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.anything(entity, inner, secrets) for inner in value]
        return self.text(value, secrets) if isinstance(value, str) else value

    def _hides_name(self, entity: str, name: str) -> bool:
        return (entity, name) in self._fields or any((entity, s, name) in self._columns for s in self._mapping.sides)

    def secrets(self, rows: Iterable[Row]) -> frozenset[str]:
        """The hidden values that rows of one link hold, in every spelling that free text may give them."""
        if not self._fields:
            return frozenset()
        return frozenset(spelling for row in rows for spelling in self._of_row(row) if spelling.strip())

    def _of_row(self, row: Row) -> Iterator[str]:
        match row:
            case Observation():
                yield from self._of_columns(row.entity, row.side, row.fields)
                if self.hides_id(row.entity, row.side):
                    yield from _plain(from_json(row.rid))
            case Op():
                for values in (row.patch, row.expect, row.source, row.losers):
                    yield from self._of_fields(row.entity, values)
                if self.hides_id(row.entity, row.side):
                    yield from _plain(list(row.key.values()))
            case Conflict():
                for side, values in row.values.items():
                    yield from self._of_either(row.entity, side, values)
                for side, values in row.base.items():
                    yield from self._of_either(row.entity, side, values)
                yield from self._of_either(row.entity, row.evidence.get("side", ""), row.evidence.get("patch"))
            case Bases():
                for name, pair in row.fields.items():
                    for side, base in pair.items():
                        yield from self._of_any(side, name, base.value, base.previous)
            case Audit():
                yield from self._of_any(row.side, row.field, row.old, row.new)
            case _:
                return

    def _of_any(self, side: Side, field: str | None, *values: Any) -> Iterator[str]:
        """Values of one field, or of a whole record, of whichever entity."""
        for entity in self._mapping.entities:
            for value in values:
                if field is not None:
                    yield from self._of_fields(entity, {field: value})
                else:
                    yield from self._of_either(entity, side, value)

    def _of_either(self, entity: str, side: Side, values: Any) -> Iterator[str]:
        """Values of a whole record, kept by field or by column."""
        if isinstance(values, Mapping):
            yield from self._of_fields(entity, values)
            yield from self._of_columns(entity, side, values)

    def _of_fields(self, entity: str, values: Mapping[str, Any]) -> Iterator[str]:
        for name, value in values.items():
            if (entity, name) in self._fields:
                yield from spellings(self._mapping.entities[entity].fields[name], value)

    def _of_columns(self, entity: str, side: Side, values: Mapping[str, Any]) -> Iterator[str]:
        there = self._mapping.entities.get(entity)
        if there is None:
            return
        for field in there.fields.values():
            if (entity, field.name) in self._fields and field.columns.get(side) in values:
                yield from spellings(field, values[field.columns[side]])


def spellings(field: Field, value: Any) -> Iterator[str]:
    """A value as messages may quote it. A boolean says nothing by itself."""
    yield from _plain(value)
    if isinstance(value, str | int | float):
        yield from _plain([normalized(field, value), *split(field, value)])


def _plain(value: Any) -> Iterator[str]:
    if isinstance(value, Missing | bool) or is_empty(value):
        return
    if isinstance(value, dict | list):
        yield canonical_json(value)
        for leaf in value.values() if isinstance(value, dict) else value:
            yield from _plain(leaf)
    else:
        text = str(value)
        yield from (text, text.strip(), printable(text), repr(text)[1:-1], canonical_json(text)[1:-1])
