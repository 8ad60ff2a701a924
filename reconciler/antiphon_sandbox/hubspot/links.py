"""Associations: which records belong together, and as what. Each is kept from both ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from antiphon_sandbox.hubspot.errors import refuse
from antiphon_sandbox.hubspot.schema import ASSOCIATIONS, HUBSPOT_DEFINED, USER_DEFINED

if TYPE_CHECKING:
    from antiphon_sandbox.hubspot.account import Account
    from antiphon_sandbox.hubspot.records import Record
    from antiphon_sandbox.hubspot.schema import ObjectType

End = tuple[str, str]  # (object type, id)


@dataclass(frozen=True, slots=True)
class Label:
    """A kind of association, seen from one end. One without a label is the plain one of its pair of types."""

    category: str
    type_id: int
    label: str | None
    inverse: int

    def shown(self) -> dict[str, str | int | None]:
        """As associations list it."""
        return {"category": self.category, "typeId": self.type_id, "label": self.label}


class Links:
    """The associations of an account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._labels: dict[tuple[str, str], dict[int, Label]] = {}
        self._held: dict[End, dict[str, dict[str, set[int]]]] = {}  # end: {type: {id: type ids}}
        self._fresh = count(1001)
        for (a, b), kinds in ASSOCIATIONS.items():
            for there, back, label in kinds:
                self._add_label(a, b, HUBSPOT_DEFINED, there, back, label)

    # ---- kinds

    def labels(self, a: ObjectType, b: ObjectType) -> Mapping[int, Label]:
        """The kinds of association from `a` to `b`. Every pair of types has a plain one."""
        if (a.name, b.name) not in self._labels:
            there = next(self._fresh)
            back = there if a is b else next(self._fresh)
            self._add_label(a.name, b.name, HUBSPOT_DEFINED, there, back, None)
        return self._labels[a.name, b.name]

    def plain(self, a: ObjectType, b: ObjectType) -> Label:
        """The association without a label."""
        return next(label for label in self.labels(a, b).values() if label.label is None)

    def define(self, a: ObjectType, b: ObjectType, label: str, inverse: str | None = None) -> list[Label]:
        """Make a label of the user's own, with its inverse."""
        self.labels(a, b)
        there = next(self._fresh)
        back = next(self._fresh)
        self._add_label(a.name, b.name, USER_DEFINED, there, back, label, inverse)
        return [self._labels[a.name, b.name][there], self._labels[b.name, a.name][back]]

    def forget(self, a: ObjectType, b: ObjectType, type_id: int) -> None:
        """Remove a label."""
        gone = self._labels.get((a.name, b.name), {}).pop(type_id, None)
        if gone is not None:
            self._labels[b.name, a.name].pop(gone.inverse, None)

    def _add_label(
        self, a: str, b: str, category: str, there: int, back: int, label: str | None, inverse: str | None = None
    ) -> None:
        self._labels.setdefault((a, b), {})[there] = Label(category, there, label, back)
        self._labels.setdefault((b, a), {})[back] = Label(category, back, inverse or label, there)

    # ---- associations

    def of(self, record: Record, kind: ObjectType) -> dict[str, set[int]]:
        """The records of a type that this one belongs to, each with the kinds of association."""
        return self._held.get(record.key, {}).get(kind.name, {})

    def add(self, a: Record, b: Record, type_ids: Iterable[int]) -> set[int]:
        """Associate; returns the kinds that were new. The plain kind always goes with a labelled one."""
        known = self.labels(a.kind, b.kind)
        wanted = {*type_ids, self.plain(a.kind, b.kind).type_id}
        unknown = wanted - set(known)
        if unknown:
            raise refuse(
                400,
                f"One or more association types are not valid for {a.kind.type_id} to {b.kind.type_id}: {min(unknown)}",
                "VALIDATION_ERROR",
            )
        primary = next((k for k in wanted if known[k].label == "Primary"), None)
        if primary is not None:
            for other in self.of(a, b.kind).values():
                other.discard(primary)
        held = self._slot(a.key, b.key)
        new = wanted - held
        held |= wanted
        self._slot(b.key, a.key).update(known[each].inverse for each in wanted)
        return new

    def remove(self, a: Record, b: Record, type_ids: Iterable[int] | None = None) -> None:
        """Take some kinds of association away, or all. Without its plain kind none is left."""
        held = self.of(a, b.kind).get(b.id)
        if held is None:
            return
        known = self.labels(a.kind, b.kind)
        gone = set(held) if type_ids is None else held & set(type_ids)
        back = self._slot(b.key, a.key)
        held -= gone
        back -= {known[each].inverse for each in gone if each in known}
        if not held:
            self._held[a.key][b.kind.name].pop(b.id, None)
            self._held[b.key][a.kind.name].pop(a.id, None)

    def drop(self, record: Record) -> None:
        """The record is gone with all its associations."""
        for other in list(self._others(record)):
            self.remove(record, other)

    def move(self, loser: Record, survivor: Record) -> None:
        """A merge: what the loser belonged to, the survivor belongs to."""
        for other in list(self._others(loser)):
            type_ids = set(self.of(loser, other.kind)[other.id])
            self.remove(loser, other)
            if other is not survivor:
                self.add(survivor, other, type_ids)

    def _others(self, record: Record) -> Iterator[Record]:
        for name, ends in self._held.get(record.key, {}).items():
            for key in list(ends):
                found = self._account.records.get((name, key))
                if found is not None:
                    yield found

    def _slot(self, a: End, b: End) -> set[int]:
        return self._held.setdefault(a, {}).setdefault(b[0], {}).setdefault(b[1], set())
