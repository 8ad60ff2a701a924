"""Bulk API 2.0 ingest: a job is made, filled with CSV, closed, and asked about until it is done; then it has results.

| state            | what may be done                                     |
|------------------|------------------------------------------------------|
| `Open`           | one PUT of CSV, at most 150 MB in base64; abort      |
| `UploadComplete` | asking, abort                                        |
| `JobComplete`    | its successful and failed results, in another order  |
| `Failed`         | why; nothing was written of what is unprocessed      |

An empty cell leaves a field as it is, `#N/A` empties it; a column `Account.Number__c` refers by an external id.
Source: Salesforce docs, "Bulk API 2.0 and Bulk API Developer Guide", "Ingest", "Prepare Data Files", "Bulk API 2.0
Limits". Results as in recordings; rows come in another order than they were sent, since Salesforce promises none.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeAlias

from antiphon_sandbox.salesforce.collections import result_of
from antiphon_sandbox.salesforce.errors import Refused, in_our_words, not_found, refuse
from antiphon_sandbox.salesforce.jobs import CSV, DELIMITERS, LINE_ENDINGS, Job, abort, choice
from antiphon_sandbox.salesforce.records import upserted
from antiphon_sandbox.salesforce.request import Reply, Request, Route
from antiphon_sandbox.salesforce.schema import SObject
from antiphon_sandbox.salesforce.values import stamp, stored

_OPERATIONS = {"insert": "", "update": "Id", "upsert": "", "delete": "Id", "hardDelete": "Id"}
_NOTHING = "#N/A"
LARGEST = 150_000_000 // 4 * 3
"""Bytes of CSV: Salesforce stores it in base64, and allows 150 MB of that."""

_FLAGS = {"true": True, "1": True, "false": False, "0": False}

Row: TypeAlias = Mapping[str, str]


@dataclass(slots=True)
class IngestJob(Job):
    """A job that writes. `rows` are the lines of its CSV, `done` and `failed` its results."""

    external_id: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Row] = ()
    filled: bool = False
    done: list[tuple[Row, str, bool]] = field(default_factory=list)  # the row, its id, whether it was made
    failed: list[tuple[Row, str, str]] = field(default_factory=list)  # the row, its id, why

    @property
    def told(self) -> dict[str, Any]:
        """The job as the API shows it."""
        more = {"externalIdFieldName": self.external_id} if self.external_id else {}
        return self.shown(
            **more,
            contentUrl=f"services/data/v66.0/jobs/ingest/{self.id}/batches",
            numberRecordsFailed=len(self.failed),
            apexProcessingTime=0,
            apiActiveProcessingTime=0,
        )


def _create(request: Request) -> Reply:
    given = request.wanted()
    operation = choice(given, "operation", _OPERATIONS, "insert")
    sobject = request.org.kind(str(given.get("object") or ""))
    if not sobject.bulk:
        raise Refused("INVALIDENTITY", f"Entity '{sobject.name}' is not supported by the Bulk API.")
    by = str(given.get("externalIdFieldName") or "")
    known = sobject.known(by) if by else None
    if operation == "upsert" and (known is None or not (known.external_id or known.name == "Id")):
        raise in_our_words("INVALIDJOB", f"externalIdFieldName: {by or 'missing'} is no external id of {sobject.name}")
    job = IngestJob(
        id=request.org.new_id("750"),
        operation=operation,
        object=sobject.name,
        kind="V2Ingest",
        created=stamp(request.org.clock()),
        state="Open",
        delimiter=choice(given, "columnDelimiter", DELIMITERS, "COMMA"),
        line_ending=choice(given, "lineEnding", LINE_ENDINGS, "LF"),
        external_id=known.name if known is not None else "",
    )
    request.jobs.add(job)
    return Reply(body=job.told)


def _fill(request: Request) -> Reply:
    job = request.jobs.find(request.path["id"], IngestJob)
    if job.state != "Open" or job.filled:
        raise in_our_words("INVALIDJOBSTATE", f"a job that is {job.state} takes no more data")
    if not request.headers.get("Content-Type", "").startswith("text/csv"):
        raise in_our_words("INVALIDJOB", "the data of a job are text/csv")
    if len(request.raw) > LARGEST:
        raise in_our_words(
            "LIMIT_EXCEEDED", "the data of a job exceed 150 MB", status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        )
    job.filled = True
    text = request.raw.decode("utf-8-sig")
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=DELIMITERS[job.delimiter])
    job.columns, job.rows = list(reader.fieldnames or ()), list(reader)
    ending = text[: text.find("\n") + 1][-2:]
    if ("\r" in ending) != (job.line_ending == "CRLF"):
        name = {"LF": "LF", "CRLF": "CRLF"}[job.line_ending]
        job.error = f"InvalidBatch : LineEnding is invalid on user data. Current LineEnding setting is {name}"
    return Reply(HTTPStatus.CREATED)


def _change(request: Request) -> Reply:
    job = request.jobs.find(request.path["id"], IngestJob)
    match request.wanted().get("state"):
        case "UploadComplete" if job.state == "Open":
            job.state = "UploadComplete"
        case "UploadComplete":
            raise in_our_words("INVALIDJOBSTATE", f"the upload of a job that is {job.state} cannot be closed")
        case "Aborted":
            abort(job)
        case _:
            raise in_our_words("INVALIDJOB", "the state of a job can be set to UploadComplete or Aborted")
    return Reply(body=job.told)


def _find(request: Request) -> IngestJob:
    """The job, with what time has made of it."""
    job = request.jobs.find(request.path["id"], IngestJob)
    if request.jobs.step(job):
        sobject = request.org.kind(job.object)
        unknown = next((name for name in job.columns if _type(sobject, name) is None), None)
        if unknown is not None:
            job.error = f"InvalidBatch : Field name not found : {unknown}"
        most = 0 if job.error else len(job.rows)
        if request.jobs.stops and not job.error:
            most, job.error = request.jobs.stops.pop(0), "InternalServerError : the job was stopped"
        for row in job.rows[:most]:
            _carry_out(request, job, row)
        job.processed = most
        job.state = "Failed" if job.error else "JobComplete"
    return job


def _type(sobject: SObject, name: str) -> str | None:
    """The type of a column; None if the object has no such column."""
    relationship, _, by = name.partition(".")
    if by:
        return next((each.type for each in sobject.visible if each.relationship == relationship), None)
    known = sobject.known(name)
    return None if known is None else known.type


def _carry_out(request: Request, job: IngestJob, row: Row) -> None:
    sobject = request.org.kind(job.object)
    try:
        key, made = _written(request, job, sobject, row)
    except Refused as wrong:
        refused = _not_of_its_type(job, sobject, row) if wrong.code == "JSON_PARSER_ERROR" else wrong
        (error,) = result_of(refused)["errors"]
        named = ", ".join(error["fields"])
        words = f"{error['statusCode']}:{error['message']}:{named + ' ' if named else ''}--"
        job.failed.append((row, row.get("Id", ""), words))
    else:
        job.done.append((row, key, made))


def _not_of_its_type(job: IngestJob, sobject: SObject, row: Row) -> Refused:
    """A cell is none of its field's type: in a job the row alone is refused."""
    for number, name in enumerate(job.columns):
        known = sobject.known(name)
        try:
            _ = known is None or stored(known, row[name])
        except Refused:
            words = (
                f"Failed to deserialize field at col {number}. Due to, '{row[name]}' is not a valid value for the type"
            )
            return in_our_words("INVALID_FIELD", f"{words} xsd:{_type(sobject, name)}", name)
    raise AssertionError(row)


