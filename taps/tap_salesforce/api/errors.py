"""Salesforce's errors, named by what recovers them.

| error           | what Salesforce said                                             | what recovers         |
|-----------------|------------------------------------------------------------------|-----------------------|
| `NotAuthorized` | the token endpoint refuses; `INVALID_SESSION_ID` with every token | other settings        |
| `Unavailable`   | no answer, 5xx, again and again; nothing was written             | a later run           |
| `MaybeApplied`  | the connection broke while a write was under way                 | a look                |
| `OverLimit`     | `REQUEST_LIMIT_EXCEEDED`, or our own share of the day is used up | time                  |
| `ExpiredCursor` | `INVALID_QUERY_LOCATOR`: the pages of a query are kept no longer | asking from there on  |
| `ExpiredReplay` | `…replayid.corrupted`: the event of a replay id is not kept       | a look at what changed|
| `JobFailed`     | a job of Bulk API 2.0 is `Failed` or `Aborted`; nothing was read | another API           |
| `Refused`       | any other `errorCode`                                            | other data, or rights |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tap_kit import TapError


class SalesforceError(TapError):
    """Salesforce could not be read or written.

    `code` is Salesforce's, `status` that of HTTP, `errors` the body of a request for one record, where there are any.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: str = "",
        status: int | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.code, self.status, self.errors = code, status, errors


class NotAuthorized(SalesforceError):
    """Salesforce does not take the token, the app or the user."""


class WrongSettings(NotAuthorized):
    """The settings do not say who logs in, or where."""

    @property
    def wrong_settings(self) -> bool:
        """Salesforce was not even asked."""
        return True


class Unavailable(SalesforceError):
    """Salesforce did not answer, again and again; nothing was written."""


class MaybeApplied(SalesforceError):
    """Salesforce did not answer a write; whether it took effect is unknown."""


class OverLimit(SalesforceError):
    """The requests of the day are used up, or our share of them."""


class ExpiredCursor(SalesforceError):
    """The further pages of a query are not kept any longer."""


class ExpiredReplay(SalesforceError):
    """The change events after a replay id are not kept any longer."""


class JobFailed(SalesforceError):
    """A job came to no good end; it has no results."""


class Refused(SalesforceError):
    """Salesforce refuses the request as it is; nothing was written."""


_HINTS = {
    "INVALID_TYPE": "correct the name, or give the user the right to read the object",
    "INVALID_FIELD": "correct the name, or give the user the right to see the field",
    "NOT_FOUND": "correct the name, or give the user the right to read the object",
    "INSUFFICIENT_ACCESS": "give the user the right, in a permission set",
    "API_DISABLED_FOR_ORG": "the edition or the user's profile has no API: ask the administrator",
}


def error_of(status: int, content: bytes, what: str) -> SalesforceError:
    """What an answer that is no success means; `what` names the request for people."""
    errors = _errors(content)
    code, words = in_words(content)
    told = f"{what}: Salesforce says: {words or f'status {status}'}" + (f" ({code})" if code else "")
    kind = {
        "INVALID_SESSION_ID": NotAuthorized,
        "REQUEST_LIMIT_EXCEEDED": OverLimit,
        "INVALID_QUERY_LOCATOR": ExpiredCursor,
    }.get(code, Refused)
    hints = {
        **_HINTS,
        "INVALID_SESSION_ID": "the access token has ended: get another, or use a flow that renews it",
        "REQUEST_LIMIT_EXCEEDED": "the limit counts the last 24 hours: run again later, or less often",
    }
    return kind(told, hint=hints.get(code, ""), code=code, status=status, errors=errors)


def in_words(content: bytes) -> tuple[str, str]:
    """Code and message of a body in any of Salesforce's forms, on one line; empty for what is no such body."""
    first = next(iter(_errors(content)), {})
    code = str(first.get("errorCode") or first.get("statusCode") or first.get("error") or "")
    words = str(first.get("message") or first.get("error_description") or "")
    return code, " ".join(words.split())


def _errors(content: bytes) -> list[Mapping[str, Any]]:
    try:
        shown = msgspec.json.decode(content)
    except msgspec.DecodeError:
        return []
    return [each for each in (shown if isinstance(shown, list) else [shown]) if isinstance(each, dict)]
