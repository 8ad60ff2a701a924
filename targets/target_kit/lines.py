"""Files of JSON lines that survive a kill: whole lines only, on the disk before anything is said to be safe."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from target_kit.errors import SettingsError, TargetError

_encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=str)


def encode(value: Any) -> bytes:
    """The JSON of a value; decimals keep every digit, instants are ISO 8601."""
    return _encoder.encode(value)


class LineFile:
    """Collects lines and appends them, flushed to the disk, when told to `save`.

    The file is opened for each save, so that it may be set aside and started anew by whoever reads it. A line that
    a killed run left half written is ended first; it stays unreadable and harms no other.
    `hide` takes secrets out of each line.
    """

    def __init__(self, path: Path, setting: str, hide: Callable[[bytes], bytes] = bytes) -> None:
        self.path = path
        self._setting = setting
        self._hide = hide
        self._waiting: list[bytes] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._append(b"")
        except OSError as error:
            raise SettingsError(
                f"nothing can be written to {path}: {error.strerror}", hint=f"see the setting `{setting}`"
            ) from error

    def add(self, value: Mapping[str, Any]) -> None:
        """One more line."""
        self._waiting.append(self._hide(encode(value)) + b"\n")

    def save(self) -> None:
        """Append what was added since, and return once it is on the disk. Raises `TargetError`."""
        if not self._waiting:
            return
        content = b"".join(self._waiting)
        try:
            while not self._append(content):
                pass  # the file was set aside between our opening and our writing: its successor gets them too
        except OSError as error:
            raise TargetError(
                f"{self.path} cannot be written: {error.strerror}", hint=f"see the setting `{self._setting}`"
            ) from error
        self._waiting.clear()

    def _append(self, content: bytes) -> bool:
        """Append; whether the file that was written still has its name."""
        with self.path.open("a+b") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            written = os.fstat(file.fileno()).st_ino
        try:
            return self.path.stat().st_ino == written
        except FileNotFoundError:
            return False
