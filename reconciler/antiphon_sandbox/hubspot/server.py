"""The HTTP server: threads, keep-alive, and for each request the token, the limits, the faults and the resource."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from antiphon_sandbox.hubspot import associations, batch, definitions, directory, lists, oauth, objects
from antiphon_sandbox.hubspot.account import Account
from antiphon_sandbox.hubspot.directory import Directory
from antiphon_sandbox.hubspot.errors import Refused, bad_json, over_limit, refuse
from antiphon_sandbox.hubspot.faults import Fault, Faults
from antiphon_sandbox.hubspot.limits import Limits
from antiphon_sandbox.hubspot.oauth import Tokens
from antiphon_sandbox.hubspot.request import Portal, Reply, Request, Route, undated
from antiphon_sandbox.serving import Handler, Server

_ROUTES: list[tuple[Route, re.Pattern[str]]] = [
    (route, route.regex)
    for module in (batch, objects, associations, lists, definitions, directory, oauth)
    for route in module.ROUTES
]
_MESSAGES = {
    423: "This record is locked.",
    477: "This account is being migrated.",
    500: "internal error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    524: "A timeout occurred",
}


class _Cut(Exception):
    """The connection ends here; `half` of the answer was sent."""

    def __init__(self, half: bytes = b"") -> None:
        super().__init__()
        self.half = half


class HubSpot:
    """The server. `url` is the base of the API, `token` one that may do everything; all else may be changed at will."""

    def __init__(
        self,
        account: Account | None = None,
        *,
        limits: Limits | None = None,
        faults: Faults | None = None,
        tokens: Tokens | None = None,
        port: int = 0,
        latency: float = 0.0,
    ) -> None:
        self.account = account or Account()
        self.limits = limits or Limits.off()
        self.faults = faults or Faults()
        self.tokens = tokens or Tokens()
        self.latency = latency
        self.portal = Portal(self.account, self.tokens, Directory(), {})
        self.token = self.tokens.grant()
        self.seen: list[tuple[float, str, str]] = []  # when, method, path of every request that was let in
        self.seen_with_query: list[tuple[str, str, Mapping[str, Sequence[str]]]] = []  # method, path, query
        owner = self

        class Handler(_Handler):
            hubspot = owner

        self._server = Server(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_why: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    # ---- one request

    def answer(self, request: Request) -> Reply:
        """What the API says to a request. Raises `_Cut` where the connection ends instead."""
        fault = self.faults.draw(request.method, request.url)
        route = _route(request)
        kind = route.kind if route else "api"
        oauth_call = not request.token.startswith("pat-")
        if fault is not None and fault.kind == "expire":
            self.tokens.expire()
        if fault is not None and fault.kind == "human" and fault.does is not None:
            fault.does()
        try:
            if route is None:
                raise refuse(404, "resource not found")
            if kind != "open":
                self.tokens.check(request.token, self._scopes(route, request))
                over = self.limits.take(kind)
                if over is not None:
                    raise over
            reply = self._carry_out(route, request, fault)
        except Refused as refused:
            reply = Reply(refused.status, refused.body, refused.headers or {})
        limits = {} if kind == "open" else self.limits.headers(kind, oauth=oauth_call)
        return Reply(reply.status, reply.body, {**limits, **reply.headers})

    def _carry_out(self, route: Route, request: Request, fault: Fault | None) -> Reply:
        self.seen.append((time.monotonic(), request.method, request.url))
        self.seen_with_query.append((request.method, request.url, request.query))
        if self.latency:
            time.sleep(self.latency)
        if fault is None or fault.kind in {"expire", "human"}:
            return self._handle(route, request)
        reply = self._handle(route, request) if fault.applied or fault.kind in _ALWAYS_APPLIED else Reply()
        match fault.kind:
            case "slow":
                time.sleep(fault.seconds)
                return reply
            case "timeout":
                time.sleep(fault.seconds)
                raise _Cut
            case "cut":
                raise _Cut(msgspec.json.encode(reply.body)[:40])
            case "truncate" | "duplicate" | "partial":
                return _spoiled(reply, request, fault)
            case "secondly" | "daily":
                raise over_limit(fault.kind)
            case _:
                raise _broken(fault)

    def _handle(self, route: Route, request: Request) -> Reply:
        with self.account.lock:
            return route.handler(self.portal, request)

    def _scopes(self, route: Route, request: Request) -> tuple[str, ...]:
        """The scopes of the route for this object type. Some types have one scope for both rights."""
        needs = self.account.kind(request.path["type"]).needs if "type" in request.path else ""
        if needs and not needs.startswith("crm."):
            return (needs,)
        schemas = needs.replace("crm.objects.", "crm.schemas.")
        return tuple(scope.format(needs=needs, schemas=schemas) for scope in route.scopes)


_ALWAYS_APPLIED = {"slow", "truncate", "duplicate", "partial"}


def _route(request: Request) -> Route | None:
    path = undated(request.url)
    for route, regex in _ROUTES:
        if route.method == request.method and (found := regex.fullmatch(path)):
            request.path = {name: unquote(value) for name, value in found.groupdict().items()}
            return route
    return None


def _broken(fault: Fault) -> Refused:
    if fault.body is not None:
        return Refused(fault.status, fault.body, _retry_after(fault.retry_after))
    if fault.status == 429:  # noqa: PLR2004
        refused = over_limit("burst")
        return Refused(429, refused.body, _retry_after(fault.retry_after))
    found = refuse(fault.status, _MESSAGES.get(fault.status, "There was a problem with the request."))
    migrating = fault.status == 477 and fault.retry_after is None  # noqa: PLR2004
    return Refused(fault.status, found.body, _retry_after(1 if migrating else fault.retry_after))


def _retry_after(seconds: int | None) -> dict[str, str]:
    return {} if seconds is None else {"Retry-After": str(seconds)}


def _spoiled(reply: Reply, request: Request, fault: Fault) -> Reply:
    body = dict(reply.body or {})
    if "results" not in body:
        return reply
    if fault.kind == "partial":
        kept, lost = body["results"][::2], [str(each.get("id")) for each in body["results"][1::2]]
        error = {"status": "error", "category": "INTERNAL_ERROR", "message": "internal error", "context": {"ids": lost}}
        errors = [*body.get("errors", []), error]
        return Reply(207, {**body, "results": kept, "errors": errors, "numErrors": len(errors)}, reply.headers)
    if fault.kind == "truncate":
        body["results"] = body["results"][: len(body["results"]) // 2]
        body.pop("paging", None)
    elif "paging" in body:
        sent = request.body.get("after") if isinstance(request.body, dict) else request.one("after")
        body["paging"] = {"next": {**body["paging"]["next"], "after": str(sent or "0")}}
    return Reply(reply.status, body, reply.headers)


class _Handler(Handler):
    """Reads requests and writes replies; `hubspot` is set by the server that it serves."""

    hubspot: HubSpot

    def do_GET(self) -> None:  # noqa: N802 - so http.server calls it
        self._serve()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(
            self.command,
            parts.path,
            parse_qs(parts.query),
            None,
            self.hubspot.account.api,
            self.headers.get("Authorization", "").removeprefix("Bearer ").strip(),
        )
        try:
            request.body = _body(raw, self.headers.get("Content-Type", ""))
            reply = self.hubspot.answer(request)
        except Refused as refused:
            reply = Reply(refused.status, refused.body)
        except _Cut as cut:
            self._cut(cut.half)
            return
        self._send(reply.status, reply.body, reply.headers)

    def _send(self, status: int, body: Any, headers: Mapping[str, str]) -> None:
        content = b"" if body is None else msgspec.json.encode(body)
        self.send_response_only(status)
        self.send_header("Date", formatdate(usegmt=True))
        self.send_header("Content-Type", "application/json;charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def _cut(self, half: bytes) -> None:
        if half:
            self.send_response_only(200)
            self.send_header("Content-Type", "application/json;charset=utf-8")
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(half)
            self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


def _body(raw: bytes, content_type: str) -> Any:
    if not raw:
        return None
    if "x-www-form-urlencoded" in content_type:
        return {name: values[-1] for name, values in parse_qs(raw.decode()).items()}
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise bad_json(str(error)) from error
