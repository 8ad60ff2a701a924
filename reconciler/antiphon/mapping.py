"""The mapping: what sync.yml says, as the kernel reads it. Values only; `config` builds it, `plan` obeys it."""

from __future__ import annotations

import enum
from collections.abc import Callable
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil
from typing import Any, TypeAlias

from antiphon.model import OpKind, Side, Value


class Kind(enum.StrEnum):
    """What a field holds, from the streams' schemas or from sync.yml; it decides how values are compared."""

    ANY = "any"
    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    DATE = "date"
    LIST = "list"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Owner:
    """One side is the field's system of record."""

    side: Side


@dataclass(frozen=True, slots=True)
class Park:
    """Neither side is written; a person decides."""


@dataclass(frozen=True, slots=True)
class Latest:
    """The later edit wins where our own clock proves the order; otherwise `otherwise` decides."""

    otherwise: Owner | Park


@dataclass(frozen=True, slots=True)
class NonEmpty:
    """A value beats an empty one; two values are parked."""


@dataclass(frozen=True, slots=True)
class SetUnion:
    """A multi-select: what each side added is added, what each removed is removed; adding wins."""


@dataclass(frozen=True, slots=True)
class Extreme:
    """The greatest value wins, or the least: numbers by size, dates and times by order, text by its letters."""

    greatest: bool


@dataclass(frozen=True, slots=True)
class Ladder:
    """The value further along the rungs wins, such as a stage in a life cycle."""

    rungs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OptOut:
    """A "no" beats everything else, as the law wants it for consent. `noes` are the values that mean no."""

    noes: tuple[Value, ...] = (False,)


@dataclass(frozen=True, slots=True)
class Counter:
    """What each side counted since they agreed is added up: base + (A − base) + (B − base)."""


@dataclass(frozen=True, slots=True)
class Python:
    """A user's function decides: `call` takes a `verdicts.Question` and gives a verdict. `code` tells its versions."""

    name: str
    call: Callable[[Any], object] = field(compare=False, repr=False)
    code: str = ""


Policy: TypeAlias = Owner | Park | Latest | NonEmpty | SetUnion | Extreme | Ladder | OptOut | Counter | Python
Initial: TypeAlias = Owner | Park | NonEmpty


def word_of(policy: Policy) -> str:
    """The policy's word in sync.yml."""
    if isinstance(policy, Extreme):
        return "max" if policy.greatest else "min"
    return "set" if isinstance(policy, SetUnion) else type(policy).__name__.lower()


class OnDelete(enum.StrEnum):
    """What a proven deletion on the other side means for this side."""

    PARK = "park"
    ARCHIVE = "archive"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Assigned:
    """The side names its new records itself; the receipt brings the id."""


@dataclass(frozen=True, slots=True)
class Uuid:
    """The key of a new record is the link's own UUID."""


@dataclass(frozen=True, slots=True)
class CopyFrom:
    """A new record takes the id that it has on `side`."""

    side: Side


@dataclass(frozen=True, slots=True)
class Derived:
    """Every key column is a mapped field (or reference), so that the record's own values name it."""


KeyRule: TypeAlias = Assigned | Uuid | CopyFrom | Derived


@dataclass(frozen=True)
class Field:
    """One mapped field. `columns`: the column on each side. `references`: the entity its value names.

    A `direction` is (from, to). Then `transform` is what the value becomes on its way, and `keep_edits` says that edits
    of the receiving side stay until the source changes again; else they are reverted.
    """

    name: str
    columns: MappingOf[Side, str]
    policy: Policy
    kind: Kind = Kind.ANY
    normalize: tuple[tuple[str, str], ...] = ()
    picklist: MappingOf[Side, MappingOf[str, str]] = field(default_factory=dict)
    separator: str = ""
    direction: tuple[Side, Side] | None = None
    keep_edits: bool = False
    transform: tuple[tuple[str, str], ...] = ()
    keep_empty: bool = False
    references: str | None = None
    group: str | None = None
    sensitive: bool = False

    @cached_property
    def literal(self) -> bool:
        """Whether one value means the same on both sides: it is in no side's own words, and needs no time zone."""
        timely = self.kind in (Kind.DATE, Kind.DATETIME, Kind.ANY)
        return not (timely or self.picklist or self.references or self.transform)


