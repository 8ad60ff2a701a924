"""The fields and references of one entity: columns, policies, how values compare and which way they flow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import phonenumbers

from antiphon.config.document import KeyPath, Problems, did_you_mean
from antiphon.config.hook import HookError, find
from antiphon.mapping import (
    Counter,
    Extreme,
    Field,
    Initial,
    Ladder,
    Latest,
    NonEmpty,
    OptOut,
    Owner,
    Park,
    Policy,
    Python,
    SetUnion,
    word_of,
)
from antiphon.model import Side
from antiphon.transforms import PLACE


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the file we read, and between which sides."""

    path: KeyPath
    sides: tuple[Side, Side]
    problems: Problems

    def at(self, *parts: str | int) -> KeyPath:
        """A key path below this place."""
        return (*self.path, *parts)

    def sound(self, *parts: str | int) -> bool:
        """Whether there is no mistake at or inside a part of it."""
        return not self.problems.under(*self.path, *parts)


_ALONE = (SetUnion, Extreme, Ladder, OptOut, Counter, Python)
"""Policies that weigh one value against one other, and say nothing of a whole group."""


_MAKING = (SetUnion, Counter)
"""Policies that make a new value, which no reference could be."""


def read_policy(given: Any, place: Place) -> Policy:
    """A policy: a word, or a map of one key. `place` is where it stands."""
    match given:
        case {"owner": str() as side}:
            return Owner(side)
        case {"latest": {"else": str() as word}}:
            return Latest(Park() if word == "park" else Owner(word))
        case "latest":
            return Latest(Park())
        case "nonempty":
            return NonEmpty()
        case "set":
            return SetUnion()
        case "max" | "min":
            return Extreme(greatest=given == "max")
        case {"ladder": [*rungs]}:
            return Ladder(tuple(rungs))
        case "counter":
            return Counter()
        case {"python": str() as name}:
            try:
                return find(name, place.problems.folder)
            except HookError as error:
                place.problems.add(place.at("python"), f"found {name!r}, and {error}")
                return Park()
        case "optout":
            return OptOut()
        case {"optout": [*noes]}:
            return OptOut(tuple(noes))
        case _:
            return Park()


def read_initial(given: Any) -> Initial:
    """What settles records that differ when they first join."""
    match given:
        case {"prefer": str() as side}:
            return Owner(side)
        case "nonempty":
            return NonEmpty()
        case _:
            return Park()


def read_fields(entity: Mapping[str, Any], place: Place) -> dict[str, Field]:
    """The fields in the order of the file, then the references. What has a mistake in its shape is left out."""
    default = (
        read_policy(entity.get("policy"), replace(place, path=place.at("policy"))) if place.sound("policy") else Park()
    )
    fields: dict[str, Field] = {}
    for section in ("fields", "references"):
        for name, given in _map(entity.get(section)).items():
            at = place.at(section, name)
            if section == "references" and name in _map(entity.get("fields")):
                place.problems.add(at, f"found {name!r}, which is a field already; allowed: a name of its own")
            elif not place.problems.under(*at):
                fields[name] = _field(name, given, default, replace(place, path=at))
    _check_columns(entity, fields, place)
    return _grouped(entity, fields, place)


def _map(given: Any) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {}


def _field(name: str, given: Any, default: Policy, place: Place) -> Field:
    if isinstance(given, str):
        return Field(name, dict.fromkeys(place.sides, given), default)
    own = "policy" in given
    policy = read_policy(given["policy"], replace(place, path=place.at("policy"))) if own else default
    references = given.get("entity")
    if references and isinstance(policy, _MAKING):
        word = word_of(policy)
        found = f"found {word!r}" if own else f"has no policy of its own, and the entity's is {word!r}"
        place.problems.add(
            place.at("policy"),
            f"{found}; a reference names one record; allowed: {{owner: …}}, latest, {{latest: …}}, park, nonempty",
        )
    return Field(
        name,
        columns={side: given[side] for side in place.sides},
        policy=policy,
        normalize=_normalize(given.get("normalize", ()), place),
        picklist=_picklist(given.get("values", {}), place),
        separator=given.get("separator", ""),
        direction=_direction(given.get("direction"), place),
        keep_edits=(given.get("direction") or {}).get("edits") == "ignore",
        transform=_transform(given, policy, place),
        keep_empty=given.get("empty") == "keep",
        references=references,
        sensitive=given.get("sensitive") is True,
    )


def _normalize(steps: Sequence[Any], place: Place) -> tuple[tuple[str, str], ...]:
    found = []
    for index, step in enumerate(steps):
        name, region = (step, "") if isinstance(step, str) else next(iter(step.items()))
        if region and region not in phonenumbers.SUPPORTED_REGIONS:
            known = did_you_mean(region, phonenumbers.SUPPORTED_REGIONS)
            message = f"found {region!r}; allowed: a region of two capital letters such as US or NO{known}"
            place.problems.add(place.at("normalize", index, name), message)
        found.append((name, region))
    return tuple(found)


