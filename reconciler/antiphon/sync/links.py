"""Links made and undone by a person.

| the two records                        | `add`                                              | `remove`             |
|----------------------------------------|----------------------------------------------------|----------------------|
| are one link                           | nothing to do                                      | DETACHED, base kept  |
| are one link that was removed          | opens again, JOINING, with the base they had       | nothing to do        |
| are each alone (unlinked, or parked)   | a new link, JOINING; what waited is called off     | DETACHED             |
| one belongs to a link that was removed | as above; that link keeps its other record         | refused              |
| one belongs to another link            | refused                                            | refused              |
| a write to one of them is on its way   | refused                                            | refused              |

A DETACHED link keeps both ids, so that they are not linked again by themselves, and neither is created anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from antiphon.equivalence import from_json, typed_rids
from antiphon.errors import ConfigError
from antiphon.facts import ObsKey, Workspace
from antiphon.identity import link_id
from antiphon.ledger import Ledger, LedgerFacts
from antiphon.ledger.tables import LINK, MEMBER, OBS
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import (
    ConflictState,
    Instant,
    Link,
    LinkState,
    Op,
    OpKind,
    OpState,
    RecordState,
    Rid,
    Side,
    replace,
)
from antiphon.settle import give_way, hand_over, take_back
from antiphon.sheet import SheetRow

BY_HAND = "by hand"
"""The match rule of a link that a person made."""

_SHOWN = 20
"""So many bad rows are told."""
_ADDED, _REMOVED = "active", "detached"
_ANEW = "joining"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants of the records `rids` of one entity: one link, or none. `where` names it in messages."""

    where: str
    entity: str
    rids: Mapping[Side, Rid]
    linked: bool

    @property
    def keys(self) -> list[ObsKey]:
        """The records."""
        return [(side, self.entity, rid) for side, rid in sorted(self.rids.items())]


@dataclass(slots=True)
class Relinked:
    """What was done."""

    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: int = 0


def wishes_of(ledger: Ledger, mapping: SyncMapping, rows: Sequence[SheetRow]) -> list[Wish]:
    """The rows of a file as wishes; a row of an export that was left as it is asks for nothing.

    Raises:
        ConfigError: with every bad row.
    """
    typed = {
        (side, row.text("entity"), rid) for row in rows for side in mapping.sides for rid in typed_rids(row.text(side))
    }
    seen = set(ledger.store.get(OBS, sorted(typed)))
    named = [(row.text("lid"),) for row in rows if row.text("lid")]
    links = ledger.store.get(LINK, named)
    held: dict[str, dict[Side, Rid]] = {lid: {} for (lid,) in links}
    for member in ledger.store.find(MEMBER, "lid", named):
        if member.held:
            held[member.lid][member.side] = member.rid
    wishes, bad = [], []
    for row in rows:
        lid = row.text("lid")
        if lid in held and _as_it_is(mapping, row, links[lid,], held[lid]):
            continue
        found = _wish(mapping, row, seen)
        if isinstance(found, str):
            bad.append(f"{row.where}: {found}")
        else:
            wishes.append(found)
    refuse(bad)
    return wishes


def _as_it_is(mapping: SyncMapping, row: SheetRow, link: Link, held: Mapping[Side, Rid]) -> bool:
    """Whether the row says of its link what the ledger says."""
    if (row.text("entity"), row.text("state")) != (link.entity, link.state.value):
        return False
    typed = {side: typed_rids(row.text(side)) for side in mapping.sides}
    return link.state.closed or all((held[side] in rids) if side in held else not rids for side, rids in typed.items())


def refuse(bad: Sequence[str], hint: str = "correct these, then run it again") -> None:
    """Tell all that is wrong at once, if anything is. Nothing was changed until then."""
    if bad:
        more = [f"and {len(bad) - _SHOWN} more"] if len(bad) > _SHOWN else []
        raise ConfigError("\n".join(["nothing was changed", *bad[:_SHOWN], *more]), hint=hint)


