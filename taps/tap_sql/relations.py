"""What a database holds, as values: relations (tables, views, queries), their columns, and the JSON Schema of each."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

DELETED_AT = "_sdc_deleted_at"
"""The column by which Singer plugins tell a deletion."""


class Kind(enum.StrEnum):
    """How a column's values look in JSON. docs/types.md has the table of every database's types."""

    INTEGER = "integer"  # of any size
    NUMBER = "number"  # a decimal, with the digits it was stored with
    FLOAT = "float"  # binary, in the shortest text that reads back as the same float
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"  # ISO 8601 without a zone, as stored
    TIMESTAMPTZ = "timestamptz"  # ISO 8601 in UTC
    TIME = "time"
    UUID = "uuid"
    JSON = "json"  # any JSON value, in place
    BYTES = "bytes"  # base64
    TEXT = "text"
    ENUM = "enum"
    ARRAY = "array"  # one dimension, of a kind of its own
    OTHER = "other"  # the text that the database itself reads back
    ANY = "any"  # SQLite: each row may hold another type


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `sql_type` is written as its database writes it; `item` is the kind of an array's elements."""

    name: str
    kind: Kind
    sql_type: str
    nullable: bool = True
    read_only: bool = False
    comment: str = ""
    labels: tuple[str, ...] = ()
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    item: Kind | None = None


@dataclass(frozen=True, slots=True)
class Relation:
    """A stream: a table or view, or a `query` of the user's own. `key` is empty where nothing is known to be unique."""

    stream: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    schema: str | None = None
    table: str = ""
    query: str | None = None
    is_view: bool = False
    description: str = ""
    key_is_guarded: bool = True  # by a constraint of the database; else by the user's word

    def column(self, name: str) -> Column | None:
        """The column of that name, if there is one."""
        return next((column for column in self.columns if column.name == name), None)

    def only(self, names: Iterable[str]) -> Relation:
        """The same relation with some of its columns, in their own order."""
        kept = set(names)
        return replace(self, columns=tuple(column for column in self.columns if column.name in kept))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its columns."""
        return tuple(column.name for column in self.columns)


def json_schema(relation: Relation, *, deletions: bool = False) -> dict[str, Any]:
    """The JSON Schema of the relation's records; with `deletions`, also of the column that tells them."""
    properties = {column.name: column_schema(column) for column in relation.columns}
    if deletions:
        properties[DELETED_AT] = {"type": ["string", "null"], "format": "date-time"}
    return {"type": "object", "properties": properties}


def column_schema(column: Column) -> dict[str, Any]:
    """The JSON Schema of one column's values."""
    found = {**_plain(column.kind, column)}
    if column.nullable:
        found["type"] = [*found["type"], "null"]
        if "enum" in found:
            found["enum"] = [*found["enum"], None]
    if column.read_only:
        found["readOnly"] = True
    if column.comment:
        found["description"] = column.comment
    return found


_SIMPLE: Mapping[Kind, Mapping[str, Any]] = {
    Kind.INTEGER: {"type": ["integer"]},
    Kind.FLOAT: {"type": ["number"]},
    Kind.BOOLEAN: {"type": ["boolean"]},
    Kind.DATE: {"type": ["string"], "format": "date"},
    Kind.TIMESTAMP: {"type": ["string"], "format": "date-time"},
    Kind.TIMESTAMPTZ: {"type": ["string"], "format": "date-time"},
    Kind.TIME: {"type": ["string"], "format": "time"},
    Kind.UUID: {"type": ["string"], "format": "uuid"},
    Kind.JSON: {"type": ["object", "array", "string", "number", "integer", "boolean"]},
    Kind.BYTES: {"type": ["string"], "contentEncoding": "base64"},
    Kind.OTHER: {"type": ["string"]},
    Kind.ANY: {"type": ["string", "integer", "number"]},
}


def _plain(kind: Kind, column: Column) -> Mapping[str, Any]:
    match kind:
        case Kind.NUMBER:
            digits = {"precision": column.precision, "scale": column.scale}
            return {"type": ["number"], **{name: value for name, value in digits.items() if value is not None}}
        case Kind.TEXT:
            return {"type": ["string"], **({"maxLength": column.length} if column.length else {})}
        case Kind.ENUM:
            return {"type": ["string"], "enum": list(column.labels)}
        case Kind.ARRAY:
            item = dict(_plain(column.item or Kind.TEXT, column))
            return {"type": ["array"], "items": {**item, "type": [*item["type"], "null"]}}
        case _:
            return _SIMPLE[kind]
