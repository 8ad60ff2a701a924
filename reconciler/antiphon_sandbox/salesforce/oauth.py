"""Tokens: the flows of a connected app that need no browser.

| flow               | gives a refresh token | asks for                                             |
|--------------------|-----------------------|------------------------------------------------------|
| client credentials | no                    | id and secret, in the form or as HTTP Basic          |
| refresh token      | no, it stays          | id, secret, and the refresh token                    |
| JWT bearer         | no                    | a token that the app's private key signed (RS256)    |

Source: Salesforce Help, "OAuth Authorization Flows". The bodies of errors are recorded, or marked otherwise.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from antiphon_sandbox.salesforce.errors import Refused, no_session

_JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LONGEST = 300
"""Seconds that a JWT may be good for, and a little more for clocks that differ."""


class BadGrant(Refused):
    """The token endpoint refuses; its body has another form than those of the API."""

    @property
    def body(self) -> Any:
        """As recorded."""
        return {"error": self.code, "error_description": self.message}


@dataclass(slots=True)
class App:
    """The connected app, and the tokens that it was given. `public_key`: in PEM, of the certificate for JWT."""

    client_id: str = "3MVG9sandbox"
    client_secret: str = "sandbox-secret"  # noqa: S105 - the sandbox guards nothing
    username: str = "olga@acme.example"
    public_key: str = ""
    refresh: set[str] = field(default_factory=lambda: {"5Aep861sandbox"})
    lifetime: float = 7200.0
    clock: Callable[[], float] = time.time
    granted: int = 0
    ends: dict[str, float] = field(default_factory=dict)

    def grant(self) -> str:
        """A token."""
        token = f"00D5g000000SAND!{secrets.token_urlsafe(24)}"
        self.ends[token] = self.clock() + self.lifetime
        self.granted += 1
        return token

    def expire(self) -> None:
        """End every token."""
        self.ends.clear()

    def check(self, token: str) -> None:
        """Raises `Refused` for a token that has ended, or never was."""
        if self.ends.get(token, 0.0) <= self.clock():
            raise no_session()

    def answer(self, form: Mapping[str, str], authorization: str) -> dict[str, Any]:
        """What the token endpoint says. Raises `Refused`."""
        match form.get("grant_type"):
            case "client_credentials":
                self._check_client(form, authorization)
            case "refresh_token":
                self._check_client(form, authorization)
                if form.get("refresh_token") not in self.refresh:
                    raise BadGrant("invalid_grant", "expired access/refresh token")
            case grant if grant == _JWT:
                self._check_jwt(form.get("assertion", ""))
            case _:
                raise BadGrant("unsupported_grant_type", "grant type not supported")
        token = self.grant()
        return {
            "access_token": token,
            "signature": "c2FuZGJveA==",
            "scope": "api refresh_token",
            "id": "https://login.salesforce.com/id/00D5g000000SANDEAA/0055g000000SANDAAA",
            "token_type": "Bearer",
            "issued_at": str(int(self.clock() * 1000)),
        }

    def _check_client(self, form: Mapping[str, str], authorization: str) -> None:
        given = (form.get("client_id", ""), form.get("client_secret", ""))
        if authorization.startswith("Basic "):
            try:
                name, _, secret = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                raise BadGrant("invalid_client", "invalid client credentials") from None
            given = (name, secret)
        if given[0] != self.client_id:
            raise BadGrant("invalid_client_id", "client identifier invalid")
        if given[1] != self.client_secret:
            raise BadGrant("invalid_client", "invalid client credentials")

    def _check_jwt(self, assertion: str) -> None:
        import jwt  # noqa: PLC0415 - comes with the extra `salesforce`; the other flows do without it

        try:
            claims = jwt.decode(assertion, self.public_key, algorithms=["RS256"], options={"verify_aud": False})
        except jwt.ExpiredSignatureError:
            raise BadGrant("invalid_grant", "expired authorization code") from None
        except (jwt.InvalidTokenError, ValueError):
            raise BadGrant("invalid_grant", "invalid assertion") from None
        if claims.get("iss") != self.client_id:
            raise BadGrant("invalid_client_id", "client identifier invalid")
        if claims.get("sub") != self.username:
            raise BadGrant("invalid_grant", "user hasn't approved this consumer", HTTPStatus.BAD_REQUEST)
        if int(claims.get("exp", 0)) > self.clock() + _LONGEST:
            raise BadGrant("invalid_grant", "invalid assertion")
