"""LOG_BASED: what Change Data Capture tells, record by record, in seconds instead of by looking.

An event names records; their values are read as they are now, so that formulas, and fields that events leave out, are
there too. Of the event the record keeps when each column was edited, and whether it was by us.

| the bookmark                                     | what is done                                                   |
|--------------------------------------------------|----------------------------------------------------------------|
| none                                             | the object is read in full, then as with one                   |
| a replay id                                      | the events after it                                            |
| none but `covered`                               | the events that are kept, but for those older than it          |
| a replay id whose event is kept no longer        | a catch-up: what changed since, by `SystemModstamp`            |
| `GAP_OVERFLOW`, or an id that stands for many    | the same                                                       |
| `GAP_CREATE`, `GAP_UPDATE` …                     | their records are read like any other's                        |

A catch-up knows no replay id. `covered` is when a read began whose rows are all given, or the time of the last event
that is; silence does not move it, since an event may be under way. It stands in the stream's own bookmark, without
which a read is one in full; the replay id stands beside it, and is good after that, too. Events are kept for 72 hours.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from tap_kit import ENVELOPE, in_batches
from tap_salesforce.api import STAMP, ExpiredReplay
from tap_salesforce.api.events import OVERFLOW, Change, Events, Position, Told

KEPT = timedelta(hours=72)
AT_ONCE = 2000
"""Records that are read back in one request."""

_CUT_OFF = timedelta(seconds=1)
"""Salesforce's time is read to a second."""

logger = logging.getLogger("tap-salesforce")


class Readable(Protocol):
    """What a log needs of its stream."""

    name: str

    def now(self) -> datetime:
        """Salesforce's time."""

    def changed_since(self, since: datetime | None) -> Iterable[dict[str, Any]]:
        """All rows, or those that changed since a moment less the overlap."""

    def rows_of(self, ids: Sequence[str], at: datetime) -> Iterable[dict[str, Any]]:
        """Records as they are now; those that are not there any more as gone at that moment."""


@dataclass(slots=True)
class _Touched:
    """What events say of a record. `ours`: every one of them was of our own write."""

    at: datetime
    ours: bool = True
    times: dict[str, str] = field(default_factory=dict)
    known: bool = True

    def add(self, change: Change) -> None:
        self.at = max(self.at, change.at)
        self.ours &= change.ours
        self.known &= not change.kind.startswith("GAP_")
        self.times |= dict.fromkeys(change.columns, change.at.isoformat())


class Log:
    """One object's events. `mark` is its bookmark, with `covered`; `place` has the `replay_id`."""

    def __init__(
        self, stream: Readable, mark: dict[str, Any], place: dict[str, Any], overlap: timedelta
    ) -> None:  # fmt: skip
        self._stream, self._mark, self._place, self._overlap = stream, mark, place, overlap
        self._touched: dict[str, _Touched] = {}

    def rows(self, events: Events) -> Iterator[dict[str, Any]]:
        """The rows of a run."""
        anew = "covered" not in self._mark
        if anew:
            yield from self._caught_up(None)
        elif "replay_id" not in self._place and self._covered < self._stream.now() - KEPT:
            yield from self._missed("the events since the last read are kept no longer")
        try:
            yield from self._told(events)
        except ExpiredReplay as expired:
            self._place.clear()
            if not anew:
                yield from self._missed(expired.message)
            yield from self._told(events)

    def heard(self, events: Iterable[Told]) -> Iterator[dict[str, Any]]:
        """The rows of events that came while the stream was followed."""
        earliest = None if "replay_id" in self._place else self._covered - self._overlap
        last, covered = None, self._covered
        for told in events:
            last = told.replay_id
            if isinstance(told, Change):
                covered = max(covered, told.at)
                if earliest is None or told.at >= earliest:
                    yield from self._noted(told)
        yield from self._flushed(last)
        self._mark["covered"] = covered.isoformat()

    @property
    def place(self) -> bytes | None:
        """The replay id after which events are still to come."""
        known = self._place.get("replay_id")
        return base64.b64decode(known) if known else None

    @property
    def _covered(self) -> datetime:
        return datetime.fromisoformat(self._mark["covered"])

    def _missed(self, why: str) -> Iterator[dict[str, Any]]:
        logger.warning("%s: %s; what changed since %s is looked for", self._stream.name, why, self._mark["covered"])
        yield from self._caught_up(self._covered)

    def _caught_up(self, since: datetime | None) -> Iterator[dict[str, Any]]:
        begun = self._stream.now()
        yield from self._stream.changed_since(since)
        self._mark["covered"] = begun.isoformat()

    def _told(self, events: Events) -> Iterator[dict[str, Any]]:
        begun = self._stream.now()
        after = self.place
        earliest = None if after else self._covered - self._overlap
        last, covered = after, self._covered
        with closing(events.of(self._stream.name, after)) as stream:
            for told in stream:
                last = told.replay_id
                if isinstance(told, Position):
                    covered = begun
                    break
                covered = told.at
                if earliest is None or told.at >= earliest:
                    yield from self._noted(told)
                if len(self._touched) >= AT_ONCE:
                    yield from self._flushed(last)
                if told.at > begun + _CUT_OFF:
                    break  # what came since is for the next run
        yield from self._flushed(last)
        self._mark["covered"] = max(self._covered, covered).isoformat()

    def _noted(self, change: Change) -> Iterator[dict[str, Any]]:
        """Keep what an event says; an event that says too little is made up for."""
        if change.kind == OVERFLOW or any("*" in each for each in change.ids):
            yield from self._flushed(None)
            yield from self._missed(f"more changed at {change.at.isoformat()} than events tell ({change.kind})")
        else:
            for key in change.ids:
                self._touched.setdefault(key, _Touched(change.at)).add(change)

    def _flushed(self, replay_id: bytes | None) -> Iterator[dict[str, Any]]:
        """The rows of what was touched so far; once they are given, all up to the replay id is read."""
        touched, self._touched = self._touched, {}
        for some in in_batches(touched, AT_ONCE):
            at = max(touched[key].at for key in some)
            for row in self._stream.rows_of(some, at):
                yield _with_times(row, touched[row["Id"]])
        if replay_id is not None:
            self._place["replay_id"] = base64.b64encode(replay_id).decode()


def _with_times(row: dict[str, Any], touched: _Touched) -> dict[str, Any]:
    """The row with when each column was edited and by whom, unless an event that is still to come says more."""
    stamp = row.get(STAMP)
    if not touched.known or row[ENVELOPE]["state"] != "live" or stamp is None:
        return row
    if datetime.fromisoformat(stamp) > touched.at:
        return row
    times = {name: at for name, at in touched.times.items() if name in row}
    return {**row, ENVELOPE: {**row[ENVELOPE], "origin": "sync" if touched.ours else "foreign", "field_times": times}}
