"""How each kind of system is written: its target, line by line, with the faults that targets have."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

from antiphon.equivalence import from_json, make_rid
from antiphon.model import Missing, Op, Rid, Side, Value
from antiphon.protocol import SENT_BEFORE
from antiphon.singer.listening import Outcome
from antiphon.singer.messages import encode
from tests.simulation.shape import FOREIGN, HUBSPOT, SECOND, other
from tests.simulation.world import (
    ARCHIVE,
    COMPARE_AND_SET,
    HISTORY,
    POISON,
    PREFLIGHT,
    SYNC,
    SYNC_KEY,
    USER,
    Row,
    System,
)

DELETED_AT = "_sdc_deleted_at"
_AT = "2026-01-01T00:00:00+00:00"


class Crash(BaseException):
    """The machine that runs the engine stops here."""


@dataclass(slots=True)
class Writing:
    """What goes wrong in the runs of one target in one round."""

    dies_after: int | None = None  # so many records
    flushes: bool = True  # what it did is told in receipts, or committed, before it dies
    silent: bool = False  # it ends well and acknowledges nothing
    mute: bool = False  # it acknowledges everything and tells nothing
    loses: bool = False  # it acknowledges everything and stores nothing
    answers_lost: frozenset[int] = frozenset()  # these are written, and it only knows that it got no answer
    expires_at: int | None = None  # from this record on the side refuses everything
    busy: frozenset[int] = frozenset()  # these records get the answer: later
    drains: bool = True  # when the engine dies, it still writes what it was given
    runs: int = 0


@dataclass(frozen=True)
class View:
    """What the world may ask the engine's ledger, to judge it."""

    members: Callable[[str], Mapping[Side, Rid]]
    writing: Callable[[Side, str, Rid], Op | None]


