"""Bulk API 2.0 ingest, composite requests, references by external ids, judged by simple-salesforce, unmodified."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from simple_salesforce.exceptions import SalesforceMalformedRequest, SalesforceOperationError

from antiphon_sandbox.salesforce import Field, Salesforce, ingest

NUMBER = Field("Number__c", external_id=True, unique=True)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def asked(salesforce: Salesforce, method: str, path: str, body: Any = None, kind: str = "text/csv") -> Any:
    headers = {"Authorization": f"Bearer {salesforce.token}", "Content-Type": kind}
    url = f"{salesforce.url}/services/data/v66.0/jobs/ingest{path}"
    if isinstance(body, Mapping):
        return requests.request(
            method, url, json=body, headers={**headers, "Content-Type": "application/json"}, timeout=5
        )
    return requests.request(method, url, data=body, headers=headers, timeout=5)


def test_records_are_made_changed_and_deleted_by_jobs(salesforce: Salesforce, simple: Any) -> None:
    org = salesforce.org
    org.objects["Account"].add(NUMBER)
    people = [{"LastName": f"N{n}", "Birthdate": "1990-01-02", "Email": "" if n else "badone"} for n in range(5)]
    (done,) = simple.bulk2.Contact.insert(records=people, wait=0.01)
    assert (done["numberRecordsProcessed"], done["numberRecordsFailed"]) == (5, 1)
    made = rows(simple.bulk2.Contact.get_successful_records(done["job_id"]))
    assert [each["LastName"] for each in made] == ["N4", "N3", "N2", "N1"]  # nobody promises an order
    assert {each["sf__Created"] for each in made} == {"true"}
    (refused,) = rows(simple.bulk2.Contact.get_failed_records(done["job_id"]))
    assert (refused["sf__Id"], refused["LastName"]) == ("", "N0")
    assert refused["sf__Error"] == "INVALID_EMAIL_ADDRESS:Email: invalid email address: badone:Email --"
    assert rows(simple.bulk2.Contact.get_unprocessed_records(done["job_id"])) == []

    ids = [each["sf__Id"] for each in made]
    changes = [{"Id": ids[0], "Birthdate": "#N/A", "HasOptedOutOfEmail": "true", "Email": ""}]
    simple.bulk2.Contact.update(records=changes, wait=0.01)
    held = org.records[ids[0]].values
    assert (held["Birthdate"], held["HasOptedOutOfEmail"], held["LastName"]) == (None, True, "N4")
    simple.bulk2.Contact.delete(records=[{"Id": ids[1]}], wait=0.01)
    simple.bulk2.Contact.hard_delete(records=[{"Id": ids[2]}], wait=0.01)
    assert (org.records[ids[1]].in_bin, ids[2] in org.records) == (True, False)

    firms = [{"Number__c": "A1", "Name": "One"}, {"Number__c": "A2", "Name": "Two"}]
    for expected in ("true", "false"):
        (done,) = simple.bulk2.Account.upsert(records=firms, external_id_field="Number__c", wait=0.01)
        assert {each["sf__Created"] for each in rows(simple.bulk2.Account.get_successful_records(done["job_id"]))} == {
            expected
        }
    child = {"LastName": "Child", "Account.Number__c": "a1"}
    simple.bulk2.Contact.insert(records=[child, {**child, "Account.Number__c": "A9"}], wait=0.01)
    assert org.live("Contact")[-1].values["AccountId"] == org.live("Account")[0].id


def test_a_job_fails_as_a_whole_for_what_cannot_be_read(salesforce: Salesforce, simple: Any) -> None:
    with pytest.raises(SalesforceOperationError, match="InvalidBatch : Field name not found : Nonsense"):
        simple.bulk2.Contact.insert(records=[{"LastName": "A", "Nonsense": "1"}], wait=0.01)
    (done,) = simple.bulk2.Contact.insert(records=[{"LastName": "A", "Birthdate": "yesterday"}], wait=0.01)
    (refused,) = rows(simple.bulk2.Contact.get_failed_records(done["job_id"]))
    assert "'yesterday' is not a valid value for the type xsd:date" in refused["sf__Error"]
    salesforce.jobs.stops = [2]
    with pytest.raises(SalesforceOperationError):
        simple.bulk2.Contact.insert(records=[{"LastName": f"N{n}"} for n in range(5)], wait=0.01)
    (job,) = [each for each in salesforce.jobs.held.values() if each.processed == 2]
    left = rows(simple.bulk2.Contact.get_unprocessed_records(job.id))
    assert [each["LastName"] for each in left] == ["N2", "N3", "N4"]


def test_a_job_is_filled_once_and_within_its_limits(salesforce: Salesforce, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "LARGEST", 20)
    made = asked(salesforce, "POST", "", {"operation": "insert", "object": "Contact"}).json()
    path = f"/{made['id']}"
    assert (made["state"], made["contentUrl"]) == ("Open", f"services/data/v66.0/jobs/ingest{path}/batches")
    assert asked(salesforce, "PUT", f"{path}/batches", b"LastName\n" + b"x" * 20).status_code == 413
    assert asked(salesforce, "PUT", f"{path}/batches", b"LastName\r\nA\r\n").status_code == 201
    assert asked(salesforce, "PUT", f"{path}/batches", b"LastName\nA\n").status_code == 400
    assert asked(salesforce, "GET", f"{path}/failedResults").status_code == 404
    assert asked(salesforce, "PATCH", path, {"state": "UploadComplete"}).json()["state"] == "UploadComplete"
    assert asked(salesforce, "PATCH", path, {"state": "UploadComplete"}).status_code == 400
    states = [asked(salesforce, "GET", path).json() for _ in range(2)]
    assert [each["state"] for each in states] == ["InProgress", "Failed"]
    assert "LineEnding is invalid" in states[1]["errorMessage"]
    assert asked(salesforce, "DELETE", path).status_code == 204
    other = asked(salesforce, "POST", "", {"operation": "insert", "object": "Contact"}).json()
    assert asked(salesforce, "PATCH", f"/{other['id']}", {"state": "Aborted"}).json()["state"] == "Aborted"
    wrong = asked(salesforce, "POST", "", {"operation": "upsert", "object": "Contact", "externalIdFieldName": "Phone"})
    assert wrong.status_code == 400


def test_several_requests_go_in_one_each_with_its_own_headers(salesforce: Salesforce, simple: Any) -> None:
    ann = salesforce.org.enter("Contact", {"LastName": "Ames"}, datetime(2026, 1, 2, tzinfo=UTC))
    root = "/services/data/v66.0/sobjects"

    def ask(*subrequests: dict[str, Any], together: bool = False) -> list[dict[str, Any]]:
        body = {"allOrNone": together, "compositeRequest": list(subrequests)}
        found: list[dict[str, Any]] = simple.restful("composite", method="POST", json=body)["compositeResponse"]
        return found

    made, child, changed, stale, wrong = ask(
        {"method": "POST", "url": f"{root}/Account", "referenceId": "firm", "body": {"Name": "Acme"}},
        {"method": "POST", "url": f"{root}/Contact", "referenceId": "child",
         "body": {"LastName": "Child", "AccountId": "@{firm.id}"}},
        {"method": "PATCH", "url": f"{root}/Contact/{ann.id}", "referenceId": "ann", "body": {"FirstName": "Ann"},
         "httpHeaders": {"If-Unmodified-Since": "Fri, 02 Jan 2026 00:00:00 GMT"}},
        {"method": "PATCH", "url": f"{root}/Contact/{ann.id}", "referenceId": "again", "body": {"FirstName": "A"},
         "httpHeaders": {"If-Unmodified-Since": "Fri, 02 Jan 2026 00:00:00 GMT"}},
        {"method": "PATCH", "url": f"{root}/Contact/{ann.id}", "referenceId": "wrong", "body": {"LastName": ""}},
    )  # fmt: skip
    assert [each["httpStatusCode"] for each in (made, child, changed, stale, wrong)] == [201, 201, 204, 412, 400]
    assert salesforce.org.live("Contact")[-1].values["AccountId"] == made["body"]["id"]
    assert (ann.values["FirstName"], wrong["body"][0]["errorCode"]) == ("Ann", "REQUIRED_FIELD_MISSING")
    halted, refused = ask(
        {"method": "POST", "url": f"{root}/Account", "referenceId": "one", "body": {"Name": "Gone"}},
        {"method": "POST", "url": f"{root}/Account", "referenceId": "two", "body": {}},
        together=True,
    )
    assert halted["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert refused["body"][0]["errorCode"] == "REQUIRED_FIELD_MISSING"
    assert [each.values["Name"] for each in salesforce.org.live("Account")] == ["Acme"]
    with pytest.raises(SalesforceMalformedRequest, match="at most 25 subrequests"):
        ask(*({"method": "GET", "url": f"{root}/Account", "referenceId": f"r{n}"} for n in range(26)))


def test_a_reference_may_name_the_other_record_by_its_external_id(salesforce: Salesforce, simple: Any) -> None:
    salesforce.org.objects["Account"].add(NUMBER)
    acme = salesforce.org.enter("Account", {"Name": "Acme", "Number__c": "A1"})
    made = simple.Contact.create({"LastName": "Ames", "Account": {"Number__c": "a1"}})
    assert simple.Contact.get(made["id"])["AccountId"] == acme.id
    with pytest.raises(SalesforceMalformedRequest, match="Foreign key external ID: A9 not found for field Number__c"):
        simple.Contact.create({"LastName": "Bond", "Account": {"Number__c": "A9"}})
    with pytest.raises(SalesforceMalformedRequest, match="does not match an External ID"):
        simple.Contact.create({"LastName": "Bond", "Account": {"Phone": "1"}})
