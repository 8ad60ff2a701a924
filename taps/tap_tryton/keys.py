"""Which ids a model had when it was last read: the one way to notice that a record was deleted for good.

Tryton keeps no tombstones, and its log no longer says which record a deletion was of. So each read also lists the ids,
and what was there before and is not now is gone. Ids are handed out in order, so they are kept as ranges: `1-40,42`.
"""

from __future__ import annotations

from collections.abc import Iterable


def to_ranges(ids: Iterable[int]) -> str:
    """The ids as text."""
    parts: list[str] = []
    first = last = None
    for each in sorted(set(ids)):
        if last is not None and each == last + 1:
            last = each
            continue
        if first is not None:
            parts.append(_range(first, last))
        first = last = each
    if first is not None:
        parts.append(_range(first, last))
    return ",".join(parts)


def from_ranges(text: str) -> set[int]:
    """The ids of a text. Raises `ValueError` for one that is none."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def _range(first: int, last: int | None) -> str:
    return str(first) if last in {None, first} else f"{first}-{last}"
