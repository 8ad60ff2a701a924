"""One record at a time: list, read, create, update, archive, merge, search, GDPR delete (HubSpot docs, "CRM API")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from antiphon_sandbox.hubspot.errors import not_found, nothing_to_update, refuse
from antiphon_sandbox.hubspot.records import Record
from antiphon_sandbox.hubspot.request import Portal, Reply, Request, Route
from antiphon_sandbox.hubspot.schema import ObjectType
from antiphon_sandbox.hubspot.values import iso

PAGE, PAGE_WITH_HISTORY = 100, 50
"""Records of one page; fewer with histories, as HubSpot's own client has it."""

DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "contacts": ("email", "firstname", "lastname"),
    "companies": ("name", "domain"),
    "deals": ("dealname", "amount", "closedate", "dealstage", "pipeline"),
    "tickets": ("subject", "content", "hs_pipeline", "hs_pipeline_stage"),
}
"""What is shown when a request names no properties."""


def shown(record: Record, names: Iterable[str] = (), history: Iterable[str] = ()) -> dict[str, Any]:
    """A record as the API shows it: what was asked for, null where it is not set."""
    kind = record.kind
    wanted = [*(names or DEFAULTS.get(kind.name, ())), "createdate", kind.modified, "hs_object_id"]
    found: dict[str, Any] = {
        "id": record.id,
        "properties": {name: record.values.get(name) for name in wanted if name in kind.properties},
        "createdAt": iso(record.created),
        "updatedAt": iso(record.updated),
        "archived": record.archived is not None,
    }
    if record.archived is not None:
        found["archivedAt"] = iso(record.archived)
    if history:
        found["propertiesWithHistory"] = {
            name: [
                {
                    "value": version.value or "",
                    "timestamp": iso(version.at),
                    "sourceType": version.source.type,
                    "sourceId": version.source.id,
                    "sourceLabel": version.source.label,
                    "updatedByUserId": version.source.user,
                }
                for version in reversed(record.history.get(name, []))
            ]
            for name in history
            if name in kind.properties
        }
    return found


def kind_of(portal: Portal, request: Request, name: str = "type") -> ObjectType:
    """The object type that the path names. Raises `Refused`."""
    return portal.account.kind(request.path[name])


def held(portal: Portal, request: Request, *, archived: bool = False) -> Record:
    """The record that the path names. Raises `Refused`."""
    found = portal.account.find(
        kind_of(portal, request), request.path["id"], request.one("idProperty") or None, archived=archived
    )
    if found is None:
        raise not_found()
    return found


def _list(portal: Portal, request: Request) -> Reply:
    kind, history = kind_of(portal, request), request.many("propertiesWithHistory")
    most = PAGE_WITH_HISTORY if history else PAGE
    limit = int(request.one("limit", "10"))
    if not 0 < limit <= most:
        raise refuse(400, f"limit must be between 1 and {most}", "VALIDATION_ERROR")  # not recorded
    found = list(
        islice(portal.account.all(kind, archived=request.flag("archived"), after=request.one("after", "0")), limit + 1)
    )
    page = found[:limit]
    body: dict[str, Any] = {
        "results": [_with_links(portal, r, request, shown(r, request.many("properties"), history)) for r in page]
    }
    if len(found) > limit:
        after = page[-1].id
        body["paging"] = {"next": {"after": after, "link": f"{request.url}?after={after}"}}
    return Reply(200, body)


def _with_links(portal: Portal, record: Record, request: Request, body: dict[str, Any]) -> dict[str, Any]:
    """The associations that a read may ask for along with the record."""
    for name in request.many("associations"):
        other = portal.account.kind(name)
        labels = portal.account.links.labels(record.kind, other)
        ends = [
            {"id": key, "type": _type_name(record.kind, other, labels[each].label)}
            for key, types in portal.account.links.of(record, other).items()
            for each in types
        ]
        if ends:
            body.setdefault("associations", {})[other.name] = {"results": ends}
    return body