def _wish(mapping: SyncMapping, row: SheetRow, seen: set[ObsKey]) -> Wish | str:
    entity, state = row.text("entity"), row.text("state").lower() or _ADDED
    if entity not in mapping.entities:
        return f"there is no entity {entity!r}; allowed: {', '.join(mapping.entities)}"
    if state not in (_ADDED, _REMOVED, _ANEW):
        return f"the state {state!r} cannot be given by hand; allowed: {_ADDED}, {_REMOVED}"
    rids: dict[Side, Rid] = {}
    for side in mapping.sides:
        text = row.text(side)
        if not text:
            continue
        known = [rid for rid in typed_rids(text) if (side, entity, rid) in seen]
        if not known:
            return f"{side} has not shown a {entity} with the id {text!r}"
        if len(known) > 1:
            return f"{text!r} is the id of two records of {side}; write " + " or ".join(sorted(known))
        rids[side] = known[0]
    lacking = [side for side in mapping.sides if side not in rids]
    if lacking and (state != _REMOVED or not rids):
        return f"the id on {lacking[0]} is missing"
    return Wish(row.where, entity, rids, linked=state != _REMOVED)


def relink(
    ledger: Ledger, mapping: SyncMapping, wishes: Sequence[Wish], *, now: Instant, forget: bool = False
) -> Relinked:
    """Carry all wishes out, or none. `forget` the bases of links that open again: `initial` settles what differs.

    Raises:
        ConfigError: with every wish that cannot be.
    """
    _each_once(wishes)
    store = ledger.store
    work = _Work(
        Workspace(LedgerFacts(store, touched={key for wish in wishes for key in wish.keys})),
        mapping,
        ledger.instance.id,
        now,
        forget=forget,
    )
    bad = [f"{wish.where}: {problem}" for wish in wishes if (problem := work.carry_out(wish))]
    refuse(bad)
    with ledger.transaction():
        ledger.apply_workspace(work.ws)
    return work.done


def _each_once(wishes: Sequence[Wish]) -> None:
    first: dict[ObsKey, str] = {}
    bad = []
    for wish in wishes:
        for key in wish.keys:
            before = first.setdefault(key, wish.where)
            if before != wish.where:
                bad.append(f"{wish.where}: {_named(key)} stands in {before} already")
    refuse(bad)


