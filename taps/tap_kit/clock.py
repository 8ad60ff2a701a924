"""What time it is on a server: its answers tell, and our own clock may be wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


class ServerClock:
    """The server's time, for any number of threads; ours before the first answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: tuple[datetime, float] | None = None

    def note(self, headers: Mapping[str, str]) -> None:
        """Take the time of an answer: its `Date`, which is cut to a second."""
        try:
            shown = parsedate_to_datetime(headers["Date"])
        except (KeyError, ValueError):
            return
        with self._lock:
            self._known = (shown, time.monotonic())

    def now(self) -> datetime:
        """The last answer's time, and what has passed since."""
        with self._lock:
            known = self._known
        if known is None:
            return datetime.now(UTC)
        shown, at = known
        return datetime.fromtimestamp(shown.timestamp() + time.monotonic() - at, UTC)
