"""A foreign target dies on one row: that row waits for a person, everyone else arrives. An outage is no bad row."""

from __future__ import annotations

import pytest

from antiphon_sandbox import postgres
from tests.e2e.small import column, make_small, write_small
from tests.e2e.world import ACCOUNT, World

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e-people")]

NUMBER = 40
TRIGGER = """;
create function refuse() returns trigger language plpgsql as $$ begin
  if new.first_name = 'Mallory' then raise exception 'Mallory is not welcome'; end if; return new;
end $$;
create trigger refuse before insert or update on contacts for each row execute function refuse()
"""
REFUSALS = {
    "002": ("score = 5000", "score = 500", "contacts_score_check"),
    "003": ("phone = '{taken}'", "phone = 'free'", "already exists"),
    "004": ("city = null", "city = 'Bari'", "null value in column"),
    "005": ("first_name = 'Mallory'", "first_name = 'Molly'", "Mallory is not welcome"),
}
"""By record: what is bad of it, what would be good, and what the server says: a check, a unique index, a column that
must not be null, a trigger."""


def test_rows_that_are_refused_wait_with_the_servers_words_and_everyone_else_arrives(world: World) -> None:
    make_small(world, NUMBER, warehouse=", check (score < 1000), unique (phone)")
    world.sql("warehouse", TRIGGER.lstrip(";"))
    world.sql("crm", "alter table contacts alter column city drop not null")
    write_small(world, guards="guards: {max_change: 100%}\n")
    world.antiphon("sync")
    taken = column(world, "warehouse", "phone")["020"]
    world.sql("crm", "update contacts set score = 7 where id < 'crm-008'")
    world.sql("crm", "insert into contacts (id, email, city) values ('crm-900', 'new@example.com', 'Rome')")
    for number, (bad, _, _) in REFUSALS.items():
        world.sql("crm", f"update contacts set {bad.format(taken=taken)} where id = 'crm-{number}'")

    world.antiphon("sync")
    arrived = column(world, "warehouse", "score")
    assert sorted(n for n in arrived if n < "008" and arrived[n] != 7) == [*REFUSALS]
    assert world.number("warehouse", "select count(*) from contacts where email = 'new@example.com'") == 1
    conflicts = world.conflicts()
    assert [conflict["kind"] for conflict in conflicts] == ["rejected"] * len(REFUSALS)
    shown = "".join(world.antiphon("conflicts", "show", conflict["cid"]).out for conflict in conflicts)
    assert [words for _, _, words in REFUSALS.values() if words not in shown] == []

    before = world.versions("contacts")
    again = world.antiphon("sync")
    assert again.wrote() == {}
    assert world.versions("contacts") == before

    for number, (_, good, _) in REFUSALS.items():
        world.sql("crm", f"update contacts set {good} where id = 'crm-{number}'")
    world.antiphon("sync")
    assert world.conflicts() == []
    for _, good, _ in REFUSALS.values():
        query = f"select count(*) from contacts where {good}"
        assert world.sql("crm", query) == world.sql("warehouse", query)
    world.settle("contacts")


def test_a_stopped_server_is_an_outage_and_parks_nothing(world: World) -> None:
    make_small(world, NUMBER)
    write_small(world)
    world.antiphon("sync")
    world.sql("crm", "update contacts set city = 'Trieste' where id < 'crm-010'")
    cluster = world.servers["warehouse"]
    postgres.stop(cluster)
    try:
        failed = world.antiphon("sync", code=1)
    finally:
        assert postgres.start(cluster.data_dir) == cluster
    assert "Connection refused" in failed.err
    assert "Traceback" not in failed.err.splitlines()[-1]
    assert world.conflicts() == []
    world.antiphon("sync")
    assert sorted(column(world, "warehouse", "city").values()).count("Trieste") == 10
    world.settle("contacts")


def test_a_target_that_can_write_nothing_is_an_outage_and_parks_nothing(world: World) -> None:
    make_small(world, NUMBER)
    write_small(world)
    world.antiphon("sync")
    world.sql("crm", "update contacts set city = 'Trieste' where id < 'crm-010'")
    world.sql("warehouse", f"revoke update on contacts from {ACCOUNT}")
    failed = world.antiphon("sync", code=1)
    assert "permission denied" in failed.err
    assert world.conflicts() == []
    world.sql("warehouse", f"grant update on contacts to {ACCOUNT}")
    world.antiphon("sync")
    assert sorted(column(world, "warehouse", "city").values()).count("Trieste") == 10
    world.settle("contacts")
