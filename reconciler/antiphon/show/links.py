"""Links in a list for people, and as the rows of a file that may be changed and read again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from antiphon.equivalence import from_json, typed_rids
from antiphon.errors import ConfigError
from antiphon.facts import ObsKey
from antiphon.ledger import Ledger
from antiphon.ledger.tables import LINK
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import Link, LinkState
from antiphon.show.find import find_record
from antiphon.show.records import Records, plain_id
from antiphon.show.text import listed, number, table
from antiphon.show.times import iso
from antiphon.show.values import MASK

LINES = 50
"""So many links are listed for people, unless they ask for more."""

_CLOSED = frozenset(state for state in LinkState if state.closed)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which links are meant: all that are not closed, or those of the entities, states and records that are named."""

    entities: tuple[str, ...] = ()
    states: tuple[LinkState, ...] = ()
    records: tuple[str, ...] = ()


def find_links(ledger: Ledger, mapping: SyncMapping, wanted: Wanted) -> list[Link]:
    """The links, by entity, then in the order in which they were made.

    Raises:
        ConfigError: there is no such entity or record.
    """
    unknown = [name for name in wanted.entities if name not in mapping.entities]
    if unknown:
        raise ConfigError(f"there is no entity {unknown[0]!r}", hint=f"the entities are {', '.join(mapping.entities)}")
    states = wanted.states or tuple(state for state in LinkState if state not in _CLOSED)
    entities = wanted.entities or tuple(mapping.entities)
    if wanted.records:
        hits = {hit.lid for typed in wanted.records for hit in find_record(ledger, mapping, typed) if hit.lid}
        found = list(ledger.store.get(LINK, [(lid,) for lid in sorted(hits)]).values())
        states = wanted.states or tuple(LinkState)
    else:
        found = ledger.store.find(LINK, "state", [(entity, state) for entity in entities for state in states])
    chosen = [link for link in found if link.entity in entities and link.state in states]
    return sorted(chosen, key=lambda link: (link.entity, link.created, link.lid))


def links_text(ledger: Ledger, mapping: SyncMapping, links: Sequence[Link], *, most: int = LINES) -> str:
    """A line for each link, and how many there are."""
    records = Records(ledger, mapping)
    records.load(link.lid for link in links[:most])
    rows = []
    for link in links[:most]:
        ids = [records.id((side, link.entity, rid)) for side, rid in sorted(records.members(link.lid).items())]
        why = records.said(link.closed_reason, link.lid)
        how = f"by {link.match_rule}" if link.match_rule and not link.match_rule.startswith("by ") else link.match_rule
        rows.append((records.titled(link.lid), link.state.value, listed(ids), listed([how, why], joint="; ")))
    lines = table(rows, indent=0, most=(32, 11, 40), whole=False) if rows else []
    more = f"; the first {number(most)} are shown, `--all` shows the rest" if len(links) > most else ""
    return "\n".join([*lines, f"{number(len(links))} links{more}"])


def columns_of(mapping: SyncMapping) -> tuple[str, ...]:
    """The columns of a file of links. Those that an import reads are `lid`, `entity`, `state` and the two sides."""
    return ("lid", "entity", "state", *mapping.sides, "record", "match_rule", "created", "reason")


def link_rows(ledger: Ledger, mapping: SyncMapping, links: Iterable[Link]) -> Iterator[Mapping[str, Any]]:
    """The links as rows."""
    records, chosen = Records(ledger, mapping), list(links)
    records.load(link.lid for link in chosen)
    for link in chosen:
        members = records.members(link.lid)
        yield {
            "lid": link.lid,
            "entity": link.entity,
            "state": link.state.value,
            **{side: _id(records, (side, link.entity, members[side])) for side in mapping.sides if side in members},
            "record": records.name(link.lid).text,
            "match_rule": link.match_rule or None,
            "created": iso(link.created),
            "reason": records.said(link.closed_reason, link.lid) or None,
        }


def _id(records: Records, key: ObsKey) -> str:
    """The id so that it is read back as the same: bare where that is certain, else its JSON array."""
    side, entity, rid = key
    if records.veil.hides_id(entity, side):
        return MASK
    bare = plain_id(rid)
    values = from_json(rid)
    certain = len(values) == 1 and (typed_rids(bare) == [rid] or isinstance(values[0], int))
    return bare if certain and bare.strip() == bare else rid


def told(ledger: Ledger, mapping: SyncMapping, lids: Sequence[str], what: str) -> str:
    """What became of links, by name where they are few."""
    records = Records(ledger, mapping)
    names = [records.titled(lid) for lid in lids[:3]]
    rest = f" and {number(len(lids) - 3)} more" if len(lids) > 3 else ""  # noqa: PLR2004 as many as are named
    return f"{what}: {listed(names)}{rest}"
