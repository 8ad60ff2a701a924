"""Tokens, and the instance that they are for: Salesforce tells both in one reply.

| flow               | settings                                      | a token that ended |
|--------------------|-----------------------------------------------|--------------------|
| access token       | `access_token`, `instance_url`                | is the end         |
| refresh token      | `client_id`, `client_secret`, `refresh_token` | is replaced        |
| JWT bearer         | `client_id`, `username`, `private_key`        | is replaced        |
| client credentials | `client_id`, `client_secret`, a My Domain     | is replaced        |

Salesforce does not say when a token ends: the next request shows it.
Source: Salesforce Help, "OAuth Authorization Flows".
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import requests

from tap_salesforce.api.errors import NotAuthorized, Unavailable, WrongSettings, in_words

JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_GOOD_FOR = 180
"""Seconds that a signed assertion is good for; Salesforce takes no more than five minutes."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token, and the address of the instance that takes it."""

    value: str
    instance: str


class Auth(Protocol):
    """Whatever gives tokens."""

    def token(self) -> Token:
        """The token to send. Raises `NotAuthorized`, `Unavailable`."""

    def ended(self, token: Token) -> bool:
        """Salesforce does not take this token any longer; whether there may be another."""


@dataclass(frozen=True, slots=True)
class StaticToken:
    """A token that somebody else got."""

    held: Token

    def token(self) -> Token:
        """The token."""
        return self.held

    def ended(self, token: Token) -> bool:
        """There is no other."""
        del token
        return False


@dataclass(slots=True)
class OAuth:
    """Tokens from the token endpoint at `base`; `form` makes what is sent there, anew each time."""

    base: str
    form: Callable[[], Mapping[str, str]]
    http: requests.Session
    _held: Token | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def token(self) -> Token:
        """The token that is held, or a new one."""
        with self._lock:
            if self._held is None:
                self._held = self._ask()
            return self._held

    def ended(self, token: Token) -> bool:
        """Forget the token, unless another thread already has."""
        with self._lock:
            if self._held == token:
                self._held = None
            return True

    def _ask(self) -> Token:
        try:
            answer = self.http.post(f"{self.base}/services/oauth2/token", data=dict(self.form()), timeout=30)
        except requests.RequestException as error:
            raise Unavailable(
                f"no token could be had: {self.base} did not answer ({type(error).__name__})",
                hint="check `domain`; if it is right, try again later",
            ) from error
        shown: Any = None
        with suppress(ValueError):  # a page for people: told below by its status
            shown = answer.json()
        if answer.ok and isinstance(shown, dict) and shown.get("access_token") and shown.get("instance_url"):
            return Token(str(shown["access_token"]), str(shown["instance_url"]).rstrip("/"))
        code, words = in_words(answer.content)
        raise NotAuthorized(
            f"no token could be had: Salesforce says: {words or f'status {answer.status_code}'}"
            + (f" ({code})" if code else ""),
            hint="check `client_id` and what goes with it, `domain`, and that the app is approved for the user",
            code=code,
            status=answer.status_code,
        )


def signed(client_id: str, username: str, private_key: str, audience: str, now: float | None = None) -> str:
    """The assertion of the JWT bearer flow. Raises `WrongSettings`."""
    try:
        import jwt  # noqa: PLC0415 - comes with the extra `salesforce`; the other flows do without it
    except ImportError:
        raise WrongSettings("the JWT bearer flow needs PyJWT", hint="pip install 'antiphon[salesforce]'") from None
    claims = {
        "iss": client_id,
        "sub": username,
        "aud": audience,
        "exp": int((time.time() if now is None else now) + _GOOD_FOR),
    }
    try:
        return jwt.encode(claims, private_key, algorithm="RS256")
    except (ValueError, TypeError, jwt.PyJWTError):
        raise WrongSettings(
            "`private_key` is no private key", hint="put the text of the PEM file there, from -----BEGIN to END-----"
        ) from None
