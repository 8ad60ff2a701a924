"""How a follower does, for those who watch it by HTTP: metrics for Prometheus, liveness, readiness.

| path       | answer                                                                                        |
|------------|-----------------------------------------------------------------------------------------------|
| `/metrics` | the metrics, in the text format of Prometheus                                                 |
| `/live`    | 200 while the process works; 503 once a small round has taken more than five minutes          |
| `/ready`   | 200 while changes cross; 503 while it catches up, waits after a failure, or has stepped aside |
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import ThreadingWSGIServer, make_wsgi_app

from antiphon.errors import ConfigError
from antiphon.model import Side

DEAD = 300.0
"""Seconds between two small rounds after which the process is taken for stuck. An ordinary round may take its time."""
STALE = 30.0
"""Seconds after the last round from which on changes are not said to cross."""
_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

_BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


class Health:
    """What a follower did and how far it is. One for the process; any thread may ask it."""

    def __init__(self) -> None:
        self.registry = all_of = CollectorRegistry()
        about = "A small round, from its first question to its last receipt."
        self.rounds = Histogram("antiphon_round_seconds", about, registry=all_of, buckets=_BUCKETS)
        about = "Records that a side showed changed."
        self.changed = Counter("antiphon_records_changed", about, ["side"], registry=all_of)
        about = "Operations that a side took."
        self.written = Counter("antiphon_operations_written", about, ["side"], registry=all_of)
        about = "Operations that a target is handed at once."
        self.batches = Histogram("antiphon_batch_operations", about, ["side"], registry=all_of, buckets=_BATCH_BUCKETS)
        about = "Operations that a side will never take."
        self.refused = Counter("antiphon_operations_refused", about, ["side"], registry=all_of)
        about = "Times that plugins had to be started anew."
        self.failures = Counter("antiphon_failures", about, registry=all_of)
        about = "Age of the last look at a side that showed all of it."
        self.behind = Gauge("antiphon_behind_seconds", about, ["side"], registry=all_of)
        about = "Operations that are not finished."
        self.outbox = Gauge("antiphon_outbox_operations", about, ["side"], registry=all_of)
        about = "Conflicts that wait for a person."
        self.conflicts = Gauge("antiphon_conflicts_open", about, registry=all_of)
        self._ready: float | None = None

    def beat(self, *, ready: bool = False) -> None:
        """The process works; `ready`: a small round has ended well."""
        self._ready = time.monotonic() if ready else None

    @property
    def live(self) -> bool:
        """Whether the process gives signs of life."""
        return self._ready is None or time.monotonic() - self._ready < DEAD

    @property
    def ready(self) -> bool:
        """Whether changes cross."""
        return self._ready is not None and time.monotonic() - self._ready < STALE

    def look_at(self, side: Side, behind: Callable[[], float]) -> None:
        """Have the age of the last look at a side asked when somebody wants to know."""
        self.behind.labels(side).set_function(behind)

    @contextmanager
    def served(self, address: str) -> Iterator[int]:
        """Answer at HOST:PORT, or nowhere if that is empty; the port. Raises `ConfigError` if it cannot be had."""
        if not address:
            yield 0
            return
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal():
            raise ConfigError(f"--listen {address}: this is no address", hint="write HOST:PORT, as 127.0.0.1:9464")
        try:
            server = make_server(host.strip("[]"), int(port), self._answer, ThreadingWSGIServer, _Quiet)
        except (OSError, OverflowError) as error:
            raise ConfigError(f"--listen {address}: {error}", hint="name an address and a free port") from error
        thread = threading.Thread(target=server.serve_forever, name="listen", daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            server.server_close()

    def _answer(self, asked: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        answers: Mapping[str, Callable[[], bool]] = {"/live": lambda: self.live, "/ready": lambda: self.ready}
        path = asked.get("PATH_INFO", "")
        if path == "/metrics":
            found: Iterable[bytes] = make_wsgi_app(self.registry)(asked, start)
            return found
        if path not in answers:
            return _said(start, "404 Not Found", "there are /metrics, /live and /ready")
        return _said(start, "200 OK", "yes") if answers[path]() else _said(start, "503 Service Unavailable", "no")


def _said(start: Callable[..., Any], status: str, text: str) -> list[bytes]:
    start(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [f"{text}\n".encode()]


class _Quiet(WSGIRequestHandler):
    """Requests are no news."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        """Say nothing."""
