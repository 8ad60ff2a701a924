"""The settings by which tap and targets reach Tryton, and the connection that they make."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from singer_sdk import typing as th

from tap_tryton.api.errors import WrongSettings
from tap_tryton.api.server import Tryton
from tap_tryton.api.session import ATTEMPTS, READ, JsonRpc, Rest, Session

SERVER = (
    th.Property("url", th.StringType, required=True, title="Server", description="As `https://erp.example.com`."),
    th.Property("database", th.StringType, required=True, title="Database", description="Its name on the server."),
    th.Property(
        "timeout_seconds",
        th.NumberType,
        default=READ,
        title="Timeout",
        description="Seconds after which an answer is no longer waited for.",
    ),
    th.Property(
        "attempts",
        th.IntegerType,
        default=ATTEMPTS,
        title="Attempts",
        description="How often a server that does not answer is asked, within about ten seconds.",
    ),
    th.Property(
        "archived",
        th.StringType,
        allowed_values=["deleted", "kept"],
        default="deleted",
        title="Archived records",
        description="What a record that is not `active` is: `deleted`, as users of the client see it; or `kept`, a "
        "record like any other, whose column `active` may be mapped.",
    ),
)
USER = (
    th.Property("username", th.StringType, title="User", description="For JSON-RPC, with `password`."),
    th.Property("password", th.StringType, secret=True, title="Password", description="Of the user."),
)
KEY = (
    th.Property(
        "key",
        th.StringType,
        secret=True,
        title="Key",
        description="For REST: the key of a validated user application of the kind REST.",
    ),
)


def session_of(config: Mapping[str, Any], sleep: Callable[[float], object] = time.sleep) -> Session:
    """A connection by these settings: REST if there is a key, else JSON-RPC. Raises `WrongSettings`."""
    url, database = str(config["url"]), str(config["database"])
    options: dict[str, Any] = {
        "timeout": float(config.get("timeout_seconds") or READ),
        "attempts": int(config.get("attempts") or ATTEMPTS),
        "sleep": sleep,
    }
    if not url.startswith(("http://", "https://")):
        raise WrongSettings(f"`url` is {url!r}", hint="it begins with http:// or https://")
    if config.get("key"):
        return Rest(url, database, str(config["key"]), **options)
    if config.get("username") and config.get("password"):
        return JsonRpc(url, database, str(config["username"]), str(config["password"]), **options)
    raise WrongSettings(
        "the settings do not say who logs in",
        hint="set `username` and `password`, or `key` (of a user application of the kind REST)",
    )


def connect(config: Mapping[str, Any], sleep: Callable[[float], object] = time.sleep) -> Tryton:
    """The database of these settings; nothing is asked yet. Raises `WrongSettings`."""
    return Tryton(session_of(config, sleep))
