"""The decision table, cell by cell: as it was read and found right, alike for both sides, and lawful everywhere."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from antiphon.model import ConflictState, OpKind, RecordState
from antiphon.plan import Plan
from tests.kernel.facts import SIDES, STEP, World
from tests.kernel.table import (
    MEANING,
    NEWCOMERS,
    STANDINGS,
    Cell,
    Standing,
    actions,
    cells,
    line,
    newcomer_world,
    swapped,
)

GOLDEN = Path(__file__).with_name("planner_table.yml")
_YAML = YAML(typ="safe", pure=True)


@cache
def planned(cell: Cell) -> tuple[World, Plan]:
    world = cell.build()
    return world, world.plan()


def told() -> dict[str, dict[str, Any]]:
    """The whole table, as the file holds it."""
    table: dict[str, dict[str, Any]] = {standing.name: {} for standing in STANDINGS}
    for cell in cells():
        table[cell.standing.name].setdefault(cell.crm, {})[cell.warehouse] = line(actions(*planned(cell)))
    table["no link"] = {}
    for name, arrange in NEWCOMERS.items():
        world = newcomer_world(arrange)
        table["no link"][name] = line(actions(world, world.plan()))
    return table


def test_the_table_is_as_it_was_read() -> None:
    found = told()
    if os.environ.get("ANTIPHON_WRITE_TABLE"):
        write(found)

    assert _YAML.load(GOLDEN.read_text("utf-8")) == found


def write(table: dict[str, dict[str, Any]]) -> None:
    lines = ["# What follows from each pair of record states, by the state of their link: crm, then warehouse."]
    lines += [f"#   {token:<3} {meaning}" for token, meaning in MEANING.items()]
    for standing, rows in table.items():
        lines += ["", f"{standing!r}:".replace("'", '"')]
        for crm, outcome in rows.items():
            if isinstance(outcome, str):
                lines.append(f'  "{crm}": {outcome}')
                continue
            lines.append(f'  "{crm}":')
            lines += [
                f"    {chr(34) + warehouse + chr(34):<5} {text}".replace(f"{chr(34)} ", f"{chr(34)}: ", 1)
                for warehouse, text in outcome.items()
            ]
    GOLDEN.write_text("\n".join(lines) + "\n", "utf-8")


each_standing = pytest.mark.parametrize("standing", STANDINGS, ids=lambda standing: standing.name)


def of(standing: Standing) -> list[Cell]:
    return [cell for cell in cells() if cell.standing == standing]


@each_standing
def test_the_sides_are_alike(standing: Standing) -> None:
    for cell in of(standing):
        assert swapped(cell, actions(*planned(cell))) == actions(*planned(cell.mirrored)), cell


@each_standing
def test_a_plan_is_the_same_twice_and_leaves_nothing_to_plan(standing: Standing) -> None:
    """Invariant I5."""
    for cell in of(standing):
        world = cell.build()
        looked_at = [row.key for row in world.dump()["obs"] if row.touched]
        plan = world.plan()
        world.run, world.now = world.run - 1, world.now - STEP

        assert world.plan() == plan, cell

        world.adopt(plan)
        world.touch(looked_at)
        then = world.plan()
        if not plan.touch:
            assert {op.op_id for op in then.operations} <= {op.op_id for op in plan.operations}, cell
            assert not then.conflicts, cell


@each_standing
def test_a_delete_follows_from_a_proven_deletion_of_what_nobody_changed(standing: Standing) -> None:
    """Invariant I8."""
    for cell in of(standing):
        shown = dict(zip(SIDES, (cell.crm, cell.warehouse), strict=True))
        for op in planned(cell)[1].operations:
            if op.kind is OpKind.DELETE:
                assert shown.pop(op.side) in ("U", "?", "M"), cell
                assert list(shown.values()) == ["D"], cell
                assert op.expect == {"name": "Ann", "phone": "1"}, cell


@each_standing
def test_silence_and_what_cannot_be_read_change_nothing(standing: Standing) -> None:
    for cell in of(standing):
        _, plan = planned(cell)
        if {cell.crm, cell.warehouse} <= {"?", "-"}:
            assert not plan.rows, cell
        if {cell.crm, cell.warehouse} & {"E", "H"} and not standing.state.closed:
            assert not plan.operations, cell


@each_standing
def test_no_cell_empties_a_field(standing: Standing) -> None:
    for cell in of(standing):
        assert all(value is not None for op in planned(cell)[1].operations for value in op.patch.values()), cell


@pytest.mark.parametrize("name", NEWCOMERS)
def test_a_newcomer_is_settled_once(name: str) -> None:
    world = newcomer_world(NEWCOMERS[name])
    first = world.round()
    world.touch()
    then = world.plan()

    assert {op.op_id for op in then.operations} <= {op.op_id for op in first.operations}
    assert [c for c in then.conflicts if c.state is ConflictState.OPEN] == []
    for row in world.dump()["obs"]:
        if row.state is RecordState.LIVE:
            assert row.key in then.waits or world.ledger.facts(SIDES).holder(row.key)
