"""Every error body of HubSpot that was recorded, and what a user is shown of it.

What becomes of the rows of a batch is in `tests/targets/hubspot/test_errors.py`.
"""

from __future__ import annotations

import json

import pytest

from antiphon_sandbox.hubspot import Fault, HubSpot
from antiphon_sandbox.hubspot import errors as said
from tap_hubspot.api import DailyLimit, HubSpotError, MissingScopes, NotAuthorized, Refused, Unavailable, connect
from tap_hubspot.api.errors import error_of

CALL = "POST /crm/v3/objects/contacts/batch/update"
VALUES = [
    ("dans_tags", "INVALID_OPTION", "NAM Only was not one of the allowed options: [Procurement, Hide]"),
    ("segment_group_id", "PROPERTY_DOESNT_EXIST", 'Property "segment_group_id" does not exist'),
    ("closedate", "INVALID_DATE", "1786334400000 is at 4:0:0.0 UTC, not midnight!"),
    ("closedate", "INVALID_LONG", "asd000 was not a valid long."),
    ("email", "INVALID_EMAIL", "Email address 000 is invalid"),
    ("createdate", "READ_ONLY_VALUE", '"createdate" is a read only property; its value cannot be set.'),
]
OLDER = {
    "validationResults": [
        {"isValid": False, "message": "asd000 was not a valid long.", "error": "INVALID_LONG", "name": "closedate"}
    ],
    "status": "error", "message": "Property values were not valid", "correlationId": "7b0fa4f1",
}  # fmt: skip
LISTED = [{"isValid": False, "message": words, "error": error, "name": name} for name, error, words in VALUES]
BODIES: dict[str, tuple[said.Refused, type[HubSpotError], str, str]] = {
    "a value taken": (
        said.already_exists("Contact", "37765128953"), Refused, "Contact already exists. Existing ID: 37765128953", "",
    ),
    **{
        f"a value: {error}": (said.invalid_values([each]), Refused, f"says: {name}: {words} ({error}) (corr", "")
        for (name, error, words), each in zip(VALUES, LISTED, strict=True)
    },
    "several values": (
        said.invalid_values(LISTED[:2]), Refused, f"(INVALID_OPTION); segment_group_id: {VALUES[1][2]}", "",
    ),
    "a value, of the older paths": (
        said.Refused(400, OLDER), Refused, "closedate: asd000 was not a valid long. (INVALID_LONG) (corr", "",
    ),
    "values that are not listed as they should be": (
        said.refuse(400, "Property values were not valid: [{"), Refused, "Property values were not valid: [{ (corr", "",
    ),
    "an update of nothing": (said.nothing_to_update(), Refused, "No properties found to update", ""),
    "a record twice": (
        said.duplicate_ids(["12877907025"]), Refused, "Duplicate IDs found in batch input: [12877907025]", "",
    ),
    "a match that is not unique": (said.not_unique("0-1"), Refused, "by non-unique 0-1 property", ""),
    "a body that is not read": (said.bad_json("Cannot deserialize value"), Refused, "Cannot deserialize value", ""),
    "a batch too long": (said.too_many_inputs(101, 100), Refused, "The batch has 101 inputs; the maximum is 100", ""),
    "no credentials": (
        said.no_credentials(), NotAuthorized, "Authentication credentials not found.", "check `access_token`",
    ),
    "a token that expired": (
        said.expired(75, "2022-06-21T10:37:52.040Z"), NotAuthorized, "expired 75 second(s) ago", "`refresh_token`",
    ),
    "a token that never was": (
        said.expired(20543 * 86_400, "1970-01-01T00:00:00Z"), NotAuthorized, "expired 20543 day(s) ago", "check",
    ),
    "no scope": (
        said.missing_scopes(["crm.objects.contacts.write"]), MissingScopes, "needed is crm.objects.contacts.write",
        "grant it to the private app",
    ),
    "nothing there": (said.not_found(), Refused, "resource not found", ""),
    "an end that is not there": (said.no_such_end("CONTACT", "123"), Refused, "No contact with ID 123 exists", ""),
    "no such type": (said.unknown_type("credentialing_2_0"), Refused, "object type from: credentialing_2_0", ""),
    "too many in a day": (said.over_limit("daily"), DailyLimit, "You have reached your daily limit.", "from midnight"),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_a_user_is_shown_hubspots_words_with_the_call_the_correlation_id_and_the_way_on(name: str) -> None:
    answer, kind, words, hint = BODIES[name]
    error = error_of(answer.status, json.dumps(answer.body).encode(), CALL)
    shown = str(error)
    assert type(error) is kind
    assert words in shown
    assert hint in shown
    assert shown.startswith(f"{CALL}: HubSpot says: ")
    assert f"(correlation id {answer.body['correlationId']})" in shown
    assert "isValid" not in shown


@pytest.mark.parametrize("content", [b"", b"<html>502 Bad Gateway</html>", b"[]", b"\xff"])
def test_an_answer_that_is_no_error_body_is_told_by_its_status(content: bytes) -> None:
    assert str(error_of(400, content, CALL)) == f"{CALL}: HubSpot says: status 400 without an explanation"


@pytest.mark.parametrize("kind", ["secondly", "burst"])
def test_a_limit_of_seconds_that_does_not_end_is_an_outage_and_not_the_end_of_the_day(kind: str) -> None:
    times = Fault("secondly", times=99) if kind == "secondly" else Fault("status", status=429, times=99)
    with HubSpot() as hubspot:
        hubspot.faults.add(times)
        client = connect({"access_token": hubspot.token, "api_base": hubspot.url}, lambda _seconds: None)
        client.session.limiter.pause = lambda *_: None  # type: ignore[method-assign]
        with pytest.raises(Unavailable, match=r"could not be had in 8 attempts \(status 429\)\n  try again later"):
            client.account()
