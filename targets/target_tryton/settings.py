"""What each stream is written to, and how: read once and refused with one clear error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from singer_sdk import typing as th

KEYS: Mapping[str, str] = {
    "party.party": "identifiers.code",
    "party.address": "identifiers.code",
    "party.contact_mechanism": "comment",
    "sale.opportunity": "reference",
}
"""Where the key of a link is kept: a text field of the model, or of a list of its children."""

WRITING = (
    th.Property(
        "keys",
        th.ObjectType(additional_properties=th.StringType),
        title="Place of the key",
        description="Per model, the text field that holds the key of the link of a record that was made by the sync, "
        "or list and field of a child, as `identifiers.code`. Without it a field named as `sync_key`, if the model "
        f"has one, else {', '.join(f'`{place}` of `{model}`' for model, place in KEYS.items())}.",
    ),
    th.Property(
        "streams",
        th.ObjectType(
            additional_properties=th.ObjectType(
                th.Property("model", th.StringType, description="The model, if the stream is not named after it."),
                th.Property("match", th.StringType, description="Field by which records are found; `id` by default."),
            )
        ),
        title="Streams",
        description="Per stream of an ordinary tap: `model` (by default the stream's name with dots for dashes) and "
        "`match`, the field by which a record is found that is to be updated (`id` by default).",
    ),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the key of a link is kept. `children`: the list that holds it, or empty for a field of the record."""

    children: str
    field: str

    @classmethod
    def of(cls, path: str) -> Place:
        """The place that a setting names."""
        head, _, tail = path.rpartition(".")
        return cls(head, tail)

    def values(self, key: str) -> dict[str, Any]:
        """What a create also sends."""
        return {self.children: [["create", [{self.field: key}]]]} if self.children else {self.field: key}

    def __str__(self) -> str:
        return f"{self.children}.{self.field}" if self.children else self.field


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """How one stream is written."""

    model: str
    match: str = "id"

    @classmethod
    def of(cls, config: Mapping[str, Any], stream: str) -> StreamSettings:
        """The settings of a stream."""
        given: Mapping[str, Any] = (config.get("streams") or {}).get(stream) or {}
        return cls(str(given.get("model") or stream.replace("-", ".")), str(given.get("match") or "id"))
