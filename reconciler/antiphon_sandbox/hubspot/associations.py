"""Associations v4: single, in batches, and their labels (HubSpot docs, "CRM API | Associations v4")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from antiphon_sandbox.hubspot.errors import Refused, no_such_end, refuse, too_many_inputs
from antiphon_sandbox.hubspot.objects import held, kind_of
from antiphon_sandbox.hubspot.records import Record
from antiphon_sandbox.hubspot.request import Portal, Reply, Request, Route
from antiphon_sandbox.hubspot.schema import ObjectType
from antiphon_sandbox.hubspot.values import iso

PAGE, READ, WRITE = 500, 1000, 2000
"""Associations of one page, records of a batch read, pairs of a batch write: the documented most."""


def _end(portal: Portal, kind: ObjectType, key: str) -> Record:
    found = portal.account.find(kind, key)
    if found is None:
        raise no_such_end(kind.label, key)
    return found


def _ends(portal: Portal, record: Record, kind: ObjectType) -> list[dict[str, Any]]:
    labels = portal.account.links.labels(record.kind, kind)
    return [
        {"toObjectId": key, "associationTypes": [labels[each].shown() for each in sorted(types) if each in labels]}
        for key, types in sorted(portal.account.links.of(record, kind).items(), key=lambda item: int(item[0]))
        if (other := portal.account.records.get((kind.name, key))) is not None and other.archived is None
    ]


def _paged(ends: list[dict[str, Any]], after: str, limit: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    rest = [end for end in ends if int(end["toObjectId"]) > int(after or 0)]
    page = rest[:limit]
    paging = {"paging": {"next": {"after": page[-1]["toObjectId"]}}} if len(rest) > limit else {}
    return page, paging


def _list(portal: Portal, request: Request) -> Reply:
    record, kind = held(portal, request), kind_of(portal, request, "to")
    ends = _ends(portal, record, kind)
    page, paging = _paged(ends, request.one("after", "0"), int(request.one("limit", str(PAGE))))
    return Reply(200, {"results": page, **paging})


def _pair(portal: Portal, a: Record, b: Record) -> dict[str, Any]:
    labels = portal.account.links.labels(a.kind, b.kind)
    held_types = portal.account.links.of(a, b.kind).get(b.id, set())
    return {
        "fromObjectTypeId": a.kind.type_id,
        "fromObjectId": a.id,
        "toObjectTypeId": b.kind.type_id,
        "toObjectId": b.id,
        "labels": [label for each in sorted(held_types) if (label := labels[each].label)],
    }


def _type_ids(specs: Iterable[Mapping[str, Any]]) -> list[int]:
    return [int(spec["associationTypeId"]) for spec in specs]


def _associate(portal: Portal, a: Record, b: Record, type_ids: Iterable[int], request: Request) -> dict[str, Any]:
    if portal.account.links.add(a, b, type_ids):
        now = portal.account.clock()
        for end in (a, b):
            portal.account.touch(end, max(now, end.updated))
        portal.account.tell_link(a, b, request.source, removed=False)
    return _pair(portal, a, b)


def _put(portal: Portal, request: Request) -> Reply:
    a = held(portal, request)
    b = _end(portal, kind_of(portal, request, "to"), request.path["other"])
    specs = request.body if isinstance(request.body, list) else []
    return Reply(200, _associate(portal, a, b, _type_ids(specs), request))


def _put_plain(portal: Portal, request: Request) -> Reply:
    a = held(portal, request)
    b = _end(portal, kind_of(portal, request, "to"), request.path["other"])
    _associate(portal, a, b, [], request)
    return _batch(portal, [_plain(portal, a, b)], [])


def _plain(portal: Portal, a: Record, b: Record) -> dict[str, Any]:
    spec = portal.account.links.plain(a.kind, b.kind)
    return {
        "from": {"id": a.id},
        "to": {"id": b.id},
        "associationSpec": {"associationCategory": spec.category, "associationTypeId": spec.type_id},
    }


def _delete(portal: Portal, request: Request) -> Reply:
    a = held(portal, request)
    b = portal.account.find(kind_of(portal, request, "to"), request.path["other"])
    if b is not None:
        _part(portal, a, b, None, request)
    return Reply(204)


def _part(portal: Portal, a: Record, b: Record, type_ids: list[int] | None, request: Request) -> None:
    if b.id in portal.account.links.of(a, b.kind):
        portal.account.links.remove(a, b, type_ids)
        now = portal.account.clock()
        for end in (a, b):
            portal.account.touch(end, max(now, end.updated))
        portal.account.tell_link(a, b, request.source, removed=True)


# ---- batches


def _batch(portal: Portal, results: list[Any], errors: list[Any], done: int = 200) -> Reply:
    now = iso(portal.account.clock())
    body: dict[str, Any] = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
    if errors:
        body |= {"numErrors": len(errors), "errors": errors}
    return Reply(207 if errors else done, body)


def _inputs(request: Request, most: int) -> list[dict[str, Any]]:
    inputs = request.inputs()
    if len(inputs) > most:
        raise too_many_inputs(len(inputs), most)
    return inputs


def _kinds(portal: Portal, request: Request) -> tuple[ObjectType, ObjectType]:
    return kind_of(portal, request, "type"), kind_of(portal, request, "to")


def _batch_read(portal: Portal, request: Request) -> Reply:
    a, b = _kinds(portal, request)
    results, errors = [], []
    for each in _inputs(request, READ):
        record = portal.account.find(a, str(each["id"]))
        ends = _ends(portal, record, b) if record is not None else []
        if record is None or not ends:
            errors.append(
                {
                    "status": "error",
                    "category": "OBJECT_NOT_FOUND",
                    "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
                    "message": f"No {b.label.lower()} is associated with {a.label.lower()} {each['id']}.",
                    "context": {"fromObjectId": [str(each["id"])]},
                }
            )
            continue
        page, paging = _paged(ends, str(each.get("after") or "0"), PAGE)
        results.append({"from": {"id": record.id}, "to": page, **paging})
    return _batch(portal, results, errors)


def _each(portal: Portal, request: Request, done: int, one: Any) -> Reply:
    a, b = _kinds(portal, request)
    results, errors = [], []
    for each in _inputs(request, WRITE):
        try:
            ends = _end(portal, a, str(each["from"]["id"])), _end(portal, b, str(each["to"]["id"]))
            results.append(one(*ends, each))
        except Refused as refused:
            errors.append(refused.as_item)
    return _batch(portal, results, errors, done)


def _batch_create(portal: Portal, request: Request) -> Reply:
    return _each(
        portal, request, 201, lambda a, b, each: _associate(portal, a, b, _type_ids(each.get("types", ())), request)
    )


def _batch_plain(portal: Portal, request: Request) -> Reply:
    def one(a: Record, b: Record, _each: Mapping[str, Any]) -> dict[str, Any]:
        _associate(portal, a, b, [], request)
        return _plain(portal, a, b)

    return _each(portal, request, 200, one)


def _batch_archive(portal: Portal, request: Request, *, labels: bool = False) -> Reply:
    a, b = _kinds(portal, request)
    for each in _inputs(request, WRITE):
        start = portal.account.find(a, str(each["from"]["id"]))
        for end in each["to"] if isinstance(each["to"], list) else [each["to"]]:
            other = portal.account.find(b, str(end["id"]))
            if start is not None and other is not None:
                _part(portal, start, other, _type_ids(each["types"]) if labels else None, request)
    return Reply(204)


def _batch_archive_labels(portal: Portal, request: Request) -> Reply:
    return _batch_archive(portal, request, labels=True)


# ---- labels


def _labels(portal: Portal, request: Request) -> Reply:
    a, b = _kinds(portal, request)
    return Reply(200, {"results": [label.shown() for label in portal.account.links.labels(a, b).values()]})


def _label_create(portal: Portal, request: Request) -> Reply:
    a, b = _kinds(portal, request)
    body = request.wanted()
    if not body.get("label"):
        raise refuse(400, "label is required", "VALIDATION_ERROR")  # not recorded
    made = portal.account.links.define(a, b, str(body["label"]), body.get("inverseLabel"))
    return Reply(200, {"results": [label.shown() for label in made]})


def _label_delete(portal: Portal, request: Request) -> Reply:
    a, b = _kinds(portal, request)
    portal.account.links.forget(a, b, int(request.path["label"]))
    return Reply(204)


_ENDS, _PAIRS = "/crm/v4/objects/{type}/{id}/associations", "/crm/v4/associations/{type}/{to}"
_READ, _WRITE = ("{needs}.read",), ("{needs}.write",)
ROUTES = [
    Route("GET", f"{_ENDS}/{{to}}", _list, _READ),
    Route("PUT", "/crm/v4/objects/{type}/{id}/associations/default/{to}/{other}", _put_plain, _WRITE),
    Route("PUT", f"{_ENDS}/{{to}}/{{other}}", _put, _WRITE),
    Route("DELETE", f"{_ENDS}/{{to}}/{{other}}", _delete, _WRITE),
    Route("POST", f"{_PAIRS}/batch/read", _batch_read, _READ),
    Route("POST", f"{_PAIRS}/batch/create", _batch_create, _WRITE),
    Route("POST", f"{_PAIRS}/batch/associate/default", _batch_plain, _WRITE),
    Route("POST", f"{_PAIRS}/batch/archive", _batch_archive, _WRITE),
    Route("POST", f"{_PAIRS}/batch/labels/archive", _batch_archive_labels, _WRITE),
    Route("GET", f"{_PAIRS}/labels", _labels, _READ),
    Route("POST", f"{_PAIRS}/labels", _label_create, _WRITE),
    Route("DELETE", f"{_PAIRS}/labels/{{label}}", _label_delete, _WRITE),
]