@dataclass(frozen=True, slots=True)
class EntitySide:
    """One entity's stream on one side, and what may be done there."""

    stream: str
    key: tuple[str, ...]
    key_rule: KeyRule | None = None
    on_delete: OnDelete = OnDelete.PARK
    allow: frozenset[OpKind] = frozenset(OpKind)
    receipts: bool = False
    deletes: bool = False  # the target is declared to honour deletions
    timezone: str = "UTC"
    required: tuple[str, ...] = ()  # columns that every write to a foreign target carries: NOT NULL without a default
    columns: MappingOf[str, MappingOf[str, object]] = field(default_factory=dict)  # JSON schemas, as last read


@dataclass(frozen=True)
class Entity:
    """A kind of thing that both sides hold."""

    name: str
    sides: MappingOf[Side, EntitySide]
    fields: MappingOf[str, Field]
    match: tuple[tuple[str, ...], ...] = ()
    initial: Initial = Park()

    @cached_property
    def references(self) -> tuple[Field, ...]:
        """The fields that name other records."""
        return tuple(f for f in self.fields.values() if f.references)

    @cached_property
    def units(self) -> MappingOf[str, list[Field]]:
        """The fields that move alone, and the groups that move together."""
        units: dict[str, list[Field]] = {}
        for name, each in self.fields.items():
            units.setdefault(each.group or name, []).append(each)
        return units

    @property
    def is_association(self) -> bool:
        """Its key is its references on every side: it can be created and deleted, never updated."""
        return bool(self.references) and all(
            isinstance(side.key_rule, Derived) and {f.columns[name] for f in self.references} <= set(side.key)
            for name, side in self.sides.items()
        )


@dataclass(frozen=True, slots=True)
class Limit:
    """A guard's limit: so many per cent of the records known, or so many records, whichever is larger."""

    percent: float | None = None
    count: int | None = None

    def allows(self, number: int, known: int) -> bool:
        """Whether `number` of `known` records may change. A bare percentage speaks from ten records on."""
        if self.percent is None and self.count is None:
            return True
        floor = 0 if self.count is not None or known >= MIN_KNOWN else MIN_KNOWN
        by_percent = known * self.percent / 100 if self.percent is not None else 0
        return number <= max(by_percent, self.count or 0, floor)

    def always_allows(self, number: int) -> bool:
        """Whether `number` may change however many are known: they need not be counted then."""
        if self.count is not None or self.percent is None:
            return self.percent is self.count is None or number <= (self.count or 0)
        return number <= min(MIN_KNOWN, self.percent * MIN_KNOWN / 100)

    def enough(self, number: int) -> int:
        """So many records known allow `number`, if any number does: more need not be counted."""
        return max(MIN_KNOWN, ceil(number * 100 / self.percent)) if self.percent else 0

    def __str__(self) -> str:
        parts = ([f"{self.percent:g}%"] if self.percent is not None else []) + (
            [str(self.count)] if self.count is not None else []
        )
        return " or ".join(parts) or "no limit"


MIN_KNOWN = 10
"""Below so many known records a percentage says nothing."""


@dataclass(frozen=True, slots=True)
class Guards:
    """How much one run may do to one entity on one side."""

    max_delete: Limit = Limit(percent=5, count=50)
    max_change: Limit = Limit(percent=50)
    max_create: Limit = Limit(count=1000)


@dataclass(frozen=True)
class Mapping:
    """A whole sync. `sides` are the two names in alphabetical order, so that nothing depends on the file's order."""

    name: str
    sides: tuple[Side, Side]
    entities: MappingOf[str, Entity]
    version: str
    guards: Guards = Guards()

    @cached_property
    def parents_first(self) -> list[Entity]:
        """The entities, those that others refer to first; cycles are cut by name."""
        done: dict[str, Entity] = {}

        def visit(entity: Entity, above: frozenset[str]) -> None:
            if entity.name in done or entity.name in above:
                return
            for reference in entity.references:
                if reference.references is not None and reference.references in self.entities:
                    visit(self.entities[reference.references], above | {entity.name})
            done[entity.name] = entity

        for name in sorted(self.entities):
            visit(self.entities[name], frozenset())
        return list(done.values())

    def other(self, side: Side) -> Side:
        """The opposite side."""
        first, second = self.sides
        return second if side == first else first


EMPTY_FIELD_VALUES: tuple[Value, ...] = (None, "", [])
"""Null, the empty string and the empty list are one value: empty."""
