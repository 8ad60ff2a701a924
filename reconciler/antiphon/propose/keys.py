"""Who names a new record on a side: by its key's type and by what the side's target can do.

| the key of the side                                     | its target           | proposal                      |
|---------------------------------------------------------|----------------------|-------------------------------|
| columns that are mapped (a SKU, a pair of references)   | any                  | nothing: the record names itself |
| a number, or read-only                                  | writes receipts      | `assigned`                    |
| a number, or read-only                                  | without receipts     | no creates there              |
| one text column with room for it, or a UUID             | any                  | `uuid`                        |
| several columns, not mapped                             | any                  | no creates there              |
"""

from __future__ import annotations

from dataclasses import dataclass

from antiphon.mapping import Kind
from antiphon.propose.streams import Stream

_UUID = 36
"""The letters of a UUID."""


@dataclass(frozen=True, slots=True)
class Ability:
    """What a side's target can do; nothing if there is none."""

    writes: bool = True
    receipts: bool = False


@dataclass(frozen=True, slots=True)
class KeyRule:
    """What sync.yml says of new records on a side, and why. `creates`: whether there can be any."""

    on_create: str | None
    creates: bool
    reason: str


def key_rule(stream: Stream, side: str, able: Ability, mapped: frozenset[str]) -> KeyRule:
    """The rule for one stream. `mapped` are the columns that fields and references bring."""
    columns = [stream.columns[name] for name in stream.key if name in stream.columns]
    if not able.writes:
        return KeyRule(None, creates=False, reason=f"{side} has no target: nothing is written there")
    if set(stream.key) <= mapped:
        return KeyRule(None, creates=True, reason="a new record names itself: its key is mapped")
    if len(columns) != 1:
        return KeyRule(None, creates=False, reason=f"nothing can fill the {len(stream.key)} columns of the key")
    key = columns[0]
    named_there = key.read_only or key.kind is Kind.NUMBER
    if named_there and able.receipts:
        return KeyRule("assigned", creates=True, reason=f"{side} names its new records, and receipts tell how")
    if named_there:
        what = "read-only" if key.read_only else "a number that the side gives out"
        why = f"{key.name} is {what}, and the target writes no receipts that would tell it"
        return KeyRule(None, creates=False, reason=f"no new records: {why}")
    if key.longest is not None and key.longest < _UUID:
        return KeyRule(None, creates=False, reason=f"no new records: {key.name} has no room for a UUID")
    if key.kind in (Kind.TEXT, Kind.ANY):
        return KeyRule("uuid", creates=True, reason="a new record gets the link's UUID as its key")
    return KeyRule(None, creates=False, reason=f"no new records: nothing can fill the key {key.name}")
