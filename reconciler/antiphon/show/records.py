"""Links by the names that people know: read in bulk from the ledger, with a plan's new rows laid over them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from antiphon.equivalence import canonical_json, from_json, is_empty
from antiphon.facts import ObsKey
from antiphon.ledger import Ledger
from antiphon.ledger.tables import AUDIT, BASE, CONFLICT, LINK, MEMBER, OBS, OUTBOX, Table
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import Link, Member, Observation, Op, Rid, Row, Side
from antiphon.represent import referenced
from antiphon.show.text import cut, listed
from antiphon.show.values import MASK, in_words, printable
from antiphon.show.veil import Veil

_BY_LINK: tuple[Table[Any], ...] = (BASE, OUTBOX, CONFLICT, AUDIT)
_CHUNK = 5000
_LONGEST_NAME = 48


@dataclass(frozen=True, slots=True)
class Name:
    """What a record is called: by its match values, which people know, else `side:id`."""

    text: str
    matched: bool = False

    def __str__(self) -> str:
        text = cut(self.text, _LONGEST_NAME)
        return f'"{text}"' if self.matched else text


class Records:
    """The links, ids and last observations that a text speaks of. `rows` are a plan's, not stored yet."""

    def __init__(self, ledger: Ledger, mapping: SyncMapping, rows: Iterable[Row] = ()) -> None:
        self.mapping, self.veil = mapping, Veil(mapping)
        self._store = ledger.store
        self._links: dict[str, Link | None] = {}
        self._members: dict[str, dict[Side, Rid]] = {}
        self._observations: dict[ObsKey, Observation | None] = {}
        self._new_links: dict[str, Link] = {}
        self._new_members: dict[str, list[Member]] = {}
        self._new_observations: dict[ObsKey, Observation] = {}
        for row in rows:
            if isinstance(row, Link):
                self._new_links[row.lid] = row
            elif isinstance(row, Member):
                self._new_members.setdefault(row.lid, []).append(row)
            elif isinstance(row, Observation):
                self._new_observations[row.key] = row

    def load(self, lids: Iterable[str]) -> None:
        """Read these links at once, instead of one by one when they are named."""
        wanted = sorted({lid for lid in lids if lid not in self._links})
        for start in range(0, len(wanted), _CHUNK):
            self._load(wanted[start : start + _CHUNK])

    def _load(self, lids: list[str]) -> None:
        each = [(lid,) for lid in lids]
        links = self._store.get(LINK, each)
        held: dict[str, dict[Side, Rid]] = {lid: {} for lid in lids}
        once: dict[str, dict[Side, Rid]] = {lid: {} for lid in lids}
        for member in self._store.find(MEMBER, "lid", each):
            (held if member.held else once)[member.lid][member.side] = member.rid
        for lid in lids:
            for member in sorted(self._new_members.get(lid, ()), key=lambda m: m.held):
                if member.held:
                    held[lid][member.side] = member.rid
                else:
                    once[lid][member.side] = member.rid
                    if held[lid].get(member.side) == member.rid:
                        del held[lid][member.side]
            self._links[lid] = self._new_links.get(lid) or links.get((lid,))
            self._members[lid] = held[lid] or once[lid]
        self._observe(
            (side, link.entity, rid)
            for lid in lids
            if (link := self._links[lid])
            for side, rid in self._members[lid].items()
        )

    def _observe(self, keys: Iterable[ObsKey]) -> None:
        wanted = [key for key in keys if key not in self._observations]
        stored = self._store.get(OBS, wanted)
        for key in wanted:
            self._observations[key] = self._new_observations.get(key) or stored.get(key)

    # ---- what is known

    def link(self, lid: str) -> Link | None:
        """The link, as the plan leaves it."""
        self.load([lid])
        return self._links[lid]

    def members(self, lid: str) -> Mapping[Side, Rid]:
        """The ids that the link holds; of a closed link, those it held."""
        self.load([lid])
        return self._members[lid]

    def observation(self, key: ObsKey) -> Observation | None:
        """What the side last showed of the record."""
        self._observe([key])
        return self._observations[key]

    def holder(self, key: ObsKey) -> str | None:
        """The link that holds the id in the ledger."""
        return self.holders([key]).get(key)

    def holders(self, keys: Iterable[ObsKey]) -> dict[ObsKey, str]:
        """The links that hold these ids in the ledger; what is needed to name them is read, too."""
        wanted = list(keys)
        held = {
            (m.side, m.entity, m.rid): m.lid
            for m in self._store.find(MEMBER, "holder", [(*key, True) for key in wanted])
        }
        self.load(held.values())
        self._observe(wanted)
        return held

    # ---- names

    def name(self, lid: str) -> Name:
        """What the link's record is called."""
        link = self.link(lid)
        members = self.members(lid)
        if link is None or not members:
            return Name(f"link {lid}")
        return self._named([(side, link.entity, members[side]) for side in sorted(members)])

    def name_of(self, key: ObsKey) -> Name:
        """What a record is called that may have no link yet."""
        lid = self.holder(key)
        return self.name(lid) if lid is not None else self._named([key])

    def _named(self, keys: list[ObsKey]) -> Name:
        _, entity, _ = keys[0]
        there = self.mapping.entities.get(entity)
        rules = [
            rule
            for rule in (there.match if there is not None else ())
            if not any(self.veil.hides(entity, name) for name in rule)
        ]
        for rule in rules:
            for key in keys:
                seen = self.observation(key)
                columns = [there.fields[name].columns[key[0]] for name in rule] if there is not None else []
                values = [seen.fields.get(column) for column in columns] if seen is not None else []
                if values and not any(is_empty(value) for value in values):
                    return Name(listed([in_words(value) for value in values]), matched=True)
        return Name(self.id(keys[0]))

    def id(self, key: ObsKey) -> str:
        """A record's id as people type it: `crm:42`, `crm:["a",1]`."""
        side, entity, rid = key
        return f"{side}:{MASK if self.veil.hides_id(entity, side) else plain_id(rid)}"

    def titled(self, lid: str) -> str:
        """Entity and name: `contact "ann@x.com"`."""
        link = self.link(lid)
        return f"{link.entity} {self.name(lid)}" if link is not None else str(self.name(lid))

    def shown(self, entity: str, field: str, value: Any) -> Any:
        """A field's value as it may be shown; a reference to a record without an id by that record's name."""
        lid = referenced(value)
        if lid is not None and not self.veil.hides(entity, field):
            return self.titled(lid)
        return self.veil.value(entity, field, value)

    # ---- free text

    def said(self, text: str, lid: str | None, *rows: Row) -> str:
        """Free text about a link, without its hidden values. `rows` are those that the ledger does not hold yet."""
        if not text:
            return ""
        return printable(self.veil.text(text, self.secrets(lid, *rows)))

    def secrets(self, lid: str | None, *rows: Row) -> frozenset[str]:
        """Every hidden value that the ledger holds of a link."""
        found: list[Row] = list(rows)
        if lid is not None and self.veil.secrets_exist:
            each = [(lid,)]
            for table in _BY_LINK:
                found += self._store.find(table, "lid", each)
            ids = [(m.side, m.entity, m.rid) for m in self._store.find(MEMBER, "lid", each)]
            link = self.link(lid)
            ids += [(side, link.entity, rid) for side, rid in self.members(lid).items()] if link is not None else []
            found += [seen for key in ids if (seen := self.observation(key)) is not None]
        return self.veil.secrets(found)


def plain_id(rid: Rid) -> str:
    """A record's id as people type it: a single value bare, a composite key as its JSON array."""
    values = from_json(rid)
    single = values[0] if isinstance(values, list) and len(values) == 1 else values
    return printable(single if isinstance(single, str) else canonical_json(single))


def key_in_words(records: Records, op: Op) -> str:
    """The key of an operation's record: `contact_id 7f3…`; empty while the side has not named it."""
    if records.veil.hides_id(op.entity, op.side):
        return MASK if op.key else ""
    shown = records.veil.columns(op.entity, op.side, op.key)
    parts = []
    for column, value in shown.items():
        lid = referenced(value)
        parts.append(f"{column} {records.titled(lid) if lid else in_words(value)}")
    return listed(parts)
