"""The settings by which tap and target reach Salesforce, and the connection that they make."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from singer_sdk import typing as th

from tap_salesforce.api.auth import JWT, Auth, OAuth, StaticToken, Token, signed
from tap_salesforce.api.errors import WrongSettings
from tap_salesforce.api.org import Org
from tap_salesforce.api.session import Session

VERSION, SHARE = "66.0", 0.9
LOGIN = "login.salesforce.com"

SETTINGS = (
    th.Property(
        "domain",
        th.StringType,
        default=LOGIN,
        title="Domain",
        description="Where tokens are had: `login.salesforce.com`, `test.salesforce.com` for a sandbox, or your My "
        "Domain, as `acme.my.salesforce.com`.",
    ),
    th.Property("client_id", th.StringType, title="Client id", description="The consumer key of the connected app."),
    th.Property("client_secret", th.StringType, secret=True, title="Client secret", description="The consumer secret."),
    th.Property(
        "refresh_token",
        th.StringType,
        secret=True,
        title="Refresh token",
        description="Of a user who approved the app; without it and without `username`, client credentials are used.",
    ),
    th.Property("username", th.StringType, title="User", description="For the JWT bearer flow, with `private_key`."),
    th.Property(
        "private_key",
        th.StringType,
        secret=True,
        title="Private key",
        description="Text of the PEM file whose certificate the app has; needs the extra `salesforce`.",
    ),
    th.Property(
        "access_token",
        th.StringType,
        secret=True,
        title="Access token",
        description="A token that you have, in place of all of the above; needs `instance_url`, and is not renewed.",
    ),
    th.Property(
        "instance_url",
        th.StringType,
        title="Instance",
        description="Only with `access_token`; the other flows are told it.",
    ),
    th.Property("api_version", th.StringType, default=VERSION, title="Version", description="Of the REST API."),
    th.Property(
        "share_of_requests",
        th.NumberType,
        default=SHARE,
        title="Share of requests",
        description="The run stops when this share of the org's requests of the last 24 hours is used, by whomever.",
    ),
)


def connect(config: Mapping[str, Any], sleep: Callable[[float], object] = time.sleep) -> Org:
    """The org of these settings; nothing is asked yet. Raises `WrongSettings`."""
    http = requests.Session()
    adapter = HTTPAdapter(max_retries=0)  # retries are ours, since each kind of failure has its own
    http.mount("https://", adapter)
    http.mount("http://", adapter)
    http.headers["User-Agent"] = "antiphon-salesforce"
    version = str(config.get("api_version") or VERSION)
    share = float(config.get("share_of_requests") or SHARE)
    return Org(Session(_auth(config, http), version, http, share=share, sleep=sleep))


def _auth(config: Mapping[str, Any], http: requests.Session) -> Auth:
    def of(*names: str) -> list[str] | None:
        values = [str(config.get(name) or "") for name in names]
        return values if all(values) else None

    domain = str(config.get("domain") or LOGIN).rstrip("/")
    base = domain if "://" in domain else f"https://{domain}"
    if given := of("access_token", "instance_url"):
        return StaticToken(Token(given[0], given[1].rstrip("/")))
    if given := of("client_id", "client_secret", "refresh_token"):
        names = ("client_id", "client_secret", "refresh_token")
        form = {"grant_type": "refresh_token", **dict(zip(names, given, strict=True))}
        return OAuth(base, lambda: form, http)
    if given := of("client_id", "username", "private_key"):
        client, user, key = given
        audience = "https://test.salesforce.com" if domain.startswith("test.") else f"https://{LOGIN}"
        return OAuth(base, lambda: {"grant_type": JWT, "assertion": signed(client, user, key, audience)}, http)
    if (given := of("client_id", "client_secret")) and domain != LOGIN:
        client, secret = given
        credentials = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
        return OAuth(base, lambda: credentials, http)
    raise WrongSettings(
        "the settings do not say who logs in",
        hint="set `access_token` and `instance_url`; or `client_id` with `client_secret` and `refresh_token`, with "
        "`username` and `private_key`, or with `client_secret` and your My Domain as `domain`",
    )
