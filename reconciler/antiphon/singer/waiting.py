"""Waiting for what other threads hear of plugins, so that a run can be stopped meanwhile.

A signal may come to any thread, and wakes no wait of another one: every wait looks up a few times a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, TypeVar

K = TypeVar("K")
V = TypeVar("V")

GLANCE = 0.2
"""Seconds between two looks."""


def answers(asked: Mapping[K, Future[V]]) -> dict[K, V]:
    """What each of them came to, once all did. Raises what the first of them raised."""
    while wait(asked.values(), timeout=GLANCE).not_done:
        pass
    return {key: answer.result() for key, answer in asked.items()}


def finished(running: Iterable[Future[Any]]) -> set[Future[Any]]:
    """Those that are done; none if none is soon."""
    return wait(running, timeout=GLANCE, return_when=FIRST_COMPLETED).done
