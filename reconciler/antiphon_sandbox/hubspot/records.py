"""A record, its history, and who wrote it."""

from __future__ import annotations

from dataclasses import dataclass, field

from antiphon_sandbox.hubspot.schema import ObjectType
from antiphon_sandbox.hubspot.values import Text


@dataclass(frozen=True, slots=True)
class Source:
    """Who changed a value, as histories and webhooks tell it."""

    type: str
    id: str = ""
    label: str | None = None
    user: int | None = None


PERSON = Source("CRM_UI", "userId:9001", None, 9001)
MERGE = Source("MERGE_OBJECTS")


@dataclass(frozen=True, slots=True)
class Version:
    """One value that a property had, from `at` on (milliseconds since 1970)."""

    at: int
    value: Text
    source: Source


@dataclass(slots=True)
class Record:
    """One record. Times are milliseconds since 1970."""

    kind: ObjectType
    id: str
    created: int
    updated: int
    values: dict[str, Text] = field(default_factory=dict)
    archived: int | None = None
    history: dict[str, list[Version]] = field(default_factory=dict)  # oldest first

    @property
    def key(self) -> tuple[str, str]:
        """What names it in the account."""
        return self.kind.name, self.id
