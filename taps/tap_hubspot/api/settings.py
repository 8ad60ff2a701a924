"""The settings by which tap and target reach HubSpot, and the connection that they make."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from singer_sdk import typing as th

from tap_hubspot.api.auth import Auth, OAuth, StaticToken
from tap_hubspot.api.calls import HubSpot
from tap_hubspot.api.errors import NotAuthorized
from tap_hubspot.api.limits import Limiter
from tap_hubspot.api.session import READ, Session, http_session

BASE = "https://api.hubapi.com"
VERSIONS = ("v3", "2026-03", "2026-09")

CONNECTION = (
    th.Property(
        "access_token",
        th.StringType,
        secret=True,
        title="Token",
        description="Service key or access token of a private app. Either this, or the three settings of OAuth.",
    ),
    th.Property("client_id", th.StringType, title="OAuth client id", description="Of the OAuth app."),
    th.Property("client_secret", th.StringType, secret=True, title="OAuth client secret", description="Of the app."),
    th.Property(
        "refresh_token",
        th.StringType,
        secret=True,
        title="OAuth refresh token",
        description="From which access tokens are had, each for half an hour.",
    ),
    th.Property(
        "api_version",
        th.StringType,
        allowed_values=list(VERSIONS),
        default="v3",
        title="API version",
        description="v3, or a dated version for the paths of CRM objects.",
    ),
    th.Property(
        "burst",
        th.IntegerType,
        title="Requests in ten seconds",
        description="To leave a part of the account's limit to others; by default the plan's whole limit, as HubSpot "
        "tells it in its answers.",
    ),
    th.Property(
        "timeout_seconds",
        th.NumberType,
        default=READ,
        title="Timeout",
        description="Seconds after which an answer is no longer waited for.",
    ),
    th.Property("api_base", th.StringType, default=BASE, title="API address", description="Another for a sandbox."),
)
"""Settings that the tap and the target share, so that one `config:` in sync.yml serves both."""


def connect(config: Mapping[str, Any], sleep: Callable[[float], object] = time.sleep) -> HubSpot:
    """A connection by these settings, which waits by `sleep`. Raises `NotAuthorized` if they name no token."""
    base = str(config.get("api_base") or BASE).rstrip("/")
    http = http_session()
    limiter = Limiter(config.get("burst"))
    timeout = float(config.get("timeout_seconds") or READ)
    session = Session(base, _auth(config, base, http), limiter, http, timeout=timeout, sleep=sleep)
    return HubSpot(session, str(config.get("api_version") or "v3"))


def _auth(config: Mapping[str, Any], base: str, http: Any) -> Auth:
    if config.get("access_token"):
        return StaticToken(str(config["access_token"]))
    names = ("client_id", "client_secret", "refresh_token")
    missing = [name for name in names if not config.get(name)]
    if missing:
        lacks = "" if len(missing) == len(names) else f" ({', '.join(missing)} missing)"
        raise NotAuthorized(
            f"the settings name no token{lacks}",
            hint="set `access_token` (a service key, or the token of a private app), or all of "
            "`client_id`, `client_secret`, `refresh_token`",
        )
    client_id, client_secret, refresh_token = (str(config[name]) for name in names)
    return OAuth(base, client_id, client_secret, refresh_token, http)
