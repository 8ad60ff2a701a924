"""`follow: true`: change events are told as they come; objects without them are read again, once in a while.

An event is kept until the next question, and so is its place in the log: what was told and not yet shown when the tap
ends is told again. A log that cannot be gone on with ends the tap; an ordinary run then looks for what it missed.
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tap_kit import Bell, Polled, say
from tap_salesforce.api import SalesforceError
from tap_salesforce.api.events import Change, Events, Told
from tap_salesforce.changes import Log
from tap_salesforce.streams import ObjectStream

MOST = 10_000
"""Events of one object that wait before no more are asked for."""
AT_ONCE = 2000
"""Events that one answer shows."""


class _Topic:
    """One object's events, gathered by a thread of their own."""

    def __init__(self, stream: ObjectStream, log: Log, events: Events, bell: Bell) -> None:
        self.stream = stream
        self.error: SalesforceError | None = None
        self.loud = False
        self._log, self._events, self._bell = log, events, bell
        self._waiting: queue.Queue[Told] = queue.Queue(MOST)
        threading.Thread(target=self._gather, args=(log.place,), daemon=True).start()

    def _gather(self, after: bytes | None) -> None:
        try:
            for told in self._events.of(self.stream.name, after, stay=True):
                self._waiting.put(told)
                if isinstance(told, Change) and not told.ours:
                    self.loud = True
                    self._bell.ring()
        except SalesforceError as error:
            self.error = error
            self._bell.ring()

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows of the events that came."""
        self.loud = False
        yield from self._log.heard(self._taken())
        self.loud |= not self._waiting.empty()

    def _taken(self) -> Iterator[Told]:
        for _ in range(AT_ONCE):
            try:
                yield self._waiting.get_nowait()
            except queue.Empty:
                return


class Following:
    """An org that is followed."""

    def __init__(
        self,
        streams: Sequence[tuple[ObjectStream, Log]],
        events: Events,
        polled: Polled,
        state: Mapping[str, Any],
    ) -> None:
        """`streams` have change events, those that are `polled` have none; `state` is the tap's own."""
        self.bell = Bell()
        self._polled, self._state = polled, state
        self._said = json.dumps(state, default=str)
        self._topics = [_Topic(stream, log, events, self.bell) for stream, log in streams]
        self.pushes = bool(streams)

    @property
    def changed(self) -> bool:
        """Whether events wait that are not of our own writes. Raises the `SalesforceError` that ended them."""
        for topic in self._topics:
            if topic.error is not None:
                raise topic.error
        return any(topic.loud for topic in self._topics)

    def show(self) -> None:
        """Read the records that events named, and write them."""
        for topic in self._topics:
            topic.stream.write(topic.rows())
        self._polled.show()
        text = json.dumps(self._state, default=str)
        if text != self._said:
            self._said = text
            say({"type": "STATE", "value": self._state})
