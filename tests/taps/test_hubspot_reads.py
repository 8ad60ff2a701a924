"""tap-hubspot shows every record once, as it is, and what became of those that are no more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from antiphon_sandbox.hubspot import Account, Fault, HubSpot, Limits, Record
from antiphon_sandbox.hubspot.schema import ObjectType, Property, own_properties
from antiphon_sandbox.hubspot.values import iso
from tap_hubspot.api import MissingScopes, Unavailable
from tap_hubspot.tap import TapHubSpot
from tests.taps.hubspot import catalog_of, read, settings

SOME = {"contacts": ["email", "city", "num_children", "hs_email_optout", "date_of_birth", "hs_buying_role"]}


@pytest.fixture
def hubspot() -> Iterator[HubSpot]:
    with HubSpot() as server:
        yield server


def enter(hubspot: HubSpot, number: int) -> list[Record]:
    return [hubspot.account.enter("contacts", {"email": f"n{n}@example.com"}) for n in range(number)]


def test_a_full_read_shows_every_record_of_every_page(hubspot: HubSpot) -> None:
    made = enter(hubspot, 250)
    found = read(hubspot, catalog_of(hubspot, SOME))
    assert sorted(found.ids("contacts")) == sorted(record.id for record in made)


def test_values_come_in_the_types_of_their_properties(hubspot: HubSpot) -> None:
    hubspot.account.enter(
        "contacts",
        {
            "email": "Ann@Example.com", "num_children": "3", "hs_email_optout": "true",
            "date_of_birth": "951782400000", "hs_buying_role": "CHAMPION;END_USER",
        },
    )  # fmt: skip
    found = read(hubspot, catalog_of(hubspot, SOME))
    (row,) = found.rows("contacts")
    assert row["email"] == "ann@example.com"
    assert row["num_children"] == 3
    assert row["hs_email_optout"] is True
    assert row["date_of_birth"] == "2000-02-29"
    assert row["hs_buying_role"] == "CHAMPION;END_USER"
    assert row["city"] is None


def test_columns_say_what_they_are(hubspot: HubSpot) -> None:
    hubspot.account.define("contacts", Property("antiphon_key", unique=True))
    columns = {
        entry["stream"]: entry["schema"]["properties"] for entry in catalog_of(hubspot, {"contacts": None})["streams"]
    }["contacts"]
    assert columns["createdate"]["readOnly"]
    assert columns["createdate"]["format"] == "date-time"
    assert columns["date_of_birth"]["format"] == "date"
    assert columns["num_children"]["type"] == ["number", "null"]
    assert columns["hs_email_optout"]["type"] == ["boolean", "null"]
    assert columns["hs_lead_status"]["enum"] == ["NEW", "OPEN", "IN_PROGRESS", "UNQUALIFIED", None]
    assert columns["hs_buying_role"]["x-options"][0] == "DECISION_MAKER"
    assert columns["antiphon_key"]["x-unique"]
    assert columns["email"]["title"] == "Email"


def test_discovery_asks_only_for_the_objects_that_the_settings_name(hubspot: HubSpot) -> None:
    tap = TapHubSpot(config=settings(hubspot, objects=["deals"], associations=[]))
    assert [entry["stream"] for entry in tap.catalog_dict["streams"]][:1] == ["deals"]
    assert "contacts" not in str(tap.catalog_dict)
    assert [path for _, _, path in hubspot.seen] == ["/crm/v3/properties/deals"]


def test_only_selected_properties_are_asked_for(hubspot: HubSpot) -> None:
    enter(hubspot, 1)
    found = read(hubspot, catalog_of(hubspot, {"contacts": ["email"]}))
    assert set(found.rows("contacts")[0]) == {"id", "updatedAt", "_sdc_deleted_at", "email"}
    asked = {name for _, _, url in hubspot.seen_with_query for name in url.get("properties", [])}
    assert asked == {"email,hs_merged_object_ids"}


def test_the_schema_tells_the_account_and_its_clock(hubspot: HubSpot) -> None:
    sync = read(hubspot, catalog_of(hubspot, SOME)).schemas["contacts"]["sync"]
    assert sync["account"] == "hubspot:62515"
    clock = datetime.fromisoformat(sync["clock"])
    assert abs((datetime.now(UTC) - clock).total_seconds()) < 3


def test_archived_records_are_gone_and_merged_ones_say_into_which(hubspot: HubSpot) -> None:
    ann, other, third, gone = enter(hubspot, 4)
    hubspot.account.trash("contacts", gone.id)
    survivor = hubspot.account.merge(hubspot.account.merge(ann, other), third)
    found = read(hubspot, catalog_of(hubspot, SOME))
    assert found.ids("contacts") == [survivor.id]
    fates = found.fates("contacts")
    assert fates.pop(gone.id)["state"] == "gone"
    assert {key: sync["merged_into"] for key, sync in fates.items() if key in {ann.id, other.id, third.id}} == {
        ann.id: survivor.id, other.id: survivor.id, third.id: survivor.id,
    }  # fmt: skip
    deleted = {m["record"]["id"] for m in found.records["contacts"] if m["record"].get("_sdc_deleted_at")}
    assert deleted >= {ann.id, other.id, third.id, gone.id}


def test_histories_tell_when_each_value_was_set_and_by_whom(hubspot: HubSpot) -> None:
    (ann,) = enter(hubspot, 1)
    time.sleep(0.005)
    hubspot.account.edit("contacts", ann.id, city="Oslo")
    found = read(hubspot, catalog_of(hubspot, SOME), history="always")
    (message,) = found.records["contacts"]
    times = message["sync"]["field_times"]
    assert times["city"] == iso(hubspot.account.records[ann.key].history["city"][-1].at)
    assert times["city"] > times["email"]
    assert message["sync"]["origin"] == "foreign"
    assert message["sync"]["field_sources"]["city"] == {"type": "CRM_UI", "id": "userId:9001"}
    hubspot.account.update(ann, {"city": "Rome"}, hubspot.account.api)
    (message,) = read(hubspot, catalog_of(hubspot, SOME), history="always").records["contacts"]
    assert message["sync"]["origin"] == "sync"
    (message,) = read(hubspot, catalog_of(hubspot, SOME)).records["contacts"]
    assert "field_times" not in message["sync"]  # a full read is not slowed down


def test_changes_come_with_their_times_unless_they_are_not_wanted(hubspot: HubSpot) -> None:
    enter(hubspot, 3)
    first = since(hubspot, {})
    for history, expected in (("changes", True), ("never", False)):
        found = since(hubspot, first.state, history=history).records["contacts"]
        assert found
        assert all(("field_times" in message["sync"]) is expected for message in found)


def test_more_columns_than_a_url_holds_are_read_in_batches(hubspot: HubSpot) -> None:
    for n in range(300):
        hubspot.account.define("contacts", Property(f"custom_property_of_some_length_{n}"))
    made = enter(hubspot, 150)
    hubspot.account.edit("contacts", made[0].id, custom_property_of_some_length_7="x")
    found = read(hubspot, catalog_of(hubspot, {"contacts": None}))
    rows = {row["id"]: row for row in found.rows("contacts")}
    assert set(rows) == {record.id for record in made}
    assert rows[made[0].id]["custom_property_of_some_length_7"] == "x"


def test_associations_owners_stages_lists_and_their_members_are_streams(hubspot: HubSpot) -> None:
    account = hubspot.account
    ann, bob = enter(hubspot, 2)
    firm = account.enter("companies", {"name": "Acme"})
    account.links.add(ann, firm, [1])
    streams = ["contacts_to_companies", "owners", "users", "pipeline_stages", "lists", "list_memberships"]
    catalog = catalog_of(hubspot, dict.fromkeys(streams))
    found = read(hubspot, catalog)
    pairs = [m["record"] for m in found.records["contacts_to_companies"]]
    assert [(pair["from_id"], pair["to_id"], pair["label"]) for pair in pairs] == [
        (ann.id, firm.id, "Primary"), (ann.id, firm.id, None),
    ]  # fmt: skip
    assert len(found.records["owners"]) == 2
    assert found.records["pipeline_stages"][0]["record"]["stage_id"] == "appointmentscheduled"
    assert bob.id not in str(found.records)


def test_objects_of_the_accounts_own_and_labels_of_its_users_are_read(hubspot: HubSpot) -> None:
    boat = ObjectType(
        "boat", "2-1000000", "Boat", properties=own_properties("hs_lastmodifieddate"), scope="crm.objects.custom",
        custom=True, labels={"singular": "Boat", "plural": "Boats"},
    )  # fmt: skip
    account = hubspot.account
    account.kinds["boat"] = boat
    for prop in (Property("name"), Property("length", "number", "number")):
        account.define("boat", prop)
    full = f"p{account.portal}_boat"
    ariel, sunk = (account.enter("boat", {"name": name, "length": "7.5"}) for name in ("Ariel", "Vasa"))
    (ann,), firm = enter(hubspot, 1), account.enter("companies", {})
    account.trash("boat", sunk.id)
    advisor, *_ = account.links.define(ann.kind, firm.kind, "Advisor", "Advised by")
    account.links.add(ann, firm, [advisor.type_id])
    found = read(hubspot, catalog_of(hubspot, {full: ["name", "length"], "contacts_to_companies": None}))
    assert [(row["name"], row["length"]) for row in found.rows(full)] == [("Ariel", 7.5)]
    assert found.ids(full) == [ariel.id]
    assert found.fates(full)[sunk.id]["state"] == "gone"
    labels = {m["record"]["label"]: m["record"]["category"] for m in found.records["contacts_to_companies"]}
    assert labels == {"Advisor": "USER_DEFINED", None: "HUBSPOT_DEFINED"}


def test_stages_are_read_of_the_pipelines_that_the_token_may_see_by_name(hubspot: HubSpot) -> None:
    token = hubspot.tokens.grant(("crm.objects.deals.read", "crm.schemas.deals.read"))
    catalog = catalog_of(hubspot, {"pipeline_stages": None})
    with pytest.raises(MissingScopes, match="needed is tickets") as refused:
        read(hubspot, catalog, access_token=token)
    assert "or name in `pipelines` the objects without this one" in refused.value.hint
    found = read(hubspot, catalog, access_token=token, pipelines=["deals"])
    assert {m["record"]["object_type"] for m in found.records["pipeline_stages"]} == {"deals"}


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", status=500, times=2),
        Fault("status", status=503, times=2),
        Fault("status", status=429, times=2, retry_after=0),
        Fault("status", status=423, retry_after=0),
        Fault("status", status=477, retry_after=0),
        Fault("cut", times=2, applied=True),
        Fault("timeout", seconds=0.1),
        Fault("slow", seconds=0.1),
        Fault("duplicate", path="GET /crm/v3/objects/contacts", times=2),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status}",
)
def test_what_goes_wrong_in_between_is_overcome(hubspot: HubSpot, fault: Fault) -> None:
    made = enter(hubspot, 250)
    catalog = catalog_of(hubspot, SOME)
    fault.after = 3
    hubspot.faults.add(fault)
    found = read(hubspot, catalog)
    assert set(found.ids("contacts")) == {record.id for record in made}
    assert hubspot.faults.met


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_a_page_that_was_cut_short_ends_no_list(hubspot: HubSpot, after: int) -> None:
    account = hubspot.account
    made, firm = enter(hubspot, 250), hubspot.account.enter("companies", {"name": "Acme"})
    for record in made:
        account.links.add(record, firm, [])
    account.trash("contacts", account.enter("contacts", {}).id)
    catalog = catalog_of(hubspot, {**SOME, "contacts_to_companies": None})
    hubspot.faults.add(
        Fault("truncate", path="GET /crm/v3/objects/contacts", after=after),
        Fault("truncate", path="associations/.*/batch/read"),
    )
    found = read(hubspot, catalog)
    assert set(found.ids("contacts")) == {record.id for record in made}
    assert len(found.records["contacts"]) == 251  # each once, and the one of the recycle bin
    assert {m["record"]["from_id"] for m in found.records["contacts_to_companies"]} == {record.id for record in made}
    assert len(hubspot.faults.met) == 2


def test_a_search_or_a_batch_that_was_cut_short_loses_no_change(hubspot: HubSpot) -> None:
    made = enter(hubspot, 250)
    first = since(hubspot, {})
    for path in ("/search", "batch/read"):
        hubspot.faults.add(Fault("truncate", path=path))
        assert set(since(hubspot, first.state).ids("contacts")) == {record.id for record in made}
    assert len(hubspot.faults.met) == 2


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", status=423, retry_after=0, times=2),
        Fault("status", status=504, times=2),
        Fault("cut", applied=True, times=2),
        Fault("cut", times=2),
    ],
    ids=["locked", "gateway", "answer lost", "request lost"],
)
def test_an_oauth_token_that_expires_between_two_pages_is_replaced(hubspot: HubSpot, fault: Fault) -> None:
    made = enter(hubspot, 250)
    catalog = catalog_of(hubspot, SOME)
    fault.path = "POST /oauth"
    hubspot.faults.add(Fault("expire", path="GET /crm/v3/objects/contacts", after=1), fault)
    found = read(
        hubspot,
        catalog,
        access_token=None,
        client_id=hubspot.tokens.client_id,
        client_secret=hubspot.tokens.client_secret,
        refresh_token=hubspot.tokens.grant_refresh(),
    )
    assert set(found.ids("contacts")) == {record.id for record in made}
    assert hubspot.tokens.granted == (4 if fault.applied else 2)
    assert len(hubspot.faults.met) == 3


def test_the_limits_of_an_account_are_kept_without_a_single_refusal() -> None:
    with HubSpot(limits=Limits(burst=20, search=5)) as hubspot:
        enter(hubspot, 60)
        hubspot.limits.burst = 10**9
        catalog = catalog_of(hubspot, SOME, incremental=True)
        hubspot.limits.burst = 20
        hubspot.limits.tally.clear()
        read(hubspot, catalog, {"bookmarks": {"contacts": {"replication_key": "updatedAt",
             "replication_key_value": "2020-01-01T00:00:00Z"}}})  # fmt: skip
        assert hubspot.limits.tally["429"] == 0


def test_dated_versions_are_read_alike(hubspot: HubSpot) -> None:
    made = enter(hubspot, 3)
    found = read(hubspot, catalog_of(hubspot, SOME), api_version="2026-09")
    assert set(found.ids("contacts")) == {record.id for record in made}
    assert any("/crm/objects/2026-09/contacts" in url for _, _, url in hubspot.seen)


# ---- what changed


class Clocked:
    """An account whose clock the test turns."""

    def __init__(self, lag: int = 0) -> None:
        self.now = 1_790_000_000_000
        self.account = Account(lag=lag, clock=lambda: self.now)


STREAM = {"contacts": ["email", "city"]}


def since(hubspot: HubSpot, state: dict[str, Any], **config: Any) -> Any:
    return read(hubspot, catalog_of(hubspot, STREAM, incremental=True), state, **config)


def test_an_incremental_read_shows_what_changed_since_the_last(hubspot: HubSpot) -> None:
    made = enter(hubspot, 5)
    time.sleep(0.01)
    hubspot.account.edit("contacts", made[1].id, city="Rome")
    first = since(hubspot, {})
    assert len(first.ids("contacts")) == 5
    time.sleep(0.01)
    hubspot.account.edit("contacts", made[2].id, city="Oslo")
    hubspot.account.trash("contacts", made[4].id)
    second = since(hubspot, first.state, overlap_seconds=0)
    assert made[2].id in second.ids("contacts")
    assert made[0].id not in second.ids("contacts")
    assert second.fates("contacts")[made[4].id]["state"] == "gone"
    assert (
        second.state["bookmarks"]["contacts"]["replication_key_value"]
        > (first.state["bookmarks"]["contacts"]["replication_key_value"])
    )


def test_a_merge_since_the_last_read_is_told(hubspot: HubSpot) -> None:
    ann, other, _ = enter(hubspot, 3)
    first = since(hubspot, {})
    time.sleep(0.01)
    survivor = hubspot.account.merge(ann, other)
    second = since(hubspot, first.state, overlap_seconds=0)
    assert second.ids("contacts")[-1] == survivor.id
    assert {key: sync["merged_into"] for key, sync in second.fates("contacts").items()} == {
        ann.id: survivor.id, other.id: survivor.id,
    }  # fmt: skip


def test_the_overlap_catches_what_the_index_showed_late() -> None:
    clocked = Clocked()
    with HubSpot(clocked.account) as hubspot:
        ann, bob = enter(hubspot, 2)
        clocked.now += 1000
        hubspot.account.edit("contacts", bob.id, city="Paris")
        first = since(hubspot, {})
        clocked.account.index.lag = 30_000
        clocked.now += 1000
        hubspot.account.edit("contacts", ann.id, city="Oslo")  # will be found in 30 seconds
        clocked.account.index.lag = 0
        clocked.now += 1000
        hubspot.account.edit("contacts", bob.id, city="Rome")  # is found at once, and moves the bookmark past Ann
        second = since(hubspot, first.state, overlap_seconds=0)
        assert second.ids("contacts") == [bob.id]
        clocked.now += 30_000
        third = since(hubspot, second.state)
        assert next(row["city"] for row in third.rows("contacts") if row["id"] == ann.id) == "Oslo"


def test_a_batch_of_which_a_part_is_in_doubt_is_read_again_and_never_believed(hubspot: HubSpot) -> None:
    made = enter(hubspot, 60)
    first = since(hubspot, {})
    hubspot.faults.add(Fault("partial", path="batch/read"))
    assert set(since(hubspot, first.state).ids("contacts")) == {record.id for record in made}
    hubspot.faults.add(Fault("partial", path="batch/read", times=99))
    with pytest.raises(Unavailable, match="HubSpot showed a part of the records"):
        since(hubspot, first.state)


def test_what_the_index_knows_and_the_store_has_no_more_stops_nothing() -> None:
    clocked = Clocked()
    with HubSpot(clocked.account) as hubspot:
        made = enter(hubspot, 450)
        first = since(hubspot, {})
        clocked.now += 1000
        for record in made:
            hubspot.account.edit("contacts", record.id, city="Oslo")
            clocked.now += 1
        clocked.account.index.lag = 60_000
        for record in made[100:300]:
            hubspot.account.trash("contacts", record.id)
        second = since(hubspot, first.state, overlap_seconds=0)
        assert set(second.ids("contacts")) >= {record.id for record in [*made[:100], *made[300:]]}
