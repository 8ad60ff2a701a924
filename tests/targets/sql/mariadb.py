"""A MariaDB server of the tests' own, from Debian's package `mariadb-server`."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy import exc

PROGRAM = shutil.which("mariadbd")
_SECONDS = 60


@contextmanager
def running() -> Iterator[str]:
    """The URL of a server that holds the empty database `shop`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="antiphon-mariadb-") as folder:
        command = [
            str(PROGRAM), "--no-defaults", "--skip-grant-tables", "--user=root", f"--datadir={folder}",
            f"--port={port}", "--bind-address=127.0.0.1", f"--socket={folder}/socket", "--default-time-zone=+02:00",
        ]  # fmt: skip
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            url = f"mariadb+pymysql://root@127.0.0.1:{port}"
            _wait(url, process)
            yield url
        finally:
            process.kill()
            process.wait()


def make_database(url: str, name: str) -> str:
    """The URL of a new empty database."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return f"{url}/{name}"


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    engine = sa.create_engine(url)
    ends = time.monotonic() + _SECONDS
    while True:
        try:
            engine.connect().close()
        except exc.OperationalError:
            if process.poll() is not None or time.monotonic() > ends:
                raise
            time.sleep(0.2)
        else:
            engine.dispose()
            return
