"""Fields made by the Tooling API, and the rights that show them to a user.

A field that is made so is seen by nobody, until a permission set that the user has says that they may:
`CustomField` ─▶ hidden; `PermissionSet` + `PermissionSetAssignment` + `FieldPermissions` ─▶ visible.
Source: Salesforce docs, "Tooling API", "CustomField"; "Object Reference", "FieldPermissions"; "REST API Developer
Guide", "List Available REST Resources".
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from antiphon_sandbox.salesforce.errors import in_our_words, refuse
from antiphon_sandbox.salesforce.org import Org
from antiphon_sandbox.salesforce.request import Reply, Request, Route
from antiphon_sandbox.salesforce.schema import Field, SObject

USER = "0055g000000SANDAAA"
_TYPES = {"Text": "string", "Number": "double", "Checkbox": "boolean", "Date": "date", "DateTime": "datetime"}
RIGHTS = frozenset({"PermissionSetAssignment", "FieldPermissions"})
_RESOURCES = ("sobjects", "query", "queryAll", "composite", "tooling", "limits", "jobs")


def rights() -> dict[str, SObject]:
    """The objects that say who may see what; no job reads them."""
    parent = Field("ParentId", "reference", refers_to=("PermissionSet",), relationship="Parent", required=True)
    given = Field("PermissionSetId", "reference", refers_to=("PermissionSet",), required=True)
    objects = (
        SObject.of("PermissionSet", "0PS", Field("Name", length=80, required=True), Field("Label", required=True)),
        SObject.of("PermissionSetAssignment", "0Pa", given, Field("AssigneeId", required=True)),
        SObject.of(
            "FieldPermissions",
            "01k",
            parent,
            Field("SobjectType", required=True),
            Field("Field", required=True),
            Field("PermissionsRead", "boolean", default=False),
            Field("PermissionsEdit", "boolean", default=False),
        ),
    )
    return {each.name: each for each in objects}


def _make_field(request: Request) -> Reply:
    given = request.wanted()
    found = re.fullmatch(r"(\w+)\.(\w+)__c", str(given.get("FullName") or ""))
    shape: dict[str, Any] = given.get("Metadata") or {}
    if found is None or shape.get("type") not in _TYPES:
        raise in_our_words("FIELD_INTEGRITY_EXCEPTION", "FullName or Metadata.type is none that can be made")
    if not request.org.customizable:
        raise in_our_words("INSUFFICIENT_ACCESS", "insufficient access rights", status=HTTPStatus.FORBIDDEN)
    sobject, name = request.org.kind(found[1]), f"{found[2]}__c"
    if name in sobject.fields:
        raise refuse("DUPLICATE_DEVELOPER_NAME", f"There is already a field named {found[2]} on {sobject.name}.")
    sobject.add(
        Field(
            name,
            _TYPES[str(shape["type"])],
            str(shape.get("label") or ""),
            int(shape.get("length") or 255),
            unique=bool(shape.get("unique")),
            external_id=bool(shape.get("externalId")),
        )
    )
    sobject.hidden.add(name)
    made = {"id": request.org.new_id("00N"), "success": True, "errors": [], "warnings": [], "infos": []}
    return Reply(HTTPStatus.CREATED, made)


def show_what_is_permitted(org: Org) -> None:
    """Show the fields that a permission set of the user names. The caller holds the lock."""
    sets = {each.values["PermissionSetId"] for each in org.live("PermissionSetAssignment")
            if each.values["AssigneeId"] == USER}  # fmt: skip
    for each in org.live("FieldPermissions"):
        if each.values["ParentId"] in sets and each.values["PermissionsRead"]:
            kind, _, name = str(each.values["Field"]).partition(".")
            org.kind(kind).hidden.discard(name)


def _resources(request: Request) -> Reply:
    listed = {name: f"{request.root}/{name}" for name in _RESOURCES}
    return Reply(body={**listed, "identity": f"https://login.salesforce.com/id/{request.org.id}/{USER}"})


ROUTES = [Route("GET", "/", _resources), Route("POST", "/tooling/sobjects/CustomField", _make_field)]
