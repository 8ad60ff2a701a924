"""Sends work to target-salesforce, and reads what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from antiphon.testing.programs import run
from antiphon_sandbox.salesforce import Record, Salesforce
from target_salesforce.target import TargetSalesforce

STATE = {"bookmarks": {"outbox": {"ledger": "l", "epoch": 1, "side": "s", "seq": 9}}}


class Desk:
    """The target, and the org that it writes."""

    def __init__(self, salesforce: Salesforce, folder: Path) -> None:
        self.salesforce, self.org, self.folder = salesforce, salesforce.org, folder

    def send(
        self, messages: Mapping[str, Sequence[Mapping[str, Any]]], key: Sequence[str] = ("Id",), **config: Any
    ) -> Any:
        """Send messages, by stream; what the target printed and said."""
        lines: list[Mapping[str, Any]] = []
        for stream, some in messages.items():
            columns: dict[str, Any] = {name: {} for name in sorted({name for each in some for name in each["record"]})}
            shape = {"properties": columns | {name: {} for name in key}}
            lines.append({"type": "SCHEMA", "stream": stream, "key_properties": [*key], "schema": shape})
            lines += [{"type": "RECORD", "stream": stream, **each} for each in some]
        lines.append({"type": "STATE", "value": STATE})
        (self.folder / "in.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines), encoding="utf-8")
        return self.run("--input", str(self.folder / "in.jsonl"), **config)

    def run(self, *words: str, **config: Any) -> Any:
        """Run the target with settings and these words."""
        settings = {"access_token": self.salesforce.token, "instance_url": self.salesforce.url, **config}
        (self.folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
        return run(TargetSalesforce, ["--config", str(self.folder / "config.json"), *words])

    def operate(self, stream: str, *ops: Mapping[str, Any], **config: Any) -> list[dict[str, Any]]:
        """One receipt for each operation."""
        path = self.folder / "receipts.jsonl"
        path.unlink(missing_ok=True)
        messages = []
        for number, op in enumerate(ops):
            sync = {"op_id": f"o{number}", "key": {}, "sync_key": f"k{number}", **op}
            messages.append({"record": {**sync.pop("values", {}), **sync["key"]}, "sync": sync})
        done = self.send({stream: messages}, receipts_path=str(path), **config)
        assert done.code == 0, done.said
        receipts = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        assert [each["op_id"] for each in receipts] == [f"o{number}" for number in range(len(ops))]
        return receipts

    def load(self, stream: str, *rows: Mapping[str, Any], **config: Any) -> list[str]:
        """Rows of an ordinary tap; why each refused one was. `config` is that of the stream."""
        path = self.folder / "rejected.jsonl"
        path.unlink(missing_ok=True)
        shared = {name: config.pop(name) for name in ("mode", "api", "allow_duplicates") if name in config}
        sent = [{"record": each} for each in rows]
        done = self.send({stream: sent}, (), streams={stream: config}, rejected_path=str(path), **shared)
        assert done.code == 0, done.said
        assert json.loads(done.out.splitlines()[-1]) == STATE
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [json.loads(line)["error"]["message"] for line in lines]

    def asked(self, method: str, path: str) -> int:
        """How many requests there were whose path has this text."""
        return sum(each == method and path in target for each, target, _ in self.salesforce.seen)


def create(**values: Any) -> dict[str, Any]:
    return {"op": "create", "values": values}


def update(record: Record, expect: Mapping[str, Any], **values: Any) -> dict[str, Any]:
    return {"op": "update", "key": {"Id": record.id}, "expect": expect, "values": values}


def delete(record: Record, **expect: Any) -> dict[str, Any]:
    return {"op": "delete", "key": {"Id": record.id}, "expect": expect}
