"""The planner's view of a ledger, read in bulk for the touched records and one by one for whatever else it asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from antiphon.facts import ObsKey
from antiphon.ledger.store import Store
from antiphon.ledger.tables import (
    ABSENCE,
    AUDIT,
    BASE,
    CONFLICT,
    CURSOR,
    LINK,
    MATCH_KEY,
    MEMBER,
    OBS,
    OUTBOX,
    TOMBSTONE,
)
from antiphon.model import (
    Audit,
    Base,
    Conflict,
    ConflictState,
    Cursor,
    Instant,
    Link,
    Observation,
    Op,
    OpState,
    RecordState,
    Rid,
    Side,
    Tombstone,
)


def find_touched(store: Store, sides: tuple[Side, Side]) -> list[ObsKey]:
    """The records that the planner must look at: those that changed, and those whose writes are in doubt."""
    found = {row.key for row in store.find(OBS, "touched", [(True,)])}
    in_doubt = [(side, state) for side in sides for state in (OpState.SENT, OpState.INFLIGHT)]
    lids = {op.lid for op in store.find(OUTBOX, "state", in_doubt)}
    found |= {(m.side, m.entity, m.rid) for m in store.find(MEMBER, "lid", [(lid,) for lid in lids]) if m.held}
    return sorted(found)


OPEN = tuple(state for state in OpState if state.open)
_OF_OPS = ("op_id", "lid", "side", "state", "acked_at")
_WAITING = (ConflictState.OPEN, ConflictState.RESOLVED)


class LedgerFacts:
    """`facts.Facts` over a store. It remembers what it read: make a new one for each planning."""

    def __init__(self, store: Store, touched: Iterable[ObsKey] = (), lids: Iterable[str] = ()) -> None:
        self._store = store
        self._touched = sorted(touched)
        self._obs: dict[ObsKey, Observation | None] = {}
        self._holders: dict[ObsKey, str | None] = {}
        self._links: dict[str, Link | None] = {}
        self._members: dict[str, dict[Side, Rid]] = {}
        self._bases: dict[str, dict[str, dict[Side, Base]]] = {}
        self._ops: dict[str, dict[Side, Op]] = {}
        self._acked: dict[tuple[str, Side], list[tuple[Instant, str]]] = {}  # of finished operations
        self._conflicts: dict[str, tuple[Conflict, ...]] = {}
        self._keys: dict[ObsKey, dict[int, str]] = {}
        self._absent: set[ObsKey] | None = None
        self._load_records(self._touched)
        wanted = sorted({lid for key in self._touched if (lid := self._holders[key]) is not None} | set(lids))
        self._load_links(wanted)
        self._load_records(
            (side, link.entity, rid)
            for lid in wanted
            if (link := self._links[lid]) is not None
            for side, rid in self._members[lid].items()
        )

    def _load_records(self, keys: Iterable[ObsKey]) -> None:
        wanted = [key for key in keys if key not in self._obs]
        if not wanted:
            return
        shown = self._store.get(OBS, wanted)
        held = {
            (m.side, m.entity, m.rid): m.lid
            for m in self._store.find(MEMBER, "holder", [(*key, True) for key in wanted])
        }
        named: dict[ObsKey, dict[int, str]] = {}
        for row in self._store.find(MATCH_KEY, "record", wanted):
            named.setdefault((row.side, row.entity, row.rid), {})[row.rule] = row.key
        for key in wanted:
            self._obs[key] = shown.get(key)
            self._holders[key] = held.get(key)
            self._keys[key] = named.get(key, {})

    def _load_links(self, lids: Iterable[str]) -> None:
        wanted = [lid for lid in lids if lid not in self._links]
        if not wanted:
            return
        each = [(lid,) for lid in wanted]
        found = self._store.get(LINK, each)
        for lid in wanted:
            self._links[lid] = found.get((lid,))
            self._members[lid], self._bases[lid], self._ops[lid], self._conflicts[lid] = {}, {}, {}, ()
        for member in self._store.find(MEMBER, "lid", each):
            if member.held:
                self._members[member.lid][member.side] = member.rid
        for base in self._store.find(BASE, "lid", each):
            self._bases[base.lid].setdefault(base.field, {})[base.side] = base
        unfinished = []
        for op_id, lid, side, state, acked_at in self._store.pick(OUTBOX, _OF_OPS, "lid", each):
            if state in OPEN:
                unfinished.append((op_id,))
            elif acked_at is not None:
                self._acked.setdefault((lid, side), []).append((acked_at, op_id))
        for op in self._store.get(OUTBOX, sorted(unfinished)).values():
            self._ops[op.lid][op.side] = op
        for conflict in self._store.find(CONFLICT, "lid", each):
            if conflict.state in _WAITING:
                self._conflicts[conflict.lid] += (conflict,)

    def touched(self) -> Iterable[ObsKey]:
        """As `Facts.touched`."""
        return self._touched

    def observation(self, key: ObsKey) -> Observation | None:
        """As `Facts.observation`."""
        if key not in self._obs:
            self._load_records([key])
        return self._obs[key]

    def holder(self, key: ObsKey) -> str | None:
        """As `Facts.holder`."""
        if key not in self._obs:
            self._load_records([key])
        return self._holders[key]

    def link(self, lid: str) -> Link | None:
        """As `Facts.link`."""
        if lid not in self._links:
            self._load_links([lid])
        return self._links[lid]

    def members(self, lid: str) -> Mapping[Side, Rid]:
        """As `Facts.members`."""
        if lid not in self._links:
            self._load_links([lid])
        return self._members[lid]

    def bases(self, lid: str) -> Mapping[str, Mapping[Side, Base]]:
        """As `Facts.bases`."""
        if lid not in self._links:
            self._load_links([lid])
        return self._bases[lid]

    def ops(self, lid: str) -> Mapping[Side, Op]:
        """As `Facts.ops`."""
        if lid not in self._links:
            self._load_links([lid])
        return self._ops[lid]

    def acknowledged(self, lid: str, side: Side) -> Iterator[Op]:
        """As `Facts.acknowledged`, read one by one: a link's history grows, and only its end is asked for."""
        if lid not in self._links:
            self._load_links([lid])
        for _, op_id in sorted(self._acked.get((lid, side), ()), reverse=True):
            yield self._store.get(OUTBOX, [(op_id,)])[op_id,]

    def conflicts(self, lid: str) -> tuple[Conflict, ...]:
        """As `Facts.conflicts`."""
        if lid not in self._links:
            self._load_links([lid])
        return self._conflicts[lid]

    def audits(self, lid: str) -> Sequence[Audit]:
        """As `Facts.audits`."""
        return self._store.find(AUDIT, "lid", [(lid,)])

    def match_keys(self, key: ObsKey) -> Mapping[int, str]:
        """As `Facts.match_keys`."""
        if key not in self._obs:
            self._load_records([key])
        return self._keys[key]

    def matching(self, entity: str, side: Side, rule: int, value: str) -> frozenset[Rid]:
        """As `Facts.matching`."""
        rids = [row.rid for row in self._store.find(MATCH_KEY, "key", [(entity, side, rule, value)])]
        keys = [(side, entity, rid) for rid in rids]
        self._load_records(keys)
        return frozenset(
            rid
            for key, rid in zip(keys, rids, strict=True)
            if (seen := self._obs[key]) and seen.state is RecordState.LIVE
        )

    def tombstone(self, key: ObsKey) -> Tombstone | None:
        """As `Facts.tombstone`."""
        return self._store.get(TOMBSTONE, [key]).get(key)

    def absent(self, key: ObsKey) -> bool:
        """As `Facts.absent`: missing from the last read, proven complete or not."""
        if self._absent is None:
            self._absent = {(row.side, row.entity, row.rid) for row in self._store.scan(ABSENCE)}
        return key in self._absent

    def aliases(self, lid: str) -> tuple[str, ...]:
        """As `Facts.aliases`."""
        return tuple(link.lid for link in self._store.find(LINK, "alias", [(lid,)]))

    def cursor(self, side: Side, entity: str) -> Cursor | None:
        """As `Facts.cursor`."""
        return self._store.get(CURSOR, [(side, entity)]).get((side, entity))
