"""The record that a person means: by its link, by its id on a side, or by a value it is matched by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from antiphon.equivalence import from_json, typed_rids
from antiphon.errors import ConfigError
from antiphon.facts import ObsKey
from antiphon.ledger import Ledger
from antiphon.ledger.erased import Erased
from antiphon.ledger.tables import LINK, MATCH_KEY, MEMBER, OBS, TOMBSTONE
from antiphon.mapping import Entity
from antiphon.mapping import Mapping as SyncMapping
from antiphon.match import match_keys
from antiphon.model import Value


@dataclass(frozen=True, slots=True, order=True)
class Hit:
    """A link, or a record that no link holds."""

    entity: str
    lid: str | None
    key: ObsKey | None = None


@dataclass(slots=True)
class _Search:
    ledger: Ledger
    mapping: SyncMapping
    typed: str
    tried: list[str] = field(default_factory=list)

    def hits(self) -> list[Hit]:
        """The first way of reading the words that leads anywhere wins."""
        for search in (self._by_link, self._by_id, self._by_value):
            found = sorted(set(search()), key=lambda hit: (hit.entity, hit.lid or "", hit.key or ("", "", "")))
            if found:
                return found
        return []

    def _by_link(self) -> Iterator[Hit]:
        self.tried.append("a link")
        link = self.ledger.get(LINK, self.typed)
        if link is not None:
            yield Hit(link.entity, link.lid)

    def _by_id(self) -> Iterator[Hit]:
        first, _, rest = self.typed.partition(":")
        entities = list(self.mapping.entities)
        if first in self.mapping.entities and rest.partition(":")[0] in self.mapping.sides:
            entities = [first]
            first, _, rest = rest.partition(":")
        if first not in self.mapping.sides or not rest:
            return
        ids = typed_rids(rest)
        for entity in entities:
            self.tried.append(f"an id of {entity} on {first}")
            for rid in ids:
                yield from self._record((first, entity, rid))

    def _record(self, key: ObsKey) -> Iterator[Hit]:
        """Who holds the id; if nobody does, who held it last; if nobody ever did, the record by itself."""
        members = self.ledger.store.find(MEMBER, "holder", [(*key, True)])
        grave = self.ledger.get(TOMBSTONE, *key)
        if members:
            yield from (Hit(key[1], member.lid) for member in members)
        elif self.ledger.get(OBS, *key) is not None and grave is None:
            yield Hit(key[1], None, key)
        elif grave is not None:
            yield Hit(key[1], grave.lid)
        else:
            former = self.ledger.store.find(MEMBER, "holder", [(*key, False)])
            yield from (Hit(key[1], member.lid) for member in former)

    def _by_value(self) -> Iterator[Hit]:
        for entity in self.mapping.entities.values():
            for rule, names in enumerate(entity.match):
                self.tried.append(f"the {' + '.join(names)} of {entity.name}")
                for values in _values(self.typed, len(names)):
                    yield from self._matching(entity, rule, values)

    def _matching(self, entity: Entity, rule: int, values: list[Value]) -> Iterator[Hit]:
        for side in self.mapping.sides:
            columns = [entity.fields[name].columns[side] for name in entity.match[rule]]
            key = match_keys(entity, side, dict(zip(columns, values, strict=True))).get(rule)
            if key is None:
                continue
            for row in self.ledger.store.find(MATCH_KEY, "key", [(entity.name, side, rule, key)]):
                yield from self._record((side, entity.name, row.rid))


def find_record(ledger: Ledger, mapping: SyncMapping, typed: str) -> list[Hit]:
    """What `typed` may mean: a link's id, `side:id`, `entity:side:id`, or a value of a match rule.

    An id is the bare key, or the JSON array of a composite one. Several values of one rule are a JSON array, or have
    commas between them.

    Raises:
        ConfigError: nothing was found; it says what was tried.
    """
    search = _Search(ledger, mapping, typed.strip())
    found = search.hits()
    if found:
        return found
    tried = ", ".join(dict.fromkeys(search.tried))
    raise ConfigError(
        f"no record is found for {typed!r}; tried: {tried}",
        hint="name a record by `side:id`, by `entity:side:id`, by a value it is matched by, or by its link's id",
    )


def digests_of(mapping: SyncMapping, erased: Erased, typed: str) -> Iterator[str]:
    """The hashes that an erased record would have left, for every way of reading `typed` as an id or a match value."""
    first, _, rest = typed.partition(":")
    for entity in mapping.entities.values():
        if first in mapping.sides:
            yield from (erased.of_id((first, entity.name, rid)) for rid in typed_rids(rest))
        for rule, names in enumerate(entity.match):
            for values in _values(typed, len(names)):
                for side in mapping.sides:
                    columns = [entity.fields[name].columns[side] for name in names]
                    key = match_keys(entity, side, dict(zip(columns, values, strict=True))).get(rule)
                    if key is not None:
                        yield erased.of_value(entity, rule, key)


def _values(text: str, count: int) -> Iterator[list[Value]]:
    """The values that the words may stand for, `count` of them."""
    if count == 1:
        yield [text]
    else:
        parts = [part.strip() for part in text.split(",")]
        if len(parts) == count:
            yield list(parts)
    try:
        value = from_json(text)
    except msgspec.DecodeError:
        return
    if isinstance(value, list) and len(value) == count:
        yield value
    elif count == 1 and isinstance(value, int | float | Decimal):
        yield [value]
