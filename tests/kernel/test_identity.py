"""Ids are values: a function of what they name."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.identity import link_id, op_id, row_hash, short_id

names = st.lists(st.text(max_size=8), min_size=1, max_size=4)
instants = st.integers(min_value=0, max_value=(1 << 48) * 1000 - 1)


@given(names)
def test_a_link_id_is_a_uuid_of_version_8(parts: list[str]) -> None:
    found = UUID(link_id(*parts))

    assert (found.version, found.variant) == (8, "specified in RFC 4122")


@given(instants, names)
def test_an_operation_id_is_a_uuid_of_version_7_that_begins_with_the_milliseconds(now: int, parts: list[str]) -> None:
    found = UUID(op_id(now, *parts))

    assert (found.version, found.variant) == (7, "specified in RFC 4122")
    assert found.int >> 80 == now // 1000


@given(instants, instants)
def test_operation_ids_sort_by_time(one: int, two: int) -> None:
    earlier, later = sorted((one, two))

    if earlier // 1000 != later // 1000:
        assert op_id(earlier, "b") < op_id(later, "a")


def test_operations_of_one_millisecond_have_ids_of_their_own() -> None:
    assert op_id(1000, "one") != op_id(1000, "two")
    assert op_id(1000, "one") != op_id(1001, "one")


@pytest.mark.parametrize("make", [link_id, short_id])
def test_the_same_names_give_the_same_id_and_their_borders_count(make: type) -> None:
    assert make("ledger", "contact") == make("ledger", "contact")
    assert make("ab", "c") != make("a", "bc")


def test_ids_do_not_change_between_versions() -> None:
    assert link_id("ledger", "contact", "crm", "[1]") == "879ba2e2-52ad-854d-835c-e8c015c88c7f"


def test_people_can_type_a_short_id() -> None:
    assert len(short_id("contact")) == 12
    assert int(short_id("contact"), 16) >= 0


def test_a_row_hash_has_128_bits() -> None:
    assert len(row_hash(b"{}")) == 32
    assert row_hash(b"{}") != row_hash(b"[]")
