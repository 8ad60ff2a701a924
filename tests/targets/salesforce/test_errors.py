"""Every error body that was recorded, and what a user of target-salesforce is shown of it."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon_sandbox.salesforce import Fault, refuse
from antiphon_sandbox.salesforce import errors as said
from tests.targets.salesforce.desk import Desk, update

RECORDS: dict[str, tuple[said.Refused, str, str]] = {
    "a value that must be there": (
        said.required(["LastName"]), "rejected", "Required fields are missing: [LastName]",
    ),
    "no e-mail address": (
        refuse("INVALID_EMAIL_ADDRESS", "email field: invalid email address: badone", "email_field__c"),
        "rejected", "email field: invalid email address: badone (email_field__c)",
    ),
    "a converted lead": (
        refuse("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead"),
        "rejected", "cannot reference converted lead",
    ),
    "a value that is no option": (
        refuse("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
               "Race: bad value for restricted picklist field: Native American, Alaskan", "Race__c"),
        "rejected", "Race: bad value for restricted picklist field: Native American, Alaskan (Race__c)",
    ),
    "a duplicate rule": (
        refuse("DUPLICATES_DETECTED", "Use one of these records?"), "rejected", "Use one of these records?",
    ),
    "a value taken": (
        said.duplicate("AffirmId__c", "0018M000003uKqqAAA"), "rejected",
        "duplicate value found: AffirmId__c duplicates value on record with id: 0018M000003uKqq",
    ),
    "a validation rule": (
        refuse("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Discounts: at most 20 %, ask Olga: she knows"),
        "rejected", "Discounts: at most 20 %, ask Olga: she knows",
    ),
    "a text too long": (
        refuse("STRING_TOO_LONG", "City: data value too large: Rome (max length=3)", "City__c"),
        "rejected", "City: data value too large: Rome (max length=3) (City__c)",
    ),
    "an id of another object": (
        refuse("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id"), "rejected", "invalid cross reference id",
    ),
    "taken back with others": (
        said.rolled_back(), "failed", said.rolled_back().message,
    ),
    "a lock": (
        said.locked("0013000000ABCDeAAF"), "failed",
        "unable to obtain exclusive access to this record or 1 records: 0013000000ABCDeAAF",
    ),
    "deleted meanwhile": (said.deleted(), "gone", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_is_refused_in_the_same_words_by_each_way_of_writing_it(desk: Desk, name: str) -> None:
    refused, status, words = RECORDS[name]
    bad, good = (desk.org.enter("Contact", {"LastName": name}) for name in ("Bad", "Good"))
    desk.org.rules["Contact"] = [lambda values: refused if values["LastName"] == "Bad" else None]
    told = []
    ways: list[tuple[int, dict[str, Any]]] = [(1, {}), (2, {}), (2, {"conditional_up_to": 0}), (2, {"api": "bulk"})]
    for number, (ops, how) in enumerate(ways):
        wanted = [update(each, {}, FirstName=f"F{number}") for each in (bad, good)][:ops]
        receipts = desk.operate("Contact", *wanted, **how)
        assert [each["status"] for each in receipts[1:]] == ["applied"] * (ops - 1)
        told.append((receipts[0]["status"], receipts[0].get("error", {})))
    expected = {} if status == "gone" else {
        "class": refused.code, "status": 503 if status == "failed" else 400, "message": f"Salesforce says: {words}",
    }  # fmt: skip
    assert told == [(status, expected)] * 4


REQUESTS: dict[str, tuple[Fault, str, str]] = {
    "a path": (
        Fault("status", "PATCH", status=404, body=said.no_such_key("23foo").body), "rejected",
        "Provided external ID field does not exist or is not accessible: 23foo (NOT_FOUND)",
    ),
    "a field that went": (
        Fault("status", "POST .*composite/sobjects/", status=400, body=said.no_such_column("foo", "Bar").body),
        "failed", "No such column 'foo' on sobject of type Bar (INVALID_FIELD)",
    ),
    "the limit of the day": (
        Fault("status", "PATCH", status=403, body=said.over_limit().body), "failed",
        "TotalRequests Limit exceeded. (REQUEST_LIMIT_EXCEEDED)",
    ),
    "too many at once, once": (
        Fault("status", "PATCH", status=403, body=said.over_limit(
            "ConcurrentRequests (Concurrent API Requests) Limit exceeded.").body), "applied", "",
    ),
    "a body that is not read": (
        Fault("status", "PATCH", times=9, status=400, body=said.bad_json("date", "yesterday").body), "rejected",
        "Cannot deserialize instance of date from VALUE_STRING value yesterday",
    ),
    "a page for people": (Fault("status", "PATCH", times=9), "failed", "whether it was done (status 503)"),
}  # fmt: skip


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_that_is_refused_is_told_to_each_of_its_records(desk: Desk, name: str) -> None:
    fault, status, words = REQUESTS[name]
    people = [desk.org.enter("Contact", {"LastName": f"N{n}"}) for n in range(2)]
    desk.salesforce.faults.append(fault)
    receipts = desk.operate("Contact", *(update(each, {}, FirstName="F") for each in people), conditional_up_to=0)
    assert [each["status"] for each in receipts] == [status] * 2
    assert all(words in str(each.get("error")) for each in receipts)


_APP = {"access_token": "", "client_id": "3MVG9sandbox", "client_secret": "sandbox-secret"}
_CHECK = "check `client_id` and what goes with it"
_PASSWORD = {"error": "invalid_grant", "error_description": "authentication failure - Invalid Password"}
LOGINS: dict[str, tuple[dict[str, Any], str, str]] = {
    "a session that ended": (
        {"access_token": "x"}, "Session expired or invalid (INVALID_SESSION_ID)", "use a flow that renews it",
    ),
    "a refresh token that ended": (
        {**_APP, "refresh_token": "x"}, "expired access/refresh token (invalid_grant)", _CHECK,
    ),
    "a wrong secret": ({**_APP, "client_secret": "x"}, "invalid client credentials (invalid_client)", _CHECK),
    "a wrong password": (_APP, "authentication failure - Invalid Password (invalid_grant)", _CHECK),
}  # fmt: skip


@pytest.mark.parametrize("name", LOGINS)
def test_a_login_that_is_refused_ends_the_run_with_the_way_on(
    desk: Desk, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    config, words, hint = LOGINS[name]
    if "password" in name:
        desk.salesforce.faults.append(Fault("status", "oauth2/token", status=400, body=_PASSWORD))
    row = {"Contact": [{"record": {"LastName": "Ames"}}]}
    done = desk.send(row, (), mode="insert", domain=desk.salesforce.url, **config)
    assert (done.code, done.out) == (1, b"")
    assert words in caplog.text
    assert hint in caplog.text
    assert "sandbox-secret" not in caplog.text


def test_an_object_that_is_not_there_ends_the_run_with_the_way_on(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    done = desk.send({"Nothing": [{"record": {"Name": "Ames"}}]}, (), mode="insert")
    assert done.code == 1
    assert "the fields of Nothing: Salesforce says: The requested resource does not exist (NOT_FOUND)" in caplog.text
    assert "give the user the right to read the object" in caplog.text
