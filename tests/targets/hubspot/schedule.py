"""One generated schedule: operations, faults and people's edits from a seed, and a judge who looks into the account."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

from antiphon_sandbox.hubspot import Fault, HubSpot, Record
from antiphon_sandbox.hubspot.schema import Property
from target_kit.errors import TargetError
from tests.targets.hubspot.conftest import KEY, Desk, create, delete, update

ROUNDS = 6
NUMBER = 24


def faults(chance: random.Random, hubspot: HubSpot, people: list[Record]) -> list[Fault]:
    """Some of everything."""

    def by_hand() -> None:
        live = [record for record in people if record.archived is None]
        if live:
            hubspot.account.edit("contacts", chance.choice(live).id, city=f"by hand {chance.random()}")

    found = [
        Fault("status", chance=chance.random() * 0.3, times=4, status=chance.choice([500, 502, 503, 504, 524])),
        Fault("status", chance=chance.random() * 0.3, times=3, status=503, applied=True),
        Fault("status", chance=chance.random() * 0.2, times=2, status=429, retry_after=0),
        Fault("status", chance=chance.random() * 0.2, times=2, status=423, retry_after=0),
        Fault("status", chance=chance.random() * 0.2, times=1, status=477, retry_after=0),
        Fault("cut", chance=chance.random() * 0.2, times=3, applied=chance.random() < 0.5),
        Fault("timeout", chance=chance.random() * 0.2, times=2, seconds=0.01, applied=chance.random() < 0.5),
        Fault("daily", chance=0.01, times=1),
        Fault("partial", path="batch/", chance=chance.random() * 0.3, times=2),
        Fault("human", path="batch/update", chance=0.5, times=2, does=by_hand),
    ]
    chance.shuffle(found)
    return found


def play(seed: int, folder: Path) -> list[str]:
    """Play a schedule; what the judge found wrong."""
    chance = random.Random(seed)
    with HubSpot() as hubspot:
        account = hubspot.account
        account.define("contacts", Property(KEY, unique=True))
        hubspot.portal.multi_status = chance.random() < 0.7
        people = [account.enter("contacts", {"email": f"n{n}@example.com", "city": "Rome"}) for n in range(NUMBER)]
        desk = Desk(hubspot, folder, {"batch_size_rows": chance.choice([5, 100])})
        waiting: dict[str, dict[str, Any]] = {}  # creates without a final receipt are asked for again
        wrong: list[str] = []
        for number in range(ROUNDS):
            hubspot.faults.clear()
            hubspot.faults.add(*(faults(chance, hubspot, people) if number < ROUNDS - 1 else ()))
            ops = _operations(chance, people, number) | waiting
            try:
                receipts = desk.operate(*ops.values())
            except TargetError as error:
                wrong.append(f"the run ended: {error}")
                break
            waiting = {}
            for receipt in receipts:
                op = ops[receipt["op_id"]]
                if receipt["status"] == "failed" and op["op"] == "create":
                    waiting[receipt["op_id"]] = op
                wrong += [f"round {number}: {words}" for words in judge(hubspot, op, receipt)]
            if [receipt["op_id"] for receipt in receipts] != list(ops):
                wrong.append(f"round {number}: not one receipt for each operation, in order")
        if waiting:
            wrong.append(f"without faults these were still not made: {sorted(waiting)}")
        keys = Counter(record.values.get(KEY) for record in account.records.values() if record.values.get(KEY))
        wrong += [f"{key} was made {times} times" for key, times in keys.items() if times > 1]
        return wrong


def _operations(chance: random.Random, people: list[Record], number: int) -> dict[str, dict[str, Any]]:
    found = []
    for record in chance.sample(people, 12):
        if record.archived is not None:
            continue
        expect = {"city": record.values.get("city") if chance.random() < 0.8 else "elsewhere"}
        if chance.random() < 0.1:
            found.append(delete(record.id, **expect))
        else:
            value = chance.choice([f"city {number} {record.id}", None, record.values.get("city")])
            found.append(update(record.id, expect, city=value))
    found += [
        create(number * 100 + n, email=chance.choice([f"new{number}.{n}@example.com", "n0@example.com", "no address"]))
        for n in range(6)
    ]
    chance.shuffle(found)
    return {op["op_id"]: op for op in found}


def judge(hubspot: HubSpot, op: dict[str, Any], receipt: dict[str, Any]) -> list[str]:
    """Whether the account is as the receipt says."""
    account, status = hubspot.account, receipt["status"]
    kind = account.kind("contacts")
    key = (receipt.get("id") or op["key"] or {}).get("id", "")
    live, binned = account.find(kind, key), account.find(kind, key, archived=True)
    told = f"{op['op_id']} is {status}"
    match op["op"], status:
        case "create", "applied":
            made = live or binned
            if made is None or made.values.get(KEY) != op["sync_key"]:
                return [f"{told}, and there is no such record"]
        case "create", "rejected":
            if any(r.values.get(KEY) == op["sync_key"] for r in account.records.values()):
                return [f"{told}, and yet it was made"]
        case "update", "applied":
            wanted = op["values"]["city"]
            past = [version.value for version in live.history.get("city", [])] if live else []
            if live is not None and wanted is not None and wanted not in past:
                return [f"{told}, and {wanted!r} was never there"]
            lost = receipt.get("found", {}).get("city")
            if lost is not None and lost not in past:
                return [f"{told}, and {lost!r}, said to be overwritten, was never there"]
        case "delete", "applied":
            if binned is None:
                return [f"{told}, and it is still there"]
        case _, "stale":
            if live is not None and receipt["found"].get("city") not in [
                version.value for version in live.history.get("city", [])
            ]:
                return [f"{told}, and what was found was never there"]
        case _:
            pass
    return []
