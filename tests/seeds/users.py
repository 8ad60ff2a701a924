"""People on both sides: what they do, drawn from a seed and written down. Each value they enter is told once only."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

from antiphon_sandbox.hubspot import Record
from tests.seeds.world import COMPANIES, CONTACTS, CRM, DEALS, KINDS, PAIRS, SIDES, WAREHOUSE, Kind, Thing, World

LADDER = ("subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer")
ROLES = ("BUDGET_HOLDER", "CHAMPION", "DECISION_MAKER", "END_USER")
EDITED = {
    "contacts": ("email", "first_name", "city", "city", "phone", "score", "children", "born", "roles", "stage"),
    "companies": ("name", "city"),
    "deals": ("amount", "description"),
}


@dataclass(frozen=True, slots=True)
class Edit:
    """A person's edit of one value. `kept` is what the value must hold afterwards: all of it, or a part of a set.

    Before a thing's two records have `met`, no policy speaks of them: what differs at first sight, `initial` settles.
    """

    side: str
    kind: Kind
    tag: str
    column: str
    kept: str
    met: bool = True


@dataclass(frozen=True, slots=True)
class Paired:
    """Two things were brought together, or parted."""

    table: str
    pair: tuple[str, str]
    what: Literal["added", "removed"]


@dataclass(slots=True)
class People:
    """Who works on both sides, and the diary of what was done."""

    world: World
    chance: random.Random
    edits: list[Edit] = field(default_factory=list)
    pairings: list[Paired] = field(default_factory=list)
    made: set[tuple[str, str]] = field(default_factory=set)  # (table, tag)
    synced: set[tuple[str, str]] = field(default_factory=set)  # those that were there in a sync that ended well
    deleted: set[tuple[str, str]] = field(default_factory=set)
    restored: set[tuple[str, str]] = field(default_factory=set)
    merged: set[tuple[str, str]] = field(default_factory=set)  # winners
    absorbed: set[tuple[str, str]] = field(default_factory=set)  # and those that went into them
    _numbers: Iterator[int] = field(default_factory=lambda: count(1000))

    # ---- a day's work

    def begin(self) -> None:
        """What is there before the first sync: some on both sides, some on one, some that differ."""
        chance = self.chance
        for kind, number in ((COMPANIES, 5), (CONTACTS, 12), (DEALS, 5)):
            for n in range(number):
                self.make(kind, f"{kind.entity}{n}.example", chance.choice([*SIDES, None]))
        for table, a, b in PAIRS:
            for side in SIDES:
                self.pair(side, table, a, b)

    def work(self) -> None:
        """Edits on both sides between two syncs, some of them of the same value."""
        chance = self.chance
        for _ in range(chance.randint(3, 9)):
            kind, side = chance.choice([CONTACTS, CONTACTS, *KINDS]), chance.choice(SIDES)
            column = chance.choice(EDITED[kind.table])
            tag = self.edit(side, kind, column)
            if tag and chance.random() < 0.4:
                self.edit(WAREHOUSE if side == CRM else CRM, kind, column, tag)
        for _ in range(chance.randint(0, 2)):
            kind = chance.choice(KINDS)
            self.make(kind, f"{kind.entity}{next(self._numbers)}.example", chance.choice([*SIDES, None]))
        for table, a, b in PAIRS:
            if chance.random() < 0.7:
                self.pair(chance.choice(SIDES), table, a, b)
            if chance.random() < 0.3:
                self.part(chance.choice(SIDES), table, a, b)
        if chance.random() < 0.5:
            self.delete(chance.choice(SIDES), chance.choice(KINDS))
        if chance.random() < 0.2:
            self.restore()
        if chance.random() < 0.3:
            self.merge()

    # ---- what a person does

    def make(self, kind: Kind, tag: str, side: str | None) -> None:
        """Enter a thing; on both sides at once if no side is named, with values that may differ."""
        for each in SIDES if side is None else (side,):
            values = {kind.tag: tag, **({"email": f"{tag[:-8]}@example.com"} if kind is CONTACTS else {})}
            values |= {"city": f"city {next(self._numbers)}"} if "city" in kind.columns else {}
            if each == CRM:
                self.world.hubspot.account.enter(kind.table, {kind.columns[name]: v for name, v in values.items()})
            else:
                columns = {kind.key: str(uuid.UUID(int=self.chance.getrandbits(128), version=4)), **values}
                marks = ", ".join("?" for _ in columns)
                self.world.sql(f"insert into {kind.table} ({', '.join(columns)}) values ({marks})", *columns.values())
            if "city" in values:
                self.edits.append(Edit(each, kind, tag, "city", values["city"]))
        self.made.add((kind.table, tag))

    def edit(self, side: str, kind: Kind, column: str, tag: str = "") -> str:
        """Change a value of a thing, of one drawn by lot if none is named; returns its tag."""
        things = self.world.things(side, kind)
        tag = tag or self._one(things)
        if tag not in things or (column == "email" and (kind.table, tag) not in self.synced):
            return ""  # by their addresses two contacts are told to be one when they first meet
        thing = things[tag][0]
        value, kept = self._value(thing, column)
        if not kept:
            return tag
        if side == CRM:
            self.world.hubspot.account.edit(kind.table, thing[""], **{kind.columns[column]: value})
        else:
            self.world.sql(f"update {kind.table} set {column} = ? where {kind.key} = ?", value, thing[""])
        other = WAREHOUSE if side == CRM else CRM
        met = (kind.table, tag) in self.synced or tag not in self.world.things(other, kind)
        self.edits.append(Edit(side, kind, tag, column, kept, met))
        return tag

    def by_hand(self) -> None:
        """Somebody is quicker than the target: an edit in HubSpot between its look and its write."""
        self.edit(CRM, CONTACTS, "city")

    def delete(self, side: str, kind: Kind) -> None:
        """Delete a thing on one side."""
        things = self.world.things(side, kind)
        tag = self._one(things)
        if not tag:
            return
        if side == CRM:
            self.world.hubspot.account.trash(kind.table, things[tag][0][""])
        else:
            self.world.sql(f"delete from {kind.table} where {kind.key} = ?", things[tag][0][""])
        self.deleted.add((kind.table, tag))
        self._withdraw(side, kind, tag)

    def restore(self) -> None:
        """Take a contact out of HubSpot's recycle bin."""
        account = self.world.hubspot.account
        with account.lock:
            binned = list(account.all(account.kind("contacts"), archived=True))
        for record in binned[:1]:
            if str(record.values.get("email")) in {str(each.values.get("email")) for each in self.world.live(CONTACTS)}:
                continue  # HubSpot refuses
            account.restore("contacts", record.id)
            self.restored.add(("contacts", str(record.values["lastname"])))

    def merge(self) -> None:
        """Merge two contacts in HubSpot."""
        live = self.world.live(CONTACTS)
        if len(live) < 4:
            return
        winner, other = self.chance.sample(live, 2)
        tags = [("contacts", str(record.values["lastname"])) for record in (winner, other)]
        self.world.hubspot.account.merge(winner, other)
        self.merged.add(tags[0])
        self.absorbed.add(tags[1])
        self._withdraw(CRM, CONTACTS, tags[1][1])

    def pair(self, side: str, table: str, a: Kind, b: Kind) -> None:
        """Bring two things together."""
        there = {kind.table: self.world.things(side, kind) for kind in (a, b)}
        one, other = self._one(there[a.table]), self._one(there[b.table])
        if not one or not other or (one, other) in self.world.pairs(side, table, a, b):
            return
        ids = there[a.table][one][0][""], there[b.table][other][0][""]
        if side == CRM:
            account = self.world.hubspot.account
            with account.lock:
                account.links.add(self._record(a, ids[0]), self._record(b, ids[1]), [])
        else:
            self.world.sql(f"insert into {table} values (?, ?)", *ids)
        self.pairings.append(Paired(table, (one, other), "added"))

    def part(self, side: str, table: str, a: Kind, b: Kind) -> None:
        """Part two things."""
        held = sorted(self.world.pairs(side, table, a, b))
        if not held:
            return
        pair = self.chance.choice(held)
        ids = [self.world.things(side, kind)[tag][0][""] for kind, tag in zip((a, b), pair, strict=True)]
        if side == CRM:
            account = self.world.hubspot.account
            with account.lock:
                account.links.remove(self._record(a, ids[0]), self._record(b, ids[1]))
        else:
            self.world.sql(f"delete from {table} where {a.key} = ? and {b.key} = ?", *ids)
        self.pairings.append(Paired(table, pair, "removed"))

    def _withdraw(self, side: str, kind: Kind, tag: str) -> None:
        """What a side's own people threw away, perhaps before anybody could read it, need not be kept."""
        self.edits = [e for e in self.edits if (e.side, e.kind, e.tag) != (side, kind, tag)]

    # ---- by lot

    def _one(self, things: dict[str, list[Thing]]) -> str:
        return self.chance.choice(sorted(things)) if things else ""

    def _record(self, kind: Kind, key: str) -> Record:
        return self.world.hubspot.account.records[kind.table, key]

    def _value(self, thing: Thing, column: str) -> tuple[str, str]:
        """A value to enter, and what of it must not be lost; the same if the whole value counts."""
        number = next(self._numbers)
        match column:
            case "roles":
                held = set(filter(None, thing["roles"].split(";")))
                fresh = [role for role in ROLES if role not in held]
                role = self.chance.choice(fresh) if fresh else ""
                return ";".join(sorted({*held, role})), role
            case "stage":
                rung = LADDER.index(thing["stage"]) + 1 if thing["stage"] else 1
                stage = LADDER[self.chance.randrange(rung, len(LADDER))] if rung < len(LADDER) else ""
                return stage, stage
            case "born":
                day = f"{1900 + number % 100}-{number // 100 % 12 + 1:02}-{number % 28 + 1:02}"
                return day, day
            case "score" | "children" | "amount":
                return str(number), str(number)
            case "email":
                return f"mail{number}@example.com", f"mail{number}@example.com"
            case "phone":
                return f"+39 06 {number}", f"+39 06 {number}"
            case _:
                return f"{column} {number}", f"{column} {number}"


__all__ = ["DEALS", "Edit", "Paired", "People"]
