"""Bulk API 2.0 queries: a job is made and asked about until it is done, then its rows are had as CSV, page by page.

| column of a row    | in CSV                                                          |
|--------------------|-----------------------------------------------------------------|
| no value           | `""`, as with an empty text, which Salesforce does not keep     |
| boolean            | `true`, `false`                                                 |
| int                | `12`                                                            |
| double, currency … | `12.0`; from ten million on `1.5E7`, as Java writes them        |
| datetime           | `2026-01-02T03:04:05.000Z`                                      |

`Sforce-Locator` is where the next page begins, the word `null` after the last. Addresses, counts, `OFFSET` and objects
with `SObject.bulk` off are refused. Source: Salesforce docs, "Bulk API 2.0 and Bulk API Developer Guide", "Query".
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from antiphon_sandbox.salesforce import answers, soql
from antiphon_sandbox.salesforce.errors import Refused, in_our_words
from antiphon_sandbox.salesforce.jobs import CSV, DELIMITERS, LINE_ENDINGS, Job, abort, choice
from antiphon_sandbox.salesforce.request import Reply, Request, Route
from antiphon_sandbox.salesforce.values import stamp

_OPERATIONS = {"query": False, "queryAll": True}
_SMALL, _LARGE = 1e-3, 1e7
"""Java writes a number between them without an exponent."""

_DECIMALS = frozenset({"double", "currency", "percent"})


@dataclass(slots=True)
class QueryJob(Job):
    """A job of a query; `columns` are those of the CSV, `rows` its lines."""

    query: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = field(default_factory=list)


def _create(request: Request) -> Reply:
    given = request.wanted()
    operation = choice(given, "operation", _OPERATIONS, "query")
    query = str(given.get("query") or "")
    asked = _checked(request, query)
    job = QueryJob(
        id=request.org.new_id("750"),
        operation=operation,
        object=asked.object.name,
        kind="V2Query",
        created=stamp(request.org.clock()),
        state="UploadComplete",
        delimiter=choice(given, "columnDelimiter", DELIMITERS, "COMMA"),
        line_ending=choice(given, "lineEnding", LINE_ENDINGS, "LF"),
        query=query,
    )
    request.jobs.add(job)
    return Reply(body=job.told)


def _checked(request: Request, query: str) -> soql.Asked:
    try:
        asked = soql.read(request.org, query)
    except Refused as refused:
        raise Refused("API_ERROR", refused.message) from None
    if not asked.object.bulk:
        raise Refused("INVALIDENTITY", f"Entity '{asked.object.name}' is not supported by the Bulk API.")
    if any(kind == "address" for _, kind in asked.columns):
        raise Refused("API_ERROR", "Selecting compound data not supported in Bulk Query")
    if not asked.columns or asked.offset:
        raise in_our_words("API_ERROR", "COUNT and OFFSET are not supported in Bulk Query")
    return asked


def _find(request: Request) -> QueryJob:
    """The job, with what time has made of it."""
    job = request.jobs.find(request.path["id"], QueryJob)
    if request.jobs.step(job):
        asked = soql.read(request.org, job.query)
        job.columns = [name for name, _ in asked.columns]
        job.rows = [
            [_text(value, kind) for value, (_, kind) in zip(row, asked.columns, strict=True)]
            for row in answers.cells(request.org, asked, deleted=_OPERATIONS[job.operation])
        ]
        job.processed = len(job.rows)
    return job


def _text(value: Any, kind: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    match kind:
        case "datetime":
            return str(value).replace("+0000", "Z")
        case _ if kind in _DECIMALS:
            return _as_java(float(value))
        case _:
            return str(value)


def _as_java(number: float) -> str:
    if number == 0 or _SMALL <= abs(number) < _LARGE:
        return str(number)
    digits = Decimal(str(number)).normalize()
    power = digits.adjusted()
    mantissa = f"{digits.scaleb(-power):f}"
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{power}"


def _info(request: Request) -> Reply:
    return Reply(body=_find(request).shown())


def _list(request: Request) -> Reply:
    return Reply(body=request.jobs.listed(QueryJob))


def _change(request: Request) -> Reply:
    job = request.jobs.find(request.path["id"], QueryJob)
    if request.wanted().get("state") != "Aborted":
        raise in_our_words("INVALIDJOB", "the state of a query can only be set to Aborted")
    abort(job)
    return Reply(body=job.told)


def _remove(request: Request) -> Reply:
    request.jobs.remove(request.path["id"], QueryJob)
    return Reply(HTTPStatus.NO_CONTENT)


def _results(request: Request) -> Reply:
    job = _find(request)
    start = _place(request.one("locator"))
    size = min(request.jobs.page, int(request.one("maxRecords") or request.jobs.page))
    rows = job.rows[start : start + size]
    after = _locator(start + size) if start + size < len(job.rows) else "null"
    told: Mapping[str, str] = {"Sforce-Locator": after, "Sforce-NumberOfRecords": str(len(rows))}
    content = job.csv(job.columns, rows, of={"JobComplete"})
    return Reply(body=content, headers=told, kind=CSV)


def _locator(start: int) -> str:
    return base64.urlsafe_b64encode(str(start).encode()).decode().rstrip("=")


def _place(locator: str) -> int:
    try:
        text = base64.urlsafe_b64decode(locator + "=" * (-len(locator) % 4)).decode() or "0"
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    if not re.fullmatch(r"\d+", text):
        raise in_our_words("INVALID_LOCATOR", f"the locator {locator} is not one of this job")
    return int(text)


ROUTES = [
    Route("POST", "/jobs/query", _create),
    Route("GET", "/jobs/query", _list),
    Route("GET", "/jobs/query/{id}", _info),
    Route("PATCH", "/jobs/query/{id}", _change),
    Route("DELETE", "/jobs/query/{id}", _remove),
    Route("GET", "/jobs/query/{id}/results", _results),
]