def _type_name(kind: ObjectType, other: ObjectType, label: str | None) -> str:
    plain = f"{kind.label}_to_{other.label}".lower().replace(" ", "_")
    return plain if label is None else f"{plain}_{label.lower()}"


def _get(portal: Portal, request: Request) -> Reply:
    record = held(portal, request, archived=request.flag("archived"))
    body = shown(record, request.many("properties"), request.many("propertiesWithHistory"))
    return Reply(200, _with_links(portal, record, request, body))


def _create(portal: Portal, request: Request) -> Reply:
    body = request.wanted()
    record = portal.account.create(kind_of(portal, request), body.get("properties") or {}, request.source)
    associate(portal, record, body.get("associations") or ())
    return Reply(201, written(record))


def written(record: Record) -> dict[str, Any]:
    """What a write answers: every property that is set."""
    return shown(record, [name for name, value in record.values.items() if value is not None])


def associate(portal: Portal, record: Record, wanted: Iterable[Mapping[str, Any]]) -> None:
    """The associations with which a record is made."""
    for each in wanted:
        target = str(each["to"]["id"])
        found = next((r for r in portal.account.records.values() if r.id == target), None)
        if found is None:
            raise refuse(400, f"No record with ID {target} exists", "VALIDATION_ERROR")  # not recorded
        portal.account.links.add(record, found, [int(t["associationTypeId"]) for t in each["types"]])


def _update(portal: Portal, request: Request) -> Reply:
    record = held(portal, request)
    given = request.wanted().get("properties") or {}
    if not given:
        raise nothing_to_update()
    portal.account.update(record, given, request.source)
    return Reply(200, shown(record, [*given, *DEFAULTS.get(record.kind.name, ())]))


def _archive(portal: Portal, request: Request) -> Reply:
    found = portal.account.find(kind_of(portal, request), request.path["id"])
    if found is not None:
        portal.account.archive(found, request.source)
    return Reply(204)


def _merge(portal: Portal, request: Request) -> Reply:
    kind, body = kind_of(portal, request), request.wanted()
    ends = [portal.account.find(kind, str(body[name])) for name in ("primaryObjectId", "objectIdToMerge")]
    primary, other = ends
    if primary is None or other is None or primary is other:
        raise not_found()
    return Reply(200, written(portal.account.merge(primary, other, request.source)))


def _erase(portal: Portal, request: Request) -> Reply:
    body = request.wanted()
    found = portal.account.find(kind_of(portal, request), str(body["objectId"]), body.get("idProperty"))
    if found is not None:
        portal.account.erase(found)
    return Reply(204)


def _search(portal: Portal, request: Request) -> Reply:
    """The index says which ids; the store shows the records. An id that is gone from the store is left out."""
    kind, asked = kind_of(portal, request), request.wanted()
    total, ids, after = portal.account.index.search(kind, asked, portal.account.clock())
    records = [record for key in ids if (record := portal.account.records.get((kind.name, key))) is not None]
    body: dict[str, Any] = {
        "total": total,
        "results": [shown(record, asked.get("properties") or ()) for record in records if record.archived is None],
    }
    if after is not None:
        body["paging"] = {"next": {"after": after}}
    return Reply(200, body)


_ONE, _ALL = "/crm/v3/objects/{type}/{id}", "/crm/v3/objects/{type}"
_READ, _WRITE = ("{needs}.read",), ("{needs}.write",)
ROUTES = [
    Route("POST", f"{_ALL}/search", _search, _READ, "search"),
    Route("POST", f"{_ALL}/merge", _merge, _WRITE),
    Route("POST", f"{_ALL}/gdpr-delete", _erase, _WRITE),
    Route("GET", _ALL, _list, _READ),
    Route("POST", _ALL, _create, _WRITE),
    Route("GET", _ONE, _get, _READ),
    Route("PATCH", _ONE, _update, _WRITE),
    Route("DELETE", _ONE, _archive, _WRITE),
]
