"""Finding what changed by a search that trails, shows 10,000 results at most, and knows milliseconds only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from antiphon_sandbox.hubspot import Account, Record
from antiphon_sandbox.hubspot.values import iso
from tap_hubspot.changes import changed_ids

START = 1_790_000_000_000


class World:
    """An account whose clock the test turns, searched without HTTP in between; `between` is called before each page."""

    def __init__(self) -> None:
        self.now = START
        self.account = Account(clock=lambda: self.now)
        self.searches = 0
        self.between: Any = lambda: None

    def enter(self, number: int) -> list[Record]:
        return [self.account.enter("contacts", {}) for _ in range(number)]

    def search(self, body: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], str | None]:
        self.searches += 1
        self.between()
        kind = self.account.kind("contacts")
        _, ids, after = self.account.index.search(kind, body, self.now)
        held = [self.account.records["contacts", key] for key in ids]
        return [{"id": r.id, "updatedAt": iso(r.updated)} for r in held if r.archived is None], after

    def changed(self, since: int) -> list[str]:
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        start, end = (epoch + timedelta(milliseconds=ms) for ms in (since, self.now))
        return list(changed_ids(self.search, "lastmodifieddate", start, end))


def test_more_than_ten_thousand_changes_of_one_moment_all_arrive_with_hardly_a_search_too_many() -> None:
    world = World()
    world.enter(1)
    world.now += 1000
    made = world.enter(10_450)  # an import: all of them at one millisecond
    world.now += 1000
    made += world.enter(10)
    found = world.changed(START + 1)
    assert sorted(found) == sorted(record.id for record in made)
    assert world.searches <= -(-len(made) // 200) + 3  # the two ends, and the page that shows that it is one moment


def test_more_than_ten_thousand_changes_of_many_moments_all_arrive() -> None:
    world = World()
    made = []
    for _ in range(300):
        world.now += 1
        made += world.enter(40)
    found = world.changed(START)
    assert set(found) == {record.id for record in made}
    assert world.searches <= len(made) // 200 * 200 // 160 + 2  # a page's last moment is asked for again


def test_a_record_that_changes_while_its_page_is_read_hides_no_other() -> None:
    world = World()
    made = []
    for _ in range(600):
        world.now += 1
        made += world.enter(1)

    def somebody_works() -> None:
        world.now += 1
        world.account.edit("contacts", made[(world.searches - 1) * 3].id, city=str(world.searches))

    world.between = somebody_works
    assert set(world.changed(START)) >= {record.id for record in made[20:]}


def test_nothing_changed_is_one_search() -> None:
    world = World()
    world.enter(3)
    assert world.changed(START + 1000) == []
    assert world.searches <= 1


def test_records_that_only_the_index_still_knows_stop_nothing() -> None:
    world = World()
    made = world.enter(900)  # all of one moment
    world.account.index.lag = 10**9
    for record in made[:450]:
        world.account.trash("contacts", record.id)
    assert set(world.changed(START)) >= {record.id for record in made[450:]}
