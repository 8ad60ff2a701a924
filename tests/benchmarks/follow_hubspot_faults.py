"""`antiphon follow` between PostgreSQL and HubSpot under faults: users of both edit while HubSpot and webhooks fail.

    python -m tests.benchmarks.follow_hubspot_faults --seconds 300

HubSpot is the sandbox's. Faults come one after the other in a random order (`--seed`): HubSpot lets nobody in for more
than `--patience` (429), answers with errors (503), is silent, applies writes and breaks off before the answer; webhooks
are lost, or come twice; a plugin or the process itself is killed. Then the users rest, the process ends by SIGTERM,
`antiphon sync` takes what is left and `antiphon verify` must find nothing; every user's last value must stand on the
other side.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from typing import Any

import psycopg

from antiphon_sandbox.hubspot import Fault, HubSpot, Webhooks
from tests.benchmarks.faults import asked, endure, plugins
from tests.benchmarks.follow_hubspot import account, followed, free_port
from tests.benchmarks.follow_latency import Pair

CONTACTS = 200
PATIENCE = 10
QUIET = (4.0, 10.0)
"""Seconds between two faults."""
RATE = 4.0
"""Edits a second on each side."""


class Users(threading.Thread):
    """Edit a property of their own of any contact, again and again."""

    def __init__(self, edit: Callable[[int, str], object]) -> None:
        super().__init__(daemon=True)
        self._edit, self._chance = edit, random.Random(1)
        self.last: dict[int, str] = {}
        self.stop = threading.Event()
        self.written = 0

    def run(self) -> None:
        """Edit until told to stop."""
        while not self.stop.wait(1 / RATE):
            number, value = self._chance.randrange(CONTACTS), f"value {self.written}"
            self._edit(number, value)
            self.last[number] = value
            self.written += 1

    def end(self) -> int:
        """Stop; how many edits there were."""
        self.stop.set()
        self.join()
        return self.written


class Trouble:
    """What may go wrong."""

    def __init__(self, hubspot: HubSpot, hooks: Webhooks, made: Pair, chance: random.Random) -> None:
        self._hubspot, self._hooks, self._made, self._chance = hubspot, hooks, made, chance
        self.kinds: tuple[Callable[[], None], ...] = (
            self.the_limit_is_reached,
            self.hubspot_fails,
            self.hubspot_is_silent,
            self.answers_are_lost,
            self.webhooks_are_lost,
            self.a_plugin_is_killed,
            self.the_process_is_killed,
        )

    def the_limit_is_reached(self) -> None:
        """By somebody else, for longer than anybody waits."""
        self._for_a_while(Fault("status", status=429, retry_after=3, times=10**6), 2 * PATIENCE)

    def hubspot_fails(self) -> None:
        """With errors of its own."""
        self._for_a_while(Fault("status", status=503, times=10**6, chance=0.7), PATIENCE)

    def hubspot_is_silent(self) -> None:
        """And then breaks off."""
        self._for_a_while(Fault("timeout", times=10**6, seconds=PATIENCE + 2), PATIENCE)

    def answers_are_lost(self) -> None:
        """What was asked for is done."""
        self._for_a_while(Fault("timeout", "POST .*/batch/update", times=10**6, applied=True), PATIENCE)

    def webhooks_are_lost(self) -> None:
        """All of them."""
        self._hubspot.account.listeners.remove(self._hooks.hear)
        time.sleep(PATIENCE)
        self._hubspot.account.listeners.append(self._hooks.hear)

    def a_plugin_is_killed(self) -> None:
        """By somebody's hand."""
        if running := plugins(self._made):
            with suppress(ProcessLookupError):
                os.kill(self._chance.choice(running), signal.SIGKILL)

    def the_process_is_killed(self) -> None:
        """And started anew."""
        self._made.process.kill()
        self._made.process.wait()

    def _for_a_while(self, fault: Fault, seconds: float) -> None:
        self._hubspot.faults.add(fault)
        time.sleep(seconds)
        self._hubspot.faults.clear()


def missing(
    hubspot: HubSpot, connection: psycopg.Connection[Any], ids: Mapping[str, str], users: Mapping[str, Users]
) -> list[str]:
    """The users' last values that do not stand on the other side."""
    rows = dict(connection.execute("select id, city from people").fetchall())
    lost = [f"crm {n}: {value}" for n, value in users["crm"].last.items() if rows[f"w{n}"] != value]
    for number, value in users["warehouse"].last.items():
        record = hubspot.account.find(hubspot.account.kind("contacts"), ids[f"{number}@example.com"])
        if record is None or record.values.get("firstname") != value:
            lost.append(f"warehouse {number}: {value}")
    return lost


def main() -> None:
    """Run for so long, and judge."""
    given = asked(__doc__, 300).parse_args()
    chance = random.Random(given.seed)
    options = ("--patience", str(PATIENCE), "--wait", "60")
    with account(0.005) as hubspot, ExitStack() as stack:
        url = f"http://127.0.0.1:{free_port()}/hubspot"
        made = stack.enter_context(followed(hubspot, CONTACTS, url, *options))
        hooks = Webhooks(url, hubspot.tokens.client_secret, twice=20)
        hubspot.account.listeners.append(hooks.hear)
        hooks.start()
        stack.callback(hooks.stop)
        connection = stack.enter_context(made.connect("warehouse"))
        ids = {str(record.values["email"]): record.id for record in hubspot.account.live("contacts")}

        def edit_row(number: int, value: str) -> None:
            connection.execute("update people set first_name = %s where id = %s", (value, f"w{number}"))

        def edit_contact(number: int, value: str) -> None:
            hubspot.account.edit("contacts", ids[f"{number}@example.com"], city=value)

        users = {"warehouse": Users(edit_row), "crm": Users(edit_contact)}
        endure(
            "follow HubSpot under faults",
            made,
            list(users.values()),
            Trouble(hubspot, hooks, made, chance).kinds,
            lambda: missing(hubspot, connection, ids, users),
            given,
            chance=chance,
            quiet=QUIET,
            options=options,
        )


if __name__ == "__main__":
    main()
