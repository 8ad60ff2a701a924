"""Requests to a Tryton server, over JSON-RPC as a user or over REST with the key of a user application.

Both reach the same methods of the same models; what differs is told in this table (trytond 8.2, `trytond.rpc`,
`trytond.protocols.dispatcher` and `trytond.protocols.rest`):

|                  | JSON-RPC                                      | REST                                          |
|------------------|-----------------------------------------------|-----------------------------------------------|
| who              | user and password, for a session that expires | the key of a validated application            |
| a call           | `POST /DB/rpc/` with a list of arguments      | `POST /DB/rest/model/MODEL/METHOD`, by name   |
| a write          | any number of records in one transaction      | `PUT` or `DELETE /DB/rest/model/MODEL/ID`     |
| `_timestamp`     | writes and deletes only what is as it was     | taken out of the context: no lock             |
| a refusal        | status 200 with `error`                       | status 400 with `message`, `description`      |
| a server failure | status 200 with an exception as text          | status 500 with a page of HTML                |
"""

from __future__ import annotations

import abc
import base64
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

import msgspec
import requests

from tap_kit import ServerClock
from tap_tryton.api.errors import (
    Changed,
    MaybeApplied,
    NotAuthorized,
    Refused,
    ServerFault,
    TrytonError,
    Unavailable,
    plain_words,
)

ATTEMPTS = 6
CONNECT, READ = 10.0, 60.0
"""Seconds to wait for a connection, and for an answer."""

_OK, _BAD, _NOBODY, _FORBIDDEN, _ABSENT, _FAILED = 200, 400, 401, 403, 404, 500
_LATER = frozenset({429, 502, 503, 504})
_UNDONE = frozenset({429, 503})
"""Answers that say that nothing was done."""

_LONGEST_PAUSE = 10.0
_PREFERENCES = ("company", "company_filter", "companies", "employee", "employees", "groups", "language")
_USER_ERROR, _USER_WARNING, _CONCURRENCY, _LOGIN = "UserError", "UserWarning", "ConcurrencyException", "LoginException"

logger = logging.getLogger("tap_tryton")


