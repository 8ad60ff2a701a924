"""Change events in Avro: the schema of each object's, its values, and bitmaps of fields.

A bit stands for a field of the schema, the lowest for the first, which is the header. Fields of an address, and of a
person's name, are fields of a record within: its bitmap follows the number of that field, as in `4-0x3`.
Source: Salesforce docs, "Pub/Sub API", "Event Deserialization Considerations"; dates and moments are milliseconds.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import md5
from typing import Any

import fastavro

from antiphon_sandbox.salesforce.changes import TYPES, Event
from antiphon_sandbox.salesforce.schema import Field, SObject
from antiphon_sandbox.salesforce.values import moment

_AVRO = {
    "boolean": "boolean", "int": "int", "double": "double", "currency": "double", "percent": "double", "date": "long",
    "datetime": "long",
}  # fmt: skip
_TEXTS = {"type": "array", "items": "string"}
_HEADER = {
    "type": "record",
    "name": "ChangeEventHeader",
    "fields": [
        {"name": "entityName", "type": "string"},
        {"name": "recordIds", "type": _TEXTS},
        {"name": "changeType", "type": {"type": "enum", "name": "ChangeType", "symbols": list(TYPES)}},
        {"name": "changeOrigin", "type": "string"},
        {"name": "transactionKey", "type": "string"},
        {"name": "sequenceNumber", "type": "int"},
        {"name": "commitTimestamp", "type": "long"},
        {"name": "commitNumber", "type": "long"},
        {"name": "commitUser", "type": "string"},
        {"name": "nulledFields", "type": _TEXTS},
        {"name": "diffFields", "type": _TEXTS},
        {"name": "changedFields", "type": _TEXTS},
    ],
}


@dataclass(frozen=True, slots=True)
class Layout:
    """The schema of an object's events; `places`: where each field stands, and where in a record within."""

    name: str
    json: str
    id: str
    parsed: Any
    places: Mapping[str, tuple[int, str, int, str]]


def layout(sobject: SObject) -> Layout:
    """The schema of an object as it is now."""
    fields: list[dict[str, Any]] = [{"name": "ChangeEventHeader", "type": _HEADER}]
    places: dict[str, tuple[int, str, int, str]] = {}
    whole = _wholes(sobject)
    for each in sobject.fields.values():
        if each.name in {"Id", "IsDeleted", "SystemModstamp", "MasterRecordId"} or each.calculated:
            continue
        if _within(sobject, each):
            continue
        if each.name in whole:
            within = [
                {"name": short, "type": ["null", "string"], "default": None} for short in whole[each.name].values()
            ]
            kind: Any = ["null", {"type": "record", "name": f"{sobject.name}{each.name}", "fields": within}]
            for place, (name, short) in enumerate(whole[each.name].items()):
                places[name] = (len(fields), each.name, place, short)
        else:
            kind = ["null", _AVRO.get(each.type, "string")]
            places[each.name] = (len(fields), each.name, -1, "")
        fields.append({"name": each.name, "type": kind, "default": None})
    name = f"{sobject.name.removesuffix('__c')}{'__' if sobject.name.endswith('__c') else ''}ChangeEvent"
    schema = {"type": "record", "name": name, "namespace": "com.sforce.eventbus", "fields": fields}
    text = json.dumps(schema)
    known = md5(text.encode(), usedforsecurity=False).hexdigest()[:22]
    return Layout(name, text, known, fastavro.parse_schema(schema), places)


def _wholes(sobject: SObject) -> dict[str, dict[str, str]]:
    """The fields that are made of others: of each the others, with their names in it."""
    found: dict[str, dict[str, str]] = {}
    for each in sobject.fields.values():
        if _within(sobject, each):
            whole = each.part_of or ""
            found.setdefault(whole, {})[each.name] = each.name.removeprefix(whole.removesuffix("Address"))
    return found


def _within(sobject: SObject, known: Field) -> bool:
    return known.part_of is not None and known.part_of in sobject.fields


def encoded(shape: Layout, sobject: SObject, event: Event) -> bytes:
    """The payload of an event."""
    row: dict[str, Any] = {}
    for name, value in event.values.items():
        if name not in shape.places or value is None:
            continue
        _, whole, place, short = shape.places[name]
        told = _told(value, sobject.fields[name].type)
        if place < 0:
            row[whole] = told
        else:
            row.setdefault(whole, {})[short] = told
    partly = event.type == "UPDATE"
    row["ChangeEventHeader"] = {
        "entityName": event.object,
        "recordIds": event.ids,
        "changeType": event.type,
        "changeOrigin": event.origin,
        "transactionKey": event.transaction,
        "sequenceNumber": 1,
        "commitTimestamp": int(event.at.timestamp() * 1000),
        "commitNumber": event.number,
        "commitUser": "0055g000000SANDAAA",
        "nulledFields": _bitmaps(shape, (n for n, value in event.values.items() if value is None)) if partly else [],
        "diffFields": [],
        "changedFields": _bitmaps(shape, event.values) if partly else [],
    }
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, shape.parsed, row)
    return buffer.getvalue()


def _told(value: Any, kind: str) -> Any:
    match kind:
        case "datetime":
            return int(moment(value).timestamp() * 1000)
        case "date":
            at = date.fromisoformat(value)
            return int(datetime(at.year, at.month, at.day, tzinfo=UTC).timestamp() * 1000)
        case _:
            return value


def _bitmaps(shape: Layout, names: Iterable[str]) -> list[str]:
    flat, within = 0, dict[int, int]()
    for name in names:
        if name not in shape.places:
            continue
        at, _, place, _ = shape.places[name]
        if place < 0:
            flat |= 1 << at
        else:
            within[at] = within.get(at, 0) | 1 << place
    return [*([_hex(flat)] if flat else []), *(f"{at}-{_hex(bits)}" for at, bits in sorted(within.items()))]


def _hex(bits: int) -> str:
    text = f"{bits:X}"
    return f"0x{text.rjust(len(text) + len(text) % 2, '0')}"
