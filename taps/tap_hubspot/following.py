"""`follow: true`: what changed is learnt from webhooks as it happens, or from search; then it is read by id.

| what tells of a change         | when                                    | what follows                            |
|--------------------------------|-----------------------------------------|-----------------------------------------|
| a webhook                      | with `webhook_listen`, at once          | the reader is told at once              |
| a webhook of our own write     | the same                                | it is read with whatever is read next   |
| search                         | without `webhook_listen`, when asked    | the records are read                    |
| a sweep: search, recycle bin   | at the start and every `sweep_seconds`  | those that were not shown yet are read  |
| nothing: associations, lists … | every `sweep_seconds`; on a webhook     | the stream is read whole                |

Nothing is believed of a webhook but that a record was touched. It may come twice, late, or never, and more than one
may tell of one edit: the bookmark moves with sweeps alone, so that what a webhook told before a fall is found again.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from singer_sdk import typing as th

from tap_hubspot.api import DailyLimit, HubSpot, HubSpotError, Unavailable
from tap_hubspot.api.properties import milliseconds
from tap_hubspot.client import HubSpotStream
from tap_hubspot.listening import Event, Listener, WrongAddress
from tap_hubspot.streams import UPDATED, AssociationStream, CrmStream
from tap_kit import DELETED_AT, Bell, say

MOST = 50_000
"""Records that wait to be read before webhooks are put off: HubSpot sends them again."""
AT_ONCE = 2000
"""Records that are read for one answer; the others are told to wait."""

_BEHIND = 30.0
"""Seconds that search trails behind as a rule; for what trails longer there are sweeps."""
_SOON = 5.0
"""Seconds between two looks at the same when somebody asks for them."""
_SHARE = 10
"""A stream that is read whole rests so many times as long as that took."""

SETTINGS = (
    th.Property(
        "webhook_listen",
        th.StringType,
        title="Listen for webhooks",
        description="HOST:PORT at which a tap that follows takes HubSpot's webhooks; without it changes are looked "
        "for by search whenever it is asked. Needs `webhook_url` and `client_secret`.",
    ),
    th.Property(
        "webhook_url",
        th.StringType,
        title="Address of the webhooks",
        description="The address that HubSpot sends webhooks to, as the app names it, from https on: it is a part of "
        "what HubSpot signs. A proxy there leads to `webhook_listen`.",
    ),
    th.Property(
        "sweep_seconds",
        th.NumberType,
        default=300,
        title="Sweep",
        description="How often a tap that follows searches for what webhooks missed, looks into the recycle bin, and "
        "reads streams that are read whole.",
    ),
)

_TYPES = {
    "0-1": "contacts", "0-2": "companies", "0-3": "deals", "0-5": "tickets", "0-7": "products", "0-8": "line_items",
    "0-27": "tasks", "0-46": "notes", "0-47": "meetings", "0-48": "calls", "0-49": "emails", "0-136": "leads",
}  # fmt: skip
"""Object types by id, as events of the kind `object.…` name them (HubSpot docs, "Object type IDs")."""
_NAMES = {
    "contact": "contacts", "company": "companies", "deal": "deals", "ticket": "tickets", "product": "products",
    "line_item": "line_items",
}  # fmt: skip
"""Object types as other events name them (HubSpot docs, "Webhooks API", "Webhook subscriptions")."""
_ENDS = ("deletion", "privacyDeletion")

logger = logging.getLogger("tap_hubspot")


@dataclass(slots=True)
class _Pile:
    """What of one stream waits to be read: by id, whether it is said to be deleted."""

    stream: CrmStream
    covered: datetime
    """All before this was shown, but for what search shows later."""
    waiting: dict[str, bool] = field(default_factory=dict)
    loud: bool = False
    """Whether some of it is not an echo of our own."""
    shown: dict[str, int] = field(default_factory=dict)
    """When the records that were shown had been edited, in milliseconds."""
    searched: datetime | None = None
    swept: datetime | None = None
    """When the last sweep began of which all that it found is in the pile."""

    def add(self, ids: Iterable[str], *, deleted: bool = False, loud: bool = True) -> None:
        for key in ids:
            self.waiting[key] = deleted or self.waiting.get(key, False)
            self.loud |= loud

    def news(self, edited: Mapping[str, str]) -> list[str]:
        """Those that were edited after they were shown."""
        return [key for key, at in edited.items() if milliseconds(at) > self.shown.get(key, 0)]

    def take(self) -> dict[str, bool]:
        """What is read now."""
        keys = list(self.waiting)[:AT_ONCE]
        self.loud = self.loud and len(keys) < len(self.waiting)
        return {key: self.waiting.pop(key) for key in keys}

    def note(self, row: Mapping[str, Any]) -> None:
        self.shown[row["id"]] = milliseconds(row[DELETED_AT] or row[UPDATED])

    def forget(self, before: datetime) -> None:
        limit = milliseconds(before.isoformat())
        self.shown = {key: at for key, at in self.shown.items() if at >= limit}


@dataclass(slots=True)
class _Whole:
    """A stream that is read whole, and when it is due."""

    stream: HubSpotStream
    due: float
    rested: float = 0.0
    """When it has rested."""


class Following:
    """An account that is followed."""

    def __init__(
        self,
        hubspot: HubSpot,
        streams: Sequence[HubSpotStream],
        config: Mapping[str, Any],
        state: MutableMapping[str, Any],
    ) -> None:
        """`state` is the tap's own; it is altered. Raises `WrongAddress`, and what HubSpot refuses."""
        self.bell = Bell()
        self._state, self._lock = state, threading.Lock()
        self._said = json.dumps(state)
        self._pause = float(config.get("sweep_seconds") or 300)
        self._overlap = timedelta(seconds=float(config["overlap_seconds"]))
        self._clock, self._app = hubspot.session.clock, hubspot.account().app
        self._piles: dict[str, _Pile] = {}
        self._whole: list[_Whole] = []
        bookmarks = state.get("bookmarks", {})
        for stream in streams:
            known = bookmarks.get(stream.name, {}).get("replication_key_value")
            if isinstance(stream, CrmStream):
                self._piles[stream.name] = _Pile(stream, datetime.fromisoformat(known) if known else self._clock())
            if stream.replication_method != "INCREMENTAL":
                self._whole.append(_Whole(stream, time.monotonic() + self._pause))
        self._error: HubSpotError | None = None
        self._sweep_now = threading.Event()
        self._listener = _listener(config, self.hear)
        threading.Thread(target=self._sweep_always, name="sweep", daemon=True).start()

    @property
    def pushes(self) -> bool:
        """Whether webhooks tell of changes."""
        return self._listener is not None

    @property
    def changed(self) -> bool:
        """Whether records wait. Raises the `HubSpotError` that ended the sweeps."""
        if self._error is not None:
            raise self._error
        with self._lock:
            return any(pile.loud for pile in self._piles.values())

    # ---- webhooks

    def hear(self, events: Sequence[Event]) -> bool:
        """Take events in; False if too much waits already. Called in any thread."""
        with self._lock:
            if sum(len(pile.waiting) for pile in self._piles.values()) > MOST:
                return False
            for event in events:
                self._hear(event)
        self.bell.ring()
        return True

    def _hear(self, event: Event) -> None:
        kind, _, what = str(event.get("subscriptionType", "")).rpartition(".")
        name = _TYPES.get(str(event.get("objectTypeId")), "") if kind == "object" else _NAMES.get(kind, kind)
        if what == "associationChange":
            self._hurry(name)
        pile = self._piles.get(name)
        if pile is None:
            if name not in _NAMES.values():  # a type of the account's own, which events name by a number
                self._sweep_now.set()
            return
        ours = event.get("changeSource") == "INTEGRATION" and str(event.get("sourceId")) == self._app
        ids = [event.get(key) for key in ("objectId", "primaryObjectId", "newObjectId", "fromObjectId")]
        ids += event.get("mergedObjectIds") or []
        pile.add((str(each) for each in ids if each and str(each) != "0"), deleted=what in _ENDS, loud=not ours)

    def _hurry(self, name: str) -> None:
        """Associations of records of this type changed."""
        for whole in self._whole:
            stream = whole.stream
            if isinstance(stream, AssociationStream) and name in (stream.from_type, stream.to_type):
                whole.due = min(whole.due, whole.rested)

    # ---- sweeps

    def _sweep_always(self) -> None:
        """Look for what webhooks missed, again and again."""
        while True:
            self._sweep_now.clear()
            try:
                for pile in self._piles.values():
                    self._sweep(pile)
            except (Unavailable, DailyLimit) as error:
                logger.warning("a sweep found HubSpot away, and comes again: %s", error.message)
            except HubSpotError as error:
                self._error = error
                self.bell.ring()
                return
            time.sleep(min(_SOON, self._pause))
            self._sweep_now.wait(max(0.0, self._pause - _SOON))

    def _sweep(self, pile: _Pile) -> None:
        begun, since = self._clock(), pile.covered - self._overlap
        edited, gone = pile.stream.changed(since), list(pile.stream.archived(since))
        with self._lock:
            missed = pile.news(edited)
            missed += [key for key in gone if key not in pile.shown]
            pile.add(missed)
            pile.forget(since)
            pile.swept = begun
        self.bell.ring()

    def _search(self, pile: _Pile) -> None:
        """What changed since the last search, by search."""
        begun = self._clock()
        since = pile.covered - self._overlap
        if pile.searched is not None:
            since = max(since, pile.searched - timedelta(seconds=_BEHIND))
        edited = pile.stream.changed(since)
        with self._lock:
            pile.add(pile.news(edited))
        pile.searched = begun

    # ---- answers

    def show(self) -> None:
        """Read what waits, and write it."""
        now = time.monotonic()
        due = [whole for whole in self._whole if whole.due <= now]
        if self._whole:
            say({"type": "FOLLOW", "whole": [whole.stream.name for whole in due]})
        for whole in due:
            whole.stream.read_again(thorough=True)
            took = time.monotonic() - now
            whole.rested = time.monotonic() + max(_SOON, _SHARE * took)
            whole.due = time.monotonic() + max(self._pause, _SHARE * took)
        for pile in self._piles.values():
            if not self.pushes:
                self._search(pile)
            self._show(pile)
        text = json.dumps(self._state)
        if text != self._said:
            self._said = text
            say({"type": "STATE", "value": self._state})

    def _show(self, pile: _Pile) -> None:
        with self._lock:
            asked = pile.take()
            swept = pile.swept if not pile.waiting else None
        rows = list(pile.stream.rows_of(asked)) if asked else []
        with self._lock:
            for row in rows:
                pile.note(row)
            if swept is not None:
                pile.swept, pile.covered = (None if pile.swept == swept else pile.swept), swept
        pile.stream.write(rows)
        if swept is not None and pile.stream.replication_method == "INCREMENTAL":
            mark = {"replication_key": UPDATED, "replication_key_value": swept.isoformat()}
            self._state.setdefault("bookmarks", {})[pile.stream.name] = mark


def _listener(config: Mapping[str, Any], hear: Any) -> Listener | None:
    address = config.get("webhook_listen")
    if not address:
        return None
    missing = [name for name in ("webhook_url", "client_secret") if not config.get(name)]
    if missing:
        raise WrongAddress(
            f"webhook_listen: {' and '.join(missing)} missing",
            hint="the app's page in HubSpot shows its secret, and the address that it sends webhooks to",
        )
    return Listener(str(address), str(config["webhook_url"]), str(config["client_secret"]), hear)
