"""What a target was told in confidence and may not repeat in logs, receipts or refused rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

_SHORTEST = 4
_URL_PASSWORD = re.compile(r"://[^:/@\s]*:([^@\s]+)@")
HIDDEN = "****"


class Secrets:
    """The secret settings of a target (`secret: true` in its schema) and the passwords in its URLs."""

    def __init__(self, config: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
        found = {value for value in _secrets(config, schema) if len(value) >= _SHORTEST}
        self._texts = sorted(found, key=len, reverse=True)
        self._bytes = [text.encode() for text in self._texts]

    def hide(self, text: str) -> str:
        """The text without them."""
        for secret in self._texts:
            text = text.replace(secret, HIDDEN)
        return text

    def hide_bytes(self, line: bytes) -> bytes:
        """The line without them."""
        for secret in self._bytes:
            line = line.replace(secret, HIDDEN.encode())
        return line


def _secrets(config: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    for name, declared in schema.get("properties", {}).items():
        value = config.get(name)
        if isinstance(value, dict):
            yield from _secrets(value, declared)
        elif isinstance(value, str):
            passwords = _URL_PASSWORD.findall(value)
            yield from passwords
            yield from map(unquote, passwords)
            if declared.get("secret") and not passwords and "://" not in value:
                yield value
