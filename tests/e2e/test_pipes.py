"""The shell form: four plugins in pipes do what one process does, and no acknowledgement can mislead them."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.e2e.small import column, make_small, write_small
from tests.e2e.world import SIDES, World, plugin

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e-people")]

NUMBER = 30
FIELDS = ("email", "first_name", "city", "phone", "score", "note")


class Pipes:
    """A project that is synced by pipes, as a shell script would."""

    def __init__(self, world: World) -> None:
        self.world = world
        write_small(world)
        for side in SIDES:
            login = world.settings(side)
            writes = {
                "default_target_schema": "public", "add_record_metadata": False, "activate_version": False,
                "load_method": "upsert", "validate_records": False, "batch_size_rows": 100000,
            }  # fmt: skip
            self._write(f"tap-{side}.json", {**login, "filter_schemas": ["public"]})
            self._write(f"target-{side}.json", {**login, **writes})
            self._write(f"{side}.json", {"side": side})
            self._write(f"to-{side}.json", {"side": side})
            self._catalog(side)

    def _write(self, name: str, content: object) -> None:
        (self.world.folder / name).write_text(json.dumps(content), encoding="utf-8")

    def _catalog(self, side: str) -> None:
        """Discover, and select the stream as users do: by hand."""
        self.world.shell(f"{plugin('tap-postgres')} --config tap-{side}.json --discover > catalog-{side}.json")
        catalog = json.loads((self.world.folder / f"catalog-{side}.json").read_text(encoding="utf-8"))
        for stream in catalog["streams"]:
            stream["replication_method"] = "FULL_TABLE"
            stream["metadata"][-1]["metadata"]["selected"] = True
            for entry in stream["metadata"]:
                if not entry["breadcrumb"]:
                    entry["metadata"]["selected"] = True
        self._write(f"catalog-{side}.json", catalog)

    def read(self, *sides: str) -> None:
        """Collect: tap into target-reconciler, then say that the tap ended well."""
        for side in sides or SIDES:
            self.world.shell(
                f"PGTZ=UTC {plugin('tap-postgres')} --config tap-{side}.json --catalog catalog-{side}.json"
                f" | target-reconciler --config {side}.json > state-{side}.json && antiphon collect --complete {side}"
            )

    def write(self, side: str, *, acknowledged: bool = True, keep: bool = True) -> str:
        """Deliver: tap-reconciler into the target, whose last STATE is kept as the acknowledgement. The log."""
        ack = self.world.folder / f"ack-{side}.json"
        ack.touch()
        state = f"--state {ack.name}" if acknowledged else ""
        return self.world.shell(
            f"tap-reconciler --config to-{side}.json {state} | PGTZ=UTC {plugin('target-postgres')} --config"
            f" target-{side}.json | tail -1 > new.json && {f'cat new.json > {ack.name}' if keep else 'true'}"
        ).err

    def round(self) -> None:
        """One round, as a script would run it."""
        self.read()
        for side in reversed(SIDES):
            self.write(side)

    def settle(self) -> None:
        """Rounds until nothing is written."""
        for _ in range(4):
            before = self.world.versions("contacts")
            self.round()
            if self.world.versions("contacts") == before:
                return
        pytest.fail("after four rounds the pipes still write")


def edit(world: World) -> None:
    """What users of both sides do on one day."""
    world.sql("crm", "update contacts set city = 'Trieste', score = 7 where id < 'crm-005'")
    world.sql("warehouse", "update contacts set phone = '+39 1' where id >= 'warehouse-003' and id < 'warehouse-008'")
    world.sql("crm", "update contacts set first_name = null where id = 'crm-009'")
    for side in SIDES:
        world.sql(side, "update contacts set city = %s where id = %s", f"of {side}", f"{side}-010")
        world.sql(side, "insert into contacts (id, email) values (%s, %s)", f"{side}-new", f"{side}@new")


def people_of(world: World, side: str) -> list[tuple[object, ...]]:
    """Everybody on a side, whatever their ids."""
    return world.sql(side, f"select {', '.join(FIELDS)} from contacts order by email")


def test_pipes_and_one_process_come_to_the_same(world: World, servers: object) -> None:
    make_small(world, NUMBER)
    pipes = Pipes(world)
    pipes.settle()
    edit(world)
    pipes.settle()
    by_pipes = {side: people_of(world, side) for side in SIDES}
    world.verify()
    conflicts = [(conflict["kind"], conflict["values"]) for conflict in world.conflicts()]
    assert conflicts == [("field", {side: {"city": f"of {side}"} for side in SIDES})]

    for side in SIDES:
        world.sql(side, "drop table contacts")
    shutil.rmtree(world.folder / ".antiphon")
    make_small(world, NUMBER)
    world.antiphon("sync")
    edit(world)
    world.settle("contacts")
    assert {side: people_of(world, side) for side in SIDES} == by_pipes
    assert [(conflict["kind"], conflict["values"]) for conflict in world.conflicts()] == conflicts


def test_an_acknowledgement_that_comes_late_or_never_or_from_elsewhere_does_no_harm(world: World) -> None:
    make_small(world, NUMBER)
    pipes = Pipes(world)
    pipes.settle()
    edit(world)
    pipes.read()
    pipes.write("warehouse", acknowledged=False, keep=False)
    after = people_of(world, "warehouse")
    pipes.write("warehouse", acknowledged=False, keep=False)  # not acknowledged: the same once more
    assert people_of(world, "warehouse") == after
    world.sql("warehouse", "update contacts set city = 'Bari' where id = 'warehouse-001'")
    pipes.settle()  # whether Bari followed Trieste or met it cannot be known now: neither is written over
    cities = {side: column(world, side, "city") for side in SIDES}
    assert {side: cities[side]["001"] for side in SIDES} == {"crm": "Trieste", "warehouse": "Bari"}
    assert cities["warehouse"]["002"] == "Trieste"
    assert {tuple(conflict["values"]["crm"].values()) for conflict in world.conflicts()} == {("Trieste",), ("of crm",)}
    assert len(people_of(world, "crm")) == len(people_of(world, "warehouse")) == NUMBER + 2

    # Nor does one that another ledger gave.
    world.sql("crm", "update contacts set city = 'Udine' where id = 'crm-002'")
    foreign = {"bookmarks": {"outbox": {"ledger": "another", "epoch": 1, "side": "warehouse", "seq": 10**6}}}
    (world.folder / "ack-warehouse.json").write_text(json.dumps(foreign), encoding="utf-8")
    pipes.read()
    assert "another ledger" in pipes.write("warehouse")
    assert column(world, "warehouse", "city")["002"] == "Udine"
    pipes.settle()
    world.verify()


def test_a_restored_ledger_says_so_and_deletes_nothing(world: World) -> None:
    make_small(world, NUMBER)
    pipes = Pipes(world)
    pipes.settle()
    text = (world.folder / "sync.yml").read_text(encoding="utf-8")
    text = text.replace("target:\n", "target:\n      deletes: true\n").replace("on_delete: park", "on_delete: delete")
    (world.folder / "sync.yml").write_text(text, encoding="utf-8")
    shutil.copytree(world.folder / ".antiphon", world.folder / "backup")
    world.sql("crm", "update contacts set city = 'Trieste' where id < 'crm-009'")
    pipes.settle()
    world.sql("crm", "delete from contacts where id = 'crm-020'")

    shutil.rmtree(world.folder / ".antiphon")
    shutil.copytree(world.folder / "backup", world.folder / ".antiphon")
    pipes.read()
    assert "older copy" in pipes.write("warehouse")
    for _ in range(3):
        pipes.round()
    assert len(people_of(world, "warehouse")) == NUMBER
    (conflict,) = world.conflicts()
    assert conflict["kind"] == "delete"
    assert sorted(column(world, "warehouse", "city").values()).count("Trieste") == 9
