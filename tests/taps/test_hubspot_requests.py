"""tap-hubspot asks hardly more often than is necessary: the least is reckoned from the limits of the API alone."""

from __future__ import annotations

import time
from itertools import count
from math import ceil

from antiphon_sandbox.hubspot import Account, HubSpot
from tests.taps.hubspot import catalog_of, read

PAGE, WITH_HISTORY, SEARCH = 100, 50, 200
BEFORE = 2  # which account it is, and what properties there are
BIN = 1  # the recycle bin, which is empty
COLUMNS = {"contacts": ["email", "city"]}


def test_the_requests_of_a_full_read_and_of_an_incremental_one_are_within_a_twentieth_of_the_least() -> None:
    moments = count(int(time.time() * 1000) - 60_000)  # each thing happens in a millisecond of its own
    with HubSpot(Account(clock=lambda: next(moments))) as hubspot:
        account = hubspot.account
        made = [account.enter("contacts", {"email": f"n{n}@example.com"}) for n in range(4500)]
        catalogs = {how: catalog_of(hubspot, COLUMNS, incremental=how) for how in (False, True)}

        hubspot.limits.tally.clear()
        assert len(set(read(hubspot, catalogs[False]).ids("contacts"))) == 4500
        least = ceil(4500 / PAGE) + BIN + BEFORE
        assert least <= hubspot.limits.tally.total() <= 1.05 * least

        state = read(hubspot, catalogs[True], history="never").state
        for record in made[:2500]:
            account.edit("contacts", record.id, city="Oslo")
        hubspot.limits.tally.clear()
        found = read(hubspot, catalogs[True], state, overlap_seconds=0)
        assert {record.id for record in made[:2500]} <= set(found.ids("contacts"))
        assert hubspot.limits.tally["search"] <= ceil(2500 / SEARCH) + 1  # the one that finds the end
        least = ceil(2500 / WITH_HISTORY) + ceil(2500 / SEARCH) + BIN + BEFORE
        assert least <= hubspot.limits.tally.total() <= 1.05 * least
