"""Which streams, and which columns of them, are the same thing on both sides: by their names and what they hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from antiphon.mapping import Kind
from antiphon.propose.names import ALIKE, KIN, SAME, likeness, meaning
from antiphon.propose.streams import Column, Stream

_ENOUGH = 0.45
"""Streams are a pair from here on: half of it is the likeness of their names, half the columns in common."""
_ALONE = 0.75
"""So many columns in common make a pair of streams whatever their names."""
_OURS = frozenset({"antiphon_key"})


@dataclass(frozen=True, slots=True)
class Pair:
    """A column of each side. `likeness`: see `names`."""

    first: Column
    second: Column
    likeness: float

    @property
    def reason(self) -> str:
        """Why the two are taken for one, where that is not plain to see."""
        return {SAME: "", KIN: "two names of one thing", ALIKE: "similar names: are they the same?"}[self.likeness]


def pair_columns(first: Stream, second: Stream) -> list[Pair]:
    """Pairs of columns, the most alike first served, in the order of the first stream."""
    candidates = [
        Pair(a, b, near)
        for a in _meant(first)
        for b in _meant(second)
        if (near := likeness(a.name, b.name)) and fits(a, b, near)
    ]
    order = {name: at for at, name in enumerate(first.columns)}
    taken: set[tuple[int, str]] = set()
    found = []
    for pair in sorted(candidates, key=lambda p: (-p.likeness, p.first.name != p.second.name, order[p.first.name])):
        ends = {(1, pair.first.name), (2, pair.second.name)}
        if not ends & taken:
            taken |= ends
            found.append(pair)
    return sorted(found, key=lambda pair: order[pair.first.name])


def fits(a: Column, b: Column, near: float) -> bool:
    """Whether values of one can be values of the other; names that are merely similar need the very same kind."""
    if a.kind is b.kind:
        return True
    if near == ALIKE:
        return False
    return bool({a.kind, b.kind} & {Kind.ANY, Kind.TEXT})


def pair_streams(first: Sequence[Stream], second: Sequence[Stream]) -> list[tuple[Stream, Stream]]:
    """Pairs of streams, the most alike first served, in the order of the first side."""
    scored = [(score, a, b) for a in first for b in second if (score := _score(a, b)) >= _ENOUGH]
    taken: set[tuple[int, str]] = set()
    found = []
    for _, a, b in sorted(scored, key=lambda each: (-each[0], each[1].name, each[2].name)):
        ends = {(1, a.name), (2, b.name)}
        if not ends & taken:
            taken |= ends
            found.append((a, b))
    order = {stream.name: at for at, stream in enumerate(first)}
    return sorted(found, key=lambda pair: order[pair[0].name])


def _score(a: Stream, b: Stream) -> float:
    pairs = [pair for pair in pair_columns(a, b) if pair.likeness > ALIKE]
    common = len(pairs) / max(1, min(len(list(_meant(a))), len(list(_meant(b)))))
    near = likeness(a.name, b.name)
    if not pairs or (not near and common < _ALONE):
        return 0.0
    return (near + common) / 2


def _meant(stream: Stream) -> Iterable[Column]:
    """The columns that people or systems fill, not those of a loader or of ours."""
    return (c for c in stream.columns.values() if not c.name.startswith("_") and meaning(c.name) not in _OURS)
