"""What may never be shown: passwords and tokens among a plugin's settings, wherever its words go."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

HIDDEN = "•••"
_TELLING = re.compile(r"pass|pwd|token|secret|key|credential|dsn|auth|private|signature", re.IGNORECASE)
_SHORTEST = 4
"""A shorter word would be found inside of ordinary ones."""


def is_secret(name: str, value: Any) -> bool:
    """Whether a setting holds a secret at any depth: its name tells so, or it is a URL with a password in it."""
    return next(_secrets({name: value}, telling=False), "") != "" or (_TELLING.search(name) is not None and bool(value))


class Secrets:
    """The secrets in some settings: what stands under a telling name at any depth, and the passwords in URLs."""

    def __init__(self, *settings: Mapping[str, Any]) -> None:
        found = {word for each in settings for word in _secrets(each, telling=False) if len(word) >= _SHORTEST}
        longest_first = sorted(found, key=lambda word: (-len(word), word))
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if found else None

    def hide(self, text: str) -> str:
        """The text without them."""
        return self._pattern.sub(HIDDEN, text) if self._pattern is not None else text


def _secrets(value: Any, *, telling: bool) -> Iterator[str]:
    match value:
        case Mapping():
            for name, inner in value.items():
                yield from _secrets(inner, telling=telling or _TELLING.search(str(name)) is not None)
        case list() | tuple():
            for inner in value:
                yield from _secrets(inner, telling=telling)
        case str():
            yield from _in_text(value, telling=telling)
        case _:
            return


def _in_text(text: str, *, telling: bool) -> Iterator[str]:
    if telling:
        yield text
        yield from (line for line in text.splitlines() if line.strip())  # a private key is printed line by line
    if "://" in text:
        password = _password(text)
        yield from (password, unquote(password))


def _password(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:  # no URL after all
        return ""
