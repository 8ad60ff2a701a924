from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from antiphon import model
from antiphon.errors import ConfigError
from antiphon.ledger import Ledger
from antiphon.ledger.memory import MemoryStore
from antiphon.mapping import EntitySide, Owner, Park
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import Conflict, ConflictKind, ConflictState, OpKind
from antiphon.show.answers import answers
from antiphon.show.conflicts import (
    conflict_dict,
    conflict_text,
    conflicts_dict,
    conflicts_text,
    find_conflict,
    waiting,
)
from antiphon.sync import confirm, planning
from antiphon.sync.decide import resolve
from tests.show.world import MINUTE, START, World, contact, flat, lived, sync_of

NOW = START + 10 * MINUTE


def contested() -> World:
    """Both sides changed a phone number."""
    world = lived()
    world.edit("crm", "c1", phone="+1 555 0100")
    world.edit("warehouse", "w1", phone="+1 555 0199")
    world.round()
    return world


def test_no_conflict() -> None:
    world = World()
    assert conflicts_text(world.ledger, world.mapping, NOW) == "No conflict waits for a person."
    assert conflicts_dict(world.ledger, world.mapping) == {"conflicts": [], "total": 0}


def test_the_list_has_a_line_for_each() -> None:
    world = contested()
    world.edit("crm", "c2", city="Turin")
    world.edit("warehouse", next(key for key in world.rows["warehouse"] if len(key) > 5), city="Milan")
    world.round()
    first, second = waiting(world.ledger)
    assert (
        conflicts_text(world.ledger, world.mapping, NOW)
        == f"""\
field: both sides changed it; the policy is to ask
    {first.cid}  6 min ago   contact "Ann@x.com"  phone: crm +1 555 0100 | warehouse +1 555 0199 (…
    {second.cid}  5 min ago   contact "bob@x.com"  city: crm Turin | warehouse Milan (was Oslo)
2 open"""
    )
    assert conflicts_text(world.ledger, world.mapping, NOW, chosen=[second]).endswith("\n1 open")


def test_one_conflict_in_full() -> None:
    world = contested()
    (conflict,) = waiting(world.ledger)
    cid = conflict.cid
    assert (
        conflict_text(world.ledger, world.mapping, cid[:4], NOW)
        == f"""\
{cid}: contact "Ann@x.com", phone
    field, open since 2026-11-20 09:03:00 UTC (6 min ago)
    both sides changed it; the policy is to ask.

           crm          warehouse
    phone  +1 555 0100  +1 555 0199  was +1 555 0000

    crm changed it between 2026-11-20 09:02:00 and 09:03:00 UTC.
    warehouse changed it between 2026-11-20 09:02:00 and 09:03:00 UTC.

to settle it
    antiphon conflicts resolve {cid} --take crm
        writes what crm holds to warehouse
    antiphon conflicts resolve {cid} --take warehouse
        writes what warehouse holds to crm
    antiphon conflicts resolve {cid} --value VALUE
        writes another value to both sides"""
    )
    shown = conflict_dict(world.ledger, world.mapping, cid)
    assert shown["values"] == {"crm": {"phone": "+1 555 0100"}, "warehouse": {"phone": "+1 555 0199"}}
    assert shown["base"] == {"crm": {"phone": "+1 555 0000"}, "warehouse": {"phone": "+1 555 0000"}}
    assert shown["answers"][0]["command"] == f"antiphon conflicts resolve {cid} --take crm"


def test_a_decided_conflict_says_what_was_decided() -> None:
    world = contested()
    (conflict,) = waiting(world.ledger)
    with world.ledger.transaction():
        world.ledger.put([model.replace(conflict, state=ConflictState.RESOLVED, decision={"take": "crm"})])
    text = conflicts_text(world.ledger, world.mapping, NOW)
    assert "decided: take crm; phone: " in text
    assert text.endswith("\n0 open, 1 decided")
    full = flat(conflict_text(world.ledger, world.mapping, conflict.cid, NOW))
    assert "decided: take crm; the next plan carries it out" in full


def test_a_settled_conflict_offers_no_commands() -> None:
    world = contested()
    (conflict,) = waiting(world.ledger)
    with world.ledger.transaction():
        world.ledger.put([model.replace(conflict, state=ConflictState.CLOSED)])
    text = conflict_text(world.ledger, world.mapping, conflict.cid, NOW)
    assert "settled since" in text
    assert "to settle it" not in text


