"""Properties and object schemas: what records of a type may hold (HubSpot docs, "Properties API", "Schemas API")."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from antiphon_sandbox.hubspot.errors import not_found, refuse
from antiphon_sandbox.hubspot.objects import kind_of
from antiphon_sandbox.hubspot.request import Portal, Reply, Request, Route
from antiphon_sandbox.hubspot.schema import ObjectType, Property, own_properties
from antiphon_sandbox.hubspot.values import iso

UNIQUE_MOST = 10
"""Unique properties that an object type may have."""

_FIELD_TYPES = {
    "string": "text",
    "number": "number",
    "date": "date",
    "datetime": "date",
    "enumeration": "select",
    "bool": "booleancheckbox",
}


def _list(portal: Portal, request: Request) -> Reply:
    kind, archived, at = kind_of(portal, request), request.flag("archived"), iso(portal.account.born)
    found = [each.shown(at) for each in kind.properties.values() if each.archived == archived]
    return Reply(200, {"results": found})


def _held(portal: Portal, request: Request) -> Property:
    found = kind_of(portal, request).properties.get(request.path["name"])
    if found is None or found.archived:
        raise not_found()
    return found


def _get(portal: Portal, request: Request) -> Reply:
    return Reply(200, _held(portal, request).shown(iso(portal.account.born)))


def made(kind: ObjectType, body: Mapping[str, Any]) -> Property:
    """The property that a body describes, now known to the type. Raises `Refused`."""
    name = str(body.get("name") or "")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise refuse(400, f"Property name {name!r} is not valid", "VALIDATION_ERROR")  # not recorded
    if name in kind.properties and not kind.properties[name].archived:
        raise refuse(409, f'Property "{name}" already exists', "CONFLICT")  # not recorded
    unique = bool(body.get("hasUniqueValue"))
    if unique and sum(each.unique for each in kind.properties.values()) >= UNIQUE_MOST:
        raise refuse(400, f"At most {UNIQUE_MOST} unique properties are allowed", "VALIDATION_ERROR")  # not recorded
    type_ = str(body["type"])
    options = tuple(str(each["value"]) for each in body.get("options") or ())
    kind.properties[name] = Property(
        name,
        type_,
        str(body.get("fieldType") or _FIELD_TYPES.get(type_, "text")),
        str(body.get("label") or ""),
        ("true", "false") if type_ == "bool" and not options else options,
        unique,
        group=str(body.get("groupName") or "information"),
        description=str(body.get("description") or ""),
        defined_by_hubspot=False,
    )
    return kind.properties[name]


def _create(portal: Portal, request: Request) -> Reply:
    return Reply(201, made(kind_of(portal, request), request.wanted()).shown(iso(portal.account.born)))


def _update(portal: Portal, request: Request) -> Reply:
    kind, known, body = kind_of(portal, request), _held(portal, request), request.wanted()
    if "options" in body:
        known = replace(known, options=tuple(str(each["value"]) for each in body["options"]))
    known = replace(known, label=str(body.get("label", known.label)), type=str(body.get("type", known.type)))
    kind.properties[known.name] = known
    return Reply(200, known.shown(iso(portal.account.born)))


def _archive(portal: Portal, request: Request) -> Reply:
    kind, known = kind_of(portal, request), _held(portal, request)
    if known.defined_by_hubspot:
        raise refuse(400, f'"{known.name}" cannot be archived', "VALIDATION_ERROR")  # not recorded
    kind.properties[known.name] = replace(known, archived=True)
    return Reply(204)


def _groups(portal: Portal, request: Request) -> Reply:
    names = dict.fromkeys(each.group for each in kind_of(portal, request).properties.values())
    found = [{"name": each, "label": each.capitalize(), "displayOrder": -1, "archived": False} for each in names]
    return Reply(200, {"results": found})


def _batch(portal: Portal, results: list[Any], done: int) -> Reply:
    now = iso(portal.account.clock())
    return Reply(done, {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now})


def _batch_read(portal: Portal, request: Request) -> Reply:
    kind, at = kind_of(portal, request), iso(portal.account.born)
    names = [str(each["name"]) for each in request.inputs()]
    return _batch(portal, [kind.properties[name].shown(at) for name in names if name in kind.properties], 200)


def _batch_create(portal: Portal, request: Request) -> Reply:
    kind, at = kind_of(portal, request), iso(portal.account.born)
    return _batch(portal, [made(kind, each).shown(at) for each in request.inputs()], 201)


# ---- custom objects


def _shown(portal: Portal, kind: ObjectType) -> dict[str, Any]:
    at = iso(portal.account.born)
    return {
        "id": kind.type_id,
        "objectTypeId": kind.type_id,
        "name": kind.name,
        "fullyQualifiedName": f"p{portal.account.portal}_{kind.name}",
        "labels": dict(kind.labels),
        "requiredProperties": list(kind.required),
        "searchableProperties": [kind.primary] if kind.primary else [],
        "primaryDisplayProperty": kind.primary or None,
        "secondaryDisplayProperties": [],
        "properties": [each.shown(at) for each in kind.properties.values()],
        "associations": [],
        "archived": False,
        "createdAt": at,
        "updatedAt": at,
    }


def _schemas(portal: Portal, _request: Request) -> Reply:
    custom = [kind for kind in portal.account.kinds.values() if kind.custom]
    return Reply(200, {"results": [_shown(portal, kind) for kind in custom]})


def _schema(portal: Portal, request: Request) -> Reply:
    return Reply(200, _shown(portal, kind_of(portal, request)))


def _schema_create(portal: Portal, request: Request) -> Reply:
    body = request.wanted()
    name = str(body["name"])
    if name in portal.account.kinds:
        raise refuse(409, f"Object type {name} already exists", "CONFLICT")  # not recorded
    number = 1_000_000 + sum(kind.custom for kind in portal.account.kinds.values())
    labels = body.get("labels") or {}
    kind = ObjectType(
        name,
        f"2-{number}",
        str(labels.get("singular") or name),
        properties=own_properties("hs_lastmodifieddate"),
        scope="crm.objects.custom",
        custom=True,
        labels=labels,
        required=tuple(body.get("requiredProperties") or ()),
        primary=str(body.get("primaryDisplayProperty") or ""),
    )
    for each in body.get("properties") or ():
        made(kind, each)
    portal.account.kinds[name] = kind
    return Reply(201, _shown(portal, kind))


_ALL, _ONE = "/crm/v3/properties/{type}", "/crm/v3/properties/{type}/{name}"
_SCHEMAS = "/crm-object-schemas/v3/schemas"
_READ, _WRITE = ("{schemas}.read",), ("{schemas}.write",)
ROUTES = [
    Route("POST", f"{_ALL}/batch/read", _batch_read, _READ),
    Route("POST", f"{_ALL}/batch/create", _batch_create, _WRITE),
    Route("GET", _ALL, _list, _READ),
    Route("GET", f"{_ALL}/groups", _groups, _READ),
    Route("POST", _ALL, _create, _WRITE),
    Route("GET", _ONE, _get, _READ),
    Route("PATCH", _ONE, _update, _WRITE),
    Route("DELETE", _ONE, _archive, _WRITE),
    Route("GET", _SCHEMAS, _schemas, ("crm.schemas.custom.read",)),
    Route("POST", _SCHEMAS, _schema_create, ("crm.schemas.custom.write",)),
    Route("GET", f"{_SCHEMAS}/{{type}}", _schema, ("crm.schemas.custom.read",)),
]
