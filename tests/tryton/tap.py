"""tap-tryton run in this process: what it prints, taken apart."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tap_tryton.tap import TapTryton


@dataclass(slots=True)
class Read:
    """The messages of one run."""

    schemas: dict[str, dict[str, Any]] = field(default_factory=dict)
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # whole messages, by stream
    state: dict[str, Any] = field(default_factory=dict)

    def rows(self, stream: str) -> dict[int, dict[str, Any]]:
        """The records of a stream that are live, by id."""
        told = self.records.get(stream, [])
        return {m["record"]["id"]: m["record"] for m in told if m["sync"]["state"] == "live"}

    def fates(self, stream: str) -> dict[int, dict[str, Any]]:
        """What became of the records that are not live, by id."""
        told = {m["record"]["id"]: m["sync"] for m in self.records.get(stream, [])}
        return {key: sync for key, sync in told.items() if sync["state"] != "live"}


def catalog(
    config: Mapping[str, Any], *, incremental: bool = True, only: Mapping[str, list[str]] = {}
) -> dict[str, Any]:
    """The catalog that the tap discovers; of the streams in `only` just these columns are selected."""
    found = TapTryton(config=dict(config)).catalog_dict
    for entry in found["streams"]:
        if not incremental:
            entry.pop("replication_key", None)
        entry["replication_method"] = "INCREMENTAL" if incremental else "FULL_TABLE"
        for item in entry["metadata"]:
            if item["breadcrumb"] and entry["stream"] in only:
                item["metadata"]["selected"] = item["breadcrumb"][1] in only[entry["stream"]]
    return dict(found)


def read(config: Mapping[str, Any], chosen: dict[str, Any], state: Mapping[str, Any] | None = None) -> Read:
    """Run the tap."""
    with _captured() as output:
        TapTryton(config=dict(config), catalog=chosen, state=json.loads(json.dumps(state or {}))).sync_all()
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
