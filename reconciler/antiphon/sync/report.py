"""What a run says while it works: lines for people on a terminal, JSON lines elsewhere."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TextIO


@dataclass(slots=True)
class Reporter:
    """Says what happens, on standard error. `human` chooses the form; `quiet` leaves only warnings."""

    human: bool = field(default_factory=lambda: sys.stderr.isatty())
    quiet: bool = False
    verbose: bool = False
    stream: TextIO = field(default_factory=lambda: sys.stderr)

    def say(self, event: str, message: str, **facts: object) -> None:
        """Something that a user wants to know."""
        if not self.quiet:
            self._write("info", event, message, facts)

    def warn(self, event: str, message: str, **facts: object) -> None:
        """Something that a user must know."""
        self._write("warning", event, message, facts)

    def plugin(self, name: str, line: str) -> None:
        """A line that a plugin wrote to its standard error."""
        if self.verbose or not self.human:
            self._write("debug", "plugin", line, {"plugin": name})

    def _write(self, level: str, event: str, message: str, facts: dict[str, object]) -> None:
        if self.human:
            prefix = "! " if level == "warning" else ("  " if level == "debug" else "")
            print(prefix + message, file=self.stream, flush=True)
            return
        line = {"ts": datetime.now(UTC).isoformat(), "level": level, "event": event, "message": message, **facts}
        print(json.dumps(line, default=str), file=self.stream, flush=True)
