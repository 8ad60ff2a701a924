"""The plan: everything that follows from the ledger, as a value. A pure function: the same facts give the same plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from antiphon.facts import Facts, ObsKey, Workspace
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import Conflict, Op, OpState, Row, Side
from antiphon.plan.context import Planning
from antiphon.plan.guards import Linked, Tripped, check
from antiphon.plan.newcomers import settle_newcomers
from antiphon.plan.order import in_order
from antiphon.plan.reconcile import reconcile
from antiphon.plan.review import fingerprint
from antiphon.settle import Moment

__all__ = ["Part", "Plan", "Portion", "Tripped", "fingerprint", "gathered", "make_plan"]


@dataclass(frozen=True, slots=True)
class Part:
    """What the ledger is told of a plan: its new rows, and the records that the planner must look at, or no more."""

    rows: tuple[Row, ...]
    touch: tuple[ObsKey, ...]
    untouch: tuple[ObsKey, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What follows. `rows` are the ledger's new rows; `operations` the writes they contain, in the order of sending.

    `tripped` guards forbid it to be carried out. `waits` are records that must be looked at again, with the reason.
    `changed` are the links that a side changed, by entity and side. Of a plan that was made in `parts` these are
    stored, one after the other; its own rows are those that people are shown.
    """

    rows: tuple[Row, ...]
    touch: tuple[ObsKey, ...]
    untouch: tuple[ObsKey, ...]
    operations: tuple[Op, ...]
    conflicts: tuple[Conflict, ...]
    waits: Mapping[ObsKey, str]
    tripped: tuple[Tripped, ...]
    changed: Mapping[tuple[str, Side], AbstractSet[str]] = field(default_factory=dict)
    parts: Iterable[Part] = field(default=(), compare=False)

    @property
    def empty(self) -> bool:
        """Nothing would be written to any side, and nothing waits for a person that did not wait before."""
        return not self.operations and not self.conflicts


@dataclass(frozen=True, slots=True)
class Portion:
    """What the plan of some records must know of the others that wait.

    `unnamed` are the sides that may have named new records unheard, by entity. Given `rules`, newcomers are linked by
    so many match rules and nothing else is planned: each rule is tried for all records before the next.
    """

    unnamed: frozenset[tuple[str, Side]]
    rules: int | None = None


def make_plan(
    facts: Facts,
    mapping: SyncMapping,
    *,
    ledger_id: str,
    at: Moment,
    held: Mapping[Side, str] | None = None,
    deletes_blocked: str = "",
    linked: Linked = lambda _entity, _most: 0,
    reviewed: frozenset[str] | None = None,
    portion: Portion | None = None,
) -> Plan:
    """Plan all touched records.

    `held` sides are not written, with the reason. `linked` counts an entity's links, for the guards. Given
    `reviewed`, only operations with one of these fingerprints are planned; the records of all others wait. `portion`:
    these are some of the records that wait.
    """
    ws = Workspace(facts)
    p = Planning(ws, mapping, ledger_id, at, held or {}, deletes_blocked, reviewed)
    if portion is not None:
        p.unnamed |= portion.unnamed
        p.rules = portion.rules
    touched: dict[str, list[ObsKey]] = {name: [] for name in mapping.entities}
    for key in facts.touched():
        if key[1] in touched:
            touched[key[1]].append(key)
    entities = mapping.parents_first
    for entity in entities:
        settle_newcomers(p, entity, touched[entity.name])
    if p.rules is not None:
        return gathered(p, linked)
    looked_at = {key for keys in touched.values() for key in keys}
    for entity in entities:
        done: set[str] = set()
        while waiting := {lid for key in touched[entity.name] if (lid := ws.holder(key)) is not None} - done:
            for link in filter(None, map(ws.link, sorted(waiting))):
                if portion is not None:
                    looked_at.update((side, link.entity, rid) for side, rid in ws.members(link.lid).items())
                reconcile(p, link)  # which may join two records under a new link
            done |= waiting
    return gathered(p, linked, looked_at)


def gathered(p: Planning, linked: Linked, looked_at: AbstractSet[ObsKey] = frozenset()) -> Plan:
    """What a planning wrote down, as a plan. Of the records `looked_at`, those that wait are looked at again."""
    p.forget()
    planned = [op for op in p.ws.new_ops() if op.state is OpState.PLANNED]
    order = [entity.name for entity in p.mapping.parents_first]
    return Plan(
        rows=tuple(p.ws.rows()),
        touch=tuple(sorted(p.ws.touch | p.waits.keys())),
        untouch=tuple(sorted(looked_at - p.ws.touch - p.waits.keys())),
        operations=tuple(op for level in in_order(planned, order) for op in level),
        conflicts=tuple(p.ws.new_conflicts()),
        waits=p.waits,
        tripped=tuple(check(p.mapping, planned, p.changed, linked)),
        changed=p.changed,
    )
