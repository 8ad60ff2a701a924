from __future__ import annotations

from dataclasses import replace

from antiphon import model
from antiphon.ledger.tables import CURSOR, OBS
from antiphon.model import OpState, RecordState, Run
from antiphon.show.status import RUNS, status_dict, status_text
from antiphon.sync import confirm, planning
from tests.show.world import MINUTE, START, World, contact, flat, lived, sync_of


def test_a_sync_that_was_never_run() -> None:
    world = World()
    assert (
        status_text(world.ledger, world.mapping, START)
        == """\
crm-warehouse  ledger L1, begun 2026-11-20 09:00:00 UTC
links
    contact  none
outbox
    crm        empty
    warehouse  empty
reads
    crm        contact  never
    warehouse  contact  never
conflicts: none
runs: none"""
    )


def test_the_state_of_a_sync() -> None:
    world = lived()
    world.edit("crm", "c1", city="Paris", name="A")
    world.edit("warehouse", "w1", name="B", tags="new")
    world.begin()
    world.read()
    planning.adopt(world.ledger, world.mapping, world.propose())
    refused, later = (world.ledger.open_ops(side)[0] for side in ("crm", "warehouse"))
    later = model.replace(later, not_before=START + 20 * MINUTE, error="busy, try again")
    gone = world.ledger.store.find(OBS, "live", [("crm", "contact", RecordState.LIVE)])[0]
    started, ended = START + 2 * MINUTE, START + 3 * MINUTE
    with world.ledger.transaction():
        world.ledger.put([later, model.replace(gone, state=RecordState.ERROR, error="its key column id is empty")])
        world.ledger.put([Run("r1", "sync", started, ended, "done", {"operations": 1200}), Run("r2", "sync", ended)])
        world.ledger.update_instance(deletes_blocked="the streams of sync.yml changed")
    confirm.refuse(world.ledger, refused, "tags: too long", world.moment())
    now = START + 10 * MINUTE
    assert (
        status_text(world.ledger, world.mapping, now)
        == """\
crm-warehouse  ledger L1, begun 2026-11-20 09:00:00 UTC
no record is deleted: the streams of sync.yml changed
links
    contact  2 active, 1 parked
outbox
    crm        1 refused; last error, contact "Ann@x.com": tags: too long
    warehouse  empty
reads
    crm        contact  6 min ago, 3 seen, complete
    warehouse  contact  6 min ago, 3 seen, complete
unreadable: 1
    crm  1 contact: crm:c1 (its key column id is empty)
conflicts: 2 open (1 field, 1 rejected); see `antiphon conflicts list`
runs
    2026-11-20 09:03:00 UTC  sync  7 min ago  not ended
    2026-11-20 09:02:00 UTC  sync  8 min ago  done in 1 min: 1,200 operations"""
    )
    shown = status_dict(world.ledger, world.mapping, now)
    assert shown["links"] == {"contact": {"active": 2, "parked": 1}}
    assert shown["outbox"]["crm"]["last_error"]["error"] == "tags: too long"
    assert shown["unreadable"][0]["count"] == 1
    assert shown["conflicts"] == {"open": {"field": 1, "rejected": 1}, "decided": {}}
    assert shown["deletes_blocked"] == "the streams of sync.yml changed"


def test_an_operation_that_waits_says_until_when() -> None:
    world = World()
    world.add("crm", "c1", email="ann@x.com")
    world.add("crm", "c2", email="bob@x.com")
    world.read()
    planning.adopt(world.ledger, world.mapping, world.propose())
    first, second = world.ledger.open_ops("warehouse")
    with world.ledger.transaction():
        world.ledger.put(
            [
                model.replace(first, not_before=START + 20 * MINUTE, error="busy"),
                model.replace(second, state=OpState.SENT),
            ]
        )
    text = status_text(world.ledger, world.mapping, START + MINUTE)
    assert "warehouse 1 planned (1 not before 2026-11-20 09:20:00 UTC), 1 written, not seen yet; last error," in flat(
        text
    )
    assert status_dict(world.ledger, world.mapping, START)["outbox"]["warehouse"]["waiting"] == 1
    assert "not before" not in status_text(world.ledger, world.mapping, START + 21 * MINUTE)


def test_a_read_says_how_far_it_can_be_believed() -> None:
    world = World()
    world.read(complete=False)
    assert "contact  just now, 0 seen, not yet proven complete" in status_text(world.ledger, world.mapping, world.time)
    world.read()
    (crm, _) = (cursor for cursor in world.ledger.store.scan(CURSOR) if cursor.entity)
    since = model.replace(crm, read_started=crm.full_at + MINUTE, read_ended=crm.full_at + 2 * MINUTE)
    for cursor, words in (
        (since, "0 seen, the changes only; the last complete read 5 min ago"),
        (model.replace(since, full_at=0), "0 seen, the changes only; never read completely"),
        (model.replace(since, read_ended=0), "begun 4 min ago, not ended; the last complete one 5 min ago"),
    ):
        with world.ledger.transaction():
            world.ledger.put([cursor])
        assert words in status_text(world.ledger, world.mapping, crm.full_at + 5 * MINUTE)


def test_only_the_last_runs_are_shown() -> None:
    world = World()
    with world.ledger.transaction():
        world.ledger.put([Run(f"r{n}", f"sync{n}", START + n * MINUTE) for n in range(9)])
    shown = status_dict(world.ledger, world.mapping, START)["runs"]
    assert [run["command"] for run in shown] == [f"sync{n}" for n in range(8, 8 - RUNS, -1)]


def test_an_entity_that_left_sync_yml_is_still_counted() -> None:
    world = lived()
    other = sync_of(replace(contact(), name="person"))
    assert status_dict(world.ledger, other, world.time)["links"] == {"contact": {"active": 3}, "person": {}}
