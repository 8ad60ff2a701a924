"""Records that name others: parents first, cycles cut, keys made of references, associations."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon.mapping import Assigned, CopyFrom, Derived, Entity, KeyRule, OnDelete, Uuid
from antiphon.model import ConflictKind, LinkState, OpKind, OpState, RecordState, Side
from antiphon.protocol import Status
from antiphon.represent import reference, referenced
from tests.kernel.facts import CRM, SIDES, WAREHOUSE, World, entity, field, opened, person, rid_of, side, wrote

COMPANY, CONTACT = "company", "contact"


def office(**options: Any) -> World:
    """Contacts that name a company. Companies may name their parent company."""
    companies = entity(field("name"), field("parent", references=COMPANY), name=COMPANY, **options)
    contacts = entity(field("name"), field("company", references=COMPANY), name=CONTACT, **options)
    return World(contacts, companies)


# ---- references


def test_a_reference_goes_over_as_the_other_sides_id() -> None:
    world = office()
    world.pair("c1", "w1", entity=COMPANY, name="Acme")
    world.pair("c2", "w2", entity=COMPANY, name="Initech")
    world.show(CRM, 1, name="Ann", company="c1", touched=False)
    world.show(WAREHOUSE, 2, name="Ann", company="w1", touched=False)
    world.link(1, 2)
    world.show(CRM, 1, company="c2")

    plan = world.round()

    assert wrote(plan) == [(WAREHOUSE, "update", {"company": "w2"})]
    assert plan.operations[0].expect == {"company": "w1"}


def test_records_that_name_the_same_company_agree() -> None:
    world = office()
    world.pair("c1", "w1", entity=COMPANY, name="Acme")
    world.show(CRM, 1, name="Ann", company="c1")
    world.show(WAREHOUSE, 2, name="Ann", company="w1")
    lid = world.link(1, 2, base=False)

    assert world.round().empty
    assert world.base(lid, "company") == {CRM: "c1", WAREHOUSE: "w1"}


def test_a_company_is_created_before_its_contact() -> None:
    world = office()
    world.show(CRM, 1, name="Ann", company="c1")
    world.show(CRM, "c1", entity=COMPANY, name="Acme")

    plan = world.round()

    company, contact = plan.operations
    assert (company.entity, contact.entity) == (COMPANY, CONTACT)
    assert contact.deps == (company.lid,)
    assert referenced(contact.patch["company"]) == company.lid


def test_a_company_with_an_id_of_ours_is_named_by_it_at_once() -> None:
    world = office(warehouse=side(key_rule=Uuid()))
    world.show(CRM, 1, name="Ann", company="c1")
    world.show(CRM, "c1", entity=COMPANY, name="Acme")

    company, contact = world.round().operations

    assert contact.patch["company"] == company.lid


def test_a_reference_to_a_record_that_is_not_linked_waits_and_the_rest_goes() -> None:
    world = office()
    world.show(CRM, 1, name="Ann", company="c9")

    plan = world.round()

    assert wrote(plan) == [(WAREHOUSE, "create", {"name": "Ann"})]
    assert list(plan.waits.values()) == ['company names company ["c9"] of crm, which is not linked yet']


def test_a_waiting_reference_follows_when_its_record_appears() -> None:
    world = office()
    world.show(CRM, 1, name="Ann", company="c9")
    (op,) = world.round().operations
    world.answer(world.send(op), id=2)
    world.show(WAREHOUSE, 2, company=None)
    world.show(CRM, "c9", entity=COMPANY, name="Acme")

    plan = world.round()

    company, contact = plan.operations
    assert (contact.kind, contact.patch) == (OpKind.UPDATE, {"company": reference(company.lid)})
    world.deliver(plan)
    assert world.settle_down() == 0


def test_a_reference_to_a_parked_record_waits_for_it() -> None:
    world = office()
    world.show(CRM, "c1", entity=COMPANY, name="Acme", touched=False)
    lid = world.link("c1", None, LinkState.PARKED, entity=COMPANY)
    world.conflict(lid, ConflictKind.AMBIGUOUS)
    world.show(CRM, 1, name="Ann", company="c1")

    plan = world.round()

    assert wrote(plan) == [(WAREHOUSE, "create", {"name": "Ann"})]
    assert list(plan.waits.values()) == ["company names a company that has no record on warehouse yet"]


def test_an_update_may_name_a_record_that_is_being_created() -> None:
    world = office()
    world.pair(1, 2, name="Ann", company=None)
    world.show(CRM, "c1", entity=COMPANY, name="Acme")
    world.show(CRM, 1, company="c1")

    company, contact = world.round().operations

    assert (contact.kind, contact.patch, contact.deps) == (
        OpKind.UPDATE,
        {"company": reference(company.lid)},
        (company.lid,),
    )


def test_what_names_a_record_whose_create_is_refused_goes_without_it_and_follows_when_it_is_there() -> None:
    world = office()
    world.pair(1, 2, name="Ann", company=None)
    world.show(CRM, "c1", entity=COMPANY, name="Acme")
    world.show(CRM, 1, name="Anna", company="c1")
    company, contact = world.round().operations
    world.answer(world.send(company), Status.REJECTED)

    (instead,) = world.round().operations

    assert (instead.patch, world.op(contact.op_id).state) == ({"name": "Anna"}, OpState.DROPPED)
    world.answer(world.send(instead))
    world.show(CRM, "c1", entity=COMPANY, name="Acme Inc.")
    assert world.settle_down() == 1
    ann = world.observation(WAREHOUSE, 2)
    assert ann is not None
    assert ann.fields["company"] == world.members(company.lid)[WAREHOUSE]


def test_an_update_that_names_a_record_that_cannot_be_created_waits() -> None:
    world = office(warehouse=side(allow=frozenset({OpKind.UPDATE})))
    world.pair(1, 2, name="Ann", company=None)
    world.show(CRM, "c1", entity=COMPANY, name="Acme")
    world.show(CRM, 1, name="Anna", company="c1")

    plan = world.round()

    assert wrote(plan) == [(WAREHOUSE, "update", {"name": "Anna"})]
    assert "company names a company that has no record on warehouse yet" in plan.waits.values()


def test_two_companies_that_name_each_other_are_created_and_then_joined() -> None:
    world = office(warehouse=side(key_rule=Uuid()))
    world.show(CRM, "c1", entity=COMPANY, name="Acme", parent="c2")
    world.show(CRM, "c2", entity=COMPANY, name="Initech", parent="c1")

    first = world.round()

    early, late = first.operations
    assert ("parent" in early.patch, late.patch["parent"], late.deps) == (False, early.lid, (early.lid,))
    world.deliver(first)
    world.show(WAREHOUSE, early.lid, entity=COMPANY, parent=None)
    assert wrote(world.round()) == [(WAREHOUSE, "update", {"parent": late.lid})]


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("rounds", [1, 3])
def test_records_in_a_circle_never_wait_for_each_other(size: int, rounds: int) -> None:
    world = office()
    for n in range(size):
        world.show(CRM, f"c{n}", entity=COMPANY, name=f"{n}", parent=f"c{(n + 1) % size}")

    for _ in range(rounds):
        world.round()
        world.touch()

    ready: set[str] = set()
    ops = world.open_ops()
    for _ in ops:
        ready |= {op.lid for op in ops if set(op.deps) <= ready}
    assert ready == {op.lid for op in ops}
    assert len(ops) == size


def test_a_record_that_names_itself_is_created_and_then_completed() -> None:
    world = office(warehouse=side(key_rule=Uuid()))
    world.show(CRM, "c1", entity=COMPANY, name="Acme", parent="c1")

    first = world.round()

    assert wrote(first) == [(WAREHOUSE, "create", {"name": "Acme"})]
    world.deliver(first)
    (link,) = world.links()
    world.show(WAREHOUSE, link.lid, entity=COMPANY, parent=None)
    assert wrote(world.round()) == [(WAREHOUSE, "update", {"parent": link.lid})]


def test_a_reference_to_a_merged_record_means_its_survivor() -> None:
    world = office()
    world.pair("c1", "w1", entity=COMPANY, name="Acme")
    world.show(CRM, "c0", RecordState.MERGED, entity=COMPANY, merged_into="c1", touched=False)
    world.show(CRM, 1, name="Ann", company="c0")
    world.show(WAREHOUSE, 2, name="Ann", company="w1")
    world.link(1, 2, base=False)

    assert world.round().operations == ()


def test_merges_in_a_circle_lead_nowhere() -> None:
    world = office()
    world.show(CRM, "c1", RecordState.MERGED, entity=COMPANY, merged_into="c2", touched=False)
    world.show(CRM, "c2", RecordState.MERGED, entity=COMPANY, merged_into="c1", touched=False)
    world.show(CRM, 1, name="Ann", company="c1")

    plan = world.round()

    assert wrote(plan) == [(WAREHOUSE, "create", {"name": "Ann"})]


def test_a_reference_to_an_alias_means_the_link_it_stands_for() -> None:
    world = office()
    survivor = world.pair("c1", "w1", entity=COMPANY, name="Acme")
    world.show(WAREHOUSE, "w0", entity=COMPANY, name="Acme", touched=False)
    world.link(None, "w0", LinkState.ALIAS, entity=COMPANY, alias_of=survivor)
    world.show(CRM, 1, name="Ann", company="c1")
    world.show(WAREHOUSE, 2, name="Ann", company="w0")
    world.link(1, 2, base=False)

    assert world.round().operations == ()


def test_an_emptied_reference_empties_the_other() -> None:
    world = office()
    world.pair("c1", "w1", entity=COMPANY, name="Acme")
    world.show(CRM, 1, name="Ann", company="c1", touched=False)
    world.show(WAREHOUSE, 2, name="Ann", company="w1", touched=False)
    world.link(1, 2)
    world.show(CRM, 1, company=None)

    assert wrote(world.round()) == [(WAREHOUSE, "update", {"company": None})]


# ---- the order of entities


def chain(**needs: str) -> list[Entity]:
    return [
        entity(field("name"), *[field(n, references=n) for n in need.split()], name=name)
        for name, need in needs.items()
    ]


@pytest.mark.parametrize(
    ("needs", "order"),
    [
        ({"a": "b", "b": "c", "c": ""}, ["c", "b", "a"]),
        ({"a": "", "b": "", "c": "a b"}, ["a", "b", "c"]),
        ({"a": "a"}, ["a"]),
        ({"a": "b", "b": "a", "c": "a"}, ["b", "a", "c"]),
        ({"a": "stranger"}, ["a"]),
    ],
    ids=repr,
)
def test_entities_come_after_those_that_they_name(needs: dict[str, str], order: list[str]) -> None:
    assert [e.name for e in World(*chain(**needs)).mapping.parents_first] == order


# ---- the keys of new records


def person_there(rule: KeyRule | None, **options: Any) -> World:
    world = World(person(warehouse=side(key_rule=rule, **options)))
    world.show(CRM, 1, email="ann@x", name="Ann")
    return world


@pytest.mark.parametrize(
    ("rule", "options", "reason"),
    [
        (None, {}, "no `on_create` says how warehouse names a new contact"),
        (
            Assigned(),
            {"receipts": False},
            "warehouse itself assigns the key of a new contact, and its target gives no receipts for it",
        ),
        (Uuid(), {"key": ("a", "b")}, "warehouse has a composite key, which cannot be one UUID"),
        (
            Uuid(),
            {"columns": {"id": {"type": "integer"}}},
            "a UUID does not fit the key column id of warehouse, which holds numbers",
        ),
        (CopyFrom(CRM), {"key": ("a", "b")}, "the key of warehouse has 2 columns, that of crm has 1"),
        (
            CopyFrom(WAREHOUSE),
            {},
            "`on_create` of warehouse copies the id of warehouse, which is the side without the record",
        ),
    ],
    ids=repr,
)
def test_a_record_without_a_fitting_key_is_not_created(
    rule: KeyRule | None, options: dict[str, Any], reason: str
) -> None:
    plan = person_there(rule, **options).round()

    assert plan.operations == ()
    assert opened(plan) == [(ConflictKind.KEY, None)]
    assert plan.conflicts[0].evidence["reason"] == reason


def test_a_composite_key_is_copied_part_by_part() -> None:
    world = World(
        person(crm=side(key=("land", "no")), warehouse=side(key=("country", "number"), key_rule=CopyFrom(CRM)))
    )
    world.show(CRM, ("it", 7), email="ann@x", name="Ann")

    (op,) = world.round().operations

    assert op.key == {"country": "it", "number": 7}
    assert world.members(op.lid) == {CRM: ("it", 7), WAREHOUSE: ("it", 7)}
    world.deliver(world.plan())
    assert rid_of(("it", 7)) == '["it",7]'


def by_code(match: tuple[tuple[str, ...], ...] = ()) -> World:
    there = side(key=("code",), key_rule=Derived())
    return World(entity(field("code"), field("name"), crm=there, warehouse=there, match=match))


def test_a_record_may_be_named_by_its_own_values() -> None:
    world = by_code()
    world.show(CRM, "x", code="x", name="Ann")

    (op,) = world.round().operations

    assert op.key == {"code": "x"}


def test_a_record_named_by_its_values_joins_the_one_that_has_the_name() -> None:
    world = by_code()
    world.show(WAREHOUSE, "x", code="x", name="Ann")
    world.show(CRM, "x", code="x", name="Ann")

    assert world.round().empty
    (link,) = world.links(LinkState.ACTIVE)
    assert link.match_rule == "key"


def test_with_rules_to_match_by_the_key_alone_joins_nobody() -> None:
    world = by_code(match=(("name",),))
    world.show(WAREHOUSE, "x", code="x", name="Bob")
    world.show(CRM, "x", code="x", name="Ann")

    plan = world.round()

    assert plan.operations == ()
    assert {kind for kind, _ in opened(plan)} == {ConflictKind.KEY}


def test_a_record_whose_key_would_be_empty_is_not_created() -> None:
    world = by_code()
    world.show(CRM, "x", code=None, name="Ann")

    plan = world.round()

    assert plan.conflicts[0].evidence["reason"] == "the key column code of warehouse would be empty"


# ---- associations


def membership() -> World:
    """Which contact works for which company: its key is its references."""
    keyed = side(key=("contact", "company"), key_rule=Derived(), on_delete=OnDelete.DELETE)
    works_for = entity(
        field("contact", references=CONTACT),
        field("company", references=COMPANY),
        name="works_for",
        crm=keyed,
        warehouse=keyed,
    )
    return World(works_for, entity(field("name"), name=CONTACT), entity(field("name"), name=COMPANY))


def test_an_association_is_one_whose_key_is_its_references() -> None:
    world = membership()

    assert world.mapping.entities["works_for"].is_association
    assert not world.mapping.entities[CONTACT].is_association
    assert not office().mapping.entities[CONTACT].is_association


def related(world: World, where: Side) -> None:
    ids = {CRM: (1, "c1"), WAREHOUSE: (2, "w1")}[where]
    world.show(where, ids, contact=ids[0], company=ids[1])


def test_an_association_is_created_between_the_other_sides_records() -> None:
    world = membership()
    world.pair(1, 2, entity=CONTACT, name="Ann")
    world.pair("c1", "w1", entity=COMPANY, name="Acme")
    related(world, CRM)

    (op,) = world.round().operations

    assert (op.kind, op.key) == (OpKind.CREATE, {"contact": 2, "company": "w1"})
    world.answer(world.send(op))
    assert world.settle_down() == 0


def test_an_association_that_both_sides_made_joins() -> None:
    world = membership()
    world.pair(1, 2, entity=CONTACT, name="Ann")
    world.pair("c1", "w1", entity=COMPANY, name="Acme")
    related(world, CRM)
    related(world, WAREHOUSE)

    assert world.round().empty
    assert [link.entity for link in world.links(LinkState.ACTIVE)].count("works_for") == 1


def test_an_association_is_created_after_the_records_that_it_joins() -> None:
    world = membership()
    world.show(CRM, 1, entity=CONTACT, name="Ann")
    world.show(CRM, "c1", entity=COMPANY, name="Acme")
    related(world, CRM)

    plan = world.round()

    assert [op.entity for op in plan.operations] == [COMPANY, CONTACT, "works_for"]
    joined = plan.operations[-1]
    assert {referenced(value) for value in joined.key.values()} == set(joined.deps)


def test_an_association_that_is_undone_is_deleted() -> None:
    world = membership()
    world.pair(1, 2, entity=CONTACT, name="Ann")
    world.pair("c1", "w1", entity=COMPANY, name="Acme")
    for where in SIDES:
        related(world, where)
    world.round()
    world.gone(CRM, (1, "c1"))

    (op,) = world.round().operations

    assert (op.kind, op.key) == (OpKind.DELETE, {"contact": 2, "company": "w1"})


def test_an_association_waits_for_a_record_that_is_not_linked() -> None:
    world = membership()
    world.pair(1, 2, entity=CONTACT, name="Ann")
    related(world, CRM)

    plan = world.round()

    assert plan.operations == ()
    assert opened(plan) == [(ConflictKind.KEY, None)]
