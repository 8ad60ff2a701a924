"""Reading ahead: requests are under way while what came before is still being written out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def ahead(workers: ThreadPoolExecutor, depth: int, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """The results in the order of the items, with so many under way at once and no more kept."""
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(workers.submit(work, item))
            if len(waiting) >= depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for each in waiting:
            each.cancel()


def in_batches(items: Iterable[T], size: int) -> Iterator[Sequence[T]]:
    """The items in lists of at most `size`."""
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch
