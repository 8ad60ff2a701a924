"""Streams of a tap that stays, read again whenever it is asked: of APIs that cannot tell of changes."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tap_kit.following import Bell, say
from tap_kit.messages import EnvelopeStream

THOROUGH = 60.0
"""Seconds between two reads that also look for what takes long to find."""


class Polled:
    """Reads its streams when it is asked, but not more often than `every` so many seconds."""

    pushes = False
    changed = False

    def __init__(self, streams: Sequence[EnvelopeStream], state: Mapping[str, Any], every: float = 0.0) -> None:
        """`state` is the tap's own, which the streams alter."""
        self.bell = Bell()
        self._streams, self._state, self._every = streams, state, every
        self._said = json.dumps(state, default=str)
        self._read = self._thorough = time.monotonic() - max(every, THOROUGH)

    def show(self) -> None:
        """Read, and write what was not written before."""
        now = time.monotonic()
        due, thorough = now - self._read >= self._every, now - self._thorough >= THOROUGH
        full = [each.name for each in self._streams if each.replication_method == "FULL_TABLE"]
        if full:
            say({"type": "FOLLOW", "whole": full if due and thorough else []})
        if not due or not self._streams:
            return
        self._read = now
        if thorough:
            self._thorough = now
        for stream in self._streams:
            if stream.replication_method != "FULL_TABLE" or thorough:
                stream.read_again(thorough=thorough)
        text = json.dumps(self._state, default=str)
        if text != self._said:
            self._said = text
            say({"type": "STATE", "value": self._state})
