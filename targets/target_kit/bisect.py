"""A batch first, then split: the way of a system that refuses a whole batch for one bad row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def split_on_error(
    items: Sequence[T],
    attempt: Callable[[Sequence[T]], Sequence[R]],
    refused: type[Exception] | tuple[type[Exception], ...],
    answer: Callable[[T, Exception], R],
) -> list[R]:
    """One result per item, in order. `attempt` takes a whole batch or raises one of `refused`, having done nothing.

    A refused batch is tried again in halves, down to the single items that are to blame, for which `answer` speaks.
    With b bad rows in n this takes about 2 b log2(n) attempts.
    """
    if not items:
        return []
    try:
        return list(attempt(items))
    except refused as error:
        if len(items) == 1:
            return [answer(items[0], error)]
    middle = len(items) // 2
    return [
        result for half in (items[:middle], items[middle:]) for result in split_on_error(half, attempt, refused, answer)
    ]
