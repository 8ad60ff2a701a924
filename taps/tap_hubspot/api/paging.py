"""Lists, page by page to their end. The end is asked for twice.

What a list does not show counts as deleted, and a page that was cut short and lost the cursor to the next one looks
like the last. So the last page is asked for once more: what it shows then, and did not show before, is read on from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from typing import Any, TypeAlias

from tap_hubspot.api.errors import HubSpotError

Page: TypeAlias = tuple[list[Mapping[str, Any]], str | None]
"""What is on a page, and the cursor to the next one; None on the last."""

_CIRCLES = 3


def page_of(body: Mapping[str, Any]) -> Page:
    """The page that an answer holds."""
    after = ((body.get("paging") or {}).get("next") or {}).get("after")
    return list(body["results"]), str(after) if after else None


def pages(
    what: str, ask: Callable[[str | None], Page], ahead: Executor | None = None, *, key: str = "id"
) -> Iterator[list[Mapping[str, Any]]]:
    """All pages; the next is asked for `ahead` while one is written out. `key` names what is on a page.

    Raises `HubSpotError` if the cursors lead round in circles.
    """
    seen: Counter[str] = Counter()
    at: str | None = None
    shown: set[str] | None = None  # what the page at `at` showed when it looked like the last
    coming: Callable[[], Page] | None = _asked(ahead, ask, at)
    while coming is not None:
        found, after = coming()
        fresh = [each for each in found if str(each[key]) not in shown] if shown else found
        if after is not None:
            seen[after] += 1
            if seen[after] > _CIRCLES:
                raise HubSpotError(f"{what}: HubSpot's pages go round in circles at {after!r}", hint="try again later")
            at, shown = after, None
            coming = _asked(ahead, ask, at)
        elif fresh or shown is None:
            shown = {*(shown or ()), *(str(each[key]) for each in fresh)}
            coming = _asked(ahead, ask, at)
        else:
            coming = None
        yield fresh


def _asked(ahead: Executor | None, ask: Callable[[str | None], Page], at: str | None) -> Callable[[], Page]:
    if ahead is None:
        return lambda: ask(at)
    coming: Future[Page] = ahead.submit(ask, at)
    return coming.result
