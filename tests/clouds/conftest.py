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

from tests.clouds.people import PEOPLE

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
        shelves = os.pathsep.join(str(ROOT / shelf) for shelf in ("taps", "targets", "reconciler", "."))
        ran = subprocess.run(
            [self.python, *arguments],
            input=given,
            capture_output=True,
            env={**os.environ, "PYTHONPATH": shelves, **self.env},
            check=False,
            timeout=_SECONDS * 3,
        )
        log = ran.stderr.decode()
        assert (ran.returncode != 0) == fails, (ran.stdout.decode() + log)[-3000:]
        return ran.stdout.decode(), log


def standard_suites(cloud: Cloud, schema: str, stream: str, names: str = "keep") -> str:
    """What the SDK's suites say of both plugins in an empty `schema`, in the cloud's own environment.

    That has no pytest: ours stands behind its packages. `stream` is how the tap calls the table `contacts` there.
    """
    behind, suites = str(Path(pytest.__file__).parents[1]), str(ROOT / "tests" / "clouds" / "standard.py")
    options = ["-q", "-c", os.devnull, "--rootdir", str(ROOT), "-p", "no:cacheprovider"]
    told = {"STANDARD_URL": cloud.url, "STANDARD_SCHEMA": schema, "STANDARD_STREAM": stream, "STANDARD_NAMES": names}
    cloud.env = {**cloud.env, **told, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
    run = f"import sys; sys.path.append({behind!r}); import pytest; sys.exit(pytest.main(sys.argv[1:]))"
    out, _ = cloud.program("-c", run, *options, "-p", "singer_sdk.testing.pytest_plugin", suites)
    return out


def schema(**properties: Any) -> dict[str, Any]:
    declared = properties or PEOPLE
    return {"type": "SCHEMA", "stream": "people", "key_properties": ["id"], "schema": {"properties": declared}}


def row(**record: Any) -> dict[str, Any]:
    return {"type": "RECORD", "stream": "people", "record": record}


STATE = {"type": "STATE", "value": {"bookmarks": {"people": {"at": 1}}}}
