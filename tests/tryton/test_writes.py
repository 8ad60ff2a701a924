"""What the targets do in a real server in which people work too, over JSON-RPC and over REST."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from target_tryton.target import TargetTryton, TargetTrytonRest
from tests.tryton.proxy import Fault, Proxy, before
from tests.tryton.server import Server

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("tryton")]

TARGETS: dict[str, type[TargetTryton]] = {"json-rpc": TargetTryton, "rest": TargetTrytonRest}
PARTY, MECHANISM, DEAL = "party-party", "party-contact_mechanism", "sale-opportunity"
WRITE = r"model\.party\.\w+\.write|^PUT "
CREATE = r"party\.party\.create|party\.party/create"


@dataclass(slots=True)
class Desk:
    """A target over one of the two APIs, behind a proxy, and its receipts."""

    server: Server
    proxy: Proxy
    api: str
    folder: Path
    config: dict[str, Any] = field(default_factory=dict)

    def run(self, stream: str, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Feed the target; the receipts that it wrote, in order."""
        for name in ("receipts", "rejected"):
            (self.folder / f"{name}.jsonl").unlink(missing_ok=True)
        paths = {f"{name}_path": str(self.folder / f"{name}.jsonl") for name in ("receipts", "rejected")}
        config = {**self.server.settings(self.api), "url": self.proxy.url, **paths, **self.config}
        schema = {"type": "SCHEMA", "stream": stream, "key_properties": ["id"], "schema": {"properties": {"id": {}}}}
        lines = [schema, *messages, {"type": "STATE", "value": {"bookmarks": {}}}]
        target = TARGETS[self.api](config=config)
        target.tryton.session.sleep = lambda _seconds: None
        target.listen(io.StringIO("".join(json.dumps(line) + "\n" for line in lines)))
        return self.lines("receipts")

    def lines(self, name: str) -> list[dict[str, Any]]:
        path = self.folder / f"{name}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def operate(self, *ops: Mapping[str, Any], stream: str = PARTY) -> list[dict[str, Any]]:
        """Send operations of the reconciler; one receipt each, in their order."""
        messages = [
            {"type": "RECORD", "stream": stream, "record": {**op["values"], **op["key"]},
             "sync": {name: value for name, value in op.items() if name != "values"}}
            for op in ops
        ]  # fmt: skip
        receipts = self.run(stream, messages)
        assert [each["op_id"] for each in receipts] == [op["op_id"] for op in ops]
        return receipts

    def load(self, *rows: Mapping[str, Any], stream: str = PARTY) -> None:
        """Send records of an ordinary tap."""
        self.run(stream, [{"type": "RECORD", "stream": stream, "record": dict(row)} for row in rows])

    def party(self, key: int) -> dict[str, Any]:
        return next(each for each in self.server.show("party.party", "name", "active", "lang") if each["id"] == key)

    def names(self) -> list[str]:
        return [each["name"] for each in self.server.show("party.party", "name")]


def create(link: str, **values: Any) -> dict[str, Any]:
    return {"op_id": f"c-{link}", "op": "create", "key": {}, "sync_key": link, "expect": {}, "values": values}


def update(key: int, expect: Mapping[str, Any], **values: Any) -> dict[str, Any]:
    return {"op_id": f"u-{key}", "op": "update", "key": {"id": key}, "sync_key": f"l{key}", "expect": dict(expect),
            "values": values}  # fmt: skip


def delete(key: int, *, archive: bool = False, **expect: Any) -> dict[str, Any]:
    how = {"archive": True} if archive else {}
    return {"op_id": f"d-{key}", "op": "delete", "key": {"id": key}, "sync_key": f"l{key}", "expect": expect,
            "values": {}, **how}  # fmt: skip


@pytest.fixture(params=list(TARGETS))
def desk(request: pytest.FixtureRequest, tryton: Server, tmp_path: Path) -> Iterator[Desk]:
    with before(tryton.url) as proxy:
        yield Desk(tryton, proxy, request.param, tmp_path)


