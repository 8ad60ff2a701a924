"""The physical limit of a run: its very requests once more, by a client that does nothing else.

The server of the sandbox, the machine and whoever else works on it are slow or quick for both. `Heard` writes down what
a plugin asks for; this module, as a program, sends the same again by plain `requests`, searches in their order and all
else from four threads, each as soon as the limits allow, and throws the answers away.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import requests

from antiphon_sandbox.hubspot import HubSpot
from antiphon_sandbox.hubspot.request import Reply, Request

BURST, SPAN, SEARCHES = 190, 10.0, 5
_UNSURE = 0.05
"""Seconds that a request may be under way until the server counts it."""


class Heard(HubSpot):
    """A HubSpot of the sandbox that writes down every request."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.calls: list[dict[str, Any]] = []

    def answer(self, request: Request) -> Reply:
        """What the API says to a request."""
        query = {name: list(values) for name, values in request.query.items()}
        self.calls.append({"method": request.method, "path": request.url, "query": query, "body": request.body})
        return super().answer(request)

    @property
    def seconds(self) -> float:
        """From the first request that was let in to the last."""
        return self.seen[-1][0] - self.seen[0][0]

    @property
    def silence(self) -> float:
        """The longest time without a request, in which the run planned or waited for the other side."""
        return max((b[0] - a[0] for a, b in pairwise(self.seen)), default=0.0)

    def forget(self) -> None:
        """Begin anew, with an empty window."""
        time.sleep(SPAN + 1)
        self.limits.tally.clear()
        self.seen.clear()
        self.calls.clear()

    def bare(self, folder: Path) -> float:
        """The seconds that the bare client needs for what was heard since `forget`, from the first to the last."""
        file = folder / "calls.jsonl"
        file.write_text("".join(json.dumps(call) + "\n" for call in self.calls), encoding="utf-8")
        self.forget()
        subprocess.run([sys.executable, "-m", __spec__.name, str(file), self.url, self.token], check=True)
        return self.seconds


class _Pace:
    """At most so many in a span."""

    def __init__(self, most: int, span: float) -> None:
        self._sent: deque[float] = deque(maxlen=most)
        self._span, self._lock = span + _UNSURE, threading.Lock()

    def wait(self) -> None:
        with self._lock:
            if len(self._sent) == self._sent.maxlen:
                time.sleep(max(0.0, self._sent[0] + self._span - time.monotonic()))
            self._sent.append(time.monotonic())


def main() -> None:
    """Send the calls of a file."""
    file, url, token = sys.argv[1:]
    calls = [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]
    http = requests.Session()
    http.headers["Authorization"] = f"Bearer {token}"

    def send(some: Iterable[dict[str, Any]], pace: _Pace) -> None:
        for call in some:
            while True:
                pace.wait()
                answer = http.request(call["method"], url + call["path"], params=call["query"], json=call["body"])
                if answer.status_code != 429:
                    answer.raise_for_status()
                    break

    searches = [call for call in calls if call["path"].endswith("/search")]
    others = iter([call for call in calls if not call["path"].endswith("/search")])
    lock = threading.Lock()

    def next_ones() -> Iterable[dict[str, Any]]:
        while True:
            with lock:
                call = next(others, None)
            if call is None:
                return
            yield call

    search, burst = _Pace(SEARCHES, 1.0), _Pace(BURST, SPAN)
    with ThreadPoolExecutor(5) as pool:
        work = [pool.submit(send, searches, search), *(pool.submit(send, next_ones(), burst) for _ in range(4))]
    for each in work:
        each.result()


if __name__ == "__main__":
    main()
