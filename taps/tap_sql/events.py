"""What a read of a stream says, as a closed set of events, and what it is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from tap_sql.dialects import Dialect
from tap_sql.records import Row
from tap_sql.relations import Relation


@dataclass(frozen=True, slots=True)
class Rows:
    """Records as they are now."""

    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Gone:
    """Records that are no more: as JSON objects, their keys and `DELETED_AT`."""

    records: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Mark:
    """The stream's bookmark from here on: everything before it was shown."""

    bookmark: Mapping[str, Any]


Event: TypeAlias = Rows | Gone | Mark


@dataclass(frozen=True, slots=True)
class Task:
    """What is read of one stream: `relation` with its selected columns, of the `whole` one.

    `now` is the server's time when the run began; `bookmark` is empty at first; `overlap` is in seconds.
    `acknowledged` is the position of the log that the STATE of every stream of the slot covers.
    """

    dialect: Dialect
    relation: Relation
    whole: Relation
    bookmark: Mapping[str, Any]
    now: str
    replication_key: str | None = None
    overlap: float = 0.0
    limit: int | None = None
    diff_schema: str = "antiphon"
    slot: str = "antiphon"
    publication: str = "antiphon"
    acknowledged: str | None = None
