"""The HTTP server: threads, keep-alive, and for each request token, limit, faults and resource."""

from __future__ import annotations

import random
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from antiphon_sandbox.salesforce import bulk_query, collections, composite, ingest, queries, records, soap, tooling
from antiphon_sandbox.salesforce.errors import Refused, not_found, over_limit
from antiphon_sandbox.salesforce.jobs import Jobs
from antiphon_sandbox.salesforce.oauth import App
from antiphon_sandbox.salesforce.org import Org
from antiphon_sandbox.salesforce.request import Reply, Request, Route
from antiphon_sandbox.serving import Handler, Server

VERSIONS = (("Spring '26", "66.0"), ("Summer '26", "67.0"))
_BASE = re.compile(r"(?P<root>/services/data/v\d+\.\d)(?P<rest>/.*)?")
_ROUTES: list[tuple[Route, re.Pattern[str]]] = [
    (route, route.regex)
    for module in (records, collections, bulk_query, ingest, tooling, queries)
    for route in module.ROUTES
]


@dataclass(slots=True)
class Fault:
    """What goes wrong with the next `times` requests whose method and path `path` finds.

    `status`: this status of HTTP, with `body`, or with a page that is no JSON; `limit`: the day is used up; `cut`: the
    connection ends without an answer, `half`: in the middle of one, `timeout`: after `seconds`; `slow`: the answer
    comes `seconds` late; `expire`: every token ends just before; `human`: `does` is called just before. `applied`: the
    request is carried out before the answer goes wrong.
    """

    kind: Literal["status", "limit", "cut", "half", "timeout", "slow", "expire", "human"]
    path: str = ""
    times: int = 1
    chance: float = 1.0
    status: int = HTTPStatus.SERVICE_UNAVAILABLE
    body: Any = None
    applied: bool = False
    seconds: float = 0.2
    does: Callable[[], object] | None = None


class _Cut(Exception):
    """The connection ends here."""


