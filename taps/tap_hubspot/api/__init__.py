"""HubSpot's API, said once for the tap and the target: settings, tokens, limits, errors, properties, calls.

Everything here is a description of HubSpot. What is read and written with it is the business of `tap_hubspot` and
`target_hubspot`.
"""

from tap_hubspot.api.calls import Answer, HubSpot
from tap_hubspot.api.errors import (
    DailyLimit,
    HubSpotError,
    MaybeApplied,
    MissingScopes,
    NotAuthorized,
    Refused,
    Unavailable,
)
from tap_hubspot.api.limits import Limiter
from tap_hubspot.api.properties import NotConvertible, Property
from tap_hubspot.api.session import Session
from tap_hubspot.api.settings import CONNECTION, connect
from tap_hubspot.api.types import BATCH, OBJECT_TYPES, ObjectType

__all__ = [
    "BATCH",
    "CONNECTION",
    "OBJECT_TYPES",
    "Answer",
    "DailyLimit",
    "HubSpot",
    "HubSpotError",
    "Limiter",
    "MaybeApplied",
    "MissingScopes",
    "NotAuthorized",
    "NotConvertible",
    "ObjectType",
    "Property",
    "Refused",
    "Session",
    "Unavailable",
    "connect",
]
