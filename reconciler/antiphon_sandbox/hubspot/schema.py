"""What an account holds before anybody changed it: object types, their properties, and the kinds of association."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

HUBSPOT_DEFINED, USER_DEFINED = "HUBSPOT_DEFINED", "USER_DEFINED"


@dataclass(frozen=True, slots=True)
class Property:
    """A property's definition (HubSpot docs, "CRM API | Properties")."""

    name: str
    type: str = "string"  # bool, date, datetime, enumeration, number, phone_number, string
    field_type: str = "text"
    label: str = ""
    options: tuple[str, ...] = ()
    unique: bool = False
    read_only: bool = False
    group: str = "information"
    description: str = ""
    defined_by_hubspot: bool = True
    archived: bool = False

    def shown(self, at: str) -> dict[str, Any]:
        """As the properties API shows it."""
        return {
            "name": self.name,
            "label": self.label or self.name.replace("_", " ").capitalize(),
            "type": self.type,
            "fieldType": self.field_type,
            "description": self.description,
            "groupName": self.group,
            "options": [
                {"label": option.capitalize(), "value": option, "displayOrder": n, "hidden": False, "description": ""}
                for n, option in enumerate(self.options)
            ],
            "displayOrder": -1,
            "calculated": self.read_only and self.name.startswith("hs_"),
            "externalOptions": False,
            "archived": self.archived,
            "hasUniqueValue": self.unique,
            "hidden": False,
            "hubspotDefined": self.defined_by_hubspot,
            "formField": not self.read_only,
            "createdAt": at,
            "updatedAt": at,
            "modificationMetadata": {
                "archivable": not self.defined_by_hubspot,
                "readOnlyDefinition": self.defined_by_hubspot,
                "readOnlyValue": self.read_only,
            },
        }


@dataclass(slots=True)
class ObjectType:
    """A kind of record. `label` is the word that messages use for one, `modified` the property that follows edits."""

    name: str
    type_id: str
    label: str
    modified: str = "hs_lastmodifieddate"
    properties: dict[str, Property] = field(default_factory=dict)
    scope: str = ""
    custom: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    primary: str = ""

    @property
    def needs(self) -> str:
        """The family of scopes that guards it."""
        return self.scope or f"crm.objects.{self.name}"


def _text(*names: str) -> list[Property]:
    return [Property(name) for name in names]


def _choice(name: str, *options: str, many: bool = False) -> Property:
    return Property(name, "enumeration", "checkbox" if many else "select", options=options)


def _number(*names: str) -> list[Property]:
    return [Property(name, "number", "number") for name in names]


def _moment(*names: str) -> list[Property]:
    return [Property(name, "datetime", "date") for name in names]


_OWNER = Property("hubspot_owner_id", "enumeration", "select")  # its options are the owners
_STAMPS = (
    Property("hs_object_id", "number", "number", read_only=True),
    Property("createdate", "datetime", "date", read_only=True),
    Property("hs_createdate", "datetime", "date", read_only=True),
    Property("hs_merged_object_ids", "enumeration", "checkbox", read_only=True),
    Property("hs_object_source", "string", "text", read_only=True),
    Property("hs_object_source_id", "string", "text", read_only=True),
)
_ACTIVITY = [*_moment("hs_timestamp"), _OWNER]

