"""The field for the key of a link, made by plain requests, and the right of the user of the API to see and write it.

A field that the Tooling API makes is seen by nobody; a permission set, `Antiphon`, shows it to the user. Whatever is
there already is left as it is, so it may be done again where it broke off.
Source: Salesforce docs, "Tooling API", "CustomField"; "Object Reference", "PermissionSet", "PermissionSetAssignment",
"FieldPermissions".
"""

from __future__ import annotations

from typing import Any

from tap_salesforce.api.errors import Refused
from tap_salesforce.api.session import Session

_LENGTH = 36
_NAME, _LABEL = "Antiphon", "Antiphon"


def make_key_field(session: Session, kind: str, name: str) -> None:
    """Make a unique external id of 36 characters on an object, and show it to the user.

    Raises the errors of `tap_salesforce.api.errors`: `Refused` if the user may not customize the org.
    """
    what = f"the making of {kind}.{name}"
    label = name.removesuffix("__c").replace("_", " ").capitalize()
    shape = {
        "label": label, "type": "Text", "length": _LENGTH, "unique": True, "externalId": True, "required": False,
        "description": "The key by which Antiphon knows the record.",
    }  # fmt: skip
    body = {"FullName": f"{kind}.{name}", "Metadata": shape}
    try:
        session.call("POST", "/tooling/sobjects/CustomField", body, repeatable=False, what=what)
    except Refused as error:
        if error.code != "DUPLICATE_DEVELOPER_NAME":
            raise
    user = _user(session)
    permitted = _found_or_made(session, "PermissionSet", {"Name": _NAME}, {"Label": _LABEL}, what)
    field = {"ParentId": permitted, "Field": f"{kind}.{name}"}
    rights = {"SobjectType": kind, "PermissionsRead": True, "PermissionsEdit": True}
    _found_or_made(session, "FieldPermissions", field, rights, what)
    _found_or_made(session, "PermissionSetAssignment", {"PermissionSetId": permitted, "AssigneeId": user}, {}, what)


def _user(session: Session) -> str:
    """The id of the user who is logged in, from the address of their identity."""
    shown = session.call("GET", "/", what="who is logged in")
    return str(shown["identity"]).rstrip("/").rpartition("/")[2]


def _found_or_made(session: Session, kind: str, values: dict[str, Any], more: dict[str, Any], what: str) -> str:
    """The id of the record with these values; it is made, with `more` beside, if there is none."""
    where = " AND ".join(f"{name} = '{value}'" for name, value in values.items())
    query = f"SELECT Id FROM {kind} WHERE {where}"  # noqa: S608 - SOQL
    found = session.call("GET", "/query", params={"q": query}, what=what)["records"]
    if found:
        return str(found[0]["Id"])
    return str(session.call("POST", f"/sobjects/{kind}", {**values, **more}, repeatable=False, what=what)["id"])