@dataclass(slots=True)
class _Work:
    ws: Workspace
    mapping: SyncMapping
    ledger_id: str
    now: Instant
    forget: bool = False
    done: Relinked = field(default_factory=Relinked)

    def carry_out(self, wish: Wish) -> str:
        """Do it; or the reason why it cannot be done."""
        holders = {key: self.ws.link(lid) if (lid := self.ws.holder(key)) else None for key in wish.keys}
        links = {link.lid: link for link in holders.values() if link is not None}
        under_way = [side for lid in links for side, op in self.ws.ops(lid).items() if not _may_be_called_off(op)]
        whole = self._whole(wish, links.values())
        if whole is not None and wish.linked is not (whole.state is LinkState.DETACHED):
            self.done.unchanged += 1
            return ""
        problem = self._amiss(wish, holders)
        if problem:
            return problem
        if under_way:
            return f"a write to {under_way[0]} is on its way; run `antiphon sync` until it has arrived"
        if not wish.linked:
            return self._remove(wish, whole, links.values())
        return self._add(wish, whole, holders)

    def _whole(self, wish: Wish, links: Iterable[Link]) -> Link | None:
        """The link that holds these records and no others."""
        return next((link for link in links if self.ws.members(link.lid) == dict(wish.rids)), None)

    def _records(self, link: Link) -> dict[Side, Rid]:
        """The ids of the link, without one that was only reserved for a create that is not sent yet."""
        reserved = {
            side
            for side, op in self.ws.ops(link.lid).items()
            if op.kind is OpKind.CREATE and op.state is OpState.PLANNED
        }
        return {side: rid for side, rid in self.ws.members(link.lid).items() if side not in reserved}

    def _amiss(self, wish: Wish, holders: Mapping[ObsKey, Link | None]) -> str:
        for key, link in holders.items():
            seen = self.ws.observation(key)
            if wish.linked and (seen is None or seen.state is not RecordState.LIVE):
                return f"{_named(key)} is {seen.state.value if seen else 'not seen yet'}, so that nothing can join it"
            if link is None or link.state.closed:
                continue
            others = {side: rid for side, rid in self._records(link).items() if wish.rids.get(side) != rid}
            if others and not (wish.linked and link.state is LinkState.DETACHED):
                theirs = ", ".join(_named((side, wish.entity, rid)) for side, rid in sorted(others.items()))
                return f"{_named(key)} is linked to {theirs}; `antiphon links remove {link.lid}` parts them"
        return ""

    def _remove(self, wish: Wish, whole: Link | None, links: Iterable[Link]) -> str:
        if whole is None:
            lid = self._new_lid(wish)
            for link in links:
                self._close(link, lid, "unlinked by a person")
            whole = self._new(wish, lid)
        self._call_off(whole)
        self.ws.put_link(
            replace(
                whole, state=LinkState.DETACHED, alias_of=None, closed=self.now, closed_reason="unlinked by a person"
            )
        )
        self.done.removed.append(whole.lid)
        return ""

    def _add(self, wish: Wish, whole: Link | None, holders: Mapping[ObsKey, Link | None]) -> str:
        if whole is None:
            lid = self._new_lid(wish)
            for key, link in holders.items():
                if link is not None and link.state is LinkState.DETACHED and len(self.ws.members(link.lid)) > 1:
                    self.ws.drop_member(link, key[0])
                    hand_over(self.ws, link.lid, lid, key[0])
                elif link is not None:
                    self._close(link, lid, "linked by a person")
            whole = self._new(wish, lid)
        else:
            self._call_off(whole)
            if self.forget:
                self.ws.drop_bases(whole.lid)
            self.ws.put_link(replace(whole, state=LinkState.JOINING, closed=None, closed_reason=""))
        self.ws.touch.update(wish.keys)
        self.done.added.append(whole.lid)
        return ""

    def _new_lid(self, wish: Wish) -> str:
        names = [part for side, _, rid in wish.keys for part in (side, rid)]
        lid = link_id(self.ledger_id, wish.entity, *names)
        return lid if self.ws.link(lid) is None else link_id(self.ledger_id, wish.entity, *names, str(self.now))

    def _new(self, wish: Wish, lid: str) -> Link:
        link = Link(lid, wish.entity, LinkState.JOINING, self.now, sync_key=lid, match_rule=BY_HAND)
        self.ws.put_link(link)
        for side, rid in wish.rids.items():
            self.ws.put_member(link, side, rid)
        return link

    def _close(self, link: Link, lid: str, why: str) -> None:
        """A link of one record gives way to a new one."""
        self._call_off(link)
        give_way(self.ws, link, lid, self.now, why)

    def _call_off(self, link: Link) -> None:
        """What waits for the link: its planned writes, its conflicts; whoever competed for its records looks again."""
        for op in list(self.ws.ops(link.lid).values()):
            if op.kind is OpKind.CREATE:
                self.ws.drop_member(link, op.side)  # the id was only reserved
            self.ws.put_op(replace(op, state=OpState.DROPPED, error="a person decided what belongs together"))
            if op.state is OpState.SENT:  # nobody will look; if it arrived, both sides show it
                for name in op.source:
                    take_back(self.ws, op.lid, name)
        for conflict in list(self.ws.conflicts(link.lid).values()):
            self.ws.put_conflict(replace(conflict, state=ConflictState.CLOSED))
            for candidate in conflict.evidence.get("candidates", ()):
                side, entity, rid = candidate
                if self.ws.observation((side, entity, rid)) is not None:
                    self.ws.touch.add((side, entity, rid))


def _may_be_called_off(op: Op) -> bool:
    """It was not sent, or it is an update that was delivered: what it overwrote is in the audit already."""
    return op.state is OpState.PLANNED or (op.state is OpState.SENT and op.kind is OpKind.UPDATE)


def _named(key: ObsKey) -> str:
    side, _, rid = key
    values = from_json(rid)
    return f"{side}:{values[0] if len(values) == 1 else rid}"


def of_records(ledger: Ledger, entity: str, lid: str | None, key: ObsKey | None, where: str) -> Wish:
    """The wish that a link, or a record without one, be linked no more."""
    if lid is not None:
        held = {m.side: m.rid for m in ledger.store.find(MEMBER, "lid", [(lid,)]) if m.held}
        if not held:
            raise ConfigError(f"{where}: the link {lid} is closed and holds nothing")
        return Wish(where, entity, held, linked=False)
    if key is None:
        raise ConfigError(f"{where}: there is no such record")
    return Wish(where, entity, {key[0]: key[2]}, linked=False)
