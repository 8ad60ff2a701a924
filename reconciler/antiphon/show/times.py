"""Instants of our clock as people write them. All in UTC; `now` is a value."""

from __future__ import annotations

from datetime import UTC, datetime

from antiphon.model import Instant

_SECOND = 1_000_000
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def iso(instant: Instant | None) -> str | None:
    """The instant for JSON: `2026-11-20T10:00:05.250000Z`. None if it never was."""
    if not instant:
        return None
    return _moment(instant).isoformat(timespec="microseconds").replace("+00:00", "Z")


def stamp(instant: Instant) -> str:
    """The instant for people: `2026-11-20 10:00:05 UTC`."""
    return f"{_moment(instant):%Y-%m-%d %H:%M:%S} UTC"


def span(since: Instant, until: Instant) -> str:
    """When something happened that was seen at `until`, and not yet at `since` (0: never looked)."""
    if since <= 0 or since > until:
        return f"before {stamp(until)}"
    first, last = stamp(since).removesuffix(" UTC"), stamp(until)
    if first[:10] == last[:10]:
        last = last[11:]
    return f"between {first} and {last}"


def age(instant: Instant, now: Instant) -> str:
    """How long ago, or how far ahead: `3 min ago`, `in 2 h`."""
    apart = abs(now - instant) // _SECOND
    size = length(apart * _SECOND)
    if apart == 0:
        return "just now"
    return f"{size} ago" if instant < now else f"in {size}"


def length(duration: Instant) -> str:
    """A duration in its largest unit: `3 min`."""
    seconds = duration // _SECOND
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return "0 s"


def _moment(instant: Instant) -> datetime:
    return datetime.fromtimestamp(instant // _SECOND, UTC).replace(microsecond=instant % _SECOND)
