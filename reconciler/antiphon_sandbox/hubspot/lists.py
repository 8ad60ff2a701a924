"""Static lists and their members, the little of the lists API that a connector needs (HubSpot docs, "Lists API")."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from antiphon_sandbox.hubspot.errors import not_found, refuse
from antiphon_sandbox.hubspot.request import Portal, Reply, Request, Route
from antiphon_sandbox.hubspot.values import iso

PAGE = 100


@dataclass(slots=True)
class List:
    """One list. `dynamic` lists are filled by HubSpot itself; nobody else may."""

    id: str
    name: str
    type_id: str
    dynamic: bool
    created: int
    members: dict[str, int] = field(default_factory=dict)  # record id: when it joined

    def shown(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "listId": self.id,
            "listVersion": 1,
            "name": self.name,
            "objectTypeId": self.type_id,
            "processingType": "DYNAMIC" if self.dynamic else "MANUAL",
            "processingStatus": "COMPLETE",
            "createdAt": iso(self.created),
            "updatedAt": iso(self.created),
            "size": len(self.members),
        }


Lists = dict[str, List]


def _create(portal: Portal, request: Request) -> Reply:
    body = request.wanted()
    taken = next((each for each in portal.lists.values() if each.name == body["name"]), None)
    if taken is not None:
        raise refuse(400, f"List name '{body['name']}' is already in use", "VALIDATION_ERROR")  # not recorded
    made = List(
        str(len(portal.lists) + 1),
        str(body["name"]),
        portal.account.kind(str(body["objectTypeId"])).type_id,
        str(body["processingType"]) == "DYNAMIC",
        portal.account.clock(),
    )
    portal.lists[made.id] = made
    return Reply(200, {"list": made.shown()})


def _held(portal: Portal, request: Request) -> List:
    found = portal.lists.get(request.path["list"])
    if found is None:
        raise not_found()
    return found


def _get(portal: Portal, request: Request) -> Reply:
    return Reply(200, {"list": _held(portal, request).shown()})


def _get_some(portal: Portal, request: Request) -> Reply:
    found = [portal.lists[key] for key in request.many("listIds") if key in portal.lists]
    return Reply(200, {"lists": [each.shown() for each in found]})


def _delete(portal: Portal, request: Request) -> Reply:
    portal.lists.pop(request.path["list"], None)
    return Reply(204)


def _search(portal: Portal, request: Request) -> Reply:
    body = request.wanted()
    offset, limit = int(body.get("offset") or 0), int(body.get("count") or 20)
    words = str(body.get("query") or "").lower()
    found = [each for each in portal.lists.values() if words in each.name.lower()]
    page = found[offset : offset + limit]
    shown = [{**each.shown(), "additionalProperties": {"hs_list_size": str(len(each.members))}} for each in page]
    end = offset + len(page)
    return Reply(200, {"lists": shown, "offset": end, "hasMore": end < len(found), "total": len(found)})


def _members(portal: Portal, request: Request) -> Reply:
    found = _held(portal, request)
    after, limit = int(request.one("after", "0")), int(request.one("limit", str(PAGE)))
    rest = sorted(int(key) for key in found.members if int(key) > after)
    page = [{"recordId": str(key), "membershipTimestamp": iso(found.members[str(key)])} for key in rest[:limit]]
    body: dict[str, Any] = {"results": page, "total": len(found.members)}
    if len(rest) > limit:
        body["paging"] = {"next": {"after": page[-1]["recordId"]}}
    return Reply(200, body)


def _change(portal: Portal, request: Request, add: list[str], remove: list[str]) -> Reply:
    found = _held(portal, request)
    if found.dynamic:
        raise refuse(400, f"List {found.id} is not a MANUAL list", "VALIDATION_ERROR")  # not recorded
    kind = portal.account.kind(found.type_id)
    missing = [key for key in add if portal.account.find(kind, key) is None]
    added = [key for key in add if key not in missing and key not in found.members]
    removed = [key for key in remove if key in found.members]
    found.members |= dict.fromkeys(added, portal.account.clock())
    for key in removed:
        del found.members[key]
    return Reply(200, {"recordsIdsAdded": added, "recordIdsRemoved": removed, "recordIdsMissing": missing})


def _ids(value: Any) -> list[str]:
    return [str(each) for each in value or ()]


def _add(portal: Portal, request: Request) -> Reply:
    return _change(portal, request, _ids(request.body), [])


def _remove(portal: Portal, request: Request) -> Reply:
    return _change(portal, request, [], _ids(request.body))


def _both(portal: Portal, request: Request) -> Reply:
    body = request.wanted()
    return _change(portal, request, _ids(body.get("recordIdsToAdd")), _ids(body.get("recordIdsToRemove")))


_LIST = "/crm/v3/lists/{list}"
_READ, _WRITE = ("crm.lists.read",), ("crm.lists.write",)
ROUTES = [
    Route("POST", "/crm/v3/lists/search", _search, _READ),
    Route("POST", "/crm/v3/lists", _create, _WRITE),
    Route("GET", "/crm/v3/lists", _get_some, _READ),
    Route("GET", f"{_LIST}/memberships", _members, _READ),
    Route("PUT", f"{_LIST}/memberships/add", _add, _WRITE),
    Route("PUT", f"{_LIST}/memberships/remove", _remove, _WRITE),
    Route("PUT", f"{_LIST}/memberships/add-and-remove", _both, _WRITE),
    Route("GET", _LIST, _get, _READ),
    Route("DELETE", _LIST, _delete, _WRITE),
]