def test_a_conflict_is_found_by_the_beginning_of_its_id() -> None:
    world = contested()
    (conflict,) = waiting(world.ledger)
    assert find_conflict(world.ledger, conflict.cid[:3]) == conflict
    with world.ledger.transaction():
        world.ledger.put([model.replace(conflict, cid="aaa1"), model.replace(conflict, cid="aaa2")])
    with pytest.raises(ConfigError, match="2 conflicts have an id that begins with 'aaa': aaa1, aaa2"):
        find_conflict(world.ledger, "aaa")
    for typed in ("zzz", ""):
        with pytest.raises(ConfigError, match=f"no conflict has the id '{typed}'"):
            find_conflict(world.ledger, typed)


def test_a_deletion_shows_the_last_values_and_both_answers() -> None:
    world = World(sync_of(contact(deletes=True)))
    world.add("crm", "c1", email="ann@x.com", name="Ann")
    for _ in range(2):
        world.round()
    del world.rows["crm"]["c1"]
    for _ in range(2):
        world.round()
    (conflict,) = waiting(world.ledger)
    text = conflict_text(world.ledger, world.mapping, conflict.cid, NOW)
    assert "           crm, deleted  warehouse\n    email  ann@x.com     ann@x.com  was ann@x.com\n" in text
    assert f"resolve {conflict.cid} --take crm\n        deletes it on warehouse too\n" in text
    assert f"resolve {conflict.cid} --take warehouse\n        creates it again on crm, as warehouse holds it" in text


def test_a_refusal_shows_the_write_and_the_words_of_the_target() -> None:
    world = lived()
    world.edit("crm", "c1", city="Paris")
    world.begin()
    world.read()
    planning.adopt(world.ledger, world.mapping, world.propose())
    (op,) = world.ledger.open_ops("warehouse")
    confirm.refuse(world.ledger, op, "city is not one of ours", world.moment())
    (conflict,) = waiting(world.ledger)
    text = conflict_text(world.ledger, world.mapping, conflict.cid, NOW)
    assert "    warehouse refused it: city is not one of ours.\n" in text
    assert "    The write: city Paris.\n" in text
    assert f"resolve {conflict.cid} --retry\n        tries the same write to warehouse once more" in text


def test_candidates_and_partners_are_named() -> None:
    world = World()
    world.add("crm", "c1", email="ann@x.com")
    world.add("warehouse", "w1", email="ann@x.com")
    world.add("warehouse", "w2", email="ANN@x.com")
    world.round()
    texts = [conflict_text(world.ledger, world.mapping, c.cid, NOW) for c in waiting(world.ledger)]
    assert any('A candidate: warehouse:w1 "ann@x.com".' in text for text in texts)
    assert all("or say which belong together: `antiphon links add`" in text for text in texts)
    shown = conflicts_dict(world.ledger, world.mapping)["conflicts"]
    assert ["warehouse", "contact", '["w1"]'] in shown[0]["evidence"]["candidates"]


def test_a_duplicate_names_the_link_that_is_there() -> None:
    world = lived()
    world.add("crm", "c7", email="ann@x.com")
    world.round()
    conflict = next(c for c in waiting(world.ledger) if c.kind is ConflictKind.DUPLICATE)
    text = conflict_text(world.ledger, world.mapping, conflict.cid, NOW)
    assert 'The other link: contact "Ann@x.com", crm:c1, warehouse:w1.' in text


MAPPING = sync_of(contact(deletes=True))


def variant(**changes: Any) -> SyncMapping:
    """The warehouse with other settings."""
    entity = MAPPING.entities["contact"]
    side: EntitySide = replace(entity.sides["warehouse"], **changes)
    return replace(MAPPING, entities={"contact": replace(entity, sides={**entity.sides, "warehouse": side})})


def conflict_of(kind: ConflictKind, field: str | None = None, **evidence: Any) -> Conflict:
    return Conflict("abc", "l1", "contact", field, kind, {}, {}, evidence, "", "r1", 1)


def offered(conflict: Conflict, mapping: SyncMapping = MAPPING) -> list[str]:
    return [answer.options or answer.meaning for answer in answers(conflict, mapping)]


def test_every_kind_of_conflict_has_an_answer() -> None:
    for kind in ConflictKind:
        evidence = {"offers": ["merge crm 1 into crm 2", "keep it as an alias"]} if kind is ConflictKind.MERGED else {}
        for field in (None, "city"):
            assert offered(conflict_of(kind, field, **evidence)), kind


