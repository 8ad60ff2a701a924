"""`lint`: what sync.yml says clearly enough, and yet cannot converge or cannot be done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from antiphon.config.bind import Columns, gives_receipts
from antiphon.config.finding import Finding, Severity, error, warning
from antiphon.config.lint_columns import lint_columns
from antiphon.config.lint_policies import lint_policies
from antiphon.config.settings import EntityConfig, Replication, StreamConfig, SyncConfig
from antiphon.mapping import Assigned, CopyFrom, Derived, Field, OnDelete, Uuid
from antiphon.model import OpKind, Side

Methods: TypeAlias = Mapping[tuple[Side, str], tuple[str, ...]]
"""The replication methods of each entity's stream on each side, where its tap lists them."""


def lint(
    config: SyncConfig,
    columns: Columns | None = None,
    receipts: Mapping[Side, bool] | None = None,
    methods: Methods | None = None,
) -> list[Finding]:
    """All findings: errors first, then in the order of the file.

    Without `columns` nothing is known of the streams. Without `receipts` the targets were not asked whether they write
    any, so that what fails for want of them is a warning only. `methods` are those that the taps list.
    """
    found = [*_sides(config), *lint_replication(config, methods or {})]
    for entity in config.entities.values():
        found += _entity(entity)
        for side in config.side_names:
            known = gives_receipts(config.sides[side], receipts) or (None if receipts is None else False)
            found += _stream(config, entity, side, receives=known)
        for field in entity.fields.values():
            found += _field(config, entity, field)
        found += lint_columns(config, entity, columns or {})
        found += lint_policies(config, entity, columns or {}, receipts)
    return sorted(found, key=lambda finding: (finding.severity is not Severity.ERROR, config.line(finding.where)))


def lint_replication(config: SyncConfig, methods: Methods) -> Iterator[Finding]:
    """The streams that are to be read by a method that their tap says it does not have."""
    for entity in config.entities.values():
        for side, stream in entity.sides.items():
            listed = methods.get((side, entity.name), ())
            if stream.replication.tells_deletions and listed and stream.replication.method not in listed:
                others = [each.value for each in Replication if each.method in listed]
                yield error(
                    f"entities.{entity.name}.sides.{side}.replication",
                    f"found '{stream.replication}', but {config.sides[side].tap.title} of {side} cannot read "
                    f"{stream.stream} by {stream.replication.method}; allowed: {', '.join(others) or 'full'}",
                    "DIFF needs a key, LOG_BASED a table with a primary key; the tap's README says which databases",
                )


def _sides(config: SyncConfig) -> Iterator[Finding]:
    if all(side.target is None for side in config.sides.values()):
        yield error("sides", "neither side has a target, so that nothing can ever be written", "name a target")
    for name, side in config.sides.items():
        if side.target is not None and not side.allow:
            yield warning(f"sides.{name}.allow", f"nothing may be done to {name}, so that its target never runs")


def _entity(entity: EntityConfig) -> Iterator[Finding]:
    where = f"entities.{entity.name}"
    for index, rule in enumerate(entity.match):
        if not rule:
            yield error(
                f"{where}.match[{index}]", "the rule names no field, so that every record would match every other"
            )
    named = any(isinstance(stream.key_rule, Derived | CopyFrom) for stream in entity.sides.values())
    if not entity.match and not named and any(OpKind.CREATE in stream.allow for stream in entity.sides.values()):
        yield warning(
            where,
            "nothing says which records are the same, so that what both sides hold today would be created twice",
            "name fields in `match`",
        )


def _stream(config: SyncConfig, entity: EntityConfig, side: Side, *, receives: bool | None) -> Iterator[Finding]:
    stream, target = entity.sides[side], config.sides[side].target
    where = f"entities.{entity.name}.sides.{side}"
    if target is not None and OpKind.CREATE in stream.allow:
        yield from _creates(entity, side, where, receives=receives)
    if stream.on_delete is not OnDelete.PARK:
        yield from _deletes(config, entity, stream, side, receives=receives)
    if stream.replication is Replication.INCREMENTAL and stream.full_read is None and receives:
        yield warning(
            where,
            "few taps tell in an incremental read that a record is gone (tap-hubspot does); with any other, deletions"
            " go unnoticed",
            "add `full_read: every 24h`, unless the tap tells deletions",
        )


