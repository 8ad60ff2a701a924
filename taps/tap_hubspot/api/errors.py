"""HubSpot's errors, named by what recovers them.

| error           | what it means                                                        | what recovers            |
|-----------------|----------------------------------------------------------------------|--------------------------|
| `NotAuthorized` | the token is missing, unknown, or expired for good                   | other settings           |
| `MissingScopes` | the token may not do this                                            | a scope in HubSpot       |
| `DailyLimit`    | the account's calls of the day are used up                           | tomorrow, or a bigger plan |
| `Unavailable`   | HubSpot did not answer in time, and nothing was written              | a later run              |
| `MaybeApplied`  | HubSpot did not answer, and the write may have taken effect          | a look at what is there  |
| `Refused`       | the request itself is refused: values, ids, duplicates               | other data               |
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from tap_kit import TapError

_SCOPES = "https://developers.hubspot.com/scopes"


class HubSpotError(TapError):
    """HubSpot could not be read or written. `hint` says the way on; no message holds a token."""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        status: int | None = None,
        category: str = "",
        correlation_id: str = "",
        body: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status, self.category, self.correlation_id = status, category, correlation_id
        self.body: Mapping[str, Any] = body or {}


class NotAuthorized(HubSpotError):
    """HubSpot does not take the token, or the settings name none."""

    @property
    def wrong_settings(self) -> bool:
        """Whether HubSpot was not even asked."""
        return self.status is None


class MissingScopes(HubSpotError):
    """The token has not been granted what this needs. `scopes`: any one of these would do."""

    scopes: tuple[str, ...] = ()


class DailyLimit(HubSpotError):
    """The calls of the day are used up; HubSpot starts anew at midnight in the account's time zone."""


class Unavailable(HubSpotError):
    """HubSpot did not answer, again and again; nothing was written."""


class MaybeApplied(HubSpotError):
    """HubSpot did not answer a write; whether it took effect is unknown."""


class Refused(HubSpotError):
    """HubSpot refuses the request as it is."""


def error_of(status: int, content: bytes, what: str) -> HubSpotError:
    """The error that an answer means. `what` says which call it was, for people."""
    body = _body(content)
    more: dict[str, Any] = {
        "status": status,
        "category": str(body.get("category") or body.get("errorType") or ""),
        "correlation_id": str(body.get("correlationId") or ""),
        "body": body,
    }
    told = f"{what}: {words_of(body, status)}"
    if status == 401:  # noqa: PLR2004
        hint = "check `access_token`, or `client_id`, `client_secret` and `refresh_token`"
        return NotAuthorized(told, hint=hint, **more)
    if status == 403:  # noqa: PLR2004
        scopes = scopes_of(body)
        named = " or ".join(scopes) or "the scope that this call needs"
        error = MissingScopes(
            f"{told}: needed is {named}", hint=f"grant it to the private app or service key: {_SCOPES}", **more
        )
        error.scopes = scopes
        return error
    if status == 429:  # noqa: PLR2004
        hint = (
            "HubSpot counts anew from midnight in the account's time zone; what was not written waits for a later run"
        )
        return DailyLimit(told, hint=hint, **more)
    return Refused(told, **more)


def scopes_of(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The scopes of which a MISSING_SCOPES body asks for one."""
    found: list[str] = []
    for each in body.get("errors") or ():
        context = each.get("context") or {}
        found += context.get("requiredGranularScopes") or context.get("requiredScopes") or ()
    return tuple(dict.fromkeys(found))


def words_of(body: Mapping[str, Any], status: int | None = None) -> str:
    """HubSpot's words for people, with the correlation id that its support asks for."""
    words = str(body.get("message") or f"status {status} without an explanation")
    faults = faults_of(body)
    if faults:
        words = "; ".join(f"{each.get('name')}: {each.get('message')} ({each.get('error')})" for each in faults)
    correlation = body.get("correlationId")
    return f"HubSpot says: {words}" + (f" (correlation id {correlation})" if correlation else "")


_VALUES = re.compile(r"Property values were not valid: (\[.*\])", re.DOTALL)


def faults_of(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The values that a body finds wrong: `name`, `error`, `message` of each. Empty if it names none.

    They stand as JSON in the message, or, from the older paths of the API, beside it.
    """
    if beside := body.get("validationResults"):
        return list(beside)
    found = _VALUES.search(str(body.get("message") or ""))
    if not found:
        return []
    try:
        return list(msgspec.json.decode(found[1].encode(), type=list[dict[str, Any]]))
    except msgspec.DecodeError:
        return []


def _body(content: bytes) -> Mapping[str, Any]:
    try:
        shown = msgspec.json.decode(content)
    except msgspec.DecodeError:
        return {}
    return shown if isinstance(shown, dict) else {}
