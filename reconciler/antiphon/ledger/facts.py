"""The planner's view of a ledger: in bulk for the records and links it is made for, one by one for whatever else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from sys import intern
from typing import Generic, TypeVar

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
    Table,
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
    rows = store.pick(OBS, OBS.key, "touched", [(True,)])
    found = {(intern(side), intern(entity), rid) for side, entity, rid in rows}  # there may be millions
    in_doubt = [(side, state) for side in sides for state in (OpState.SENT, OpState.INFLIGHT)]
    lids = {op.lid for op in store.find(OUTBOX, "state", in_doubt)}
    found |= {(m.side, m.entity, m.rid) for m in store.find(MEMBER, "lid", [(lid,) for lid in lids]) if m.held}
    return sorted(found)


_WAITING = (ConflictState.OPEN, ConflictState.RESOLVED)

K = TypeVar("K")
V = TypeVar("V")


def _side_of(key: ObsKey) -> Side:
    return key[0]


class _Bulk(Generic[K, V]):
    """Values of the ledger: when one is asked for, all that were expected are read at once.

    `read` gives a value for every key. `part` divides the expected ones: those of another part are left for later.
    """

    def __init__(
        self, read: Callable[[list[K]], Mapping[K, V]], part: Callable[[K], object] = lambda _key: None
    ) -> None:
        self._read, self._part = read, part
        self._known: dict[K, V] = {}
        self._expected: dict[object, dict[K, None]] = {}

    def expect(self, keys: Iterable[K]) -> None:
        """These will be asked for, most likely."""
        for key in keys:
            if key not in self._known:
                self._expected.setdefault(self._part(key), {})[key] = None

    def __contains__(self, key: K) -> bool:
        return key in self._known

    def __getitem__(self, key: K) -> V:
        if key not in self._known:
            wanted = {**self._expected.pop(self._part(key), {}), key: None}
            self._known.update(self._read(list(wanted)))
        return self._known[key]


class LedgerFacts:
    """`facts.Facts` over a store. It remembers what it read: make a new one for each planning.

    What reads is a function of the store and no method, for one would lead back to here: rows of a circle stay in
    memory until Python looks for circles, which it seldom does.
    """

    def __init__(self, store: Store, touched: Iterable[ObsKey] = (), lids: Iterable[str] = ()) -> None:
        self._store = store
        self._touched = sorted(touched)
        self._obs = _Bulk(partial(_read_rows, store, OBS), part=_side_of)
        self._holders = _Bulk(partial(_read_holders, store))
        self._keys = _Bulk(partial(_read_keys, store))
        self._matching = _Bulk(partial(_read_matching, store))
        self._tombstones = _Bulk(partial(_read_rows, store, TOMBSTONE))
        self._links = _Bulk(partial(_read_links, store))
        self._members = _Bulk(partial(_read_members, store))
        self._bases = _Bulk(partial(_read_bases, store))
        self._ops = _Bulk(partial(_read_ops, store))
        self._conflicts = _Bulk(partial(_read_conflicts, store))
        self._last = _Bulk(partial(_read_last, store), part=lambda key: key[1])
        self._absent: set[ObsKey] | None = None
        self._expect_records(self._touched)
        self._tombstones.expect(self._touched)
        wanted = sorted({lid for key in self._touched if (lid := self._holders[key]) is not None} | set(lids))
        for of_links in (self._links, self._members, self._bases, self._ops, self._conflicts):
            of_links.expect(wanted)
        members = [(lid, side, rid) for lid in wanted for side, rid in self._members[lid].items()]
        self._last.expect((lid, side) for lid, side, _ in members)
        self._expect_records(
            (side, link.entity, rid) for lid, side, rid in members if (link := self._links[lid]) is not None
        )

    def _expect_records(self, keys: Iterable[ObsKey]) -> None:
        keys = list(keys)
        for of_records in (self._obs, self._holders, self._keys):
            of_records.expect(keys)

    def touched(self) -> Iterable[ObsKey]:
        """As `Facts.touched`."""
        return self._touched

    def observation(self, key: ObsKey) -> Observation | None:
        """As `Facts.observation`."""
        return self._obs[key]

    def holder(self, key: ObsKey) -> str | None:
        """As `Facts.holder`."""
        return self._holders[key]

    def link(self, lid: str) -> Link | None:
        """As `Facts.link`."""
        return self._links[lid]

    def expect_links(self, lids: Iterable[str]) -> None:
        """As `Facts.expect_links`."""
        self._links.expect(lids)

    def members(self, lid: str) -> Mapping[Side, Rid]:
        """As `Facts.members`. Of a link that is not there nothing need be looked for, here and below."""
        return self._members[lid] if self._links[lid] is not None else {}

    def bases(self, lid: str) -> Mapping[str, Mapping[Side, Base]]:
        """As `Facts.bases`."""
        return self._bases[lid] if self._links[lid] is not None else {}

    def ops(self, lid: str) -> Mapping[Side, Op]:
        """As `Facts.ops`."""
        return self._ops[lid] if self._links[lid] is not None else {}

    def acknowledged(self, lid: str, side: Side, since: Instant = 0) -> Iterator[Op]:
        """As `Facts.acknowledged`: a link's history grows, and mostly nothing was written to it since."""
        last = self._last[lid, side] if self._links[lid] is not None else None
        if last is not None and last >= since:
            yield from (op for op in self._store.latest(OUTBOX, "acked", (lid, side), since) if not op.state.open)

    def sent(self, lid: str, side: Side) -> list[Op]:
        """As `Facts.sent`."""
        ops = [op for op in self._store.find(OUTBOX, "lid", [(lid,)]) if op.side == side and op.seq is not None]
        return sorted(ops, key=lambda op: op.seq or 0)

    def conflicts(self, lid: str) -> tuple[Conflict, ...]:
        """As `Facts.conflicts`."""
        return self._conflicts[lid] if self._links[lid] is not None else ()

    def audits(self, lid: str) -> Sequence[Audit]:
        """As `Facts.audits`."""
        return self._store.find(AUDIT, "lid", [(lid,)])

    def match_keys(self, key: ObsKey) -> Mapping[int, str]:
        """As `Facts.match_keys`."""
        return self._keys[key]

    def matching(self, entity: str, side: Side, rule: int, value: str) -> frozenset[Rid]:
        """As `Facts.matching`."""
        one = entity, side, rule, value
        if one not in self._matching:
            values = dict.fromkeys(self._keys[key].get(rule) for key in self._newcomers(entity))
            alike = [one, *((entity, side, rule, each) for each in values if each is not None)]
            self._matching.expect(alike)
            self._expect_records((side, entity, rid) for each in alike for rid in self._matching[each])
        return frozenset(
            rid
            for rid in self._matching[one]
            if (seen := self._obs[side, entity, rid]) and seen.state is RecordState.LIVE
        )

    def _newcomers(self, entity: str) -> Iterator[ObsKey]:
        return (key for key in self._touched if key[1] == entity and self._holders[key] is None)

    def tombstone(self, key: ObsKey) -> Tombstone | None:
        """As `Facts.tombstone`."""
        return self._tombstones[key]

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


