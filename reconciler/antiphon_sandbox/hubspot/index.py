"""The search index: it shows records as they were `lag` milliseconds ago, and archived ones until it hears of that."""

from __future__ import annotations

import bisect
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from antiphon_sandbox.hubspot.errors import refuse
from antiphon_sandbox.hubspot.values import Text, from_iso

if TYPE_CHECKING:
    from antiphon_sandbox.hubspot.records import Record
    from antiphon_sandbox.hubspot.schema import ObjectType

WINDOW = 10_000
"""A search shows so many results in all: HubSpot docs, "CRM API | Search", section "Limits"."""

PAGE, GROUPS, FILTERS, ALL_FILTERS, QUERY = 200, 5, 6, 18, 3000


@dataclass(frozen=True, slots=True)
class Shadow:
    """A record as the index knows it."""

    id: str
    updated: int
    values: Mapping[str, Text]


class Index:
    """What searches see. `lag` may be changed at any time and holds for what is written from then on."""

    def __init__(self, lag: int) -> None:
        self.lag = lag
        self._coming: deque[tuple[int, str, str, Shadow | None]] = deque()
        self._known: dict[str, dict[str, Shadow]] = {}
        self._sorted: dict[str, list[tuple[int, str]]] = {}  # by time of change; rebuilt when something changed

    def note(self, record: Record, now: int) -> None:
        """A record was written or archived."""
        shadow = None if record.archived is not None else Shadow(record.id, record.updated, dict(record.values))
        self._coming.append((now + self.lag, record.kind.name, record.id, shadow))

    def search(self, kind: ObjectType, asked: Mapping[str, Any], now: int) -> tuple[int, list[str], str | None]:
        """How many match in all, the ids of this page, and where the next one begins. Raises `Refused`."""
        self._catch_up(now)
        limit, after = _page(asked)
        _within_limits(asked)
        found, settled = self._candidates(kind, asked)
        if settled:
            return _cut(found, after, limit)
        found = [s for s in found if _matches(kind, s, asked)]
        for key in reversed(asked.get("sorts") or []):
            name = key if isinstance(key, str) else key["propertyName"]
            down = not isinstance(key, str) and key.get("direction") == "DESCENDING"
            found.sort(key=_order(kind, name), reverse=down)
        return _cut(found, after, limit)

    def _catch_up(self, now: int) -> None:
        later = deque[tuple[int, str, str, Shadow | None]]()
        for due, kind, key, shadow in self._coming:
            if due > now:
                later.append((due, kind, key, shadow))
                continue
            self._sorted.pop(kind, None)
            known = self._known.setdefault(kind, {})
            if shadow is None:
                known.pop(key, None)
            else:
                known[key] = shadow
        self._coming = later

    def _candidates(self, kind: ObjectType, asked: Mapping[str, Any]) -> tuple[Sequence[Shadow], bool]:
        """What may match, and whether that is all and in order: most searches ask for what changed since."""
        known = self._known.get(kind.name, {})
        groups = asked.get("filterGroups") or []
        since = [
            _number(each["value"])
            for each in (groups[0].get("filters", ()) if len(groups) == 1 else ())
            if each.get("propertyName") == kind.modified and each.get("operator") in {"GT", "GTE"}
        ]
        if not since:
            return list(known.values()), False
        if kind.name not in self._sorted:
            self._sorted[kind.name] = sorted((s.updated, s.id) for s in known.values())
        ordered = self._sorted[kind.name]
        start = bisect.bisect_left(ordered, int(max(since)), key=itemgetter(0))
        by_time = asked.get("sorts") == [{"propertyName": kind.modified, "direction": "ASCENDING"}]
        others = [f for f in groups[0]["filters"] if (f["propertyName"], f["operator"]) != (kind.modified, "GTE")]
        without = {f["value"] for f in others if (f["propertyName"], f["operator"]) == ("hs_object_id", "NEQ")}
        found = [known[key] for _, key in ordered[start:] if key not in without]
        return found, by_time and not asked.get("query") and len(without) == len(others)


def _cut(found: Sequence[Shadow], after: int, limit: int) -> tuple[int, list[str], str | None]:
    page = [shadow.id for shadow in found[after : after + limit]]
    return len(found), page, str(after + limit) if after + limit < len(found) else None


def _page(asked: Mapping[str, Any]) -> tuple[int, int]:
    limit, after = int(asked.get("limit") or 10), int(asked.get("after") or 0)
    if limit > PAGE:
        raise refuse(400, f"limit must be at most {PAGE}", "VALIDATION_ERROR")  # not recorded
    if after + limit > WINDOW:
        raise refuse(400, f"the search window is {WINDOW} results", "VALIDATION_ERROR")  # not recorded
    return limit, after


