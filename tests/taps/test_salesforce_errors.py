"""Every error body that Salesforce has for a reader, and what a user of tap-salesforce is shown of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from antiphon_sandbox.salesforce import Fault, Field, Salesforce, SObject
from antiphon_sandbox.salesforce import errors as said
from antiphon_sandbox.salesforce.oauth import BadGrant
from tap_salesforce.api import (
    ExpiredCursor,
    NotAuthorized,
    OverLimit,
    Refused,
    SalesforceError,
    Unavailable,
    connect,
)
from tap_salesforce.api.errors import error_of
from tap_salesforce.tap import TapSalesforce
from tests.taps.printed import Printed
from tests.taps.salesforce import catalog_of, read, settings, told

CALL = "the records of Contact"
BODIES: dict[str, tuple[said.Refused, type[SalesforceError], str, str]] = {
    "a token that ended": (
        said.no_session(), NotAuthorized, "Session expired or invalid (INVALID_SESSION_ID)", "get another",
    ),
    "a refresh token that ended": (
        BadGrant("invalid_grant", "expired access/refresh token"), Refused,
        "expired access/refresh token (invalid_grant)", "",
    ),
    "a wrong password": (
        BadGrant("invalid_grant", "authentication failure - Invalid Password"), Refused,
        "authentication failure - Invalid Password (invalid_grant)", "",
    ),
    "no such object or record": (
        said.not_found(), Refused, "The requested resource does not exist (NOT_FOUND)", "give the user the right",
    ),
    "no such key": (
        said.no_such_key("23foo"), Refused,
        "Provided external ID field does not exist or is not accessible: 23foo (NOT_FOUND)", "correct the name",
    ),
    "no such column": (
        said.no_such_column("foo", "Bar"), Refused, "No such column 'foo' on sobject of type Bar (INVALID_FIELD)",
        "give the user the right to see the field",
    ),
    "no SOQL": (said.malformed("unexpected token: 'x'"), Refused, "unexpected token: 'x' (MALFORMED_QUERY)", ""),
    "pages not kept": (
        said.Refused("INVALID_QUERY_LOCATOR", "invalid query locator"), ExpiredCursor, "(INVALID_QUERY_LOCATOR)", "",
    ),
    "a day used up": (
        said.over_limit(), OverLimit, "TotalRequests Limit exceeded. (REQUEST_LIMIT_EXCEEDED)",
        "the limit counts the last 24 hours",
    ),
    "no Bulk API": (
        said.Refused("INVALIDENTITY", "Entity 'CaseStatus' is not supported by the Bulk API."), Refused,
        "Entity 'CaseStatus' is not supported by the Bulk API. (INVALIDENTITY)", "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_a_user_is_shown_salesforces_words_with_what_was_asked_for_and_the_way_on(name: str) -> None:
    answer, kind, words, hint = BODIES[name]
    error = error_of(answer.status, json.dumps(answer.body).encode(), CALL)
    assert type(error) is kind
    assert str(error).startswith(f"{CALL}: Salesforce says: ")
    assert words in str(error)
    assert hint in error.hint


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'"words"'])
def test_an_answer_that_explains_nothing_is_told_by_its_status(content: bytes) -> None:
    assert str(error_of(414, content, CALL)) == f"{CALL}: Salesforce says: status 414"


def test_too_many_at_once_is_waited_out_and_a_day_used_up_is_not(salesforce: Salesforce) -> None:
    waits = list[float]()
    org = connect(settings(salesforce), sleep=waits.append)
    busy = said.over_limit("ConcurrentRequests (Concurrent API Requests) Limit exceeded.")
    salesforce.faults.append(Fault("status", path="describe", times=2, status=busy.status, body=busy.body))
    assert org.describe("Contact").fields
    assert waits == [0.5, 1.0]
    salesforce.faults.append(Fault("limit"))
    with pytest.raises(OverLimit):
        org.names()
    salesforce.faults.append(Fault("status", times=6))
    with pytest.raises(Unavailable, match=r"could not be had in 6 attempts \(status 503\)") as out:
        org.names()
    assert out.value.hint == "try again later"
    org.session.close()


def test_an_object_that_the_user_may_not_read_is_named(salesforce: Salesforce) -> None:
    salesforce.org.objects["Secret__c"] = SObject.of("Secret__c", "a00", Field("Name"))
    config = settings(salesforce, objects=["Contact", "Secret__c"])
    catalog = TapSalesforce(config=config).catalog_dict
    del salesforce.org.objects["Secret__c"]  # so it looks to who has no right to it
    for given in (None, catalog):
        with pytest.raises(
            Refused, match="the fields of Secret__c: Salesforce says: The requested resource"
        ) as refused:
            assert TapSalesforce(config=config, catalog=given).streams
        assert refused.value.hint == "correct the name, or give the user the right to read the object"
    contacts = catalog_of(salesforce, "LastName")
    salesforce.org.enter("Contact", {"LastName": "Ames"})
    assert len(Printed.by(TapSalesforce(config=config, catalog=contacts)).records["Contact"]) == 1


def test_more_deletions_than_the_log_tells_at_once_are_asked_for_in_parts(salesforce: Salesforce) -> None:
    org, now = salesforce.org, datetime.now(UTC)
    made = [org.enter("Contact", {"LastName": f"P{number}"}, now - timedelta(days=2)).id for number in range(40)]
    first = read(salesforce, "LastName")
    for number, key in enumerate(made):
        org.trash(key, now - timedelta(minutes=10 * number + 5))
    org.empty_bin()
    org.most_listed = 7
    first.state["bookmarks"]["Contact:deleted"]["covered"] = (now - timedelta(days=1)).isoformat()
    assert told(read(salesforce, "LastName", state=first.state)) == dict.fromkeys(made, "gone")
    org.most_listed = 0
    with pytest.raises(Refused, match=r"what was deleted of Contact: .* \(EXCEEDED_ID_LIMIT\)"):
        read(salesforce, "LastName", state=first.state)