def _read_rows(store: Store, table: Table[V], keys: list[ObsKey]) -> Mapping[ObsKey, V | None]:
    found = store.get(table, keys)
    return {key: found.get(key) for key in keys}


def _read_holders(store: Store, keys: list[ObsKey]) -> Mapping[ObsKey, str | None]:
    members = store.find(MEMBER, "holder", [(*key, True) for key in keys])
    return {**dict.fromkeys(keys), **{(m.side, m.entity, m.rid): m.lid for m in members}}


def _read_keys(store: Store, keys: list[ObsKey]) -> Mapping[ObsKey, dict[int, str]]:
    found: dict[ObsKey, dict[int, str]] = {key: {} for key in keys}
    for row in store.find(MATCH_KEY, "record", keys):
        found[row.side, row.entity, row.rid][row.rule] = row.key
    return found


def _read_matching(
    store: Store, keys: list[tuple[str, Side, int, str]]
) -> Mapping[tuple[str, Side, int, str], list[Rid]]:
    found: dict[tuple[str, Side, int, str], list[Rid]] = {key: [] for key in keys}
    for row in store.find(MATCH_KEY, "key", keys):
        found[row.entity, row.side, row.rule, row.key].append(row.rid)
    return found


def _read_links(store: Store, lids: list[str]) -> Mapping[str, Link | None]:
    found = store.get(LINK, [(lid,) for lid in lids])
    return {lid: found.get((lid,)) for lid in lids}


def _read_members(store: Store, lids: list[str]) -> Mapping[str, dict[Side, Rid]]:
    found: dict[str, dict[Side, Rid]] = {lid: {} for lid in lids}
    for member in store.find(MEMBER, "lid", [(lid,) for lid in lids]):
        if member.held:
            found[member.lid][member.side] = member.rid
    return found


def _read_bases(store: Store, lids: list[str]) -> Mapping[str, Mapping[str, Mapping[Side, Base]]]:
    found = store.get(BASE, [(lid,) for lid in lids])
    return {lid: found[(lid,)].fields if (lid,) in found else {} for lid in lids}


def _read_ops(store: Store, lids: list[str]) -> Mapping[str, dict[Side, Op]]:
    found: dict[str, dict[Side, Op]] = {lid: {} for lid in lids}
    for op in store.find(OUTBOX, "open", [(lid,) for lid in lids]):
        found[op.lid][op.side] = op
    return found


def _read_last(store: Store, keys: list[tuple[str, Side]]) -> Mapping[tuple[str, Side], Instant | None]:
    found = store.newest(OUTBOX, "acked", keys)
    return {key: found.get(key) for key in keys}


def _read_conflicts(store: Store, lids: list[str]) -> Mapping[str, tuple[Conflict, ...]]:
    found: dict[str, tuple[Conflict, ...]] = dict.fromkeys(lids, ())
    for conflict in store.find(CONFLICT, "lid", [(lid,) for lid in lids]):
        if conflict.state in _WAITING:
            found[conflict.lid] += (conflict,)
    return found
