"""tap-tryton run in this process: what it prints, taken apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tap_tryton.tap import TapTryton
from tests.taps.printed import Printed


class Read(Printed):
    """The messages of one run."""

    def rows(self, stream: str) -> dict[int, dict[str, Any]]:
        """The records of a stream that are live, by id."""
        told = self.records.get(stream, [])
        return {m["record"]["id"]: m["record"] for m in told if m["sync"]["state"] == "live"}


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
    kept = json.loads(json.dumps(state or {}))  # the tap writes into it
    return Read.by(TapTryton(config=dict(config), catalog=chosen, state=kept))
