"""What users do on both sides, at any time: also between a read and the write that follows from it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random

from antiphon.equivalence import is_empty
from antiphon.model import Side, Value
from tests.simulation.shape import HUBSPOT, MANY, SECOND, SIDES, Shape, other
from tests.simulation.world import POISON, RESTORE, SYNC, Row, System, World

LONGEST_TRANSACTION = 100
"""Seconds after which what users of a warehouse wrote is committed."""

PHASES = (
    "before",
    *(f"{what} {side}" for what in ("read", "write", "window") for side in SIDES),
    "planned",
)

VERBS = {
    "edit": 44,
    "rival": 14,
    "create": 12,
    "delete": 7,
    "empty": 6,
    "same": 5,
    "variant": 4,
    "twin": 3,
    "restore": 3,
    "merge": 5,
    "undo": 3,
    "both": 3,
    "rekey": 2,
    "touch": 2,
    "poison": 2,
}


@dataclass(frozen=True, slots=True)
class Act:
    """One thing a user does: at the `nth` moment of a phase of a round, or at the end of the round."""

    round: int
    phase: str
    nth: int
    verb: str
    side: Side
    entity: str
    field: str
    number: int


def draw(rng: Random, shape: Shape, rounds: int, count: int) -> list[Act]:
    """So many acts, spread over the rounds."""
    entities = list(shape.mapping.entities)
    acts = []
    for number in range(count):
        entity = rng.choice(entities)
        acts.append(
            Act(
                round=rng.randrange(rounds),
                phase=rng.choice(PHASES),
                nth=rng.choice((1, 1, 1, 2, 3, 4, 6, 9)),
                verb=rng.choices(list(VERBS), list(VERBS.values()))[0],
                side=rng.choice(SIDES),
                entity=entity,
                field=rng.choice(list(shape.mapping.entities[entity].fields)),
                number=1000 + number * 1000 + rng.randrange(1000),
            )
        )
    return acts


@dataclass
class Users:
    """Carries the acts out when their moment comes."""

    world: World
    acts: list[Act]
    due: list[Act] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def begin(self, number: int) -> None:
        """A round begins."""
        self.due = [act for act in self.acts if act.round == number]
        self.counts = {}

    def moment(self, phase: str) -> None:
        """Something could happen now."""
        if not self.due:
            return
        count = self.counts[phase] = self.counts.get(phase, 0) + 1
        for act in [act for act in self.due if act.phase == phase and act.nth <= count]:
            if act.verb != "rival" or self.world.aim is not None:
                self.due.remove(act)
                perform(self.world, act)

    def awaits(self, phase: str) -> bool:
        """Whether something is still to happen at a moment of this phase."""
        return any(act.phase == phase for act in self.due)

    def rest(self) -> None:
        """The round is over: what has not happened yet happens now."""
        due, self.due = self.due, []
        for act in due:
            perform(self.world, act)


def seed(world: World, rng: Random) -> None:
    """The records that are there before the first round, some of them on both sides."""
    number = 0
    for entity in world.shape.mapping.entities:
        if entity == "membership":
            continue
        for side in SIDES:
            for _ in range(world.shape.records if world.shape.records == MANY else rng.randint(1, world.shape.records)):
                number += 1
                world.tick()
                twin = rng.random() < 0.4 and side == SIDES[1]
                _create(world, side, entity, number, rng.randrange(100) if twin else None)
    if "membership" in world.shape.mapping.entities:
        _create(world, SIDES[0], "membership", 1, None)


def heal(world: World) -> None:
    """Users correct what targets refused."""
    for system in world.systems.values():
        for row in list(system.every_row()):
            wrong = {c: "healed" for c, v in row.values.items() if isinstance(v, str) and POISON in v}
            if row.alive and wrong:
                system.edit(row, {column: f"{value} {row.rid}"[:12] for column, value in wrong.items()})


def perform(world: World, act: Act) -> None:
    """Do it, if there is a record to do it to."""
    system = world.systems[act.side]
    rows = system.rows(act.entity)
    row = rows[act.number % len(rows)] if rows else None
    if act.verb == "create":
        _create(world, act.side, act.entity, act.number, None)
    elif act.verb == "restore":
        _restore(system, act)
    elif act.verb == "rival" and world.aim is not None:
        _rival(world, act)
    elif row is None:
        return
    elif act.verb in ("delete", "undo", "both"):
        _delete(system, row, act)
    elif act.verb == "twin":
        _create(world, act.side, act.entity, act.number, act.number)
        world.happened.add("twin")
    elif act.verb == "touch":
        for each in rows:
            system.stamp(each)
    elif act.entity == "membership":
        return
    elif act.verb == "merge":
        if system.kind == HUBSPOT and len(rows) > 1:
            system.merge(row, rows[(act.number + 1) % len(rows)])
    elif act.verb == "rekey":
        values = {column: value for column, value in row.values.items() if not is_empty(value)}
        system.delete(row)
        copy = system.create(act.entity, values)
        copy.history = {c: [replace(e, by=RESTORE) for e in events] for c, events in copy.history.items()}
        world.happened.add("twin")
    else:
        _edit(system, row, act)


def _delete(system: System, row: Row, act: Act) -> None:
    """A user deletes a record; or the one that the engine made last; or users of both sides the two that are one."""
    copies = [each for each in system.rows(act.entity) if each.made_by == SYNC]
    if act.verb == "undo":
        row = copies[-1] if copies else row
    for peer in system.partners(row) if act.verb == "both" else ():
        system.world.systems[other(act.side)].delete(peer)
    system.delete(row)


def _rival(world: World, act: Act) -> None:
    """A user writes the very field that the engine is about to write."""
    row, columns = world.aim or (None, ())
    side = next((s for s, system in world.systems.items() if row is not None and system.holds(row)), None)
    if row is None or side is None:
        return
    fields = world.shape.mapping.entities[row.entity].fields.values()
    names = [f.name for f in fields if f.columns[side] in columns and row.entity != "membership"]
    if names:
        _edit(
            world.systems[side], row, replace(act, side=side, entity=row.entity, field=names[act.number % len(names)])
        )


def _edit(system: System, row: Row, act: Act) -> None:
    world = system.world
    column = world.shape.column(act.entity, act.side, act.field)
    text = world.shape.mapping.entities[act.entity].fields[act.field].references is None
    value: Value
    match act.verb:
        case "empty":
            value = (
                None if act.number % 2 or system.kind == HUBSPOT or act.field in ("score", "tags") or not text else ""
            )
        case "same":
            value = _peer_value(system, act)
        case "variant":
            now = row.values[column]
            value = f" {now.upper()} " if isinstance(now, str) and act.field == "email" else now
        case "poison" if act.field in ("city", "name"):
            value = f"{POISON}{act.number}"
            world.happened.add("poison")
        case _:
            value = _value(world, system, act.entity, act.field, act.number)
    if act.field in ("email", "name"):
        world.happened.add("key edited")
    system.edit(row, {column: value}, delay=act.number % LONGEST_TRANSACTION * SECOND if act.number % 3 == 0 else 0)


def _peer_value(system: System, act: Act) -> Value:
    """A value like one on the other side."""
    world = system.world
    there = world.systems[other(act.side)]
    rows = there.rows(act.entity)
    if not rows or act.field in ("company", "parent", "tags", "score"):
        return _value(world, system, act.entity, act.field, act.number)
    return rows[act.number % len(rows)].values[world.shape.column(act.entity, there.side, act.field)]


def _restore(system: System, act: Act) -> None:
    ended = [r for r in system.tables[act.entity].values() if not r.alive and r.merged_into is None]
    archived = [r for r in ended if not r.unmade]
    if system.kind == HUBSPOT and archived:
        system.restore(archived[act.number % len(archived)])


def _create(world: World, side: Side, entity: str, number: int, twin: int | None) -> None:
    system = world.systems[side]
    there = world.shape.mapping.entities[entity]
    if entity == "membership":
        values = {}
        for name, f in there.fields.items():
            rows = system.rows(name)
            if not rows:
                return
            row = rows[number % len(rows)]
            if row.made_by != "user" and number % 2:
                row = rows[0]
            values[f.columns[side]] = row.key["id"]
        known = system.tables[entity].values()
        if not any(r.alive and list(r.key.values()) == list(values.values()) for r in known):
            system.create(entity, values)
        return
    values = {f.columns[side]: _value(world, system, entity, name, number) for name, f in there.fields.items()}
    if twin is not None and there.match:
        peer = world.systems[other(side)] if number % 3 else system
        rows = peer.rows(entity)
        if rows:
            model = rows[twin % len(rows)]
            for name in there.match[0]:
                values[there.fields[name].columns[side]] = model.values[there.fields[name].columns[peer.side]]
    if number % 5 == 0 and there.match:
        values[there.fields[there.match[0][0]].columns[side]] = None
    system.create(entity, values)


def _value(world: World, system: System, entity: str, name: str, number: int) -> Value:
    target = world.shape.mapping.entities[entity].fields[name].references
    if target is not None:
        rows = system.rows(target)
        return rows[number % len(rows)].key["id"] if rows and number % 4 else None
    short = number % 7
    match name:
        case "email":
            return f"User{number}@X.com" if number % 2 else f"u{number}@x.com"
        case "score":
            amount = Decimal(number) / 4 if number % 2 else number
            return str(amount) if system.kind == HUBSPOT else amount
        case "tags":
            tags = [tag for bit, tag in enumerate("abcd") if number >> bit & 1]
            return ";".join(tags) if system.kind == HUBSPOT else tags
        case "city" if short == 0:
            return "Rome"
        case "name" if short == 1:
            return f" a long name {number}"
        case _:
            return f"{name[0]}{number}"
