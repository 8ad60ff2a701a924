"""Guards refuse with the numbers and the way out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.mapping import Guards, Limit, OnDelete
from antiphon.plan import Tripped
from antiphon.plan.guards import check_read
from tests.kernel.facts import CRM, WAREHOUSE, World, entity, field, side


@pytest.mark.parametrize(
    ("limit", "number", "known", "allowed"),
    [
        (Limit(), 10**6, 0, True),
        (Limit(count=50), 50, 0, True),
        (Limit(count=50), 51, 10**6, False),
        (Limit(percent=5), 5, 100, True),
        (Limit(percent=5), 6, 100, False),
        (Limit(percent=5, count=50), 50, 100, True),
        (Limit(percent=5, count=50), 51, 100, False),
        (Limit(percent=5, count=50), 100, 2000, True),
        (Limit(percent=5, count=50), 101, 2000, False),
        (Limit(percent=5), 10, 9, True),  # below ten known records a percentage says nothing
        (Limit(percent=5), 11, 9, False),
        (Limit(percent=5), 1, 10, False),
        (Limit(percent=0), 1, 10, False),
        (Limit(count=0), 0, 10, True),
        (Limit(count=0), 1, 10, False),
    ],
    ids=repr,
)
def test_a_limit_takes_the_larger_of_its_two_numbers(limit: Limit, number: int, known: int, *, allowed: bool) -> None:
    assert limit.allows(number, known) is allowed


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        (Limit(5, 50), "5% or 50"),
        (Limit(percent=2.5), "2.5%"),
        (Limit(count=1000), "1000"),
        (Limit(), "no limit"),
        (Limit(percent=0), "0%"),
    ],
    ids=repr,
)
def test_a_limit_reads_as_it_was_written(limit: Limit, text: str) -> None:
    assert str(limit) == text


def office(guards: Guards, people: int = 12) -> World:
    there = side(on_delete=OnDelete.DELETE)
    world = World(entity(field("name"), crm=there, warehouse=there), guards=guards)
    for n in range(people):
        world.pair(n, n + 100, name=f"person {n}")
    return world


def test_too_many_deletions_stop_the_run() -> None:
    world = office(Guards(max_delete=Limit(count=1), max_change=Limit()))
    for n in range(3):
        world.gone(CRM, n)

    plan = world.plan()

    assert plan.tripped == (
        Tripped(
            "max_delete",
            "3 contact would be deleted on warehouse, of 12 linked; max_delete is 1",
            "read the plan (`antiphon plan --out FILE`), then `antiphon apply FILE`, "
            "or raise `guards.max_delete` in sync.yml",
        ),
    )


def test_as_many_as_are_allowed_stop_nothing() -> None:
    world = office(Guards(max_delete=Limit(count=3), max_create=Limit(count=1)))
    for n in range(3):
        world.gone(CRM, n)
    world.show(WAREHOUSE, 200, name="new")

    assert world.plan().tripped == ()


def test_too_many_creates_stop_the_run() -> None:
    world = office(Guards(max_create=Limit(count=1)))
    world.show(CRM, 50, name="new")
    world.show(CRM, 51, name="newer")

    (guard,) = world.plan().tripped

    assert (guard.name, guard.counting) == ("max_create", True)
    assert guard.message == "2 contact would be created on warehouse, of 12 linked; max_create is 1"


def test_a_side_that_changed_as_a_whole_stops_the_run() -> None:
    world = office(Guards())
    for n in range(7):
        world.show(CRM, n, name="now in another time zone")

    (guard,) = world.plan().tripped

    assert guard.name == "max_change"
    assert guard.message == "crm changed 7 of 12 contact at once; max_change is 50%"
    assert guard.hint.startswith("a mass update, another time zone or account?")


def test_updates_have_no_limit_but_that_of_changes() -> None:
    world = office(Guards(max_delete=Limit(count=0), max_create=Limit(count=0)))
    world.show(CRM, 1, name="changed")

    assert world.plan().tripped == ()


@pytest.mark.parametrize(
    ("known", "reappeared", "seen", "accept_empty", "name"),
    [
        (12, 0, 0, False, "empty-side"),
        (1, 0, 0, False, "empty-side"),
        (12, 0, 0, True, None),
        (0, 0, 0, False, None),
        (12, 5, 20, False, "wrong-account"),
        (12, 6, 20, False, None),
        (9, 0, 20, False, None),
        (12, 12, 12, False, None),
    ],
)
def test_a_read_that_shows_another_world_is_not_believed(
    known: int, reappeared: int, seen: int, name: str | None, *, accept_empty: bool
) -> None:
    found = check_read(CRM, "contact", known=known, reappeared=reappeared, seen=seen, accept_empty=accept_empty)

    assert (found.name if found else None) == name
    if found is not None:
        assert not found.counting
        assert str(known) in found.message
        assert "--accept-empty crm" in found.hint


@settings(deadline=None, derandomize=True, database=None)
@given(
    number=st.integers(0, 30),
    percent=st.one_of(st.none(), st.floats(0, 300)),
    count=st.one_of(st.none(), st.integers(0, 30)),
)
def test_what_is_always_allowed_is_allowed_however_many_are_known(
    number: int, percent: float | None, count: int | None
) -> None:
    limit = Limit(percent=percent, count=count)
    assert limit.always_allows(number) == all(limit.allows(number, known) for known in range(60))
