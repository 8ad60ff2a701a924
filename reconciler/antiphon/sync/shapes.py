"""What a stream's columns hold: the Python types that a SCHEMA allows, and the UUIDs that taps call text."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any

JSON_TYPES: Mapping[str, frozenset[type]] = {
    "string": frozenset({str}),
    "integer": frozenset({int, Decimal}),
    "number": frozenset({int, float, Decimal}),
    "boolean": frozenset({bool}),
    "array": frozenset({list}),
    "object": frozenset({dict}),
}


@cache
def _types(*names: str) -> frozenset[type]:
    """The Python types of JSON types."""
    return frozenset().union(*[JSON_TYPES[name] for name in names if name in JSON_TYPES])


def accepted(shape: Mapping[str, Any]) -> frozenset[type]:
    """The Python types of a column's values; empty where the schema does not say."""
    declared = shape.get("type")
    if declared is None:
        variants = [accepted(v) for key in ("anyOf", "oneOf") for v in shape.get(key, ())]
        return frozenset().union(*variants) if variants and all(variants) else frozenset()
    found = _types(*declared) if isinstance(declared, list) else _types(declared)
    return found | {str} if shape.get("format") == "singer.decimal" else found


def with_uuids(columns: Mapping[str, Any], uuids: Mapping[str, bool]) -> dict[str, Any]:
    """The columns, as UUIDs where each text that they ever showed was one.

    Taps call a uuid column text; a target that is told so would alter it.
    """
    found = dict(columns)
    for column, always in uuids.items():
        shape = found.get(column, {})
        if always and "string" in shape.get("type", ()) and not shape.get("format"):
            found[column] = {**shape, "format": "uuid"}
        elif not always and shape.get("format") == "uuid":
            found[column] = {name: value for name, value in shape.items() if name != "format"}
    return found


def type_name(kind: type) -> str:
    """The name that JSON Schema has for a Python type."""
    return next((name for name, types in JSON_TYPES.items() if kind in types), kind.__name__)
