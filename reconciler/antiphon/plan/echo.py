"""Ping-pong: a field that comes back changed from every write, so that two systems would rewrite each other for ever.

A change *echoes* our own write if the side showed it at its first look after that write: then it may be the side's own
doing, such as another way to write the value, a rule, a shift of time zones. Or it is a person's, who edited just then;
two who work on one field may do so in several rounds in a row, each time with something new.

| writes that were echoed | what the side shows now     | what follows                                             |
|-------------------------|-----------------------------|----------------------------------------------------------|
| fewer than three        | anything                    | it is an edit like any other                             |
| three or more in a row  | what our write had replaced | a loop: nothing more is written before a person decides, |
|                         |                             | or changes the value on their own                        |
| eight or more in a row  | anything                    | the same: it drifts, since no two people meet so often   |
"""

from __future__ import annotations

from antiphon.merge import Hold, Reading, Surroundings, has_changed
from antiphon.model import MISSING, ConflictKind, Link, Missing
from antiphon.plan.context import Planning

MOST_ECHOES = 3
"""After so many writes in a row that came back changed, the value that the last of them replaced must not be back."""

MOST_CHANGES = 8
"""So many writes in a row may come back changed to something new each time."""


def count_echoes(p: Planning, link: Link, readings: list[Reading], around: Surroundings) -> int:
    """How many writes in a row came back changed up to the changes that are seen now; 0 if one of them is no echo."""
    longest = 0
    for reading in readings:
        for side in p.mapping.sides:
            if not has_changed(reading, side, around):
                continue
            span = reading.changed_in.get(side)
            last = p.ws.last_write(link.lid, side, reading.field.name, span[0]) if span is not None else None
            if last is None:
                return 0
            longest = max(longest, last.echoes.get(reading.field.name, 0) + 1)
    return longest


def is_back(p: Planning, link: Link, readings: list[Reading], around: Surroundings) -> bool:
    """Whether a side shows again what our last write there had replaced."""
    for reading in readings:
        for side, now in reading.values.items():
            last = p.ws.last_write(link.lid, side, reading.field.name)
            replaced = last.expect.get(reading.field.name, MISSING) if last is not None else MISSING
            if isinstance(now, Missing) or isinstance(replaced, Missing) or not has_changed(reading, side, around):
                continue
            if around.equal(reading.field, side, now, replaced):
                return True
    return False


def ping_pong(echoes: int, *, back: bool) -> Hold | None:
    """The end of patience, if it is reached. `back`: what our last write replaced is there again."""
    if echoes < (MOST_ECHOES if back else MOST_CHANGES):
        return None
    return Hold(
        ConflictKind.PING_PONG,
        f"it was written {echoes} times in a row, and each time the next look showed something else: "
        "one of the systems rewrites it",
    )