class Salesforce:
    """The server. `url` is the instance, `token` one that is good for two hours; all else may be changed at will.

    `page`: the most rows of one page of a query. `daily`: requests that a day allows.
    """

    def __init__(
        self, org: Org | None = None, *, app: App | None = None, port: int = 0, page: int = 2000, daily: int = 100_000
    ) -> None:
        self.org, self.app, self.page, self.daily = org or Org(), app or App(), page, daily
        self.org.objects = {**tooling.rights(), **self.org.objects}
        self.faults: list[Fault] = []
        self.random = random.Random(0)
        self.token = self.app.grant()
        self.used = 0
        self.cursors: dict[str, Sequence[Mapping[str, Any]]] = {}
        self.jobs = Jobs()
        self.seen: list[tuple[str, str, Mapping[str, str]]] = []  # method, path with query, headers
        owner = self

        class Handler(_Handler):
            salesforce = owner

        self._server = Server(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_why: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, method: str, target: str, headers: Mapping[str, str], raw: bytes) -> Reply:
        """What is said to a request. Raises `_Cut` where the connection ends instead."""
        parts = urlsplit(target)
        if len(target) > _LONGEST_LINE:
            return Reply(HTTPStatus.REQUEST_URI_TOO_LONG, _TOO_LONG, kind="text/html")
        fault = self._draw(f"{method} {target}")
        if fault is not None and fault.kind == "expire":
            self.app.expire()
        if fault is not None and fault.does is not None:
            fault.does()
        self.seen.append((method, target, headers))
        try:
            if parts.path == "/services/oauth2/token" and method == "POST":
                if fault is not None and fault.body is not None:
                    return Reply(fault.status, fault.body)
                form = {name: values[-1] for name, values in parse_qs(raw.decode()).items()}
                granted = self.app.answer(form, headers.get("Authorization", ""))
                return Reply(body={**granted, "instance_url": self.url})
            if parts.path.rstrip("/") == "/services/data" and method == "GET":
                return Reply(body=[{"label": label, "url": f"/services/data/v{each}", "version": each}
                                   for label, each in VERSIONS])  # fmt: skip
            if parts.path.startswith(soap.PATH) and method == "POST":
                self.used += 1
                if fault is not None and fault.kind == "status":
                    return Reply(fault.status, _PAGE, kind="text/html")
                return soap.answer(self.org, self.app, raw)
            return self._api(method, parts.path, parse_qs(parts.query, keep_blank_values=True), headers, raw, fault)
        except Refused as refused:
            return Reply(refused.status, refused.body)

    def _api(
        self,
        method: str,
        path: str,
        query: Mapping[str, Sequence[str]],
        headers: Mapping[str, str],
        raw: bytes,
        fault: Fault | None,
    ) -> Reply:
        found = _BASE.fullmatch(path)
        if found is None:
            raise not_found()
        self.app.check(headers.get("Authorization", "").removeprefix("Bearer ").strip())
        if self.used >= self.daily:
            raise over_limit()
        self.used += 1
        body = None if headers.get("Content-Type", "").startswith("text/csv") else _body(raw)
        request = Request(
            self.org, method, path, found["root"], query, body, raw, headers, self.cursors, self.jobs, self.page
        )  # fmt: skip
        if fault is None or fault.kind in {"expire", "human"}:
            reply = self._resource(request, found["rest"] or "/")
        else:
            reply = self._wrong(request, found["rest"] or "/", fault)
        told = {**reply.headers, "Sforce-Limit-Info": f"api-usage={self.used}/{self.daily}"}
        return replace(reply, headers=told)

    def _resource(self, request: Request, rest: str) -> Reply:
        if rest.rstrip("/") == "/limits":
            return Reply(body={"DailyApiRequests": {"Max": self.daily, "Remaining": self.daily - self.used}})
        if rest.rstrip("/") == composite.PATH and request.method == "POST":
            try:
                return composite.carry_out(request, self._resource)
            except Refused as refused:
                return Reply(refused.status, refused.body)
        for route, regex in _ROUTES:
            if route.method == request.method and (match := regex.fullmatch(rest)):
                request.path = {name: unquote(value) for name, value in match.groupdict().items()}
                try:
                    with self.org.lock:
                        self.org.saves_duplicates = "allowSave=true" in str(
                            request.headers.get("Sforce-Duplicate-Rule-Header")
                        )
                        self.org.changes.begin(_origin(request))
                        return route.handler(request)
                except Refused as refused:
                    return Reply(refused.status, refused.body)
        return Reply(HTTPStatus.NOT_FOUND, not_found().body)

    def _wrong(self, request: Request, rest: str, fault: Fault) -> Reply:
        done = fault.applied or fault.kind in {"slow", "half"}
        reply = self._resource(request, rest) if done else Reply()
        match fault.kind:
            case "slow":
                time.sleep(fault.seconds)
                return reply
            case "half":
                return replace(reply, whole=False)
            case "timeout":
                time.sleep(fault.seconds)
                raise _Cut
            case "cut":
                raise _Cut
            case "limit":
                raise over_limit()
            case _ if fault.body is not None:
                return Reply(fault.status, fault.body)
            case _:
                return Reply(fault.status, _PAGE, kind="text/html")

    def _draw(self, asked: str) -> Fault | None:
        for each in self.faults:
            if each.times > 0 and re.search(each.path, asked) and self.random.random() < each.chance:
                each.times -= 1
                return each
        return None


_LONGEST_LINE = 16_384
_TOO_LONG = b"<h1>Bad Message 414</h1><pre>reason: URI Too Long</pre>"
_PAGE = b"<html><head><title>Error Page</title></head><body>Salesforce is temporarily unavailable.</body></html>"


class _Handler(Handler):
    """Reads requests and writes replies; `salesforce` is set by the server that it serves."""

    salesforce: Salesforce

    def do_GET(self) -> None:  # noqa: N802 - so http.server calls it
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            reply = self.salesforce.answer(self.command, self.path, dict(self.headers), raw)
        except _Cut:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        as_it_is = isinstance(reply.body, bytes)
        content = b"" if reply.body is None else reply.body if as_it_is else msgspec.json.encode(reply.body)
        self.send_response_only(reply.status)
        self.send_header("Date", formatdate(self.salesforce.org.clock().timestamp(), usegmt=True))
        self.send_header("Content-Type", reply.kind)
        if reply.status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(content)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content if reply.whole else content[: len(content) // 2])
        self.wfile.flush()
        if not reply.whole:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815


def _origin(request: Request) -> str:
    """How change events name who wrote by this request."""
    client = re.search(r"client=([^,;]+)", request.headers.get("Sforce-Call-Options", ""))
    return f"com/salesforce/api/rest/{request.root.rpartition('/v')[2]};client={client[1] if client else ''}"


def _body(raw: bytes) -> Any:
    if not raw:
        return None
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise Refused("JSON_PARSER_ERROR", f"{error} at [line:1, column:1]") from error
