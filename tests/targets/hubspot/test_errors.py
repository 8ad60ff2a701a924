"""What HubSpot says of a batch or of its rows, word for word, and what the receipt of each row then says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from antiphon_sandbox.hubspot import Fault, HubSpot
from antiphon_sandbox.hubspot import errors as said
from target_kit import TargetError
from tests.targets.hubspot.conftest import Desk, create, update

OPTION = {
    "isValid": False,
    "message": "x was not one of the allowed options: [a]",
    "error": "INVALID_OPTION",
    "name": "y",
}
WHOLE: dict[str, tuple[said.Refused, str, str]] = {
    "a value taken": (said.already_exists("Contact", "37765128953"), "rejected", "Existing ID: 37765128953"),
    "a value": (
        said.invalid_values([OPTION]),
        "rejected",
        "y: x was not one of the allowed options: [a] (INVALID_OPTION)",
    ),
    "nothing to update": (said.nothing_to_update(), "rejected", "No properties found to update"),
    "a record twice": (
        said.duplicate_ids(["12877907025"]),
        "rejected",
        "Duplicate IDs found in batch input: [12877907025]",
    ),
    "not unique": (said.not_unique("0-1"), "rejected", "by non-unique 0-1 property"),
    "unread": (said.bad_json("Cannot deserialize value"), "rejected", "Invalid input JSON on line 1"),
    "no type": (said.unknown_type("credentialing_2_0"), "rejected", "object type from: credentialing_2_0"),
    "gone": (said.not_found(), "gone", ""),
    "the day is over": (said.over_limit("daily"), "failed", "You have reached your daily limit."),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_batch_that_is_refused_tells_each_of_its_rows_why(desk: Desk, hubspot: HubSpot, name: str) -> None:
    body, status, words = WHOLE[name]
    ann = hubspot.account.enter("contacts", {"city": "Rome"})
    hubspot.faults.add(Fault("status", path="batch/update", status=body.status, body=body.body, times=9))
    (receipt,) = desk.operate(update(ann.id, {"city": "Rome"}, city="Oslo"))
    assert receipt["status"] == status
    if words:
        assert words in receipt["error"]["message"]
        assert f"(correlation id {body.body['correlationId']})" in receipt["error"]["message"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (said.no_credentials(), "Authentication credentials not found."),
        (said.expired(75, "2022-06-21T10:37:52.040Z"), "expired 75 second(s) ago"),
        (said.missing_scopes(["crm.objects.contacts.write"]), "needed is crm.objects.contacts.write"),
    ],
    ids=["no credentials", "expired", "scope"],
)
def test_a_token_that_may_not_write_ends_the_run_with_the_way_on(
    desk: Desk, hubspot: HubSpot, body: said.Refused, words: str
) -> None:
    ann = hubspot.account.enter("contacts", {"city": "Rome"})
    hubspot.faults.add(Fault("status", path="batch/update", status=body.status, body=body.body, times=9))
    with pytest.raises(TargetError) as stopped:
        desk.operate(update(ann.id, {"city": "Rome"}, city="Oslo"))
    assert words in str(stopped.value)
    assert stopped.value.hint


def item(category: str, words: str, **context: list[str]) -> dict[str, Any]:
    return {"status": "error", "category": category, "message": words, "context": context}


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (item("CONFLICT", "Contact already exists. Existing ID: 7", objectWriteTraceId=["c1"]), "rejected", "ID: 7"),
        (item("VALIDATION_ERROR", "no good", objectWriteTraceId=["c1"]), "rejected", "HubSpot says: no good"),
        (item("RATE_LIMITS", "too many", objectWriteTraceId=["c1"]), "failed", "HubSpot says: too many"),
        (item("VALIDATION_ERROR", "no good"), "rejected", "HubSpot says: no good"),  # it does not say of which row
        (None, "failed", "neither a result nor an error"),
    ],
    ids=["conflict", "validation", "limit", "of no row", "nothing at all"],
)
def test_a_part_of_a_batch_that_failed_is_told_row_by_row(
    desk: Desk, hubspot: HubSpot, error: Mapping[str, Any] | None, status: str, words: str
) -> None:
    """A 207 without any result, with errors or even without, has been seen."""
    body = {"status": "COMPLETE", "results": [], "errors": [error] if error else [], "numErrors": bool(error)}
    hubspot.faults.add(Fault("status", path="batch/upsert", status=207, body=body, times=9))
    (receipt,) = desk.operate(create(1, email="ann@example.com"))
    assert receipt["status"] == status
    assert words in receipt["error"]["message"]
    assert not hubspot.account.live("contacts")


def test_a_batch_of_many_without_any_result_is_asked_for_again_in_halves(desk: Desk, hubspot: HubSpot) -> None:
    body = {"status": "COMPLETE", "results": [], "errors": [item("VALIDATION_ERROR", "no good")], "numErrors": 1}
    hubspot.faults.add(Fault("status", path="batch/upsert", status=207, body=body))
    receipts = desk.operate(*(create(n, email=f"n{n}@example.com") for n in range(4)))
    assert [each["status"] for each in receipts] == ["applied"] * 4
    assert len(hubspot.account.live("contacts")) == 4


def test_what_a_batch_read_does_not_find_is_gone(desk: Desk, hubspot: HubSpot) -> None:
    ann = hubspot.account.enter("contacts", {"city": "Rome"})
    body = {
        "status": "COMPLETE", "results": [], "numErrors": 1,
        "errors": [said.missing_objects("CONTACT", [ann.id])],
    }  # fmt: skip
    hubspot.faults.add(Fault("status", path="batch/read", status=207, body=body))
    (receipt,) = desk.operate(update(ann.id, {"city": "Rome"}, city="Oslo"))
    assert receipt["status"] == "gone"
