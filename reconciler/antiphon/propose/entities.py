"""The proposal: the entities that two catalogs have in common, with a reason for what is not plain to see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from antiphon.mapping import Kind
from antiphon.model import Side
from antiphon.propose.fields import FieldProposal, propose_field
from antiphon.propose.keys import Ability, KeyRule, key_rule
from antiphon.propose.names import meaning, words
from antiphon.propose.pairs import Pair, pair_columns, pair_streams
from antiphon.propose.streams import Stream

__all__ = ["Ability", "EntityProposal", "Proposal", "StreamProposal", "propose"]

_UNIQUE = {
    "email": "an address belongs to one person",
    "domain": "a domain belongs to one company",
    "website": "a site belongs to one company",
}
_UNIQUE_ENDS = frozenset({"sku", "code", "ean", "gtin", "isbn", "iban", "vat", "ssn", "uuid", "guid"})
_UNIQUE_NAMES = frozenset(
    {"external id", "externalid", "tax id", "vat number", "vat id", "customer number", "username"}
)
_GENERIC_ENDS = frozenset({"id", "uuid", "guid", "pk", "key", "oid", "rowid"})
"""A key that ends in one of these is its side's own, not a word that both sides share."""


@dataclass(frozen=True, slots=True)
class StreamProposal:
    """One entity's stream on one side."""

    stream: Stream
    rule: KeyRule
    writes: bool


