"""Salesforce, said once for tap and target: settings, tokens, sessions, errors, fields, calls.

Everything here is a description of Salesforce's REST API. What is read and written with it is the
business of `tap_salesforce` and `target_salesforce`.
"""

from tap_salesforce.api.bulk import bulk_rows
from tap_salesforce.api.errors import (
    ExpiredCursor,
    ExpiredReplay,
    JobFailed,
    MaybeApplied,
    NotAuthorized,
    OverLimit,
    Refused,
    SalesforceError,
    Unavailable,
    WrongSettings,
)
from tap_salesforce.api.fields import DELETED, MASTER, STAMP, Field
from tap_salesforce.api.ingest import LARGEST, NOTHING, Ingested, write_by_job
from tap_salesforce.api.org import USUAL, Org, SObject
from tap_salesforce.api.session import Session
from tap_salesforce.api.settings import SETTINGS, connect
from tap_salesforce.api.setup import make_key_field
from tap_salesforce.api.soap import undelete
from tap_salesforce.api.values import NotConvertible, folded, literal, long_id, same, to_salesforce

__all__ = [
    "DELETED",
    "LARGEST",
    "MASTER",
    "NOTHING",
    "SETTINGS",
    "STAMP",
    "USUAL",
    "ExpiredCursor",
    "ExpiredReplay",
    "Field",
    "Ingested",
    "JobFailed",
    "MaybeApplied",
    "NotAuthorized",
    "NotConvertible",
    "Org",
    "OverLimit",
    "Refused",
    "SObject",
    "SalesforceError",
    "Session",
    "Unavailable",
    "WrongSettings",
    "bulk_rows",
    "connect",
    "folded",
    "literal",
    "long_id",
    "make_key_field",
    "same",
    "to_salesforce",
    "undelete",
    "write_by_job",
]
