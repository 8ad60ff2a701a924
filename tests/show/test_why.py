from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from antiphon import model
from antiphon.errors import ConfigError
from antiphon.ledger.tables import LINK, OBS
from antiphon.mapping import Field, Park
from antiphon.model import Audit, Cause, LinkState, OpState, RecordState
from antiphon.show.find import find_record
from antiphon.show.plan import plan_text
from antiphon.show.why import why_dict, why_text
from antiphon.sync import confirm, planning
from tests.show.world import MINUTE, SIDES, START, World, contact, flat, lived, sync_of

NOW = START + 10 * MINUTE
STOPPED = (LinkState.PARKED, LinkState.QUARANTINED, LinkState.ALIAS, LinkState.DETACHED)


def eventful() -> World:
    """One edit delivered, one that lost to the owner, one contested; then a write that waits."""
    world = lived()
    world.edit("crm", "c1", city="Paris", stage="customer", phone="+1 555 0100")
    world.edit("warehouse", "w1", stage="mql", phone="+1 555 0199")
    world.round()
    world.round()
    world.edit("crm", "c1", city="Oslo")
    world.begin()
    world.read()
    planning.adopt(world.ledger, world.mapping, world.propose())
    return world


def test_the_story_of_a_record() -> None:
    world = eventful()
    (link,) = (link for link in world.ledger.store.scan(LINK) if link.match_rule)
    text = why_text(world.ledger, world.mapping, "ann@x.com", None, NOW)
    cid = text.partition("A conflict [")[2][:12]
    assert (
        text
        == f"""\
contact "Ann@x.com", active
    link  {link.lid}
    crm        c1
    warehouse  w1

2026-11-20 09:01:00 UTC  crm first showed email Ann@x.com, name Ann, tags vip.
2026-11-20 09:01:00 UTC  warehouse first showed email ann@x.com, name Ann, tags vip.
2026-11-20 09:01:00 UTC  crm:c1 and warehouse:w1 were linked: they have the same email.
2026-11-20 09:03:00 UTC  crm showed phone +1 555 0100, stage customer, changed between 2026-11-20
                         09:02:00 and 09:03:00 UTC.
2026-11-20 09:03:00 UTC  warehouse showed phone +1 555 0199, changed between 2026-11-20 09:02:00 and
                         09:03:00 UTC.
2026-11-20 09:03:00 UTC  A conflict [{cid}]: both sides changed it; the policy is to ask;
                         phone: crm +1 555 0100 | warehouse +1 555 0199 (was +1 555 0000) (run
                         run-3).
2026-11-20 09:03:00 UTC  city was written to warehouse: Rome → Paris, as crm has it (run run-3).
2026-11-20 09:03:00 UTC  stage was written to warehouse: mql → customer; the value it replaced is
                         kept here, it lost to crm, since crm owns stage (run run-3).
2026-11-20 09:04:00 UTC  warehouse showed what we wrote: city Paris, stage customer.
2026-11-20 09:05:00 UTC  crm showed city Oslo, changed between 2026-11-20 09:04:00 and 09:05:00 UTC.

now
           crm          warehouse
    email  Ann@x.com    ann@x.com    agreed
    name   Ann          Ann          agreed
    city   Oslo         Paris        crm changed it since they agreed
    phone  +1 555 0100  +1 555 0199  crm and warehouse changed it since they agreed
    stage  customer     customer     agreed
    tags   vip          vip          agreed
To come: update on warehouse, planned 4 min ago: city Paris → Oslo (only crm changed it).
Waits for a person since 6 min ago: both sides changed it; the policy is to ask; phone: crm +1 555
    0100 | warehouse +1 555 0199 (was +1 555 0000). See `antiphon conflicts show {cid}`."""
    )


def test_the_story_of_a_field_leaves_the_others_out() -> None:
    world = eventful()
    text = why_text(world.ledger, world.mapping, "crm:c1", "stage", NOW)
    assert "stage was written to warehouse: mql → customer; the value it replaced is" in text
    assert "    stage  customer  customer   agreed" in text
    assert "city" not in text
    assert "phone" not in text
    assert "To come" in why_text(world.ledger, world.mapping, "crm:c1", "city", NOW)


def test_the_dict_tells_the_same_story() -> None:
    world = eventful()
    (record,) = why_dict(world.ledger, world.mapping, "contact:warehouse:w1", "city", NOW)["records"]
    assert (record["record"], record["state"], record["ids"]) == (
        "Ann@x.com",
        "active",
        {"crm": "c1", "warehouse": "w1"},
    )
    assert record["fields"][0]["values"] == {"crm": "Oslo", "warehouse": "Paris"}
    assert [event["kind"] for event in record["events"]] == ["linked", "delivered", "changed", "changed"]
    assert [(op["side"], op["state"]) for op in record["pending"]] == [("warehouse", "planned")]
    assert record["conflicts"] == []


