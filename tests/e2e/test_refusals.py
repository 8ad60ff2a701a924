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
    "check": (", check (score < 1000)", "score = 5000", "score = 500", "contacts_score_check"),
    "unique": (", unique (phone)", "phone = '{taken}'", "phone = 'free'", "already exists"),
    "not null": ("", "city = null", "city = 'Bari'", "null value in column"),
    "trigger": ("", "first_name = 'Mallory'", "first_name = 'Molly'", "Mallory is not welcome"),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_the_row_that_is_refused_waits_with_the_servers_words_and_everyone_else_arrives(
    world: World, kind: str
) -> None:
    constraint, bad, good, words = REFUSALS[kind]
    make_small(world, NUMBER, warehouse=constraint)
    if kind == "trigger":
        world.sql("warehouse", TRIGGER.lstrip(";"))
    if kind == "not null":
        world.sql("crm", "alter table contacts alter column city drop not null")
    write_small(world, guards="guards: {max_change: 100%}\n")
    world.antiphon("sync")
    taken = column(world, "warehouse", "phone")["020"]
    world.sql("crm", "update contacts set score = 7 where id < 'crm-008'")
    world.sql("crm", "insert into contacts (id, email, city) values ('crm-900', 'new@example.com', 'Rome')")
    world.sql("crm", f"update contacts set {bad.format(taken=taken)} where id = 'crm-003'")

    world.antiphon("sync")
    arrived = column(world, "warehouse", "score")
    assert sorted(n for n in arrived if n < "008" and arrived[n] != 7) == ["003"]
    assert world.number("warehouse", "select count(*) from contacts where email = 'new@example.com'") == 1
    (conflict,) = world.conflicts()
    assert conflict["kind"] == "rejected"
    assert words in world.antiphon("conflicts", "show", conflict["cid"]).out

    before = world.versions("contacts")
    again = world.antiphon("sync")
    assert again.wrote() == {}
    assert world.versions("contacts") == before

    world.sql("crm", f"update contacts set {good} where id = 'crm-003'")
    world.antiphon("sync")
    assert world.conflicts() == []
    assert world.sql("crm", f"select count(*) from contacts where {good}") == world.sql(
        "warehouse", f"select count(*) from contacts where {good}"
    )
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
