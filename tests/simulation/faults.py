"""What goes wrong, as data: one fault in one round, and what it means for the reads and writes of that round."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from antiphon.model import Side
from tests.simulation.engine import Faults
from tests.simulation.shape import HUBSPOT, MANY, SECOND, SIDES, Shape
from tests.simulation.taps import Reading
from tests.simulation.targets import Writing
from tests.simulation.world import World

KINDS = {
    "crash": 30,
    "second": 6,
    "tap dies": 8,
    "duplicates": 4,
    "shuffle": 4,
    "empty": 2,
    "swapped": 3,
    "target dies": 12,
    "silent": 5,
    "mute": 3,
    "busy": 6,
    "old bookmark": 4,
    "half line": 4,
    "clock jump": 4,
    "unread": 4,
    "restore": 2,
    "column gone": 4,
    "field gone": 3,
    "hand in": 3,
    "token expires": 3,
    "answer lost": 4,
    "write lost": 3,
    "truncated": 3,
    "column gone mid-read": 2,
    "side restored": 3,
    "late record": 3,
}
"""How often each is drawn."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong in one round."""

    round: int
    kind: str
    side: Side
    number: int


def draw(rng: Random, shape: Shape, rounds: int) -> tuple[Fault, ...]:
    """Some faults, spread over the rounds."""
    faults = [
        Fault(
            rng.randrange(rounds),
            rng.choices(list(KINDS), list(KINDS.values()))[0],
            rng.choice(SIDES),
            rng.randrange(1000),
        )
        for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 4, 6)))
    ]
    return tuple(fault for fault in faults if _can_be_noticed(fault, shape))


def of_round(faults: tuple[Fault, ...], number: int, world: World, outcomes: list[str]) -> Faults:
    """All that goes wrong in a round. `outcomes` says how the rounds before it ended."""
    happening = Faults()
    for fault in faults:
        if fault.round == number:
            _read(happening, fault, world, outcomes)
            _write(happening, fault)
            _engine(happening, fault, world)
    return happening


def _can_be_noticed(fault: Fault, shape: Shape) -> bool:
    """Only a full read shows that a side is empty or another account, and that only by many records.

    Two reads in a row that lack the same record are the proof that it is gone: a tap must not lie twice.
    """
    if fault.kind == "swapped" and shape.kinds[fault.side] == HUBSPOT:
        return True  # it says which account it is
    if fault.kind == "swapped" and (shape.records < MANY or not fault.round):
        return False
    return fault.kind not in ("swapped", "empty") or not shape.incremental[fault.side]


def _read(faults: Faults, fault: Fault, world: World, outcomes: list[str]) -> None:
    reading = faults.reading.setdefault(fault.side, Reading())
    match fault.kind:
        case "tap dies":
            reading.dies_after = fault.number % 8
        case "duplicates":
            reading.duplicates = True
        case "shuffle":
            reading.shuffle = fault.number
        case "empty":
            reading.empty = True
        case "swapped":
            known = world.looked[fault.side] > 0 and "restored" not in world.happened  # the ledger knows the right one
            reading.swapped = "done" in outcomes and known
        case "column gone" | "column gone mid-read":
            entities = [entity.sides[fault.side] for entity in world.shape.mapping.entities.values()]
            columns = sorted({c for there in entities for c in there.columns if c not in there.key})
            reading.hidden = frozenset({columns[fault.number % len(columns)]}) if columns else frozenset()
            reading.hidden_from = fault.number % 3 if fault.kind == "column gone mid-read" else 0
        case "late record":
            reading.late = True
        case "truncated":
            if not world.lied.get(fault.side):
                reading.shows = fault.number % 3
                world.lied[fault.side] = True
        case "token expires" if fault.number % 2:
            reading.dies_after = 2 + fault.number % 6  # in the middle of a page
        case "old bookmark":
            faults.old_bookmark = fault.side
        case "unread":
            faults.unread = fault.side
        case _:
            pass


def _write(faults: Faults, fault: Fault) -> None:
    writing, number = faults.writing.setdefault(fault.side, Writing()), fault.number
    match fault.kind:
        case "crash":
            faults.crash_at = 1 + number % 60 if number % 3 else 1 + number % 25
            faults.power_cut = number % 2 == 1
            writing.drains = bool(number % 2)
        case "target dies":
            writing.dies_after, writing.flushes = number % 4, bool(number // 4 % 2)
            writing.drains = bool(number % 2)
        case "silent":
            writing.silent = True
        case "token expires" if not fault.number % 2:
            writing.expires_at = number // 2 % 3
        case "answer lost":
            writing.answers_lost = frozenset(range(number % 2, number % 2 + 1 + number % 3))
        case "write lost":
            writing.loses = True
        case "mute":
            writing.mute = True
        case "busy":
            writing.busy = frozenset(range(number % 3, number % 3 + 1 + number % 4))
        case "half line":
            faults.half_line = fault.side
        case _:
            pass


def _engine(faults: Faults, fault: Fault, world: World) -> None:
    match fault.kind:
        case "second":
            faults.second_at = 1 + fault.number % 40
        case "clock jump":
            world.happened.add("clock set")
            faults.skew += (3600 if fault.number % 2 else -3600) * SECOND
        case "restore":
            faults.restore = True
        case "field gone":
            entity = next(iter(world.shape.mapping.entities.values()))
            names = [name for name in entity.fields if not any(name in rule for rule in entity.match)]
            world.happened.add("field gone")
            faults.mapping = (entity.name, names[fault.number % len(names)]) if names else None
        case "hand in":
            faults.hand_in = True
        case _:
            pass