@dataclass
class Target:
    """One run of a side's target. `step` is told of every line before and after it is taken."""

    system: System
    faults: Writing
    step: Callable[[str], None]
    view: View
    streams: dict[str, str] = field(default_factory=dict)
    schema: dict[str, Any] = field(default_factory=dict)
    queue: list[tuple[str, dict[str, Any], dict[str, Any]]] = field(default_factory=list)
    receipts: bytearray = field(default_factory=bytearray)
    state: dict[str, Any] | None = None
    taken: int = 0
    failed: str = ""

    def __post_init__(self) -> None:
        entities = self.system.world.shape.mapping.entities.values()
        self.streams = {entity.sides[self.system.side].stream: entity.name for entity in entities}

    def run(self, lines: Iterable[bytes]) -> Outcome:
        """Feed it everything, and see how it ends."""
        self.faults.runs += 1
        try:
            for line in lines:
                self.step(f"line to {self.system.side}")
                self._take(from_json(line))
                self.step(f"line to {self.system.side} taken")
                if self.failed:
                    break
        except Crash:
            if self.faults.drains:
                self._drain()
            raise
        if not self.failed or self.faults.flushes:
            self._drain()
        if self.failed:
            return Outcome(1, None, self.failed)
        if self.faults.silent and self.state is not None:
            self.system.world.met["silent"] += 1
        return Outcome(0, None if self.faults.silent else self.state, "")

    def _take(self, message: dict[str, Any]) -> None:
        world = self.system.world
        world.tick()
        world.moment(f"write {self.system.side}", self._aim(message))
        match message["type"]:
            case "SCHEMA":
                self.schema = message
            case "RECORD":
                if (
                    self.faults.dies_after is not None
                    and self.faults.runs == 1
                    and self.taken >= self.faults.dies_after
                ):
                    self.failed = "it died"
                    world.met["target dies"] += 1
                    return
                self.taken += 1
                self._check_scope(message)
                self.queue.append((self.streams[message["stream"]], self.schema, message))
                if self.system.kind != FOREIGN and not world.shape.batching:
                    self._write()
            case "STATE":
                self.state = message["value"]
                if self.system.kind != FOREIGN:
                    self._drain()
            case unknown:
                world.wrong(f"{unknown} is no message for a target")

    def _aim(self, message: dict[str, Any]) -> tuple[Row | None, list[str]]:
        if message["type"] != "RECORD":
            return None, []
        entity = self.system.world.shape.mapping.entities[self.streams[message["stream"]]]
        key = entity.sides[self.system.side].key
        if not set(key) <= message["record"].keys():
            return None, []
        row = self.system.find(entity.name, make_rid([message["record"][column] for column in key]))
        return row, [name for name in message["record"] if name not in key]

    def _drain(self) -> None:
        self._write()
        if self.system.kind != FOREIGN:
            if not self.faults.mute:
                self.system.receipts += self.receipts
            elif self.receipts:
                self.system.world.met["mute"] += 1
        self.receipts.clear()

    def _write(self) -> None:
        queue, self.queue = self.queue, []
        if self.system.kind == FOREIGN:
            self._upsert(queue)
            return
        for number, (entity, _, message) in enumerate(queue):
            sync = message["sync"]
            place = self.taken - len(queue) + number
            expired = self.faults.expires_at is not None and place >= self.faults.expires_at
            if expired or place in self.faults.busy:
                self.system.world.met["token expires" if expired else "busy"] += 1
                self.receipts += _failed(sync["op_id"], 401 if expired else 429)
                continue
            done = self.system.receipt_table.get(sync["op_id"])
            if done is None:
                answer = {"op_id": sync["op_id"], "at": _AT, **self._apply(entity, message["record"], sync)}
                done = encode(answer)
                if self.system.kind != HUBSPOT and answer["status"] != "failed":
                    self.system.receipt_table[sync["op_id"]] = done
            else:
                done = self._by_now(entity, done)
            if place in self.faults.answers_lost:
                self.system.world.met["answer lost"] += 1
                done = _failed(sync["op_id"], 504)
            self.receipts += done

    # ---- our own targets

    def _by_now(self, entity: str, done: bytes) -> bytes:
        """What was done before is told as it was then, with what is there by now."""
        answer = json.loads(done, parse_float=Decimal)
        row = self.system.find(entity, make_rid(answer["id"])) if answer.get("stored") else None
        if row is None or not row.alive:
            return done
        self.system.commit([row])
        return encode(
            {**answer, "current": {name: row.values[name] for name in answer["stored"] if name in row.values}}
        )

    def _apply(self, entity: str, record: dict[str, Any], sync: dict[str, Any]) -> dict[str, Any]:
        system = self.system
        if any(isinstance(v, str) and POISON in v for v in record.values()):
            return {"status": "rejected", "error": {"message": f"{POISON} is not allowed"}}
        if sync["op"] == "create":
            return self._create(entity, record, sync)
        row = system.find(entity, make_rid(list(sync["key"].values())))
        if row is not None and row.merged_into is not None:
            return {"status": "failed", "error": {"message": f"it was merged into {row.merged_into}"}}
        if row is None or not row.alive:
            return {"status": "gone"}
        system.commit([row])
        patch = {name: value for name, value in record.items() if name not in sync["key"]}
        met = _equal(row, sync["expect"]) or PREFLIGHT not in system.knows
        if system.kind == HUBSPOT and sync["op"] == "update":
            met = met or _equal(row, {name: system.stored(name, value) for name, value in patch.items()})
        if not met:
            earlier = self._written_before(row, patch, sync) if sync["op"] == "update" else None
            return earlier or {"status": "stale", "found": dict(row.values)}
        earlier_lost = self._replaced_before(row, patch, sync) if sync["op"] == "update" else {}
        looked = system.world.now
        if system.kind == HUBSPOT or COMPARE_AND_SET not in system.knows:
            system.world.tick()
            system.world.moment(f"window {system.side}", (row, patch or row.values))
            if not row.alive:
                return {"status": "gone" if row.merged_into is None else "failed"}
        clobbered = {
            name: events[-1].value
            for name in (patch if sync["op"] == "update" else row.values)
            if HISTORY in system.knows and system.kind == HUBSPOT
            if (events := row.history.get(name)) and events[-1].by == USER and events[-1].at >= looked
        }
        if sync["op"] == "delete":
            self._check_delete(entity, row, sync["sync_key"])
            system.end(row, SYNC, sync["op_id"], looked)
            return {"status": "applied", "id": list(row.key.values()), "found": clobbered}
        stored = {name: system.put(row, name, value, SYNC, sync["op_id"], looked) for name, value in patch.items()}
        self._note(entity, row, "update", patch)
        return {
            "status": "applied",
            "id": list(row.key.values()),
            "stored": stored,
            "found": {**earlier_lost, **clobbered},
        }

    def _create(self, entity: str, record: dict[str, Any], sync: dict[str, Any]) -> dict[str, Any]:
        system = self.system
        mine = [
            row
            for row in system.tables[entity].values()
            if row.sync_key == sync["sync_key"] and SYNC_KEY in system.knows and (row.alive or ARCHIVE in system.knows)
        ]
        if mine:
            row = mine[-1]
            first = {name: next((e.value for e in row.history.get(name, ()) if e.by == SYNC), None) for name in record}
            ours = all(first[name] == system.stored(name, v) for name, v in record.items() if name not in row.key)
            stored = {name: value for name, value in first.items() if not isinstance(value, Missing)}
            answer = {"id": list(row.key.values())}
            if not row.alive:
                return {**answer, "status": "gone"}
            return {
                **answer,
                **({"status": "applied", "stored": stored} if ours else {"status": "stale", "found": dict(row.values)}),
            }
        key = dict(sync["key"]) or {"id": system.new_id(entity)}
        taken = system.find(entity, make_rid(list(key.values())))
        if taken is not None and taken.alive:
            return {"status": "rejected", "error": {"message": "its key is taken"}}
        row = self._insert(entity, key, sync["sync_key"])
        patch = {name: value for name, value in record.items() if name not in key}
        stored = {name: system.put(row, name, value, SYNC, sync["op_id"]) for name, value in patch.items()}
        system.leave_empty(row)
        self._note(entity, row, "create", patch)
        return {"status": "applied", "id": list(key.values()), "stored": stored}

    def _written_before(self, row: Row, patch: dict[str, Value], sync: dict[str, Any]) -> dict[str, Any] | None:
        """`hubspot` keeps who wrote what: this write happened, and somebody changed the value after it."""
        if self.system.kind != HUBSPOT or not self.system.world.shape.recalls:
            return None
        planned = (UUID(sync["op_id"]).int >> 80) * 1000 - self.system.world.skew
        stored = {}
        for name, value in patch.items():
            ours = [e for e in row.history.get(name, ()) if e.by == SYNC and e.at >= planned - SECOND]
            if not ours or ours[-1].value != self.system.stored(name, value):
                return None
            stored[name] = ours[-1].value
        lost = self._replaced_before(row, patch, sync)
        return {"status": "applied", "id": list(row.key.values()), "stored": stored, "found": lost}

    def _replaced_before(self, row: Row, patch: dict[str, Value], sync: dict[str, Any]) -> dict[str, Value]:
        """What this write replaced when it was done before and nobody heard of it, though it was not as expected."""
        if self.system.kind != HUBSPOT or SENT_BEFORE not in sync or HISTORY not in self.system.knows:
            return {}
        lost: dict[str, Value] = {}
        for name in patch.keys() & sync["expect"].keys():
            events = row.history.get(name, ())
            for under, ours in pairwise(events):
                if ours.op_id != sync["op_id"] or under.by != USER or isinstance(under.value, Missing):
                    continue
                if _plain(under.value) != _plain(sync["expect"][name]):
                    lost[name] = under.value
        return lost

    # ---- a foreign target

    def _upsert(self, queue: list[tuple[str, dict[str, Any], dict[str, Any]]]) -> None:
        """Batches in the order of their schemas; one bad row and its batch is undone whole."""
        batches: list[list[tuple[str, dict[str, Any], dict[str, Any]]]] = []
        for item in queue:
            if not batches or batches[-1][0][1] is not item[1]:
                batches.append([])
            batches[-1].append(item)
        for batch in batches:
            if any(isinstance(v, str) and POISON in v for _, _, m in batch for v in m["record"].values()):
                self.failed = f"DETAIL: {POISON} is not allowed"
                return
            for entity, _, message in batch:
                if self.faults.loses:
                    self.system.world.met["write lost"] += 1
                else:
                    self._upsert_one(entity, message["record"])

    def _upsert_one(self, entity: str, record: dict[str, Any]) -> None:
        system = self.system
        there = system.world.shape.mapping.entities[entity].sides[system.side]
        key = {column: record[column] for column in there.key}
        rid = make_rid(list(key.values()))
        op = self.view.writing(system.side, entity, rid)
        row = system.find(entity, rid)
        if DELETED_AT in record:
            if there.deletes and row is not None and row.alive:
                self._check_delete(entity, row, op.lid if op else "")
                system.end(row, SYNC, op.op_id if op else "")
            return
        if row is None or not row.alive:
            row = self._insert(entity, key, op.lid if op else "")
        patch = {name: value for name, value in record.items() if name not in key}
        for name, value in patch.items():
            system.put(row, name, value, SYNC, op.op_id if op else "")
        system.leave_empty(row)
        self._note(entity, row, "upsert", patch)

    # ---- what is watched

    def _insert(self, entity: str, key: dict[str, Value], sync_key: str) -> Row:
        system = self.system
        source = self.view.members(sync_key).get(other(system.side), "")
        copies = [r for r in system.tables[entity].values() if r.alive and r.source == source and source]
        twins = [r.rid for r in copies if self._copied_from(r) in (source, "")]
        row = system.insert(entity, key, SYNC)
        row.sync_key, row.source = sync_key, source
        known = [
            r for r in system.tables[entity].values() if r.sync_key == sync_key and r.ended_by == USER and sync_key
        ]
        back = {"restored", "side restored"} & system.world.happened  # a deletion, or whose copy it was, is forgotten
        if known and system.kind == HUBSPOT and not back:
            system.world.wrong(
                f"I9: {entity} {sync_key} was made once more on {system.side}, where users had deleted it"
            )
        if [rid for rid in twins if rid != row.rid] and not back:
            system.world.wrong(f"I9: {entity} {source} has two copies on {system.side}: {twins[0]} and {row.rid}")
        return row

    def _copied_from(self, copy: Row) -> Rid:
        """The record that a copy stands for by now: its link may have moved on to another key since it was made."""
        return self.view.members(copy.sync_key).get(other(self.system.side), "")

    def _check_scope(self, message: dict[str, Any]) -> None:
        entity = self.system.world.shape.mapping.entities[self.streams[message["stream"]]]
        there = entity.sides[self.system.side]
        known = {*there.key, *(f.columns[self.system.side] for f in entity.fields.values()), DELETED_AT}
        beyond = set(message["record"]) - known
        if beyond:
            self.system.world.wrong(f"I15: {entity.name} on {self.system.side} got {sorted(beyond)}")

    def _check_delete(self, entity: str, row: Row, lid: str) -> None:
        world, side = self.system.world, self.system.side
        rid = self.view.members(lid).get(other(side))
        peer = world.systems[other(side)].find(entity, rid) if rid else None
        unseen = peer is not None and peer.restored > world.looked[other(side)]
        if peer is None or (peer.alive and not unseen and entity != "membership"):
            world.wrong(f"I8: {entity} {row.rid} was deleted on {side}, but {other(side)} holds {rid}")
        self._note(entity, row, "delete", {})

    def _note(self, entity: str, row: Row, kind: str, patch: Mapping[str, Value]) -> None:
        world = self.system.world
        world.log.append((world.now, self.system.side, entity, kind, row.rid, tuple(sorted(patch.items(), key=str))))


def _failed(op_id: str, status: int) -> bytes:
    """A receipt that says: later. Of 504 nobody knows whether it was written."""
    return encode({"op_id": op_id, "status": "failed", "error": {"status": status}, "at": _AT})


def _equal(row: Row, expect: Mapping[str, Value]) -> bool:
    return all(_plain(row.values.get(name)) == _plain(value) for name, value in expect.items())


def _plain(value: Value) -> Value:
    return Decimal(str(value)) if isinstance(value, float) else value
