"""Absence: what a read did not show is gone only if the read is proven complete, which its tap's exit tells."""

from __future__ import annotations

from collections.abc import Mapping

from antiphon.ledger import Ledger
from antiphon.ledger.tables import ABSENCE, CURSOR, MEMBER, OBS
from antiphon.model import Instant, RecordState, Side, replace
from antiphon.plan.guards import Tripped, check_read

PRESENT = (RecordState.LIVE, RecordState.ERROR)
"""A record in one of these states is there, readable or not, and is missed when a full read lacks it."""

PROOF = 2
"""A record is gone when this many complete reads in a row lacked it: one may have been cut short, unnoticed."""


def complete(
    ledger: Ledger, side: Side, overlaps: Mapping[str, Instant], *, accept_empty: bool = False, durable: bool = True
) -> list[Tripped]:
    """The read of these entities ended well: what it lacked was not there. Returns the guards that refuse it.

    `overlaps` gives, per entity, how late a change may become visible to an incremental read.
    """
    tripped = []
    with ledger.transaction(durable=durable):
        for entity, overlap in overlaps.items():
            cursor = ledger.get(CURSOR, side, entity)
            if cursor is None or not cursor.read_ended:
                continue
            absent = ledger.store.find(ABSENCE, "stream", [(side, entity)])
            pending = [row for row in absent if row.pending]
            reappeared = cursor.known - len(pending)
            guard = check_read(
                side, entity, known=cursor.known, reappeared=reappeared, seen=cursor.seen, accept_empty=accept_empty
            )
            if guard is not None and cursor.pending_full:
                tripped.append(guard)
                _forget_strangers(ledger, side, entity, cursor.read_started)
                continue
            low_water = cursor.read_started - (0 if cursor.pending_full else overlap)
            ledger.put(
                [
                    replace(
                        cursor,
                        low_water=low_water,
                        full_at=cursor.read_started if cursor.pending_full else cursor.full_at,
                        pending_full=False,
                    )
                ]
            )
            if not pending:
                continue
            counted = [replace(row, reads=row.reads + 1, pending=False) for row in pending]
            gone = [row.rid for row in counted if row.reads >= PROOF]
            rows = ledger.store.get(OBS, [(side, entity, rid) for rid in gone]).values()
            ledger.put(
                replace(row, state=RecordState.GONE, read_at=cursor.read_started, touched=True, line=None)
                for row in rows
                if row.state in PRESENT
            )
            ledger.store.remove(ABSENCE, [(side, entity, rid) for rid in gone])
            ledger.put(row for row in counted if row.reads < PROOF)
    return tripped


def _forget_strangers(ledger: Ledger, side: Side, entity: str, since: Instant) -> None:
    """What only a refused read showed was never here: it must not be planned, nor count as known in the next read."""
    fresh = [row for row in ledger.store.find(OBS, "touched", [(True,)]) if (row.side, row.entity) == (side, entity)]
    keys = [row.key for row in fresh if row.read_at >= since]
    held = {m.rid for m in ledger.store.find(MEMBER, "holder", [(*key, True) for key in keys])}
    ledger.store.remove(OBS, [key for key in keys if key[2] not in held])
