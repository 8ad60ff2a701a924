"""Records one by one: `/sobjects`, with `describe`, upsert by external id, and what was changed or deleted since."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from antiphon_sandbox.salesforce.answers import shown_head, shown_value
from antiphon_sandbox.salesforce.errors import Refused, in_our_words, no_such_key, not_found
from antiphon_sandbox.salesforce.org import Org, Record
from antiphon_sandbox.salesforce.request import Reply, Request, Route
from antiphon_sandbox.salesforce.schema import SObject
from antiphon_sandbox.salesforce.tooling import RIGHTS, show_what_is_permitted
from antiphon_sandbox.salesforce.values import moment, stamp

DELETED_DAYS, UPDATED_DAYS = 15, 30
"""How far back the two logs go (Salesforce docs, "Get Deleted", "Get Updated")."""


def shown(request: Request, sobject: SObject, record: Record, names: list[str] | None = None) -> dict[str, Any]:
    """A record with all fields, or with these. Raises `Refused`."""
    row = shown_head(sobject.name, record.id, request.root)
    for name in names or [each.name for each in sobject.visible]:
        known = sobject.known(name)
        if known is None:
            raise Refused("INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject.name}")
        row[known.name] = shown_value(record, known.name, known.type)
    return row


def upserted(request: Request, sobject: SObject, name: str, value: str, values: dict[str, Any]) -> dict[str, Any]:
    """Make or change the record with this external id. Raises `Refused`, or `Several`."""
    known = sobject.known(name)
    if known is None or not known.external_id:
        raise no_such_key(name)
    found = request.org.holding(sobject.name, known.name, value)
    if len(found) > 1:
        raise Several("MULTIPLE_CHOICES", sobject.name, HTTPStatus.MULTIPLE_CHOICES, [
            f"{request.root}/sobjects/{sobject.name}/{each.id}" for each in found
        ])  # fmt: skip
    if found:
        request.org.update(sobject.name, found[0].id, values)
        return {"id": found[0].id, "success": True, "errors": [], "created": False}
    if request.one("updateOnly") == "true":
        raise not_found()
    made = request.org.create(sobject.name, {**values, known.name: value})
    return {"id": made.id, "success": True, "errors": [], "created": True}


class Several(Refused):
    """More than one record has the external id: the body is the list of their paths."""

    @property
    def body(self) -> Any:
        """The paths."""
        return list(self.fields or ())


def _global(request: Request) -> Reply:
    listed = [each.summary(request.root) for each in request.org.objects.values()]
    return Reply(body={"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": listed})


def _about(request: Request) -> Reply:
    sobject = request.org.kind(request.path["type"])
    recent = [shown_head(sobject.name, each.id, request.root) for each in request.org.live(sobject.name)[-10:]]
    return Reply(body={"objectDescribe": sobject.summary(request.root), "recentItems": recent})


def _describe(request: Request) -> Reply:
    return Reply(body=request.org.kind(request.path["type"]).describe(request.root))


def _create(request: Request) -> Reply:
    made = request.org.create(request.org.kind(request.path["type"]).name, request.wanted())
    if made.kind in RIGHTS:
        show_what_is_permitted(request.org)
    return Reply(HTTPStatus.CREATED, {"id": made.id, "success": True, "errors": []})


def _get(request: Request) -> Reply:
    sobject = request.org.kind(request.path["type"])
    record = request.org.find(sobject.name, request.path["id"])
    if record.in_bin:
        raise not_found()
    names = [name.strip() for name in request.one("fields").split(",") if name.strip()]
    return Reply(body=shown(request, sobject, record, names))


def _update(request: Request) -> Reply:
    sobject = request.org.kind(request.path["type"])
    record = request.org.find(sobject.name, request.path["id"])
    since = request.headers.get("If-Unmodified-Since")
    if since is not None and _unmodified(record, since):
        return Reply(HTTPStatus.PRECONDITION_FAILED)
    request.org.update(sobject.name, record.id, request.wanted())
    return Reply(HTTPStatus.NO_CONTENT)


def _unmodified(record: Record, since: str) -> bool:
    """Whether the record was modified after a moment, which is told to a second. Raises `Refused`."""
    try:
        limit = parsedate_to_datetime(since)
    except ValueError:
        raise in_our_words("INVALID_HTTP_HEADER", f"invalid value of If-Unmodified-Since: {since}") from None
    return moment(record.values["LastModifiedDate"]) > limit


def _delete(request: Request) -> Reply:
    sobject = request.org.kind(request.path["type"])
    request.org.delete(sobject.name, request.path["id"])
    return Reply(HTTPStatus.NO_CONTENT)


def _by_key(request: Request) -> Record:
    sobject = request.org.kind(request.path["type"])
    known = sobject.known(request.path["field"])
    if known is None or not known.external_id:
        raise no_such_key(request.path["field"])
    found = request.org.holding(sobject.name, known.name, request.path["value"])
    if not found:
        raise not_found()
    return found[0]


def _get_by_key(request: Request) -> Reply:
    record = _by_key(request)
    return Reply(body=shown(request, request.org.objects[record.kind], record))


def _delete_by_key(request: Request) -> Reply:
    record = _by_key(request)
    request.org.delete(record.kind, record.id)
    return Reply(HTTPStatus.NO_CONTENT)


def _upsert(request: Request) -> Reply:
    sobject = request.org.kind(request.path["type"])
    result = upserted(request, sobject, request.path["field"], request.path["value"], request.wanted())
    return Reply(HTTPStatus.CREATED if result["created"] else HTTPStatus.OK, result)


def _must_fit(org: Org, listed: Sequence[object]) -> None:
    if len(listed) > org.most_listed:
        raise in_our_words("EXCEEDED_ID_LIMIT", f"more than {org.most_listed} ids were changed: ask about less time")


def _updated(request: Request) -> Reply:
    sobject = request.org.kind(request.path["type"])
    start, end = moment(request.one("start")), moment(request.one("end"))
    ids = [
        each.id
        for each in request.org.live(sobject.name)
        if start <= moment(each.values["SystemModstamp"]) < end
    ]  # fmt: skip
    _must_fit(request.org, ids)
    return Reply(body={"ids": ids, "latestDateCovered": stamp(request.org.covered(end))})


def _deleted(request: Request) -> Reply:
    sobject = request.org.kind(request.path["type"])
    start, end = moment(request.one("start")), moment(request.one("end"))
    now = request.org.clock().astimezone(UTC)
    binned = {
        each.id: each.values["SystemModstamp"]
        for each in request.org.records.values()
        if each.kind == sobject.name and each.in_bin
    }
    purged = {key: at for key, (kind, at) in request.org.purged.items() if kind == sobject.name}
    listed = [
        {"id": key, "deletedDate": at} for key, at in {**binned, **purged}.items() if start <= moment(at) < end
    ]  # fmt: skip
    _must_fit(request.org, listed)
    return Reply(
        body={
            "deletedRecords": listed,
            "earliestDateAvailable": stamp(now - timedelta(days=DELETED_DAYS)),
            "latestDateCovered": stamp(request.org.covered(end)),
        }
    )


ROUTES = [
    Route("GET", "/sobjects", _global),
    Route("GET", "/sobjects/{type}", _about),
    Route("POST", "/sobjects/{type}", _create),
    Route("GET", "/sobjects/{type}/describe", _describe),
    Route("GET", "/sobjects/{type}/updated", _updated),
    Route("GET", "/sobjects/{type}/deleted", _deleted),
    Route("GET", "/sobjects/{type}/{id}", _get),
    Route("PATCH", "/sobjects/{type}/{id}", _update),
    Route("DELETE", "/sobjects/{type}/{id}", _delete),
    Route("GET", "/sobjects/{type}/{field}/{value}", _get_by_key),
    Route("PATCH", "/sobjects/{type}/{field}/{value}", _upsert),
    Route("DELETE", "/sobjects/{type}/{field}/{value}", _delete_by_key),
]
