"""Guards: limits that stop a run before it does harm. Each says the numbers and the way on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from antiphon.mapping import MIN_KNOWN
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import Op, OpKind, Side

Linked: TypeAlias = Callable[[str, int | None], int]
"""How many links an entity has, counted no further than to the number: to count a million takes longer than a round."""

_REVIEWED = (
    "read the plan (`antiphon plan --out FILE`), then `antiphon apply FILE`, or raise `guards.{name}` in sync.yml"
)


@dataclass(frozen=True, slots=True)
class Tripped:
    """A guard that stops the run. A `reviewed` plan passes the guards that only count."""

    name: str
    message: str
    hint: str
    counting: bool = True


def check(
    mapping: SyncMapping,
    planned: Iterable[Op],
    changed: Mapping[tuple[str, Side], Collection[str]],
    linked: Linked,
) -> Iterator[Tripped]:
    """The counting guards on a plan."""
    counts = Counter((op.entity, op.side, op.kind) for op in planned)
    limits = {
        OpKind.DELETE: ("max_delete", mapping.guards.max_delete),
        OpKind.CREATE: ("max_create", mapping.guards.max_create),
    }
    for (entity, side, kind), number in sorted(counts.items()):
        if kind not in limits or limits[kind][1].always_allows(number):
            continue
        name, limit = limits[kind]
        if not limit.allows(number, linked(entity, limit.enough(number))):
            yield Tripped(
                name,
                f"{number} {entity} would be {kind.value}d on {side}, of {linked(entity, None)} linked; "
                f"{name} is {limit}",
                _REVIEWED.format(name=name),
            )
    for (entity, side), lids in sorted(changed.items()):
        limit = mapping.guards.max_change
        if limit.always_allows(len(lids)):
            continue
        if not limit.allows(len(lids), linked(entity, limit.enough(len(lids)))):
            yield Tripped(
                "max_change",
                f"{side} changed {len(lids)} of {linked(entity, None)} {entity} at once; max_change is {limit}",
                "a mass update, another time zone or account? " + _REVIEWED.format(name="max_change"),
            )


def check_read(
    side: Side, entity: str, *, known: int, reappeared: int, seen: int, accept_empty: bool
) -> Tripped | None:
    """The guards on a complete read: an emptied side, and a side that is not the one we knew."""
    if known and not seen and not accept_empty:
        return Tripped(
            "empty-side",
            f"{side} shows no {entity} at all; {known} were linked there",
            f"if {side} was emptied on purpose: `--accept-empty {side}`",
            counting=False,
        )
    if known >= MIN_KNOWN and seen and reappeared * 2 < known and not accept_empty:
        return Tripped(
            "wrong-account",
            f"only {reappeared} of the {known} linked {entity} reappeared in a complete read of {side}",
            f"is it another account, a restored backup, a filter? If this is right: `--accept-empty {side}`",
            counting=False,
        )
    return None
