"""The columns of a stream in Salesforce: fields, and references that name the other record by a field of its own.

| column                          | what is sent                        |
|---------------------------------|-------------------------------------|
| `LastName: "Ames"`              | the same                            |
| `Account: {"Number__c": "A-7"}` | the same: Salesforce finds the id   |
| `Account.Number__c: "A-7"`      | the same, as a flattened tap has it |
| `Account.Number__c: null`       | `AccountId: null`                   |

Source: Salesforce docs, "Insert or Update (Upsert) a Record Using an External ID", "Create a relationship".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tap_salesforce.api import Field, SObject, same, to_salesforce


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `by`: the field by which a reference names the other record; empty for the field's own value."""

    name: str
    field: Field
    by: str = ""

    def sent(self, value: Any) -> tuple[str, Any]:
        """Name and value as they are sent. Raises `NotConvertible`."""
        if not self.by:
            return self.field.name, to_salesforce(self.field, value)
        if value is None or value == "":
            return self.field.name, None
        return self.field.relationship, {self.by: str(value)}

    def held(self, shown: Mapping[str, Any]) -> Any:
        """The column's value in a record that a query showed."""
        if not self.by:
            return shown.get(self.field.name)
        return (shown.get(self.field.relationship) or {}).get(self.by)

    def same(self, one: Any, other: Any) -> bool:
        """Whether two values are the same to Salesforce; external ids are found in whatever case."""
        if not self.by:
            return same(self.field, one, other)
        return str(one or "").strip().lower() == str(other or "").strip().lower()


def flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with each nested reference as one column, `Account.Number__c`."""
    found: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{inner}": held for inner, held in value.items()}
        else:
            found[name] = value
    return found


def column_of(known: SObject, name: str) -> Column | None:
    """The column of this name; None if the object has none."""
    if name in known.fields:
        return Column(name, known.fields[name])
    relationship, _, by = name.partition(".")
    if not by:
        return None
    field = next((each for each in known.fields.values() if each.relationship == relationship), None)
    return None if field is None else Column(name, field, by)