@dataclass(frozen=True, slots=True)
class EntityProposal:
    """One entity. `match` are rules with their reasons; `left_out` names column pairs that make no field, and why."""

    name: str
    streams: Mapping[Side, StreamProposal]
    fields: tuple[FieldProposal, ...]
    references: tuple[tuple[FieldProposal, str], ...]
    match: tuple[tuple[tuple[str, ...], str], ...]
    left_out: tuple[tuple[str, str], ...]
    alone: Mapping[Side, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Proposal:
    """Everything that is proposed. `alone` are streams without a partner, `keyless` those that cannot be synced."""

    sides: tuple[Side, Side]
    prefer: Side
    entities: tuple[EntityProposal, ...]
    alone: Mapping[Side, tuple[str, ...]] = field(default_factory=dict)
    keyless: Mapping[Side, tuple[str, ...]] = field(default_factory=dict)


def propose(
    catalogs: Mapping[Side, Sequence[Stream]],
    abilities: Mapping[Side, Ability],
    *,
    prefer: Side,
    region: str = "",
) -> Proposal:
    """The proposal for two sides, in the order of `catalogs`. A stream without a key cannot be part of it."""
    one, two = catalogs
    sides = (one, two)
    keyed = {side: [stream for stream in catalogs[side] if stream.key] for side in sides}
    pairs = pair_streams(keyed[one], keyed[two])
    names = _entity_names(pairs)
    known = {stream.name: name for pair, name in zip(pairs, names, strict=True) for stream in pair}
    streams = {name: dict(zip(sides, pair, strict=True)) for name, pair in zip(names, pairs, strict=True)}
    referable = [
        name
        for name, pair in streams.items()
        if all(len(stream.key) == 1 for stream in pair.values()) and _entity(name, pair, (), abilities, region).fields
    ]
    entities = tuple(_entity(name, pair, referable, abilities, region) for name, pair in streams.items())
    return Proposal(
        sides,
        prefer,
        tuple(entity for entity in entities if entity.fields or entity.references),
        {side: tuple(stream.name for stream in keyed[side] if stream.name not in known) for side in sides},
        {side: tuple(stream.name for stream in catalogs[side] if not stream.key) for side in sides},
    )


def _entity_names(pairs: Sequence[tuple[Stream, Stream]]) -> list[str]:
    """A name for each pair, none of them twice."""
    names: list[str] = []
    for first, second in pairs:
        name = "_".join(words(first.name)) or "entity"
        if name in names:
            name = f"{name}_{'_'.join(words(second.name))}"
        while name in names:
            name += "_2"
        names.append(name if name[0].isalpha() else f"entity_{name}")
    return names


def _entity(
    name: str,
    streams: Mapping[Side, Stream],
    referable: Sequence[str],
    abilities: Mapping[Side, Ability],
    region: str,
) -> EntityProposal:
    """One entity. `referable` are those that a column may name a record of: their key is one column."""
    one, two = streams
    pairs = pair_columns(streams[one], streams[two])
    own_key = _own_keys(streams, pairs)
    fields: list[FieldProposal] = []
    references: list[tuple[FieldProposal, str]] = []
    left_out: list[tuple[str, str]] = []
    for pair in pairs:
        if (pair.first.name, pair.second.name) in own_key:
            continue
        found = propose_field(pair, (one, two), region=region)
        if isinstance(found, str):
            left_out.append((pair.first.name, found))
            continue
        entity = _referred(pair, referable, name)
        if entity:
            options = {name: value for name, value in found.options.items() if name == "direction"}
            found = replace(found, options=options, reasons=(f"the key of a {entity}", *found.reasons))
            references.append((replace(found, name=entity), entity))
        else:
            fields.append(found)
    fields = _named_once(fields, {each.name for each, _ in references})
    mapped = {
        side: frozenset(f.columns[side] for f in (*fields, *(reference for reference, _ in references)))
        for side in streams
    }
    paired = {one: {pair.first.name for pair in pairs}, two: {pair.second.name for pair in pairs}}
    return EntityProposal(
        name,
        {
            side: StreamProposal(stream, key_rule(stream, side, abilities[side], mapped[side]), abilities[side].writes)
            for side, stream in streams.items()
        },
        tuple(fields),
        tuple(references),
        tuple(_match(fields)),
        tuple(left_out),
        {
            side: tuple(column for column in stream.columns if column not in paired[side] | set(stream.key))
            for side, stream in streams.items()
        },
    )


def _own_keys(streams: Mapping[Side, Stream], pairs: Sequence[Pair]) -> set[tuple[str, str]]:
    """Pairs that are a side's own key: `id` here and `id` there are not the same number."""
    one, two = streams.values()
    return {
        (pair.first.name, pair.second.name)
        for pair in pairs
        for name, stream in ((pair.first.name, one), (pair.second.name, two))
        if stream.key == (name,) and words(name)[-1:] and words(name)[-1] in _GENERIC_ENDS
    }


def _referred(pair: Pair, entities: Sequence[str], mine: str) -> str:
    """The entity whose key both columns hold: `company_id`, `associatedcompanyid`."""
    if not {pair.first.kind, pair.second.kind} <= _COMPARABLE:
        return ""
    for entity in entities:
        named = "".join(words(entity))
        kindred = meaning(entity)
        if entity != mine and all(_holds_key_of(name, named, kindred) for name in (pair.first.name, pair.second.name)):
            return entity
    return ""


def _holds_key_of(column: str, named: str, kindred: str) -> bool:
    parts = words(column)
    if parts[-1:] == ("id",) and len(parts) > 1:
        return "".join(parts[:-1]).endswith(named) or meaning("_".join(parts[:-1])) == kindred
    return "".join(parts).endswith(f"{named}id")


def _named_once(fields: Sequence[FieldProposal], taken: set[str]) -> list[FieldProposal]:
    found: list[FieldProposal] = []
    for each in fields:
        name, number = each.name, 2
        while name in taken or not name:
            name, number = f"{each.name or 'field'}_{number}", number + 1
        taken.add(name)
        found.append(replace(each, name=name))
    return found


def _match(fields: Sequence[FieldProposal]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Rules by which records find each other, the surest first."""
    by_meaning = {each.meaning: each.name for each in fields}
    for means, reason in _UNIQUE.items():
        if means in by_meaning:
            yield (by_meaning[means],), reason
    codes = [each.name for each in fields if each.kind in _COMPARABLE and _is_code(each.meaning)]
    for name in codes:
        yield (name,), "looks like a word that belongs to one record"
    if {"last name", "phone"} <= by_meaning.keys():
        yield (by_meaning["last name"], by_meaning["phone"]), "for those without the above"
    elif "name" in by_meaning and not codes and not by_meaning.keys() & {"email", "last name"}:
        yield (by_meaning["name"],), "weak: two records with one name wait for a person"


_COMPARABLE = frozenset({Kind.TEXT, Kind.NUMBER, Kind.ANY})


def _is_code(means: str) -> bool:
    return means in _UNIQUE_NAMES or means.rsplit(" ", maxsplit=1)[-1] in _UNIQUE_ENDS
