"""Webhooks as HubSpot sends them: arrays of events, signed (v3), at least once, in no order, retried.

The signature is base64(HMAC-SHA256(secret, method + URI + body + timestamp)); HubSpot docs, "Validating requests".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import queue
import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import requests

MOST, ATTEMPTS, PATIENCE = 100, 10, 5.0
"""Events of one request, attempts for one, and seconds that the receiver has to answer."""


def signature(secret: str, method: str, uri: str, body: str, timestamp: str) -> str:
    """`X-HubSpot-Signature-v3` of a request."""
    source = f"{method}{uri}{body}{timestamp}".encode()
    return base64.b64encode(hmac.new(secret.encode(), source, hashlib.sha256).digest()).decode()


@dataclass(slots=True)
class Webhooks:
    """Sends an account's events to `url`. `twice` is how often, of a hundred, a batch is sent again."""

    url: str
    secret: str
    twice: int = 0
    pause: float = 0.05
    sent: int = 0
    given_up: int = 0
    _events: queue.SimpleQueue[dict[str, Any] | None] = field(default_factory=queue.SimpleQueue)
    _thread: threading.Thread | None = None
    _random: random.Random = field(default_factory=lambda: random.Random(7))

    def hear(self, event: dict[str, Any]) -> None:
        """An event of the account."""
        self._events.put(event)

    def start(self) -> None:
        """Begin to send."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send what is left, and end."""
        self._events.put(None)
        if self._thread is not None:
            self._thread.join(timeout=10)

    def _run(self) -> None:
        number = 0
        while (event := self._events.get()) is not None:
            batch = [event]
            time.sleep(self.pause)
            while len(batch) < MOST and not self._events.empty():
                more = self._events.get()
                if more is None:
                    self._events.put(None)
                    break
                batch.append(more)
            numbered: list[dict[str, Any]] = []
            for each in batch:
                number += 1
                numbered.append({"eventId": number, "subscriptionId": 1, "attemptNumber": 0, **each})
            self._random.shuffle(numbered)
            self._deliver(numbered)
            if self._random.randrange(100) < self.twice:
                self._deliver(numbered)

    def _deliver(self, batch: list[dict[str, Any]]) -> None:
        for attempt in range(ATTEMPTS):
            body = json.dumps([{**each, "attemptNumber": attempt} for each in batch])
            stamp = str(time.time_ns() // 1_000_000)
            headers = {
                "Content-Type": "application/json",
                "X-HubSpot-Request-Timestamp": stamp,
                "X-HubSpot-Signature-v3": signature(self.secret, "POST", self.url, body, stamp),
            }
            try:
                if requests.post(self.url, body.encode(), headers=headers, timeout=PATIENCE).ok:
                    self.sent += len(batch)
                    return
            except requests.RequestException:
                pass  # the receiver is down: it is tried again, like one that answers with an error
            time.sleep(self.pause * (attempt + 1))
        self.given_up += len(batch)
