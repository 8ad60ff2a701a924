"""Whether anything was lost or doubled, judged by the two systems, the people's diary and the ledger's own tables.

Nothing of the reconciler is asked but what it wrote into audit and conflicts. Every edit must be found on the other
side, there now or at some time, or there; a thing may be missing only where somebody deleted it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.seeds.users import LADDER, Edit, People
from tests.seeds.world import CRM, KINDS, PAIRS, SIDES, WAREHOUSE, Kind, Thing, Things, World, plain

Place = tuple[str, str, str, str]
"""Side, table, column, value."""


@dataclass(slots=True)
class Judge:
    """Watches both sides as they go. `seen`: every value that stood anywhere at the end of a phase."""

    world: World
    people: People
    seen: set[Place] = field(default_factory=set)

    def look(self) -> None:
        """Note what stands on both sides now; HubSpot also tells what stood there before."""
        for kind in KINDS:
            for side in SIDES:
                for things in self.world.things(side, kind).values():
                    for thing in things:
                        self.seen |= {(side, kind.table, column, value) for column, value in thing.items() if column}
        records = self.world.hubspot.account.records
        with self.world.hubspot.account.lock:
            for kind in KINDS:
                for record in [each for each in records.values() if each.kind.name == kind.table]:
                    for column, name in kind.columns.items():
                        for version in record.history.get(name, ()):
                            self.seen.add((CRM, kind.table, column, plain(version.value)))

    def verdict(self) -> Iterator[str]:
        """What is wrong in the end."""
        open_conflicts = _Open(self.world)
        for kind in KINDS:
            crm, warehouse = (self.world.things(side, kind) for side in SIDES)
            yield from self._things(kind, crm, warehouse, open_conflicts)
            yield from self._values(kind, crm, warehouse, open_conflicts)
        yield from self._lost(open_conflicts)
        yield from self._pairs()

    # ---- things

    def _things(self, kind: Kind, crm: Things, warehouse: Things, waiting: _Open) -> Iterator[str]:
        people = self.people
        for side, things in ((CRM, crm), (WAREHOUSE, warehouse)):
            for tag, some in things.items():
                alone = [thing for thing in some if None not in waiting.about(kind, side, thing)]
                if len(alone) > 1:
                    yield f"{tag} is {len(some)} times in {side}"
        for tag in sorted(tag for table, tag in people.made if table == kind.table):
            name, there = (kind.table, tag), [tag in crm, tag in warehouse]
            if name in people.absorbed:
                continue
            asked = waiting.about(kind, CRM, *crm.get(tag, [])) | waiting.about(
                kind, WAREHOUSE, *warehouse.get(tag, [])
            )
            if not any(there) and (name not in people.deleted or name in people.restored):
                yield f"{tag} is gone, and nobody deleted it"
            elif sum(there) == 1 and not asked:
                yield f"{tag} is on one side only ({'crm' if there[0] else 'warehouse'}), and nobody is asked about it"

    # ---- values

    def _values(self, kind: Kind, crm: Things, warehouse: Things, waiting: _Open) -> Iterator[str]:
        for tag in sorted(crm.keys() & warehouse.keys()):
            mine, theirs = crm[tag][0], warehouse[tag][0]
            asked = waiting.about(kind, CRM, *crm[tag]) | waiting.about(kind, WAREHOUSE, *warehouse[tag])
            for column in kind.columns:
                if column in asked or None in asked:
                    continue
                if mine[column].lower() != theirs[column].lower():
                    yield f"{tag}.{column} is {mine[column]!r} in HubSpot and {theirs[column]!r} in the warehouse"
                elif (kind.table, tag) not in self.people.merged | self.people.deleted:
                    yield from self._rightly(kind, tag, column, mine[column])

    def _rightly(self, kind: Kind, tag: str, column: str, held: str) -> Iterator[str]:
        edits = self._edits(kind, tag, column)
        last = {e.side: e.kept for e in edits}
        if not edits:
            return
        match column:
            case "roles":
                missing = {e.kept for e in edits} - set(held.split(";"))
                right, wanted = not missing, f"all of {sorted({e.kept for e in edits})}"
            case "stage":
                best = max((e.kept for e in edits if e.met), key=LADDER.index, default=LADDER[0])
                right, wanted = held in LADDER and LADDER.index(held) >= LADDER.index(best), best
            case _:
                right, wanted = held in last.values(), " or ".join(sorted(last.values()))
        if not right:
            yield f"{tag}.{column} is {held!r} on both sides, and should be {wanted!r}"

    def _edits(self, kind: Kind, tag: str, column: str) -> list[Edit]:
        return [e for e in self.people.edits if (e.kind, e.tag, e.column) == (kind, tag, column)]

    def _lost(self, waiting: _Open) -> Iterator[str]:
        """Each edit that its own side's people did not replace must have arrived, or be written down.

        A record that a person is asked about, such as one of two that were merged elsewhere, may keep what it has.
        """
        final: dict[tuple[str, str, str, str], Edit] = {}
        for edit in self.people.edits:
            if edit.column not in {"roles", "stage"}:  # sets and ladders are judged by what holds in the end
                final[edit.side, edit.kind.table, edit.tag, edit.column] = edit
        written = "\n".join(
            str(value)
            for table, columns in (("audit", "old, new"), ("conflict", '"values", base, evidence'))
            for row in self.world.ledger(f"select {columns} from {table}")
            for value in row
        )
        for edit in final.values():
            other = WAREHOUSE if edit.side == CRM else CRM
            arrived = (other, edit.kind.table, edit.column, edit.kept) in self.seen
            own = [t for some in self.world.things(edit.side, edit.kind).values() for t in some]
            kept = [t for t in own if t[edit.column] == edit.kept and waiting.about(edit.kind, edit.side, t)]
            if not arrived and not kept and edit.kept not in written and f'"{edit.kept}"' not in written:
                yield f"lost: {edit.side} entered {edit.tag}.{edit.column} = {edit.kept!r}"

    # ---- pairs

    def _pairs(self) -> Iterator[str]:
        people = self.people
        for table, a, b in PAIRS:
            crm, warehouse = (self.world.pairs(side, table, a, b) for side in SIDES)
            gone = people.deleted | people.merged | people.absorbed
            untouched = {
                pair
                for pair in crm | warehouse | {p.pair for p in people.pairings if p.table == table}
                if not {(a.table, pair[0]), (b.table, pair[1])} & gone
            }
            for pair in sorted((crm ^ warehouse) & untouched):
                side = "HubSpot" if pair in crm else "the warehouse"
                yield f"{table}: {' and '.join(pair)} belong together in {side} alone"
            for pair in sorted(untouched):
                history = [p.what for p in people.pairings if p.table == table and p.pair == pair]
                if history and "removed" not in history and pair not in crm | warehouse:
                    yield f"{table}: {' and '.join(pair)} were brought together, and are not"
                if history and history[-1] == "removed" and pair in crm & warehouse:
                    yield f"{table}: {' and '.join(pair)} were parted, and are together again"


@dataclass(slots=True)
class _Open:
    """What waits for a person, by the records that it is about."""

    world: World
    _about: dict[tuple[str, str, str], set[str | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = self.world.ledger(
            "select m.side, m.entity, m.rid, c.field from conflict c join member m on m.lid = c.lid "
            "where c.state = 'open'"
        )
        for side, entity, rid, column in rows:
            key = (side, entity, str(json.loads(rid)[0]))
            self._about.setdefault(key, set()).add(column)

    def about(self, kind: Kind, side: str, *things: Thing) -> set[str | None]:
        """The fields of these records that a person is asked about; None for a whole record."""
        found: set[str | None] = set()
        for thing in things:
            found |= self._about.get((side, kind.entity, thing[""]), set())
        return found
