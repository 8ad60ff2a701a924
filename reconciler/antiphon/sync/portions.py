"""The plan of a round in portions: what is in memory while it is made does not grow with what changed.

A plan holds all that it looked at: some 25 KB for each link. A round that follows a burst of a million changes would
not fit, and long before that it is slow, because Python's garbage collector looks at all of it again and again.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping

from antiphon.facts import ObsKey
from antiphon.ledger import Ledger
from antiphon.ledger.facts import find_touched
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import Side
from antiphon.plan import Plan
from antiphon.plan.guards import Linked
from antiphon.settle import Moment
from antiphon.sync.planning import propose

PORTION = 2000
"""Records that are planned at once."""


def plans(
    ledger: Ledger,
    mapping: SyncMapping,
    at: Moment,
    *,
    held: Mapping[Side, str],
    linked: Linked,
    portion: int = PORTION,
) -> Iterator[Plan]:
    """The plans that together follow from the ledger now. Each is to be stored before the next one is asked for.

    Parents come before the records that refer to them. A record that the plan of a later portion asks to be looked at
    once more is.
    """
    rank = {entity.name: place for place, entity in enumerate(mapping.parents_first)}
    waiting = [key for key in find_touched(ledger.store, mapping.sides) if key[1] in rank]
    waiting.sort(key=lambda key: rank[key[1]])
    looked: set[ObsKey] = set()
    again: set[ObsKey] = set()
    while waiting:
        some, waiting = waiting[:portion], waiting[portion:]
        looked.update(some)
        plan = propose(ledger, mapping, at, held=held, linked=linked, touched=some)
        yield plan
        asked = [key for key in plan.touch if key in looked and key not in again and key not in plan.waits]
        again.update(asked)
        waiting += asked
        if waiting:  # a planning refers to itself in circles, which Python would keep until it is full of them
            del plan
            gc.collect()
