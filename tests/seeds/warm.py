"""Our programs without the second that each needs to begin: a process that has imported them all forks one when asked.

Every command of a sync still is a process of its own, with real pipes, arguments, environment and exit code; it only
need not read its modules from the disk. `sync.yml` names `warm_client.py PROGRAM` where it would name the program.
"""

from __future__ import annotations

import array
import gc
import importlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAMS = {
    "antiphon": "antiphon.cli.main:main",
    "tap-hubspot": "tap_hubspot.tap:main",
    "tap-sql": "tap_sql.tap:main",
    "target-hubspot": "target_hubspot.target:main",
    "target-sql": "target_sql.target:TargetSQL.cli",
}
LATE = ["antiphon.cli.rounds", "duckdb_engine", "sqlalchemy.dialects.sqlite", "tap_sql.dialects.sqlite"]
"""What the programs would import later."""

CLIENT = Path(__file__).with_name("warm_client.py")


def command(program: str) -> list[str]:
    """What to type instead of the program's name, with `WARM` in the environment."""
    return [sys.executable, "-S", "-E", str(CLIENT), program]


@contextmanager
def warmed() -> Iterator[str]:
    """The address at which the warm process listens: the value of `WARM`."""
    with tempfile.TemporaryDirectory(prefix="antiphon-warm-") as folder:
        address = str(Path(folder) / "socket")
        process = subprocess.Popen([sys.executable, "-m", "tests.seeds.warm", address])
        try:
            while not Path(address).exists():
                assert process.poll() is None, "the warm process ended"
                time.sleep(0.02)
            yield address
        finally:
            process.terminate()
            process.wait()


def serve(address: str) -> None:
    """Import everything, then fork a program for each connection."""
    mains = {}
    for program, where in PROGRAMS.items():
        module, _, path = where.partition(":")
        found: Any = importlib.import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
        mains[program] = found
    for module in LATE:
        importlib.import_module(module)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address + ".new")
        listener.listen(64)
        Path(address + ".new").rename(address)
        while True:
            asked, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _become(asked, mains)
            asked.close()


def _become(asked: socket.socket, mains: dict[str, Any]) -> None:
    """Be the program that is asked for: this does not return."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    fds = array.array("i")
    head, extra, _, _ = asked.recvmsg(4, socket.CMSG_LEN(3 * fds.itemsize))
    fds.frombytes(extra[0][2])
    rest = b""
    while len(rest) < int.from_bytes(head):
        rest += asked.recv(65536)
    order = json.loads(rest)
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
        os.close(fd)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    sys.argv = order["argv"]
    buffering = 0 if order["env"].get("PYTHONUNBUFFERED") else -1
    sys.stdin = io.TextIOWrapper(open(0, "rb", closefd=False), encoding="utf-8")  # noqa: SIM115
    for name, fd, size in (("stdout", 1, buffering), ("stderr", 2, 0)):
        raw = open(fd, "wb", buffering=size, closefd=False)  # noqa: SIM115
        setattr(sys, name, io.TextIOWrapper(raw, encoding="utf-8", write_through=size == 0))
    threading.Thread(target=_end_with, args=(asked,), daemon=True).start()
    code: Any = 1
    try:
        mains[order["argv"][0]]()
        code = 0
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - Python itself would print it so
        sys.excepthook(*sys.exc_info())
    finally:
        try:
            sys.stdout.flush()
        except OSError:
            code = 120  # as Python does
        asked.send(bytes([code if isinstance(code, int) else int(code is not None)]))
        os._exit(0)


def _end_with(asked: socket.socket) -> None:
    """Whoever asked was killed: so is this."""
    asked.recv(1)
    os._exit(137)


if __name__ == "__main__":
    serve(sys.argv[1])
