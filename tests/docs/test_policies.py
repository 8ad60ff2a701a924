"""`docs/policies.md` cannot lie: every row is a sync.yml that is loaded, bound, planned and delivered till it rests."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from antiphon.config import bind, lint, load
from antiphon.model import ConflictKind, OpKind, Value
from antiphon.model import Side as SideName
from tests.kernel.facts import CRM, SIDES, WAREHOUSE, World

PAGE = (Path(__file__).parents[2] / "docs" / "policies.md").read_text(encoding="utf-8")
ASKED = "a person is asked"

SYNC = """\
name: documented
sides:
  crm:
    tap: {{command: tap}}
    target: {{command: target, receipts_path: crm.jsonl}}
  warehouse:
    tap: {{command: tap}}
    target: {{command: target, receipts_path: warehouse.jsonl}}
entities:
  contact:
    sides:
      crm: {{stream: contacts, key: id, on_create: assigned}}
      warehouse: {{stream: contacts, key: id, on_create: assigned}}
    match: [key]
    fields:
      key: key
{fields}
"""


def rows(heading: str) -> list[list[str]]:
    """The cells of the table whose first heading is this."""
    table = PAGE.partition(f"| {heading} |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]]


def read(cell: str) -> Value:
    """A value as the page writes it."""
    text = cell.strip().strip("`")
    try:
        found: Value = json.loads(text)
    except ValueError:
        return text
    return found


def shape(*values: Value) -> dict[str, Any]:
    """The schema of a column that holds these."""
    known = [value for value in values if value is not None]
    if all(isinstance(value, bool) for value in known):
        return {"type": ["boolean", "null"]}
    if all(isinstance(value, int | float) for value in known):
        return {"type": ["number", "null"]}
    return {"type": ["string", "null"]}


def world_of(folder: Path, fields: str, columns: dict[SideName, dict[str, Any]], rest: str = "") -> World:
    """The world of a sync.yml with these fields; `rest` is what comes after them."""
    lines = "\n".join(f"      {line}" for line in fields.splitlines())
    path = folder / "sync.yml"
    path.write_text(SYNC.format(fields=lines) + rest, encoding="utf-8")
    config = load(path, {})
    shown = {(where, name): {"id": {}, "key": {}, **columns[where]} for where in SIDES for name in config.entities}
    assert [finding for finding in lint(config, shown, dict.fromkeys(SIDES, True)) if finding.severity == "error"] == []
    world = World(*bind(config, shown).entities.values())
    world.entity = "contact"
    return world


def rests(world: World) -> dict[SideName, Value]:
    """Rounds until nothing is written, one look more that finds nothing, and what `f` is then on each side."""
    world.settle_down()
    world.touch()
    assert world.round().operations == ()
    found = {}
    for where in SIDES:
        seen = world.observation(where, 1)
        assert seen is not None
        found[where] = seen.fields["f"]
    return found


@pytest.mark.parametrize("row", rows("`policy:`"), ids=lambda row: " ".join([row[0], *row[-3:]]))
def test_what_the_page_says_of_a_policy_is_what_happens(row: list[str], tmp_path: Path) -> None:
    policy, _, _, agreed, crm, warehouse, ends = row
    examples = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    (tmp_path / "rules.py").write_text("\n".join(examples))
    was, mine, theirs = read(agreed), read(crm), read(warehouse)
    column = {"f": shape(was, mine, theirs)}
    fields = f"f: {{crm: f, warehouse: f, policy: {policy.strip('`')}}}"
    world = world_of(tmp_path, fields, dict.fromkeys(SIDES, column))
    world.pair(1, 1, key="k", f=was)
    world.show(CRM, 1, f=mine)
    world.show(WAREHOUSE, 1, touched=False)  # a look at the warehouse, which has not changed yet
    world.show(WAREHOUSE, 1, f=theirs)
    found = rests(world)
    if ends == ASKED:
        assert found == {CRM: mine, WAREHOUSE: theirs}
        assert [conflict.kind for conflict in world.conflicts()] == [ConflictKind.FIELD]
    else:
        assert found == dict.fromkeys(SIDES, read(ends))
        assert not world.conflicts()


@pytest.mark.parametrize("row", rows("`transform:`"), ids=lambda row: row[0])
def test_what_the_page_says_of_a_transform_is_what_arrives(row: list[str], tmp_path: Path) -> None:
    step, _, crm, warehouse = row
    made = read(warehouse)
    way = "direction: {from: crm, to: warehouse}"
    fields = f"f: {{crm: f, warehouse: f, {way}, transform: {step.strip('`')}}}"
    world = world_of(tmp_path, fields, {CRM: {"f": shape(read(crm))}, WAREHOUSE: {"f": shape(made)}})
    world.show(CRM, 1, key="k", f=read(crm))
    world.show(WAREHOUSE, 1, key="k", f=None)
    world.deliver(world.round())
    assert float(str(rests(world)[WAREHOUSE])) == made if isinstance(made, float) else rests(world)[WAREHOUSE] == made


@pytest.mark.parametrize(("edits", "ends"), [("", "x"), (", edits: ignore", "edited")])
def test_edits_of_the_receiving_side_are_reverted_or_stay(edits: str, ends: str, tmp_path: Path) -> None:
    fields = f"f: {{crm: f, warehouse: f, direction: {{from: crm, to: warehouse{edits}}}}}"
    world = world_of(tmp_path, fields, {key: {"f": shape("")} for key in SIDES})
    world.pair(1, 1, key="k", f="x")
    world.show(WAREHOUSE, 1, f="edited")
    assert rests(world) == {CRM: "x", WAREHOUSE: ends}
    world.show(CRM, 1, f="y")
    assert rests(world) == dict.fromkeys(SIDES, "y")
    assert any(row.old == "edited" for row in world.audits())


PICKLIST = "f: {crm: f, warehouse: f, policy: {ladder: [lead, mql]}, values: {crm: {lead: lead, mql: MQL}}}"


def test_a_picklist_is_translated_both_ways_and_a_value_without_a_partner_is_parked(tmp_path: Path) -> None:
    world = world_of(tmp_path, PICKLIST, {key: {"f": shape("")} for key in SIDES})
    world.pair(1, 1, key="k", f="lead")
    world.show(WAREHOUSE, 1, f="mql")
    assert rests(world) == {CRM: "MQL", WAREHOUSE: "mql"}
    world.show(CRM, 1, f="lead")
    assert rests(world) == {CRM: "lead", WAREHOUSE: "lead"}
    world.show(WAREHOUSE, 1, f="MQL")
    assert rests(world) == {CRM: "lead", WAREHOUSE: "MQL"}
    assert [conflict.kind for conflict in world.conflicts()] == [ConflictKind.UNMAPPED]


@pytest.mark.parametrize(("empty", "ends"), [("keep", "x"), ("clear", None)])
def test_an_emptied_field_is_filled_again_or_emptied_everywhere(empty: str, ends: Value, tmp_path: Path) -> None:
    fields = f"f: {{crm: f, warehouse: f, empty: {empty}}}"
    world = world_of(tmp_path, fields, {key: {"f": shape("")} for key in SIDES})
    world.pair(1, 1, key="k", f="x")
    world.show(CRM, 1, f=None)
    assert rests(world) == dict.fromkeys(SIDES, ends)


def test_the_fields_of_a_group_move_together(tmp_path: Path) -> None:
    fields = "f: {crm: f, warehouse: f, policy: {owner: crm}}\ng: {crm: g, warehouse: g, policy: {owner: crm}}"
    both = {key: {"f": shape(""), "g": shape("")} for key in SIDES}
    world = world_of(tmp_path, fields, both, "    groups: {address: [f, g]}\n")
    world.pair(1, 1, key="k", f="street", g="city")
    world.show(CRM, 1, f="Street")
    world.show(WAREHOUSE, 1, g="City")
    assert rests(world) == dict.fromkeys(SIDES, "Street")
    seen = [world.observation(where, 1) for where in SIDES]
    assert [row.fields["g"] for row in seen if row is not None] == ["city", "city"]


def test_a_reference_is_translated_and_waits_for_its_record(tmp_path: Path) -> None:
    company = """\
    references:
      company: {crm: company_id, warehouse: company_id, entity: company}
  company:
    sides:
      crm: {stream: companies, key: id, on_create: assigned}
      warehouse: {stream: companies, key: id, on_create: assigned}
    match: [key]
    fields: {key: key}
"""
    columns = {key: {"f": shape(""), "company_id": {"type": ["integer", "null"]}} for key in SIDES}
    world = world_of(tmp_path, "f: f", columns, company)
    world.show(CRM, 1, key="k", f="x", company_id=7)
    world.show(CRM, 7, entity="company", key="acme")
    for _ in range(3):
        world.deliver(world.round())
    (there,) = [row for row in world.dump()["obs"] if (row.side, row.entity) == (WAREHOUSE, "contact")]
    (acme,) = [row for row in world.dump()["obs"] if (row.side, row.entity) == (WAREHOUSE, "company")]
    assert json.loads(acme.rid) == [there.fields["company_id"]]
    assert all(op.kind is OpKind.CREATE for op in world.dump()["outbox"])


def test_the_kinds_of_conflicts_that_it_names_exist() -> None:
    kinds = {kind.value for kind in ConflictKind}
    assert {row[0].strip("`") for row in rows("kind of conflict")} <= kinds
