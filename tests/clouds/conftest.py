"""tap-sql and target-sql as processes of an environment that has a cloud's driver and a server that speaks as it does.

`make plugins` builds the environments (tests/plugins/snowflake.in, bigquery.in, clouds.in).
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

ROOT = Path(__file__).parents[2]
_SECONDS = 60


def python_of(name: str) -> Path:
    """The Python of an environment; the test is skipped where that is not built."""
    found = ROOT / ".plugins" / name / "bin" / "python"
    if not found.exists():
        pytest.skip(f"there is no environment {name}: make plugins")
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def serving(command: list[str], port: int, log: Path, env: Mapping[str, str]) -> Iterator[None]:
    """A server, until the block ends."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **env}, cwd=log.parent)
    try:
        ends = time.monotonic() + _SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                if process.poll() is not None or time.monotonic() > ends:
                    pytest.fail(f"the server did not start:\n{log.read_text()[-2000:]}")
                time.sleep(0.1)
            else:
                break
        yield
    finally:
        process.kill()
        process.wait()


@dataclass
class Cloud:
    """A database, and our plugins beside its driver."""

    python: Path
    url: str
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)
    schemas: Mapping[str, Any] = field(default_factory=dict)

    def feed(self, *messages: Any, fails: bool = False, **config: Any) -> str:
        """Run target-sql; what it logged."""
        lines = b"".join(msgspec.json.encode(message) + b"\n" for message in messages)
        return self._run("target_sql", [], lines, config, fails=fails)[1]

    def read(self, stream: str, **config: Any) -> list[dict[str, Any]]:
        """The records of a stream, in the order of their first column; tap-sql reads every stream."""
        out, _ = self._run("tap_sql", [], b"", config)
        messages = [json.loads(line, parse_float=Decimal) for line in out.splitlines()]
        self.schemas = {message["stream"]: message for message in messages if message["type"] == "SCHEMA"}
        records = [each["record"] for each in messages if each["type"] == "RECORD" and each["stream"] == stream]
        return sorted(records, key=lambda record: next(iter(record.values())))

    def _run(
        self, module: str, options: list[str], given: bytes, config: Mapping[str, Any], *, fails: bool = False
    ) -> tuple[str, str]:
        path = self.folder / "config.json"
        path.write_text(json.dumps({"url": self.url, **config}), encoding="utf-8")
        return self.program("-m", module, "--config", str(path), *options, given=given, fails=fails)

    def program(self, *arguments: str, given: bytes = b"", fails: bool = False) -> tuple[str, str]:
        """Run a program of the environment; what it printed and what it logged."""
        shelves = os.pathsep.join(str(ROOT / shelf) for shelf in ("taps", "targets", "reconciler"))
        ran = subprocess.run(
            [self.python, *arguments],
            input=given,
            capture_output=True,
            env={**os.environ, "PYTHONPATH": shelves, **self.env},
            check=False,
            timeout=_SECONDS,
        )
        log = ran.stderr.decode()
        assert (ran.returncode != 0) == fails, log[-3000:]
        return ran.stdout.decode(), log


PEOPLE = {
    "id": {"type": "integer"},
    "email": {"type": ["string", "null"]},
    "amount": {"type": ["number", "null"], "precision": 12, "scale": 2},
    "ratio": {"type": ["number", "null"]},
    "active": {"type": ["boolean", "null"]},
    "born": {"type": ["string", "null"], "format": "date"},
    "seen": {"type": ["string", "null"], "format": "date-time"},
    "at": {"type": ["string", "null"], "format": "time"},
    "ref": {"type": ["string", "null"], "format": "uuid"},
    "more": {"type": ["object", "null"]},
    "raw": {"type": ["string", "null"], "contentEncoding": "base64"},
}
ADA = {
    "id": 1,
    "email": "é😀\"'\\\n:p0_0 %s",
    "amount": 1.5,
    "ratio": 0.1,
    "active": True,
    "born": "0001-01-01",
    "seen": "2026-11-20T10:00:00.123456+01:00",
    "at": "10:00:00.5",
    "ref": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    "more": {"a": [1.5, None]},
    "raw": "AP8K",
}
SHOWN = {**ADA, "amount": Decimal("1.50"), "ratio": Decimal("0.1"), "seen": "2026-11-20T09:00:00.123456+00:00"}
"""ADA as every cloud shows it, but for JSON, which is text there."""


def schema(**properties: Any) -> dict[str, Any]:
    declared = properties or PEOPLE
    return {"type": "SCHEMA", "stream": "people", "key_properties": ["id"], "schema": {"properties": declared}}


def row(**record: Any) -> dict[str, Any]:
    return {"type": "RECORD", "stream": "people", "record": record}


STATE = {"type": "STATE", "value": {"bookmarks": {"people": {"at": 1}}}}
