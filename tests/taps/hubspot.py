"""tap-hubspot run in this process against a HubSpot of the sandbox: what it prints, taken apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from antiphon_sandbox.hubspot import HubSpot
from tap_hubspot.tap import TapHubSpot
from tests.taps.printed import Printed


class Read(Printed):
    """The messages of one run."""

    def rows(self, stream: str) -> list[dict[str, Any]]:
        """The records of a stream that are live."""
        return [m["record"] for m in self.records.get(stream, []) if m.get("sync", {}).get("state", "live") == "live"]

    def ids(self, stream: str) -> list[str]:
        return [row["id"] for row in self.rows(stream)]


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
    return Read.by(TapHubSpot(config=settings(hubspot, **config), catalog=catalog, state=state or {}))