def _within_limits(asked: Mapping[str, Any]) -> None:
    """HubSpot docs, "CRM API | Search", section "Limits"; the messages are not recorded."""
    groups = asked.get("filterGroups") or []
    filters = [each for group in groups for each in group.get("filters", ())]
    if len(groups) > GROUPS or len(filters) > ALL_FILTERS or any(len(g.get("filters", ())) > FILTERS for g in groups):
        raise refuse(
            400, f"at most {GROUPS} filterGroups of {FILTERS} filters, {ALL_FILTERS} in all", "VALIDATION_ERROR"
        )
    if len(asked.get("sorts") or []) > 1:
        raise refuse(400, "at most 1 sort", "VALIDATION_ERROR")
    if len(str(asked.get("query") or "")) > QUERY:
        raise refuse(400, f"query must be at most {QUERY} characters", "VALIDATION_ERROR")


def _matches(kind: ObjectType, shadow: Shadow, asked: Mapping[str, Any]) -> bool:
    words = str(asked.get("query") or "").lower().split()
    if words and not any(all(word in (v or "").lower() for word in words) for v in shadow.values.values()):
        return False
    groups = asked.get("filterGroups") or []
    return not groups or any(all(_passes(kind, shadow, f) for f in g.get("filters", ())) for g in groups)


def _passes(kind: ObjectType, shadow: Shadow, each: Mapping[str, Any]) -> bool:
    name = str(each["propertyName"])
    operator = _OPERATORS.get(str(each.get("operator")))
    if operator is None or name not in kind.properties:
        raise refuse(400, f"There was a problem with the request: {name} {each.get('operator')}", "VALIDATION_ERROR")
    if name == kind.modified and each["operator"] == "EQ":
        return shadow.updated == int(_number(each["value"]))
    value = shadow.values.get(name)
    if each["operator"] == "HAS_PROPERTY":
        return value is not None
    if each["operator"] == "NOT_HAS_PROPERTY":
        return value is None
    if value is None:
        return False
    numeric = kind.properties[name].type in {"number", "date", "datetime"}
    return operator(value, each, _number if numeric else str.lower)


def _number(text: Any) -> float:
    """Numbers, and moments as milliseconds."""
    try:
        return float(text)
    except ValueError:
        try:
            return float(from_iso(str(text)))
        except ValueError:
            raise refuse(400, f"{text} is no number and no time", "VALIDATION_ERROR") from None


def _order(kind: ObjectType, name: str) -> Callable[[Shadow], tuple[bool, Any]]:
    numeric = name in kind.properties and kind.properties[name].type in {"number", "date", "datetime"}

    def key(shadow: Shadow) -> tuple[bool, Any]:
        value = shadow.values.get(name)
        if value is None:
            return (False, 0)
        return (True, _number(value) if numeric else value.lower())

    return key


def _tokens(text: str) -> set[str]:
    return set(re.split(r"[^\w*]+", text.lower()))


def _contains(value: str, wanted: str) -> bool:
    words = _tokens(value)
    return all(
        any(re.fullmatch(re.escape(w).replace(r"\*", ".*"), word) for word in words) for w in _tokens(wanted) if w
    )


_Compare = Callable[[str, Mapping[str, Any], Callable[[Any], Any]], bool]
_OPERATORS: Mapping[str, _Compare] = {
    "EQ": lambda v, f, of: bool(of(v) == of(f["value"])),
    "NEQ": lambda v, f, of: bool(of(v) != of(f["value"])),
    "LT": lambda v, f, of: bool(of(v) < of(f["value"])),
    "LTE": lambda v, f, of: bool(of(v) <= of(f["value"])),
    "GT": lambda v, f, of: bool(of(v) > of(f["value"])),
    "GTE": lambda v, f, of: bool(of(v) >= of(f["value"])),
    "BETWEEN": lambda v, f, of: bool(of(f["value"]) <= of(v) <= of(f["highValue"])),
    "IN": lambda v, f, of: of(v) in {of(each) for each in f["values"]},
    "NOT_IN": lambda v, f, of: of(v) not in {of(each) for each in f["values"]},
    "HAS_PROPERTY": lambda _v, _f, _of: True,
    "NOT_HAS_PROPERTY": lambda _v, _f, _of: False,
    "CONTAINS_TOKEN": lambda v, f, _of: _contains(v, str(f["value"])),
    "NOT_CONTAINS_TOKEN": lambda v, f, _of: not _contains(v, str(f["value"])),
}