def _picklist(values: Mapping[Side, Mapping[str, str]], place: Place) -> dict[Side, dict[str, str]]:
    """`values:`, one-to-one on each side; a name that a side does not list is stored there as it is."""
    names = {name for stored in values.values() for name in stored}
    for side, stored in values.items():
        holders: dict[str, str] = {}
        for name in [*stored, *sorted(names - set(stored))]:
            value = stored.get(name, name)
            if value in holders:
                at = place.at("values", side, name) if name in stored else place.at("values", side, holders[value])
                place.problems.add(
                    at, f"found {value!r} for both {holders[value]!r} and {name!r}; allowed: a value for one name only"
                )
            holders.setdefault(value, name)
    return {side: dict(stored) for side, stored in values.items()}


def _direction(given: Mapping[str, Side] | None, place: Place) -> tuple[Side, Side] | None:
    if given is None:
        return None
    if given["from"] == given["to"]:
        first, second = place.sides
        allowed = f"{{from: {first}, to: {second}}}, {{from: {second}, to: {first}}}"
        place.problems.add(place.at("direction"), f"found {given['from']} at both ends; allowed: {allowed}")
    return given["from"], given["to"]


def _transform(given: Mapping[str, Any], policy: Policy, place: Place) -> tuple[tuple[str, str], ...]:
    """`transform:`, one step or a list of them. What it makes has no way back."""
    if "transform" not in given:
        return ()
    at = place.at("transform")
    if "direction" not in given:
        first, second = place.sides
        place.problems.add(
            at,
            "what it makes cannot be turned back, so that the field can flow one way only; "
            f"required: `direction: {{from: {first}, to: {second}}}` or the other way round",
        )
    if "values" in given or isinstance(policy, SetUnion):
        other = "values" if "values" in given else "policy: set"
        place.problems.add(at, f"found together with `{other}`; allowed: one of the two")
    steps = given["transform"] if isinstance(given["transform"], list) else [given["transform"]]
    found = []
    for index, step in enumerate(steps):
        name, argument = (step, "") if isinstance(step, str) else next(iter(step.items()))
        if name == "template" and PLACE not in argument:
            where = (*at, index, name) if isinstance(given["transform"], list) else (*at, name)
            place.problems.add(where, f"found {argument!r}; allowed: a text with {PLACE} where the value is to stand")
        found.append((name, str(argument)))
    return tuple(found)


def _check_columns(entity: Mapping[str, Any], fields: Mapping[str, Field], place: Place) -> None:
    """A column is written by one field of an entity; those that only take from it may be many."""
    for side in place.sides:
        holders: dict[str, str] = {}
        for name, field in fields.items():
            column = field.columns[side]
            if field.direction is not None and field.direction[0] == side:
                continue
            if column in holders:
                section = "references" if field.references else "fields"
                given = _map(entity.get(section)).get(name)
                at = place.at(section, name) if isinstance(given, str) else place.at(section, name, side)
                found = f"found the column {column!r} of {side}, which {holders[column]} holds already"
                place.problems.add(at, f"{found}; allowed: one field per column")
            holders.setdefault(column, name)


def _grouped(entity: Mapping[str, Any], fields: dict[str, Field], place: Place) -> dict[str, Field]:
    """The fields with their groups. A group is settled as a whole, so that its fields must agree on how."""
    known = list(_map(entity.get("fields")))
    for group, names in _map(entity.get("groups")).items():
        if not place.sound("groups", group):
            continue
        for index, name in enumerate(names):
            at = place.at("groups", group, index)
            if name not in known:
                place.problems.add(
                    at, f"found {name!r}; allowed: a field, one of {', '.join(known)}{did_you_mean(name, known)}"
                )
            elif name not in fields:
                continue
            elif fields[name].group:
                place.problems.add(
                    at,
                    f"found {name!r}, which is in the group {fields[name].group} already; allowed: one group per field",
                )
            elif isinstance(fields[name].policy, _ALONE):
                place.problems.add(
                    at,
                    f"found {name!r}, whose policy weighs single values; allowed: owner, latest, nonempty, park, "
                    "by which fields move as a whole",
                )
            else:
                _check_alike(group, fields, names, name, at, place.problems)
                fields[name] = replace(fields[name], group=group)
    return fields


def _check_alike(
    group: str, fields: Mapping[str, Field], names: Sequence[str], name: str, at: KeyPath, problems: Problems
) -> None:
    alike = [fields[other] for other in names if other in fields and not isinstance(fields[other].policy, _ALONE)]
    lead = alike[0]
    mine = fields[name]
    pairs = {
        "policy": (mine.policy, lead.policy),
        "direction": ((mine.direction, mine.keep_edits), (lead.direction, lead.keep_edits)),
        "empty": (mine.keep_empty, lead.keep_empty),
    }
    for option, (here, there) in pairs.items():
        if here != there:
            found = f"found {name!r}, whose `{option}` is not that of {lead.name}"
            problems.add(at, f"{found}; allowed: one `{option}` for the whole group {group}")
