"""Catalogs and STATE as a tap takes them: what the sync reads is selected, bookmarks are turned back by the overlap."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from antiphon.errors import ConfigError
from antiphon.model import Instant


@dataclass(frozen=True, slots=True)
class Wanted:
    """One stream to read, by one of Singer's replication methods. `replication_key` is for INCREMENTAL only."""

    stream: str
    key: tuple[str, ...]
    columns: frozenset[str]
    method: str = "FULL_TABLE"
    replication_key: str | None = None


def select(catalog: Mapping[str, Any], wanted: Iterable[Wanted], where: str) -> dict[str, Any]:
    """The catalog with what is wanted selected. Raises `ConfigError` for a stream that the tap does not have."""
    entries = {
        name: entry
        for entry in catalog.get("streams", ())
        for name in (entry.get("stream"), entry.get("tap_stream_id"))
        if name
    }
    return {"streams": [_selected(_entry(entries, want, where), want) for want in wanted]}


def columns_of(catalog: Mapping[str, Any], stream: str) -> dict[str, Any]:
    """The JSON schemas of a stream's columns in a catalog."""
    for entry in catalog.get("streams", ()):
        if stream in (entry.get("stream"), entry.get("tap_stream_id")):
            return dict(entry.get("schema", {}).get("properties", {}))
    return {}


def methods_of(catalog: Mapping[str, Any], stream: str) -> tuple[str, ...]:
    """The replication methods that a stream has according to a catalog; none if it does not tell.

    Our own taps list them as `valid-replication-methods`; `forced-replication-method` is Singer's word for only one.
    """
    for entry in catalog.get("streams", ()):
        if stream in (entry.get("stream"), entry.get("tap_stream_id")):
            roots = [item.get("metadata", {}) for item in entry.get("metadata", ()) if not item.get("breadcrumb")]
            root = roots[0] if roots else {}
            forced = root.get("forced-replication-method")
            return tuple(root.get("valid-replication-methods") or ([forced] if isinstance(forced, str) else ()))
    return ()


def _entry(entries: Mapping[str, Any], want: Wanted, where: str) -> dict[str, Any]:
    if want.stream not in entries:
        near = difflib.get_close_matches(want.stream, entries, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(sorted(entries)) or 'no streams at all'}"
        raise ConfigError(f"{where} has no stream {want.stream!r}", hint=hint)
    return copy.deepcopy(dict(entries[want.stream]))


def _selected(entry: dict[str, Any], want: Wanted) -> dict[str, Any]:
    columns = want.columns | set(want.key) | ({want.replication_key} if want.replication_key else set())
    root: dict[str, Any] = {"selected": True, "replication-method": want.method}
    metadata = {tuple(item.get("breadcrumb", ())): dict(item.get("metadata", {})) for item in entry.get("metadata", ())}
    root = {**metadata.get((), {}), **root}
    entry["selected"], entry["replication_method"] = True, want.method
    if want.method == "INCREMENTAL" and want.replication_key:
        root["replication-key"] = entry["replication_key"] = want.replication_key
    else:
        root.pop("replication-key", None)
        entry.pop("replication_key", None)
    metadata[()] = root
    for column in entry.get("schema", {}).get("properties", {}):
        item = metadata.setdefault(("properties", column), {"inclusion": "available"})
        item["selected"] = column in columns or item.get("inclusion") == "automatic"
    entry["metadata"] = [{"breadcrumb": list(crumb), "metadata": item} for crumb, item in metadata.items()]
    if not entry.get("key_properties"):
        entry["key_properties"] = list(want.key)
    return entry


def turned_back(
    state: Mapping[str, Any] | None, overlaps: Mapping[str, Instant], fresh: Iterable[str]
) -> dict[str, Any]:
    """The STATE to hand to the tap: bookmarks turned back by their overlap, none for the `fresh` streams.

    Understands the bookmark of the SDK and most taps, `{"bookmarks": {stream: {"replication_key_value": …}}}`; one that
    is no time stays as it is, and so does any other STATE.
    """
    if not state:
        return {}
    found = copy.deepcopy(dict(state))
    bookmarks = found.get("bookmarks")
    if not isinstance(bookmarks, dict):
        return found
    for stream in fresh:
        bookmarks.pop(stream, None)
    for stream, overlap in overlaps.items():
        mark = bookmarks.get(stream)
        if isinstance(mark, dict) and isinstance(mark.get("replication_key_value"), str):
            mark["replication_key_value"] = _earlier(mark["replication_key_value"], overlap)
    return found


def has_bookmark(state: Mapping[str, Any] | None, stream: str, method: str) -> bool:
    """Whether a STATE lets the tap skip what it read before by this method.

    A bookmark of another method makes the tap show everything. DIFF keeps the number of a run, INCREMENTAL the value of
    a column; LOG_BASED keeps neither, but SDK taps have a position of the log as the value of a column `_sdc_…`.
    """
    bookmarks = (state or {}).get("bookmarks")
    if not isinstance(bookmarks, dict):
        return bool(state)
    mark = bookmarks.get(stream)
    if not isinstance(mark, dict) or method in ("FULL_TABLE", "INCREMENTAL"):
        return bool(mark)
    if method == "DIFF":
        return "run" in mark
    column = mark.get("replication_key")
    return bool(mark) and "run" not in mark and (column is None or str(column).startswith("_sdc_"))


def _earlier(moment: str, overlap: Instant) -> str:
    try:
        return (datetime.fromisoformat(moment) - timedelta(microseconds=overlap)).isoformat()
    except (ValueError, OverflowError):
        return moment
