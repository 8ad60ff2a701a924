"""Erase: a record's values leave the ledger, and only keyed hashes of its ids and match values stay.

What becomes of each table, for the links that ever held the record:

| table                                            | what stays                                              |
|--------------------------------------------------|---------------------------------------------------------|
| obs, base, outbox, receipt, conflict, member,    | nothing                                                 |
| match_key, absence, tombstone                    |                                                         |
| link                                             | that there was one; its state is ERASED                 |
| audit                                            | when what field changed for which cause; hashes, no values |
| erasure                                          | the keyed hashes by which the record is known again     |

The two systems are not touched: whoever erases a person deletes the record there as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from antiphon.equivalence import canonical_json
from antiphon.facts import ObsKey
from antiphon.ledger import Ledger
from antiphon.ledger.erased import Erased
from antiphon.ledger.tables import (
    ABSENCE,
    AUDIT,
    BASE,
    CONFLICT,
    LINK,
    MATCH_KEY,
    MEMBER,
    OBS,
    OUTBOX,
    RECEIPT,
    TOMBSTONE,
    Table,
)
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import Audit, Cause, Erasure, Link, LinkState, Member, RecordState, replace
from antiphon.settle import Moment


@dataclass(slots=True)
class Traces:
    """Every link that ever held the record, and every id it ever had."""

    entity: str
    lids: set[str] = field(default_factory=set)
    keys: set[ObsKey] = field(default_factory=set)


def trace(ledger: Ledger, entity: str, lid: str | None, key: ObsKey | None) -> Traces:
    """Follow a record from its link, or from its id, through merges, aliases and links that it had before."""
    found = Traces(entity)
    links, keys = ({lid} if lid else set()), ({key} if key else set())
    while links or keys:
        found.lids |= links
        found.keys |= keys
        members = ledger.store.find(MEMBER, "lid", [(each,) for each in sorted(links)])
        nearby = {(m.side, m.entity, m.rid) for m in members}
        holders = {
            m.lid for each in sorted(keys | nearby) if not _used_again(ledger, each) for m in _held(ledger, each)
        }
        links, keys = (holders | _aliases(ledger, links)) - found.lids, nearby - found.keys
    return found


def _held(ledger: Ledger, key: ObsKey) -> list[Member]:
    return ledger.store.find(MEMBER, "holder", [(*key, True), (*key, False)])


def _aliases(ledger: Ledger, lids: set[str]) -> set[str]:
    rows = ledger.store.get(LINK, [(lid,) for lid in lids]).values()
    below = ledger.store.find(LINK, "alias", [(lid,) for lid in sorted(lids)])
    return {row.lid for row in below} | {row.alias_of for row in rows if row.alias_of}


def _used_again(ledger: Ledger, key: ObsKey) -> bool:
    """Whether the id belongs to another record by now: its links do not all speak of one."""
    grave, seen = ledger.get(TOMBSTONE, *key), ledger.get(OBS, *key)
    return grave is not None and seen is not None and grave.birth is not None and grave.birth != seen.birth


def erase(ledger: Ledger, mapping: SyncMapping, found: Traces, at: Moment) -> int:
    """Erase the record's values, in one transaction. Returns how many rows went or lost their values."""
    with ledger.transaction():
        ledger.put(_hashes(ledger, mapping, found, at))
        ops = ledger.store.find(OUTBOX, "lid", _each(found))
        audits = ledger.store.find(AUDIT, "lid", _each(found))
        op_ids = {(op.op_id,) for op in ops} | {(row.op_id,) for row in audits}
        number = _forget_mentions(ledger, found)
        number += _remove(ledger, RECEIPT, op_ids)
        tables: tuple[Table[Any], ...] = (BASE, OUTBOX, CONFLICT, MEMBER)
        for table in tables:
            rows = ledger.store.find(table, "lid", _each(found))
            number += _remove(ledger, table, {table.key_of(row) for row in rows})
        keys = ledger.store.find(MATCH_KEY, "record", sorted(found.keys))
        number += _remove(ledger, MATCH_KEY, {MATCH_KEY.key_of(row) for row in keys})
        by_id: tuple[Table[Any], ...] = (OBS, ABSENCE, TOMBSTONE)
        for table in by_id:
            number += _remove(ledger, table, set(found.keys))
        ledger.store.put(AUDIT, [replace(row, old=None, new=None) for row in audits])
        for link in ledger.store.get(LINK, _each(found)).values():
            ledger.put(_closed(link, at))
    return number + len(audits)


