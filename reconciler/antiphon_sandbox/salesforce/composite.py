"""Composite: at most twenty-five requests in one, each with headers of its own, which counts as one.

A later request may name what an earlier one made, `@{reference.id}`. With `allOrNone` one refusal takes back all.
Source: Salesforce docs, "REST API Developer Guide", "Composite", "Composite Subrequest", "Composite Subrequest Result".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from antiphon_sandbox.salesforce.errors import in_our_words
from antiphon_sandbox.salesforce.request import Reply, Request

PATH = "/composite"
MOST = 25
_HALTED = "The transaction was rolled back since another operation in the same transaction failed."
_NAMED = re.compile(r"@\{(\w+)\.(\w+)\}")


def carry_out(request: Request, resource: Callable[[Request, str], Reply]) -> Reply:
    """Carry out each of the requests; `resource` does one. Raises `Refused`."""
    asked = request.wanted().get("compositeRequest")
    if not isinstance(asked, list) or not asked:
        raise in_our_words("JSON_PARSER_ERROR", "compositeRequest is missing")
    if len(asked) > MOST:
        raise in_our_words("LIMIT_EXCEEDED", f"a composite request takes at most {MOST} subrequests")
    org = request.org
    take_back = org.savepoint() if request.wanted().get("allOrNone") else None
    told: dict[str, Any] = {}
    replies: list[dict[str, Any]] = []
    with org.lock:
        for each in asked:
            reply = _one(request, _with_names(each, told), resource)
            name = str(each["referenceId"])
            told[name] = reply.body
            replies.append(
                {"body": reply.body, "httpHeaders": {}, "httpStatusCode": int(reply.status), "referenceId": name}
            )
        if take_back is not None and any(each["httpStatusCode"] >= HTTPStatus.BAD_REQUEST for each in replies):
            take_back()
            halted = [{"errorCode": "PROCESSING_HALTED", "message": _HALTED}]
            replies = [
                each if each["httpStatusCode"] >= HTTPStatus.BAD_REQUEST
                else {**each, "httpStatusCode": int(HTTPStatus.BAD_REQUEST), "body": halted}
                for each in replies
            ]  # fmt: skip
    return Reply(body={"compositeResponse": replies})


def _one(request: Request, asked: Mapping[str, Any], resource: Callable[[Request, str], Reply]) -> Reply:
    parts = urlsplit(str(asked["url"]))
    if not parts.path.startswith(request.root + "/"):
        refused = in_our_words("NOT_FOUND", f"{parts.path} is no path of this version", status=HTTPStatus.NOT_FOUND)
        return Reply(refused.status, refused.body)
    inner = replace(
        request,
        method=str(asked["method"]),
        url=parts.path,
        query=parse_qs(parts.query, keep_blank_values=True),
        body=asked.get("body"),
        headers={**request.headers, **(asked.get("httpHeaders") or {})},
        path={},
    )
    return resource(inner, parts.path.removeprefix(request.root))


def _with_names(asked: Mapping[str, Any], told: Mapping[str, Any]) -> Mapping[str, Any]:
    text = msgspec.json.encode(asked).decode()
    found: Mapping[str, Any] = msgspec.json.decode(
        _NAMED.sub(lambda name: str((told.get(name[1]) or {}).get(name[2], name[0])), text)
    )
    return found
