"""Which records changed since a moment: search finds their ids, and nothing else is believed of what it shows.

Search is an index: it trails behind, shows 10,000 results at most, and by offset it would skip a record whenever one of
an earlier page changes meanwhile. So each page asks for what changed at or after the last moment seen, from the start,
and leaves out by id the few of that moment that it knows already.

| the page                                            | the next asks for                                       |
|-----------------------------------------------------|---------------------------------------------------------|
| ends later than it began                            | what changed at its last moment or later                |
| is all of one moment (an import, a workflow)        | the rest of that moment by id, then what changed later  |
| is empty, and yet not the last one                  | the same with an offset: what the index alone still     |
|                                                     | knows is left out of a page                             |
| ends after the read began                           | nothing: the next run reads that again                  |
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from tap_hubspot.api.properties import iso, milliseconds
from tap_hubspot.api.types import FILTERS, SEARCH_PAGE

Search: TypeAlias = Callable[[Mapping[str, Any]], tuple[list[Mapping[str, Any]], str | None]]
"""A search body to one page of records and where the next would begin."""


def changed_ids(search: Search, modified: str, since: datetime, until: datetime) -> Iterator[str]:
    """The ids of records whose property `modified` moved from `since` on, each at least once."""
    start, end = milliseconds(iso(since)), milliseconds(iso(until))
    known: set[str] = set()  # ids of the moment `start` that were told already
    after: str | None = None
    while start <= end:
        page, following = search(_since(modified, start, known, after))
        found = [(str(each["id"]), milliseconds(str(each["updatedAt"]))) for each in page]
        fresh = [(key, at) for key, at in found if key not in known]
        yield from (key for key, _ in fresh)
        if following is None:
            return
        last = found[-1][1] if found else start
        if last > start:
            known, start, after = {key for key, at in found if at == last}, last, None
        elif found:
            known.update(key for key, _ in fresh)
            yield from _of_moment(search, modified, start, known)
            known, start, after = set(), start + 1, None
        else:
            after = following


def _of_moment(search: Search, modified: str, moment: int, known: set[str]) -> Iterator[str]:
    """All ids of one moment, by id, without those that are `known`."""
    last_id = 0
    after: str | None = None
    while True:
        filters = [
            {"propertyName": modified, "operator": "EQ", "value": str(moment)},
            {"propertyName": "hs_object_id", "operator": "GT", "value": str(last_id)},
        ]
        page, following = search(_body(filters, "hs_object_id", modified, after))
        ids = [str(each["id"]) for each in page]
        yield from (key for key in ids if key not in known)
        if following is None:
            return
        last_id, after = (int(ids[-1]), None) if ids else (last_id, following)


def _since(modified: str, start: int, known: Collection[str], after: str | None) -> dict[str, Any]:
    filters = [{"propertyName": modified, "operator": "GTE", "value": str(start)}]
    if len(known) < FILTERS:  # else what is known comes once more
        filters += [{"propertyName": "hs_object_id", "operator": "NEQ", "value": key} for key in sorted(known)]
    return _body(filters, modified, modified, after)


def _body(filters: list[dict[str, str]], order: str, shown: str, after: str | None) -> dict[str, Any]:
    body: dict[str, Any] = {
        "filterGroups": [{"filters": filters}],
        "sorts": [{"propertyName": order, "direction": "ASCENDING"}],
        "properties": [shown],
        "limit": SEARCH_PAGE,
    }
    return {**body, "after": after} if after else body
