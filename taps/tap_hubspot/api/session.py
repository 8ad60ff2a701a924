"""One request to HubSpot: token, pace, and what to do about each kind of failure.

| answer                          | what is done                                                             |
|---------------------------------|--------------------------------------------------------------------------|
| 2xx, 207                        | handed over                                                              |
| 401 expired                     | another OAuth token, once; a private app's token has no other            |
| 429 of the second (search)      | again after a second times the attempt, as HubSpot's own client does     |
| 429 of ten seconds              | again after `Retry-After`, else after ten seconds                        |
| 429 of the day                  | `DailyLimit`                                                             |
| 423 locked                      | again after two seconds times the attempt                                |
| 477 migration                   | again after `Retry-After`                                                |
| 5xx, no answer, half an answer  | again after 0.2 s, doubled each time; unless that could do a write twice |
| any other                       | the error that it is (`tap_hubspot.api.errors`)                          |
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import requests
from requests.adapters import HTTPAdapter

from tap_hubspot.api.auth import Auth
from tap_hubspot.api.errors import HubSpotError, MaybeApplied, Unavailable, error_of
from tap_hubspot.api.limits import BURST_SPAN, Limiter
from tap_kit import ServerClock

ATTEMPTS = 8
CONNECT, READ = 10.0, 60.0
"""Seconds to wait for a connection, and for an answer."""

_LONGEST = 30.0
_OK, _EXPIRED, _LOCKED, _LIMIT, _MIGRATION = range(200, 300), 401, 423, 429, 477

logger = logging.getLogger("tap_hubspot")


@dataclass(frozen=True, slots=True)
class Answered:
    """What HubSpot said to a request; `body` is None where it said nothing."""

    status: int
    body: Any


class Session:
    """Requests from any number of threads. `base` is the API's address without a path."""

    def __init__(
        self,
        base: str,
        auth: Auth,
        limiter: Limiter,
        http: requests.Session | None = None,
        *,
        timeout: float = READ,
        attempts: int = ATTEMPTS,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.base, self.limiter = base.rstrip("/"), limiter
        self.sleep = sleep
        self._auth, self._timeout, self._attempts = auth, timeout, attempts
        self._http = http or http_session()
        self._clock = ServerClock()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def token(self) -> str:
        """The token that is sent. Raises `NotAuthorized`, `Unavailable`."""
        return self._auth.token()

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, Any] | None = None,
        kind: str = "api",
        repeatable: bool = True,
        what: str = "",
    ) -> Answered:
        """Make a request. `repeatable`: doing it twice is as good as once. `what` is its name for people.

        Raises the errors of `tap_hubspot.api.errors`.
        """
        what = what or f"{method} {path}"
        renewed = False
        last = "no answer"
        for attempt in range(1, self._attempts + 1):
            token = self._auth.token()
            answer, failure = self._send(method, path, body, params, kind, token)
            if answer is not None and answer.status_code in _OK:
                try:
                    return Answered(answer.status_code, msgspec.json.decode(answer.content) if answer.content else None)
                except msgspec.DecodeError:
                    failure = "half an answer"
            elif answer is not None and answer.status_code == _EXPIRED and not renewed:
                renewed = True
                if self._auth.expired(token):
                    continue
            wait = self._wait(answer, kind, attempt)
            if answer is not None and not failure:
                if wait is None:
                    raise error_of(answer.status_code, answer.content, what)
                last = f"status {answer.status_code}"
            uncertain = bool(failure) or (answer is not None and answer.status_code >= 500)  # noqa: PLR2004
            last = failure or last
            if uncertain and not repeatable:
                raise MaybeApplied(f"{what}: HubSpot did not say whether it was done ({last})")
            if attempt < self._attempts:
                logger.info("%s: %s; again in %.1f s", what, last, wait or 0)
                self._pause(kind, answer, wait or 0)
        raise Unavailable(
            f"{what}: HubSpot could not be had in {self._attempts} attempts ({last})", hint="try again later"
        )

    def clock(self) -> datetime:
        """The server's time now: from the last answer's `Date`, which is cut to a second."""
        return self._clock.now()

    def _send(
        self, method: str, path: str, body: Any, params: Mapping[str, Any] | None, kind: str, token: str
    ) -> tuple[requests.Response | None, str]:
        """The answer, and why there is none, if so."""
        self.limiter.start(kind)
        headers: Mapping[str, str] = {}
        try:
            answer = self._http.request(
                method,
                self.base + path,
                params=params,
                data=None if body is None else msgspec.json.encode(body),
                headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
                timeout=(CONNECT, self._timeout),
            )
        except requests.Timeout:
            return None, f"no answer in {self._timeout:g} s"
        except requests.RequestException as error:
            return None, f"the connection broke ({type(error).__name__})"
        else:
            headers = answer.headers
            self._clock.note(headers)
            return answer, ""
        finally:
            self.limiter.end(kind, headers)

    def _wait(self, answer: requests.Response | None, kind: str, attempt: int) -> float | None:
        """Seconds to wait before another attempt; None if another would be no use."""
        status = answer.status_code if answer is not None else 0
        asked = _retry_after(answer)
        if status == _LIMIT and answer is not None:
            if b'"DAILY"' in answer.content or b"daily limit" in answer.content:
                return None
            if asked is not None:
                return asked
            return min(1.0 * attempt, _LONGEST) if kind == "search" or (b"secondly limit." in answer.content and (
                b"ten_secondly" not in answer.content
            )) else BURST_SPAN  # fmt: skip
        if status == _LOCKED:
            return 2.0 * attempt if asked is None else asked
        if status == _MIGRATION:
            return 5.0 if asked is None else asked
        if status >= 500 or status == 0 or status in _OK:  # noqa: PLR2004
            return asked if asked is not None else min(0.2 * 2 ** (attempt - 1), _LONGEST)
        return None

    def _pause(self, kind: str, answer: requests.Response | None, seconds: float) -> None:
        """A limit holds for every thread; anything else for this one."""
        if answer is not None and answer.status_code == _LIMIT:
            self.limiter.pause(kind, seconds)
        else:
            self.sleep(seconds)


def http_session() -> requests.Session:
    """Connections that are kept; retries are ours, since each kind of failure has its own."""
    http = requests.Session()
    adapter = HTTPAdapter(pool_connections=4, pool_maxsize=32, max_retries=0)
    http.mount("https://", adapter)
    http.mount("http://", adapter)
    http.headers["User-Agent"] = "antiphon-hubspot"
    return http


def _retry_after(answer: requests.Response | None) -> float | None:
    try:
        return float(answer.headers["Retry-After"]) if answer is not None else None
    except (KeyError, ValueError):
        return None


__all__ = ["Answered", "HubSpotError", "Session", "http_session"]
