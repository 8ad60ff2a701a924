from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("target_shelf.py")
SCHEMA = {
    "type": "SCHEMA",
    "stream": "people",
    "key_properties": ["id"],
    "schema": {"properties": {"id": {"type": "string"}, "name": {"type": "string"}}},
}


@dataclass
class Run:
    code: int
    out: str
    err: str

    @property
    def states(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


class Shelf:
    """A folder with the system, the settings, and what the target wrote there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "shelf.json"
        self.path.write_text('{"people": {"1": {"name": "Ada"}}}', encoding="utf-8")
        self.receipts_path = folder / "receipts.jsonl"
        self.config: dict[str, Any] = {"path": str(self.path), "receipts_path": str(self.receipts_path)}

    def command(self, *arguments: str) -> list[str]:
        config = self.folder / "config.json"
        config.write_text(json.dumps(self.config), encoding="utf-8")
        return [sys.executable, str(PROGRAM), "--config", str(config), *arguments]

    def run(self, *messages: Any, arguments: tuple[str, ...] = ()) -> Run:
        lines = "".join(m if isinstance(m, str) else json.dumps(m) + "\n" for m in messages)
        done = subprocess.run(self.command(*arguments), input=lines, capture_output=True, text=True, check=False)
        return Run(done.returncode, done.stdout, done.stderr)

    @property
    def people(self) -> dict[str, Any]:
        rows: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))["people"]
        return rows

    @property
    def receipts(self) -> list[Any]:
        return [json.loads(line) for line in self.receipts_path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def operation(op_id: str, op: str, key: dict[str, Any], values: dict[str, Any], **envelope: Any) -> dict[str, Any]:
    sync = {"op_id": op_id, "op": op, "key": key, "sync_key": f"link-{op_id}", "expect": {}, **envelope}
    return {"type": "RECORD", "stream": "people", "record": {**values, **key}, "sync": sync}


def row(**record: Any) -> dict[str, Any]:
    return {"type": "RECORD", "stream": "people", "record": record}


def state(number: int) -> dict[str, Any]:
    return {"type": "STATE", "value": {"bookmarks": {"people": {"at": number}}}}
