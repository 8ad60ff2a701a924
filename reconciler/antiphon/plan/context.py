"""What one planning carries along: the workspace, the mapping, the moment, and what it noticed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from antiphon.equivalence import canonical_json, make_rid
from antiphon.facts import ObsKey, Workspace, link_of
from antiphon.identity import op_id
from antiphon.mapping import Entity
from antiphon.mapping import Mapping as SyncMapping
from antiphon.merge import Surroundings
from antiphon.model import (
    ConflictKind,
    Link,
    LinkState,
    Observation,
    Op,
    OpKind,
    OpState,
    Rid,
    Side,
    Value,
    replace,
)
from antiphon.plan.review import fingerprint
from antiphon.settle import Moment, call_off, close_conflicts, touch_members

BLOCKING = frozenset(ConflictKind) - {
    ConflictKind.FIELD,
    ConflictKind.JOIN,
    ConflictKind.DIVERGED,
    ConflictKind.CLOBBERED,
    ConflictKind.PING_PONG,
}
"""Conflicts of a whole record; while one is open its link is parked."""


@dataclass(slots=True)
class Planning:
    """One planning. `held` are sides that must not be written in this round, with the reason.

    Given `rules`, newcomers are matched by so many of them and nothing else is planned.
    """

    ws: Workspace
    mapping: SyncMapping
    ledger_id: str
    at: Moment
    held: Mapping[Side, str]
    deletes_blocked: str = ""
    reviewed: frozenset[str] | None = None
    rules: int | None = None
    waits: dict[ObsKey, str] = field(default_factory=dict)
    attempts: dict[tuple[str, Side], int] = field(default_factory=dict)  # (lid, side): writes that were not to be seen
    changed: dict[tuple[str, Side], set[str]] = field(default_factory=dict)  # (entity, side): the links it changed
    fresh: set[str] = field(default_factory=set)  # links of records that nothing stands in the way of creating
    creating: set[str] = field(default_factory=set)
    unnamed: set[tuple[str, Side]] = field(default_factory=set)  # (entity, side): its new records may have links
    _surroundings: dict[str, Surroundings] = field(default_factory=dict)

    def surroundings(self, entity: Entity) -> Surroundings:
        """How the entity's references are followed."""
        found = self._surroundings.get(entity.name)
        if found is None:
            found = self._surroundings[entity.name] = Surroundings(entity, self.resolve, self.member_of)
        return found

    def forget(self) -> None:
        """Let go of what refers back to this planning: Python would keep the circle until it collects garbage."""
        self._surroundings.clear()

    def resolve(self, entity: str, side: Side, rid: Rid) -> str | None:
        """The link that an id stands for, as `facts.link_of`."""
        return link_of(self.ws, entity, side, rid)

    def member_of(self, lid: str, side: Side) -> Rid | None:
        """The link's id on a side; an id that is planned for a create counts."""
        return self.ws.members(lid).get(side)

    def seen(self, link: Link, side: Side) -> Observation | None:
        """What the side last showed of the link's record."""
        rid = self.ws.members(link.lid).get(side)
        return self.ws.observation((side, link.entity, rid)) if rid is not None else None

    def wait(self, link: Link, reason: str) -> None:
        """Look at the link again in the next planning. The first reason is the one that is told."""
        for side, rid in self.ws.members(link.lid).items():
            key = (side, link.entity, rid)
            if self.ws.observation(key) is not None:
                self.waits.setdefault(key, reason)

    def rearmed(self, link: Link, side: Side, patch: Mapping[str, Value]) -> bool:
        """Whether a write may be tried: not if the target refused this very write before and nothing changed since."""
        for conflict in self.ws.conflicts(link.lid).values():
            if conflict.decision is None:
                refused = (
                    conflict.evidence.get("side"),
                    conflict.evidence.get("patch"),
                    conflict.evidence.get("mapping"),
                )
                if refused == (side, dict(patch), self.mapping.version):
                    return False
        return True

    def open(self, link: Link, state: LinkState) -> Link:
        """The link with nothing standing in its way any more."""
        close_conflicts(self.ws, link.lid, kinds=BLOCKING)
        if link.state is not state or link.closed_reason:
            link = replace(link, state=state, closed_reason="")
            self.ws.put_link(link)
        return link

    def enqueue(
        self,
        link: Link,
        side: Side,
        kind: OpKind,
        *,
        key: Mapping[str, Value],
        patch: Mapping[str, Value],
        expect: Mapping[str, Value],
        source: Mapping[str, Value],
        reasons: Mapping[str, str],
        losers: Mapping[str, Value],
        references: dict[str, str],
        adds: Mapping[str, Value] | None = None,
        echoes: Mapping[str, int] | None = None,
        contests: Mapping[str, object] | None = None,
    ) -> bool:
        """Put an operation into the outbox; true if it is there. The same write planned before stays, another goes."""
        before = self.ws.ops(link.lid).get(side)
        if before is not None and before.state is not OpState.PLANNED:
            self.wait(link, f"a write to {side} waits to be seen")
            return False
        planned = before
        invisible = self.attempts.get((link.lid, side))
        if invisible is not None or (planned is not None and planned.sent_at is not None):
            # or it was done, and somebody put the old value back: it may be an edit, so it is kept in the audit
            losers = {**{name: value for name, value in expect.items() if name in patch}, **losers}
        op = Op(
            op_id=op_id(self.at.now, self.ledger_id, link.lid, side, kind.value, self.at.run_id),
            lid=link.lid,
            side=side,
            entity=link.entity,
            kind=kind,
            key=key,
            patch=patch,
            expect=expect,
            source=source,
            reasons=reasons,
            losers=losers,
            deps=tuple(sorted({lid for lid in references.values() if self._being_created(lid, side)})),
            planned_at=self.at.now,
            run_id=self.at.run_id,
            attempt=invisible or 0,
            not_before=planned.not_before if planned else 0,  # what failed waits its time, then goes with this value
            sent_at=planned.sent_at if planned and planned.kind is kind and not key else None,  # it may be made by now
            adds=adds or {},
            echoes=echoes or {},
            contests=contests or {},
        )
        if op.deps or op.sent_at is not None:  # what it waits for may be parked, or appear, before it goes out
            touch_members(self.ws, op)
        if planned is not None and _content(planned) == _content(op):
            return True
        if self.reviewed is not None and fingerprint(op) not in self.reviewed:
            self.wait(link, "it is not in the reviewed plan")
            return False
        if planned is not None:
            call_off(self.ws, planned, "replaced by a newer plan", self.at)
        self.ws.put_op(op)
        return True

    def _being_created(self, lid: str, side: Side) -> bool:
        op = self.ws.ops(lid).get(side)
        return side not in self.ws.members(lid) or (op is not None and op.kind is OpKind.CREATE)


def key_rid(entity: Entity, side: Side, key: Mapping[str, Value]) -> Rid:
    """The record id of a key."""
    return make_rid([key[column] for column in entity.sides[side].key])


def _content(op: Op) -> str:
    """What the operation writes, as text: Python calls 1 and True equal."""
    return canonical_json([op.kind.value, op.key, op.patch, op.expect, op.source])
