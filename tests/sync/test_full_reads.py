"""When an incremental side owes a full read."""

from __future__ import annotations

import pytest

from antiphon.model import Cursor
from antiphon.sync.run import owed


@pytest.mark.parametrize(
    ("cursor", "due"),
    [
        (Cursor("crm", "contact"), False),  # never read: without a bookmark it is read in full anyway
        (Cursor("crm", "contact", schema={"id": {}, "city": {}, "name": {}}), False),
        (Cursor("crm", "contact", schema={"id": {}, "city": {}}), False),
        (Cursor("crm", "contact", schema={"id": {}}), True),
        (Cursor("crm", "contact", schema={"id": {}, "city": {}}, pending_full=True), True),
    ],
    ids=["never read", "more than asked", "all that is asked", "a column is new", "the last one was broken off"],
)
def test_a_full_read_is_owed_for_a_new_column_and_for_one_that_was_broken_off(cursor: Cursor, *, due: bool) -> None:
    assert owed(cursor, ("id", "city")) is due
