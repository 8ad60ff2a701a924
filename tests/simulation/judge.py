"""When two values of a schedule mean the same, and which records ever stood for the same thing: the oracle's view."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from antiphon.equivalence import canon, from_json, is_empty, make_rid
from antiphon.ledger import Ledger
from antiphon.ledger.tables import AUDIT, CONFLICT, LINK, MEMBER, OUTBOX, RECEIPT
from antiphon.mapping import Field
from antiphon.model import Audit, Conflict, Link, Missing, Op, Rid, Side, Value
from antiphon.protocol import Status
from tests.simulation.engine import Engine
from tests.simulation.shape import HUBSPOT, SIDES
from tests.simulation.world import Row, World

Node = tuple[Side, str, Rid]


class Judge:
    """All that the oracle looks up, gathered once at the end of a schedule."""

    def __init__(self, world: World, engine: Engine) -> None:
        self.world, self.engine = world, engine
        self.mapping = world.shape.mapping
        self.ledger = Ledger(engine.store)
        self.links: dict[str, Link] = {link.lid: link for link in engine.store.scan(LINK)}
        self.members: dict[str, dict[Side, Rid]] = defaultdict(dict)
        self.holders: dict[Node, str] = {}
        for member in engine.store.scan(MEMBER):
            if member.held:
                self.members[member.lid][member.side] = member.rid
                self.holders[member.side, member.entity, member.rid] = member.lid
        self.ops: dict[str, Op] = {op.op_id: op for op in engine.store.scan(OUTBOX)}
        self.told = {r.op_id for r in engine.store.scan(RECEIPT) if r.status == Status.APPLIED}
        self.audits: dict[str, list[Audit]] = defaultdict(list)
        for audit in engine.store.scan(AUDIT):
            self.audits[audit.lid].append(audit)
        self.conflicts: dict[str, list[Conflict]] = defaultdict(list)
        for conflict in engine.store.scan(CONFLICT):
            self.conflicts[conflict.lid].append(conflict)
        self.ever: dict[str, set[Node]] = defaultdict(set)
        for node, lids in engine.lids.items():
            for lid in lids:
                self.ever[lid].add(node)
        self._parent: dict[Node, Node] = {}
        self._losers: dict[Node, list[Rid]] = defaultdict(list)
        self._peers: dict[Node, list[Row]] = {}
        for (side, entity, rid), peers in engine.partners.items():
            for peer in peers:
                self._join((side, entity, rid), (_other(side), entity, peer))
        for side, system in world.systems.items():
            for row in system.every_row():
                if row.merged_into is not None:
                    self._losers[side, row.entity, row.merged_into].append(row.rid)
                    self._join((side, row.entity, row.rid), (side, row.entity, row.merged_into))

    def same(self, field: Field, one_side: Side, one: Value, two_side: Side, two: Value) -> bool:
        """Whether two values mean the same, also after what `hubspot` makes of them."""
        if is_empty(one) and is_empty(two):
            return True
        if field.references:
            left = self.root((one_side, field.references, make_rid([one])))
            return left == self.root((two_side, field.references, make_rid([two])))
        if one == two and type(one) is type(two):
            return True
        if form(field, one_side, one) == form(field, two_side, two):
            return True
        for side, system in self.world.systems.items():
            if system.kind == HUBSPOT or self.world.shape.rewrites:
                column = field.columns[side]
                if form(field, side, system.stored(column, one)) == form(field, side, system.stored(column, two)):
                    return True
        return False

    def row(self, side: Side, entity: str, rid: Rid) -> Row | None:
        """A record, dead or alive."""
        return self.world.systems[side].tables[entity].get(rid)

    def family(self, side: Side, row: Row) -> set[Rid]:
        """The record's ids: its own and those that were merged into it."""
        found: set[Rid] = set()
        ahead = [row.rid]
        while ahead:
            rid = ahead.pop()
            if rid not in found:
                found.add(rid)
                ahead += self._losers.get((side, row.entity, rid), ())
        return found

    def lids(self, side: Side, row: Row) -> set[str]:
        """Every link that ever held the record."""
        known = self.engine.lids
        return {lid for rid in self.family(side, row) for lid in known.get((side, row.entity, rid), ())}

    def peers(self, side: Side, row: Row) -> list[Row]:
        """Every record that was ever linked with it."""
        node = (side, row.entity, row.rid)
        if node not in self._peers:
            self._peers[node] = self._find_peers(side, row)
        return self._peers[node]

    def _find_peers(self, side: Side, row: Row) -> list[Row]:
        known = self.engine.partners
        there = self.world.systems[_other(side)].tables[row.entity]
        family = self.family(side, row)
        rids = {peer for rid in family for peer in known.get((side, row.entity, rid), ())}
        table = self.world.systems[side].tables[row.entity]
        rids |= {table[rid].source for rid in family} & there.keys()
        ahead = list(rids)
        while ahead:
            seen = there.get(ahead.pop())
            if seen is not None and seen.merged_into is not None and seen.merged_into not in rids:
                rids.add(seen.merged_into)
                ahead.append(seen.merged_into)
        return [there[rid] for rid in sorted(rids) if rid in there]

    def root(self, node: Node) -> Node:
        """One record for all that ever stood for the same thing."""
        while node in self._parent:
            node = self._parent[node]
        return node

    def _join(self, one: Node, two: Node) -> None:
        first, second = self.root(one), self.root(two)
        if first != second:
            self._parent[max(first, second)] = min(first, second)

    def refers_to_linked(self, field: Field, side: Side, value: Value) -> bool:
        """Whether a reference names a live record that is linked on both sides."""
        if is_empty(value) or field.references is None:
            return True
        rid = make_rid([value])
        lid = self.holders.get((side, field.references, rid))
        row = self.row(side, field.references, rid)
        link = self.links.get(lid or "")
        return row is not None and row.alive and link is not None and link.state.value == "active"


def form(field: Field, side: Side, value: Value) -> Any:
    """The canonical form of a value of a side."""
    return canon(field, side, value, lambda *_: None)


def _other(side: Side) -> Side:
    return SIDES[1] if side == SIDES[0] else SIDES[0]


def value_of(value: Value | Missing) -> Value:
    """The value, null if there is none."""
    return None if isinstance(value, Missing) else value


def key_values(rid: Rid) -> list[Value]:
    """The key values of an id."""
    values: list[Value] = from_json(rid)
    return values
