"""A round that is planned and written in small parts ends as one that is planned and written at once."""

from __future__ import annotations

import gc
import json
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from antiphon import ledger
from antiphon.errors import LedgerError
from antiphon.ledger import LedgerFacts
from antiphon.ledger.tables import MEMBER, OUTBOX, TABLES
from antiphon.mapping import Limit
from antiphon.model import OpState
from antiphon.singer.listening import Outcome
from antiphon.sync import ahead, planning, portions
from antiphon.sync.ahead import Handed, Lane, deliver_ahead
from antiphon.sync.outbound import Outbound, Written
from tests.show.world import World, contact, lived, sync_of

EDITS = 7


def edited() -> World:
    """A sync whose records were edited on both sides, seen and not planned."""
    world = lived()
    for number in range(EDITS):
        world.add("crm", f"n{number}", email=f"n{number}@x.com", name=f"N{number}")
    world.edit("crm", "c1", city="Bari", phone="+1 555 1111")
    world.edit("warehouse", "w1", city="Pisa", name="Anna")
    world.begin()
    world.read()
    return world


def outbox(world: World) -> dict[tuple[str, str], Any]:
    return {
        (op.lid, op.side): (op.kind, op.patch, op.expect) for op in world.ledger.store.scan(OUTBOX) if op.state.open
    }


def plan(world: World, portion: int) -> int:
    """Plan and store all there is; in how many portions."""
    ledger, mapping, count = world.ledger, world.mapping, 0
    at = world.moment()
    for each in portions.plans(ledger, mapping, at, held={}, linked=ledger.linked, portion=portion):
        planning.adopt(ledger, mapping, each)
        count += 1
    return count


def test_planned_in_portions_the_outbox_is_the_same() -> None:
    whole, parts = edited(), edited()
    planning.adopt(whole.ledger, whole.mapping, whole.propose())
    assert plan(parts, 1) > EDITS
    assert outbox(whole) == outbox(parts)
    assert len(outbox(whole)) > EDITS


def test_a_draft_in_portions_is_the_plan_that_is_made_at_once() -> None:
    whole, parts = edited(), edited()
    at = whole.moment()
    wanted = planning.propose(whole.ledger, whole.mapping, at)
    untouched = {table.name: list(parts.ledger.store.scan(table)) for table in TABLES}
    made = portions.draft(parts.ledger, parts.mapping, at, portion=1)
    assert (made.operations, made.conflicts, made.waits) == (wanted.operations, wanted.conflicts, wanted.waits)
    assert {table.name: list(parts.ledger.store.scan(table)) for table in TABLES} == untouched
    planning.adopt(whole.ledger, whole.mapping, wanted)
    planning.adopt(parts.ledger, parts.mapping, made)
    for table in TABLES:
        assert list(parts.ledger.store.scan(table)) == list(whole.ledger.store.scan(table)), table.name


def test_a_draft_for_which_there_is_no_room_is_not_stored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    world = edited()
    with pytest.raises(LedgerError) as caught:
        portions.draft(world.ledger, world.mapping, world.moment(), portion=1)
    assert str(tmp_path / "gone") in caught.value.message
    assert "TMPDIR" in caught.value.hint
    assert not outbox(world)


@pytest.mark.parametrize("portion", [1, portions.PORTION])
def test_a_match_rule_is_tried_for_all_records_before_the_next_one(portion: int) -> None:
    world = World(mapping=sync_of(replace(contact(), match=(("email",), ("name",)))))
    world.add("crm", "c1", email="", name="Ann")  # has the name of w1
    world.add("crm", "c2", email="ann@x.com", name="Anna")  # is w1
    world.add("warehouse", "w1", email="ann@x.com", name="Ann")
    world.read()
    planning.adopt(
        world.ledger, world.mapping, portions.draft(world.ledger, world.mapping, world.moment(), portion=portion)
    )
    held = {(row.lid, row.side): row.rid for row in world.ledger.store.scan(MEMBER) if row.held}
    (lid,) = [lid for (lid, side), rid in held.items() if (side, rid) == ("crm", '["c2"]')]
    assert held[lid, "warehouse"] == '["w1"]'


def test_what_a_guard_counts_is_the_whole_draft() -> None:
    world = edited()
    limited = replace(world.mapping, guards=replace(world.mapping.guards, max_create=Limit(count=EDITS - 1)))
    (tripped,) = portions.draft(world.ledger, limited, world.moment(), portion=2).tripped
    assert f"{EDITS} contact would be created on warehouse" in tripped.message


class Remembered(LedgerFacts):
    """Facts that are counted as long as they are in memory."""

    there: ClassVar = weakref.WeakSet["Remembered"]()
    most: ClassVar = list[int]()

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.there.add(self)
        self.most.append(len(self.there))
        super().__init__(*arguments, **named)


