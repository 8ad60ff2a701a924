"""Queries by Bulk API 2.0, judged by simple-salesforce, which runs against the sandbox unmodified."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from simple_salesforce.exceptions import SalesforceMalformedRequest, SalesforceOperationError

from antiphon_sandbox.salesforce import Field, Salesforce

SOME = "SELECT Id, Name, AnnualRevenue, NumberOfEmployees FROM Account"


def asked(salesforce: Salesforce, method: str, path: str, body: Mapping[str, Any] | None = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {salesforce.token}"}
    url = f"{salesforce.url}/services/data/v66.0/jobs/query{path}"
    return requests.request(method, url, json=body, headers=headers, timeout=5)


def test_rows_come_as_csv_page_by_page(salesforce: Salesforce, simple: Any, tmp_path: Path) -> None:
    org = salesforce.org
    for number in range(7):
        org.enter("Account", {"Name": f'A"{number}",\n', "AnnualRevenue": 1.5e7, "NumberOfEmployees": number})
    pages = list(simple.bulk2.Account.query(f"{SOME} ORDER BY Id", max_records=3, wait=0.01))
    rows = [list(csv.reader(page.splitlines(keepends=True))) for page in pages]
    assert [len(each) for each in rows] == [4, 4, 2]  # each with its header
    assert rows[0][0] == ["Id", "Name", "AnnualRevenue", "NumberOfEmployees"]
    assert rows[2][1][1:] == ['A"6",', "1.5E7", "6"]  # text is kept without spaces around it
    found = simple.bulk2.Account.download(SOME, str(tmp_path), max_records=5, wait=0.01)
    assert [each["number_of_records"] for each in found] == [5, 2]


def test_parents_dates_and_what_lies_in_the_bin_are_read(salesforce: Salesforce, simple: Any) -> None:
    org = salesforce.org
    acme = org.enter("Account", {"Name": "Acme"})
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    ann = org.enter("Contact", {"LastName": "Ames", "AccountId": acme.id, "HasOptedOutOfEmail": True}, at)
    query = "SELECT Account.Name, Email, HasOptedOutOfEmail, SystemModstamp, IsDeleted FROM Contact"
    expected = '"Account.Name","Email","HasOptedOutOfEmail","SystemModstamp","IsDeleted"\n'
    assert list(simple.bulk2.Contact.query(query, wait=0.01)) == [
        f'{expected}"Acme","","true","2026-01-02T03:04:05.000Z","false"\n'
    ]
    org.trash(ann.id, at)
    assert list(simple.bulk2.Contact.query(query, wait=0.01)) == [expected]
    (binned,) = simple.bulk2.Contact.query_all(query, wait=0.01)
    assert binned.endswith('"true"\n')


def test_a_job_goes_through_its_states_and_can_be_aborted_and_deleted(salesforce: Salesforce) -> None:
    made = asked(salesforce, "POST", "", {"operation": "query", "query": "SELECT Id FROM Account"}).json()
    assert (made["state"], made["jobType"], made["object"]) == ("UploadComplete", "V2Query", "Account")
    path = f"/{made['id']}"
    early = asked(salesforce, "GET", f"{path}/results")
    assert (early.status_code, early.json()[0]["errorCode"]) == (404, "NOT_FOUND")
    assert [asked(salesforce, "GET", path).json()["state"] for _ in range(2)] == ["JobComplete", "JobComplete"]
    assert asked(salesforce, "PATCH", path, {"state": "Aborted"}).json()[0]["errorCode"] == "INVALIDJOBSTATE"
    answer = asked(salesforce, "GET", f"{path}/results")
    assert (answer.headers["Sforce-Locator"], answer.headers["Sforce-NumberOfRecords"]) == ("null", "0")
    assert [each["id"] for each in asked(salesforce, "GET", "").json()["records"]] == [made["id"]]
    assert asked(salesforce, "DELETE", path).status_code == 204
    assert asked(salesforce, "GET", path).status_code == 404
    other = asked(salesforce, "POST", "", {"operation": "query", "query": "SELECT Id FROM Account"}).json()
    path = f"/{other['id']}"
    assert asked(salesforce, "DELETE", path).json()[0]["errorCode"] == "INVALIDJOBSTATE"
    assert asked(salesforce, "PATCH", path, {"state": "Aborted"}).json()["state"] == "Aborted"
    assert asked(salesforce, "GET", f"{path}/results").status_code == 404


def test_what_bulk_does_not_read_is_refused_and_a_failed_job_says_why(salesforce: Salesforce, simple: Any) -> None:
    salesforce.org.objects["Account"].bulk = False
    told = []
    for query in (
        SOME,
        "SELECT MailingAddress FROM Contact",
        "SELECT Nonsense FROM Contact",
        "SELECT COUNT() FROM Contact",
    ):
        with pytest.raises(SalesforceMalformedRequest) as refused:
            list(simple.bulk2.Contact.query(query, wait=0.01))
        body: Any = refused.value.content
        told.append((body[0]["errorCode"], body[0]["message"].splitlines()[-1]))
    assert [each[0] for each in told] == ["INVALIDENTITY", "API_ERROR", "API_ERROR", "API_ERROR"]
    assert told[0][1] == "Entity 'Account' is not supported by the Bulk API."
    assert told[1][1] == "Selecting compound data not supported in Bulk Query"
    salesforce.jobs.doomed.append("InternalServerError : the query ran too long")
    with pytest.raises(SalesforceOperationError, match="the query ran too long"):
        list(simple.bulk2.Contact.query("SELECT Id FROM Contact", wait=0.01))


def test_numbers_are_written_as_java_writes_them(salesforce: Salesforce, simple: Any) -> None:
    salesforce.org.objects["Account"].add(Field("Rate__c", "double", precision=18, scale=6))
    for rate in (0.000001, 0.25, 7, 123456789012.345678, -2.5e10):
        salesforce.org.enter("Account", {"Name": "A", "Rate__c": rate})
    (page,) = simple.bulk2.Account.query("SELECT Rate__c FROM Account ORDER BY Id", wait=0.01)
    assert page.replace('"', "").split() == ["Rate__c", "1.0E-6", "0.25", "7.0", "1.2345678901234567E11", "-2.5E10"]
