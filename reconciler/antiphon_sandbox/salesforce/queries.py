"""`/query`, `/queryAll`, their further pages, and `/limits`."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from antiphon_sandbox.salesforce import answers
from antiphon_sandbox.salesforce.errors import in_our_words, malformed
from antiphon_sandbox.salesforce.request import Reply, Request, Route

LEAST, MOST = 200, 2000
"""Rows on a page that `Sforce-Query-Options: batchSize` may ask for; it is a hint."""


def _query(request: Request) -> Reply:
    return _answer(request, "query", deleted=False)


def _query_all(request: Request) -> Reply:
    return _answer(request, "queryAll", deleted=True)


def _answer(request: Request, resource: str, *, deleted: bool) -> Reply:
    text = request.one("q")
    if not text:
        raise malformed("A query string has to be specified")
    found = answers.run(request.org, text, request.root, deleted=deleted)
    if not found.rows:
        return Reply(body={"totalSize": found.total, "done": True, "records": []})
    locator = f"01g{secrets.token_hex(6).upper()}QAE"
    request.cursors[locator] = found.rows
    return _page(request, resource, locator, found.rows, 0)


def _page(
    request: Request, resource: str, locator: str, rows: Sequence[Mapping[str, Any]], start: int
) -> Reply:  # fmt: skip
    asked = re.search(r"batchSize=(\d+)", request.headers.get("Sforce-Query-Options", ""))
    size = min(request.page, max(LEAST, min(MOST, int(asked[1]))) if asked else MOST)
    body: dict[str, Any] = {"totalSize": len(rows), "done": start + size >= len(rows)}
    if not body["done"]:
        body["nextRecordsUrl"] = f"{request.root}/{resource}/{locator}-{start + size}"
    return Reply(body={**body, "records": list(rows[start : start + size])})


def _more(request: Request) -> Reply:
    locator, _, start = request.path["locator"].rpartition("-")
    rows = request.cursors.get(locator)
    if rows is None or not start.isdigit():
        raise in_our_words("INVALID_QUERY_LOCATOR", "invalid query locator")
    return _page(request, request.path["resource"], locator, rows, int(start))


ROUTES = [
    Route("GET", "/query", _query),
    Route("GET", "/queryAll", _query_all),
    Route("GET", "/{resource}/{locator}", _more),
]
