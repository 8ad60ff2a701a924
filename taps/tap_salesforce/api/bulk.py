"""Queries by Bulk API 2.0: Salesforce gathers the rows by itself, in a job, and gives them as CSV, many to a page.

| answer                                          | what is done                                                  |
|-------------------------------------------------|---------------------------------------------------------------|
| the job is refused (object, fields)             | `Refused`; nothing was read                                   |
| `UploadComplete`, `InProgress`                  | asked again after 1 s, half as long again each time, 30 s     |
|                                                 | at the most: each look is one of the day's requests           |
| `Failed`, `Aborted`                             | `JobFailed`, in Salesforce's words; nothing was read          |
| a page ends early or has too few rows           | the page is asked for again; its rows are given again         |
| `Sforce-Locator`                                | the next page; `null` is the end                              |

Source: Salesforce docs, "Bulk API 2.0 and Bulk API Developer Guide", "Query".
"""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from typing import Any

import requests
import urllib3

from tap_salesforce.api.errors import JobFailed, Unavailable
from tap_salesforce.api.session import ATTEMPTS, Session

PAGE = 100_000
"""Rows that one page of results may have."""

_FIRST, _GROWTH, _LONGEST = 1.0, 1.5, 30.0
_JOBS = "/jobs/query"

csv.field_size_limit(1 << 24)  # Python's own is 131,072 characters: a long text area, and not one more

logger = logging.getLogger("tap_salesforce")


def bulk_rows(session: Session, query: str, what: str, page: int = PAGE) -> Iterator[Mapping[str, str]]:
    """Have a query's rows gathered; what lies in the recycle bin too. Each value is text, the empty one for none.

    Once the job is done the rows are given while they arrive, in no order. Raises the errors of
    `tap_salesforce.api.errors`; `Refused` and `JobFailed` before there is any row.
    """
    made = session.call("POST", _JOBS, {"operation": "queryAll", "query": query}, what=what)
    job = f"{_JOBS}/{made['id']}"
    total = _wait(session, job, what)
    logger.info("%s: job %s of Bulk API 2.0 has %s rows", what, made["id"], total)
    return _pages(session, job, page, what)


def _pages(session: Session, job: str, page: int, what: str) -> Iterator[Mapping[str, str]]:
    locator = None
    while locator != "null":
        for attempt in range(1, ATTEMPTS + 1):
            try:
                locator = yield from _page(session, job, page, locator, what)
            except _Broken as broken:
                if attempt == ATTEMPTS:
                    raise Unavailable(f"{what}: {broken}", hint="try again later") from None
                logger.info("%s: %s; the page is read again", what, broken)
            else:
                break


class _Broken(Exception):
    """A page did not come whole."""


def _wait(session: Session, job: str, what: str) -> int:
    pause = _FIRST
    while True:
        shown = session.call("GET", job, what=what)
        if shown["state"] == "JobComplete":
            return int(shown["numberRecordsProcessed"])
        if shown["state"] in {"Failed", "Aborted"}:
            words = " ".join(str(shown.get("errorMessage") or "no reason is given").split())
            raise JobFailed(
                f"{what}: job {shown['id']} of Bulk API 2.0 is {shown['state']}: {words}",
                hint="`api: rest` reads without jobs",
            )
        session.pause(pause)
        pause = min(pause * _GROWTH, _LONGEST)


def _page(
    session: Session, job: str, size: int, locator: str | None, what: str
) -> Generator[Mapping[str, str], None, str]:
    """The rows of a page; returns where the next one begins."""
    params = {"maxRecords": size} | ({} if locator is None else {"locator": locator})
    answer = session.open(f"{job}/results", params=params, headers={"Accept": "text/csv"}, what=what)
    with closing(answer):
        expected, found = int(answer.headers["Sforce-NumberOfRecords"]), 0
        body: Any = answer.raw  # a file, whose types do not say so
        body.decode_content, body.auto_close = True, False  # as urllib3 asks of who wraps it
        try:
            for row in csv.DictReader(io.TextIOWrapper(body, encoding="utf-8", newline="")):
                found += 1
                yield row
        except (urllib3.exceptions.HTTPError, requests.RequestException, OSError, csv.Error, ValueError) as error:
            raise _Broken(f"the connection broke ({type(error).__name__})") from error
        if found != expected:
            raise _Broken(f"{found} of {expected} rows came")
        return answer.headers["Sforce-Locator"]
