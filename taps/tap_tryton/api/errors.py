"""Tryton's errors, named by what recovers them.

| error           | what Tryton said                                                        | what recovers      |
|-----------------|-------------------------------------------------------------------------|--------------------|
| `NotAuthorized` | 401: user, password or key are not taken; 404: no such database         | other settings     |
| `Unavailable`   | no connection, 429, 502, 503, 504, again and again; nothing was written | a later run        |
| `MaybeApplied`  | the connection broke while a write was under way                        | a look             |
| `Changed`       | `ConcurrencyException`: the record was modified since its `_timestamp`  | reading it again   |
| `Refused`       | `UserError`, `UserWarning`, status 400, 403: a rule or a right          | other data         |
| `ServerFault`   | status 500 with a page of HTML, or an exception as text                 | time, or its maker |
"""

from __future__ import annotations

import html
import re

from tap_kit import TapError


class TrytonError(TapError):
    """Tryton could not be read or written. `status` is that of HTTP, where there was an answer."""

    def __init__(self, message: str, *, hint: str = "", status: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class NotAuthorized(TrytonError):
    """Tryton does not take the user or the key, or has no such database."""


class WrongSettings(NotAuthorized):
    """The settings do not say who logs in, or where."""

    @property
    def wrong_settings(self) -> bool:
        """The server was not even asked."""
        return True


class Unavailable(TrytonError):
    """Tryton did not answer, again and again; nothing was written."""


class MaybeApplied(TrytonError):
    """Tryton did not answer a write; whether it took effect is unknown."""


class Changed(TrytonError):
    """Somebody modified the record since it was read; nothing was written."""


class Refused(TrytonError):
    """A rule of the installation refuses the request as it is; nothing was written."""


class ServerFault(TrytonError):
    """The server failed at the request, and took back whatever it had done of it."""


_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[^>]+>")
_LONGEST = 300


def plain_words(page: str) -> str:
    """What a page of HTML says, on one line: its title and its text, cut to a readable length."""
    title = _TITLE.search(page)
    body = page[title.end() :] if title else page
    words = " ".join(html.unescape(_TAG.sub(" ", body)).split())
    head = " ".join(html.unescape(title[1]).split()) if title else ""
    text = words.removeprefix(head).strip() if head else words
    told = f"{head}: {text}" if head and text else head or text or "an empty page"
    return told if len(told) <= _LONGEST else f"{told[:_LONGEST]}…"
