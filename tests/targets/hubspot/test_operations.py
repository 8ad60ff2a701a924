"""The reconciler's operations against HubSpot: looked at, compared, written once, and answered with what is there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from antiphon_sandbox.hubspot import Fault, HubSpot
from target_hubspot.target import TargetHubSpot
from target_kit import Kind
from tests.targets.hubspot.conftest import KEY, Desk, create, delete, update


def posts(hubspot: HubSpot) -> dict[str, int]:
    """How many requests of each kind were made since the last look."""
    found: dict[str, int] = {}
    for _, _, url in hubspot.seen:
        what = url.rpartition("/")[2]
        found[what] = found.get(what, 0) + 1
    hubspot.seen.clear()
    return {what: n for what, n in found.items() if what in {"read", "create", "update", "upsert", "archive"}}


def test_a_create_is_answered_with_the_id_and_the_values_as_stored(desk: Desk) -> None:
    (receipt,) = desk.operate(create(1, email="Ann@Example.com", city="Rome", num_children=3))
    assert receipt["status"] == "applied"
    assert receipt["stored"] == {"email": "ann@example.com", "city": "Rome", "num_children": 3}
    held = desk.shown(receipt["id"]["id"]).values
    assert held[KEY] == "00000000-0000-4000-8000-000000000001"


@pytest.mark.parametrize("times", [1, 2], ids=["at once", "repeated"])
def test_what_hubspot_puts_into_a_new_record_by_itself_is_not_told_as_written(desk: Desk, times: int) -> None:
    op = create(1, email="ann@example.com", city=None, lifecyclestage=None)
    for _ in range(times):
        (receipt,) = desk.operate(op)
    assert desk.shown(receipt["id"]["id"]).values["lifecyclestage"] == "lead"
    assert receipt["status"] == "applied"
    assert receipt["stored"] == {"email": "ann@example.com", "city": None, "lifecyclestage": None}


def test_a_create_repeated_makes_no_second_record(desk: Desk, hubspot: HubSpot) -> None:
    first = desk.operate(create(1, email="ann@example.com"))
    second = desk.operate(create(1, email="ann@example.com"))
    assert first[0]["id"] == second[0]["id"]
    assert second[0]["status"] == "applied"
    assert len(hubspot.account.live("contacts")) == 1


def test_a_create_whose_record_was_edited_since_says_so_and_writes_nothing(desk: Desk, hubspot: HubSpot) -> None:
    (first,) = desk.operate(create(1, email="ann@example.com", city="Rome"))
    hubspot.account.edit("contacts", first["id"]["id"], city="Oslo")
    (second,) = desk.operate(create(1, email="ann@example.com", city="Rome"))
    assert second["status"] == "stale"
    assert second["id"] == first["id"]
    assert second["found"]["city"] == "Oslo"
    assert desk.shown(first["id"]["id"]).values["city"] == "Oslo"


def test_a_create_whose_record_was_deleted_since_is_gone_not_made_again(desk: Desk, hubspot: HubSpot) -> None:
    (first,) = desk.operate(create(1, email="ann@example.com"))
    hubspot.account.trash("contacts", first["id"]["id"])
    (second,) = desk.operate(create(1, email="ann@example.com"))
    assert second["status"] == "gone"
    assert second["id"] == first["id"]
    assert not hubspot.account.live("contacts")


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("kind", ["status", "timeout", "cut"])
def test_a_create_of_which_nobody_knows_whether_it_was_done_is_done_once(
    desk: Desk, hubspot: HubSpot, kind: Any, *, applied: bool
) -> None:
    hubspot.faults.add(Fault(kind, path="batch/upsert", applied=applied, seconds=0.1, times=2))
    receipts = desk.operate(*(create(n, email=f"n{n}@example.com") for n in range(150)))
    assert [each["status"] for each in receipts] == ["applied"] * 150
    assert len(hubspot.account.live("contacts")) == 150
    assert len(hubspot.faults.met) == 2


def test_without_the_unique_property_a_create_waits_and_says_what_to_do(desk: Desk) -> None:
    (receipt,) = desk.operate(create(1, name="Acme"), stream="companies")
    assert receipt["status"] == "failed"
    assert "antiphon doctor --fix" in receipt["error"]["message"]


def test_an_update_writes_only_what_differs(desk: Desk, hubspot: HubSpot) -> None:
    ann = hubspot.account.enter("contacts", {"email": "ann@example.com", "city": "Rome", "phone": "1"})
    (receipt,) = desk.operate(update(ann.id, {"city": "Rome", "phone": "1"}, city="Oslo", phone="1"))
    assert receipt["status"] == "applied"
    assert receipt["stored"] == {"city": "Oslo", "phone": "1"}
    assert len(ann.history["phone"]) == 1
    assert [v.value for v in ann.history["city"]] == ["Rome", "Oslo"]
    assert receipt["version"] > "2020"


def test_an_update_of_what_is_there_already_writes_nothing(desk: Desk, hubspot: HubSpot) -> None:
    ann = hubspot.account.enter("contacts", {"email": "ann@example.com", "city": "Oslo"})
    (receipt,) = desk.operate(update(ann.id, {"city": "Rome"}, city="Oslo", email="ANN@example.com"))
    assert (receipt["status"], receipt["stored"]["city"]) == ("applied", "Oslo")
    assert posts(hubspot) == {"read": 1}


def test_an_update_of_what_somebody_changed_is_stale_with_what_was_found(desk: Desk, hubspot: HubSpot) -> None:
    ann = hubspot.account.enter("contacts", {"email": "ann@example.com", "city": "Paris"})
    (receipt,) = desk.operate(update(ann.id, {"city": "Rome"}, city="Oslo"))
    assert receipt["status"] == "stale"
    assert receipt["found"] == {"city": "Paris"}
    assert ann.values["city"] == "Paris"


def test_expectations_are_compared_as_hubspot_keeps_values(desk: Desk, hubspot: HubSpot) -> None:
    ann = hubspot.account.enter(
        "contacts",
        {"num_children": "3", "hs_email_optout": "true", "date_of_birth": "951782400000",
         "notes_next_activity_date": "2022-02-14T22:36:16.420+01:00", "hs_buying_role": "CHAMPION;END_USER"},
    )  # fmt: skip
    expect = {
        "num_children": 3.0, "hs_email_optout": True, "date_of_birth": "2000-02-29T00:00:00Z",
        "notes_next_activity_date": "2022-02-14T21:36:16.42+00:00", "hs_buying_role": "END_USER;CHAMPION",
        "phone": "", "city": None,
    }  # fmt: skip
    (receipt,) = desk.operate(update(ann.id, expect, city="Oslo"))
    assert receipt["status"] == "applied", receipt


def test_an_edit_between_our_look_and_our_write_is_told(desk: Desk, hubspot: HubSpot) -> None:
    ann = hubspot.account.enter("contacts", {"email": "ann@example.com", "city": "Rome", "phone": "1"})
    hubspot.faults.add(
        Fault("human", path="batch/update", does=lambda: hubspot.account.edit("contacts", ann.id, city="Paris"))
    )
    (receipt,) = desk.operate(update(ann.id, {"city": "Rome"}, city="Oslo", phone="2"))
    assert receipt["status"] == "applied"
    assert receipt["stored"] == {"city": "Oslo", "phone": "2"}
    assert receipt["found"] == {"city": "Paris"}


@pytest.mark.parametrize("since", ["the first time", "long after"])
@pytest.mark.parametrize("put_back", [False, True])
def test_what_a_write_had_replaced_is_told_when_it_is_sent_again_since_nobody_heard_of_it(
    desk: Desk, hubspot: HubSpot, since: str, *, put_back: bool
) -> None:
    ann = hubspot.account.enter("contacts", {"email": "ann@example.com", "city": "Rome"})
    op = update(ann.id, {"city": "Rome"}, city="Oslo")
    hubspot.faults.add(
        Fault("human", path="batch/update", does=lambda: hubspot.account.edit("contacts", ann.id, city="Paris"))
    )
    desk.operate(op)  # its receipt is lost
    if put_back:
        hubspot.account.edit("contacts", ann.id, city="Rome")
    written = next(v.at for v in ann.history["city"] if v.value == "Oslo") / 1000
    sent = written - 5 if since == "the first time" else written + 3600

    (receipt,) = desk.operate({**op, "sent_before": datetime.fromtimestamp(sent, UTC).isoformat()})

    assert (receipt["status"], receipt["stored"]) == ("applied", {"city": "Oslo"})
    assert receipt.get("found", {}) == ({"city": "Paris"} if since == "the first time" else {})


def test_a_record_that_is_archived_or_merged_away_is_gone(desk: Desk, hubspot: HubSpot) -> None:
    ann, bob, cleo = (hubspot.account.enter("contacts", {"email": f"n{n}@example.com"}) for n in range(3))
    hubspot.account.trash("contacts", ann.id)
    survivor = hubspot.account.merge(bob, cleo)
    receipts = desk.operate(*(update(key, {}, city="Oslo") for key in (ann.id, bob.id, "404", survivor.id)))
    assert [each["status"] for each in receipts] == ["gone", "gone", "gone", "applied"]


def test_a_delete_archives_what_is_as_expected(desk: Desk, hubspot: HubSpot) -> None:
    ann, bob = (hubspot.account.enter("contacts", {"city": "Rome"}) for _ in range(2))
    hubspot.account.edit("contacts", bob.id, city="Oslo")
    receipts = desk.operate(delete(ann.id, city="Rome"), delete(bob.id, city="Rome"), delete("404"))
    assert [each["status"] for each in receipts] == ["applied", "stale", "gone"]
    assert [each.id for each in hubspot.account.live("contacts")] == [bob.id]


@pytest.mark.parametrize("multi_status", [True, False])
def test_bad_rows_stand_alone_with_hubspots_words_and_no_other_row_fails(
    desk: Desk, hubspot: HubSpot, *, multi_status: bool
) -> None:
    hubspot.portal.multi_status = multi_status
    hubspot.account.enter("contacts", {"email": "taken@example.com"})
    made = [hubspot.account.enter("contacts", {"email": f"n{n}@example.com"}) for n in range(150)]
    ops = [update(each.id, {}, city="Oslo") for each in made]
    ops[7] = update(made[7].id, {}, email="taken@example.com")
    ops[120] = update(made[120].id, {}, email="no address")
    receipts = desk.operate(*ops)
    bad = {n: each for n, each in enumerate(receipts) if each["status"] != "applied"}
    assert set(bad) == {7, 120}
    assert bad[7]["status"] == bad[120]["status"] == "rejected"
    assert "Contact already exists. Existing ID: " in bad[7]["error"]["message"]
    assert "email: Email address no address is invalid (INVALID_EMAIL)" in bad[120]["error"]["message"]
    assert multi_status or "correlation id" in bad[7]["error"]["message"]
    assert sum(each.values.get("city") == "Oslo" for each in hubspot.account.live("contacts")) == 148


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"hs_lead_status": "NEWER"}, "none of its options: NEW, OPEN, IN_PROGRESS, UNQUALIFIED"),
        ({"num_children": "many"}, "'many' is no number"),
        ({"date_of_birth": "2000-02-29T12:00:00Z"}, "a date as YYYY-MM-DD, or a midnight in UTC"),
        ({"notes_next_activity_date": "soon"}, "a time as ISO 8601"),
        ({"hs_email_optout": "perhaps"}, "neither true nor false"),
        ({"shoe_size": 42}, "contacts has no such property"),
        ({"createdate": "2020-01-01"}, "HubSpot alone sets this property"),
    ],
)
def test_a_value_that_hubspot_would_refuse_is_not_sent(
    desk: Desk, hubspot: HubSpot, values: dict[str, Any], words: str
) -> None:
    ann = hubspot.account.enter("contacts", {})
    (receipt,) = desk.operate(update(ann.id, {}, **values))
    assert receipt["status"] == "rejected"
    assert words in receipt["error"]["message"]
    assert posts(hubspot) == {}


def test_null_and_empty_clear(desk: Desk, hubspot: HubSpot) -> None:
    ann = hubspot.account.enter("contacts", {"city": "Rome", "phone": "1"})
    (receipt,) = desk.operate(update(ann.id, {"city": "Rome"}, city=None, phone=""))
    assert receipt["stored"] == {"city": None, "phone": None}
    assert ann.values["city"] is None


def test_receipts_stand_in_the_order_of_the_operations(desk: Desk, hubspot: HubSpot) -> None:
    made = [hubspot.account.enter("contacts", {"city": "Rome"}) for _ in range(230)]
    ops = [update(each.id, {"city": "Rome"}, city="Oslo") for each in made] + [create(n) for n in range(30)]
    receipts = desk.operate(*ops)
    assert [each["op_id"] for each in receipts] == [op["op_id"] for op in ops]
    assert {each["status"] for each in receipts} == {"applied"}


def test_requests_are_as_few_as_they_can_be(desk: Desk, hubspot: HubSpot) -> None:
    made = [hubspot.account.enter("contacts", {"city": "Rome"}) for _ in range(300)]
    posts(hubspot)
    desk.operate(*(update(each.id, {"city": "Rome"}, city="Oslo") for each in made))
    assert posts(hubspot) == {"read": 3 + 6, "update": 3}  # compare by 100; histories by 50
    desk.operate(*(create(n, city="Rome") for n in range(300)))
    assert posts(hubspot) == {"read": 3 + 3, "upsert": 3}  # there already, in the recycle bin


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault("status", status=429, times=2, retry_after=0), "applied"),
        (Fault("status", status=503, times=3), "applied"),
        (Fault("status", status=503, times=3, applied=True), "applied"),
        (Fault("status", status=423, times=1, retry_after=0), "applied"),
        (Fault("timeout", seconds=0.1, times=2, applied=True), "applied"),
        (Fault("cut", times=2, applied=True), "applied"),
        (Fault("daily", times=1), "failed"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.kind}-{value.status}-{value.applied}",
)
def test_what_goes_wrong_is_overcome_or_left_for_later(desk: Desk, hubspot: HubSpot, fault: Fault, status: str) -> None:
    ann = hubspot.account.enter("contacts", {"city": "Rome"})
    fault.path = "batch/update"
    hubspot.faults.add(fault)
    (receipt,) = desk.operate(update(ann.id, {"city": "Rome"}, city="Oslo"))
    assert receipt["status"] == status, receipt
    if status == "failed":
        assert receipt["error"]["status"] == 429


def test_of_a_batch_answered_in_part_the_rest_is_left_for_later_and_found_done(desk: Desk, hubspot: HubSpot) -> None:
    made = [hubspot.account.enter("contacts", {"city": "Rome"}) for _ in range(10)]
    ops = [update(each.id, {"city": "Rome"}, city="Oslo") for each in made]
    hubspot.faults.add(Fault("partial", path="batch/update"))
    receipts = desk.operate(*ops)
    assert sorted(each["status"] for each in receipts) == ["applied"] * 5 + ["failed"] * 5
    assert {each["status"] for each in desk.operate(*ops)} == {"applied"}
    assert all(len(each.history["city"]) == 2 for each in made)  # nothing was written twice


def test_associations_are_made_and_parted(desk: Desk, hubspot: HubSpot) -> None:
    account = hubspot.account
    ann, firm = account.enter("contacts", {}), account.enter("companies", {})

    def op(kind: str, to: str, number: int) -> dict[str, Any]:
        key = {"from_id": ann.id, "to_id": to}
        return {"op_id": f"a{number}", "op": kind, "key": key, "sync_key": f"l{number}", "expect": {}}

    stream = "contacts_to_companies"
    receipts = desk.operate(op("create", firm.id, 1), op("create", "404", 2), stream=stream)
    assert [each["status"] for each in receipts] == ["applied", "rejected"]
    assert receipts[0]["id"] == {"from_id": ann.id, "to_id": firm.id}
    assert "No company with ID 404 exists" in receipts[1]["error"]["message"]
    assert account.links.of(ann, firm.kind) == {firm.id: {279}}
    (receipt,) = desk.operate(op("delete", firm.id, 3), stream=stream)
    assert receipt["status"] == "applied"
    assert account.links.of(ann, firm.kind) == {}


def test_what_it_takes_is_said_before_anything_is_written(
    desk: Desk, hubspot: HubSpot, caplog: pytest.LogCaptureFixture
) -> None:
    hubspot.limits.burst = 190
    hubspot.limits.daily = hubspot.limits.used + 10
    made = [hubspot.account.enter("contacts", {"city": "Rome"}) for _ in range(250)]
    with caplog.at_level("INFO"):
        receipts = desk.operate(*(update(each.id, {"city": "Rome"}, city="Oslo") for each in made), workers=1)
    said = [record.getMessage() for record in caplog.records if "calls" in record.getMessage()]
    assert said[0] == "contacts: 250 operations need about 12 calls, 0.0 minutes at HubSpot's pace"
    assert "about 12 calls are needed, and HubSpot leaves 9 of 10 for today" in said[1].replace(
        str(hubspot.limits.daily), "10"
    )
    statuses = [each["status"] for each in receipts]
    assert set(statuses) == {"applied", "failed"}
    written = {each.id for each in made if each.values["city"] == "Oslo"}
    told = {each["id"]["id"] for each in receipts if each["status"] == "applied"}
    assert told <= written  # what was written just before the day ended is asked for again, and found there
    assert all(
        "You have reached your daily limit" in e["error"]["message"] for e in receipts if e["status"] == "failed"
    )


def test_a_plan_is_told_its_calls_and_minutes_and_whether_the_day_has_so_many_left(hubspot: HubSpot) -> None:
    hubspot.limits.burst, hubspot.limits.daily = 190, 1000
    planned = {"contacts": {Kind.UPDATE: 50_000, Kind.CREATE: 1}, "contacts_to_companies": {Kind.CREATE: 4001}}
    target = TargetHubSpot(config={"access_token": hubspot.token, "api_base": hubspot.url})
    told = {check.name: check for check in target.estimate(planned).checks}
    calls = 500 * 4 + 3
    minutes = (calls - 190) / 190 * 10 / 60
    assert told["contacts"].message == (
        f"50,001 operations need about {calls:,} calls, {minutes:.1f} minutes at its pace"
    )
    assert told["contacts_to_companies"].message.startswith("4,001 operations need about 3 calls")
    assert not told["daily calls"].ok
    assert told["daily calls"].message.startswith(f"about {calls + 3:,} calls are needed, 999 of 1,000 are left")
    assert told["daily calls"].hint == "what does not go out today is tried again in a later run"
