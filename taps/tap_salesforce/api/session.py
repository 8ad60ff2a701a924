"""One request to Salesforce: token, budget, and what to do about each kind of failure.

| answer                                         | what is done                                           |
|------------------------------------------------|--------------------------------------------------------|
| 2xx                                            | handed over                                            |
| 401 `INVALID_SESSION_ID`                       | another token, once, where there is a flow that has it |
| 403 `REQUEST_LIMIT_EXCEEDED`, concurrent ones  | again, as with 5xx: nothing was done                   |
| 403 `REQUEST_LIMIT_EXCEEDED`                   | `OverLimit`                                            |
| 5xx, no answer, half an answer                 | again after 0.5 s, doubled each time; `MaybeApplied`   |
|                                                | where that could do a write twice                      |
| any other                                      | the error that it is (`tap_salesforce.api.errors`)     |

Each reply says in `Sforce-Limit-Info` how many requests of the day are used; ours stop at `share` of them, so that
others of the org are not stopped (Salesforce docs, "API Request Limits and Allocations").
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
import requests

from tap_kit import ServerClock
from tap_salesforce.api.auth import Auth, Token
from tap_salesforce.api.errors import MaybeApplied, OverLimit, SalesforceError, Unavailable, error_of

ATTEMPTS = 6
CONNECT, READ = 10.0, 120.0
"""Seconds to wait for a connection, and for an answer."""

CLIENT = "antiphon"
"""How our writes can be told apart in change events: `Sforce-Call-Options: client=`."""

_CONCURRENT = re.compile(rb"ConcurrentRequests")
_USAGE = re.compile(r"api-usage=(\d+)/(\d+)")
_LONGEST = 30.0

logger = logging.getLogger("tap_salesforce")


decode = msgspec.json.Decoder(float_hook=Decimal).decode

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Asked:
    method: str
    path: str
    body: Any
    params: Mapping[str, Any] | None
    headers: Mapping[str, str] | None
    repeatable: bool
    what: str
    stream: bool = False


class Session:
    """Requests from any number of threads. `version` is the API's, as `66.0`; `share` of the day's requests is ours."""

    def __init__(
        self,
        auth: Auth,
        version: str,
        http: requests.Session,
        *,
        share: float = 0.9,
        attempts: int = ATTEMPTS,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.root, self.share = f"/services/data/v{version}", share
        self.soap = f"/services/Soap/u/{version}"
        self.pause = sleep
        self._auth, self._http, self._attempts = auth, http, attempts
        self._lock = threading.Lock()
        self._clock = ServerClock()
        self._usage: tuple[int, int] | None = None

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
        what: str = "",
    ) -> Any:
        """What Salesforce answers, decoded, numbers exactly; `path` begins behind the version's, or is a whole one.

        A `body` is sent as JSON, bytes as they are, with a `Content-Type` among the `headers`. `repeatable`: doing it
        twice is as good as once. Raises the errors of `tap_salesforce.api.errors`.
        """
        asked = _Asked(method, path, body, params, headers, repeatable, what or f"{method} {path}")
        return self._answer(asked, lambda answer: decode(answer.content) if answer.content else None)

    def text(
        self,
        path: str,
        *,
        body: Callable[[str], bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        what: str,
    ) -> str:
        """An answer that is text in UTF-8; `body` makes what is posted, of the token."""
        method = "GET" if body is None else "POST"
        asked = _Asked(method, path, body, None, {"Accept": "text/csv", **(headers or {})}, True, what)
        return self._answer(asked, lambda answer: answer.content.decode("utf-8"))

    def open(self, path: str, *, params: Mapping[str, Any], headers: Mapping[str, str], what: str) -> requests.Response:
        """An answer whose body is still to be read, and to be closed by who reads it."""
        return self._answer(_Asked("GET", path, None, params, headers, True, what, stream=True), lambda answer: answer)

    def _answer(self, asked: _Asked, take: Callable[[requests.Response], T]) -> T:
        what, last, renewed = asked.what, "no answer", False
        for attempt in range(1, self._attempts + 1):
            self._check_budget(what)
            token = self._auth.token()
            answer, failure = self._send(asked, token)
            if answer is not None and answer.ok:
                try:
                    return take(answer)
                except msgspec.DecodeError:
                    failure = "half an answer"
            elif answer is not None and not failure:
                if answer.status_code == HTTPStatus.UNAUTHORIZED and not renewed and self._auth.ended(token):
                    renewed = True
                    continue
                busy = answer.status_code == HTTPStatus.FORBIDDEN and _CONCURRENT.search(answer.content)
                if answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR and not busy:
                    raise error_of(answer.status_code, answer.content, what)
                last = f"status {answer.status_code}"
                if not busy and not asked.repeatable:
                    failure = last
            last = failure or last
            if failure and not asked.repeatable:
                raise MaybeApplied(f"{what}: Salesforce did not say whether it was done ({last})")
            if attempt < self._attempts:
                wait = min(0.5 * 2 ** (attempt - 1), _LONGEST)
                logger.info("%s: %s; again in %.1f s", what, last, wait)
                self.pause(wait)
        raise Unavailable(
            f"{what}: Salesforce could not be had in {self._attempts} attempts ({last})", hint="try again later"
        )

    def token(self) -> Token:
        """The token, for calls that are none of REST. Raises `NotAuthorized`, `Unavailable`."""
        return self._auth.token()

    def ended(self, token: Token) -> bool:
        """A token is not taken any longer; whether there may be another."""
        return self._auth.ended(token)

    def clock(self) -> datetime:
        """Salesforce's time now: from the last answer's `Date`, which is cut to a second."""
        return self._clock.now()

    @property
    def usage(self) -> tuple[int, int] | None:
        """Requests of the last 24 hours, and how many the org has; None before the first answer."""
        with self._lock:
            return self._usage

    def _check_budget(self, what: str) -> None:
        usage = self.usage
        if usage is not None and usage[0] >= usage[1] * self.share:
            raise OverLimit(
                f"{what}: {usage[0]} of the {usage[1]} requests of a day are used, and our share is {self.share:.0%}",
                hint="run again later, or raise `share_of_requests`",
            )

    def _send(self, asked: _Asked, token: Token) -> tuple[requests.Response | None, str]:
        """The answer, and why there is none, if so."""
        try:
            answer = self._http.request(
                asked.method,
                token.instance + (asked.path if asked.path.startswith("/services/") else self.root + asked.path),
                params=asked.params,
                data=_content(asked.body, token),
                headers={
                    "Authorization": f"Bearer {token.value}",
                    "Content-Type": "application/json",
                    "Sforce-Call-Options": f"client={CLIENT}",
                    **(asked.headers or {}),
                },
                timeout=(CONNECT, READ),
                stream=asked.stream,
            )
            if not answer.ok:
                answer.content  # noqa: B018 - read here, where it may break off
        except requests.Timeout:
            return None, f"no answer in {READ:g} s"
        except requests.RequestException as error:
            return None, f"the connection broke ({type(error).__name__})"
        self._note(answer.headers)
        return answer, ""

    def _note(self, headers: Mapping[str, str]) -> None:
        used = _USAGE.search(headers.get("Sforce-Limit-Info", ""))
        self._clock.note(headers)
        if used is not None:
            with self._lock:
                self._usage = (int(used[1]), int(used[2]))


def _content(body: Any, token: Token) -> bytes | None:
    if callable(body):
        made: bytes = body(token.value)
        return made
    return body if isinstance(body, bytes | None) else msgspec.json.encode(body)


__all__ = ["ATTEMPTS", "CLIENT", "SalesforceError", "Session"]
