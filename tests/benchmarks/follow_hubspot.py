"""How long a change takes through `antiphon follow` between PostgreSQL and HubSpot: by webhooks, or by search.

    python -m tests.benchmarks.follow_hubspot --samples 100 --latency 30

HubSpot is the sandbox's, which answers each request after the stated latency, in milliseconds, and sends a webhook as
long after an edit. Beside it stand the same calls without Antiphon: what a program takes that knows the record already,
and does nothing but read and update it by two requests; or wait for the webhook, read the record, and write it to
PostgreSQL. One change at a time, at random moments; the other side is looked at every millisecond.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import psycopg

from antiphon_sandbox.hubspot import HubSpot, Webhooks
from antiphon_sandbox.hubspot.schema import Property
from tap_hubspot.api import connect
from tests.benchmarks.follow_latency import Pair, end, follow, kill, logged, percentile
from tests.benchmarks.made import lowest_fsync, machine, tell

LOOK = 0.001
TABLE = "create table people (id text primary key, email text unique, first_name text, city text)"
SYNC = """name: hubspot
sides:
  crm:
    config: {{access_token: $HUBSPOT_TOKEN, api_base: "{url}"}}
    tap: {{command: tap-hubspot, config: {{{webhooks}sweep_seconds: 30, overlap_seconds: 60, objects: [contacts]}}}}
    target: {{command: target-hubspot}}
  warehouse:
    config: {{url: "{warehouse}"}}
    tap: {{command: tap-sql}}
    target: {{command: target-sql}}
entities:
  contact:
    sides:
      crm: {{stream: contacts, key: id, on_create: assigned, replication: incremental, replication_key: updatedAt}}
      warehouse: {{stream: public-people, key: id, on_create: uuid, replication: log}}
    match: [email]
    policy: {{owner: crm}}
    fields: {{email: email, first_name: {{crm: firstname, warehouse: first_name}}, city: city}}
guards: {{max_change: 100%, max_create: 100%}}
"""


@contextmanager
def account(latency: float) -> Iterator[HubSpot]:
    """An account with the unique property that creates need."""
    with HubSpot(latency=latency) as hubspot:
        hubspot.account.define("contacts", Property("antiphon_key", unique=True, defined_by_hubspot=False))
        yield hubspot


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def webhooks(hubspot: HubSpot, url: str, pause: float) -> Iterator[None]:
    """HubSpot sends its events there."""
    hooks = Webhooks(url, hubspot.tokens.client_secret, pause=pause)
    hubspot.account.listeners.append(hooks.hear)
    hooks.start()
    try:
        yield
    finally:
        hubspot.account.listeners.remove(hooks.hear)
        hooks.stop()


def fill(hubspot: HubSpot, made: Pair, contacts: int) -> None:
    """The same contacts on both sides."""
    with made.connect("warehouse") as connection:
        connection.execute(TABLE)
        for number in range(contacts):
            row = (f"w{number}", f"{number}@example.com", "Ann", "Rome")
            connection.execute("insert into people values (%s, %s, %s, %s)", row)
            hubspot.account.enter("contacts", {"email": row[1], "firstname": row[2], "city": row[3]})


@contextmanager
def followed(hubspot: HubSpot, contacts: int, url: str, *options: str) -> Iterator[Pair]:
    """A warehouse with the same contacts, and the process that follows both."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="antiphon-follow-")))
        cluster = stack.enter_context(logged(folder / "warehouse"))
        made = Pair(folder, {"warehouse": cluster})
        fill(hubspot, made, contacts)
        heard = {
            "webhook_listen": urlsplit(url).netloc,
            "webhook_url": url,
            "client_secret": hubspot.tokens.client_secret,
        }
        words = "".join(f'{name}: "{value}", ' for name, value in heard.items()) if url else ""
        text = SYNC.format(url=hubspot.url, warehouse=cluster.dsn(), webhooks=words)
        (folder / "sync.yml").write_text(text, encoding="utf-8")
        os.environ["HUBSPOT_TOKEN"] = hubspot.token
        stack.callback(kill, made)
        follow(made, *options)
        yield made


