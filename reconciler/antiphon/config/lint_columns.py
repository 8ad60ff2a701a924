"""What the streams' schemas say against sync.yml: columns that are not there, types that never agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from antiphon.config.bind import MADE, Columns
from antiphon.config.document import did_you_mean
from antiphon.config.finding import Finding, error, warning
from antiphon.config.settings import EntityConfig, SyncConfig
from antiphon.equivalence import kind_of
from antiphon.mapping import Field, Kind, SetUnion, Uuid
from antiphon.model import OpKind, Side

_CARRIES_ANYTHING = frozenset({Kind.ANY, Kind.TEXT})
_LIMITS = {"scale": ("decimal places", "a finer number"), "maxLength": ("characters", "a longer text")}
"""What a SCHEMA says of a column's room, in words."""


def lint_columns(config: SyncConfig, entity: EntityConfig, columns: Columns) -> Iterator[Finding]:
    """The findings on one entity, as far as the columns of its streams are known."""
    for side in config.side_names:
        shown = columns.get((side, entity.name))
        if shown:
            yield from _key(entity, side, shown)
            yield from _mapped(entity, side, shown)
            if config.sides[side].target is not None:
                yield from _writable(entity, side, config.other(side), shown)
    for field in entity.fields.values():
        schemas = {side: columns.get((side, entity.name), {}).get(column) for side, column in field.columns.items()}
        if not field.references:
            known = {side: schema for side, schema in schemas.items() if schema is not None}
            yield from _types(entity, field, known)
            yield from _choices(entity, field, known)
            yield from _limits(entity, field, known)


def _key(entity: EntityConfig, side: Side, shown: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    stream, where = entity.sides[side], f"entities.{entity.name}.sides.{side}"
    for column in stream.key:
        if column not in shown:
            yield error(f"{where}.key", _absent(column, stream.stream, side, shown))
        elif isinstance(stream.key_rule, Uuid) and kind_of([shown[column]]) is Kind.NUMBER:
            yield error(
                f"{where}.on_create",
                f"the key column {column} holds numbers, such as a serial gives out, and a UUID is none",
                "`assigned`, with a target that writes receipts, or `{from: …}`",
            )
    if stream.replication_key is not None and stream.replication_key not in shown:
        yield error(f"{where}.replication_key", _absent(stream.replication_key, stream.stream, side, shown))


def _mapped(entity: EntityConfig, side: Side, shown: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    for field in entity.fields.values():
        if field.columns[side] not in shown:
            yield error(entity.where(field, side), _absent(field.columns[side], entity.sides[side].stream, side, shown))


def _writable(
    entity: EntityConfig, side: Side, other: Side, shown: Mapping[str, Mapping[str, Any]]
) -> Iterator[Finding]:
    if not entity.sides[side].allow & {OpKind.CREATE, OpKind.UPDATE}:
        return
    for field in entity.fields.values():
        column = field.columns[side]
        receives = field.direction is None or field.direction[1] == side
        if receives and shown.get(column, {}).get("readOnly") is True:
            yield error(
                entity.where(field, side),
                f"{side} lets nobody write {column} (it is read-only), so that edits of {other} would never arrive",
                f"`direction: {{from: {side}, to: {other}}}`",
            )


def _choices(entity: EntityConfig, field: Field, schemas: Mapping[Side, Mapping[str, Any]]) -> Iterator[Finding]:
    """Two picklists with values of their own need `values:` to be one-to-one."""
    lists = {side: set(schema["enum"]) - {None, ""} for side, schema in schemas.items() if schema.get("enum")}
    if len(lists) < 2 or field.picklist or field.transform or isinstance(field.policy, SetUnion):  # noqa: PLR2004 a pair
        return
    (a, mine), (b, theirs) = lists.items()
    alone = sorted(str(value) for value in mine ^ theirs)
    told = error if not mine & theirs else warning
    if alone:
        yield told(
            entity.where(field),
            f"the picklists of {a} and {b} differ: {', '.join(alone[:3])}{' …' if len(alone) > 3 else ''} "  # noqa: PLR2004 an excerpt
            "would be refused on the other side",
            "name every value in `values:`",
        )


def _limits(entity: EntityConfig, field: Field, schemas: Mapping[Side, Mapping[str, Any]]) -> Iterator[Finding]:
    """A column that receives what it has no room for."""
    for key, (unit, more) in _LIMITS.items():
        limits = {side: schema[key] for side, schema in schemas.items() if isinstance(schema.get(key), int)}
        if len(set(limits.values())) < 2 or field.transform:  # noqa: PLR2004 a pair
            continue
        (narrow, least), (wide, most) = sorted(limits.items(), key=lambda each: each[1])
        if field.direction is None or field.direction[1] == narrow:
            yield warning(
                entity.where(field),
                f"{narrow} holds {least} {unit}, {wide} {most}: {more} of {wide} is refused and waits for a person",
                f"widen the column of {narrow}",
            )


def _absent(column: str, stream: str, side: Side, shown: Mapping[str, Any]) -> str:
    return f"the stream {stream} of {side} has no column {column!r}{did_you_mean(column, shown)}"


def _types(entity: EntityConfig, field: Field, schemas: Mapping[Side, Mapping[str, Any]]) -> Iterator[Finding]:
    kinds = {side: kind_of([schema]) for side, schema in schemas.items()}
    if isinstance(field.policy, SetUnion):
        yield from _set(entity, field, kinds)
        return
    if field.direction is not None and field.transform:
        kinds[field.direction[0]] = MADE[field.transform[-1][0]]
    if len(kinds) < 2 or field.name in entity.types:  # noqa: PLR2004 a pair has two
        return
    (a, mine), (b, theirs) = kinds.items()
    if mine is theirs:
        integers = [side for side in (a, b) if mine is Kind.NUMBER and _integers_only(schemas.get(side, {}))]
        if len(integers) == 1:
            other = b if integers[0] == a else a
            yield warning(
                entity.where(field),
                f"{integers[0]} holds whole numbers only, so that fractions of {other} never arrive",
            )
    elif {mine, theirs} == {Kind.LIST, Kind.TEXT}:
        yield error(
            entity.where(field),
            f"{a} holds a {mine}, {b} a {theirs}, which would never be equal",
            "`policy: set` with a `separator`, or `type: json`",
        )
    elif not {mine, theirs} & _CARRIES_ANYTHING:
        yield error(
            entity.where(field),
            f"{a} holds a {mine}, {b} a {theirs}: values change on the way and never agree",
            "map a column of the same type, or say `type:` if one of the schemas is wrong",
        )


def _integers_only(schema: Mapping[str, Any]) -> bool:
    types = schema.get("type", [])
    return set([types] if isinstance(types, str) else types) - {"null"} == {"integer"}


def _set(entity: EntityConfig, field: Field, kinds: Mapping[Side, Kind]) -> Iterator[Finding]:
    for side, kind in kinds.items():
        if kind is Kind.TEXT and not field.separator:
            yield warning(
                entity.where(field),
                f"{side} holds the members as text, and no `separator` says what stands between them: ';' is taken",
                'add `separator: ";"`',
            )
        elif kind not in {Kind.LIST, Kind.JSON, *_CARRIES_ANYTHING}:
            yield error(entity.where(field), f"{side} holds a {kind}, which cannot hold the members of a set")
