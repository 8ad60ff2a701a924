"""What tap-tryton tells of a real server in which people work, over both of its APIs."""

from __future__ import annotations

import sqlite3
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tap_tryton.keys import from_ranges, to_ranges
from tests.tryton.server import DATABASE, Server
from tests.tryton.tap import Read, catalog, read

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("tryton")]

APIS = ("json-rpc", "rest")
PARTY, MECHANISM, ADDRESS, DEAL = "party-party", "party-contact_mechanism", "party-address", "sale-opportunity"


def since(told: Read, stream: str) -> datetime:
    return datetime.fromisoformat(told.state["bookmarks"][stream]["replication_key_value"])


def test_a_read_tells_records_with_their_children_and_then_only_what_changed(tryton: Server) -> None:
    config = tryton.settings(overlap_seconds=0)
    ann = tryton.make("party.party", name="Ann", addresses=[["create", [{"city": "Rome", "street": "Via 1\nInt. 2"}]]])
    mail = tryton.make("party.contact_mechanism", party=ann, type="email", value="Ann@Example.com")
    deal = tryton.make("sale.opportunity", party=ann, description="First")
    time.sleep(1.5)  # the server tells its time cut to a second, and what may be later is not taken for read
    tryton.make("party.party", name="Whoever came last")  # a read begins with the moment of the last one
    chosen = catalog(config)
    full = read(config, chosen)

    message = next(m for m in full.records[PARTY] if m["record"]["id"] == ann)
    assert message["record"]["name"] == "Ann"
    assert message["record"]["active"] is True
    assert message["sync"]["birth"] == message["record"]["create_date"]
    assert full.rows(MECHANISM)[mail]["value"] == "Ann@Example.com"
    assert full.rows(MECHANISM)[mail]["party"] == ann
    assert [row["street"] for row in full.rows(ADDRESS).values() if row["party"] == ann] == ["Via 1\nInt. 2"]
    assert full.rows(DEAL)[deal]["start_date"] == message["record"]["create_date"][:10]
    told = full.schemas[PARTY]
    assert told["sync"]["account"].startswith(f"tryton:{DATABASE}:")
    assert abs(datetime.fromisoformat(told["sync"]["clock"]) - datetime.now(UTC)) < timedelta(minutes=1)
    kinds = full.schemas[MECHANISM]["schema"]["properties"]["type"]["enum"]
    assert {"email", "phone", None} <= set(kinds)
    assert full.schemas[DEAL]["schema"]["properties"]["amount"]["format"] == "singer.decimal"
    assert full.schemas[DEAL]["schema"]["properties"]["state"]["readOnly"]

    tryton.edit("party.contact_mechanism", mail, value="ann@example.org")
    later = read(config, chosen, full.state)
    assert later.rows(MECHANISM)[mail]["value"] == "ann@example.org"
    assert ann not in later.rows(PARTY)  # the child's edit does not move the parent, and none of its columns shows it


def test_a_parent_whose_column_shows_a_child_is_read_again_when_the_child_changes(tryton: Server) -> None:
    config = tryton.settings(overlap_seconds=0, models=["party.party"])
    ben = tryton.make(
        "party.party", name="Ben", contact_mechanisms=[["create", [{"type": "email", "value": "b@x.eu"}]]]
    )
    (mail,) = [m["id"] for m in tryton.show("party.contact_mechanism", "party") if m["party"] == ben]
    chosen = catalog(config, only={PARTY: ["name", "email"]})
    full = read(config, chosen)
    assert full.rows(PARTY)[ben]["email"] == "b@x.eu"
    tryton.edit("party.contact_mechanism", mail, value="ben@x.eu")
    later = read(config, chosen, full.state)
    assert later.rows(PARTY)[ben]["email"] == "ben@x.eu"
    tryton.edit("party.contact_mechanism", mail, active=False)
    assert not read(config, chosen, later.state).rows(PARTY)[ben]["email"]


@pytest.mark.parametrize("api", APIS)
def test_what_is_archived_merged_or_deleted_is_told(tryton: Server, api: str) -> None:
    config = tryton.settings(api, overlap_seconds=0, models=["party.party", "sale.opportunity"])
    old, gone, loser, winner = (tryton.make("party.party", name=name) for name in ("Old", "Gone", "Twin", "Twin"))
    deal = tryton.make("sale.opportunity", party=loser, description="Twin's")
    chosen = catalog(config)
    full = read(config, chosen)

    tryton.edit("party.party", old, active=False)
    tryton.delete("party.party", gone)
    tryton.replace(loser, winner)
    later = read(config, chosen, full.state)
    fates = later.fates(PARTY)
    assert fates[old]["state"] == "gone"
    assert fates[gone]["state"] == "gone"
    assert (fates[loser]["state"], fates[loser]["merged_into"]) == ("merged", winner)
    assert later.rows(DEAL)[deal]["party"] == winner  # Tryton moved it without moving its time

    kept = read({**config, "archived": "kept"}, chosen)
    assert kept.rows(PARTY)[old]["active"] is False
    assert kept.fates(PARTY)[loser]["state"] == "merged"

    tryton.edit("party.party", old, active=True)
    last = read(config, chosen, later.state)
    assert last.rows(PARTY)[old]["active"] is True
    assert gone not in last.fates(PARTY)


def test_a_record_that_was_committed_late_is_found_within_the_overlap(tryton: Server) -> None:
    """A record bears the time at which its transaction began; here one was open for 100 seconds."""
    config = tryton.settings(overlap_seconds=300, models=["party.party"])
    chosen = catalog(config)
    full = read(config, chosen)
    late = tryton.make("party.party", name="Late")
    with sqlite3.connect(tryton.folder / f"{DATABASE}.sqlite") as database:
        began = (since(full, PARTY) - timedelta(seconds=100)).strftime("%Y-%m-%d %H:%M:%S.%f")
        database.execute("update party_party set create_date = ?, write_date = ? where id = ?", (began, began, late))
    assert late not in read({**config, "overlap_seconds": 50}, chosen, full.state).rows(PARTY)
    assert late in read(config, chosen, full.state).rows(PARTY)


def test_any_model_is_read_by_its_name(tryton: Server) -> None:
    config = tryton.settings(models=["currency.currency", "party.party-party.category"])
    chosen = catalog(config)
    assert [entry["stream"] for entry in chosen["streams"]] == ["currency-currency", "party-party-party-category"]
    chosen["streams"].pop()  # Tryton shows the rows of such a table to nobody
    found = read(config, chosen)
    assert "rounding" in found.schemas["currency-currency"]["schema"]["properties"]
    assert {row["code"] for row in found.rows("currency-currency").values()}


@pytest.mark.parametrize("ids", [[], [1], [1, 2, 3], [3, 1, 2, 9, 11, 12], list(range(5, 5000, 2))])
def test_ids_are_kept_as_ranges(ids: list[int]) -> None:
    assert from_ranges(to_ranges(ids)) == set(ids)
    assert to_ranges([1, 2, 3, 9]) == "1-3,9"


def test_a_stream_that_is_read_in_full_tells_deletions_too(tryton: Server) -> None:
    config: dict[str, Any] = tryton.settings(models=["party.party"])
    chosen = catalog(config, incremental=False)
    brief = tryton.make("party.party", name="Brief")
    full = read(config, chosen)
    tryton.delete("party.party", brief)
    assert read(config, chosen, full.state).fates(PARTY)[brief] == {"state": "gone"}
