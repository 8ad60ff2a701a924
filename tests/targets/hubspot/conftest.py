"""target-hubspot run in this process against a HubSpot of the sandbox."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from antiphon_sandbox.hubspot import HubSpot, Record
from antiphon_sandbox.hubspot.schema import Property
from tap_hubspot.api import connect
from target_hubspot.target import TargetHubSpot

KEY = "antiphon_key"
STATE = {"type": "STATE", "value": {"bookmarks": {}}}


@dataclass(slots=True)
class Desk:
    """A target and its receipts."""

    hubspot: HubSpot
    folder: Path
    config: dict[str, Any] = field(default_factory=dict)

    def settings(self, **more: Any) -> dict[str, Any]:
        own = {
            "access_token": self.hubspot.token,
            "api_base": self.hubspot.url,
            "receipts_path": str(self.folder / "receipts.jsonl"),
            "rejected_path": str(self.folder / "rejected.jsonl"),
        }
        return {**own, **self.config, **more}

    def run(self, messages: Sequence[Mapping[str, Any]], **config: Any) -> list[dict[str, Any]]:
        """Feed the target; the receipts that it wrote, in order."""
        for name in ("receipts", "rejected"):
            (self.folder / f"{name}.jsonl").unlink(missing_ok=True)
        target = TargetHubSpot(config=self.settings(**config))
        target.hubspot = connect(target.config, lambda seconds: time.sleep(seconds / 50))
        target.listen(io.StringIO("".join(json.dumps(m) + "\n" for m in [*messages, STATE])))
        return self.lines("receipts")

    def lines(self, name: str) -> list[dict[str, Any]]:
        path = self.folder / f"{name}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def operate(self, *ops: Mapping[str, Any], stream: str = "contacts", **config: Any) -> list[dict[str, Any]]:
        """Send operations of the reconciler; one receipt each."""
        return self.run([schema(stream), *(record(stream, op) for op in ops)], **config)

    def load(self, *rows: Mapping[str, Any], stream: str = "contacts", key: str = "id", **config: Any) -> None:
        """Send records of an ordinary tap."""
        messages = [{"type": "RECORD", "stream": stream, "record": dict(row)} for row in rows]
        self.run([schema(stream, key), *messages], **config)

    def shown(self, key: str, kind: str = "contacts") -> Record:
        found = self.hubspot.account.find(self.hubspot.account.kind(kind), key)
        assert found is not None
        return found


def schema(stream: str, key: str = "id") -> dict[str, Any]:
    keys = ["from_id", "to_id"] if "_to_" in stream else ["list_id", "record_id"] if "member" in stream else [key]
    return {"type": "SCHEMA", "stream": stream, "key_properties": keys, "schema": {"properties": {k: {} for k in keys}}}


def record(stream: str, op: Mapping[str, Any]) -> dict[str, Any]:
    sync = {name: value for name, value in op.items() if name != "values"}
    return {"type": "RECORD", "stream": stream, "record": {**op.get("values", {}), **op["key"]}, "sync": sync}


def create(number: int, **values: Any) -> dict[str, Any]:
    lid = f"00000000-0000-4000-8000-{number:012d}"
    return {"op_id": f"c{number}", "op": "create", "key": {}, "sync_key": lid, "expect": {}, "values": values}


def update(key: str, expect: Mapping[str, Any], **values: Any) -> dict[str, Any]:
    return {"op_id": f"u{key}", "op": "update", "key": {"id": key}, "sync_key": key, "expect": expect, "values": values}


def delete(key: str, **expect: Any) -> dict[str, Any]:
    return {"op_id": f"d{key}", "op": "delete", "key": {"id": key}, "sync_key": key, "expect": expect}


@pytest.fixture
def hubspot() -> Iterator[HubSpot]:
    with HubSpot() as server:
        server.account.define("contacts", Property(KEY, unique=True, defined_by_hubspot=False))
        yield server


@pytest.fixture
def desk(hubspot: HubSpot, tmp_path: Path) -> Desk:
    return Desk(hubspot, tmp_path)