def test_a_create_is_answered_with_the_id_and_what_is_stored_and_repeated_makes_no_second(desk: Desk) -> None:
    link, other = str(uuid4()), str(uuid4())
    first = desk.operate(create(link, name="Nina"), create(other, name=f"Otto {other}", active=True))
    assert [each["status"] for each in first] == ["applied", "applied"]
    key = first[0]["id"]["id"]
    assert first[0]["stored"] == {"name": "Nina"}
    assert desk.party(key)["name"] == "Nina"

    assert desk.operate(create(link, name="Nina"))[0]["id"]["id"] == key
    desk.server.edit("party.party", key, name="Nina Simone")
    (edited,) = desk.operate(create(link, name="Nina"))
    assert (edited["status"], edited["id"], edited["found"]) == ("stale", {"id": key}, {"name": "Nina Simone"})
    desk.server.edit("party.party", key, active=False)
    (archived,) = desk.operate(create(link, name="Nina"))
    assert (archived["status"], archived["id"]) == ("gone", {"id": key})

    children = [
        create(str(uuid4()), type="email", value=" x@Example.com ", party=first[1]["id"]["id"]),
        create(str(uuid4()), type="telegram", value="x", party=first[1]["id"]["id"]),
    ]
    made, refused = desk.operate(*children, stream=MECHANISM)
    assert made["stored"]["value"] == "x@Example.com"
    assert refused["status"] == "rejected"
    assert "type: 'telegram' is not allowed, these are: phone, " in refused["error"]["message"]
    (deal,) = desk.operate(create(str(uuid4()), party=first[1]["id"]["id"], description="Big"), stream=DEAL)
    assert deal["stored"] == {"description": "Big", "party": first[1]["id"]["id"]}


@pytest.mark.parametrize("kind", ["cut", "lost"])
def test_a_create_of_which_nobody_knows_whether_it_was_done_is_done_once(desk: Desk, kind: str) -> None:
    desk.proxy.faults = [Fault(kind, CREATE, times=2)]
    mark = str(uuid4())
    receipts = desk.operate(*(create(f"{mark}-{n}", name=f"{mark} {n}") for n in range(3)))
    assert [each["status"] for each in receipts] == ["applied"] * 3
    assert sum(name.startswith(mark) for name in desk.names()) == 3
    assert desk.proxy.met


def test_an_update_is_made_where_what_is_expected_is_there(desk: Desk) -> None:
    ann, ben, old = (desk.server.make("party.party", name=name) for name in ("Ann", "Ben", "Old"))
    gone = desk.server.make("party.party", name="Gone")
    desk.server.delete("party.party", gone)
    desk.server.edit("party.party", old, active=False)
    receipts = desk.operate(
        update(ann, {"name": "Ann"}, name="Anna"),
        update(ben, {"name": "Benny"}, name="Benjamin"),
        update(old, {"name": "Old"}, name="New"),
        update(gone, {"name": "Gone"}, name="New"),
    )
    assert [each["status"] for each in receipts] == ["applied", "stale", "gone", "gone"]
    assert receipts[0]["stored"] == {"name": "Anna"}
    assert receipts[1]["found"] == {"name": "Ben"}
    assert [desk.party(key)["name"] for key in (ann, ben, old)] == ["Anna", "Ben", "Old"]
    (again,) = desk.operate(update(ann, {"name": "Ann"}, name="Anna"))
    assert again["status"] == "applied"
    assert again["version"] == receipts[0]["version"]  # nothing was written


def test_an_edit_between_look_and_write_is_refused_by_the_lock_and_overwritten_without_one(desk: Desk) -> None:
    ann, ben = (desk.server.make("party.party", name=name) for name in ("Ann", "Ben"))

    def edits(key: int) -> Fault:
        return Fault("human", rf"(write|^PUT).*{'Anna' if key == ann else 'Benjamin'}",
                     do=lambda: desk.server.edit("party.party", key, name="by hand"))  # fmt: skip

    desk.proxy.faults = [edits(ann)]
    receipts = desk.operate(update(ann, {"name": "Ann"}, name="Anna"), update(ben, {"name": "Ben"}, name="Benjamin"))
    assert desk.proxy.met == ["human"]
    assert receipts[1]["status"] == "applied"
    if desk.api == "json-rpc":
        assert (receipts[0]["status"], receipts[0]["found"]) == ("stale", {"name": "by hand"})
        assert desk.party(ann)["name"] == "by hand"
    else:  # REST knows no lock: this is what docs/guarantees.md says of `preflight`
        assert receipts[0]["status"] == "applied"
        assert desk.party(ann)["name"] == "Anna"


def test_an_edit_of_another_field_in_between_is_kept_and_ours_is_made_too(desk: Desk) -> None:
    ann = desk.server.make("party.party", name="Ann")
    mail = desk.server.make("party.contact_mechanism", party=ann, type="email", value="a@x.eu")
    desk.proxy.faults = [
        Fault("human", WRITE, do=lambda: desk.server.edit("party.contact_mechanism", mail, name="Work"))
    ]
    (receipt,) = desk.operate(update(mail, {"value": "a@x.eu"}, value="ann@x.eu"), stream=MECHANISM)
    assert receipt["status"] == "applied"
    shown = {each["id"]: each for each in desk.server.show("party.contact_mechanism", "value", "name")}
    assert (shown[mail]["value"], shown[mail]["name"]) == ("ann@x.eu", "Work")


