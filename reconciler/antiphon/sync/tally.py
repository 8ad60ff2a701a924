"""What became of operations, counted for the log: per side and entity, in the words of a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

from antiphon.ledger import Ledger
from antiphon.ledger.tables import CONFLICT, LINK
from antiphon.model import ConflictState, LinkState, Op, OpKind, OpState, Side
from antiphon.sync.report import Reporter

Tally: TypeAlias = Counter[tuple[str, str]]
"""By entity and word, such as `("contact", "created")`."""

_DONE: Mapping[OpKind, str] = {OpKind.CREATE: "created", OpKind.UPDATE: "updated", OpKind.DELETE: "deleted"}
_OTHER: Mapping[OpState, str] = {
    OpState.POISON: "rejected",
    OpState.REJECTED: "stale",  # something else was there than expected: planned anew
    OpState.PLANNED: "failed",  # to be tried again
    OpState.INFLIGHT: "unanswered",
    OpState.DROPPED: "dropped",
}
WORDS = (*_DONE.values(), *_OTHER.values())


class Fate(NamedTuple):
    """Of an operation, what there is to count."""

    op_id: str
    entity: str
    kind: OpKind
    state: OpState


def tally(ops: Iterable[Op | Fate]) -> Tally:
    """Count operations by what became of them."""
    return Counter((op.entity, _OTHER.get(op.state) or _DONE[op.kind]) for op in ops)


def tell_counts(report: Reporter, side: Side, counts: Tally, **facts: object) -> None:
    """One line per entity: `wrote crm contact: 2 created, 1 rejected`."""
    for entity in sorted({entity for entity, _ in counts}):
        mine = {word: counts[entity, word] for word in WORDS if counts[entity, word]}
        told = ", ".join(f"{number} {word}" for word, number in mine.items())
        report.say("written", f"wrote {side} {entity}: {told}", side=side, entity=entity, **mine, **facts)


def tell_given(report: Reporter, side: Side, ops: Iterable[Op]) -> None:
    """One line per entity of what was handed to a target that another process runs."""
    given = Counter((op.entity, op.kind) for op in ops)
    for entity in sorted({entity for entity, _ in given}):
        mine = {str(kind): given[entity, kind] for kind in OpKind if given[entity, kind]}
        told = ", ".join(f"{number} to {kind}" for kind, number in mine.items())
        report.say("given", f"{side} {entity}: {told}", side=side, entity=entity, **mine)


def tell_waiting(report: Reporter, ledger: Ledger, entities: Iterable[str]) -> None:
    """One line per entity of which something waits for a person."""
    conflicts = Counter(each.entity for each in ledger.store.find(CONFLICT, "state", [(ConflictState.OPEN,)]))
    for entity in entities:
        parked = ledger.store.count(LINK, "state", (entity, LinkState.PARKED))
        if conflicts[entity] or parked:
            told = f"waiting of {entity}: {conflicts[entity]} in conflict, {parked} parked"
            report.say("waiting", told, entity=entity, conflicts=conflicts[entity], parked=parked)
