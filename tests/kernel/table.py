"""The decision table as cells: every pair of record states, under every state of the link that holds them.

A cell is built, planned once, and told in one line. `planner_table.yml` holds what a person has read and found right;
`ANTIPHON_WRITE_TABLE=1 pytest tests/kernel/test_table.py` writes it anew.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from antiphon.mapping import OnDelete
from antiphon.model import (
    Base,
    Bases,
    Conflict,
    ConflictKind,
    ConflictState,
    Link,
    LinkState,
    Member,
    Op,
    OpState,
    RecordState,
    Side,
)
from antiphon.plan import Plan
from tests.kernel.facts import CRM, SIDES, WAREHOUSE, World, entity, field, person, side

ME, HEIR, OTHER = 1, 8, 9
"""The ids of a cell: its own record, the survivor that another link holds, the survivor that nobody holds."""

STATES = ("U", "C", "D", "E", "H", "M", "M+", "?", "-")
MEANING = {
    "U": "live, as last agreed",
    "C": "live, changed; crm changes the name, warehouse the phone",
    "C=": "both changed the name alike",
    "C!": "both changed the name, each in its way",
    "D": "its deletion is proven",
    "E": "it could not be read",
    "H": "hidden",
    "M": "merged into a record that no link holds",
    "M+": "merged into a record that another link holds",
    "?": "not read since the last plan",
    "-": "the link has no record on this side",
}
Action = tuple[str, ...]
"""What happens, side and field last: ("update", "crm", "name")."""


@dataclass(frozen=True)
class Standing:
    """How the link of a cell stands before."""

    name: str
    state: LinkState
    conflict: ConflictKind | None = None
    on_delete: OnDelete = OnDelete.PARK


STANDINGS = (
    Standing("active", LinkState.ACTIVE),
    Standing("active, on_delete: delete", LinkState.ACTIVE, on_delete=OnDelete.DELETE),
    Standing("joining", LinkState.JOINING),
    Standing("deleting", LinkState.DELETING),
    Standing("parked: delete", LinkState.PARKED, ConflictKind.DELETE),
    Standing("parked: rejected", LinkState.PARKED, ConflictKind.REJECTED),
    Standing("parked: ambiguous", LinkState.PARKED, ConflictKind.AMBIGUOUS),
    Standing("alias", LinkState.ALIAS, ConflictKind.MERGED),
    Standing("quarantined", LinkState.QUARANTINED, ConflictKind.UNREADABLE),
    Standing("tombstone", LinkState.TOMBSTONE),
)


@dataclass(frozen=True)
class Cell:
    """One cell: the link, and its record on each side."""

    standing: Standing
    crm: str
    warehouse: str

    @property
    def mirrored(self) -> Cell:
        """The cell with the sides swapped."""
        return Cell(self.standing, self.warehouse, self.crm)

    def build(self) -> World:
        """The ledger in which the cell stands."""
        there = {s: side(on_delete=self.standing.on_delete) for s in SIDES}
        world = World(entity(field("name"), field("phone"), crm=there[CRM], warehouse=there[WAREHOUSE]))
        shown = {CRM: self.crm, WAREHOUSE: self.warehouse}
        held = {s: None if token == "-" else ME for s, token in shown.items()}
        for where in SIDES:
            if shown[where] != "-":
                world.show(where, ME, touched=False, name="Ann", phone="1")
        if "M+" in shown.values():
            world.pair(HEIR, HEIR, name="Heir", phone="8")
        lid = world.link(held[CRM], held[WAREHOUSE], self.standing.state, lid="link")
        if self.standing.conflict is not None:
            world.conflict(lid, self.standing.conflict)
        for where, token in shown.items():
            _show(world, where, token)
        return world


def _show(world: World, where: Side, token: str) -> None:
    match token:
        case "U":
            world.show(where, ME)
        case "C":
            changed: dict[str, Any] = {{CRM: "name", WAREHOUSE: "phone"}[where]: f"new in {where}"}
            world.show(where, ME, **changed)
        case "C=":
            world.show(where, ME, name="new in both")
        case "C!":
            world.show(where, ME, name=f"new in {where}")
        case "D":
            world.gone(where, ME)
        case "E":
            world.show(where, ME, RecordState.ERROR, error="unreadable")
        case "H":
            world.show(where, ME, RecordState.HIDDEN)
        case "M" | "M+":
            survivor = HEIR if token == "M+" else OTHER
            if survivor == OTHER:
                world.show(where, OTHER, touched=False, name="Ann", phone="1")
            world.show(where, ME, RecordState.MERGED, merged_into=survivor)
        case _:
            return


def cells() -> Iterator[Cell]:
    """All of them."""
    for standing in STANDINGS:
        for crm, warehouse in itertools.product(STATES, repeat=2):
            alias = standing.state is LinkState.ALIAS
            if (crm, warehouse) != ("-", "-") and (not alias or "-" in (crm, warehouse)):
                yield Cell(standing, crm, warehouse)
            if (crm, warehouse) == ("C", "C") and not alias:
                yield Cell(standing, "C=", "C=")
                yield Cell(standing, "C!", "C!")


# ---- telling a plan in one line


def actions(world: World, plan: Plan) -> frozenset[Action]:
    """What a plan does, as a set."""
    return frozenset(itertools.chain.from_iterable(_row(world, row) for row in plan.rows)) | {
        ("look again",) for _ in plan.waits
    }


def _row(world: World, row: object) -> Iterator[Action]:
    match row:
        case Op(state=OpState.PLANNED):
            yield (row.kind.value, ",".join(sorted(row.patch)), row.side)
        case Op(state=OpState.DROPPED):
            yield (f"call off {row.kind.value}", "", row.side)
        case Bases():
            for name, pair in row.fields.items():
                before = world.base_rows(row.lid, name)
                if any(base == Base(base.value, world.mapping.version) != before.get(s) for s, base in pair.items()):
                    yield ("adopt", name)
        case Conflict():
            verb = "close" if row.state is ConflictState.CLOSED else "conflict"
            yield (verb, f"{row.kind.value}" + (f" {row.field}" if row.field else ""))
        case Link():
            yield (f"{_who(world, row)}{row.state.value}",)
        case Member():
            yield ("hold" if row.held else "let go", row.rid.strip("[]"), row.side)
        case _:
            return


def _who(world: World, link: Link) -> str:
    if link.lid == "link":
        return "link "
    return "heir " if link.lid.startswith("link-") else "new link "


def swapped(cell: Cell, found: frozenset[Action]) -> frozenset[Action]:
    """A cell's actions with the sides swapped. Where each side changed its own field, the fields change places too."""
    names = {CRM: WAREHOUSE, WAREHOUSE: CRM}
    if "C" in (cell.crm, cell.warehouse):
        names |= {"name": "phone", "phone": "name"}
    return frozenset(tuple(names.get(word, word) for word in action) for action in found)