def test_a_parked_record_says_why() -> None:
    world = lived()
    world.edit("crm", "c1", city="Paris")
    world.begin()
    world.read()
    planning.adopt(world.ledger, world.mapping, world.propose())
    (op,) = world.ledger.open_ops("warehouse")
    confirm.refuse(world.ledger, op, "no such city", world.moment())
    text = why_text(world.ledger, world.mapping, "crm:c1", None, NOW)
    assert "It is parked and nothing is written to it: warehouse refused it: no such city.\n" in text
    assert "warehouse refused the update: no such city (run run-3)." in text


def test_a_created_and_deleted_record_keeps_its_story() -> None:
    world = lived()
    del world.rows["crm"]["c2"]
    for _ in range(2):
        world.round()
    text = why_text(world.ledger, world.mapping, "bob@x.com", None, NOW)
    assert "    crm        c2  (gone)\n" in text
    assert "crm had a record without a partner: it was to be created on warehouse." in text
    assert "The record was created on warehouse (run run-1)." in text
    (key,) = (key for key in world.rows["warehouse"] if len(key) > 5)
    del world.rows["warehouse"][key]
    for _ in range(2):
        world.round()
    closed = why_text(world.ledger, world.mapping, "crm:c2", None, NOW)
    assert 'contact "bob@x.com", tombstone' in closed
    assert "The link was closed: gone on every side." in closed


def test_a_write_that_no_read_has_shown_is_told() -> None:
    world = World()
    world.add("crm", "c1", email="ann@x.com")
    world.round()
    text = flat(why_text(world.ledger, world.mapping, "crm:c1", None, NOW))
    assert "The record was created on warehouse, and no read has shown it yet (run run-1)." in text
    assert " email ann@x.com (unknown) written, not seen yet " in text
    assert "Under way: create on warehouse, written and not seen yet, planned 8 min ago (new on crm): " in text


def test_a_record_that_no_link_holds() -> None:
    world = World()
    world.add("crm", "c1", email="ann@x.com")
    world.read()
    text = why_text(world.ledger, world.mapping, "crm:c1", None, NOW)
    assert text.startswith(
        'contact "ann@x.com", not linked\n    crm  c1\nNo link holds it: the next plan looks for its'
    )
    (record,) = why_dict(world.ledger, world.mapping, "crm:c1", None, NOW)["records"]
    assert (record["lid"], record["address"]) == (None, "contact:crm:c1")


def test_several_records_are_listed() -> None:
    world = World()
    world.add("crm", "c1", email="ann@x.com")
    world.add("crm", "c2", email="Ann@x.com")
    world.round()
    text = why_text(world.ledger, world.mapping, "ann@x.com", None, NOW)
    assert text.startswith("2 records fit; name one of them, as in `antiphon why ")
    assert text.count('  contact "') == 2
    assert text.count("parked") == 2
    assert len(why_dict(world.ledger, world.mapping, "ann@x.com", None, NOW)["records"]) == 2


def test_a_record_is_found_however_it_is_named() -> None:
    world = lived()
    (link,) = (link for link in world.ledger.store.scan(LINK) if link.match_rule)
    for typed in (
        link.lid,
        "crm:c1",
        'crm:["c1"]',
        'crm:"c1"',
        "contact:crm:c1",
        "warehouse:w1",
        " ANN@x.com ",
        '["ann@x.com"]',
    ):
        assert [hit.lid for hit in find_record(world.ledger, world.mapping, typed)] == [link.lid], typed


def test_a_number_is_found_as_it_is_typed() -> None:
    world = World()
    world.rows["crm"]["7"] = {"id": 7, "email": "ann@x.com"}
    world.rows["crm"]["8"] = {"id": "8", "email": "bob@x.com"}
    world.read(complete=False)
    assert [hit.key for hit in find_record(world.ledger, world.mapping, "crm:7")] == [("crm", "contact", "[7]")]
    assert [hit.key for hit in find_record(world.ledger, world.mapping, "crm:8")] == [("crm", "contact", '["8"]')]


def test_several_match_values_are_typed_with_commas_or_as_json() -> None:
    entity = contact()
    world = World(sync_of(replace(entity, match=(("name", "city"),))))
    world.add("crm", "c1", name="Ann", city="Rome")
    world.read()
    for typed in ("Ann, Rome", '["Ann","Rome"]'):
        assert len(find_record(world.ledger, world.mapping, typed)) == 1
    with pytest.raises(ConfigError):
        find_record(world.ledger, world.mapping, "Ann")


@pytest.mark.parametrize(
    ("typed", "tried"),
    [
        ("nobody@x.com", "tried: a link, the email of contact"),
        ("crm:nope", "tried: a link, an id of contact on crm, the email of contact"),
        ("contact:crm:nope", "tried: a link, an id of contact on crm, the email of contact"),
        ("crm:", "tried: a link, the email of contact"),
        ("", "tried: a link, the email of contact"),
    ],
)
def test_nothing_found_says_what_was_tried(typed: str, tried: str) -> None:
    world = lived()
    with pytest.raises(ConfigError) as caught:
        why_text(world.ledger, world.mapping, typed, None, NOW)
    assert caught.value.message == f"no record is found for {typed!r}; {tried}"