def changes(
    hubspot: HubSpot,
    connection: psycopg.Connection[Any],
    contacts: int,
    samples: int,
    write: Callable[[str, str], object] = lambda _email, _value: None,
) -> dict[str, list[float]]:
    """Milliseconds from an edit to its being visible on the other side.

    `write` is given the e-mail and the value of each edit in PostgreSQL, and may write it to HubSpot.
    """
    chance = random.Random(1)
    kind = hubspot.account.kind("contacts")
    found: dict[str, list[float]] = {}
    for sample in range(samples):
        number, value = chance.randrange(contacts), f"value {chance.random()}"
        email = f"{number}@example.com"
        record = hubspot.account.find(kind, email, by="email")
        if record is None:
            sys.exit(f"{email} is not in HubSpot")
        time.sleep(chance.uniform(0.1, 0.4))
        if sample % 2:
            connection.execute("update people set city = %s where email = %s", (value, email))
            began = time.perf_counter()
            write(email, value)
            while record.values.get("city") != value:
                _wait(began, f"{email} to HubSpot")
            direction = "PostgreSQL to HubSpot"
        else:
            hubspot.account.edit("contacts", record.id, city=value)
            began = time.perf_counter()
            query = "select city from people where email = %s"
            while connection.execute(query, (email,)).fetchone() != (value,):
                _wait(began, f"{email} to PostgreSQL")
            direction = "HubSpot to PostgreSQL"
        found.setdefault(direction, []).append(1000 * (time.perf_counter() - began))
    return found


def _wait(began: float, what: str) -> None:
    time.sleep(LOOK)
    if time.perf_counter() - began > 60:
        sys.exit(f"lost: {what}")


class Bare:
    """The same calls without anything between: read and update by id; and a receiver of webhooks that writes rows."""

    def __init__(self, hubspot: HubSpot, connection: psycopg.Connection[Any]) -> None:
        self._api = connect({"access_token": hubspot.token, "api_base": hubspot.url})
        kind = hubspot.account.kind("contacts")
        self._ids = {str(record.values["email"]): record.id for record in hubspot.account.all(kind)}
        self._connection = connection
        bare = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                events = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response_only(200)
                self.send_header("Content-Length", "0")
                self.end_headers()
                bare.read({str(event["objectId"]) for event in events})

            def log_message(self, *_args: object) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_why: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def write(self, email: str, value: str) -> None:
        """Look, and update."""
        key = self._ids[email]
        self._api.read("contacts", [key], ["city"])
        self._api.write("contacts", "update", [{"id": key, "properties": {"city": value}}], repeatable=True)

    def read(self, ids: set[str]) -> None:
        """Read, and write rows."""
        for each in self._api.read("contacts", sorted(ids), ["email", "city"], history=["city"]):
            values = each["properties"]
            query = "update people set city = %s where email = %s and city is distinct from %s"
            self._connection.execute(query, (values["city"], values["email"], values["city"]))


def report(how: str, latency: float, found: dict[str, list[float]], **more: object) -> None:
    """Print a distribution for each direction."""
    for direction, values in sorted(found.items()):
        tell(
            benchmark="follow HubSpot",
            how=how,
            direction=direction,
            samples=len(values),
            latency_ms=round(latency),
            p50_ms=percentile(values, 0.5),
            p95_ms=percentile(values, 0.95),
            p99_ms=percentile(values, 0.99),
            max_ms=round(max(values), 2),
            **more,
        )


def main() -> None:
    """Measure the calls alone, with webhooks, and with search."""
    asking = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asking.add_argument("--samples", type=int, default=100)
    asking.add_argument("--contacts", type=int, default=1000)
    asking.add_argument("--latency", type=float, default=30, help="of each answer and webhook, in milliseconds")
    given = asking.parse_args()
    latency = given.latency / 1000

    for how in ("webhooks", "search"):
        with account(latency) as hubspot, ExitStack() as stack:
            url = f"http://127.0.0.1:{free_port()}/hubspot" if how == "webhooks" else ""
            made = stack.enter_context(followed(hubspot, given.contacts, url, "--poll", "0.5"))
            if url:
                stack.enter_context(webhooks(hubspot, url, latency))
            with made.connect("warehouse") as connection:
                changes(hubspot, connection, given.contacts, 10)
                found = changes(hubspot, connection, given.contacts, given.samples)
                fsync = round(1000 * lowest_fsync(made.folder), 3)
                report(f"antiphon follow, {how}", given.latency, found, fsync_ms=fsync, machine=machine())
            end(made)
    with ExitStack() as stack:
        hubspot = stack.enter_context(account(latency))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="antiphon-follow-")))
        made = Pair(folder, {"warehouse": stack.enter_context(logged(folder / "warehouse"))})
        fill(hubspot, made, given.contacts)
        connection, writing = (stack.enter_context(made.connect("warehouse")) for _ in range(2))
        bare = stack.enter_context(Bare(hubspot, writing))
        stack.enter_context(webhooks(hubspot, bare.url, latency))
        changes(hubspot, connection, given.contacts, 10, bare.write)
        found = changes(hubspot, connection, given.contacts, given.samples, bare.write)
        report("the calls alone", given.latency, found)


if __name__ == "__main__":
    main()
