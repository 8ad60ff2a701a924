"""Two systems to try a sync on: `python -m antiphon_sandbox.service start`, which is the `sandbox` of meltano.yml.

| command                           | what it does                                                                    |
|-----------------------------------|---------------------------------------------------------------------------------|
| `start`                           | a HubSpot account with a few contacts is served, and a DuckDB file made         |
| `show EMAIL`                      | the contact on both sides                                                       |
| `edit SIDE EMAIL COLUMN=VALUE …`  | what a user of `crm` or `warehouse` does                                        |
| `stop`                            | the account ends, and all that is in it                                         |
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import duckdb
import requests

TABLE = (
    "CREATE TABLE IF NOT EXISTS contacts (contact_id UUID PRIMARY KEY, antiphon_key VARCHAR UNIQUE, email VARCHAR, "
    "first_name VARCHAR, last_name VARCHAR, city VARCHAR, score INTEGER)"
)
_CONTACTS = "/crm/v3/objects/contacts"
_HEADERS = {"Authorization": "Bearer pat-na1-sandbox"}
_PATIENCE = 30.0
"""Seconds that the account gets to begin to answer."""


def start(folder: Path, port: int) -> str:
    """See that both systems are there. Raises `SystemExit` with the reason if the account does not answer."""
    folder.mkdir(parents=True, exist_ok=True)
    _make_warehouse(folder)
    url = _url(port)
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


def show(folder: Path, port: int, email: str) -> str:
    """The contact on both sides."""
    crm = _contact(port, email)["properties"]
    with _warehouse(folder) as connection:
        row = connection.execute("SELECT first_name, last_name, city FROM contacts WHERE email = ?", [email]).fetchone()
    lines = [("crm", crm and (crm["firstname"], crm["lastname"], crm["city"])), ("warehouse", row)]
    return "\n".join(f"{side:<11}{v[0]} {v[1]}, {v[2]}" if v else f"{side:<11}not there" for side, v in lines)


def edit(folder: Path, port: int, side: str, email: str, values: dict[str, str]) -> str:
    """Change a contact's columns on one side, as its users would."""
    if side == "crm":
        url = f"{_url(port)}{_CONTACTS}/{_contact(port, email)['id']}"
        requests.patch(url, json={"properties": values}, headers=_HEADERS, timeout=10).raise_for_status()
    else:
        with _warehouse(folder) as connection:
            for column, value in values.items():
                name = column.replace('"', '""')
                connection.execute(f'UPDATE contacts SET "{name}" = ? WHERE email = ?', [value, email])  # noqa: S608 - quoted
    return f"{side}: {email} has {', '.join(f'{name} {value}' for name, value in values.items())}"


def _contact(port: int, email: str) -> dict[str, Any]:
    properties = {"idProperty": "email", "properties": "firstname,lastname,city"}
    answer = requests.get(f"{_url(port)}{_CONTACTS}/{email}", params=properties, headers=_HEADERS, timeout=10)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _warehouse(folder: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(folder / "warehouse.duckdb"))


def _make_warehouse(folder: Path) -> None:
    with _warehouse(folder) as connection:
        connection.execute(TABLE)


def _answers(url: str) -> bool:
    try:
        return bool(requests.get(f"{url}{_CONTACTS}", timeout=2).status_code == HTTPStatus.UNAUTHORIZED)
    except requests.ConnectionError:
        return False


def _pid_file(folder: Path) -> Path:
    return folder / "hubspot.pid"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m antiphon_sandbox.service", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".antiphon/sandbox"))
    parser.add_argument("--port", type=int, default=8700)
    commands = parser.add_subparsers(dest="what", required=True)
    commands.add_parser("start")
    commands.add_parser("stop")
    commands.add_parser("show").add_argument("email")
    editing = commands.add_parser("edit")
    editing.add_argument("side", choices=["crm", "warehouse"])
    editing.add_argument("email")
    editing.add_argument("values", nargs="+", metavar="COLUMN=VALUE")
    given = parser.parse_args()
    match given.what:
        case "start":
            print(start(given.folder, given.port))
        case "show":
            print(show(given.folder, given.port, given.email))
        case "edit":
            values = dict(each.split("=", 1) for each in given.values)
            print(edit(given.folder, given.port, given.side, given.email, values))
        case _:
            print(stop(given.folder))


if __name__ == "__main__":
    main()