def test_a_field_that_is_not_mapped() -> None:
    world = lived()
    with pytest.raises(ConfigError) as caught:
        why_text(world.ledger, world.mapping, "crm:c1", "age", NOW)
    assert caught.value.message == "contact has no field 'age'; it has city, email, name, phone, stage, tags"


def test_every_state_of_a_link_and_of_a_record_can_be_shown() -> None:
    world = eventful()
    (link,) = (link for link in world.ledger.store.scan(LINK) if link.match_rule)
    seen = world.ledger.get(OBS, "crm", "contact", '["c1"]')
    assert seen is not None
    for state in LinkState:
        with world.ledger.transaction():
            world.ledger.put([model.replace(link, state=state, closed_reason="somebody said so")])
        text = why_text(world.ledger, world.mapping, link.lid, None, NOW)
        assert f'"Ann@x.com", {state.value}\n' in text
        assert ("somebody said so." in text) is (state in STOPPED)
    for shown in RecordState:
        with world.ledger.transaction():
            world.ledger.put(
                [model.replace(seen, state=shown, error="no permission" if shown is RecordState.ERROR else None)]
            )
        text = why_text(world.ledger, world.mapping, link.lid, None, NOW)
        amiss = "error: no permission" if shown is RecordState.ERROR else shown.value
        assert (f"c1  ({amiss})" in text) is (shown is not RecordState.LIVE)


AUDITS = [
    (
        Cause.CLOBBERED,
        "city",
        "Rome",
        "Oslo",
        "city was overwritten on crm between our look and our write: Rome → Oslo",
    ),
    (Cause.RESTORED, "city", "Rome", "Oslo", "city was restored on crm: Rome → Oslo"),
    (Cause.RESTORED, None, '["c0"]', '["c1"]', "Its id on crm changed: crm:c0 → crm:c1"),
    (Cause.RESTORED, None, None, {"city": "Rome"}, "The record was restored on crm; it held city Rome"),
    (Cause.DELETED, None, {"name": "Ann", "city": "Rome"}, None, "was deleted on crm; it held city Rome, name Ann"),
    (Cause.PARKED, None, None, None, "The record was parked on crm"),
]


@pytest.mark.parametrize(("cause", "field", "old", "new", "says"), AUDITS, ids=range(len(AUDITS)))
def test_every_cause_has_its_sentence(cause: Cause, field: str | None, old: Any, new: Any, says: str) -> None:
    world = eventful()
    (link,) = (link for link in world.ledger.store.scan(LINK) if link.match_rule)
    with world.ledger.transaction():
        world.ledger.put([Audit(link.lid, "crm", field, old, new, cause, "", "run-9", NOW)])
    assert f"{says} (run run-9)." in flat(why_text(world.ledger, world.mapping, "crm:c1", None, NOW))


def test_writes_that_failed_are_told() -> None:
    world = eventful()
    (op,) = world.ledger.open_ops("warehouse")
    for state, says in (
        (OpState.REJECTED, "The update of warehouse was not carried out: stale: planned anew (run run-5)."),
        (OpState.DROPPED, "The update of warehouse was given up: stale: planned anew (run run-5)."),
        (OpState.PLANNED, "planned 4 min ago, tried again in 5 min: stale: planned anew: city Paris → Oslo"),
        (OpState.INFLIGHT, "Under way: update on warehouse, on its way, planned 4 min ago"),
    ):
        later = NOW + 5 * MINUTE if state is OpState.PLANNED else 0
        failed = model.replace(op, state=state, sent_at=NOW, not_before=later, error="stale: planned anew")
        with world.ledger.transaction():
            world.ledger.put([failed])
        assert says in flat(why_text(world.ledger, world.mapping, "crm:c1", None, NOW))


def test_a_reference_is_shown_by_the_name_of_its_record() -> None:
    boss = Field("boss", dict.fromkeys(SIDES, "boss"), Park(), references="contact")
    world = World(sync_of(contact(boss=boss)))
    world.add("crm", "c1", email="ann@x.com")
    world.add("crm", "c2", email="bob@x.com", boss="c1")
    world.read()
    plan = world.propose()
    (op,) = (op for op in plan.operations if op.patch["email"] == "bob@x.com")
    lid = next(op.lid for op in plan.operations if op.patch["email"] == "ann@x.com")
    unnamed = model.replace(op, patch={**op.patch, "boss": {"$link": lid}}, key={"contact_id": {"$link": lid}})
    text = plan_text(replace(plan, operations=(unnamed,)), world.ledger, world.mapping)
    assert '    boss   contact "ann@x.com"\n' in text
    assert '(contact_id contact "ann@x.com")\n' in text
