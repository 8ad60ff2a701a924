"""Tokens: a service key's or private app's as it is, or OAuth access tokens from a refresh token."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import requests

from tap_hubspot.api.errors import NotAuthorized, Unavailable

_EARLY = 60.0
"""Seconds before its end at which an OAuth token is replaced."""

_ATTEMPTS = 6
_LATER = frozenset({423, 429, 477, *range(500, 600)})
"""Statuses that say nothing of the credentials: HubSpot is asked again."""


class Auth(Protocol):
    """Whatever gives tokens."""

    def token(self) -> str:
        """The token to send. Raises `NotAuthorized`, `Unavailable`."""

    def expired(self, token: str) -> bool:
        """HubSpot says that this token has expired; whether there may be another."""


@dataclass(frozen=True, slots=True)
class StaticToken:
    """The token of a private app or a service key."""

    value: str

    def token(self) -> str:
        """The token."""
        return self.value

    def expired(self, token: str) -> bool:
        """There is no other."""
        del token
        return False


@dataclass(slots=True)
class OAuth:
    """Access tokens, which last half an hour, from a refresh token (HubSpot docs, "Working with OAuth")."""

    base: str
    client_id: str
    client_secret: str
    refresh_token: str
    http: requests.Session
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep
    _token: str = ""
    _ends: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def token(self) -> str:
        """A token that lasts for another minute at least."""
        with self._lock:
            if not self._token or self.clock() >= self._ends - _EARLY:
                self._refresh()
            return self._token

    def expired(self, token: str) -> bool:
        """Forget the token, unless another thread already has."""
        with self._lock:
            if self._token == token:
                self._token = ""
            return True

    def _refresh(self) -> None:
        form = {
            "grant_type": "refresh_token",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "refresh_token": self.refresh_token,
        }
        why = ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                self.sleep(0.2 * 2**attempt)
            try:
                answer = self.http.post(f"{self.base}/oauth/v1/token", data=form, timeout=30)
                why = f"HubSpot answers with status {answer.status_code}"
                shown = {} if answer.status_code in _LATER else answer.json()
            except (requests.RequestException, ValueError) as error:
                why = f"HubSpot did not answer ({type(error).__name__})"
                continue
            if answer.status_code in _LATER:
                continue
            if answer.ok and isinstance(shown, dict) and shown.get("access_token"):
                self._token = str(shown["access_token"])
                self._ends = self.clock() + float(shown.get("expires_in") or 1800)
                self.refresh_token = str(shown.get("refresh_token") or self.refresh_token)
                return
            words = shown.get("message") if isinstance(shown, dict) else ""
            raise NotAuthorized(
                f"no OAuth token could be had: HubSpot says: {words or answer.status_code}",
                hint="check `client_id`, `client_secret` and `refresh_token`; a user may have to install the app again",
                status=answer.status_code,
            )
        raise Unavailable(f"no OAuth token could be had: {why}", hint="try again later")
