"""What each stream is written to, and how: the settings, read once and refused with one clear error."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from singer_sdk import typing as th

from tap_salesforce.api import SETTINGS as CONNECTION
from target_kit import NULL_SETTINGS, Nulls

KEY = "Id"


class Mode(enum.StrEnum):
    """What is done with the records of an ordinary tap."""

    INSERT = "insert"  # every record is a new one
    UPDATE = "update"  # of records that are there; others are refused
    UPSERT = "upsert"  # updated if there, else made
    MIRROR = "mirror"  # as upsert, and a record that its tap shows as deleted is deleted


_MODES = [each.value for each in Mode]

SETTINGS = th.PropertiesList(
    *CONNECTION,
    th.Property(
        "mode",
        th.StringType,
        allowed_values=_MODES,
        default=Mode.UPSERT.value,
        title="Mode",
        description="What is done with the records of an ordinary tap: insert, update (of what is there), upsert, or "
        "mirror (which also deletes).",
    ),
    th.Property(
        "streams",
        th.ObjectType(
            additional_properties=th.ObjectType(
                th.Property("object", th.StringType, description="The object, if the stream is not named after it."),
                th.Property("mode", th.StringType, allowed_values=_MODES),
                th.Property("match", th.StringType, description="Field by which records are found; `Id` by default."),
                *NULL_SETTINGS,
                th.Property("hard_delete", th.BooleanType, description="Purge what `mirror` deletes."),
                th.Property("undelete", th.BooleanType, description="Take a record that is back out of the bin."),
            )
        ),
        title="Streams",
        description="Per stream of an ordinary tap: `object` (by default the stream's name), `mode`, `match` (the "
        "field by which a record is found, `Id` by default), `nulls` (clear or skip), `skip_nulls`, `clear_nulls`; "
        "with `mirror` also `hard_delete` (purge what is deleted) and `undelete` (take what is back out of the bin).",
    ),
    th.Property(
        "api",
        th.StringType,
        default="auto",
        allowed_values=["auto", "rest", "bulk"],
        title="API",
        description="`rest` writes two hundred records in a request; `bulk` has Salesforce write them in a job of Bulk "
        "API 2.0; `auto` takes `bulk` for `bulk_from` records or more.",
    ),
    th.Property(
        "bulk_from",
        th.IntegerType,
        default=2000,
        title="Bulk from",
        description="From how many records on `auto` uses the Bulk API.",
    ),
    th.Property(
        "conditional_up_to",
        th.IntegerType,
        default=25,
        title="On condition",
        description="Up to so many updates of the reconciler are made on condition that nobody modified the record "
        "since the look, twenty-five in a request; more of them by collections or a job, which know no condition.",
    ),
    th.Property(
        "allow_duplicates",
        th.BooleanType,
        default=False,
        title="Allow duplicates",
        description="Save records of which a duplicate rule warns (`DUPLICATES_DETECTED`), where the rule allows it; "
        "`rest` alone can say so.",
    ),
).to_dict()


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """How one stream is written. `match` is the field by which records are found."""

    stream: str
    object: str
    mode: Mode = Mode.UPSERT
    match: str = KEY
    nulls: Nulls = field(default_factory=Nulls)
    hard_delete: bool = False
    undelete: bool = False

    @classmethod
    def of(cls, config: Mapping[str, Any], stream: str) -> StreamSettings:
        """The settings of a stream. Raises `SettingsError`."""
        given: Mapping[str, Any] = (config.get("streams") or {}).get(stream) or {}
        return cls(
            stream,
            str(given.get("object") or stream),
            Mode(str(given.get("mode") or config.get("mode") or Mode.UPSERT)),
            str(given.get("match") or KEY),
            Nulls.of(given, stream),
            hard_delete=bool(given.get("hard_delete")),
            undelete=bool(given.get("undelete")),
        )
