"""What each stream is written to, and how: the setting `streams`, read once and refused with one clear error."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from singer_sdk import typing as th

from tap_hubspot.api import CONNECTION
from target_kit import NULL_SETTINGS, Nulls


class Mode(enum.StrEnum):
    """What is done with the records of an ordinary tap."""

    INSERT = "insert"  # every record is a new one
    UPDATE = "update"  # of records that are there; others are refused
    UPSERT = "upsert"  # updated if there, else made
    MIRROR = "mirror"  # as upsert, and a record that its tap shows as deleted is archived
    ADD = "add"  # associations and members of lists: those that come are added, those deleted are left
    REMOVE = "remove"  # associations and members of lists: those that come are taken away


SETTINGS = th.PropertiesList(
    *CONNECTION,
    th.Property(
        "mode",
        th.StringType,
        allowed_values=[each.value for each in Mode],
        default=Mode.UPSERT.value,
        title="Mode",
        description="What is done with the records of an ordinary tap: insert, update, upsert, or mirror (which also "
        "archives); add or remove for associations and members of lists.",
    ),
    th.Property(
        "streams",
        th.ObjectType(
            additional_properties=th.ObjectType(
                th.Property("object", th.StringType, description="The object type, if the stream is not named so."),
                th.Property("list", th.StringType, description="Id of the static list that this stream fills."),
                th.Property("mode", th.StringType, allowed_values=[each.value for each in Mode]),
                th.Property(
                    "match", th.StringType, description="Property by which records are found; `id` by default."
                ),
                *NULL_SETTINGS,
            )
        ),
        title="Streams",
        description="Per stream: `object`, `list`, `mode`, `match`, `nulls` (clear or skip), `skip_nulls`, "
        "`clear_nulls`.",
    ),
    th.Property(
        "workers",
        th.IntegerType,
        default=4,
        title="Batches at once",
        description="How many batches are under way at once.",
    ),
    th.Property(
        "verify",
        th.BooleanType,
        default=True,
        title="Verify",
        description="After an update of the reconciler, read the histories of what was written, to see what somebody "
        "else entered between our look and our write; two requests more for a hundred records.",
    ),
).to_dict()


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """How one stream is written. `match` is the property by which records are found, or `id`."""

    stream: str
    object: str
    mode: Mode = Mode.UPSERT
    match: str = "id"
    list: str | None = None
    nulls: Nulls = field(default_factory=Nulls)

    @classmethod
    def of(cls, config: Mapping[str, Any], stream: str) -> StreamSettings:
        """The settings of a stream. Raises `SettingsError`."""
        given: Mapping[str, Any] = (config.get("streams") or {}).get(stream) or {}
        mode = str(given.get("mode") or config.get("mode") or Mode.UPSERT)
        return cls(
            stream,
            str(given.get("object") or stream),
            Mode(mode),
            str(given.get("match") or "id"),
            given.get("list"),
            Nulls.of(given, stream),
        )
