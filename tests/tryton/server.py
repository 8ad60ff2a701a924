"""A real Tryton server with an SQLite database, and people who work in it.

The database is built once and kept beside the plugin's environment for as long as its lock does not change; each server
runs on a copy of its own. Tryton is reached over HTTP only: nothing of it is imported here.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import requests

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".plugins" / "tryton"
BIN = HOME / "bin"
INSIDE = Path(__file__).parent / "inside"
DATABASE = "crm"
PASSWORD = "sync-password"
ADMIN = "admin-password"
KEY = "sync-key-" + "k" * 55
LONGEST = 120


def template() -> Path:
    """The database as an administrator leaves it; built by the first who asks, which takes half a minute."""
    if not (HOME / ".ready").exists():
        pytest.skip("Tryton is not installed: run `make plugins`")
    parts = (ROOT / "tests/plugins/tryton.txt", INSIDE / "seed.py")
    mark = sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()[:16]
    path = HOME / f"template-{mark}.sqlite"
    with (HOME / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            for old in HOME.glob("template-*.sqlite"):
                old.unlink()
            with tempfile.TemporaryDirectory(prefix="antiphon-tryton-") as name:
                _build(Path(name)).replace(path)
    return path


def _build(folder: Path) -> Path:
    config = _config(folder, 0)
    (folder / f"{DATABASE}.sqlite").touch()
    (folder / "password").write_text(ADMIN)
    env = {**os.environ, "TRYTONPASSFILE": str(folder / "password")}
    program = [BIN / "trytond-admin", "-c", config, "-d", DATABASE, "-u", "sale_opportunity"]
    _run([*program, "--activate-dependencies", "--email", "admin@example.com"], env)
    _run([BIN / "python", INSIDE / "seed.py", config, DATABASE, KEY, PASSWORD], env)
    made = folder / f"{DATABASE}.sqlite"
    kept = HOME / "template.part"
    shutil.copy(made, kept)
    return kept


def _run(words: list[Any], env: Mapping[str, str]) -> None:
    done = subprocess.run(
        [str(word) for word in words], env=env, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _config(folder: Path, port: int) -> Path:
    path = folder / "trytond.conf"
    path.write_text(
        f"[database]\nuri = sqlite://\npath = {folder}\n[web]\nlisten = 127.0.0.1:{port}\n[session]\nmax_age = 3600\n"
    )
    return path


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@dataclass(slots=True)
class Server:
    """A server on its own copy of the database."""

    folder: Path
    port: int
    _process: subprocess.Popen[bytes] | None = None
    _users: subprocess.Popen[str] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self, api: str = "json-rpc", **more: Any) -> dict[str, Any]:
        """The settings of a connector: over JSON-RPC as the user, or over REST with the key."""
        who = {"username": "sync", "password": PASSWORD} if api == "json-rpc" else {"key": KEY}
        return {"url": self.url, "database": DATABASE, **who, **more}

    # ---- its life

    def start(self) -> None:
        """Start, and wait until it answers."""
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(BIN / "trytond"), "-c", str(_config(self.folder, self.port)), "-d", DATABASE],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + LONGEST
        while True:
            assert self._process.poll() is None, (self.folder / "server.log").read_text()
            assert time.monotonic() < deadline, "trytond does not answer"
            try:
                asked = {"id": 1, "method": "common.server.version", "params": []}
                if requests.post(f"{self.url}/rpc/", json=asked, timeout=5).ok:
                    return
            except requests.RequestException:
                time.sleep(0.05)

    def kill(self) -> None:
        """As when the machine loses its power: nothing is finished."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End the server and the people."""
        if self._users is not None:
            self._users.kill()
            self._users.wait()
            for pipe in (self._users.stdin, self._users.stdout):
                if pipe is not None:
                    pipe.close()
            self._users = None
        self.kill()

    # ---- people

    def ask(self, do: str, **order: Any) -> Any:
        """Have a user do something in the client; what came of it."""
        if self._users is None:
            self._users = subprocess.Popen(
                [str(BIN / "python"), str(INSIDE / "users.py"), f"{self.url}/{DATABASE}/rpc/", "admin", ADMIN],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
        users = self._users
        assert users.stdin is not None
        assert users.stdout is not None
        users.stdin.write(json.dumps({"do": do, **order}) + "\n")
        users.stdin.flush()
        answer = json.loads(users.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["ok"]

    def make(self, model: str, **values: Any) -> int:
        return int(self.ask("make", model=model, values=values))

    def edit(self, model: str, key: int, **values: Any) -> None:
        self.ask("edit", model=model, key=key, values=values)

    def delete(self, model: str, key: int) -> None:
        self.ask("delete", model=model, key=key)

    def replace(self, source: int, destination: int) -> None:
        """Merge a party into another."""
        self.ask("replace", source=source, destination=destination)

    def show(self, model: str, *names: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("show", model=model, names=list(names))
        return found


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """A server on a fresh copy of the database."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(template(), folder / f"{DATABASE}.sqlite")
    server = Server(folder, _free_port())
    try:
        server.start()
        yield server
    finally:
        server.close()
