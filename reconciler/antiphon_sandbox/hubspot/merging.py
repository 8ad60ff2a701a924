"""Merging: one record of two, under an id that may be new, to which the old ones forward."""

from __future__ import annotations

from typing import TYPE_CHECKING

from antiphon_sandbox.hubspot.records import MERGE, Record, Source

if TYPE_CHECKING:
    from antiphon_sandbox.hubspot.account import Account
    from antiphon_sandbox.hubspot.values import Text


def merged(account: Account, primary: Record, other: Record, source: Source) -> Record:
    """One record of two. The survivor may get a new id; the ids that vanish forward to it."""
    now = account.clock()
    moved = {k: v for k, v in other.values.items() if v is not None and primary.values.get(k) is None}
    mine = {name for name, known in primary.kind.properties.items() if not known.read_only}
    moved = {k: v for k, v in moved.items() if k in mine}
    survivor = primary
    account.free(other)
    if account.mints:
        account.free(primary)
        survivor = Record(primary.kind, str(next(account.ids)), primary.created, now)
        survivor.values, survivor.history = dict(primary.values), {k: list(v) for k, v in primary.history.items()}
        survivor.values["hs_object_id"] = survivor.id
        account.place(survivor)
        account.claim(survivor, survivor.values)
    losers = [r for r in (primary, other) if r is not survivor]
    for loser in losers:
        account.forward[loser.key] = survivor.id
        del account.records[loser.key]
        account.links.move(loser, survivor)
    names = [n for r in (primary, other) for n in (r.values.get("hs_merged_object_ids") or "").split(";") if n]
    ids = [*dict.fromkeys([*names, *(loser.id for loser in losers)])]
    marks: dict[str, Text] = {**moved, "hs_merged_object_ids": ";".join(ids)}
    if other.values.get("email") and survivor.values.get("email"):
        known = survivor.values.get("hs_additional_emails") or ""
        marks["hs_additional_emails"] = ";".join(filter(None, [known, other.values["email"]]))
    account.put(survivor, marks, MERGE, now)
    if account.mints:
        account.tell(
            survivor.kind, "merge", survivor, source, primaryObjectId=int(primary.id),
            mergedObjectIds=[int(loser.id) for loser in losers], newObjectId=int(survivor.id),
            numberOfPropertiesMoved=len(moved),
        )  # fmt: skip
    for loser in losers:
        account.tell(loser.kind, "deletion", loser, source)
        loser.archived = now
        account.index.note(loser, now)
    account.touch(survivor, now)
    return survivor
