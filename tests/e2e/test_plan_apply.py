"""A person in the loop: plans that are read before they run, guards that stop, conflicts that somebody settles."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from antiphon_sandbox.people import people
from tests.e2e.small import column, make_small, write_small
from tests.e2e.world import SIDES, World

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e-people")]

NUMBER = 40


@pytest.fixture
def joined(world: World) -> World:
    """40 people on both sides, joined."""
    make_small(world, NUMBER)
    write_small(world)
    world.antiphon("sync")
    return world


def test_plan_writes_nothing_and_says_by_its_exit_code_that_something_waits(joined: World) -> None:
    assert joined.antiphon("plan", "--exit-code").code == 0
    joined.sql("crm", "update contacts set city = 'Trieste' where id = 'crm-001'")
    before = joined.versions("contacts")
    planned = joined.antiphon("plan", "--exit-code", code=2)
    assert "Trieste" in planned.out
    assert "only crm changed it" in planned.out
    assert joined.versions("contacts") == before


def test_apply_carries_out_what_was_reviewed_and_drops_what_changed_since(joined: World) -> None:
    for number in ("001", "002", "003"):
        joined.sql("crm", "update contacts set city = 'Trieste' where id = %s", f"crm-{number}")
    joined.antiphon("plan", "--out", "plan.json")
    joined.sql("crm", "update contacts set city = 'Udine' where id = 'crm-002'")
    joined.sql("warehouse", "update contacts set city = 'Gorizia' where id = 'warehouse-003'")
    joined.sql("crm", "update contacts set phone = 'new' where id = 'crm-004'")

    applied = joined.antiphon("apply", "plan.json")
    assert "2 reviewed operations were dropped" in applied.out
    cities = column(joined, "warehouse", "city")
    assert cities["001"] == "Trieste"
    assert cities["002"] not in {"Trieste", "Udine"}
    assert cities["003"] == "Gorizia"
    assert column(joined, "warehouse", "phone")["004"] != "new"

    joined.antiphon("sync")
    cities = column(joined, "warehouse", "city")
    assert cities["002"] == "Udine"
    assert column(joined, "warehouse", "phone")["004"] == "new"
    assert [conflict["field"] for conflict in joined.conflicts()] == ["city"]
    assert (column(joined, "crm", "city")["003"], cities["003"]) == ("Trieste", "Gorizia")


@pytest.mark.parametrize(
    ("guard", "act", "said"),
    [
        (
            "max_create: 2",
            "insert into contacts (id, email) select 'crm-9' || n, n || '@new' from generate_series(1, 3) n",
            "3 contact would be created on warehouse",
        ),
        ("max_change: 5%", "update contacts set city = 'X' where id < 'crm-003'", "crm changed 3 of 40"),
    ],
    ids=["max_create", "max_change"],
)
def test_a_guard_stops_the_run_with_the_numbers_and_the_way_on(joined: World, guard: str, act: str, said: str) -> None:
    write_small(joined, guards=f"guards: {{{guard}}}\n")
    joined.sql("crm", act)
    before = joined.versions("contacts")
    stopped = joined.antiphon("sync", code=3)
    assert said in stopped.err
    assert guard.replace(":", " is") in stopped.err
    assert "antiphon apply FILE" in stopped.err
    assert joined.versions("contacts") == before
    joined.antiphon("plan", "--out", "plan.json")
    joined.antiphon("apply", "plan.json")
    joined.verify()


def test_too_many_deletions_stop_the_run(world: World) -> None:
    make_small(world, NUMBER)
    write_small(world, on_delete="delete", guards="guards: {max_delete: 2}\n")
    text = (world.folder / "sync.yml").read_text(encoding="utf-8")
    (world.folder / "sync.yml").write_text(
        text.replace("target:\n", "target:\n      deletes: true\n"), encoding="utf-8"
    )
    world.antiphon("sync")
    world.sql("crm", "delete from contacts where id < 'crm-003'")
    world.antiphon("sync")  # missing once proves nothing
    before = world.versions("contacts")
    stopped = world.antiphon("sync", code=3)
    assert "3 contact would be deleted on warehouse, of 40 linked; max_delete is 2" in stopped.err
    assert world.versions("contacts") == before


def test_a_side_that_shows_nothing_stops_the_run_until_somebody_says_it_is_right(joined: World) -> None:
    joined.sql("crm", "delete from contacts")
    before = joined.versions("contacts")
    for _ in range(2):
        stopped = joined.antiphon("sync", code=3)
        assert "crm shows no contact at all; 40" in stopped.err
        assert "--accept-empty crm" in stopped.err
    assert "nothing" not in {conflict["kind"] for conflict in joined.conflicts()}
    for _ in range(2):
        joined.antiphon("sync", "--accept-empty", "crm")
    assert joined.versions("contacts") == before
    assert {conflict["kind"] for conflict in joined.conflicts()} == {"delete"}
    assert len(joined.conflicts()) == NUMBER


def test_another_account_stops_the_run(joined: World) -> None:
    before = joined.versions("contacts")
    crm, warehouse = SIDES
    swapped = replace(
        joined,
        servers={crm: joined.servers[warehouse], warehouse: joined.servers[crm]},
        databases={crm: joined.databases[warehouse], warehouse: joined.databases[crm]},
    )
    write_small(swapped)
    stopped = joined.antiphon("sync", code=3)
    assert f"only 0 of the {NUMBER}" in stopped.err
    assert joined.versions("contacts") == before
    write_small(joined)
    joined.antiphon("sync")
    assert joined.versions("contacts") == before
    joined.verify()


def test_a_person_settles_conflicts_and_the_next_sync_carries_it_out(joined: World) -> None:
    for side in SIDES:
        for number in ("001", "002", "003"):
            joined.sql(side, "update contacts set city = %s where id = %s", f"of {side}", f"{side}-{number}")
    joined.antiphon("sync", "--strict", code=4)
    assert {side: column(joined, side, "city")["001"] for side in SIDES} == {side: f"of {side}" for side in SIDES}
    waiting = {json.dumps(conflict): conflict for conflict in joined.conflicts()}
    assert len(waiting) == 3
    by_number = {
        f"{person.number:03d}": next(conflict for text, conflict in waiting.items() if person.email in text)
        for person in people(1, 3)
    }
    shown = joined.antiphon("conflicts", "show", by_number["001"]["cid"]).out
    assert "of crm" in shown
    assert "of warehouse" in shown
    assert "conflicts resolve" in shown

    joined.antiphon("conflicts", "resolve", by_number["001"]["cid"], "--take", "crm")
    joined.antiphon("conflicts", "resolve", by_number["002"]["cid"], "--take", "warehouse")
    joined.antiphon("conflicts", "resolve", by_number["003"]["cid"], "--take", "nobody", code=64)
    joined.antiphon("conflicts", "resolve", by_number["003"]["cid"], "--value", "of neither")
    joined.antiphon("sync", "--strict")
    for side in SIDES:
        cities = column(joined, side, "city")
        assert [cities[number] for number in by_number] == ["of crm", "of warehouse", "of neither"]
    assert {conflict["state"] for conflict in joined.conflicts()} == {"resolved"}  # until the sides are seen to agree
    assert joined.settle("contacts") == 0
    assert joined.conflicts() == []
