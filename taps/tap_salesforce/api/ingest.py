"""Writes by Bulk API 2.0: a job takes rows as CSV, Salesforce works through them by itself, and tells of each.

| step                     | if it breaks off                                                                     |
|--------------------------|--------------------------------------------------------------------------------------|
| the job is made          | again: an empty job does nothing                                                     |
| it is filled with CSV    | another job: this one takes no second file, and was not begun                        |
| its upload is closed     | a look tells whether it was                                                          |
| it is asked about        | again; given up: `MaybeApplied`, since Salesforce goes on by itself                  |
| its results are had      | again, until there are as many as the job counts                                     |

It is asked about after 1 s, half as long again each time, 30 s at the most: each look is one of the day's requests.
Source: Salesforce docs, "Bulk API 2.0 and Bulk API Developer Guide", "Ingest".
"""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from tap_salesforce.api.errors import MaybeApplied, Refused, SalesforceError, Unavailable
from tap_salesforce.api.session import ATTEMPTS, Session

LARGEST = 100_000_000
"""Bytes of CSV in a job: Salesforce keeps it in base64, and allows 150 MB of that."""

NOTHING = "#N/A"
"""The cell that empties a field; an empty one leaves it as it is."""

_FIRST, _GROWTH, _LONGEST = 1.0, 1.5, 30.0
_JOBS = "/jobs/ingest"
_CSV = {"Content-Type": "text/csv; charset=UTF-8"}

logger = logging.getLogger("tap_salesforce")

Row: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of a job's rows, in no order, each with the columns that were sent.

    Those `done` have `sf__Id` and `sf__Created` beside them, those `failed` `sf__Id` and `sf__Error`. `left` are those
    that Salesforce did not come to, for the reason `why`.
    """

    done: Sequence[Row]
    failed: Sequence[Row]
    left: Sequence[Row]
    why: str = ""


def write_by_job(session: Session, name: str, operation: str, content: bytes, external_id: str = "") -> Ingested:
    """Have rows written: `operation` is insert, update, upsert (by `external_id`), delete or hardDelete.

    `content` is CSV in UTF-8 with a header, lines ended by a line feed. Raises the errors of
    `tap_salesforce.api.errors`; `MaybeApplied` if the job was begun and its results cannot be had.
    """
    what = f"the writing of {name} by Bulk API 2.0"
    job = _filled(session, name, operation, content, external_id, what)
    try:
        _close(session, job, what)
        ended = _wait(session, job, what)
        logger.info("%s: %s is %s, %s rows failed", what, job, ended["state"], ended["numberRecordsFailed"])
        failed = int(ended["numberRecordsFailed"])
        done = _results(session, f"{job}/successfulResults", int(ended["numberRecordsProcessed"]) - failed, what)
        refused = _results(session, f"{job}/failedResults", failed, what)
        if ended["state"] == "JobComplete":
            return Ingested(done, refused, ())
        words = " ".join(str(ended.get("errorMessage") or "no reason is given").split())
        left = _results(session, f"{job}/unprocessedrecords", None, what)
        return Ingested(done, refused, left, f"{job} is {ended['state']}: {words}")
    except Refused as error:  # of a job that is there: by somebody else's hand
        raise MaybeApplied(error.message, hint=error.hint) from error
    except Unavailable as error:
        raise MaybeApplied(f"{error.message}; the job may go on", hint=error.hint) from error


def _filled(session: Session, name: str, operation: str, content: bytes, external_id: str, what: str) -> str:
    """The path of a job that has its rows."""
    asked = {"object": name, "operation": operation, "contentType": "CSV", "lineEnding": "LF"}
    asked |= {"externalIdFieldName": external_id} if external_id else {}
    for attempt in range(1, ATTEMPTS + 1):
        job = f"{_JOBS}/{session.call('POST', _JOBS, asked, what=what)['id']}"
        try:
            session.call("PUT", f"{job}/batches", content, headers=_CSV, repeatable=False, what=what)
        except MaybeApplied as error:
            logger.info("%s: %s; again by another job", what, error.message)
            _abort(session, job, what)
            session.pause(min(0.5 * 2 ** (attempt - 1), _LONGEST))
        else:
            return job
    raise Unavailable(f"{what}: no job could be filled in {ATTEMPTS} attempts", hint="try again later")


def _abort(session: Session, job: str, what: str) -> None:
    try:
        session.call("PATCH", job, {"state": "Aborted"}, what=what)
    except SalesforceError as error:
        logger.info("%s: %s was not begun, and is left to Salesforce: %s", what, job, error.message)


def _close(session: Session, job: str, what: str) -> None:
    for _ in range(ATTEMPTS):
        try:
            session.call("PATCH", job, {"state": "UploadComplete"}, repeatable=False, what=what)
        except MaybeApplied:
            if session.call("GET", job, what=what)["state"] == "Open":
                continue
        return
    raise Unavailable(f"{what}: the upload could not be closed in {ATTEMPTS} attempts", hint="try again later")


def _wait(session: Session, job: str, what: str) -> Mapping[str, Any]:
    pause = _FIRST
    while True:
        shown: Mapping[str, Any] = session.call("GET", job, what=what)
        if shown["state"] in {"JobComplete", "Failed", "Aborted"}:
            return shown
        session.pause(pause)
        pause = min(pause * _GROWTH, _LONGEST)


def _results(session: Session, path: str, expected: int | None, what: str) -> list[Row]:
    """All rows of a list of results; `expected`: how many there are, if that is known."""
    if expected == 0:
        return []
    for _ in range(ATTEMPTS):
        rows: list[Row] = list(csv.DictReader(io.StringIO(session.text(path, what=what), newline="")))
        if expected is None or len(rows) == expected:
            return rows
        logger.info("%s: %s of %s results came; they are asked for again", what, len(rows), expected)
        session.pause(_FIRST)
    raise Unavailable(f"{what}: {path} does not come whole", hint="try again later")
