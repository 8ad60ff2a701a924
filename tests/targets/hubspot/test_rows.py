"""Records of any tap into HubSpot: insert, update, upsert, mirror, associations and lists."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon_sandbox.hubspot import Fault, HubSpot
from antiphon_sandbox.hubspot.lists import List
from antiphon_sandbox.hubspot.schema import Property
from target_kit.errors import SettingsError, TargetError
from tests.targets.hubspot.conftest import Desk


def cities(hubspot: HubSpot) -> dict[str | None, str | None]:
    return {each.values.get("email"): each.values.get("city") for each in hubspot.account.live("contacts")}


def by(match: str, mode: str = "upsert", **more: Any) -> dict[str, Any]:
    return {"streams": {"contacts": {"match": match, "mode": mode, **more}}}


def test_an_upsert_by_email_updates_and_makes(desk: Desk, hubspot: HubSpot) -> None:
    hubspot.account.enter("contacts", {"email": "ann@example.com", "city": "Rome"})
    desk.load(
        {"email": "ANN@example.com", "city": "Oslo"}, {"email": "bob@example.com", "city": "Graz"},
        key="email", **by("email"),
    )  # fmt: skip
    assert cities(hubspot) == {"ann@example.com": "Oslo", "bob@example.com": "Graz"}


def test_of_one_key_the_later_record_stands(desk: Desk, hubspot: HubSpot) -> None:
    desk.load({"email": "a@example.com", "city": "Rome"}, {"email": "A@example.com", "city": "Oslo"}, key="email",
              **by("email"))  # fmt: skip
    assert cities(hubspot) == {"a@example.com": "Oslo"}


def test_of_one_key_what_the_tap_said_last_stands_deleted_or_not(desk: Desk, hubspot: HubSpot) -> None:
    gone = {"_sdc_deleted_at": "2026-11-20T10:00:00Z"}
    ann, bob = ({"email": f"{name}@example.com", "city": "Rome"} for name in ("ann", "bob"))
    desk.load(ann, {**ann, **gone}, {**bob, **gone}, bob, key="email", **by("email", "mirror"))
    assert cities(hubspot) == {"bob@example.com": "Rome"}


def test_batches_of_ordinary_records_are_under_way_at_once(desk: Desk, hubspot: HubSpot) -> None:
    hubspot.latency = 0.3
    rows = [{"email": f"n{n}@example.com", "city": "Rome"} for n in range(400)]
    desk.load(*rows, key="email", **by("email"))
    first, *_, last = [at for at, _, url in hubspot.seen if url.endswith("/upsert")]
    assert last - first < 0.3
    assert len(hubspot.account.live("contacts")) == 400


def test_a_record_that_was_just_made_is_found_though_search_does_not_show_it_yet(desk: Desk, hubspot: HubSpot) -> None:
    hubspot.account.index.lag = 3_600_000
    rows = [{"phone": str(n), "city": city} for city in ("Rome", "Oslo") for n in range(3)]
    desk.load(*rows, key="phone", batch_size_rows=3, **by("phone"))
    assert [each.values["city"] for each in hubspot.account.live("contacts")] == ["Oslo"] * 3


def test_an_upsert_by_any_other_field_searches_and_never_guesses(desk: Desk, hubspot: HubSpot) -> None:
    enter = hubspot.account.enter
    enter("contacts", {"email": "ann@example.com", "phone": "1"})
    twins = [enter("contacts", {"email": f"t{n}@example.com", "phone": "2"}) for n in range(2)]
    desk.load({"phone": "1", "city": "Oslo"}, {"phone": "2", "city": "Oslo"}, {"phone": "3", "city": "Oslo"},
              key="phone", **by("phone"))  # fmt: skip
    assert cities(hubspot) == {
        "ann@example.com": "Oslo", "t0@example.com": None, "t1@example.com": None, None: "Oslo",
    }  # fmt: skip
    (refused,) = desk.lines("rejected")
    assert refused["error"]["class"] == "Ambiguous"
    assert all(twin.id in refused["error"]["message"] for twin in twins)


@pytest.mark.parametrize("match", ["email", "phone", "crm_number", "id"])
def test_an_update_makes_no_records(desk: Desk, hubspot: HubSpot, match: str) -> None:
    hubspot.account.define("contacts", Property("crm_number", unique=True))
    ann = hubspot.account.enter("contacts", {"email": "ann@example.com", "phone": "1", "crm_number": "7"})
    mine = ann.id if match == "id" else ann.values[match]
    desk.load({match: mine, "city": "Oslo"}, {match: "9@example.com", "city": "Graz"}, key=match, **by(match, "update"))
    assert cities(hubspot) == {"ann@example.com": "Oslo"}
    (refused,) = desk.lines("rejected")
    assert "9@example.com" in refused["error"]["message"]


def test_an_insert_makes_a_record_of_each_and_says_which_was_there(desk: Desk, hubspot: HubSpot) -> None:
    ann = hubspot.account.enter("contacts", {"email": "ann@example.com", "city": "Rome"})
    rows = [{"email": f"n{n}@example.com"} for n in range(120)]
    desk.load(*rows, {"email": "ann@example.com", "city": "Oslo"}, key="email", mode="insert")
    assert len(hubspot.account.live("contacts")) == 121
    assert ann.values["city"] == "Rome"
    (refused,) = desk.lines("rejected")
    assert f"Contact already exists. Existing ID: {ann.id}" in refused["error"]["message"]


@pytest.mark.parametrize("match", ["email", "phone", "id"])
def test_a_mirror_archives_what_its_tap_shows_as_deleted(desk: Desk, hubspot: HubSpot, match: str) -> None:
    ann = hubspot.account.enter("contacts", {"email": "ann@example.com", "phone": "1"})
    mine = ann.id if match == "id" else ann.values[match]
    gone = {match: mine, "_sdc_deleted_at": "2026-11-20T10:00:00Z"}
    desk.load(gone, key=match, **by(match))
    assert len(hubspot.account.live("contacts")) == 1  # an upsert deletes nothing
    desk.load(gone, key=match, **by(match, "mirror"))
    assert not hubspot.account.live("contacts")


def test_nulls_clear_or_are_skipped_field_by_field(desk: Desk, hubspot: HubSpot) -> None:
    ann = hubspot.account.enter("contacts", {"email": "ann@example.com", "city": "Rome", "phone": "1"})
    row = {"email": "ann@example.com", "city": None, "phone": None}
    desk.load(row, key="email", **by("email", nulls="skip"))
    assert (ann.values["city"], ann.values["phone"]) == ("Rome", "1")
    desk.load(row, key="email", **by("email", nulls="skip", clear_nulls=["phone"]))
    assert (ann.values["city"], ann.values["phone"]) == ("Rome", None)
    desk.load(row, key="email", **by("email"))
    assert ann.values["city"] is None


def test_columns_that_hubspot_does_not_have_are_left_out_and_named(
    desk: Desk, hubspot: HubSpot, caplog: pytest.LogCaptureFixture
) -> None:
    row = {"email": "a@example.com", "shoe_size": 42, "createdate": "2020-01-01"}
    desk.load(row, key="email", **by("email"))
    assert cities(hubspot) == {"a@example.com": None}
    assert "createdate, shoe_size" in caplog.text


def test_bad_rows_are_refused_with_the_reason_and_all_others_written(desk: Desk, hubspot: HubSpot) -> None:
    rows: list[dict[str, Any]] = [{"email": f"n{n}@example.com", "num_children": n} for n in range(150)]
    rows[33]["num_children"] = "many"
    rows[140]["email"] = "no address"
    desk.load(*rows, key="email", **by("email"))
    assert len(hubspot.account.live("contacts")) == 148
    assert [each["record"]["email"] for each in desk.lines("rejected")] == ["n33@example.com", "no address"]


def test_wrong_settings_are_one_clear_error(desk: Desk) -> None:
    with pytest.raises(SettingsError, match=r"`streams.contacts.match` is 'emial', which contacts does not have"):
        desk.load({"emial": "x"}, key="emial", **by("emial"))
    with pytest.raises(SettingsError, match=r"which is for associations and lists"):
        desk.load({"email": "x"}, key="email", **by("email", "remove"))


def test_an_outage_stops_the_run_and_what_was_written_stays(desk: Desk, hubspot: HubSpot) -> None:
    hubspot.faults.add(Fault("daily", path="batch/upsert", after=1))
    rows = [{"email": f"n{n}@example.com"} for n in range(150)]
    with pytest.raises(TargetError, match="You have reached your daily limit"):
        desk.load(*rows, key="email", workers=1, **by("email"))
    assert len(hubspot.account.live("contacts")) == 100


def test_associations_are_added_and_removed(desk: Desk, hubspot: HubSpot) -> None:
    account = hubspot.account
    ann, firms = account.enter("contacts", {}), [account.enter("companies", {}) for _ in range(2)]
    stream = "contacts_to_companies"
    rows = [{"from_id": ann.id, "to_id": firm.id, "type_id": 1} for firm in firms]
    desk.load(*rows, {"from_id": "404", "to_id": firms[0].id}, stream=stream)
    assert account.links.of(ann, firms[0].kind) == {firms[0].id: {279}, firms[1].id: {1, 279}}
    assert [each["record"]["from_id"] for each in desk.lines("rejected")] == ["404"]
    desk.load({"from_id": ann.id, "to_id": firms[0].id}, stream=stream, mode="remove")
    assert set(account.links.of(ann, firms[0].kind)) == {firms[1].id}


def test_static_lists_are_filled_and_emptied(desk: Desk, hubspot: HubSpot) -> None:
    ann = hubspot.account.enter("contacts", {})
    hubspot.portal.lists["1"] = List("1", "VIP", "0-1", dynamic=False, created=0)
    rows = [{"list_id": "1", "record_id": ann.id}, {"list_id": "1", "record_id": "404"}]
    desk.load(*rows, stream="list_memberships")
    assert set(hubspot.portal.lists["1"].members) == {ann.id}
    assert [each["record"]["record_id"] for each in desk.lines("rejected")] == ["404"]
    desk.load(rows[0], stream="list_memberships", mode="remove")
    assert not hubspot.portal.lists["1"].members
