"""HubSpot's error bodies, word for word where a recording or an integrator's report gives them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

_DAY = 86_400  # seconds


@dataclass(frozen=True)
class Refused(Exception):
    """The API refuses a request: `status` and the JSON `body` that goes with it."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] | None = None

    @property
    def as_item(self) -> dict[str, Any]:
        """The error of one input, as a 207 lists it."""
        known = ("status", "category", "message", "context", "subCategory")
        return {"context": {}, **{key: self.body[key] for key in known if key in self.body}}


def refuse(code: int, message: str, category: str | None = None, **more: Any) -> Refused:
    """An error body in the order in which HubSpot writes it."""
    body: dict[str, Any] = {"status": "error", "message": message, "correlationId": str(uuid4()), **more}
    if category:
        body["category"] = category
    return Refused(code, body)


def not_found() -> Refused:
    """No such record, property, or path."""
    return refuse(404, "resource not found", "OBJECT_NOT_FOUND")


def unknown_type(name: str) -> Refused:
    """The path names no object type."""
    return refuse(400, f"Unable to infer object type from: {name}")


def invalid_values(faults: Sequence[Mapping[str, Any]]) -> Refused:
    """One or more values that do not fit their properties."""
    listed = json.dumps(list(faults), separators=(",", ":"), ensure_ascii=False)
    return refuse(400, f"Property values were not valid: {listed}", "VALIDATION_ERROR")


def already_exists(label: str, record_id: str) -> Refused:
    """Another record holds the unique value."""
    return refuse(409, f"{label} already exists. Existing ID: {record_id}", "CONFLICT")


def nothing_to_update() -> Refused:
    """An update without a property."""
    return refuse(
        400,
        "No properties found to update, please provide at least one.",
        "VALIDATION_ERROR",
        context={"properties": ["{}"]},
    )


def duplicate_ids(ids: Sequence[str]) -> Refused:
    """One record twice in one batch."""
    return refuse(
        400,
        f"Duplicate IDs found in batch input: [{', '.join(ids)}]. IDs must be unique",
        "VALIDATION_ERROR",
        context={"ids": list(ids)},
    )


def not_unique(type_id: str) -> Refused:
    """A match by a property whose values are not unique."""
    return refuse(400, f"Unable to perform update/upsert by non-unique {type_id} property", "VALIDATION_ERROR")


def missing_objects(label: str, ids: Sequence[str]) -> dict[str, Any]:
    """The one error object by which batch/read names all that it did not find."""
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "message": f"Could not get some {label} objects, they may be deleted or not exist. Check that ids are valid.",
        "context": {"ids": list(ids)},
    }


def no_such_end(label: str, record_id: str) -> Refused:
    """An association to a record that is not there."""
    return refuse(
        404,
        f"No {label.lower()} with ID {record_id} exists",
        "OBJECT_NOT_FOUND",
        context={"objectType": [label.lower()], "id": [record_id]},
        subCategory="crm.associations.TO_OBJECT_NOT_FOUND",
    )


def bad_json(detail: str) -> Refused:
    """The body is not what the endpoint reads."""
    return refuse(400, f"Invalid input JSON on line 1, column 1: {detail}")


def too_many_inputs(number: int, most: int) -> Refused:
    """Not recorded: the message is the sandbox's own."""
    return refuse(400, f"The batch has {number} inputs; the maximum is {most}", "VALIDATION_ERROR")


def no_credentials() -> Refused:
    """No token at all."""
    return refuse(
        401,
        "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more "
        "details at https://developers.hubspot.com/docs/methods/auth/oauth-overview",
        "INVALID_AUTHENTICATION",
    )


def expired(seconds: int, when: str) -> Refused:
    """The token ended so many `seconds` ago; one that never was has ended in 1970."""
    ago = f"{seconds} second(s)" if seconds < _DAY else f"{seconds // _DAY} day(s)"
    return refuse(
        401,
        f"The OAuth token used to make this call expired {ago} ago.",
        "EXPIRED_AUTHENTICATION",
        context={"expire time": [when]},
    )


def missing_scopes(scopes: Sequence[str]) -> Refused:
    """The token has none of these `scopes`."""
    return refuse(
        403,
        "This app hasn't been granted all required scopes to make this call.",
        "MISSING_SCOPES",
        errors=[
            {
                "message": "One or more of the following scopes are required.",
                "context": {"requiredGranularScopes": list(scopes)},
            }
        ],
        links={"scopes": "https://developers.hubspot.com/scopes"},
    )


def over_limit(kind: str) -> Refused:
    """`kind`: secondly (search), burst, or daily. The three bodies differ, as recorded; none has Retry-After."""
    if kind == "secondly":
        return refuse(429, "You have reached your secondly limit.", "RATE_LIMITS")
    name, policy = {
        "burst": ("ten_secondly_rolling", "TEN_SECONDLY_ROLLING"),
        "daily": ("daily", "DAILY"),
    }[kind]
    body = {
        "status": "error",
        "message": f"You have reached your {name} limit.",
        "errorType": "RATE_LIMIT",
        "correlationId": str(uuid4()),
        "policyName": policy,
        "requestId": str(uuid4()),
    }
    return Refused(429, body)
