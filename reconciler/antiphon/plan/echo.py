"""Ping-pong: a field that comes back changed from every write, so that two systems would rewrite each other for ever.

A change *echoes* our own write if the side showed it at its first look after that write: then it may be the side's own
doing, such as another way to write the value, a rule, a shift of time zones. One such change may be a person's, who
edited just then. After three writes in a row that each echo the one before, nothing more is written before somebody
changes the value on their own, or decides.
"""

from __future__ import annotations

from antiphon.merge import Hold, Reading, Surroundings, has_changed
from antiphon.model import ConflictKind, Link
from antiphon.plan.context import Planning

MOST_ECHOES = 3
"""So many writes in a row may come back changed."""


def count_echoes(p: Planning, link: Link, readings: list[Reading], around: Surroundings) -> int:
    """How many writes in a row came back changed up to the changes that are seen now; 0 if one of them is no echo."""
    longest = 0
    for reading in readings:
        for side in p.mapping.sides:
            if not has_changed(reading, side, around):
                continue
            last = p.ws.last_write(link.lid, side, reading.field.name)
            span = reading.changed_in.get(side)
            if last is None or last.acked_at is None or span is None or last.acked_at < span[0]:
                return 0
            longest = max(longest, last.echoes.get(reading.field.name, 0) + 1)
    return longest


def ping_pong(echoes: int) -> Hold | None:
    """The end of patience, if it is reached."""
    if echoes < MOST_ECHOES:
        return None
    return Hold(
        ConflictKind.PING_PONG,
        f"it was written {echoes} times in a row, and each time the next look showed something else: "
        "one of the systems rewrites it",
    )
