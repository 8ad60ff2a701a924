"""The people and processes of an account: owners, users, pipelines, and what the account says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from antiphon_sandbox.hubspot.errors import not_found
from antiphon_sandbox.hubspot.objects import kind_of
from antiphon_sandbox.hubspot.request import Portal, Reply, Request, Route
from antiphon_sandbox.hubspot.values import iso

_STAGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "deals": ("default", ("appointmentscheduled", "qualifiedtobuy", "closedwon", "closedlost")),
    "tickets": ("0", ("1", "2", "3", "4")),
    "leads": ("lead-pipeline-id", ("new-stage-id", "attempting-stage-id", "qualified-stage-id")),
}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a seat in the account."""

    id: str
    email: str
    first: str
    last: str


@dataclass(slots=True)
class Directory:
    """Who works here."""

    people: list[Person] = field(
        default_factory=lambda: [
            Person("1001", "olga@acme.example", "Olga", "Lund"),
            Person("1002", "nils@acme.example", "Nils", "Holm"),
        ]
    )


def _owner(portal: Portal, person: Person) -> dict[str, Any]:
    at = iso(portal.account.born)
    return {
        "id": person.id,
        "email": person.email,
        "type": "PERSON",
        "firstName": person.first,
        "lastName": person.last,
        "userId": 8000 + int(person.id),
        "userIdIncludingInactive": 8000 + int(person.id),
        "createdAt": at,
        "updatedAt": at,
        "archived": False,
    }


def _page(request: Request, found: list[dict[str, Any]]) -> Reply:
    limit = int(request.one("limit", "100"))
    rest = [each for each in found if int(each["id"]) > int(request.one("after", "0"))]
    body: dict[str, Any] = {"results": rest[:limit]}
    if len(rest) > limit:
        body["paging"] = {"next": {"after": rest[limit - 1]["id"], "link": f"{request.url}?after"}}
    return Reply(200, body)


def _owners(portal: Portal, request: Request) -> Reply:
    people = [] if request.flag("archived") else portal.directory.people
    wanted = request.one("email")
    return _page(request, [_owner(portal, each) for each in people if not wanted or each.email == wanted])


def _one_owner(portal: Portal, request: Request) -> Reply:
    found = next((each for each in portal.directory.people if each.id == request.path["id"]), None)
    if found is None:
        raise not_found()
    return Reply(200, _owner(portal, found))


def _users(portal: Portal, request: Request) -> Reply:
    found = [
        {"id": str(8000 + int(each.id)), "email": each.email, "roleIds": [], "superAdmin": False}
        for each in portal.directory.people
    ]
    return _page(request, found)


def _pipeline(portal: Portal, name: str) -> dict[str, Any]:
    at = iso(portal.account.born)
    key, stages = _STAGES[name]
    stamps = {"createdAt": at, "updatedAt": at, "archived": False}
    return {
        "id": key,
        "label": "Sales pipeline" if name == "deals" else f"{name.capitalize()} pipeline",
        "displayOrder": 0,
        "stages": [
            {
                "id": stage,
                "label": stage.capitalize(),
                "displayOrder": n,
                "metadata": {"isClosed": str(stage.startswith("closed")).lower()},
                "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
                **stamps,
            }
            for n, stage in enumerate(stages)
        ],
        **stamps,
    }


def _pipelines(portal: Portal, request: Request) -> Reply:
    name = kind_of(portal, request).name
    return Reply(200, {"results": [_pipeline(portal, name)] if name in _STAGES else []})


def _one_pipeline(portal: Portal, request: Request) -> Reply:
    name = kind_of(portal, request).name
    if name not in _STAGES or _STAGES[name][0] != request.path["id"]:
        raise not_found()
    return Reply(200, _pipeline(portal, name))


def _stages(portal: Portal, request: Request) -> Reply:
    shown = _one_pipeline(portal, request).body["stages"]
    if "stage" not in request.path:
        return Reply(200, {"results": shown})
    found = next((each for each in shown if each["id"] == request.path["stage"]), None)
    if found is None:
        raise not_found()
    return Reply(200, found)


def _details(portal: Portal, _request: Request) -> Reply:
    """HubSpot docs, "Account information API"."""
    return Reply(
        200,
        {
            "portalId": portal.account.portal,
            "accountType": "DEVELOPER_TEST",
            "timeZone": "US/Eastern",
            "companyCurrency": "USD",
            "additionalCurrencies": [],
            "utcOffset": "-05:00",
            "utcOffsetMilliseconds": -18_000_000,
            "uiDomain": "app.hubspot.com",
            "dataHostingLocation": "na1",
        },
    )


ROUTES = [
    Route("GET", "/crm/v3/owners", _owners, ("crm.objects.owners.read",)),
    Route("GET", "/crm/v3/owners/{id}", _one_owner, ("crm.objects.owners.read",)),
    Route("GET", "/settings/v3/users", _users, ("settings.users.read",)),
    Route("GET", "/crm/v3/pipelines/{type}", _pipelines, ("{needs}.read",)),
    Route("GET", "/crm/v3/pipelines/{type}/{id}", _one_pipeline, ("{needs}.read",)),
    Route("GET", "/crm/v3/pipelines/{type}/{id}/stages", _stages, ("{needs}.read",)),
    Route("GET", "/crm/v3/pipelines/{type}/{id}/stages/{stage}", _stages, ("{needs}.read",)),
    Route("GET", "/account-info/v3/details", _details),
]
