"""A hundred records at a time: read, create, update, upsert, archive (HubSpot docs, "CRM API | Batch").

Results come in an order of their own. An error spoils the whole batch, unless every input has an `objectWriteTraceId`:
then errors stand beside the results, with status 207.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from antiphon_sandbox.hubspot.errors import (
    Refused,
    duplicate_ids,
    missing_objects,
    not_found,
    not_unique,
    nothing_to_update,
    refuse,
    too_many_inputs,
)
from antiphon_sandbox.hubspot.objects import PAGE_WITH_HISTORY, associate, kind_of, shown, written
from antiphon_sandbox.hubspot.records import Record
from antiphon_sandbox.hubspot.request import Portal, Reply, Request, Route
from antiphon_sandbox.hubspot.values import iso

INPUTS = 100


def _taken(request: Request, most: int = INPUTS) -> list[dict[str, Any]]:
    inputs = request.inputs()
    if len(inputs) > most:
        raise too_many_inputs(len(inputs), most)
    return inputs


def _no_duplicates(inputs: Sequence[Mapping[str, Any]]) -> None:
    ids = [(str(each.get("idProperty") or ""), str(each.get("id"))) for each in inputs]
    twice = sorted({key for by, key in ids if ids.count((by, key)) > 1})
    if twice:
        raise duplicate_ids(twice)


def _envelope(portal: Portal, results: Sequence[Any], errors: Sequence[Any], done: int = 200) -> Reply:
    now = iso(portal.account.clock())
    body: dict[str, Any] = {"status": "COMPLETE", "results": list(results), "startedAt": now, "completedAt": now}
    if errors:
        body |= {"numErrors": len(errors), "errors": list(errors)}
    return Reply(207 if errors else done, body)


def _read(portal: Portal, request: Request) -> Reply:
    kind, body = kind_of(portal, request), request.wanted()
    history = body.get("propertiesWithHistory") or []
    inputs = _taken(request, PAGE_WITH_HISTORY if history else INPUTS)
    found: dict[str, Record] = {}
    missing = []
    for each in inputs:
        key = str(each["id"])
        record = portal.account.find(kind, key, body.get("idProperty"), archived=request.flag("archived"))
        if record is None:
            missing.append(key)
        else:
            found[record.id] = record
    results = [shown(record, body.get("properties") or (), history) for record in _shuffled(found.values())]
    return _envelope(portal, results, [missing_objects(kind.label.upper(), missing)] if missing else [])


def _write(
    portal: Portal,
    inputs: Sequence[Mapping[str, Any]],
    one: Callable[[Mapping[str, Any]], dict[str, Any]],
    check: Callable[[Mapping[str, Any]], object],
    done: int,
) -> Reply:
    """Each by itself where every input has a trace id; otherwise all or nothing, refused for the first bad one."""
    if not _traced(portal, inputs):
        for each in inputs:
            check(each)
        return _envelope(portal, _shuffled_bodies([one(each) for each in inputs]), [], done)
    results, errors = [], []
    for each in inputs:
        trace = str(each["objectWriteTraceId"])
        try:
            results.append({**one(each), "objectWriteTraceId": trace})
        except Refused as refused:
            error = refused.as_item
            errors.append({**error, "context": {**error["context"], "objectWriteTraceId": [trace]}})
    return _envelope(portal, _shuffled_bodies(results), errors, done)


def _create(portal: Portal, request: Request) -> Reply:
    kind, account = kind_of(portal, request), portal.account

    def one(each: Mapping[str, Any]) -> dict[str, Any]:
        record = account.create(kind, each.get("properties") or {}, request.source)
        associate(portal, record, each.get("associations") or ())
        return written(record)

    def check(each: Mapping[str, Any]) -> None:
        account.would_create(kind, each.get("properties") or {})

    inputs = _taken(request)
    if not _traced(portal, inputs) and account.repeats(kind, [each.get("properties") or {} for each in inputs]):
        raise refuse(409, "Duplicate values found in batch input", "CONFLICT")  # not recorded
    return _write(portal, inputs, one, check, 201)


def _traced(portal: Portal, inputs: Sequence[Mapping[str, Any]]) -> bool:
    return portal.multi_status and all(each.get("objectWriteTraceId") for each in inputs)


def _update(portal: Portal, request: Request) -> Reply:
    kind, account = kind_of(portal, request), portal.account
    inputs = _taken(request)
    _no_duplicates(inputs)
    if kind.name == "contacts" and any(each.get("idProperty") == "email" for each in inputs):
        raise not_unique(kind.type_id)

    def target(each: Mapping[str, Any]) -> Record:
        found = account.find(kind, str(each["id"]), each.get("idProperty"))
        if found is None:
            raise not_found()
        if not each.get("properties"):
            raise nothing_to_update()
        return found

    def check(each: Mapping[str, Any]) -> None:
        account.would_update(target(each), each["properties"])

    def one(each: Mapping[str, Any]) -> dict[str, Any]:
        record = account.update(target(each), each["properties"], request.source)
        return shown(record, list(each["properties"]))

    return _write(portal, inputs, one, check, 200)


def _upsert(portal: Portal, request: Request) -> Reply:
    kind, account = kind_of(portal, request), portal.account
    inputs = _taken(request)
    _no_duplicates(inputs)
    for each in inputs:
        by = each.get("idProperty")
        if by and by != "hs_object_id" and not (by in kind.properties and kind.properties[by].unique):
            raise not_unique(kind.type_id)

    def there(each: Mapping[str, Any]) -> Record | None:
        return account.find(kind, str(each["id"]), each.get("idProperty"))

    def values(each: Mapping[str, Any]) -> dict[str, Any]:
        by = each.get("idProperty")
        return {**({by: each["id"]} if by and by != "hs_object_id" else {}), **(each.get("properties") or {})}

    def check(each: Mapping[str, Any]) -> None:
        record = there(each)
        if record is None:
            account.would_create(kind, values(each))
        else:
            account.would_update(record, values(each))

    def one(each: Mapping[str, Any]) -> dict[str, Any]:
        record, by = there(each), each.get("idProperty")
        if record is None and (not by or by == "hs_object_id"):
            raise not_found()
        new = record is None
        if record is None:
            record = account.create(kind, values(each), request.source)
        else:
            account.update(record, values(each), request.source)
        return {**(written(record) if new else shown(record, list(values(each)))), "new": new}

    return _write(portal, inputs, one, check, 200)


def _archive(portal: Portal, request: Request) -> Reply:
    kind = kind_of(portal, request)
    for each in _taken(request):
        found = portal.account.find(kind, str(each["id"]))
        if found is not None:
            portal.account.archive(found, request.source)
    return Reply(204)


def _shuffled(records: Any) -> list[Record]:
    return sorted(records, key=lambda record: zlib.crc32(record.id.encode()))


def _shuffled_bodies(bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(bodies, key=lambda body: zlib.crc32(body["id"].encode()))


_BATCH = "/crm/v3/objects/{type}/batch"
ROUTES = [
    Route("POST", f"{_BATCH}/read", _read, ("{needs}.read",)),
    Route("POST", f"{_BATCH}/create", _create, ("{needs}.write",)),
    Route("POST", f"{_BATCH}/update", _update, ("{needs}.write",)),
    Route("POST", f"{_BATCH}/upsert", _upsert, ("{needs}.write",)),
    Route("POST", f"{_BATCH}/archive", _archive, ("{needs}.write",)),
]
