"""The fields of an object: what `describe` says of them, as JSON Schema.

| Salesforce's type              | in a record                      | JSON Schema                                 |
|--------------------------------|----------------------------------|---------------------------------------------|
| string, textarea, email, phone | text                             | string, `maxLength`                         |
| id, reference                  | 18 characters                    | string; the description names its objects   |
| picklist, combobox             | the stored value                 | string, `enum` where the list is restricted |
| multipicklist                  | `a;b`                            | string                                      |
| boolean                        | true, false                      | boolean                                     |
| int, long                      | number                           | integer                                     |
| double, currency, percent      | number                           | number                                      |
| date, datetime, time           | `2026-01-02`, `…T03:04:05+00:00` | string, with its format                     |

A picklist that is not restricted takes other values too: its list is told as `x-options`. Addresses and places are made
of other fields, which are columns; files are left out. Source: Salesforce docs, "Field Types", "DescribeSObjectResult".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

STAMP, DELETED, MASTER = "SystemModstamp", "IsDeleted", "MasterRecordId"
_TEXT = {"type": ["string", "null"]}
_NUMBER = {"type": ["number", "null"]}
_INTEGER = {"type": ["integer", "null"]}
_SHAPES: Mapping[str, dict[str, Any]] = {
    "boolean": {"type": ["boolean", "null"]},
    "int": _INTEGER,
    "long": _INTEGER,
    "double": _NUMBER,
    "currency": _NUMBER,
    "percent": _NUMBER,
    "date": {"type": ["string", "null"], "format": "date"},
    "datetime": {"type": ["string", "null"], "format": "date-time"},
    "time": {"type": ["string", "null"], "format": "time"},
}
_NUMBERS = frozenset(name for name, shape in _SHAPES.items() if shape in (_NUMBER, _INTEGER))
_NO_COLUMN = frozenset({"address", "location", "base64", "anyType", "complexvalue", "json"})
_LISTS = frozenset({"picklist", "combobox", "multipicklist"})


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an object, as the org defines it."""

    name: str
    type: str
    label: str = ""
    help: str = ""
    length: int = 0
    scale: int = 0
    createable: bool = False
    updateable: bool = False
    calculated: bool = False
    unique: bool = False
    external_id: bool = False
    part_of: str = ""
    options: tuple[str, ...] = ()
    restricted: bool = False
    refers_to: tuple[str, ...] = ()
    relationship: str = ""  # under which the record that is referred to can be named

    @classmethod
    def of(cls, shown: Mapping[str, Any]) -> Field | None:
        """The field of an entry of `describe`; None for one that a column cannot hold."""
        if shown["type"] in _NO_COLUMN:
            return None
        return cls(
            str(shown["name"]),
            str(shown["type"]),
            str(shown.get("label") or ""),
            str(shown.get("inlineHelpText") or ""),
            int(shown.get("length") or 0),
            int(shown.get("scale") or 0),
            createable=bool(shown.get("createable")),
            updateable=bool(shown.get("updateable")),
            calculated=bool(shown.get("calculated")),
            unique=bool(shown.get("unique")),
            external_id=bool(shown.get("externalId")),
            part_of=str(shown.get("compoundFieldName") or ""),
            options=tuple(str(each["value"]) for each in shown.get("picklistValues") or () if each.get("active", True)),
            restricted=bool(shown.get("restrictedPicklist")),
            refers_to=tuple(shown.get("referenceTo") or ()),
            relationship=str(shown.get("relationshipName") or ""),
        )

    def to_schema(self) -> dict[str, Any]:
        """The column."""
        shape = dict(_SHAPES.get(self.type, _TEXT))
        if shape == _TEXT and self.length:
            shape["maxLength"] = self.length
        if self.type in _LISTS and self.options:
            one_of = self.restricted and self.type != "multipicklist"
            shape |= {"enum": [*self.options, None]} if one_of else {"x-options": list(self.options)}
        if not (self.createable or self.updateable):
            shape["readOnly"] = True
        if self.unique:
            shape["x-unique"] = True
        if self.calculated:
            shape["x-calculated"] = True
        if self.part_of:
            shape["x-part-of"] = self.part_of
        said = ". ".join(part.rstrip(".") for part in (self.label, self.help, *self._told()) if part)
        return {**shape, "description": f"{said}."} if said else shape

    def _told(self) -> list[str]:
        found = []
        if self.refers_to:
            found.append(f"Id in {' or '.join(self.refers_to)}")
        if self.external_id:
            found.append("An external id")
        if self.calculated:
            found.append(f"A formula: its change does not move {STAMP}")
        if self.createable and not self.updateable:
            found.append("Set when the record is made, and never changed")
        return found

    def from_salesforce(self, value: Any) -> Any:
        """The value of a record, of JSON or of CSV: the same one by either way.

        A number comes as `12`, `12.0` or `1.2E1`: it is given exactly, without zeros that say nothing. Stamps come as
        `…T03:04:05.000+0000` or with `Z`, whose offset not every reader knows.
        """
        if value is None or value == "":
            return None
        match self.type:
            case "boolean":
                return value if isinstance(value, bool) else value == "true"
            case kind if kind in _NUMBERS:
                number = value if isinstance(value, Decimal) else Decimal(str(value))
                return int(number) if number == number.to_integral_value() else number.normalize()
            case "datetime":
                return f"{str(value).removesuffix('Z').removesuffix('+0000').removesuffix('.000')}+00:00"
            case _:
                return value