_TYPES: Sequence[tuple[str, str, str, str, Sequence[Property]]] = (
    (
        "contacts",
        "0-1",
        "Contact",
        "",
        [
            Property("email", unique=True),
            *_text("firstname", "lastname", "company", "jobtitle", "city", "country", "zip", "address", "website"),
            Property("phone", "string", "phonenumber"),
            Property("mobilephone", "string", "phonenumber"),
            Property("date_of_birth", "date", "date"),
            *_number("num_children", "annualrevenue"),
            _choice(
                "lifecyclestage",
                *("subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer"),
            ),
            _choice("hs_lead_status", "NEW", "OPEN", "IN_PROGRESS", "UNQUALIFIED"),
            _choice("hs_buying_role", "DECISION_MAKER", "BUDGET_HOLDER", "END_USER", "CHAMPION", many=True),
            Property("hs_email_optout", "bool", "booleancheckbox", options=("true", "false")),
            *_moment("notes_next_activity_date", "first_conversion_date"),
            Property("hs_additional_emails", "enumeration", "checkbox", read_only=True),
            Property("hs_email_domain", read_only=True),
            Property("hs_is_unworked", "bool", "booleancheckbox", options=("true", "false"), read_only=True),
            _OWNER,
        ],
    ),
    (
        "companies",
        "0-2",
        "Company",
        "",
        [
            *_text("name", "domain", "website", "industry", "city", "country", "phone"),
            *_number("numberofemployees", "annualrevenue"),
            _OWNER,
        ],
    ),
    (
        "deals",
        "0-3",
        "Deal",
        "",
        [
            *_text("dealname", "description"),
            *_number("amount"),
            *_moment("closedate"),
            _choice("pipeline", "default"),
            _choice("dealstage", "appointmentscheduled", "qualifiedtobuy", "closedwon", "closedlost"),
            _choice("dealtype", "newbusiness", "existingbusiness"),
            _OWNER,
        ],
    ),
    (
        "tickets",
        "0-5",
        "Ticket",
        "tickets",
        [
            *_text("subject", "content"),
            _choice("hs_pipeline", "0"),
            _choice("hs_pipeline_stage", "1", "2", "3", "4"),
            _choice("hs_ticket_priority", "LOW", "MEDIUM", "HIGH"),
            _OWNER,
        ],
    ),
    ("products", "0-7", "Product", "e-commerce", [*_text("name", "description", "hs_sku"), *_number("price")]),
    (
        "line_items",
        "0-8",
        "Line item",
        "e-commerce",
        [*_text("name", "hs_product_id"), *_number("quantity", "price", "amount")],
    ),
    ("leads", "0-136", "Lead", "", [*_text("hs_lead_name"), _choice("hs_lead_type", "NEW_BUSINESS", "UPSELL"), _OWNER]),
    (
        "calls",
        "0-48",
        "Call",
        "crm.objects.contacts",
        [*_text("hs_call_title", "hs_call_body"), *_number("hs_call_duration"), *_ACTIVITY],
    ),
    (
        "emails",
        "0-49",
        "Email",
        "crm.objects.contacts",
        [
            *_text("hs_email_subject", "hs_email_text"),
            _choice("hs_email_direction", "EMAIL", "INCOMING_EMAIL", "FORWARDED_EMAIL"),
            *_ACTIVITY,
        ],
    ),
    (
        "meetings",
        "0-47",
        "Meeting",
        "crm.objects.contacts",
        [*_text("hs_meeting_title", "hs_meeting_body"), *_moment("hs_meeting_start_time"), *_ACTIVITY],
    ),
    ("notes", "0-46", "Note", "crm.objects.contacts", [*_text("hs_note_body"), *_ACTIVITY]),
    (
        "tasks",
        "0-27",
        "Task",
        "crm.objects.contacts",
        [
            *_text("hs_task_subject", "hs_task_body"),
            _choice("hs_task_status", "NOT_STARTED", "IN_PROGRESS", "COMPLETED"),
            *_ACTIVITY,
        ],
    ),
)

SINGULAR = {
    "contact": "contacts",
    "company": "companies",
    "deal": "deals",
    "ticket": "tickets",
    "product": "products",
    "line_item": "line_items",
    "lead": "leads",
    "call": "calls",
    "email": "emails",
    "meeting": "meetings",
    "note": "notes",
    "task": "tasks",
}
"""The singular names that the API takes for its own object types."""


def own_properties(modified: str) -> dict[str, Property]:
    """The read-only properties that every record has."""
    stamps = [*_STAMPS, Property(modified, "datetime", "date", read_only=True)]
    return {each.name: each for each in stamps}


def object_types() -> dict[str, ObjectType]:
    """HubSpot's own object types, by plural name, each new."""
    found = {}
    for name, type_id, label, scope, properties in _TYPES:
        modified = "lastmodifieddate" if name == "contacts" else "hs_lastmodifieddate"
        known = own_properties(modified) | {each.name: each for each in properties}
        found[name] = ObjectType(name, type_id, label, modified, known, scope)
    return found


# (from, to): [(type id, inverse type id, label)]; the primary association of a record to a company has a label.
ASSOCIATIONS: Mapping[tuple[str, str], Sequence[tuple[int, int, str | None]]] = {
    ("contacts", "companies"): [(279, 280, None), (1, 2, "Primary")],
    ("deals", "companies"): [(341, 342, None), (5, 6, "Primary")],
    ("deals", "contacts"): [(3, 4, None)],
    ("tickets", "contacts"): [(16, 15, None)],
    ("tickets", "companies"): [(339, 340, None), (26, 25, "Primary")],
    ("deals", "tickets"): [(27, 28, None)],
    ("deals", "line_items"): [(19, 20, None)],
    ("notes", "contacts"): [(202, 201, None)],
    ("notes", "companies"): [(190, 189, None)],
    ("tasks", "contacts"): [(204, 203, None)],
    ("calls", "contacts"): [(194, 193, None)],
    ("emails", "contacts"): [(198, 197, None)],
    ("meetings", "contacts"): [(200, 199, None)],
    ("leads", "contacts"): [(578, 579, "Primary")],
}
