"""Thousands of alike items in a few lines: the rare ones one by one, the common ones as groups, and none uncounted."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from antiphon.show.text import number

T = TypeVar("T")

EXAMPLES = 3


@dataclass(frozen=True)
class Arranged(Generic[T]):
    """What is shown, in the order of the items: a part of one item by itself, a longer part as a group."""

    parts: tuple[tuple[T, ...], ...]
    left_out: tuple[T, ...]

    @property
    def grouped(self) -> int:
        """How many items are shown as groups only."""
        return sum(len(part) for part in self.parts if len(part) > 1)


def arrange(items: Sequence[T], shape: Callable[[T], Hashable], limit: int) -> Arranged[T]:
    """Show up to `limit` items one by one, the smallest groups first, and up to `limit` groups of alike ones.

    Every item is in one part or left out: the counts add up to `len(items)`.
    """
    if len(items) <= limit:
        return Arranged(tuple((item,) for item in items), ())
    groups: dict[Hashable, list[int]] = {}
    for at, item in enumerate(items):
        groups.setdefault(shape(item), []).append(at)
    room = limit
    parts: list[list[int]] = []
    together: list[list[int]] = []
    for group in sorted(groups.values(), key=lambda group: (len(group), group[0])):
        if len(group) <= room:
            room -= len(group)
            parts += [[at] for at in group]
        else:
            together.append(group)
    together.sort(key=lambda group: (-len(group), group[0]))
    parts += together[: max(limit, 1)]
    return Arranged(
        tuple(tuple(items[at] for at in part) for part in sorted(parts)),
        tuple(items[at] for at in sorted(at for group in together[max(limit, 1) :] for at in group)),
    )


def examples(items: Sequence[T], name: Callable[[T], str]) -> str:
    """` × 6,812, e.g. "a", "b", "c"`: the size of a group and its first names; of one item its name."""
    if len(items) == 1:
        return name(items[0])
    return f" × {number(len(items))}, e.g. {', '.join(name(item) for item in items[:EXAMPLES])}"
