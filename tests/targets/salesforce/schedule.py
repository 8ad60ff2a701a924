"""One generated schedule: operations, faults and people's edits from a seed, and a judge who looks into the org.

A third of the schedules write on condition, a third by collections, a third by jobs. Each moment of the org is a second
of its own, so that a condition, which knows whole seconds, must hold.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from antiphon_sandbox.salesforce import App, Fault, Field, Org, Record, Salesforce
from tests.targets.salesforce.desk import Desk, create, delete, update

ROUNDS, NUMBER = 5, 20
KEY = "antiphon_key__c"
WAYS: tuple[Mapping[str, Any], ...] = ({"conditional_up_to": 1000}, {"conditional_up_to": 0}, {"api": "bulk"})


class Schedule:
    """The org, and what people entered by hand: `past` has every city that a record ever had."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.chance, self.folder, self.way = random.Random(seed), folder, WAYS[seed % len(WAYS)]
        seconds = itertools.count()
        self.org = Org(clock=lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=next(seconds)))
        self.org.objects["Contact"].add(Field(KEY, length=36, external_id=True, unique=True))
        self.past: dict[str, list[Any]] = defaultdict(list)
        self.by_hand: dict[str, str] = {}  # the last one of each record
        self.expected: dict[str, set[Any]] = defaultdict(set)
        self.org.rules["Contact"] = [lambda values: self.past[str(values.get("Id"))].append(values["MailingCity"])]
        self.people = [self.org.enter("Contact", {"LastName": f"N{n}", "MailingCity": "Rome"}) for n in range(NUMBER)]
        for each in self.people:
            self.past[each.id].append("Rome")

    def edit(self) -> None:
        """Somebody edits a record."""
        live = [each for each in self.people if not each.in_bin and each.id not in self.org.locked]
        if live:
            record = self.chance.choice(live)
            self.by_hand[record.id] = value = f"hand {self.chance.random()}"
            self.org.edit(record.id, MailingCity=value)

    def lock(self) -> None:
        """Another transaction holds some records, and lets others go."""
        self.org.locked = {each.id for each in self.people if self.chance.random() < 0.1}

    def faults(self) -> list[Fault]:
        """Some of everything."""
        chance, write = self.chance, "PATCH|POST .*(composite|jobs)|PUT|DELETE"
        found = [
            Fault("status", chance=chance.random() * 0.3, times=4, status=chance.choice([500, 502, 503, 504])),
            Fault("status", write, chance=chance.random() * 0.3, times=3, applied=True),
            Fault("cut", chance=chance.random() * 0.3, times=3, applied=chance.random() < 0.5),
            Fault("half", chance=chance.random() * 0.2, times=2, applied=True),
            Fault("timeout", write, chance=chance.random() * 0.3, times=2, seconds=0.01, applied=chance.random() < 0.5),
            Fault("expire", chance=0.1),
            Fault("limit", "composite|jobs", chance=0.03),
            Fault("human", "PATCH|POST .*(composite|jobs)|GET .*jobs", chance=0.4, times=4, does=self.edit),
            Fault("human", chance=0.2, times=3, does=self.lock),
        ]
        chance.shuffle(found)
        return found

    def operations(self, number: int) -> dict[str, dict[str, Any]]:
        """What the reconciler asks for in a round."""
        found = []
        for record in self.chance.sample(self.people, 10):
            if record.in_bin:
                continue
            expect = {"MailingCity": record.values["MailingCity"] if self.chance.random() < 0.8 else "elsewhere"}
            wanted = self.chance.choice([f"city {number} {record.id}", None, record.values["MailingCity"]])
            one = delete(record, **expect) if self.chance.random() < 0.1 else update(record, expect, MailingCity=wanted)
            self.expected[record.id].add(expect["MailingCity"])
            found.append({**one, "sync_key": record.id})
        found += [
            {**create(LastName=self.chance.choice([f"New {n}", ""]), MailingCity="Rome"), "sync_key": f"k{number}.{n}"}
            for n in range(4)
        ]
        self.chance.shuffle(found)
        return {str(op["sync_key"]): op for op in found}

    def play(self) -> list[str]:
        """Play it; what the judge found wrong."""
        wrong, waiting = list[str](), dict[str, dict[str, Any]]()  # creates without a final receipt are asked for again
        with Salesforce(self.org, app=App(lifetime=10.0**9)) as salesforce:
            app = salesforce.app
            login = {"access_token": "", "client_id": app.client_id, "client_secret": app.client_secret}
            desk = Desk(salesforce, self.folder)
            for number in range(ROUNDS):
                last = number == ROUNDS - 1
                salesforce.faults = [] if last else self.faults()
                salesforce.jobs.stops = [self.chance.randrange(5)] if not last and self.chance.random() < 0.3 else []
                self.org.locked = set()
                ops = self.operations(number) | waiting
                receipts = desk.operate("Contact", *ops.values(), domain=salesforce.url, **login, **self.way)
                told = dict(zip(ops, receipts, strict=True))
                waiting = {
                    key: op for key, op in ops.items() if told[key]["status"] == "failed" and op["op"] == "create"
                }
                wrong += [f"round {number}: {words}" for key, op in ops.items() for words in self.judge(op, told[key])]
                wrong += [f"round {number}: {words}" for words in self.lost()]
        wrong += [f"without faults {key} was still not made" for key in waiting]
        keys = Counter(each.values[KEY] for each in self.org.records.values() if each.kind == "Contact")
        del keys[None]
        return wrong + [f"{key} was made {times} times" for key, times in keys.items() if times > 1]

    def lost(self) -> list[str]:
        """What was entered by hand and was overwritten by an operation that did not expect it, though on condition."""
        if not self.way.get("conditional_up_to"):
            return []
        return [
            f"{value!r}, entered by hand, was overwritten in {key}"
            for key, value in self.by_hand.items()
            if self.org.records[key].values["MailingCity"] != value and value not in self.expected[key]
        ]

    def judge(self, op: dict[str, Any], receipt: dict[str, Any]) -> list[str]:
        """Whether the org is as the receipt says."""
        status, key = receipt["status"], (receipt.get("id") or op.get("key") or {}).get("Id", "")
        record: Record | None = self.org.records.get(key)
        told = f"{op['op']} of {op['sync_key']} is {status}"
        match op["op"], status:
            case "create", "applied":
                if record is None or record.values[KEY] != op["sync_key"]:
                    return [f"{told}, and there is no such record"]
            case "create", "rejected":
                if op["values"]["LastName"] or any(each.values.get(KEY) == op["sync_key"] for each in self._all()):
                    return [f"{told}, and yet it was made, or nothing is wrong with it: {receipt['error']}"]
            case "update", "applied":
                if op["values"]["MailingCity"] not in self.past[key]:
                    return [f"{told}, and the value was never there"]
            case "update", "rejected":
                return [f"{told}, and nothing is wrong with it: {receipt['error']}"]
            case "delete", "applied":
                if record is None or not record.in_bin:
                    return [f"{told}, and it is still there"]
            case _, "stale":
                if receipt["found"].get("MailingCity") not in self.past[key]:
                    return [f"{told}, and what was found was never there"]
            case _:
                pass
        return []

    def _all(self) -> list[Record]:
        return [each for each in self.org.records.values() if each.kind == "Contact"]
