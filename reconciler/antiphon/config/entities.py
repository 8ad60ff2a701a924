"""The entities: their streams, how new records are named, which fields they share and how records find each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from antiphon.config.document import KeyPath, Problems, did_you_mean, render
from antiphon.config.fields import Place, read_fields, read_initial
from antiphon.config.quantities import duration
from antiphon.config.settings import MINUTE, EntityConfig, Replication, SideConfig, StreamConfig
from antiphon.config.sides import allowed
from antiphon.mapping import Assigned, CopyFrom, Derived, Field, KeyRule, Kind, OnDelete, Uuid
from antiphon.model import Side


def read_entities(
    entities: Mapping[str, Any], sides: Mapping[Side, SideConfig], problems: Problems
) -> dict[str, EntityConfig]:
    """All entities. What has a mistake in its shape is left out; the mistake is known already."""
    first, second = sorted(sides)
    found = {}
    for name, entity in entities.items():
        place = Place(("entities", name), (first, second), problems)
        if not name.isidentifier():
            problems.add(place.path, f"found the entity name {name!r}; allowed: a name of letters, digits and _")
        if isinstance(entity, Mapping):
            found[name] = _entity(name, entity, sides, place)
            _check_references(entity, list(entities), place)
    _check_streams(found, problems)
    return found


def _entity(name: str, entity: Mapping[str, Any], sides: Mapping[Side, SideConfig], place: Place) -> EntityConfig:
    fields = read_fields(entity, place)
    given = _map(entity.get("fields"))
    if place.sound() and not given and not entity.get("references"):
        place.problems.add(place.path, "lacks 'fields': there is nothing to keep equal")
    shown = _map(entity.get("sides"))
    streams = {
        side: _stream(entity, sides[side], fields, place)
        for side in place.sides
        if side in shown and place.sound("sides", side)
    }
    options = {
        name: field
        for name, field in (*given.items(), *_map(entity.get("references")).items())
        if isinstance(field, Mapping)
    }
    return EntityConfig(
        name=name,
        sides=streams,
        fields=fields,
        types={name: Kind(field["type"]) for name, field in options.items() if "type" in field and name in fields},
        match=_match(entity, place),
        initial=read_initial(entity.get("initial")),
        own_policy=frozenset(name for name, field in options.items() if "policy" in field),
    )


def _map(given: Any) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {}


def _stream(entity: Mapping[str, Any], side: SideConfig, fields: Mapping[str, Field], place: Place) -> StreamConfig:
    given = entity["sides"][side.name]
    at = replace(place, path=place.at("sides", side.name))
    key = (given["key"],) if isinstance(given["key"], str) else tuple(given["key"])
    replication = Replication(given.get("replication", "incremental" if "replication_key" in given else "full"))
    _check_replication(given, replication, at)
    on_delete = entity.get("on_delete", "park") if place.sound("on_delete") else "park"
    if isinstance(on_delete, Mapping):
        on_delete = on_delete.get(side.name, "park")
    return StreamConfig(
        stream=given["stream"],
        key=key,
        key_rule=_key_rule(given.get("on_create"), key, fields, side.name, at),
        on_delete=OnDelete(on_delete),
        allow=side.allow & allowed(given, at.at("allow"), at.problems),
        replication=replication,
        replication_key=given.get("replication_key"),
        full_read=duration(given["full_read"]) if "full_read" in given else None,
        overlap=duration(given["overlap"]) if "overlap" in given else MINUTE,
        required=tuple(given.get("required", ())),
    )


def _check_replication(given: Mapping[str, Any], replication: Replication, place: Place) -> None:
    for option in ("replication_key", "full_read", "overlap"):
        if option not in given or replication is Replication.INCREMENTAL:
            continue
        found = f"found {given[option]!r}, but"
        if replication is Replication.FULL:
            others = " or diff or log" if option == "full_read" else ""
            message = f"{found} the stream is read in full; allowed: with replication: incremental{others}"
            place.problems.add(place.at(option), message)
        elif option != "full_read":
            message = f"{found} replication: {replication} follows no column; allowed: with replication: incremental"
            place.problems.add(place.at(option), message)


def _key_rule(
    given: Any, key: tuple[str, ...], fields: Mapping[str, Field], side: Side, place: Place
) -> KeyRule | None:
    arriving = {
        field.columns[side] for field in fields.values() if field.direction is None or field.direction[1] == side
    }
    unmapped = [column for column in key if column not in arriving]
    match given:
        case "assigned":
            return Assigned()
        case "uuid":
            return Uuid()
        case {"from": str() as source}:
            if source == side:
                other = next(name for name in place.sides if name != side)
                place.problems.add(
                    place.at("on_create", "from"), f"found {source!r}, which is this side; allowed: {other}"
                )
            return CopyFrom(source)
        case "key":
            if unmapped and not place.problems.under(*place.path[:2], "fields"):
                found = f"found 'key', but no field or reference brings the key column {unmapped[0]!r} to {side}"
                place.problems.add(place.at("on_create"), f"{found}; allowed: assigned, uuid, {{from: …}}")
            return Derived()
        case _:
            return None if unmapped else Derived()


def _match(entity: Mapping[str, Any], place: Place) -> tuple[tuple[str, ...], ...]:
    if not place.sound("match"):
        return ()
    fields, references = list(_map(entity.get("fields"))), _map(entity.get("references"))
    rules = []
    for index, given in enumerate(entity.get("match", ())):
        rule = (given,) if isinstance(given, str) else tuple(given)
        for inner, name in enumerate(rule):
            at = place.at("match", index) if isinstance(given, str) else place.at("match", index, inner)
            if name in references:
                place.problems.add(at, f"found the reference {name!r}; allowed: a field, one of {', '.join(fields)}")
            elif name not in fields:
                place.problems.add(
                    at, f"found {name!r}; allowed: a field, one of {', '.join(fields)}{did_you_mean(name, fields)}"
                )
        rules.append(rule)
    return tuple(rules)


def _check_references(entity: Mapping[str, Any], known: list[str], place: Place) -> None:
    for name, reference in _map(entity.get("references")).items():
        target = reference.get("entity") if isinstance(reference, Mapping) else None
        if isinstance(target, str) and target not in known:
            message = f"found {target!r}; allowed: {', '.join(known)}{did_you_mean(target, known)}"
            place.problems.add(place.at("references", name, "entity"), message)


def _check_streams(entities: Mapping[str, EntityConfig], problems: Problems) -> None:
    """A column of a stream that is written belongs to one entity."""
    holders: dict[tuple[Side, str, str], tuple[KeyPath, bool]] = {}
    for path, side, stream, field in _columns(entities):
        column = (side, stream, field.columns[side])
        written = field.direction is None or field.direction[1] == side
        before, before_written = holders.setdefault(column, (path, written))
        if before[:2] != path[:2] and (written or before_written):
            message = f"found the column {column[2]!r} of {stream} on {side}, which {render(before)} holds already"
            problems.add(path, f"{message}; allowed: one entity per column that is written")


def _columns(entities: Mapping[str, EntityConfig]) -> Iterator[tuple[KeyPath, Side, str, Field]]:
    for entity in entities.values():
        for side, stream in entity.sides.items():
            for field in entity.fields.values():
                yield (
                    ("entities", entity.name, "references" if field.references else "fields", field.name),
                    side,
                    stream.stream,
                    field,
                )
