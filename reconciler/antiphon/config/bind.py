"""`bind`: the kernel's mapping, from sync.yml and the columns of the streams; and what tells two versions apart."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, TypeAlias

from antiphon.config.settings import EntityConfig, SideConfig, SyncConfig
from antiphon.equivalence import canonical_json, kind_of
from antiphon.mapping import Entity, EntitySide, Field, Kind
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import Side

Columns: TypeAlias = Mapping[tuple[Side, str], Mapping[str, Mapping[str, Any]]]
"""By side and entity: the JSON schema of each column of its stream. What is not there is not known."""


def bind(config: SyncConfig, columns: Columns, receipts: Mapping[Side, bool] | None = None) -> SyncMapping:
    """The mapping. `receipts` says which targets write receipts, beside those whose `receipts_path` the file names."""
    return SyncMapping(
        name=config.name,
        sides=config.side_names,
        entities={name: _entity(config, entity, columns, receipts) for name, entity in config.entities.items()},
        version=version(config),
        guards=config.guards,
    )


def gives_receipts(side: SideConfig, receipts: Mapping[Side, bool] | None) -> bool:
    """Whether the side's target writes receipts, by the file or by what its plugin says."""
    if side.target is None:
        return False
    return side.target.receipts_path is not None or (receipts or {}).get(side.name, False)


def _entity(config: SyncConfig, entity: EntityConfig, columns: Columns, receipts: Mapping[Side, bool] | None) -> Entity:
    shown = {side: columns.get((side, entity.name), {}) for side in config.side_names}
    sides = {}
    for name in config.side_names:
        side, stream = config.sides[name], entity.sides[name]
        sides[name] = EntitySide(
            stream=stream.stream,
            key=stream.key,
            key_rule=stream.key_rule,
            on_delete=stream.on_delete,
            allow=stream.allow if side.target is not None else frozenset(),
            receipts=gives_receipts(side, receipts),
            deletes=side.target is not None and side.target.deletes,
            timezone=side.timezone,
            required=tuple(sorted({*stream.required, *_never_null_columns(shown[name])} - set(stream.key))),
            columns=shown[name],
        )
    fields = {name: _typed(entity, field, shown) for name, field in entity.fields.items()}
    return Entity(entity.name, sides, fields, entity.match, entity.initial)


def _never_null_columns(columns: Mapping[str, Mapping[str, Any]]) -> set[str]:
    return {column for column, schema in columns.items() if _never_null(schema)}


def _never_null(schema: Mapping[str, Any]) -> bool:
    """Whether the schema declares types and null is not among them: then an upsert must always carry the column."""
    variants = [variant for key in ("anyOf", "oneOf") for variant in schema.get(key, ())]
    if variants:
        return all(_never_null(variant) for variant in variants)
    types = schema.get("type", [])
    return bool(types) and "null" not in ([types] if isinstance(types, str) else types)


def _typed(entity: EntityConfig, field: Field, shown: Mapping[Side, Mapping[str, Mapping[str, Any]]]) -> Field:
    kind = entity.types.get(field.name)
    if kind is None and field.transform:
        kind = MADE[field.transform[-1][0]]
    if kind is None:
        kind = kind_of([shown[side].get(column, {}) for side, column in field.columns.items()])
    return dataclasses.replace(field, kind=kind)


MADE = {"sha256": Kind.TEXT, "month": Kind.TEXT, "template": Kind.TEXT, "date": Kind.DATE, "decimal": Kind.NUMBER}
"""What the last step of a transform makes."""


def version(config: SyncConfig) -> str:
    """A short hash of all that decides what follows from the ledger: after a change of it, the plan may be another.

    Columns, commands, settings, guards and what is merely shown (`sensitive`) are no part of it.
    """
    entities = {
        name: {
            "sides": {
                side: _without(_plain(stream), "replication", "replication_key", "full_read", "overlap")
                for side, stream in entity.sides.items()
            },
            "fields": [_without(_plain(field), "sensitive") for field in entity.fields.values()],
            "types": _plain(entity.types),
            "match": _plain(entity.match),
            "initial": _plain(entity.initial),
        }
        for name, entity in config.entities.items()
    }
    sides = {
        name: {
            "timezone": side.timezone,
            "writes": side.target is not None,
            "deletes": side.target is not None and side.target.deletes,
        }
        for name, side in config.sides.items()
    }
    return _hash({"sides": sides, "entities": entities})


def scope_version(config: SyncConfig) -> str:
    """A short hash of which records the taps show: streams, keys, and what the catalogs hold.

    After a change of it a record that vanished may have left the scope and need not be deleted.
    """
    streams = {
        entity.name: {side: [stream.stream, list(stream.key)] for side, stream in entity.sides.items()}
        for entity in config.entities.values()
    }
    catalogs = {name: _content(side.tap.catalog) for name, side in config.sides.items()}
    return _hash({"streams": streams, "catalogs": catalogs})


def _content(catalog: Path | None) -> str | None:
    return hashlib.blake2b(catalog.read_bytes()).hexdigest() if catalog is not None and catalog.is_file() else None


def _hash(value: Any) -> str:
    return hashlib.blake2b(canonical_json(value).encode(), digest_size=8).hexdigest()


def _without(value: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: inner for name, inner in value.items() if name not in names}


def _plain(value: Any) -> Any:
    """JSON of the configuration's values; a dataclass tells its name, since some hold nothing else."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        inner = {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value) if field.compare}
        return {"": type(value).__name__, **inner}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, AbstractSet):
        return sorted(str(_plain(inner)) for inner in value)
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value
