"""Objects and fields, and what `describe` says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

_SOAP = {
    "boolean": "xsd:boolean",
    "int": "xsd:int",
    "double": "xsd:double",
    "currency": "xsd:double",
    "percent": "xsd:double",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
    "id": "tns:ID",
    "reference": "tns:ID",
    "address": "urn:address",
}


@dataclass(frozen=True, slots=True)
class Field:
    """A field. `length` of text, `precision` and `scale` of numbers, `options` of picklists."""

    name: str
    type: str = "string"
    label: str = ""
    length: int = 255
    required: bool = False
    createable: bool = True
    updateable: bool = True
    unique: bool = False
    external_id: bool = False
    calculated: bool = False
    default: Any = None
    options: Sequence[str] = ()
    restricted: bool = False
    refers_to: Sequence[str] = ()
    relationship: str | None = None
    precision: int = 0
    scale: int = 0
    part_of: str | None = None

    @property
    def shown_label(self) -> str:
        """The label; errors name a field by it."""
        return self.label or self.name.removesuffix("__c").replace("_", " ")

    def describe(self) -> dict[str, Any]:
        """The field as `describe` shows it."""
        options = [{"active": True, "defaultValue": False, "label": each, "validFor": None, "value": each}
                   for each in self.options]  # fmt: skip
        text = self.type not in _SOAP or self.type in {"id", "reference"}
        return {
            "aggregatable": True,
            "autoNumber": False,
            "byteLength": self.length * 3 if text else 0,
            "calculated": self.calculated,
            "caseSensitive": False,
            "compoundFieldName": self.part_of,
            "createable": self.createable,
            "custom": self.name.endswith("__c"),
            "defaultValue": self.default,
            "defaultedOnCreate": self.default is not None,
            "digits": 0,
            "externalId": self.external_id,
            "filterable": self.type != "address",
            "idLookup": self.external_id or self.name == "Id",
            "inlineHelpText": None,
            "label": self.shown_label,
            "length": (18 if self.type in {"id", "reference"} else self.length) if text else 0,
            "name": self.name,
            "nameField": self.name == "Name",
            "nillable": not self.required and self.type not in {"boolean", "id"},
            "picklistValues": options,
            "precision": self.precision,
            "referenceTo": list(self.refers_to),
            "relationshipName": self.relationship,
            "restrictedPicklist": self.restricted,
            "scale": self.scale,
            "soapType": _SOAP.get(self.type, "xsd:string"),
            "sortable": self.type not in {"address", "multipicklist", "textarea"},
            "type": self.type,
            "unique": self.unique,
            "updateable": self.updateable,
        }


def _set_by_salesforce(name: str, kind: str, **more: Any) -> Field:
    return Field(name, kind, createable=False, updateable=False, **more)


_HEAD = (
    _set_by_salesforce("Id", "id"),
    _set_by_salesforce("IsDeleted", "boolean", label="Deleted"),
)
_TAIL = (
    _set_by_salesforce("CreatedDate", "datetime", label="Created Date"),
    _set_by_salesforce("LastModifiedDate", "datetime", label="Last Modified Date"),
    _set_by_salesforce("SystemModstamp", "datetime", label="System Modstamp"),
)


@dataclass(slots=True)
class SObject:
    """An object type. `prefix` begins the ids of its records; `merges`: whether records can be merged.

    `bulk`: whether the Bulk API reads it.
    """

    name: str
    prefix: str
    fields: dict[str, Field]
    label: str = ""
    merges: bool = False
    bulk: bool = True
    hidden: set[str] = field(default_factory=set)  # fields that the user of the API may not see

    @classmethod
    def of(cls, name: str, prefix: str, *fields: Field, merges: bool = False, label: str = "") -> SObject:
        """An object type with these fields, and those that every one has."""
        master = [_set_by_salesforce("MasterRecordId", "reference", refers_to=(name,), relationship="MasterRecord")]
        every = [*_HEAD, *(master if merges else ()), *fields, *_TAIL]
        return cls(name, prefix, {each.name: each for each in every}, label or name, merges)

    def known(self, name: str) -> Field | None:
        """The field of this name, in whatever case, if the user may see it."""
        found = self.fields.get(name) or next(
            (each for each in self.fields.values() if each.name.lower() == name.lower()), None
        )
        return None if found is None or found.name in self.hidden else found

    @property
    def visible(self) -> list[Field]:
        """The fields that the user may see."""
        return [each for each in self.fields.values() if each.name not in self.hidden]

    def add(self, *fields: Field) -> None:
        """Define more fields, or some anew."""
        self.fields |= {each.name: each for each in fields}

    def alter(self, name: str, **changed: Any) -> None:
        """Change the definition of a field."""
        self.fields[name] = replace(self.fields[name], **changed)

    def summary(self, root: str) -> dict[str, Any]:
        """The object as the global describe shows it; `root` is the path of the API's version."""
        path = f"{root}/sobjects/{self.name}"
        return {
            "createable": True,
            "custom": self.name.endswith("__c"),
            "deletable": True,
            "keyPrefix": self.prefix,
            "label": self.label,
            "labelPlural": f"{self.label}s",
            "mergeable": self.merges,
            "name": self.name,
            "queryable": True,
            "replicateable": True,
            "retrieveable": True,
            "undeletable": True,
            "updateable": True,
            "urls": {"sobject": path, "describe": f"{path}/describe", "rowTemplate": f"{path}/{{ID}}"},
        }

    def describe(self, root: str) -> dict[str, Any]:
        """The object as `describe` shows it."""
        return {**self.summary(root), "fields": [each.describe() for each in self.visible]}


