"""The same work by jobs of Bulk API 2.0: the same receipts, each told by its key, whatever breaks off."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from antiphon_sandbox.salesforce import Fault, Field, refuse
from antiphon_sandbox.salesforce.ingest import IngestJob
from tap_salesforce.api import NOTHING
from target_salesforce import bulk
from tests.targets.salesforce.desk import Desk, create, delete, update

JOBS = "/jobs/ingest"


def jobs(desk: Desk) -> list[IngestJob]:
    return [each for each in desk.salesforce.jobs.held.values() if isinstance(each, IngestJob)]


def work(desk: Desk) -> list[dict[str, Any]]:
    """Good and bad operations, whose records were there already."""
    values = {"MailingCity": "Rome", "Birthdate": "1990-01-02", "HasOptedOutOfEmail": True}
    there = {name: desk.org.enter("Contact", {"LastName": name, **values}) for name in ("Ames", "Bond", "Cole", "Dorn")}
    desk.org.trash(there["Cole"].id)
    return [
        create(LastName='New "one",\nwith lines', Email="n@example.com", HasOptedOutOfEmail=True),
        create(LastName="Bad", Email="badone"),
        create(FirstName="Nameless"),
        create(LastName="Fine", MailingCity=None),
        update(there["Ames"], {"MailingCity": "Rome"}, MailingCity="Oslo", Birthdate=None, HasOptedOutOfEmail=False),
        update(there["Bond"], {"MailingCity": "Bonn"}, MailingCity="Oslo"),
        update(there["Cole"], {}, MailingCity="Oslo"),
        update(there["Dorn"], {}, MailingCity="x" * 41),
        update(there["Dorn"], {}, FirstName=NOTHING),
        delete(there["Bond"], LastName="Bond"),
    ]


def test_receipts_are_the_same_by_jobs_as_by_collections(desk: Desk) -> None:
    told = {}
    for api in ("rest", "bulk"):
        ops = work(desk)
        receipts = desk.operate("Contact", *ops[:8], api=api) + desk.operate("Contact", *ops[8:], api=api)
        for each in receipts:
            for name in ("at", "version", "id"):
                each.pop(name, None)
        told[api] = receipts
        for record in list(desk.org.live("Contact")):
            desk.org.trash(record.id)
        desk.org.empty_bin()
    assert told["bulk"] == told["rest"]
    assert [each["status"] for each in told["bulk"]] == [
        "applied", "rejected", "rejected", "applied", "applied", "stale", "gone", "rejected", "applied", "applied",
    ]  # fmt: skip
    assert [each.operation for each in jobs(desk)] == ["insert", "update", "delete"]
    assert desk.salesforce.jobs.held
    assert told["bulk"][4]["stored"] == {"Birthdate": None, "HasOptedOutOfEmail": False, "MailingCity": "Oslo"}


def test_the_number_of_records_chooses_the_way(desk: Desk) -> None:
    desk.operate("Contact", *(create(LastName=f"A{n}") for n in range(9)), bulk_from=10)
    assert jobs(desk) == []
    ops = ({**create(LastName=f"B{n}"), "sync_key": f"b{n}"} for n in range(10))
    receipts = desk.operate("Contact", *ops, bulk_from=10)
    assert {each["status"] for each in receipts} == {"applied"}
    (job,) = jobs(desk)
    assert (job.operation, job.processed) == ("insert", 10)
    held = {each.values["antiphon_key__c"]: each.id for each in desk.org.live("Contact")}
    assert [each["id"]["Id"] for each in receipts] == [held[f"b{n}"] for n in range(10)]
    desk.operate("Contact", *({**create(LastName="C"), "sync_key": f"c{n}"} for n in range(10)), allow_duplicates=True)
    assert len(jobs(desk)) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault("cut", f"POST .*{JOBS}", applied=True),
        Fault("cut", f"PUT .*{JOBS}", applied=True),
        Fault("status", f"PUT .*{JOBS}"),
        Fault("cut", f"PATCH .*{JOBS}", applied=True),
        Fault("cut", f"PATCH .*{JOBS}"),
        Fault("cut", f"GET .*{JOBS}", times=2),
        Fault("half", "GET .*successfulResults"),
        Fault("status", f"GET .*{JOBS}", times=6),
    ],
)
def test_whatever_breaks_off_a_job_makes_each_record_once(desk: Desk, fault: Fault) -> None:
    desk.salesforce.faults.append(fault)
    receipts = desk.operate("Contact", *(create(LastName=f"P{n}") for n in range(5)), api="bulk")
    assert [each["status"] for each in receipts] == ["applied"] * 5
    assert [each["stored"] for each in receipts] == [{"LastName": f"P{n}"} for n in range(5)]
    held = {each.values["antiphon_key__c"]: each.id for each in desk.org.live("Contact")}
    assert held == {f"k{n}": each["id"]["Id"] for n, each in enumerate(receipts)}


@pytest.mark.parametrize("api", ["rest", "bulk"])
def test_many_creates_that_are_asked_for_again_are_known_by_what_refuses_them(desk: Desk, api: str) -> None:
    ops = [create(LastName=f"P{n}") for n in range(300)]
    first = desk.operate("Contact", *ops, api=api)
    assert desk.asked("GET", "/queryAll") == 1  # in the recycle bin
    ids = [each["id"]["Id"] for each in first]
    desk.org.trash(ids[0])
    desk.org.edit(ids[1], LastName="Edited")
    desk.org.duplicates["Contact"] = [lambda _: refuse("DUPLICATES_DETECTED", "Use one of these records?")]
    again = desk.operate("Contact", *ops, create(LastName="New"), api=api)
    assert [each["status"] for each in again[:3]] == ["gone", "stale", "applied"]
    assert {each["status"] for each in again[2:300]} == {"applied"}
    assert [each["id"]["Id"] for each in again[:300]] == ids
    assert again[300]["error"]["class"] == "DUPLICATES_DETECTED"
    assert len(desk.org.live("Contact")) == 299


def test_a_job_that_stops_midway_or_is_refused_leaves_rows_to_be_tried_again(desk: Desk) -> None:
    desk.salesforce.jobs.stops = [2]
    receipts = desk.operate("Contact", *(create(LastName=f"P{n}") for n in range(5)), api="bulk")
    assert [each["status"] for each in receipts] == ["applied", "applied", "failed", "failed", "failed"]
    error = receipts[-1]["error"]
    assert (error["class"], error["status"]) == ("JobFailed", 503)
    assert error["message"].endswith("is Failed: InternalServerError : the job was stopped")
    again = desk.operate("Contact", *(create(LastName=f"P{n}") for n in range(5)), api="bulk")
    assert [each["status"] for each in again] == ["applied"] * 5
    assert len(desk.org.live("Contact")) == 5


def test_an_object_of_which_salesforce_takes_no_jobs_goes_by_collections(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.org.objects["Contact"].bulk = False
    receipts = desk.operate("Contact", *(create(LastName=f"P{n}") for n in range(3)), api="bulk")
    assert [each["status"] for each in receipts] == ["applied"] * 3
    gone = {"Id": receipts[0]["id"]["Id"], "_sdc_deleted_at": "2026-01-01"}
    done = desk.send({"Contact": [{"record": gone}]}, streams={"Contact": {"hard_delete": True}}, mode="mirror")
    assert done.code == 1
    assert "Entity 'Contact' is not supported by the Bulk API." in caplog.text
    assert len(desk.org.live("Contact")) == 3


def test_what_another_transaction_holds_is_written_again_by_collections(desk: Desk) -> None:
    held, free = (desk.org.enter("Contact", {"LastName": name}) for name in ("Held", "Free"))
    desk.org.locked.add(held.id)
    desk.salesforce.faults.append(Fault("human", "PATCH .*/sobjects/", does=desk.org.locked.clear))
    receipts = desk.operate("Contact", update(held, {}, FirstName="H"), update(free, {}, FirstName="F"), api="bulk")
    assert [each["status"] for each in receipts] == ["applied", "applied"]


def test_rows_are_written_by_jobs_too_and_children_of_one_parent_stand_together(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    org, came = desk.org, list[str]()
    org.objects["Account"].add(Field("Number__c", external_id=True, unique=True))
    firms: list[dict[str, Any]] = [{"Number__c": f"A{n}", "Name": f"F{n}"} for n in range(3)]
    assert desk.load("Account", *firms, match="Number__c", api="bulk") == []
    org.rules["Contact"] = [
        lambda values: came.append(values["AccountId"]),
        lambda values: refuse("FIELD_CUSTOM_VALIDATION_EXCEPTION", "No: never") if values["LastName"] == "N3" else None,
    ]
    people = [{"LastName": f"N{n}", "Account": {"Number__c": f"a{n % 3}"}} for n in range(9)]
    monkeypatch.setattr(bulk, "LARGEST", 40)
    told = desk.load("Contact", *people, {"LastName": "N9", "Account": {"Number__c": "A9"}}, mode="insert", api="bulk")
    assert told == [
        "Salesforce says: No: never",
        "Salesforce says: Foreign key external ID: A9 not found for field Number__c in entity Account",
    ]
    assert came == sorted(came)
    sizes = [each.processed for each in jobs(desk) if each.object == "Contact"]
    assert (len(sizes) > 2, sum(sizes)) == (True, 10)
    gone = [{**each, "_sdc_deleted_at": "2026-01-01"} for each in firms]
    assert desk.load("Account", *gone, match="Number__c", mode="mirror", api="bulk") == []
    assert org.live("Account") == []


def test_a_job_says_what_is_empty_and_what_is_left_as_it_is(desk: Desk) -> None:
    ann, bob = (desk.org.enter("Contact", {"LastName": n, "Phone": "1", "MailingCity": "Rome"}) for n in "AB")
    desk.operate("Contact", update(ann, {}, Phone=None), update(bob, {}, MailingCity="Oslo"), api="bulk")
    (job,) = jobs(desk)
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, ["Id", "MailingCity", "Phone"])
    writer.writerows(sorted(job.rows, key=lambda row: row["Id"]))
    assert buffer.getvalue().splitlines() == [f"{ann.id},,{NOTHING}", f"{bob.id},Oslo,"]
    assert (ann.values["MailingCity"], bob.values["Phone"]) == ("Rome", "1")
