"""Runs tap-sql within the test's process and reads what it prints."""

import io
import json
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tap_sql.tap import TapSql


@dataclass
class Read:
    """The messages of one run."""

    messages: list[dict[str, Any]] = field(default_factory=list)

    def _of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]

    @property
    def schema(self) -> dict[str, Any]:
        return self._of("SCHEMA")[-1]

    @property
    def properties(self) -> dict[str, Any]:
        return dict(self.schema["schema"]["properties"])

    @property
    def records(self) -> list[dict[str, Any]]:
        return [message["record"] for message in self._of("RECORD")]

    @property
    def envelopes(self) -> list[dict[str, Any]]:
        return [message.get("sync", {}) for message in self._of("RECORD")]

    @property
    def state(self) -> dict[str, Any]:
        return dict(self._of("STATE")[-1]["value"])

    def bookmark(self, stream: str) -> dict[str, Any]:
        return dict(self.state["bookmarks"][stream])


def discover(url: str, **config: Any) -> dict[str, dict[str, Any]]:
    """The catalog's entries, by stream."""
    tap = TapSql(config={"url": url, **config}, setup_mapper=False)
    return {entry["tap_stream_id"]: entry for entry in json.loads(tap.catalog_json_text)["streams"]}


def catalog_of(
    entry: dict[str, Any], *, method: str = "FULL_TABLE", by: str = "", key: Sequence[str] = (), without: str = ""
) -> dict[str, Any]:
    """A catalog that selects one stream, as the reconciler and Meltano write it."""
    entry = json.loads(json.dumps(entry))
    for item in entry["metadata"]:
        if not item["breadcrumb"]:
            item["metadata"] |= {"selected": True, "replication-method": method}
            if by:
                item["metadata"]["replication-key"] = by
        else:
            item["metadata"]["selected"] = item["breadcrumb"][1] != without
    entry |= {"replication_method": method, "key_properties": list(key) or entry["key_properties"]}
    if by:
        entry["replication_key"] = by
    return {"streams": [entry]}


def read(
    url: str,
    stream: str,
    *,
    method: str = "FULL_TABLE",
    by: str = "",
    key: Sequence[str] = (),
    without: str = "",
    state: dict[str, Any] | None = None,
    **config: Any,
) -> Read:
    """Discover, select one stream, read it."""
    entry = discover(url, **config)[stream]
    return run(url, catalog_of(entry, method=method, by=by, key=key, without=without), state, **config)


def run(url: str, catalog: dict[str, Any] | None = None, state: dict[str, Any] | None = None, **config: Any) -> Read:
    """One run of the tap. Lines are parsed without losing a digit."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    found = Read()
    try:
        with redirect_stdout(out):
            tap = TapSql(config={"url": url, **config}, catalog=catalog, state=state)
            tap.sync_all()
    finally:
        out.flush()
        out.seek(0)
        found.messages = [json.loads(line, parse_float=Decimal) for line in out]
        LAST[0] = found
    return found


LAST = [Read()]
"""The last run, also if it failed."""
