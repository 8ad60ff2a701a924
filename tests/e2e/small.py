"""A small pair of systems that are joined already: what most stories begin with."""

from __future__ import annotations

from typing import Any

from antiphon_sandbox.people import people
from tests.e2e.world import SIDES, World

TABLE = """create table contacts (
    id text primary key, email text, first_name text, city text not null default 'nowhere', phone text, score integer,
    note text default 'untouched'{more}
)"""
ENTITY = """
entities:
  contact:
    sides:
      crm: {{stream: public-contacts, key: id, on_create: uuid{crm}}}
      warehouse: {{stream: public-contacts, key: id, on_create: uuid{warehouse}}}
    match: [email]
    policy: park
    on_delete: {on_delete}
    fields: {{email: email, first_name: first_name, city: city, phone: phone, score: score}}
{guards}"""


def make_small(world: World, number: int, *, warehouse: str = "") -> None:
    """Both sides know the same `number` people under other ids; `warehouse` adds to that side's table."""
    for side, more in zip(SIDES, ("", warehouse), strict=True):
        world.make_tables(side, TABLE.format(more=more))
        rows = [(f"{side}-{p.number:03d}", p.email, p.first_name, p.city, p.phone, p.score) for p in people(0, number)]
        world.copy(side, "contacts", ("id", "email", "first_name", "city", "phone", "score"), rows)


def write_small(world: World, *, crm: str = "", warehouse: str = "", on_delete: str = "park", guards: str = "") -> None:
    """sync.yml between the two; the texts add to its parts."""
    world.write_sync(ENTITY.format(crm=crm, warehouse=warehouse, on_delete=on_delete, guards=guards), catalogs=True)


def column(world: World, side: str, name: str) -> dict[str, Any]:
    """One column of a side's people, by number."""
    return {key.removeprefix(f"{side}-"): value for key, value in world.sql(side, f"select id, {name} from contacts")}
