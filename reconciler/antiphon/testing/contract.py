"""The tests: one class for a connector, in which each capability that it lists is proven."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from antiphon.protocol import ENVELOPE, parse_receipt
from antiphon.testing.lab import Lab
from antiphon.testing.programs import Read, capabilities_of, read, run

PROVEN_BY: Mapping[str, tuple[str, ...]] = {
    "check": ("test_a_check_names_the_account_and_says_what_it_looked_at",),
    "envelope": ("test_a_tap_says_which_account_it_reads", "test_an_operation_is_carried_out_and_answered"),
    "deletes": ("test_a_tap_tells_a_deletion_with_its_next_read", "test_a_record_is_deleted_where_it_is_as_expected"),
    "merges": ("test_a_tap_tells_into_which_record_another_was_merged",),
    "field-times": ("test_a_tap_tells_when_a_value_was_edited",),
    "receipts": ("test_each_operation_has_one_receipt_whatever_befalls_its_neighbours",),
    "read-back": ("test_an_operation_is_carried_out_and_answered",),
    "idempotent-create": ("test_a_create_repeated_makes_no_second_record",),
    "preflight": ("test_what_is_not_as_expected_is_stale_and_left_alone",),
    "compare-and-set": (
        "test_what_is_not_as_expected_is_stale_and_left_alone",
        "test_an_edit_between_look_and_write_is_not_overwritten",
    ),
    "history": ("test_an_edit_between_look_and_write_is_told",),
}
"""Which tests prove a capability."""


@dataclass(slots=True)
class Bench:
    """A lab in which one test works. `name` keeps its records apart from those of other tests, even in one system."""

    lab: Lab
    tap_can: frozenset[str]
    target_can: frozenset[str]
    number: int = 0
    name: str = field(default_factory=lambda: uuid4().hex[:12])

    # ---- the tap

    def read(self, state: Mapping[str, Any] | None = None) -> Read:
        """What the tap shows of the stream."""
        lab = self.lab
        if lab.tap is None:
            pytest.skip("there is no tap")
        columns = [lab.key, *lab.values]
        return read(lab.tap, self._settings(), lab.folder, lab.stream, columns, state, lab.replication)

    def enter(self) -> Any:
        """A user enters a record that no other is like; its key."""
        return self.lab.enter(self.values())

    def values(self, **more: Any) -> dict[str, Any]:
        """Values of a record that no other is like."""
        self.number += 1
        own = {
            k: v.format(n=f"{self.number}{self.name}") if isinstance(v, str) else v for k, v in self.lab.values.items()
        }
        return {**own, **more}

    # ---- the target

    def operate(self, *operations: Mapping[str, Any]) -> list[Any]:
        """Send operations to the target; one receipt each, in their order, and a STATE after them."""
        lab = self.lab
        if lab.target is None:
            pytest.skip("there is no target")
        receipts = lab.folder / "receipts.jsonl"
        receipts.unlink(missing_ok=True)
        columns: dict[str, Any] = {lab.key: {}, **{name: {} for name in {**lab.values, **lab.bad}}}
        schema = {
            "type": "SCHEMA",
            "stream": lab.stream,
            "key_properties": [lab.key],
            "schema": {"properties": columns},
        }
        state = {
            "type": "STATE",
            "value": {"bookmarks": {"outbox": {"ledger": "l", "epoch": 1, "side": "s", "seq": 9}}},
        }
        messages = [schema, *(self._record(each) for each in operations), state]
        lines = lab.folder / "operations.jsonl"
        lines.write_text("".join(json.dumps(each) + "\n" for each in messages), encoding="utf-8")
        settings = self._settings(receipts_path=str(receipts))
        done = run(lab.target, ["--config", str(settings), "--input", str(lines)])
        assert done.code == 0, f"the target ended with {done.code}: {done.said}"
        assert json.loads(done.out.splitlines()[-1]) == state["value"], "the last STATE is not that of the operations"
        found = [parse_receipt(line, str(receipts)) for line in receipts.read_bytes().splitlines()]
        assert [each.op_id for each in found] == [each["op_id"] for each in operations], "not one receipt an operation"
        return found

    def create(self, link: int, values: Mapping[str, Any]) -> dict[str, Any]:
        """An operation that makes a record."""
        sync_key = f"00000000-0000-4000-8{link:03d}-{self.name}"
        key = {self.lab.key: sync_key} if self.lab.knows_keys else {}
        return {
            "op_id": f"c{link}-{self.name}",
            "op": "create",
            "key": key,
            "sync_key": sync_key,
            "expect": {},
            "values": values,
        }

    def update(self, key: Any, expect: Mapping[str, Any], **values: Any) -> dict[str, Any]:
        """An operation that changes a record."""
        return {**self._of("update", key), "expect": expect, "values": values}

    def delete(self, key: Any, expect: Mapping[str, Any]) -> dict[str, Any]:
        """An operation that deletes a record."""
        return {**self._of("delete", key), "expect": expect, "values": {}}

    def edited(self, key: Any) -> Any:
        """What the edited column of a record holds."""
        shown = self.lab.record(key)
        return None if shown is None else shown[self.lab.edit[0]]

    def _of(self, kind: str, key: Any) -> dict[str, Any]:
        self.number += 1
        return {
            "op_id": f"{kind}-{self.number}-{self.name}",
            "op": kind,
            "key": {self.lab.key: key},
            "sync_key": f"link-{key}",
        }

    def _record(self, operation: Mapping[str, Any]) -> dict[str, Any]:
        sync = {name: value for name, value in operation.items() if name != "values"}
        record = {**operation["values"], **operation["key"]}
        return {"type": "RECORD", "stream": self.lab.stream, "record": record, ENVELOPE: sync}

    def _settings(self, **more: Any) -> Path:
        path = self.lab.folder / "settings.json"
        path.write_text(json.dumps({**self.lab.config(), **more}), encoding="utf-8")
        return path


class Contract:
    """What a connector that lists a capability keeps. `lab` is set by `get_contract_class`."""

    lab: type[Lab]

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[Bench]:
        """The lab, ready and empty."""
        lab = self.lab
        with lab(tmp_path) as ready:
            able = [frozenset() if each is None else capabilities_of(each) for each in (lab.tap, lab.target)]
            yield Bench(ready, able[0], able[1])

    def test_a_check_names_the_account_and_says_what_it_looked_at(self, bench: Bench) -> None:
        """`check`."""
        asked = 0
        for program, able in ((bench.lab.tap, bench.tap_can), (bench.lab.target, bench.target_can)):
            if program is None or "check" not in able:
                continue
            asked += 1
            words = ["--config", str(bench._settings()), "--check", "--streams", bench.lab.stream, "--format=json"]
            done = run(program, words)
            shown = json.loads(done.out)
            assert shown["account"]
            assert shown["checks"]
            assert all({"name", "ok", "message"} <= each.keys() for each in shown["checks"])
            assert (done.code == 0) == all(each["ok"] for each in shown["checks"])
        _needs(asked, "check")

    # ---- taps

    def test_a_tap_says_which_account_it_reads(self, bench: Bench) -> None:
        """`envelope`: the same account each time, and the time there."""
        _needs("envelope" in bench.tap_can, "envelope")
        key = bench.enter()
        first, second = bench.read(), bench.read()
        assert first.schema[ENVELOPE]["account"] == second.schema[ENVELOPE]["account"]
        assert first.schema[ENVELOPE]["clock"]
        assert str(key) in map(str, first.live(bench.lab.key))

    def test_a_tap_tells_a_deletion_with_its_next_read(self, bench: Bench) -> None:
        """`deletes`: what was there at the last read, of which the STATE tells."""
        _needs("deletes" in bench.tap_can, "deletes")
        key, other = bench.enter(), bench.enter()
        first = bench.read()
        assert first.fate(bench.lab.key, key).get("state", "live") == "live"
        bench.lab.remove(key)
        second = bench.read(first.state)
        assert second.fate(bench.lab.key, key)["state"] == "gone"
        assert second.fate(bench.lab.key, other).get("state", "live") == "live"

    def test_a_tap_tells_into_which_record_another_was_merged(self, bench: Bench) -> None:
        """`merges`."""
        _needs("merges" in bench.tap_can, "merges")
        loser, survivor = bench.enter(), bench.enter()
        first = bench.read()
        heir = bench.lab.merge(loser, survivor)
        told = bench.read(first.state).fate(bench.lab.key, loser)
        assert (told["state"], str(told["merged_into"])) == ("merged", str(heir))

    def test_a_tap_tells_when_a_value_was_edited(self, bench: Bench) -> None:
        """`field-times`: with the changes of an incremental read."""
        _needs("field-times" in bench.tap_can, "field-times")
        key, (column, value) = bench.enter(), bench.lab.edit
        first = bench.read()
        bench.lab.change(key, {column: value})
        assert column in bench.read(first.state).fate(bench.lab.key, key)["field_times"]

    # ---- targets

    def test_an_operation_is_carried_out_and_answered(self, bench: Bench) -> None:
        """`envelope`, `read-back`: the receipt brings the id and the values as they are stored."""
        _needs("receipts" in bench.target_can, "receipts")
        values, (column, value) = bench.values(), bench.lab.edit
        (made,) = bench.operate(bench.create(1, values))
        assert made.status == "applied"
        key = _id(made.id)
        assert bench.edited(key) == values[column]
        (changed,) = bench.operate(bench.update(key, {column: values[column]}, **{column: value}))
        assert changed.status == "applied"
        assert bench.edited(key) == value
        if "read-back" in bench.target_can:
            assert made.stored[column] == values[column]
            assert changed.stored[column] == value
        bench.lab.remove(key)
        (gone,) = bench.operate(bench.update(key, {column: value}, **{column: "later"}))
        assert gone.status == "gone"

    def test_a_create_repeated_makes_no_second_record(self, bench: Bench) -> None:
        """`idempotent-create`: the key of its link tells."""
        _needs("idempotent-create" in bench.target_can, "idempotent-create")
        before, values = bench.lab.count(), bench.values()
        first, second = (bench.operate(bench.create(1, values))[0] for _ in range(2))
        assert (first.status, second.status) == ("applied", "applied")
        assert _id(first.id) == _id(second.id)
        assert bench.lab.count() == before + 1

    def test_what_is_not_as_expected_is_stale_and_left_alone(self, bench: Bench) -> None:
        """`preflight`, `compare-and-set`: the receipt tells what is there."""
        _needs(bench.target_can & {"preflight", "compare-and-set"}, "preflight or compare-and-set")
        key, (column, value) = bench.enter(), bench.lab.edit
        there = bench.edited(key)
        (stale,) = bench.operate(bench.update(key, {column: "something else"}, **{column: value}))
        assert stale.status == "stale"
        assert stale.found[column] == there
        assert bench.edited(key) == there

    def test_an_edit_between_look_and_write_is_not_overwritten(self, bench: Bench) -> None:
        """`compare-and-set`: whatever happens between a look and the write."""
        _needs("compare-and-set" in bench.target_can, "compare-and-set")
        key, (column, value) = bench.enter(), bench.lab.edit
        there = bench.edited(key)
        try:
            between = bench.lab.interpose(lambda: bench.lab.change(key, {column: "by hand"}))
        except NotImplementedError:
            bench.lab.change(key, {column: "by hand"})  # it compares in the statement that writes
            (receipt,) = bench.operate(bench.update(key, {column: there}, **{column: value}))
        else:
            with between:
                (receipt,) = bench.operate(bench.update(key, {column: there}, **{column: value}))
        assert receipt.status == "stale"
        assert bench.edited(key) == "by hand"

    def test_an_edit_between_look_and_write_is_told(self, bench: Bench) -> None:
        """`history`: it is overwritten, and the receipt says what it was."""
        _needs("history" in bench.target_can, "history")
        key, (column, value) = bench.enter(), bench.lab.edit
        there = bench.edited(key)
        with bench.lab.interpose(lambda: bench.lab.change(key, {column: "by hand"})):
            (receipt,) = bench.operate(bench.update(key, {column: there}, **{column: value}))
        assert receipt.status == "applied"
        assert receipt.found[column] == "by hand"

    def test_a_record_is_deleted_where_it_is_as_expected(self, bench: Bench) -> None:
        """`deletes`: and left alone where it is not."""
        _needs("deletes" in bench.target_can, "deletes")
        (column, _), first, second = bench.lab.edit, bench.enter(), bench.enter()
        there = {column: bench.edited(second)}
        wrong, right = bench.operate(bench.delete(first, {column: "something else"}), bench.delete(second, there))
        assert (wrong.status, right.status) == ("stale", "applied")
        assert bench.lab.record(first) is not None
        assert bench.lab.record(second) is None

    def test_each_operation_has_one_receipt_whatever_befalls_its_neighbours(self, bench: Bench) -> None:
        """`receipts`: one bad row fails neither its batch nor the run."""
        _needs("receipts" in bench.target_can, "receipts")
        if not bench.lab.bad:
            pytest.skip("the system refuses nothing")
        before = bench.lab.count()
        rows = [bench.values(), bench.values(**bench.lab.bad), bench.values()]
        receipts = bench.operate(*(bench.create(number, values) for number, values in enumerate(rows, 1)))
        assert [each.status for each in receipts] == ["applied", "rejected", "applied"]
        assert receipts[1].message
        assert bench.lab.count() == before + 2


def get_contract_class(lab: type[Lab]) -> type[Contract]:
    """The tests for a connector; name what is returned `Test…`, so that pytest finds it."""
    return type(f"Test{lab.__name__}", (Contract,), {"lab": lab, "__doc__": lab.__doc__})


def _needs(able: object, name: str) -> None:
    if not able:
        pytest.skip(f"{name} is not listed")


def _id(value: Any) -> Any:
    """The key in a receipt: a value, a list of one, or an object of one."""
    if isinstance(value, dict):
        return next(iter(value.values()))
    return value[0] if isinstance(value, list) else value
