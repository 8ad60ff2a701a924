"""What the planner may know of the ledger, and the workspace in which it writes down what follows.

`Facts` is read-only and comes from the ledger (or from a test). `Workspace` lays the planner's own changes over it, so
that a link made for one record is seen when the next record refers to it, and collects the changed rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from antiphon.model import (
    Audit,
    Base,
    Bases,
    BaseStatus,
    Conflict,
    ConflictState,
    Cursor,
    Instant,
    Link,
    LinkState,
    Member,
    Observation,
    Op,
    OpState,
    RecordState,
    Rid,
    Row,
    Side,
    Tombstone,
    replace,
)

ObsKey = tuple[Side, str, Rid]


class Facts(Protocol):
    """A read-only view of the ledger at one moment."""

    def touched(self) -> Iterable[ObsKey]:
        """The observations that the planner must look at, in order of their keys."""

    def observation(self, key: ObsKey) -> Observation | None:
        """What the side last showed of the record."""

    def holder(self, key: ObsKey) -> str | None:
        """The link that holds the id."""

    def link(self, lid: str) -> Link | None:
        """The link, closed or not."""

    def expect_links(self, lids: Iterable[str]) -> None:
        """These links will be asked for, one by one."""

    def members(self, lid: str) -> Mapping[Side, Rid]:
        """The ids that the link holds."""

    def bases(self, lid: str) -> Mapping[str, Mapping[Side, Base]]:
        """By field, then side."""

    def ops(self, lid: str) -> Mapping[Side, Op]:
        """The open operation on each side."""

    def acknowledged(self, lid: str, side: Side, since: Instant = 0) -> Iterable[Op]:
        """The finished operations of the link that the side acknowledged `since` then, the latest first."""

    def sent(self, lid: str, side: Side) -> list[Op]:
        """Every operation of the link that ever went to the side, the first first."""

    def conflicts(self, lid: str) -> tuple[Conflict, ...]:
        """Those that are open or decided."""

    def audits(self, lid: str) -> Sequence[Audit]:
        """Every value of the link's records that was replaced."""

    def match_keys(self, key: ObsKey) -> Mapping[int, str]:
        """The record's canonical value under each match rule that it has values for."""

    def matching(self, entity: str, side: Side, rule: int, value: str) -> frozenset[Rid]:
        """The live records that have this value."""

    def tombstone(self, key: ObsKey) -> Tombstone | None:
        """The record that once had this id."""

    def absent(self, key: ObsKey) -> bool:
        """Whether the last complete read lacked the record."""

    def aliases(self, lid: str) -> tuple[str, ...]:
        """The links that are an alias of this one."""

    def cursor(self, side: Side, entity: str) -> Cursor | None:
        """How far the stream was read."""


class Holders(Protocol):
    """Where ids lead: a part of `Facts`, which a `Workspace` answers as well."""

    def observation(self, key: ObsKey) -> Observation | None:
        """What was last seen of a record."""

    def holder(self, key: ObsKey) -> str | None:
        """The link that holds an id."""

    def link(self, lid: str) -> Link | None:
        """A link."""

    def members(self, lid: str) -> Mapping[Side, Rid]:
        """The records it holds."""


def has_column(facts: Facts, side: Side, entity: str, column: str) -> bool:
    """Whether the side's last read had the column at all; a record may lack it where it is empty."""
    cursor = facts.cursor(side, entity)
    return cursor is None or cursor.schema is None or column in cursor.schema


MERGE_CHAIN = 16
"""A chain of merges longer than this is a loop."""


def link_of(facts: Holders, entity: str, side: Side, rid: Rid) -> str | None:
    """The link that an id stands for; merged records and aliases lead to the survivor."""
    for _ in range(MERGE_CHAIN):
        lid = facts.holder((side, entity, rid))
        if lid is not None:
            link = facts.link(lid)
            return link.alias_of if link is not None and link.alias_of else lid
        seen = facts.observation((side, entity, rid))
        if seen is None or seen.state is not RecordState.MERGED or seen.merged_into is None:
            return None
        rid = seen.merged_into
    return None