def _written(request: Request, job: IngestJob, sobject: SObject, row: Row) -> tuple[str, bool]:
    """The record's id, and whether it was made. Raises `Refused`."""
    org, values = request.org, _values(sobject, row)
    key = str(values.pop("Id", "") or "")
    match job.operation:
        case "insert":
            return org.create(sobject.name, values).id, True
        case "upsert" if job.external_id != "Id":
            value = values.pop(job.external_id, None)
            if value in (None, ""):
                raise refuse("MISSING_ARGUMENT", f"{job.external_id} not specified")
            result = upserted(request, sobject, job.external_id, str(value), values)
            return str(result["id"]), bool(result["created"])
        case _ if not key:
            raise refuse("MISSING_ARGUMENT", "Id not specified in an update call")
        case "delete" | "hardDelete":
            org.delete(sobject.name, key)
            if job.operation == "hardDelete":
                org.purge(key)
            return key, False
        case _:
            return org.update(sobject.name, key, values).id, False


def _values(sobject: SObject, row: Row) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, text in row.items():
        if text in ("", None):
            continue
        relationship, _, by = name.partition(".")
        if by:
            found[relationship] = {by: text}
            continue
        known = sobject.known(name)
        flag = known is not None and known.type == "boolean"
        found[name] = None if text == _NOTHING else _FLAGS.get(text.lower(), text) if flag else text
    return found


def _info(request: Request) -> Reply:
    return Reply(body=_find(request).told)


def _list(request: Request) -> Reply:
    return Reply(body=request.jobs.listed(IngestJob))


def _remove(request: Request) -> Reply:
    request.jobs.remove(request.path["id"], IngestJob)
    return Reply(HTTPStatus.NO_CONTENT)


def _results(request: Request) -> Reply:
    """What became of the rows; their order is not that in which they were sent."""
    job = _find(request)
    match request.path["results"].lower():
        case "successfulresults":
            rows = [[key, str(made).lower(), *_cells(job, row)] for row, key, made in reversed(job.done)]
            return Reply(body=job.csv(["sf__Id", "sf__Created", *job.columns], rows), kind=CSV)
        case "failedresults":
            rows = [[key, words, *_cells(job, row)] for row, key, words in reversed(job.failed)]
            return Reply(body=job.csv(["sf__Id", "sf__Error", *job.columns], rows), kind=CSV)
        case "unprocessedrecords":
            left = [_cells(job, row) for row in job.rows[job.processed :]]
            return Reply(body=job.csv(job.columns, left), kind=CSV)
        case _:
            raise not_found()


def _cells(job: IngestJob, row: Row) -> list[str]:
    return [row.get(name) or "" for name in job.columns]


ROUTES = [
    Route("POST", "/jobs/ingest", _create),
    Route("GET", "/jobs/ingest", _list),
    Route("PUT", "/jobs/ingest/{id}/batches", _fill),
    Route("GET", "/jobs/ingest/{id}", _info),
    Route("PATCH", "/jobs/ingest/{id}", _change),
    Route("DELETE", "/jobs/ingest/{id}", _remove),
    Route("GET", "/jobs/ingest/{id}/{results}", _results),
]
