"""Pacing: no more requests than HubSpot takes, and hardly fewer.

Own code, because libraries of this kind are given their rates beforehand and count when a request *starts*. Here the
rate is learned from the answers, other users of the account are seen in them, and a request counts until ten seconds
after its *answer*: HubSpot received it in between, so that no jitter of the network can put one too many into a window.
"""

from __future__ import annotations

import bisect
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

BURST, BURST_SPAN = 100, 10.0
"""Requests in any ten seconds, until an answer says more: the smallest plan (HubSpot docs, "API usage guidelines")."""

SEARCHES, SEARCH_SPAN = 5, 1.0
"""Searches in any second, per account (HubSpot docs, "CRM API | Search", section "Limits"); no header tells it."""

LATE = 1.0
"""Seconds that an answer may be under way: what it tells of the window is at most so old."""

_PREFIX = "X-HubSpot-RateLimit-"


@dataclass(slots=True)
class _Window:
    """A rolling window: `most` requests in `span` seconds, of which `foreign` are known to be somebody else's."""

    most: int
    span: float
    flying: int = 0
    landed: deque[float] = field(default_factory=deque)
    foreign: int = 0
    foreign_until: float = 0.0
    paused_until: float = 0.0

    def ours(self, now: float) -> int:
        """How many requests of ours the server may have counted for an answer that is just coming in."""
        while self.landed and self.landed[0] <= now - self.span - LATE:
            self.landed.popleft()
        return len(self.landed) + self.flying

    def wait(self, now: float) -> float:
        """Seconds until one more may start; 0 if it may now."""
        self.ours(now)
        old = bisect.bisect_right(self.landed, now - self.span)
        if now >= self.foreign_until:
            self.foreign = 0
        if now < self.paused_until:
            return self.paused_until - now
        if self.flying + len(self.landed) - old + self.foreign < self.most:
            return 0.0
        ends = [self.landed[old] + self.span] if old < len(self.landed) else []
        if self.foreign:
            ends.append(self.foreign_until)
        return max(min(ends) - now, 0.001) if ends else 0.01  # all are in flight: look again soon


class Limiter:
    """The pace of one account, for all threads of a process. `kind` is api or search; they have separate limits."""

    def __init__(
        self,
        burst: int | None = None,
        searches: int = SEARCHES,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._windows = {"api": _Window(burst or BURST, BURST_SPAN), "search": _Window(searches, SEARCH_SPAN)}
        self._fixed = burst is not None
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self.daily_left: int | None = None
        self.daily: int | None = None
        self.sent = {"api": 0, "search": 0}

    def start(self, kind: str) -> None:
        """Wait until a request may go out; it must be followed by `end`."""
        while True:
            with self._lock:
                wait = self._windows[kind].wait(self._clock())
                if wait <= 0:
                    self._windows[kind].flying += 1
                    self.sent[kind] += 1
                    return
            self._sleep(wait)

    def end(self, kind: str, headers: Mapping[str, str]) -> None:
        """The request was answered, or given up. `headers` tell the plan's rate and what others use of it."""
        with self._lock:
            window, now = self._windows[kind], self._clock()
            window.flying -= 1
            window.landed.append(now)
            left = _number(headers, "Daily-Remaining")
            if left is not None:
                self.daily_left, self.daily = left, _number(headers, "Daily")
            most, remaining = _number(headers, "Max"), _number(headers, "Remaining")
            if kind != "api" or most is None or remaining is None:
                return
            if not self._fixed:
                window.most = most
            foreign = most - remaining - window.ours(now)
            if foreign > 0:
                window.foreign, window.foreign_until = foreign, now + window.span

    def pause(self, kind: str, seconds: float) -> None:
        """HubSpot asked for a pause: nothing of this kind starts before it is over."""
        with self._lock:
            window = self._windows[kind]
            window.paused_until = max(window.paused_until, self._clock() + seconds)

    def minutes(self, calls: int) -> float:
        """How long so many requests take at the pace known by now."""
        window = self._windows["api"]
        return max(0, calls - window.most) * window.span / window.most / 60


def _number(headers: Mapping[str, str], name: str) -> int | None:
    try:
        return int(headers[_PREFIX + name])
    except (KeyError, ValueError):
        return None
