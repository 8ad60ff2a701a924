"""What a policy is asked and what it may answer: the types of the built-in policies and of users' own functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from antiphon.equivalence import Canonical
from antiphon.model import Instant, Side, Value


@dataclass(frozen=True, slots=True)
class Contest:
    """The sides hold different values. `base`: None where they never agreed. `changed_in`: as `Observation.dirty`.

    `forms` are the values' canonical forms; there are none for a group. `blind` are the sides whose target neither
    compares before it writes nor tells what it wrote.
    """

    sides: tuple[Side, Side]
    values: Mapping[Side, Value]
    base: Mapping[Side, Value] | None
    changed_in: Mapping[Side, tuple[Instant, Instant]]
    forms: Mapping[Side, Canonical] = field(default_factory=dict)
    blind: frozenset[Side] = frozenset()


@dataclass(frozen=True, slots=True)
class Question:
    """What a user's function is asked: the same field of one record, changed on both sides to different values.

    `field` is its name in sync.yml, `kind` what it holds (text, number, date, …). `values` and `base` are by side, as
    each side writes them; a fraction is a `Decimal`. `changed_in` says, by side, after and before which microsecond
    since 1970 of our own clock the value changed, where that is known.
    """

    field: str
    kind: str
    sides: tuple[Side, Side]
    values: Mapping[Side, Value]
    base: Mapping[Side, Value]
    changed_in: Mapping[Side, tuple[Instant, Instant]]


@dataclass(frozen=True, slots=True)
class Wins:
    """One side's value goes to the other."""

    side: Side
    reason: str


@dataclass(frozen=True, slots=True)
class Combined:
    """A value made of both goes to both: the members of a multi-select, by their names in the picklist, or one value.

    `adds`: of a counter, how much of the other side's counting the value brings to each side.
    """

    members: tuple[Value, ...]
    reason: str
    adds: Mapping[Side, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Undecided:
    """A person must look."""

    reason: str


Verdict: TypeAlias = Wins | Combined | Undecided