@pytest.fixture
def most(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many facts were in memory, each time that new ones were made; Python does not look for circles by itself."""
    for module in (planning, ledger):
        monkeypatch.setattr(module, "LedgerFacts", Remembered)
    Remembered.most.clear()
    Remembered.there.clear()
    gc.disable()
    yield Remembered.most
    gc.enable()


def test_of_a_portion_that_was_planned_nothing_stays_in_memory(most: list[int]) -> None:
    world = edited()
    gc.collect()
    most.clear()
    plan(world, 2)
    assert len(most) > EDITS // 2
    assert set(most) == {1}


def test_what_a_round_leaves_behind_is_never_a_circle() -> None:
    """Python looks for circles seldom, see `seek_circles_rarely`: those of a process that follows would pile up."""
    world = edited()
    world.round()
    gc.collect()
    gc.disable()
    try:
        world.edit("crm", "c1", name="Anne")
        world.add("crm", "late", email="late@x.com", name="Late")
        plan(world, 2)
        world.round()
        assert gc.collect() == 0
    finally:
        gc.enable()


class Target:
    """Applies what it is handed and writes receipts; one batch it may fail at."""

    def __init__(self, receipts: Path, fails_at: int = 0) -> None:
        self.receipts, self.fails_at = receipts, fails_at
        self.taken: list[int] = []

    def take(self, lines: Sequence[bytes]) -> Outcome:
        messages = [json.loads(line) for line in lines]
        records = [message for message in messages if message["type"] == "RECORD"]
        self.taken.append(len(records))
        if len(self.taken) == self.fails_at:
            return Outcome(1, None, "it broke")
        with self.receipts.open("a") as file:
            for record in records:
                said = {"op_id": record["sync"]["op_id"], "status": "applied", "at": "2026-11-28T08:00:00Z"}
                key = record["sync"]["key"]
                stored = {name: value for name, value in record["record"].items() if name not in key}
                file.write(json.dumps({**said, "id": list(key.values()), "stored": stored}) + "\n")
        return Outcome(0, messages[-1]["value"], "")


def written(world: World, target: Target, most: list[int]) -> Written:
    """Deliver to the warehouse; `most` is told how many batches were under way."""
    outbound = Outbound(world.ledger, world.mapping, "warehouse", world.clock, "run", target.receipts)
    delivery = deliver_ahead(outbound, target.receipts)
    with ThreadPoolExecutor(max_workers=1) as pool:
        lane = Lane(pool, target.take)
        try:
            handed = next(delivery)
            while True:
                states = {op.state for op in world.ledger.store.scan(OUTBOX) if op.op_id in ids_of(handed)}
                assert states <= {OpState.INFLIGHT}, "what is handed over is intended before"
                lane.add(handed, here=False)
                assert handed.operations == len(ids_of(handed))
                most.append(lane.under_way)
                handed = delivery.send(lane.outcomes(handed.leave))
        except StopIteration as end:
            found: Written = end.value
            return found


def ids_of(handed: Handed) -> set[str]:
    return {message["sync"]["op_id"] for line in handed.lines if "sync" in (message := json.loads(line))}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Seven new contacts, whose creates wait for a warehouse that gives receipts; a target takes two at once."""
    monkeypatch.setattr(ahead, "BATCH", 2)
    entity = contact()
    sides = {name: replace(side, receipts=True) for name, side in entity.sides.items()}
    world = World(mapping=sync_of(replace(entity, sides=sides)))
    for number in range(EDITS):
        world.add("crm", f"n{number}", email=f"n{number}@x.com", name=f"N{number}")
    world.read()
    planning.adopt(world.ledger, world.mapping, world.propose())
    return world


def test_while_a_target_writes_one_batch_the_one_before_is_settled(world: World, tmp_path: Path) -> None:
    target, under_way = Target(tmp_path / "receipts.jsonl"), list[int]()
    found = written(world, target, under_way)
    assert (found.sent, found.unacknowledged, found.outage) == (EDITS, 0, "")
    assert target.taken == [2, 2, 2, 1]
    assert under_way == [1, 2, 2, 2]
    assert not outbox(world)


def test_of_a_batch_that_was_settled_nothing_stays_in_memory(world: World, tmp_path: Path, most: list[int]) -> None:
    assert written(world, Target(tmp_path / "receipts.jsonl"), []).sent == EDITS
    assert len(most) > EDITS // 2
    assert set(most) == {1}


def test_after_a_batch_that_failed_no_other_is_handed_over_and_all_of_them_are_sent_again(
    world: World, tmp_path: Path
) -> None:
    target, under_way = Target(tmp_path / "receipts.jsonl", fails_at=2), list[int]()
    found = written(world, target, under_way)
    assert (found.sent, found.outage, found.words) == (2, "ended with exit code 1", "it broke")
    assert target.taken == [2, 2]
    again = written(world, Target(target.receipts), under_way)
    assert (again.sent, again.outage) == (EDITS - 2, "")
    assert not outbox(world)
