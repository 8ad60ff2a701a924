"""What a run says while it works: lines for people on a terminal, JSON lines elsewhere."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TextIO

_REDRAW = 0.2
_PREFIX = {"warning": "! ", "debug": "  "}


@dataclass(slots=True)
class Reporter:
    """Says what happens, on standard error. `human` chooses the form; `quiet` leaves only warnings."""

    human: bool = field(default_factory=sys.stderr.isatty)
    quiet: bool = False
    verbose: bool = False
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    _drawn: float = 0.0
    _open: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def say(self, topic: str, message: str, **facts: object) -> None:
        """Something that a user wants to know."""
        if not self.quiet:
            self._write("info", topic, message, facts)

    def warn(self, topic: str, message: str, **facts: object) -> None:
        """Something that a user must know."""
        self._write("warning", topic, message, facts)

    def progress(self, text: Callable[[], str]) -> None:
        """Long work goes on: a line on a terminal that the next one replaces, at most five times a second.

        `text` makes the line; it is called only if the line is shown.
        """
        if not self.human or self.quiet or not self.stream.isatty() or time.monotonic() - self._drawn < _REDRAW:
            return
        self._drawn = time.monotonic()
        self._open = True
        print(f"\r\x1b[K{text()}", end="", file=self.stream, flush=True)

    def plugin(self, name: str, line: str) -> None:
        """A line that a plugin wrote to its standard error."""
        if self.verbose or not self.human:
            self._write("debug", "plugin", line, {"plugin": name})

    @staticmethod
    def _who() -> dict[str, object]:
        """What Meltano asks of a line before it shows its message (the SDK's `schemas/logs.schema.json`).

        A fact must not be called `event`: Meltano 4.4 stops the run over it.
        """
        thread = threading.current_thread().name
        return {"logger_name": "antiphon", "app_name": "antiphon", "pid": os.getpid(), "thread_name": thread}

    def _write(self, level: str, topic: str, message: str, facts: dict[str, object]) -> None:
        if self.human:
            line = _PREFIX.get(level, "") + message
        else:
            said = {"ts": datetime.now(UTC).isoformat(), "level": level, "topic": topic, "message": message}
            line = json.dumps({**said, **facts, **self._who()}, default=str)
        with self._lock:  # plugins speak from threads of their own
            cleared = "\r\x1b[K" if self._open else ""
            self._open = False
            self.stream.write(f"{cleared}{line}\n")
            self.stream.flush()