def standard() -> Mapping[str, SObject]:
    """Accounts, contacts and opportunities, as a new org has them, with the fields that most use."""
    account = Field("AccountId", "reference", "Account ID", refers_to=("Account",), relationship="Account")
    objects = (
        SObject.of(
            "Account",
            "001",
            Field("Name", label="Account Name", required=True),
            Field("BillingCity", label="Billing City", length=40, part_of="BillingAddress"),
            Field("BillingCountry", label="Billing Country", length=80, part_of="BillingAddress"),
            _set_by_salesforce("BillingAddress", "address", label="Billing Address"),
            Field("Phone", "phone", length=40),
            Field("Website", "url"),
            Field("Industry", "picklist", options=("Agriculture", "Banking", "Energy", "Technology")),
            Field("AnnualRevenue", "currency", "Annual Revenue", precision=18),
            Field("NumberOfEmployees", "int", "Employees"),
            merges=True,
        ),
        SObject.of(
            "Contact",
            "003",
            account,
            Field("FirstName", label="First Name", length=40, part_of="Name"),
            Field("LastName", label="Last Name", length=80, required=True, part_of="Name"),
            _set_by_salesforce("Name", "string", label="Full Name", length=121),
            Field("Email", "email", length=80),
            Field("Phone", "phone", length=40),
            Field("MailingCity", label="Mailing City", length=40, part_of="MailingAddress"),
            _set_by_salesforce("MailingAddress", "address", label="Mailing Address"),
            Field("Birthdate", "date"),
            Field("LeadSource", "picklist", "Lead Source", options=("Web", "Phone Inquiry", "Partner", "Other")),
            Field("HasOptedOutOfEmail", "boolean", "Email Opt Out", default=False),
            merges=True,
        ),
        SObject.of(
            "Opportunity",
            "006",
            account,
            Field("Name", length=120, required=True),
            Field(
                "StageName",
                "picklist",
                "Stage",
                required=True,
                options=("Prospecting", "Negotiation/Review", "Closed Won", "Closed Lost"),
            ),
            Field("CloseDate", "date", "Close Date", required=True),
            Field("Amount", "currency", precision=18, scale=2),
            Field("Probability", "percent", "Probability (%)", precision=3),
            _set_by_salesforce(
                "ExpectedRevenue", "currency", label="Expected Amount", calculated=True, precision=18, scale=2
            ),
        ),
    )
    return {each.name: each for each in objects}
