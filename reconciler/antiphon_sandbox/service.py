"""Two systems to try a sync on: `python -m antiphon_sandbox.service start` (or `stop`), as the `sandbox` of meltano.yml.

`start` has a HubSpot account with a few contacts served in the background until `stop`, and makes a DuckDB file with an
empty table of contacts. Both may be there already: then they stay as they are. Stopping the account forgets it.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import requests

TABLE = (
    "CREATE TABLE IF NOT EXISTS contacts (contact_id UUID PRIMARY KEY, antiphon_key VARCHAR UNIQUE, email VARCHAR, "
    "first_name VARCHAR, last_name VARCHAR, city VARCHAR, score INTEGER)"
)
_PATIENCE = 30.0
"""Seconds that the account gets to begin to answer."""


def start(folder: Path, port: int) -> str:
    """See that both systems are there. Raises `SystemExit` with the reason if the account does not answer."""
    folder.mkdir(parents=True, exist_ok=True)
    _make_warehouse(folder / "warehouse.duckdb")
    url = f"http://127.0.0.1:{port}"
    if _answers(url):
        return f"a HubSpot account answers at {url}"
    command = [sys.executable, "-m", "antiphon_sandbox.hubspot", "--port", str(port), "--lag", "0"]
    with (folder / "hubspot.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, close_fds=True
        )
    _pid_file(folder).write_text(str(process.pid), encoding="utf-8")
    deadline = time.monotonic() + _PATIENCE
    while not _answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"error: the HubSpot account does not answer at {url}\n  {folder / 'hubspot.log'} says why")
        time.sleep(0.1)
    return f"a HubSpot account was made; it answers at {url}"


def stop(folder: Path) -> str:
    """End the account."""
    file = _pid_file(folder)
    if not file.is_file():
        return "no HubSpot account was started here"
    with suppress(ProcessLookupError):
        os.kill(int(file.read_text(encoding="utf-8")), signal.SIGTERM)
    file.unlink()
    return "the HubSpot account is gone"


def _make_warehouse(file: Path) -> None:
    import duckdb  # noqa: PLC0415  # an extra, and only here

    with duckdb.connect(str(file)) as connection:
        connection.execute(TABLE)


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/crm/v3/objects/contacts", timeout=2).status_code == requests.codes.unauthorized
    except requests.ConnectionError:
        return False


def _pid_file(folder: Path) -> Path:
    return folder / "hubspot.pid"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m antiphon_sandbox.service", description=__doc__)
    parser.add_argument("what", choices=["start", "stop"])
    parser.add_argument("--folder", type=Path, default=Path(".antiphon/sandbox"))
    parser.add_argument("--port", type=int, default=8700)
    given = parser.parse_args()
    print(start(given.folder, given.port) if given.what == "start" else stop(given.folder))


if __name__ == "__main__":
    main()
