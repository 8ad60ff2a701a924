"""The streams beside the records: owners, users, pipelines, lists and their members."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tap_hubspot.api import MissingScopes
from tap_hubspot.client import HubSpotStream
from tap_kit import MOMENT

if TYPE_CHECKING:
    from tap_hubspot.tap import TapHubSpot

TEXT = {"type": ["string", "null"], "readOnly": True}
NUMBER = {"type": ["integer", "null"], "readOnly": True}
FLAG = {"type": ["boolean", "null"], "readOnly": True}
KEY = {"type": "string"}
PIPELINES = ("deals", "tickets", "leads")
"""The object types whose pipelines are read unless the settings name others."""

Row = dict[str, Any]


def _owners(tap: TapHubSpot) -> Iterator[Row]:
    """HubSpot docs, "Owners API"; owners that left are shown as archived."""
    for archived in ("false", "true"):
        for each in tap.hubspot.pages("/crm/v3/owners/", {"archived": archived}):
            yield {"id": str(each["id"]), **{k: each.get(k) for k in _OWNER if k != "id"}}


def _users(tap: TapHubSpot) -> Iterator[Row]:
    for each in tap.hubspot.pages("/settings/v3/users/"):
        yield {"id": str(each["id"]), "email": each.get("email"), "superAdmin": each.get("superAdmin")}


def _stages(tap: TapHubSpot) -> Iterator[Row]:
    """HubSpot docs, "Pipelines API": one row per stage, since that is what records name."""
    for kind in tap.pipelines:
        for pipeline in _pipelines(tap, kind):
            for stage in pipeline["stages"]:
                closed = (stage.get("metadata") or {}).get("isClosed")
                yield {
                    "object_type": kind,
                    "pipeline_id": str(pipeline["id"]),
                    "pipeline_label": pipeline["label"],
                    "stage_id": str(stage["id"]),
                    "stage_label": stage["label"],
                    "display_order": stage.get("displayOrder"),
                    "closed": None if closed is None else str(closed).lower() == "true",
                }


def _pipelines(tap: TapHubSpot, kind: str) -> Iterator[Mapping[str, Any]]:
    try:
        yield from tap.hubspot.pages(f"/crm/v3/pipelines/{kind}")
    except MissingScopes as error:
        words = (
            "or name in `pipelines` the objects without this one"  # left out by itself, its stages would look deleted
        )
        raise MissingScopes(error.message, hint=f"{error.hint}; {words}", status=error.status) from error


def _lists(tap: TapHubSpot) -> Iterator[Row]:
    for each in tap.hubspot.lists():
        yield {"listId": str(each["listId"]), **{k: each.get(k) for k in _LIST if k != "listId"}}


def _members(tap: TapHubSpot) -> Iterator[Row]:
    for each in tap.hubspot.lists():
        for member in tap.hubspot.members(str(each["listId"])):
            yield {
                "list_id": str(each["listId"]),
                "record_id": str(member["recordId"]),
                "membership_timestamp": member.get("membershipTimestamp"),
            }


_OWNER: Mapping[str, Mapping[str, Any]] = {
    "id": KEY, "email": TEXT, "type": TEXT, "firstName": TEXT, "lastName": TEXT, "userId": NUMBER,
    "createdAt": MOMENT, "updatedAt": MOMENT, "archived": FLAG,
}  # fmt: skip
_LIST: Mapping[str, Mapping[str, Any]] = {
    "listId": KEY, "name": TEXT, "objectTypeId": TEXT, "processingType": TEXT, "processingStatus": TEXT,
    "createdAt": MOMENT, "updatedAt": MOMENT,
}  # fmt: skip
_STAGE: Mapping[str, Mapping[str, Any]] = {
    "object_type": KEY, "pipeline_id": KEY, "pipeline_label": TEXT, "stage_id": KEY, "stage_label": TEXT,
    "display_order": NUMBER, "closed": FLAG,
}  # fmt: skip
_MEMBER: Mapping[str, Mapping[str, Any]] = {"list_id": KEY, "record_id": KEY, "membership_timestamp": MOMENT}

DIRECTORY: Mapping[
    str, tuple[tuple[str, ...], Mapping[str, Mapping[str, Any]], Callable[[TapHubSpot], Iterator[Row]]]
] = {
    "owners": (("id",), _OWNER, _owners),
    "users": (("id",), {"id": KEY, "email": TEXT, "superAdmin": FLAG}, _users),
    "pipeline_stages": (("object_type", "pipeline_id", "stage_id"), _STAGE, _stages),
    "lists": (("listId",), _LIST, _lists),
    "list_memberships": (("list_id", "record_id"), _MEMBER, _members),
}
"""Key, columns and rows of each stream."""


class DirectoryStream(HubSpotStream):
    """A stream that is small and always read whole."""

    def __init__(self, tap: TapHubSpot, name: str) -> None:
        key, columns, self._read = DIRECTORY[name]
        super().__init__(tap, name, {"type": "object", "properties": {k: dict(v) for k, v in columns.items()}})
        self.primary_keys = key

    def get_records(self, context: Any) -> Iterable[Row]:
        """Everything."""
        del context
        return self._read(self._hubspot_tap)
