"""Each line of the table in `sync.links`, in memory."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antiphon.errors import ConfigError
from antiphon.ledger.tables import AUDIT, BASE, LINK, MEMBER, OBS, OUTBOX
from antiphon.model import Link, LinkState, OpState, RecordState, replace
from antiphon.sheet import SheetRow
from antiphon.show.why import why_text
from antiphon.sync import planning
from antiphon.sync.links import Wish, of_records, relink, wishes_of
from tests.show.world import World, flat, lived


def wish(*, linked: bool = True, entity: str = "contact", **ids: str) -> Wish:
    return Wish("the wish", entity, {side: f'["{key}"]' for side, key in ids.items()}, linked)


def carry_out(world: World, *wishes: Wish, forget: bool = False) -> dict[str, int]:
    done = relink(world.ledger, world.mapping, wishes, now=world.clock(), forget=forget)
    return {"added": len(done.added), "removed": len(done.removed), "unchanged": done.unchanged}


def link_of(world: World, side: str, key: str) -> Link | None:
    held = world.ledger.store.find(MEMBER, "holder", [(side, "contact", f'["{key}"]', True)])
    return world.ledger.get(LINK, held[0].lid) if held else None


def state_of(world: World, side: str, key: str) -> str:
    link = link_of(world, side, key)
    return link.state.value if link is not None else "none"


def alias_of(world: World, link: Link) -> Link | None:
    now = world.ledger.get(LINK, link.lid)
    assert now is not None
    assert now.state is LinkState.ALIAS
    return world.ledger.get(LINK, now.alias_of)


def strangers(*, email: str = "") -> World:
    """Two records that nothing matches, seen and not planned."""
    world = lived()
    world.add("crm", "c8", email="liz@x.com", name="Liz")
    world.add("warehouse", "w8", email=email or "elizabeth@x.com", name="Liz")
    world.begin()
    world.read()
    return world


def test_one_link_already_is_nothing_to_do() -> None:
    assert carry_out(lived(), wish(crm="c1", warehouse="w1")) == {"added": 0, "removed": 0, "unchanged": 1}


def test_removed_they_keep_their_base_and_their_ids() -> None:
    world = lived()
    before = world.ledger.store.find(BASE, "lid", [(link_of(world, "crm", "c1").lid,)])  # type: ignore[union-attr]  # there is one
    assert carry_out(world, wish(crm="c1", warehouse="w1", linked=False))["removed"] == 1
    link = link_of(world, "crm", "c1")
    assert link is not None
    assert (link.state, link) == (LinkState.DETACHED, link_of(world, "warehouse", "w1"))
    assert world.ledger.store.find(BASE, "lid", [(link.lid,)]) == before
    assert carry_out(world, wish(crm="c1", warehouse="w1", linked=False))["unchanged"] == 1
    assert "A person took the link apart" in flat(why_text(world.ledger, world.mapping, "crm:c1", None, world.clock()))


def test_linked_again_it_is_the_same_link_with_the_same_base() -> None:
    world = lived()
    before = link_of(world, "crm", "c1")
    carry_out(world, wish(crm="c1", warehouse="w1", linked=False))
    world.edit("crm", "c1", city="Bari")
    world.round()
    assert carry_out(world, wish(crm="c1", warehouse="w1"))["added"] == 1
    world.begin()
    world.read()
    (op,) = world.propose().operations
    assert (op.side, op.patch) == ("warehouse", {"city": "Bari"})
    after = link_of(world, "crm", "c1")
    assert before is not None
    assert after is not None
    assert (after.lid, after.state, after.closed) == (before.lid, LinkState.JOINING, None)


def test_two_strangers_become_one_and_what_was_planned_for_them_is_called_off() -> None:
    world = strangers()
    planning.adopt(world.ledger, world.mapping, world.propose())  # each is to be created on the other side
    assert carry_out(world, wish(crm="c8", warehouse="w8"))["added"] == 1
    mine = [op for op in world.ledger.store.scan(OUTBOX) if op.state.open and op.entity == "contact"]
    assert mine == []
    world.round()
    assert state_of(world, "crm", "c8") == "active"
    assert len(world.rows["crm"]) == len(world.rows["warehouse"])


def test_a_record_may_be_kept_to_its_side() -> None:
    world = strangers()
    assert carry_out(world, wish(crm="c8", linked=False))["removed"] == 1
    world.round()
    assert state_of(world, "crm", "c8") == "detached"
    assert len(world.ledger.store.find(MEMBER, "lid", [(link_of(world, "crm", "c8").lid,)])) == 1  # type: ignore[union-attr]
    assert all(row["email"] != "liz@x.com" for row in world.rows["warehouse"].values())


def test_a_link_whose_create_was_planned_lets_go_of_the_id_that_it_reserved() -> None:
    world = strangers()
    planning.adopt(world.ledger, world.mapping, world.propose())
    link = link_of(world, "crm", "c8")
    assert link is not None
    asked = of_records(world.ledger, "contact", link.lid, None, link.lid)
    assert carry_out(world, asked)["removed"] == 1
    held = [m.side for m in world.ledger.store.find(MEMBER, "lid", [(link.lid,)]) if m.held]
    assert held == ["crm"]
    world.round()
    assert state_of(world, "crm", "c8") == "detached"


def test_two_strangers_may_be_told_apart_before_they_meet() -> None:
    world = strangers(email="liz@x.com")
    assert carry_out(world, wish(crm="c8", warehouse="w8", linked=False))["removed"] == 1
    world.round()
    assert state_of(world, "warehouse", "w8") == "detached"


def test_one_that_was_parted_may_find_another_and_leaves_the_first_alone() -> None:
    world = strangers()
    carry_out(world, wish(crm="c1", warehouse="w1", linked=False))
    assert carry_out(world, wish(crm="c1", warehouse="w8"))["added"] == 1
    assert (state_of(world, "crm", "c1"), state_of(world, "warehouse", "w1")) == ("joining", "detached")
    world.round()
    assert state_of(world, "crm", "c1") == "active"


def merge(world: World, loser: str, survivor: str) -> Link:
    """The CRM makes one record of two; the link of the one that went."""
    link = link_of(world, "crm", loser)
    assert link is not None
    del world.rows["crm"][loser]
    world.begin()
    world.read()
    shown = world.ledger.get(OBS, "crm", "contact", f'["{loser}"]')
    assert shown is not None
    merged = replace(shown, state=RecordState.MERGED, merged_into=f'["{survivor}"]', touched=True)
    with world.ledger.transaction():
        world.ledger.put([merged])
    planning.adopt(world.ledger, world.mapping, world.propose())
    return link


def test_what_was_merged_into_a_record_goes_with_it_where_its_link_gives_way() -> None:
    world = strangers()
    planning.adopt(world.ledger, world.mapping, world.propose())  # c8 is to be created on the other side
    loser = merge(world, "c1", "c8")
    assert carry_out(world, wish(crm="c8", warehouse="w8"))["added"] == 1
    assert alias_of(world, loser) == link_of(world, "crm", "c8")


def test_what_was_merged_into_a_record_goes_with_it_where_its_link_keeps_the_other() -> None:
    world = strangers()
    loser = merge(world, "c1", "c2")
    held = world.ledger.store.find(MEMBER, "lid", [(link_of(world, "crm", "c2").lid,)])  # type: ignore[union-attr]
    kept = next(json.loads(member.rid)[0] for member in held if member.side == "warehouse")
    carry_out(world, wish(crm="c2", warehouse=kept, linked=False))
    assert alias_of(world, loser) == link_of(world, "crm", "c2")
    carry_out(world, wish(crm="c2", warehouse="w8"))
    assert alias_of(world, loser) == link_of(world, "crm", "c2")
    assert state_of(world, "warehouse", kept) == "detached"


def test_a_person_links_what_a_merge_left_on_the_other_side() -> None:
    world = strangers()
    planning.adopt(world.ledger, world.mapping, world.propose())
    loser = merge(world, "c1", "c8")
    assert carry_out(world, wish(crm="c8", warehouse="w1"))["added"] == 1
    now = world.ledger.get(LINK, loser.lid)
    assert now is not None
    assert now.state is LinkState.TOMBSTONE
    world.round()
    assert state_of(world, "crm", "c8") == "active"
    assert link_of(world, "crm", "c8") == link_of(world, "warehouse", "w1")


REFUSED: dict[str, tuple[Wish, str]] = {
    "one is linked to another": (wish(crm="c1", warehouse="w8"), "crm:c1 is linked to warehouse:w1"),
    "half of a link": (wish(crm="c1", linked=False), "crm:c1 is linked to warehouse:w1"),
    "one that nobody saw": (wish(crm="c8", warehouse="w99"), "warehouse:w99 is not seen yet"),
}


@pytest.mark.parametrize("story", REFUSED)
def test_refused(story: str) -> None:
    world = strangers()
    asked, says = REFUSED[story]
    before = list(world.ledger.store.scan(LINK))
    with pytest.raises(ConfigError, match="nothing was changed") as error:
        carry_out(world, asked)
    assert says in error.value.message
    assert list(world.ledger.store.scan(LINK)) == before


def test_a_record_that_is_gone_joins_nothing() -> None:
    world = strangers()
    del world.rows["crm"]["c8"]
    for _ in range(2):
        world.begin()
        world.read()
    with pytest.raises(ConfigError, match="crm:c8 is gone"):
        carry_out(world, wish(crm="c8", warehouse="w8"))


def test_while_a_write_is_on_its_way_nothing_is_parted() -> None:
    world = lived()
    world.edit("crm", "c1", city="Bari")
    world.begin()
    world.read()
    planning.adopt(world.ledger, world.mapping, world.propose())
    (op,) = world.ledger.open_ops("warehouse")
    with world.ledger.transaction():
        world.ledger.put([replace(op, state=OpState.INFLIGHT)])
    with pytest.raises(ConfigError, match="a write to warehouse is on its way"):
        carry_out(world, wish(crm="c1", warehouse="w1", linked=False))


def test_what_an_unseen_write_overwrote_stays_in_the_audit() -> None:
    world = lived()
    world.edit("crm", "c1", stage="won")
    world.edit("warehouse", "w1", stage="lost")
    world.round()  # the CRM owns the stage; its word is delivered and not seen yet
    carry_out(world, wish(crm="c1", warehouse="w1", linked=False))
    assert ("stage", "lost", "won") in [(row.field, row.old, row.new) for row in world.ledger.store.scan(AUDIT)]
    carry_out(world, wish(crm="c1", warehouse="w1"))
    assert world.round().operations == ()


def test_a_row_says_what_is_so_or_what_shall_be() -> None:
    world = strangers()
    link = link_of(world, "crm", "c1")
    assert link is not None
    rows: list[dict[str, Any]] = [
        {"lid": link.lid, "entity": "contact", "state": "active", "crm": "c1", "warehouse": "w1"},
        {"entity": "contact", "crm": "c8", "warehouse": "w8"},
        {"lid": link.lid, "entity": "contact", "state": "detached", "crm": "c1", "warehouse": "w1"},
    ]
    found = wishes_of(world.ledger, world.mapping, [SheetRow(f"line {n}", row) for n, row in enumerate(rows, 2)])
    assert [(each.where, each.linked) for each in found] == [("line 3", True), ("line 4", False)]
    bad = [{"entity": "deal"}, {"entity": "contact", "crm": "c1", "warehouse": "w1", "state": "parked"}]
    with pytest.raises(ConfigError) as error:
        wishes_of(world.ledger, world.mapping, [SheetRow(f"line {n}", row) for n, row in enumerate(bad, 2)])
    assert "line 2: there is no entity 'deal'" in error.value.message
    assert "line 3: the state 'parked' cannot be given by hand" in error.value.message
