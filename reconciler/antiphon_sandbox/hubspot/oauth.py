"""Tokens: of private apps and service keys, which last, and of OAuth, which end after 1,800 seconds."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from antiphon_sandbox.hubspot.errors import Refused, expired, missing_scopes, no_credentials, not_found, refuse
from antiphon_sandbox.hubspot.request import Portal, Reply, Request, Route
from antiphon_sandbox.hubspot.values import iso

LIFETIME = 1800.0
"""Seconds that an OAuth access token lasts."""

SCOPES = (
    *(f"crm.{what}.{kind}.{right}" for what in ("objects", "schemas") for kind in ("contacts", "companies", "deals",
      "custom", "leads") for right in ("read", "write")),
    "crm.objects.owners.read", "crm.lists.read", "crm.lists.write", "tickets", "e-commerce", "oauth",
    "settings.users.read",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Token:
    """What a token may do. `ends` on the monotonic clock; None never."""

    scopes: frozenset[str]
    ends: float | None = None


@dataclass(slots=True)
class Tokens:
    """The tokens of an account's app."""

    client_id: str = "9e2b2d2c-0000-4000-8000-000000000001"
    client_secret: str = "00000000-0000-4000-8000-00000000beef"  # noqa: S105
    lifetime: float = LIFETIME
    clock: Callable[[], float] = time.monotonic
    known: dict[str, Token] = field(default_factory=dict)
    refresh: dict[str, frozenset[str]] = field(default_factory=dict)
    granted: int = 0

    def grant(self, scopes: tuple[str, ...] = SCOPES) -> str:
        """A private app's token, or a service key."""
        token = f"pat-na1-{secrets.token_hex(16)}"
        self.known[token] = Token(frozenset(scopes))
        return token

    def grant_refresh(self, scopes: tuple[str, ...] = SCOPES) -> str:
        """A refresh token, from which access tokens come."""
        token = f"refresh-{secrets.token_hex(16)}"
        self.refresh[token] = frozenset(scopes)
        return token

    def expire(self) -> None:
        """Every OAuth access token ends now."""
        now = self.clock()
        self.known = {
            key: Token(token.scopes, now - 1) if token.ends is not None else token for key, token in self.known.items()
        }

    def check(self, token: str, needed: tuple[str, ...]) -> None:
        """Raises `Refused` for a token that is not known, not valid any more, or lacks every one of these scopes."""
        if not token:
            raise no_credentials()
        held = self.known.get(token)
        if held is None:  # as recorded: a token that never was has expired in 1970
            raise expired(int(time.time()), "1970-01-01T00:00:00.000Z")
        if held.ends is not None and held.ends <= self.clock():
            ago = self.clock() - held.ends
            raise expired(round(ago), iso(time.time_ns() // 1_000_000 - int(ago * 1000)))
        if needed and not held.scopes & set(needed):
            raise missing_scopes(needed)


def _bad_grant(message: str) -> Refused:
    return refuse(400, message, status="BAD_REFRESH_TOKEN")


def _token(portal: Portal, request: Request) -> Reply:
    form: Mapping[str, Any] = request.body if isinstance(request.body, dict) else {}
    tokens = portal.tokens
    if form.get("grant_type") != "refresh_token":
        raise _bad_grant("missing or unknown grant_type")
    if form.get("client_id") != tokens.client_id or form.get("client_secret") != tokens.client_secret:
        raise _bad_grant("missing or invalid client secret")
    scopes = tokens.refresh.get(str(form.get("refresh_token")))
    if scopes is None:
        raise _bad_grant("missing or invalid refresh token")
    access = f"access-{secrets.token_hex(16)}"
    tokens.known[access] = Token(scopes, tokens.clock() + tokens.lifetime)
    tokens.granted += 1
    return Reply(
        200,
        {
            "access_token": access,
            "refresh_token": form["refresh_token"],
            "token_type": "bearer",
            "expires_in": int(tokens.lifetime),
        },
    )


def _info(portal: Portal, token: str) -> dict[str, Any]:
    held = portal.tokens.known.get(token)
    if held is None:
        raise not_found()
    return {"scopes": sorted(held.scopes), "app_id": portal.account.app, "hub_id": portal.account.portal}


def _access_token(portal: Portal, request: Request) -> Reply:
    info = _info(portal, request.path["token"])
    more = {"token": request.path["token"], "token_type": "access", "user": "olga@acme.example", "user_id": 9001}
    return Reply(200, {**info, **more, "hub_domain": "acme.example", "expires_in": int(portal.tokens.lifetime)})


def _private_app(portal: Portal, request: Request) -> Reply:
    info = _info(portal, str(request.wanted().get("tokenKey")))
    return Reply(200, {"userId": 9001, "hubId": info["hub_id"], "appId": info["app_id"], "scopes": info["scopes"]})


ROUTES = [
    Route("POST", "/oauth/v1/token", _token, kind="open"),
    Route("POST", "/oauth/v3/token", _token, kind="open"),
    Route("GET", "/oauth/v1/access-tokens/{token}", _access_token, kind="open"),
    Route("POST", "/oauth/v2/private-apps/get/access-token-info", _private_app, kind="open"),
]