@pytest.mark.parametrize("kind", ["cut", "lost"])
def test_an_update_of_unknown_fate_is_looked_for(desk: Desk, kind: str) -> None:
    ann = desk.server.make("party.party", name="Ann")
    desk.proxy.faults = [Fault(kind, WRITE, times=2)]
    (receipt,) = desk.operate(update(ann, {"name": "Ann"}, name="Anna"))
    assert (receipt["status"], receipt["stored"]) == ("applied", {"name": "Anna"})


def test_each_row_has_its_receipt_whatever_the_server_makes_of_the_batch(desk: Desk) -> None:
    """Eight updates: one that a rule refuses, one at which the server fails with a page of HTML, one of no field."""
    ann = desk.server.make("party.party", name="Ann")
    keys = [desk.server.make("party.contact_mechanism", party=ann, type="other", value=f"P{n}") for n in range(8)]
    desk.proxy.faults = [Fault("page", r"(write|^PUT).*Poison", times=99)]
    ops = [update(key, {}, value=f"Q{n}") for n, key in enumerate(keys)]
    ops[2]["values"]["value"] = "Poison"
    ops[4]["values"]["value"] = None
    ops[6]["values"] = {"nonsense": 1}
    receipts = desk.operate(*ops, stream=MECHANISM)
    applied = "applied"
    assert [each["status"] for each in receipts] == [
        applied, applied, "failed", applied, "rejected", applied, "rejected", applied,
    ]  # fmt: skip
    assert "500 Internal Server Error" in receipts[2]["error"]["message"]
    assert "<" not in receipts[2]["error"]["message"]
    assert receipts[2]["error"].get("status") is None  # neither the side nor the row is blamed: tried for a while
    assert 'A value is required for field "Value"' in receipts[4]["error"]["message"]
    assert receipts[6]["error"]["message"].startswith("nonsense: party.contact_mechanism has no such field")
    shown = {each["id"]: each["value"] for each in desk.server.show("party.contact_mechanism", "value")}
    assert [shown[key] for key in keys] == ["Q0", "Q1", "P2", "Q3", "P4", "Q5", "P6", "Q7"]


def test_a_delete_is_made_where_what_is_expected_is_there_and_an_archive_keeps_the_record(desk: Desk) -> None:
    ann, ben, eve = (desk.server.make("party.party", name=name) for name in ("Ann", "Ben", "Eve"))
    deal = desk.server.make("sale.opportunity", party=ben, description="Open")
    receipts = desk.operate(delete(ann, name="Ann"), delete(ben, name="Benny"), delete(eve, archive=True, name="Eve"))
    assert [each["status"] for each in receipts] == ["applied", "stale", "applied"]
    there = {each["id"]: each["active"] for each in desk.server.show("party.party", "active")}
    assert ann not in there
    assert there[ben]
    assert not there[eve]
    assert [each["status"] for each in desk.operate(delete(ann), delete(eve))] == ["gone", "gone"]
    (no_archive,) = desk.operate(delete(deal, archive=True), stream=DEAL)
    assert "cannot be archived" in no_archive["error"]["message"]
    (refused,) = desk.operate(delete(deal), stream=DEAL)
    assert refused["status"] == "rejected"
    assert "you must cancel it" in refused["error"]["message"]


def test_records_of_an_ordinary_tap_are_updated_made_or_refused(desk: Desk) -> None:
    mark = str(uuid4())
    ann = desk.server.make("party.party", name="Ann", code=mark)
    desk.config = {"streams": {PARTY: {"match": "code"}}}
    desk.load(
        {"id": 1, "code": mark, "name": "Anna", "unknown": 1},
        {"id": 2, "code": f"{mark}-2", "name": "Ben"},
        {"id": 3, "code": None, "name": "Nobody"},
        {"id": 4, "code": f"{mark}-4", "name": "Odd", "categories": "none"},
    )
    assert desk.party(ann)["name"] == "Anna"
    assert [each["name"] for each in desk.server.show("party.party", "name", "code")
            if each["code"] == f"{mark}-2"] == ["Ben"]  # fmt: skip
    assert [(each["record"]["id"], each["error"]["class"]) for each in desk.lines("rejected")] == [
        (3, "NotConvertible"), (4, "NotConvertible"),
    ]  # fmt: skip