def _for_want_of_receipts(receives: bool | None) -> Callable[[str, str, str], Finding]:  # noqa: FBT001 its only subject
    """An error where the target is known to write none, a warning where only the file says nothing of them."""
    return warning if receives is None else error


def _creates(entity: EntityConfig, side: Side, where: str, *, receives: bool | None) -> Iterator[Finding]:
    stream = entity.sides[side]
    one_way_out = all(field.direction is not None and field.direction[0] == side for field in entity.fields.values())
    match stream.key_rule:
        case Assigned() if not receives:
            yield _for_want_of_receipts(receives)(
                f"{where}.on_create",
                f"{side} would name its new records itself, but its target writes no receipts, so that nobody"
                " learns their names: each would be taken for a stranger and created again",
                "use `uuid` or `{from: …}`, map the key columns, or name the `receipts_path` of a target that has one",
            )
        case Uuid() if len(stream.key) > 1:
            yield error(
                f"{where}.on_create",
                f"the key of {side} has {len(stream.key)} columns, and one UUID cannot be all of them",
                "map the key columns as fields or references",
            )
        case CopyFrom(source) if len(entity.sides[source].key) != len(stream.key):
            yield error(
                f"{where}.on_create",
                f"the key of {side} has {len(stream.key)} columns, that of {source} {len(entity.sides[source].key)}",
            )
        case None if not one_way_out:
            yield warning(
                where,
                f"nothing says who names a new {entity.name} on {side}, so that new records are parked",
                f"add `on_create`, or `allow: [update, delete]` if {side} is to get no new ones",
            )
        case _:
            pass


def _deletes(
    config: SyncConfig, entity: EntityConfig, stream: StreamConfig, side: Side, *, receives: bool | None
) -> Iterator[Finding]:
    target = config.sides[side].target
    per_side = f"entities.{entity.name}.on_delete.{side}"
    where = per_side if per_side in config.lines else f"entities.{entity.name}.on_delete"
    if target is None or OpKind.DELETE not in stream.allow:
        yield warning(where, f"{side} allows no deletes, so that deletions are parked whatever `on_delete` says")
    elif not receives and not target.deletes:
        yield _for_want_of_receipts(receives)(
            where,
            f"the target of {side} neither writes receipts nor is declared to honour deletions, and many pass over them"
            " silently, so that each would be parked",
            f"`on_delete: park`, or `deletes: true` at sides.{side}.target if it does honour `_sdc_deleted_at`",
        )


def _field(config: SyncConfig, entity: EntityConfig, field: Field) -> Iterator[Finding]:
    for side in config.side_names:
        if field.direction is not None and field.direction[1] != side:
            continue
        other = config.other(side)
        if config.sides[side].target is not None:
            yield from _key_field(entity, field, side)
        elif config.sides[other].target is not None:
            yield warning(
                entity.where(field),
                f"{side} has no target, so that edits of {other} are parked",
                f"`direction: {{from: {side}, to: {other}}}`",
            )
    yield from _reference(config, entity, field)


def _key_field(entity: EntityConfig, field: Field, side: Side) -> Iterator[Finding]:
    stream, column = entity.sides[side], field.columns[side]
    if column not in stream.key:
        return
    where = entity.where(field, side)
    if isinstance(stream.key_rule, Assigned | Uuid):
        message = f"{column} is the key of {side}, which `on_create` fills in its own way: two would write it"
        yield error(where, message, "`on_create: key`, or do not map it")
    elif not field.references:
        yield warning(where, f"{column} is the key of {side}: it can name a new record there, but never be changed")


def _reference(config: SyncConfig, entity: EntityConfig, field: Field) -> Iterator[Finding]:
    if not field.references:
        return
    for side in config.side_names:
        key = config.entities[field.references].sides[side].key
        if len(key) > 1:
            yield error(
                entity.where(field, "entity"),
                f"the key of {field.references} has {len(key)} columns on {side}, and a reference holds one",
            )