def _each(found: Traces) -> list[tuple[str]]:
    return [(lid,) for lid in sorted(found.lids)]


def _remove(ledger: Ledger, table: Table[Any], keys: set[Any]) -> int:
    there = list(ledger.store.get(table, sorted(keys)))
    ledger.store.remove(table, there)
    return len(there)


def _closed(link: Link, at: Moment) -> Iterator[Link | Audit]:
    yield replace(link, state=LinkState.ERASED, alias_of=None, closed=at.now, closed_reason="")
    yield Audit(link.lid, "", None, None, None, Cause.ERASED, "", at.run_id, at.now)


def _hashes(ledger: Ledger, mapping: SyncMapping, found: Traces, at: Moment) -> Iterator[Erasure]:
    erased = Erased(ledger)
    lid = min(found.lids, default="")
    entity = mapping.entities.get(found.entity)
    for key in sorted(found.keys):
        yield Erasure(erased.of_id(key), lid, at.now)
        seen = ledger.get(OBS, *key)
        if seen is not None and entity is not None:
            for digest in erased.of_values(entity, seen):
                yield Erasure(digest, lid, at.now)
    for row in ledger.store.find(MATCH_KEY, "record", sorted(found.keys)):
        if entity is not None and row.rule < len(entity.match):
            yield Erasure(erased.of_value(entity, row.rule, row.key), lid, at.now)


def _forget_mentions(ledger: Ledger, found: Traces) -> int:
    """Conflicts of other records that name this one: what is left of them, the next plan finds again."""
    names = [canonical_json(name) for name in (*sorted(found.lids), *sorted({rid for _, _, rid in found.keys}))]
    rids = {rid for _, _, rid in found.keys}
    mentions = [
        row
        for row in ledger.store.scan(CONFLICT)
        if row.lid not in found.lids and any(name in canonical_json(row.evidence) for name in names)
    ]
    ledger.store.remove(CONFLICT, [CONFLICT.key_of(row) for row in mentions])
    others = [
        link
        for link in ledger.store.find(LINK, "state", [(found.entity, LinkState.PARKED)])
        if link.lid not in found.lids and any(rid in link.closed_reason for rid in rids)
    ]
    ledger.put(replace(link, closed_reason="") for link in others)
    touched = {(row.lid,) for row in mentions} | {(link.lid,) for link in others}
    ledger.mark(
        [(m.side, m.entity, m.rid) for m in ledger.store.find(MEMBER, "lid", sorted(touched)) if m.held], touched=True
    )
    return len(mentions)


def leave_out(ledger: Ledger, mapping: SyncMapping, at: Moment) -> dict[str, int]:
    """Forget records without a link that would have been joined with an erased one. Returns how many, per side."""
    erased = Erased(ledger)
    found: dict[str, int] = {}
    if not erased:
        return found
    with ledger.transaction():
        for row in ledger.store.find(OBS, "touched", [(True,)]):
            entity = mapping.entities.get(row.entity)
            if entity is None or row.state is not RecordState.LIVE or not erased.by_values(entity, row):
                continue
            if ledger.store.find(MEMBER, "holder", [(*row.key, True)]):
                continue  # it was linked before the other was erased: it is a record of its own
            keys = ledger.store.find(MATCH_KEY, "record", [row.key])
            ledger.store.remove(MATCH_KEY, [MATCH_KEY.key_of(each) for each in keys])
            ledger.store.remove(OBS, [row.key])
            ledger.store.remove(ABSENCE, [row.key])
            ledger.put([Erasure(erased.of_id(row.key), "", at.now)])
            found[row.side] = found.get(row.side, 0) + 1
    return found