class Session(abc.ABC):
    """A connection to one database of a server, by one thread at a time or many. Times it writes are UTC."""

    locks: ClassVar[bool]
    """Whether a write can be bound to the `_timestamp` of what was read."""

    def __init__(
        self,
        url: str,
        database: str,
        *,
        timeout: float = READ,
        attempts: int = ATTEMPTS,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.url, self.database = url.rstrip("/"), database
        self.sleep = sleep
        self._timeout, self._attempts = timeout, attempts
        self._http = requests.Session()
        self._http.headers["User-Agent"] = "antiphon-tryton"
        self._lock = threading.Lock()
        self._clock = ServerClock()
        self._context: Mapping[str, Any] | None = None

    @abc.abstractmethod
    def call(self, model: str, method: str, arguments: Mapping[str, Any], *, repeatable: bool = True) -> Any:
        """Call a class method of a model; `arguments` by name, in the order of the method's parameters.

        `repeatable`: doing it twice is as good as once. Raises the errors of `tap_tryton.api.errors`.
        """

    @abc.abstractmethod
    def write(self, model: str, changes: Sequence[tuple[int, Mapping[str, Any]]], stamps: Mapping[int, str]) -> None:
        """Write values to records, all or none of them. Where there are locks, only what is as its stamp says.

        Raises `Changed` and the other errors; after `MaybeApplied` nobody knows.
        """

    @abc.abstractmethod
    def delete(self, model: str, ids: Sequence[int], stamps: Mapping[int, str]) -> None:
        """Delete records for good, all or none of them; stamps and errors as with `write`."""

    @property
    @abc.abstractmethod
    def writes_at_once(self) -> int:
        """How many records one write takes."""

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def context(self) -> Mapping[str, Any]:
        """What goes with each call, as the client has it: the user's own company, language and employee."""
        if self._context is None:
            self._context = {}
            wanted = self.call("res.user", "get_preferences", {"context_only": True})
            self._context = {name: wanted[name] for name in _PREFERENCES if wanted.get(name)}
        return self._context

    def clock(self) -> datetime:
        """The server's time now: from the last answer's `Date`, which is cut to a second."""
        return self._clock.now()

    def _send(
        self, method: str, path: str, body: Any, headers: Mapping[str, str], what: str, *, repeatable: bool
    ) -> requests.Response:
        """The answer to a request; waits out what passes. Raises `Unavailable`, `MaybeApplied`."""
        last = ""
        for attempt in range(1, self._attempts + 1):
            sent = False
            try:
                answer = self._http.request(
                    method,
                    f"{self.url}/{path}",
                    data=msgspec.json.encode(body),
                    headers={"Content-Type": "application/json", **headers},
                    timeout=(CONNECT, self._timeout),
                )
            except requests.ConnectTimeout:
                last = f"no connection in {CONNECT:g} s"
            except requests.RequestException as error:
                sent = not _never_connected(error)
                last = f"no answer in {self._timeout:g} s" if isinstance(error, requests.Timeout) else _reason(error)
            else:
                self._clock.note(answer.headers)
                if answer.status_code not in _LATER:
                    return answer
                last = f"status {answer.status_code}"
                sent = answer.status_code not in _UNDONE
            if sent and not repeatable:
                raise MaybeApplied(f"{what}: Tryton did not say whether it was done ({last})")
            if attempt < self._attempts:
                pause = min(0.2 * 2 ** (attempt - 1), _LONGEST_PAUSE)
                logger.info("%s: %s; again in %.1f s", what, last, pause)
                self.sleep(pause)
        raise Unavailable(f"{what}: Tryton could not be had in {self._attempts} attempts ({last})", hint="try later")


class JsonRpc(Session):
    """A session as a user of the client (trytond documentation, "Remote Procedure Calls")."""

    locks = True
    writes_at_once = 50

    def __init__(self, url: str, database: str, username: str, password: str, **options: Any) -> None:
        super().__init__(url, database, **options)
        self._username, self._password = username, password
        self._token = ""

    def call(self, model: str, method: str, arguments: Mapping[str, Any], *, repeatable: bool = True) -> Any:
        """Call a class method; see `Session`."""
        return self._rpc(model, method, [*arguments.values(), self.context()], repeatable=repeatable)

    def write(self, model: str, changes: Sequence[tuple[int, Mapping[str, Any]]], stamps: Mapping[int, str]) -> None:
        """Write many records in one transaction; see `Session`."""
        arguments: list[Any] = []
        for key, values in changes:
            arguments += [[key], values]
        self._rpc(model, "write", [*arguments, self._bound(model, stamps)], repeatable=False)

    def delete(self, model: str, ids: Sequence[int], stamps: Mapping[int, str]) -> None:
        """Delete many records in one transaction; see `Session`."""
        self._rpc(model, "delete", [list(ids), self._bound(model, stamps)], repeatable=False)

    def _bound(self, model: str, stamps: Mapping[int, str]) -> dict[str, Any]:
        return {**self.context(), "_timestamp": {f"{model},{key}": stamp for key, stamp in stamps.items()}}

    def _rpc(self, model: str, method: str, params: list[Any], *, repeatable: bool) -> Any:
        what = f"{model}.{method}"
        body = {"id": 1, "method": f"model.{model}.{method}", "params": params}
        answer = self._send("POST", f"{self.database}/rpc/", body, self._who(), what, repeatable=repeatable)
        if answer.status_code == _NOBODY:  # the session has expired, and nothing was done
            self._token = ""
            answer = self._send("POST", f"{self.database}/rpc/", body, self._who(), what, repeatable=repeatable)
        return _result(answer, what, repeatable=repeatable)

    def _who(self) -> dict[str, str]:
        with self._lock:
            token = self._token
        if not token:
            token = self._login()
            with self._lock:
                self._token = token
        return {"Authorization": f"Session {token}"}

    def _login(self) -> str:
        body = {"id": 1, "method": "common.db.login", "params": [self._username, {"password": self._password}]}
        answer = self._send("POST", f"{self.database}/rpc/", body, {}, "login", repeatable=True)
        if answer.status_code == _ABSENT:
            raise NotAuthorized(f"{self.url} has no database {self.database!r}", hint="check `url` and `database`")
        if answer.status_code in {_NOBODY, _FORBIDDEN}:
            raise NotAuthorized(
                f"Tryton does not take the user {self._username!r} with this password",
                hint="check `username` and `password`",
                status=answer.status_code,
            )
        shown = _result(answer, "login", repeatable=True)
        if not isinstance(shown, list) or len(shown) < 2:  # noqa: PLR2004
            raise NotAuthorized("login: Tryton gave no session", hint="check `username` and `password`")
        return base64.b64encode(f"{self._username}:{shown[0]}:{shown[1]}".encode()).decode()


class Rest(Session):
    """The key of a user application with the application `rest` (trytond documentation, "User Application")."""

    locks = False
    writes_at_once = 1

    def __init__(self, url: str, database: str, key: str, **options: Any) -> None:
        super().__init__(url, database, **options)
        self._key = key

    def call(self, model: str, method: str, arguments: Mapping[str, Any], *, repeatable: bool = True) -> Any:
        """Call a class method; see `Session`."""
        return self._ask("POST", f"{model}/{method}", dict(arguments), f"{model}.{method}", repeatable=repeatable)

    def write(self, model: str, changes: Sequence[tuple[int, Mapping[str, Any]]], stamps: Mapping[int, str]) -> None:
        """Write the one record; stamps are of no use here."""
        del stamps
        ((key, values),) = changes
        self._ask("PUT", f"{model}/{key}?f=id", values, f"{model}.write", repeatable=False)

    def delete(self, model: str, ids: Sequence[int], stamps: Mapping[int, str]) -> None:
        """Delete the one record; stamps are of no use here."""
        del stamps
        (key,) = ids
        self._ask("DELETE", f"{model}/{key}", {}, f"{model}.delete", repeatable=False)

    def _ask(self, method: str, path: str, body: Any, what: str, *, repeatable: bool) -> Any:
        full = f"{self.database}/rest/model/{path}"
        inactive = {} if repeatable else {"active_test": False}  # a write looks for its record first
        context = base64.urlsafe_b64encode(msgspec.json.encode({**self.context(), **inactive})).decode()
        headers = {"Authorization": f"Bearer {self._key}", "X-Tryton-Context": context}
        answer = self._send(method, full, body, headers, what, repeatable=repeatable)
        if method == "DELETE" and answer.status_code == _ABSENT:
            return None
        if answer.status_code == _NOBODY:
            raise NotAuthorized(
                f"{what}: the key is not taken",
                hint="the application must be of the kind REST, and validated",
                status=answer.status_code,
            )
        return _result(answer, what, repeatable=repeatable)


def _result(answer: requests.Response, what: str, *, repeatable: bool) -> Any:
    """What was answered. Raises what a refusal means."""
    status = answer.status_code
    try:
        shown = msgspec.json.decode(answer.content) if answer.content else None
    except msgspec.DecodeError:
        shown = None
        if status < _BAD and not repeatable:
            raise MaybeApplied(f"{what}: half an answer", status=status) from None
        if status < _BAD:
            raise Unavailable(f"{what}: half an answer", hint="try later", status=status) from None
    if status >= _BAD:
        raise _error_of(status, shown, answer.text, what)
    if isinstance(shown, dict) and shown.keys() == {"id", "error"}:
        raise _rpc_error(shown["error"], what)
    if isinstance(shown, dict) and shown.keys() == {"id", "result"}:
        return shown["result"]
    return shown


def _error_of(status: int, shown: Any, text: str, what: str) -> TrytonError:
    if isinstance(shown, dict) and shown.get("message"):
        words = ": ".join(str(part) for part in (shown["message"], shown.get("description")) if part)
    else:
        words = plain_words(text)
    told = f"{what}: Tryton says: {words} (status {status})"
    if status == _NOBODY:
        return NotAuthorized(told, hint="check the settings, and the rights of the user", status=status)
    if status == _FORBIDDEN:
        hint = "the user may not do this, or it is a model that Tryton shows nobody from outside"
        return Refused(told, hint=hint, status=status)
    if status >= _FAILED:
        return ServerFault(told, hint="the log of the server has the whole of it", status=status)
    return Refused(told, status=status)


def _rpc_error(error: Any, what: str) -> TrytonError:
    kind, *rest = error if isinstance(error, list) and error else [str(error)]
    detail = rest[0] if rest else ""
    parts = [str(part) for part in detail if part and isinstance(part, str)] if isinstance(detail, list) else [detail]
    words = ": ".join(part for part in parts if part)
    if kind == _CONCURRENCY:
        return Changed(f"{what}: Tryton says: {words}")
    if kind == _USER_WARNING:
        hint = "Tryton warns and would ask a person; do it in the client, where the warning can be accepted"
        return Refused(f"{what}: Tryton warns: {': '.join(parts[1:]) or words}", hint=hint, status=_BAD)
    if kind == _USER_ERROR:
        return Refused(f"{what}: Tryton says: {words}", status=_BAD)
    if kind == _LOGIN:
        return NotAuthorized(f"{what}: Tryton asks for another login", hint="check `username` and `password`")
    told = f"{what}: the server failed: {kind}"
    return ServerFault(told, hint="the log of the server has the whole of it", status=_FAILED)


def _never_connected(error: requests.RequestException) -> bool:
    """Whether the request cannot have reached the server."""
    text = str(error)
    return "NewConnectionError" in text or "Connection refused" in text


def _reason(error: requests.RequestException) -> str:
    return "no connection" if _never_connected(error) else f"the connection broke ({type(error).__name__})"