ORDER = (
    "create",
    "update",
    "delete",
    "call off",
    "adopt",
    "conflict",
    "close",
    "hold",
    "let go",
    "link",
    "heir",
    "new link",
)


def line(found: frozenset[Action]) -> str:
    """The actions in words."""
    told = {}
    for action in found:
        verb, *rest = action
        rank = next((n for n, word in enumerate(ORDER) if verb.startswith(word)), len(ORDER))
        told[rank, action] = " ".join(word for word in (verb, *reversed(rest)) if word)
    return "; ".join(told[key] for key in sorted(told)) or "nothing"


# ---- records that no link holds

Arrange = Callable[[World], None]


def _alone(world: World) -> None:
    world.show(CRM, ME, email="a@x", name="Ann")


def _no_email(world: World) -> None:
    world.show(CRM, ME, email=None, name="Ann")
    world.show(WAREHOUSE, ME, email="", name="Ann")


def _unreadable(world: World) -> None:
    world.show(CRM, ME, RecordState.ERROR, email="a@x", name="Ann", error="unreadable")


def _gone(world: World) -> None:
    world.gone(CRM, ME, email="a@x", name="Ann")


def _partner(world: World) -> None:
    _alone(world)
    world.show(WAREHOUSE, ME, email="a@x", name="Ann")


def _different_partner(world: World) -> None:
    _alone(world)
    world.show(WAREHOUSE, ME, email="a@x", name="Anna")


def _emptier_partner(world: World) -> None:
    _alone(world)
    world.show(WAREHOUSE, ME, email="a@x", name=None)


def _linked_partner(world: World) -> None:
    world.pair(HEIR, HEIR, email="a@x", name="Ann")
    _alone(world)


def _two_there(world: World) -> None:
    _alone(world)
    world.show(WAREHOUSE, ME, email="a@x", name="Ann")
    world.show(WAREHOUSE, OTHER, email="a@x", name="Ann")


def _two_here(world: World) -> None:
    _alone(world)
    world.show(CRM, OTHER, email="a@x", name="Ann")


def _rekeyed(world: World) -> None:
    world.pair(HEIR, HEIR, email="a@x", name="Ann")
    world.gone(CRM, HEIR)
    _alone(world)


def _rekeyed_unproven(world: World) -> None:
    world.pair(HEIR, HEIR, email="a@x", name="Ann")
    world.missing(CRM, HEIR)
    _alone(world)


def _create_planned(world: World) -> None:
    _alone(world)
    world.round()
    world.gone(CRM, ME)


def _create_sent(world: World) -> None:
    _alone(world)
    world.send(world.round().operations[0])
    world.gone(CRM, ME)


def _appears_itself(world: World) -> None:
    _alone(world)
    world.round()
    world.show(WAREHOUSE, ME, email="a@x", name="Ann")


def _buried(birth: str | None) -> Arrange:
    def arrange(world: World) -> None:
        world.pair(ME, ME, email="a@x", name="Ann", birth="2020")
        world.gone(CRM, ME)
        world.gone(WAREHOUSE, ME)
        world.round()
        world.show(CRM, ME, birth=birth, email="a@x", name="Ann")

    return arrange


NEWCOMERS: dict[str, Arrange] = {
    "N alone": _alone,
    "N without an email, beside N without one": _no_email,
    "N that cannot be read": _unreadable,
    "N that is gone before it was seen": _gone,
    "N and one candidate alike": _partner,
    "N and one candidate that differs": _different_partner,
    "N and one candidate that is emptier": _emptier_partner,
    "N and a candidate that is linked": _linked_partner,
    "N and two candidates": _two_there,
    "two N of one side alike": _two_here,
    "N whose key changed": _rekeyed,
    "N whose key changed, the old one missing in one read": _rekeyed_unproven,
    "N then D, its create planned": _create_planned,
    "N then D, its create under way": _create_sent,
    "N whose record appears by itself": _appears_itself,
    "gone id returns, same birth": _buried("2020"),
    "gone id returns, new birth": _buried("2026"),
    "gone id returns, birth not known": _buried(None),
}
"""What may happen to a record that no link holds, by what it is called in the table."""


def newcomer_world(arrange: Arrange) -> World:
    """The ledger of a newcomer."""
    world = World(person())
    arrange(world)
    return world
