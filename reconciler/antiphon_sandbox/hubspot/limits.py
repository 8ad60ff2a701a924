"""HubSpot's rate limits, their headers, and a tally of what was asked.

The burst limit counts the requests of the last ten seconds. Search has a limit of its own per second and is not
counted with the others. The daily limit counts all (HubSpot docs, "API usage guidelines and limits").
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from antiphon_sandbox.hubspot.errors import Refused, over_limit

WINDOW = 10.0
"""Seconds of the burst limit."""


@dataclass(slots=True)
class Limits:
    """`burst` requests in ten seconds, `search` in one, `daily` in all. The defaults are those of a Pro account."""

    burst: int = 190
    search: int = 5
    daily: int = 625_000
    clock: Callable[[], float] = time.monotonic
    used: int = 0
    tally: Counter[str] = field(default_factory=Counter)  # answered requests by kind, and "429" for those refused
    _burst: deque[float] = field(default_factory=deque)
    _search: deque[float] = field(default_factory=deque)

    @classmethod
    def off(cls) -> Limits:
        """No limits to speak of, for tests of other things."""
        return cls(burst=10**9, search=10**9, daily=10**12)

    def take(self, kind: str) -> Refused | None:
        """Count one request of a kind, or refuse it."""
        now = self.clock()
        if self.used >= self.daily:
            return self._over("daily")
        recent, most, span = (self._search, self.search, 1.0) if kind == "search" else (self._burst, self.burst, WINDOW)
        while recent and recent[0] <= now - span:
            recent.popleft()
        if len(recent) >= most:
            return self._over("secondly" if kind == "search" else "burst")
        recent.append(now)
        self.used += 1
        self.tally[kind] += 1
        return None

    def headers(self, kind: str, *, oauth: bool = False) -> dict[str, str]:
        """As recorded: searches show the daily limit alone, and calls by OAuth do not show that one."""
        shown = {}
        if not oauth:
            shown["X-HubSpot-RateLimit-Daily"] = str(self.daily)
            shown["X-HubSpot-RateLimit-Daily-Remaining"] = str(max(0, self.daily - self.used))
        if kind != "search":
            shown["X-HubSpot-RateLimit-Max"] = str(self.burst)
            shown["X-HubSpot-RateLimit-Remaining"] = str(max(0, self.burst - len(self._burst)))
            shown["X-HubSpot-RateLimit-Interval-Milliseconds"] = str(int(WINDOW * 1000))
        return shown

    def _over(self, which: str) -> Refused:
        self.tally["429"] += 1
        return over_limit(which)