def cases() -> Iterator[tuple[Conflict, SyncMapping, list[str]]]:
    update = frozenset({OpKind.UPDATE})
    yield conflict_of(ConflictKind.FIELD, "city"), MAPPING, ["--take crm", "--take warehouse", "--value VALUE"]
    yield conflict_of(ConflictKind.JOIN, "address"), MAPPING, ["--take crm", "--take warehouse"]
    yield (
        conflict_of(ConflictKind.REJECTED, side="crm"),
        MAPPING,
        ["--retry", "or change the record on either side: a change is tried by itself"],
    )
    yield conflict_of(ConflictKind.DELETE, deleted_on="crm"), MAPPING, ["--take crm", "--take warehouse"]
    yield (
        conflict_of(ConflictKind.DELETE_UPDATE, deleted_on="crm"),
        variant(allow=update),
        ["deleting it on warehouse too is not possible: the `allow:` of warehouse has no delete", "--take warehouse"],
    )
    yield (
        conflict_of(ConflictKind.DELETE, deleted_on="warehouse"),
        variant(allow=update),
        ["--take warehouse", "creating it again on warehouse is not possible: its `allow:` has no create"],
    )
    yield (
        conflict_of(ConflictKind.DELETE_UPDATE, deleted_on="crm", remnant=True),
        MAPPING,
        [
            "--take warehouse",
            "or delete what is left of it on crm: then it is a deletion like any other",
        ],
    )
    yield (
        conflict_of(ConflictKind.FORBIDDEN, "city"),
        variant(allow=frozenset({OpKind.CREATE})),
        ["allow the write (`allow:` of the side in sync.yml), or put the value back on the other side"],
    )
    yield (
        conflict_of(ConflictKind.KEY, "email"),
        variant(key=("email",)),
        ["put the key back on the side that changed it, or map another field"],
    )
    yield (
        conflict_of(ConflictKind.UNMAPPED, "stage"),
        MAPPING,
        ["name the value in `values:` of the field in sync.yml, or change it on the side"],
    )
    yield (
        model.replace(conflict_of(ConflictKind.FIELD, "city"), entity="deal"),
        MAPPING,
        ["sync.yml no longer names deal: name it again, or leave it be"],
    )


CASES = list(cases())


@pytest.mark.parametrize(("conflict", "mapping", "expected"), CASES, ids=range(len(CASES)))
def test_the_answers_fit_the_conflict(conflict: Conflict, mapping: SyncMapping, expected: list[str]) -> None:
    assert offered(conflict, mapping) == expected


def test_every_command_that_is_offered_is_taken() -> None:
    """The two tables, of what is offered and of what is accepted, are one."""
    for conflict, mapping, _ in CASES:
        for answer in answers(conflict, mapping):
            if not answer.options:
                continue
            ledger = Ledger(MemoryStore())
            ledger.create(ledger_id="L1", name="s", now=1)
            with ledger.transaction():
                ledger.put([conflict])
            option, _, given = answer.options.partition(" ")
            chosen: dict[str, Any] = {"take": None, "value": None, "retry": False}
            chosen[option.removeprefix("--")] = given or True
            assert resolve(ledger, mapping.sides, conflict.cid, **chosen)


def test_a_group_is_shown_with_all_its_fields_and_takes_no_single_value() -> None:
    entity = contact()
    fields = {**entity.fields}
    for name in ("city", "phone"):
        fields[name] = replace(fields[name], group="place", policy=Park())
    world = World(sync_of(replace(entity, fields=fields, initial=Owner("crm"))))
    world.add("crm", "c1", email="ann@x.com", city="Rome", phone="1")
    world.add("warehouse", "w1", email="ann@x.com", city="Rome", phone="1")
    world.round()
    world.edit("crm", "c1", city="Paris")
    world.edit("warehouse", "w1", phone="2")
    world.round()
    (conflict,) = waiting(world.ledger)
    assert "place: crm city Paris, phone 1 | warehouse city Rome, phone 2 (was city Rome, phone 1)".startswith(
        conflicts_text(world.ledger, world.mapping, NOW).splitlines()[1].partition('"  ')[2].rstrip("…")
    )
    assert offered(conflict, world.mapping) == ["--take crm", "--take warehouse"]