@dataclass(slots=True)
class Workspace:
    """Facts with the planner's changes on top. `rows` are to be stored, `touch` and `untouch` to be marked."""

    facts: Facts
    touch: set[ObsKey] = field(default_factory=set)
    untouch: set[ObsKey] = field(default_factory=set)
    _links: dict[str, Link] = field(default_factory=dict)
    _members: dict[str, dict[Side, Rid]] = field(default_factory=dict)
    _member_rows: dict[tuple[str, Side, Rid], Member] = field(default_factory=dict)
    _holders: dict[ObsKey, str | None] = field(default_factory=dict)
    _bases: dict[str, dict[str, dict[Side, Base]]] = field(default_factory=dict)
    _moved_bases: set[str] = field(default_factory=set)  # the links of which some were put or dropped
    _ops: dict[str, dict[Side, Op]] = field(default_factory=dict)
    _op_rows: dict[str, Op] = field(default_factory=dict)
    _op_ids: dict[str, set[str]] = field(default_factory=dict)  # by link
    _conflicts: dict[str, dict[str, Conflict]] = field(default_factory=dict)
    _conflict_rows: dict[str, Conflict] = field(default_factory=dict)
    _tombstones: dict[ObsKey, Tombstone] = field(default_factory=dict)
    _observations: dict[ObsKey, Observation] = field(default_factory=dict)
    audits: list[Audit] = field(default_factory=list)

    # ---- reading

    def observation(self, key: ObsKey) -> Observation | None:
        """As `Facts.observation`."""
        return self._observations.get(key) or self.facts.observation(key)

    def holder(self, key: ObsKey) -> str | None:
        """As `Facts.holder`."""
        return self._holders[key] if key in self._holders else self.facts.holder(key)

    def link(self, lid: str) -> Link | None:
        """As `Facts.link`."""
        return self._links.get(lid) or self.facts.link(lid)

    def members(self, lid: str) -> dict[Side, Rid]:
        """As `Facts.members`."""
        if lid not in self._members:
            self._members[lid] = dict(self.facts.members(lid))
        return self._members[lid]

    def bases(self, lid: str) -> dict[str, dict[Side, Base]]:
        """As `Facts.bases`."""
        if lid not in self._bases:
            self._bases[lid] = {name: dict(pair) for name, pair in self.facts.bases(lid).items()}
        return self._bases[lid]

    def ops(self, lid: str) -> dict[Side, Op]:
        """As `Facts.ops`."""
        if lid not in self._ops:
            self._ops[lid] = dict(self.facts.ops(lid))
        return self._ops[lid]

    def conflicts(self, lid: str) -> dict[str, Conflict]:
        """The open or decided conflicts by id."""
        if lid not in self._conflicts:
            self._conflicts[lid] = {c.cid: c for c in self.facts.conflicts(lid)}
        return self._conflicts[lid]

    def last_write(self, lid: str, side: Side, field: str | None = None, since: Instant = 0) -> Op | None:
        """The operation that last wrote the field, or did anything, on the side and was acknowledged, `since` then.

        A link's history grows: of a field that was never written there, all of it would be looked at.
        """
        known = {op.op_id: op for op in self.facts.ops(lid).values()}
        known.update((op_id, self._op_rows[op_id]) for op_id in self._op_ids.get(lid, ()) if op_id in self._op_rows)
        finished = (op for op in self.facts.acknowledged(lid, side, since) if op.op_id not in known)
        latest = next((op for op in finished if field is None or field in op.patch), None)
        mine = (op for op in known.values() if op.side == side and op.acked_at is not None and op.acked_at >= since)
        ours = (op for op in mine if field is None or field in op.patch)
        wrote = [*ours, *([latest] if latest is not None else [])]
        return max(wrote, key=lambda op: (op.acked_at or 0, op.op_id), default=None)

    def tombstone(self, key: ObsKey) -> Tombstone | None:
        """As `Facts.tombstone`."""
        return self._tombstones.get(key) or self.facts.tombstone(key)

    def aliases(self, lid: str) -> list[str]:
        """As `Facts.aliases`, with the planner's own."""
        known = set(self.facts.aliases(lid)) | {x.lid for x in self._links.values() if x.alias_of == lid}
        return sorted(
            x for x in known if (found := self.link(x)) and found.state is LinkState.ALIAS and found.alias_of == lid
        )

    # ---- writing

    def put_link(self, link: Link) -> None:
        """Store the link; closing it frees its ids."""
        before = self.link(link.lid)
        self._links[link.lid] = link
        if link.state.closed and not (before and before.state.closed):
            for side, rid in list(self.members(link.lid).items()):
                self._member_rows[(link.lid, side, rid)] = Member(link.lid, side, link.entity, rid, held=False)
                self._holders[(side, link.entity, rid)] = None

    def put_member(self, link: Link, side: Side, rid: Rid) -> None:
        """Give the link an id on a side, in place of the one it may hold there: what was agreed, was with that one."""
        held = self.members(link.lid).get(side)
        if held != rid:
            self.drop_member(link, side)
            if held is not None:
                self.doubt_bases(link.lid, side, list(self.bases(link.lid)))
        self.members(link.lid)[side] = rid
        self._member_rows[(link.lid, side, rid)] = Member(link.lid, side, link.entity, rid)
        self._holders[(side, link.entity, rid)] = link.lid

    def drop_member(self, link: Link, side: Side) -> None:
        """Free the link's id on a side. The record is a newcomer from now on, if it is there: it is looked at again."""
        rid = self.members(link.lid).pop(side, None)
        if rid is not None:
            self._member_rows[(link.lid, side, rid)] = Member(link.lid, side, link.entity, rid, held=False)
            self._holders[(side, link.entity, rid)] = None
            self.touch.add((side, link.entity, rid))

    def put_base(self, lid: str, side: Side, field: str, base: Base) -> None:
        """Store one side's base of a field."""
        self.bases(lid).setdefault(field, {})[side] = base
        self._moved_bases.add(lid)

    def doubt_bases(self, lid: str, side: Side, names: Iterable[str]) -> None:
        """What the side shows of these fields may be an edit, even where it is what was agreed on."""
        for name in names:
            base = self.bases(lid).get(name, {}).get(side)
            if base is not None and base.status is not BaseStatus.PROVISIONAL:
                self.put_base(lid, side, name, replace(base, status=BaseStatus.PROVISIONAL, previous=base.value))

    def drop_bases(self, lid: str, only: str | None = None) -> None:
        """Forget that the sides ever agreed, or that they agreed on one field."""
        there = self.bases(lid)
        for name in list(there) if only is None else [only]:
            if there.pop(name, None) is not None:
                self._moved_bases.add(lid)

    def put_op(self, op: Op) -> None:
        """Store an operation."""
        mine = self.ops(op.lid)
        if op.state.open:
            mine[op.side] = op
        elif op.side in mine and mine[op.side].op_id == op.op_id:
            del mine[op.side]
        self._op_rows[op.op_id] = op
        self._op_ids.setdefault(op.lid, set()).add(op.op_id)

    def drop_op(self, op: Op, why: str) -> None:
        """Call a planned operation off; one that was never stored leaves no trace."""
        self.put_op(replace(op, state=OpState.DROPPED, error=why))
        if all(stored.op_id != op.op_id for stored in self.facts.ops(op.lid).values()):
            del self._op_rows[op.op_id]

    def put_conflict(self, conflict: Conflict) -> None:
        """Store a conflict; one that is over before it was ever stored leaves no trace."""
        mine = self.conflicts(conflict.lid)
        self._conflict_rows[conflict.cid] = conflict
        if conflict.state is not ConflictState.CLOSED:
            mine[conflict.cid] = conflict
            return
        mine.pop(conflict.cid, None)
        if all(stored.cid != conflict.cid for stored in self.facts.conflicts(conflict.lid)):
            del self._conflict_rows[conflict.cid]

    def put_tombstone(self, tombstone: Tombstone) -> None:
        """Remember a record that is gone."""
        self._tombstones[(tombstone.side, tombstone.entity, tombstone.rid)] = tombstone

    def put_observation(self, observation: Observation) -> None:
        """Store what a write showed of a record."""
        self._observations[observation.key] = observation

    def rows(self) -> list[Row]:
        """Every changed row, in a stable order."""
        tables: tuple[dict[Any, Any], ...] = (
            self._observations,
            self._links,
            self._member_rows,
            {lid: Bases(lid, self._bases[lid]) for lid in self._moved_bases},
            self._op_rows,
            self._conflict_rows,
            self._tombstones,
        )
        return [*(table[key] for table in tables for key in sorted(table)), *self.audits]

    @property
    def ops_by_id(self) -> Mapping[str, Op]:
        """The operations that were changed here."""
        return self._op_rows

    def new_ops(self) -> list[Op]:
        """The operations that were planned, replaced or dropped here."""
        return [self._op_rows[key] for key in sorted(self._op_rows)]

    def new_conflicts(self) -> list[Conflict]:
        """The conflicts that were opened, changed or closed here."""
        return [self._conflict_rows[key] for key in sorted(self._conflict_rows)]
