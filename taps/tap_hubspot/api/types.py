"""The object types of the CRM, their names in streams, and how many fit into one request."""

from __future__ import annotations

from dataclasses import dataclass

BATCH, BATCH_WITH_HISTORY, SEARCH_PAGE = 100, 50, 200
"""Records of a batch or page, of one with histories, of a page of search (HubSpot docs, "CRM API", "Limits")."""

FILTERS = 6
"""Filters that must all hold, of one search (HubSpot docs, "CRM API | Search", section "Limits")."""

ASSOCIATION_READ, ASSOCIATION_WRITE = 1000, 2000
"""Records of a batch read of associations, pairs of a batch write (HubSpot docs, "Associations v4")."""


@dataclass(frozen=True, slots=True)
class ObjectType:
    """A kind of record: `name` in paths and as stream, `modified` the property that moves with every edit."""

    name: str
    modified: str = "hs_lastmodifieddate"
    label: str = ""
    custom: bool = False


OBJECT_TYPES = {
    name: ObjectType(name, "lastmodifieddate" if name == "contacts" else "hs_lastmodifieddate")
    for name in (
        "contacts",
        "companies",
        "deals",
        "tickets",
        "products",
        "line_items",
        "leads",
        "calls",
        "emails",
        "meetings",
        "notes",
        "tasks",
    )
}
"""HubSpot's own object types; custom ones are found in the account."""

ASSOCIATIONS = (
    ("contacts", "companies"),
    ("deals", "contacts"),
    ("deals", "companies"),
    ("tickets", "contacts"),
    ("tickets", "companies"),
    ("deals", "line_items"),
    ("calls", "contacts"),
    ("emails", "contacts"),
    ("meetings", "contacts"),
    ("notes", "contacts"),
    ("tasks", "contacts"),
)
"""The pairs of types whose associations are streams unless the settings name others."""


def association_stream(from_type: str, to_type: str) -> str:
    """The name of the stream of a pair's associations."""
    return f"{from_type}_to_{to_type}"


def pair_of(stream: str) -> tuple[str, str] | None:
    """The pair of types of a stream of associations; None if it is none."""
    from_type, found, to_type = stream.partition("_to_")
    return (from_type, to_type) if found and from_type and to_type else None
