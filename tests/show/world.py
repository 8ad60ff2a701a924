"""Two small systems and rounds of the engine between them, in memory, with a clock of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from antiphon.ledger import Ledger
from antiphon.ledger.memory import MemoryStore
from antiphon.mapping import CopyFrom, Entity, EntitySide, Field, Guards, Limit, OnDelete, Owner, Park, SetUnion, Uuid
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import Instant
from antiphon.plan import Plan
from antiphon.protocol import parse_bookmark
from antiphon.settle import Moment
from antiphon.singer.messages import Record, Schema, State
from antiphon.sync import absence, collect, confirm, deliver, planning

START = 1_795_165_200_000_000  # 2026-11-20 09:00:00 UTC
MINUTE = 60_000_000
SIDES = ("crm", "warehouse")
TEXT = {"type": ["string", "null"]}
KEYS = {"crm": "id", "warehouse": "contact_id"}
LOWER = (("strip", ""), ("lower", ""))


def contact(
    *, sensitive: tuple[str, ...] = (), deletes: bool = False, on_delete: OnDelete = OnDelete.PARK, **more: Field
) -> Entity:
    """People: matched by e-mail, `stage` owned by the CRM, the rest to be asked about."""
    fields = {
        "email": Field("email", {"crm": "email", "warehouse": "email"}, Park(), normalize=LOWER),
        "name": Field("name", {"crm": "firstname", "warehouse": "first_name"}, Park()),
        "city": Field("city", {"crm": "city", "warehouse": "city"}, Park()),
        "phone": Field("phone", {"crm": "phone", "warehouse": "phone"}, Park()),
        "stage": Field("stage", {"crm": "lifecycle", "warehouse": "stage"}, Owner("crm")),
        "tags": Field("tags", {"crm": "tags", "warehouse": "tags"}, SetUnion(), separator=";"),
        **more,
    }
    fields = {name: replace(f, sensitive=name in sensitive) for name, f in fields.items()}
    columns = {side: {KEYS[side]: TEXT, **{f.columns[side]: TEXT for f in fields.values()}} for side in SIDES}
    sides = {
        "crm": EntitySide(
            "contacts", ("id",), CopyFrom("warehouse"), columns=columns["crm"], deletes=deletes, on_delete=on_delete
        ),
        "warehouse": EntitySide(
            "public-contacts",
            ("contact_id",),
            Uuid(),
            columns=columns["warehouse"],
            deletes=deletes,
            on_delete=on_delete,
        ),
    }
    return Entity("contact", sides, fields, match=(("email",),), initial=Park())


def sync_of(entity: Entity, **limits: Limit) -> SyncMapping:
    """A sync of one entity."""
    return SyncMapping("crm-warehouse", SIDES, {entity.name: entity}, "v1", Guards(**limits))


@dataclass
class World:
    """Both systems, the ledger between them, and what a person does. Each round takes a minute."""

    mapping: SyncMapping = field(default_factory=lambda: sync_of(contact()))
    rows: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {side: {} for side in SIDES})
    ledger: Ledger = field(default_factory=lambda: Ledger(MemoryStore()))
    time: Instant = START
    runs: int = 0

    def __post_init__(self) -> None:
        self.ledger.create(ledger_id="L1", name=self.mapping.name, now=self.time)
        self.ledger.acquire("test")

    def add(self, side: str, key: str, **values: Any) -> None:
        """A person adds a record; fields by name."""
        columns = {f.columns[side]: values.get(name) for name, f in self.mapping.entities["contact"].fields.items()}
        self.rows[side][key] = {KEYS[side]: key, **columns}

    def edit(self, side: str, key: str, **values: Any) -> None:
        """A person changes fields of a record."""
        fields = self.mapping.entities["contact"].fields
        self.rows[side][key].update({fields[name].columns[side]: value for name, value in values.items()})

    def read(self, *, complete: bool = True) -> None:
        """Both taps, in full."""
        for side in SIDES:
            there = self.mapping.entities["contact"].sides[side]
            stream = collect.Stream("contact", there.stream, there.key, tuple(there.columns))
            collector = collect.Collector(self.ledger, side, [stream], self.clock)
            collector.feed(Schema(there.stream, dict(there.columns), there.key))
            for row in self.rows[side].values():
                collector.feed(Record(there.stream, dict(row)))
            collector.feed(State({"read": side}))
            collector.ended()
            if complete:
                absence.complete(self.ledger, side, {"contact": 0}, accept_empty=True)
        planning.index(self.ledger, self.mapping)

    def propose(self) -> Plan:
        """The plan that follows now."""
        return planning.propose(self.ledger, self.mapping, self.moment())

    def round(self) -> Plan:
        """Read, plan, write: one run. Returns its plan."""
        self.begin()
        self.read()
        plan = self.propose()
        planning.adopt(self.ledger, self.mapping, plan)
        self.write()
        return plan

    def begin(self) -> None:
        """Another run, a minute later."""
        self.runs += 1
        self.time = START + self.runs * MINUTE

    def write(self) -> None:
        """What is planned goes out, and the targets acknowledge it."""
        for side in SIDES:
            levels, _ = deliver.ready(self.ledger, self.mapping, side, self.clock(), replay=False)
            for level in levels:
                ops = deliver.intend(self.ledger, self.mapping, side, level, self.clock())
                for message in deliver.messages(self.ledger, self.mapping, side, ops, self.clock()):
                    self._take(side, message)

    def _take(self, side: str, message: Mapping[str, Any]) -> None:
        if message["type"] == "RECORD":
            record = message["record"]
            key = record[KEYS[side]]
            if record.get("_sdc_deleted_at"):
                del self.rows[side][key]
            else:
                blank = dict.fromkeys(self.mapping.entities["contact"].sides[side].columns)
                self.rows[side].setdefault(key, blank).update(record)
        elif message["type"] == "STATE":
            confirm.acknowledge(self.ledger, self.mapping, parse_bookmark(message["value"]), side, self.moment())

    def moment(self) -> Moment:
        """Now, for the planner."""
        return Moment(self.clock(), f"run-{self.runs}", self.mapping.version)

    def clock(self) -> Instant:
        """Our time; every look at it takes a millisecond."""
        self.time += 1000
        return self.time


def flat(text: str) -> str:
    """A text without its line breaks."""
    return " ".join(text.split())


def lived() -> World:
    """A sync with a past: two joined records, one created on each side, an edit delivered and one that lost."""
    world = World()
    world.add("crm", "c1", email="Ann@x.com", name="Ann", city="Rome", phone="+1 555 0000", stage="lead", tags="vip")
    world.add("crm", "c2", email="bob@x.com", name="Bob", city="Oslo", stage="lead")
    world.add(
        "warehouse", "w1", email="ann@x.com", name="Ann", city="Rome", phone="+1 555 0000", stage="lead", tags="vip"
    )
    world.add("warehouse", "w9", email="zoe@x.com", name="Zoe")
    world.round()
    world.round()
    return world
