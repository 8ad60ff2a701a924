"""The policy `counter`: nothing that was counted is lost, and nothing is counted twice, however it is delivered."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.equivalence import counted
from antiphon.ledger.tables import OBS
from antiphon.mapping import Counter, EntitySide, Kind
from antiphon.merge import Adopt, Hold, Outcome, Reading, Send, Surroundings, merge
from antiphon.model import ConflictKind, Op, OpState, RecordState, Side, Value
from antiphon.policies import decide
from antiphon.protocol import Status
from antiphon.verdicts import Combined, Contest, Undecided, Verdict
from tests.kernel.facts import CRM, EXAMPLES, SIDES, WAREHOUSE, World, entity, field, law, opened, side, wrote

SCORE = field("score", Counter(), kind=Kind.NUMBER)
NUMBERS: dict[str, Any] = {"score": {"type": ["number", "null"]}}


def settle(base: Value, crm: Value, warehouse: Value) -> Verdict:
    return decide(Counter(), SCORE, Contest(SIDES, {CRM: crm, WAREHOUSE: warehouse}, dict.fromkeys(SIDES, base), {}))


def outcome(base: Value, here: Value, there: Value, target: EntitySide | None = None) -> Outcome:
    around = Surroundings(entity(SCORE, warehouse=target), lambda *_: None, lambda *_: None)
    return merge(SIDES, [Reading(SCORE, {CRM: here, WAREHOUSE: there}, dict.fromkeys(SIDES, base))], around)


@pytest.mark.parametrize(
    ("base", "crm", "warehouse", "total"),
    [
        (10, 13, 14, 17),
        (10, 7, 14, 11),
        (10, 13, 13, 16),  # both counted three: that is six
        (0, -1, 1, 0),
        (Decimal("0.1"), Decimal("0.3"), Decimal("0.2"), Decimal("0.4")),  # exact, as no float is
        ("1.50", "1.75", 2, Decimal("2.25")),  # a side may keep its numbers as text
        (10**30, 10**30 + 1, 10**30 + 2, 10**30 + 3),
        (1.5, 2.5, 3.5, Decimal("4.5")),
    ],
)
def test_what_both_sides_counted_is_added_up(base: Value, crm: Value, warehouse: Value, total: Value) -> None:
    verdict = settle(base, crm, warehouse)
    assert isinstance(verdict, Combined)
    assert verdict.members == (total,)


@pytest.mark.parametrize("other", [None, "", "many", True, "1e999", "NaN", [1]], ids=repr)
def test_what_is_no_number_is_for_a_person(other: Value) -> None:
    for values in ((1, other, 3), (1, 3, other), (other, 2, 3)):
        if counted(other) is None:
            assert not isinstance(settle(*values), Combined)


def test_without_receipts_a_count_could_be_written_over_so_a_person_is_asked() -> None:
    found = outcome(10, 13, 14, side(receipts=False))
    assert isinstance(found, Hold)
    assert found.kind is ConflictKind.FIELD
    assert "the target of warehouse gives no receipts" in found.reason


def test_without_an_agreement_there_is_nothing_to_count_from() -> None:
    verdict = decide(Counter(), SCORE, Contest(SIDES, {CRM: 1, WAREHOUSE: 2}, None, {}))
    assert verdict == Undecided("the sides never agreed on a number to count from")


def test_one_side_counted_and_its_number_goes_over_even_without_receipts() -> None:
    assert isinstance(outcome(10, 13, 10, side(receipts=False)), Send)


def test_numbers_that_cannot_be_counted_from_and_are_alike_are_adopted() -> None:
    assert isinstance(outcome("few", "many", "many"), Adopt)


numbers = st.decimals(-100, 100, places=2) | st.integers(-100, 100)


@law
@given(numbers, numbers, numbers)
def test_the_sides_are_alike(base: Value, crm: Value, warehouse: Value) -> None:
    one, two = settle(base, crm, warehouse), settle(base, warehouse, crm)
    assert isinstance(one, Combined)
    assert isinstance(two, Combined)
    assert one.members == two.members


@law
@given(numbers, numbers, numbers, numbers, numbers)
def test_rounds_are_associative(base: Any, first_crm: Any, first_warehouse: Any, crm: Any, warehouse: Any) -> None:
    """I12: to merge after every edit, or once at the end, gives the same number."""
    once = settle(base, base + first_crm + crm, base + first_warehouse + warehouse)
    between = settle(base, base + first_crm, base + first_warehouse)
    assert isinstance(between, Combined)
    total: Any = between.members[0]
    twice = settle(total, total + crm, total + warehouse)
    assert isinstance(once, Combined)
    assert isinstance(twice, Combined)
    assert once.members == twice.members


# ---- deliveries, in every order and with every mishap

STEPS = ("count", "count", "count", "round", "apply", "apply", "late", "again", "busy", "mute", "lose", "read")
acts = st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from(SIDES), st.integers(-50, 50)), max_size=25)


class Counting:
    """Two systems that hold one number each, and targets that write only where they find what they expect."""

    def __init__(self, *, text: bool) -> None:
        sides = {CRM: side(columns={"score": {"type": ["string", "null"]}} if text else NUMBERS)}
        self.world = World(entity(SCORE, crm=sides[CRM], warehouse=side(columns=NUMBERS)))
        self.text = text
        self.there: dict[Side, Decimal] = dict.fromkeys(SIDES, Decimal(100))
        self.lid = self.world.pair(1, 1, score=100)
        self.receipts: dict[str, dict[str, Any]] = {}
        self.total = Decimal(100)

    def count(self, where: Side, amount: int) -> None:
        self.there[where] += Decimal(amount) / 4
        self.total += Decimal(amount) / 4

    def read(self, where: Side) -> None:
        before = self.world.observation(where, 1)
        assert before is not None
        if counted(before.fields["score"]) != self.there[where] or before.touched:
            self.world.show(where, 1, score=self._shown(where))

    def _shown(self, where: Side) -> Value:
        return str(self.there[where]) if self.text and where == CRM else self.there[where]

    def act(self, step: str, where: Side, amount: int) -> None:
        ops = [op for op in self.world.open_ops() if op.side == where]
        match step:
            case "count":
                self.count(where, amount)
            case "read":
                self.read(where)
            case "round":
                for each in SIDES:
                    self.read(each)
                self.world.round()
            case _:
                for op in ops:
                    self._deliver(step, op)

    def _deliver(self, step: str, op: Op) -> None:
        if op.state is OpState.PLANNED and step != "again":
            op = self.world.send(op)
        if op.state is not OpState.INFLIGHT:
            return
        if step == "busy":
            self.world.answer(op, Status.FAILED)
            return
        if step == "lose":
            self.world.acknowledge(op)
            return
        if op.op_id not in self.receipts:
            self.receipts[op.op_id] = self._write(op)
        told = self.receipts[op.op_id]
        if step == "mute":
            self.world.acknowledge(op)
        elif step != "late":  # the runner died before it read the receipt
            self.world.answer(op, **told)
            self.world.answer(self.world.op(op.op_id), **told)  # a receipt is read twice

    def _write(self, op: Op) -> dict[str, Any]:
        if counted(op.expect["score"]) != self.there[op.side]:
            return {"status": Status.STALE, "found": {"score": self._shown(op.side)}}
        value = counted(op.patch["score"])
        assert value is not None
        self.there[op.side] = value
        return {"stored": {"score": self._shown(op.side)}}

    def rest(self) -> None:
        for _ in range(8):
            for each in SIDES:
                self.world.now += 10_000_000
                self.world.show(each, 1, score=self._shown(each))
            self.world.now += 10**11  # whatever was to be tried later is due
            self.world.round()
            for op in list(self.world.open_ops()):
                self._deliver("apply", op)


@settings(law, max_examples=max(EXAMPLES // 5, 20))
@given(acts, st.booleans())
def test_nothing_that_was_counted_is_lost_or_counted_twice(steps: list[tuple[str, Side, int]], text: bool) -> None:  # noqa: FBT001 drawn
    counting = Counting(text=text)
    for step in steps:
        counting.act(*step)
    counting.rest()

    assert counting.there == dict.fromkeys(SIDES, counting.total)
    assert {counted(row.fields["score"]) for row in counting.world.ledger.store.scan(OBS)} == {counting.total}
    assert not counting.world.open_ops()
    assert not counting.world.conflicts()


def test_a_side_that_counted_as_much_as_a_failed_write_was_to_add_is_not_taken_for_that_write() -> None:
    counting = Counting(text=False)
    counting.count(CRM, 4)
    counting.act("round", CRM, 0)
    counting.count(WAREHOUSE, 4)
    counting.act("busy", WAREHOUSE, 0)  # it wrote nothing, and yet 101 stands there
    counting.rest()
    assert counting.there == dict.fromkeys(SIDES, Decimal(102))


@pytest.mark.parametrize("mishap", ["lose", "mute"])
@pytest.mark.parametrize("amount", [4, 20])
def test_an_acknowledgement_without_a_receipt_does_not_tell_whether_it_was_counted(mishap: str, amount: int) -> None:
    counting = Counting(text=False)
    counting.count(CRM, 4)
    counting.act("round", CRM, 0)
    counting.count(WAREHOUSE, amount)
    counting.act(mishap, WAREHOUSE, 0)  # it expected 100, and wrote nothing
    counting.rest()
    assert counting.there == dict.fromkeys(SIDES, 101 + Decimal(amount) / 4)


def test_a_count_whose_record_was_merged_meanwhile_is_sent_to_the_one_that_it_lives_on_in() -> None:
    world = World(entity(SCORE, field("email"), match=(("email",),)))
    world.pair(1, 1, score=10, email="ann@x")
    world.show(WAREHOUSE, 1, score=13)
    (op,) = world.round().operations
    world.answer(world.send(op), Status.FAILED, message="it was merged")
    world.show(CRM, 2, score=10, email="ann@x")
    world.show(CRM, 1, RecordState.MERGED, merged_into=2)

    world.round()

    (again,) = world.open_ops()
    assert (again.op_id, dict(again.key), again.patch) == (op.op_id, {"id": 2}, {"score": 13})


def test_a_side_that_rounds_does_not_make_the_other_count_the_difference_again() -> None:
    world = World(entity(SCORE))
    lid = world.pair(1, 1, score=10)
    world.show(CRM, 1, score=Decimal("10.4"))
    world.show(WAREHOUSE, 1, score=11)
    plan = world.round()
    assert {value["score"] for _, _, value in wrote(plan)} == {Decimal("11.4")}
    for op in plan.operations:
        world.answer(world.send(op), stored={"score": Decimal("11.4") if op.side == CRM else 11})
    assert world.settle_down() == 0
    assert world.base(lid, "score") == {CRM: Decimal("11.4"), WAREHOUSE: 11}


def test_the_plan_says_what_each_side_counted() -> None:
    world = World(entity(SCORE))
    world.pair(1, 1, score=10)
    world.show(CRM, 1, score=13)
    world.show(WAREHOUSE, 1, score=9)
    plan = world.round()
    assert opened(plan) == []
    assert {op.reasons["score"] for op in plan.operations} == {"crm counted +3, warehouse -1"}
    assert {op.side: dict(op.adds) for op in plan.operations} == {CRM: {"score": -1}, WAREHOUSE: {"score": 3}}
