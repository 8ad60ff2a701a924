"""tap-hubspot run in this process against a HubSpot of the sandbox: what it prints, taken apart."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from antiphon_sandbox.hubspot import HubSpot
from tap_hubspot.tap import TapHubSpot


@dataclass(slots=True)
class Read:
    """The messages of one run."""

    schemas: dict[str, dict[str, Any]] = field(default_factory=dict)
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # whole messages, by stream
    state: dict[str, Any] = field(default_factory=dict)

    def rows(self, stream: str) -> list[dict[str, Any]]:
        """The records of a stream that are live."""
        return [m["record"] for m in self.records.get(stream, []) if m.get("sync", {}).get("state", "live") == "live"]

    def ids(self, stream: str) -> list[str]:
        return [row["id"] for row in self.rows(stream)]

    def fates(self, stream: str) -> dict[str, dict[str, Any]]:
        """What became of the records that are not live, by id."""
        told = {m["record"]["id"]: m["sync"] for m in self.records.get(stream, [])}
        return {key: sync for key, sync in told.items() if sync["state"] != "live"}


def settings(hubspot: HubSpot, **more: Any) -> dict[str, Any]:
    return {"access_token": hubspot.token, "api_base": hubspot.url, **more}


def catalog_of(
    hubspot: HubSpot, streams: Mapping[str, list[str] | None], *, incremental: bool = False
) -> dict[str, Any]:
    """A catalog in which only these streams, and of each only these columns, are selected."""
    entries = []
    for entry in TapHubSpot(config=settings(hubspot)).catalog_dict["streams"]:
        columns = streams.get(entry["stream"], [])
        if entry["stream"] not in streams:
            continue
        for item in entry["metadata"]:
            if not item["breadcrumb"]:
                item["metadata"]["selected"] = True
            else:
                item["metadata"]["selected"] = columns is None or item["breadcrumb"][1] in columns
        entry["replication_method"] = "INCREMENTAL" if incremental else "FULL_TABLE"
        if not incremental:
            entry.pop("replication_key", None)
        entries.append(entry)
    return {"streams": entries}


def read(hubspot: HubSpot, catalog: dict[str, Any], state: dict[str, Any] | None = None, **config: Any) -> Read:
    """Run the tap."""
    with _captured() as output:
        TapHubSpot(config=settings(hubspot, **config), catalog=catalog, state=state or {}).sync_all()
    found = Read()
    for line in output.getvalue().splitlines():
        message = json.loads(line)
        match message["type"]:
            case "SCHEMA":
                found.schemas[message["stream"]] = message
            case "RECORD":
                found.records.setdefault(message["stream"], []).append(message)
            case "STATE":
                found.state = message["value"]
            case other:
                raise AssertionError(other)
    return found


@contextmanager
def _captured() -> Iterator[io.BytesIO]:
    kept, sys.stdout = sys.stdout, io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    output = sys.stdout.buffer
    assert isinstance(output, io.BytesIO)
    try:
        yield output
    finally:
        sys.stdout.detach()
        sys.stdout = kept
