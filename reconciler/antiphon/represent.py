"""A value on its way to the other side: the same meaning, in the words of the side that receives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeAlias

from antiphon.equivalence import (
    EMPTY,
    FALSE,
    TRUE,
    Unmapped,
    Unresolved,
    canon,
    canonical_json,
    from_json,
    is_empty,
    is_number,
    kind_of,
    sent,
    split,
)
from antiphon.mapping import EntitySide, Field, Kind, SetUnion
from antiphon.model import Rid, Side, Value

MemberOf: TypeAlias = Callable[[str, Side], Rid | None]
"""(lid, side) to the link's id there, or None while it has none."""

_REF = "$link"


def reference(lid: str) -> dict[str, str]:
    """A reference to a record that has no id on the receiving side yet; replaced when the write is sent."""
    return {_REF: lid}


def referenced(value: Value) -> str | None:
    """The link that `value` stands for, if it is such a reference."""
    return str(value[_REF]) if isinstance(value, dict) and value.keys() == {_REF} else None


def represent(
    field: Field,
    source: Side,
    target: Side,
    value: Value,
    sides: Mapping[Side, EntitySide],
    resolve: Any,
    member_of: MemberOf,
) -> Value:
    """`value` of `source`, as `target` writes it. Raises nothing: what cannot be converted travels as it is."""
    if is_empty(value):
        return None
    schema = sides[target].columns.get(field.columns[target], {})
    if field.references:
        meaning = canon(field, source, value, resolve)
        if isinstance(meaning, Unresolved | Unmapped) or meaning == EMPTY:
            return None
        rid = member_of(meaning[1], target)
        return as_type(schema, from_json(rid)[0]) if rid is not None else reference(meaning[1])
    if field.transform:
        made = sent(field, value, sides[source].timezone)
        return None if isinstance(made, Unmapped) else as_type(schema, made)
    if isinstance(field.policy, SetUnion):
        members = [_translate(field, source, target, member) for member in split(field, value)]
        if kind_of([schema]) is Kind.LIST or (not schema and isinstance(value, list)):
            return members
        return (field.separator or ";").join(str(m) for m in members)
    return as_type(schema, _translate(field, source, target, value))


def _translate(field: Field, source: Side, target: Side, value: Value) -> Value:
    if not field.picklist or not isinstance(value, str):
        return value
    name = next((name for name, stored in field.picklist.get(source, {}).items() if stored == value), value)
    return field.picklist.get(target, {}).get(name, name)


def as_type(schema: Mapping[str, Any], value: Value) -> Value:
    """`value` as the JSON type that the column's schema asks for, where its meaning stays the same."""
    kind = kind_of([schema])
    if kind in (Kind.TEXT, Kind.DATE, Kind.DATETIME) or schema.get("format") == "singer.decimal":
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | float | Decimal):
            return str(value)
        return canonical_json(value) if isinstance(value, dict | list) else value
    if kind is Kind.NUMBER:
        return _number(value)
    return _boolean(value) if kind is Kind.BOOLEAN else value


def _number(value: Value) -> Value:
    if isinstance(value, bool):
        return int(value)
    if not isinstance(value, str) or not is_number(value.strip()):
        return value
    number = Decimal(value.strip())
    whole = "." not in value and 0 <= number.adjusted() < _LONGEST_INTEGER and number == number.to_integral_value()
    return int(number) if whole else number


def _boolean(value: Value) -> Value:
    if isinstance(value, str):
        word = value.strip().lower()
        return word in TRUE if word in TRUE | FALSE else value
    return bool(value) if isinstance(value, int | float | Decimal) and value in (0, 1) else value


_LONGEST_INTEGER = 100
"""A text of more digits than this is kept as a decimal: 1e999999 is short to write."""
