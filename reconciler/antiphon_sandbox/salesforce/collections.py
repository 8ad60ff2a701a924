"""sObject Collections: at most two hundred records in one request, one result for each, in the order of the input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from antiphon_sandbox.salesforce.errors import Refused, in_our_words, no_such_column, not_found, refuse, rolled_back
from antiphon_sandbox.salesforce.records import Several, shown, upserted
from antiphon_sandbox.salesforce.request import Reply, Request, Route

MOST, MOST_READ = 200, 2000
"""Records in one request that writes, or that reads and has them in its body."""


def _records(request: Request) -> list[dict[str, Any]]:
    found = request.wanted().get("records")
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise Refused("JSON_PARSER_ERROR", "Cannot deserialize instance of List from the field records")
    _bound(len(found))
    return found


def _bound(number: int, most: int = MOST) -> None:
    if number > most:
        raise in_our_words(
            "EXCEEDED_ID_LIMIT", f"record limit reached. cannot submit more than {most} records per call"
        )


def _each(
    request: Request, inputs: Sequence[Any], work: Callable[[Any], dict[str, Any]], *, all_or_none: bool
) -> Reply:
    """The results. With `allOrNone` one refusal takes back all. Raises `Refused` for a body that cannot be read."""
    org = request.org
    take_back = org.savepoint() if all_or_none else None
    results: list[dict[str, Any]] = []
    failed = False
    for each in inputs:
        try:
            results.append(work(each))
        except Refused as refused:
            if refused.code == "JSON_PARSER_ERROR":
                raise
            failed = True
            results.append(result_of(refused))
    if take_back is not None and failed:
        take_back()
        results = [each if not each["success"] else rolled_back().as_result for each in results]
    return Reply(body=results)


def result_of(refused: Refused) -> dict[str, Any]:
    """The result of a record that is refused, among others."""
    if isinstance(refused, Several):  # where one request has status 300
        return in_our_words("DUPLICATE_EXTERNAL_ID", "Duplicate external id specified").as_result
    if refused.code == "NOT_FOUND":  # a collection speaks of references
        return refuse("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id").as_result
    return refused.as_result


def _kind(request: Request, record: dict[str, Any]) -> str:
    name = str((record.get("attributes") or {}).get("type", ""))
    try:
        return request.org.kind(name).name
    except Refused:
        raise refuse("INVALID_TYPE", f"sObject type '{name}' is not supported.") from None


def _create(request: Request) -> Reply:
    def work(record: dict[str, Any]) -> dict[str, Any]:
        made = request.org.create(_kind(request, record), record)
        return {"id": made.id, "success": True, "errors": []}

    return _each(request, _records(request), work, all_or_none=bool(request.wanted().get("allOrNone")))


def _update(request: Request) -> Reply:
    def work(record: dict[str, Any]) -> dict[str, Any]:
        kind = _kind(request, record)
        key = next((str(value) for name, value in record.items() if name.lower() == "id"), "")
        if not key:
            raise refuse("MISSING_ARGUMENT", "Id not specified in an update call")
        values = {name: value for name, value in record.items() if name.lower() != "id"}
        done = request.org.update(kind, key, values)
        return {"id": done.id, "success": True, "errors": []}

    return _each(request, _records(request), work, all_or_none=bool(request.wanted().get("allOrNone")))


def _upsert(request: Request) -> Reply:
    sobject = request.org.kind(request.path["type"])
    name = request.path["field"]

    def work(record: dict[str, Any]) -> dict[str, Any]:
        key = next((value for each, value in record.items() if each.lower() == name.lower()), None)
        if key in (None, ""):
            raise refuse("MISSING_ARGUMENT", f"{name} not specified")
        values = {each: value for each, value in record.items() if each.lower() != name.lower()}
        return upserted(request, sobject, name, str(key), values)

    return _each(request, _records(request), work, all_or_none=bool(request.wanted().get("allOrNone")))


def _delete(request: Request) -> Reply:
    ids = [each for each in request.one("ids").split(",") if each]
    _bound(len(ids))

    def work(key: str) -> dict[str, Any]:
        kinds = {each.prefix: each.name for each in request.org.objects.values()}
        kind = kinds.get(key[:3])
        if kind is None:
            raise refuse("MALFORMED_ID", f"malformed id {key}")
        request.org.delete(kind, key)
        return {"id": request.org.find(kind, key).id, "success": True, "errors": []}

    return _each(request, ids, work, all_or_none=request.one("allOrNone") == "true")


def _read(request: Request) -> Reply:
    """Records by id, null where there is none; a field that is not there refuses all of them."""
    sobject = request.org.kind(request.path["type"])
    if request.method == "GET":
        ids, names = request.one("ids").split(","), request.one("fields").split(",")
    else:
        ids, names = request.wanted().get("ids", []), request.wanted().get("fields", [])
        _bound(len(ids), MOST_READ)
    unknown = next((each for each in names if sobject.known(each) is None), None)
    if unknown is not None:
        raise no_such_column(unknown, sobject.name)
    found: list[Any] = []
    for key in ids:
        try:
            record = request.org.find(sobject.name, key)
            if record.in_bin:
                raise not_found()
            found.append(shown(request, sobject, record, ["Id", *names]))
        except Refused:
            found.append(None)
    return Reply(body=found)


ROUTES = [
    Route("POST", "/composite/sobjects", _create),
    Route("PATCH", "/composite/sobjects", _update),
    Route("DELETE", "/composite/sobjects", _delete),
    Route("GET", "/composite/sobjects/{type}", _read),
    Route("POST", "/composite/sobjects/{type}", _read),
    Route("PATCH", "/composite/sobjects/{type}/{field}", _upsert),
]
