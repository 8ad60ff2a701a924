"""Singer messages on standard output, joined by the thousand: one write for many records."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from tap_sql.values import encode

_FULL = 1 << 16


class _Binary(Protocol):
    def write(self, content: bytes) -> object:
        """Take bytes."""

    def flush(self) -> None:
        """Hand them on."""


class Output:
    """Where one stream's records go. What was written is handed on by `flush`, or when there is much of it."""

    def __init__(self, stream: str, *, extracted_at: str, version: int | None = None) -> None:
        """`extracted_at` is ISO 8601 with a zone; `version` is that of ACTIVATE_VERSION, if there is one."""
        stamp = b'"time_extracted":' + encode(extracted_at)
        number = b',"version":' + str(version).encode() if version is not None else b""
        self._head = b'{"type":"RECORD","stream":' + encode(stream) + b"," + stamp + number + b',"record":'
        self._between = b"}\n" + self._head
        self._parts: list[bytes] = []
        self._size = 0

    def records(self, records: Sequence[bytes]) -> None:
        """RECORD messages."""
        if records:
            self._write(self._head + self._between.join(records) + b"}\n")

    def record(self, record: bytes, sync: Mapping[str, Any]) -> None:
        """A RECORD message with an envelope."""
        self._write(self._head + record + b',"sync":' + encode(sync) + b"}\n")

    def message(self, message: Mapping[str, Any]) -> None:
        """Any other message."""
        self._write(encode(message) + b"\n")

    def flush(self) -> None:
        """Hand everything on to the target."""
        out = _stdout()
        if self._parts:
            out.write(b"".join(self._parts))
            self._parts, self._size = [], 0
        out.flush()

    def _write(self, text: bytes) -> None:
        self._parts.append(text)
        self._size += len(text)
        if self._size >= _FULL:
            self.flush()


def _stdout() -> _Binary:
    return sys.stdout.buffer
