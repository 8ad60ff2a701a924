"""Items found by a thread of their own: in order, no more than are wanted, and its failures are told."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tap_kit import early


def test_items_come_in_their_order() -> None:
    assert list(early(range(1000), 3)) == list(range(1000))


def test_the_next_ones_are_found_while_the_first_is_in_work_and_no_more_than_may_wait() -> None:
    found: list[int] = []
    enough = threading.Event()

    def search() -> Iterator[int]:
        for n in range(1000):
            found.append(n)
            if n == 3:
                enough.set()
            yield n

    coming = early(search(), 3)
    assert next(coming) == 0
    assert enough.wait(10)  # though nobody asked for them
    coming.close()
    assert not any(thread.name == "early" for thread in threading.enumerate())
    assert len(found) <= 5  # the three that wait, the one in work, and one in the finder's hand


def test_a_failure_is_raised_after_what_was_found_before_it() -> None:
    def search() -> Iterator[int]:
        yield 1
        raise RuntimeError("no more")

    coming = early(search(), 3)
    assert next(coming) == 1
    with pytest.raises(RuntimeError, match="no more"):
        next(coming)
