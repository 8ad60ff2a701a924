"""Guards: limits that stop a run before it does harm. Each says the numbers and the way on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from antiphon.mapping import MIN_KNOWN
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import Op, OpKind, Side

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
    linked: Mapping[str, int],
) -> Iterator[Tripped]:
    """The counting guards on a plan. `linked` is how many links each entity has; it is asked where it matters."""
    counts = Counter((op.entity, op.side, op.kind) for op in planned)
    limits = {
        OpKind.DELETE: ("max_delete", mapping.guards.max_delete),
        OpKind.CREATE: ("max_create", mapping.guards.max_create),
    }
    for (entity, side, kind), number in sorted(counts.items()):
        if kind not in limits or limits[kind][1].always_allows(number):
            continue
        known = linked.get(entity, 0)
        name, limit = limits[kind]
        if not limit.allows(number, known):
            yield Tripped(
                name,
                f"{number} {entity} would be {kind.value}d on {side}, of {known} linked; {name} is {limit}",
                _REVIEWED.format(name=name),
            )
    for (entity, side), lids in sorted(changed.items()):
        if mapping.guards.max_change.always_allows(len(lids)):
            continue
        known = linked.get(entity, 0)
        if not mapping.guards.max_change.allows(len(lids), known):
            yield Tripped(
                "max_change",
                f"{side} changed {len(lids)} of {known} {entity} at once; max_change is {mapping.guards.max_change}",
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
