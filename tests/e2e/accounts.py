"""Bookkeeping for tests in which users edit: every edit must be accounted for (KERNEL.md section 11, I3).

Each database keeps its own history by triggers, so that nothing here rests on what Antiphon says of itself; only the
losers of conflicts are looked up in its ledger. An edit that the sync wrote over is

* `delivered`: its value was written to the other side later,
* `merged`: of a list, what it added and took away shows in what was written over it,
* `recorded`: its value stands in the ledger's audit or in a conflict, as the loser,
* `exempt`: it fell between the start of the read and the write that covered it, on a side whose target cannot look
  before it writes (KERNEL.md decision 9).

Anything else is lost.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.e2e.world import ACCOUNT, SIDES, Done, World

HISTORY = f"""
create schema history;
create table history.change (
    n bigserial primary key, at timestamptz default clock_timestamp(), tab text, code text, by_sync boolean,
    before jsonb, after jsonb
);
create function history.note() returns trigger language plpgsql security definer as $$ begin
  if tg_op <> 'UPDATE' or to_jsonb(old) is distinct from to_jsonb(new) then
    insert into history.change (tab, code, by_sync, before, after) values (
      tg_table_name, coalesce(new.code, old.code), session_user = '{ACCOUNT}', to_jsonb(old), to_jsonb(new));
  end if;
  return null;
end $$;
"""
WATCH = "create trigger note after insert or update or delete on {table} for each row execute function history.note();"


@dataclass(frozen=True, slots=True)
class Step:
    """One field of one record took a value."""

    at: datetime
    by_sync: bool
    before: Any
    after: Any


@dataclass(slots=True)
class Accounts:
    """All edits by users, by what became of them."""

    counts: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return ", ".join(f"{name} {number}" for name, number in sorted(self.counts.items()))


@dataclass(slots=True)
class Rounds:
    """When the reads of each side began."""

    reads: dict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))

    def note(self, done: Done) -> None:
        """Take a round's log in."""
        for line in done.log:
            if line["topic"] == "read":
                began = datetime.fromisoformat(line["ts"]) - timedelta(seconds=line["seconds"])
                self.reads[line["side"]].append(began)

    def covers(self, side: str, edit: datetime, write: datetime) -> bool:
        """Whether an edit fell between the last read that began before a write, and that write."""
        began = [read for read in self.reads[side] if read <= write]
        return bool(began) and max(began) <= edit <= write


def watch(world: World, *tables: str) -> None:
    """Have both databases keep the history of these tables, whose rows have a `code`."""
    for side in SIDES:
        world.sql(side, HISTORY)
        for table in tables:
            world.sql(side, WATCH.format(table=table))


def account(world: World, entity: str, table: str, fields: Iterable[str], rounds: Rounds) -> Accounts:
    """Account for every edit of these fields by users."""
    steps = {side: _steps(world, side, table, fields) for side in SIDES}
    losers = _losers(world, entity)
    found = Accounts()
    for side, other in (SIDES, SIDES[::-1]):
        for (code, name), taken in steps[side].items():
            for edit, then in zip(taken, [*taken[1:], None], strict=True):
                if not edit.by_sync:
                    kind = _kind(side, edit, then, steps[other].get((code, name), []), losers[code, side, name], rounds)
                    found.counts[kind] += 1
                    if kind == "lost":
                        found.lost.append(f"{table} {code} {name} on {side}: {edit} then {then}")
    return found


def _kind(side: str, edit: Step, then: Step | None, elsewhere: list[Step], losers: list[Any], rounds: Rounds) -> str:
    if then is None:
        return "present"
    if not then.by_sync:
        return "replaced by a user"
    if any(step.by_sync and step.at > edit.at and _same(step.after, edit.after) for step in elsewhere):
        return "delivered"
    if any(_same(value, edit.after) for value in losers):
        return "recorded"
    if isinstance(edit.after, list) and _shows(then.after or [], edit):
        return "merged"
    return "exempt" if rounds.covers(side, edit.at, then.at) else "lost"


def _same(one: Any, two: Any) -> bool:
    if isinstance(one, list) and isinstance(two, list):
        return sorted(one) == sorted(two)
    return bool(one == two or (one in (None, "", []) and two in (None, "", [])))


def _shows(written: list[str], edit: Step) -> bool:
    before, after = set(edit.before or ()), set(edit.after)
    return after - before <= set(written) and not (before - after) & set(written)


def _steps(world: World, side: str, table: str, fields: Iterable[str]) -> dict[tuple[str, str], list[Step]]:
    names = list(fields)
    found: dict[tuple[str, str], list[Step]] = defaultdict(list)
    query = "select at, code, by_sync, before, after from history.change where tab = %s order by n"
    for at, code, by_sync, before, after in world.sql(side, query, table):
        for name in names:
            old, new = (before or {}).get(name), (after or {}).get(name)
            if old != new:
                found[code, name].append(Step(at, by_sync, old, new))
    return found


def _losers(world: World, entity: str) -> dict[tuple[str, str, str], list[Any]]:
    """By code, side and field: the values that the ledger keeps of edits that lost or wait."""
    codes = dict(_codes(world, entity))
    found: dict[tuple[str, str, str], list[Any]] = defaultdict(list)
    for lid, side, name, old in world.ledger("select lid, side, field, old from audit where field is not null"):
        found[codes.get(lid, ""), side, name].append(json.loads(old))
    for lid, shown in world.ledger('select lid, "values" from conflict'):
        for side, values in json.loads(shown).items():
            for name, value in values.items():
                found[codes.get(lid, ""), side, name].append(value)
    return found


def _codes(world: World, entity: str) -> Iterator[tuple[str, str]]:
    query = (
        "select m.lid, o.fields from member m join obs o on (o.side, o.entity, o.rid) = (m.side, m.entity, m.rid)"
        " where m.entity = ?"
    )
    for lid, fields in world.ledger(query, entity):
        yield lid, json.loads(fields)["code"]
