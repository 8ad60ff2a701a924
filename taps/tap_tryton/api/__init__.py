"""Tryton, said once for the tap and the targets: settings, sessions, errors, fields, calls.

Everything here is a description of Tryton as it is reached from outside. What is read and written with it is the
business of `tap_tryton` and `target_tryton`. Nothing of trytond is imported.
"""

from tap_tryton.api.errors import (
    Changed,
    MaybeApplied,
    NotAuthorized,
    Refused,
    ServerFault,
    TrytonError,
    Unavailable,
    WrongSettings,
)
from tap_tryton.api.fields import CORE, Field, NotConvertible, as_datetime
from tap_tryton.api.models import REPLACED, SHOWN_CHILDREN, USUAL, stream_of
from tap_tryton.api.server import PAGE, STAMP, Domain, Model, Shown, Tryton
from tap_tryton.api.session import Session
from tap_tryton.api.settings import KEY, SERVER, USER, connect

__all__ = [
    "CORE",
    "KEY",
    "PAGE",
    "REPLACED",
    "SERVER",
    "SHOWN_CHILDREN",
    "STAMP",
    "USER",
    "USUAL",
    "Changed",
    "Domain",
    "Field",
    "MaybeApplied",
    "Model",
    "NotAuthorized",
    "NotConvertible",
    "Refused",
    "ServerFault",
    "Session",
    "Shown",
    "Tryton",
    "TrytonError",
    "Unavailable",
    "WrongSettings",
    "as_datetime",
    "connect",
    "stream_of",
]
