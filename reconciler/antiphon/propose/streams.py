"""The streams of a Singer catalog, as far as a proposal looks at them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from antiphon.equivalence import kind_of
from antiphon.mapping import Kind


@dataclass(frozen=True, slots=True)
class Column:
    """A column: what it holds, whether it may be written, and for a picklist its values."""

    name: str
    kind: Kind
    schema: Mapping[str, Any] = field(default_factory=dict)
    read_only: bool = False
    format: str = ""
    longest: int | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream: its columns in their order, its key, and the column by which the tap says that it can be read on."""

    name: str
    columns: Mapping[str, Column]
    key: tuple[str, ...]
    replication_key: str | None = None


def streams_of(catalog: Mapping[str, Any], *, selected: bool = False) -> list[Stream]:
    """The streams that have columns, in the order of the catalog; without what it leaves out, if it is `selected`."""
    found = []
    for entry in catalog.get("streams", ()):
        name = entry.get("stream") or entry.get("tap_stream_id")
        properties = (entry.get("schema") or {}).get("properties") or {}
        if not name or not properties:
            continue
        about: list[Mapping[str, Any]] = [
            item.get("metadata", {}) for item in entry.get("metadata", ()) if not item.get("breadcrumb")
        ]
        root = about[0] if about else {}
        key = entry.get("key_properties") or root.get("table-key-properties") or ()
        incremental = entry.get("replication_method") == "INCREMENTAL"
        by = entry.get("replication_key") or root.get("replication-key")
        hidden = _left_out(entry, selected=selected)
        found.append(
            Stream(
                name,
                {each: _column(each, schema) for each, schema in properties.items() if each not in hidden},
                tuple(key),
                by if incremental and by in properties else None,
            )
        )
    return found


def _left_out(entry: Mapping[str, Any], *, selected: bool) -> set[str]:
    """Columns that the tap says it cannot read, and those that nobody selected."""
    found = set()
    for item in entry.get("metadata", ()):
        about = item.get("metadata", {})
        if len(item.get("breadcrumb", ())) != 2:  # noqa: PLR2004 ["properties", column]
            continue
        deselected = about.get("selected") is False and about.get("inclusion") != "automatic"
        if about.get("inclusion") == "unsupported" or (selected and deselected):
            found.add(item["breadcrumb"][1])
    return found


def _column(name: str, schema: Mapping[str, Any]) -> Column:
    variants = [schema, *(each for key in ("anyOf", "oneOf") for each in schema.get(key, ()))]
    inner = [each.get("items") for each in variants if isinstance(each.get("items"), Mapping)]
    choices = [value for each in (*variants, *inner) for value in each.get("enum", ()) if isinstance(value, str)]
    lengths = [each["maxLength"] for each in variants if isinstance(each.get("maxLength"), int)]
    formats = [each["format"] for each in variants if each.get("format")]
    return Column(
        name,
        kind_of([schema]),
        schema,
        read_only=any(each.get("readOnly") is True for each in variants),
        format=str(formats[0]) if formats else "",
        longest=max(lengths) if lengths else None,
        choices=tuple(dict.fromkeys(choices)),
    )
