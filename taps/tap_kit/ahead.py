"""Reading ahead: requests are under way while what came before is still being written out."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from queue import SimpleQueue
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


def early(items: Iterable[T], most: int) -> Generator[T]:
    """The items in their order, found by a thread of its own; at most so many wait to be asked for.

    What goes wrong in finding them is raised after the last one that was found.
    """
    found: SimpleQueue[tuple[T] | None] = SimpleQueue()
    failed: list[Exception] = []
    room, over = threading.Semaphore(most), threading.Event()

    def find() -> None:
        try:
            for item in items:
                room.acquire()
                if over.is_set():
                    return
                found.put((item,))
        except Exception as error:  # noqa: BLE001 - it is raised where the items are read
            failed.append(error)
        found.put(None)

    finder = threading.Thread(target=find, name="early", daemon=True)
    finder.start()
    try:
        while (item := found.get()) is not None:
            yield item[0]
            room.release()
        if failed:
            raise failed[0]
    finally:
        over.set()
        room.release()
        finder.join()


def in_batches(items: Iterable[T], size: int) -> Iterator[Sequence[T]]:
    """The items in lists of at most `size`."""
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch
