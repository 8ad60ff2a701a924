"""What one schedule syncs: the profiles of its two sides, and a mapping, both drawn from the seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

from antiphon.mapping import (
    Assigned,
    CopyFrom,
    Counter,
    Derived,
    Entity,
    EntitySide,
    Extreme,
    Field,
    Guards,
    Initial,
    KeyRule,
    Kind,
    Latest,
    Limit,
    Mapping,
    NonEmpty,
    OnDelete,
    Owner,
    Park,
    Policy,
    Python,
    SetUnion,
    Uuid,
)
from antiphon.model import Side
from antiphon.verdicts import Question, Undecided, Verdict, Wins

CRM, WAREHOUSE = SIDES = ("crm", "warehouse")

HUBSPOT, SQL, FOREIGN = "hubspot", "warehouse", "foreign"

PROFILES: Final = {
    "warehouse": (SQL, SQL),
    "hubspot": (HUBSPOT, SQL),
    "foreign": (FOREIGN, FOREIGN),
    "mixed": (HUBSPOT, FOREIGN),
}
"""Named by what they put to the test: the kinds of the sides `crm` and `warehouse`."""

SECOND: Final = 1_000_000
LAG: Final = 120 * SECOND
"""So late a change may become visible to an incremental read."""
OVERLAP: Final = 180 * SECOND

TEXT: dict[str, Any] = {"type": ["string", "null"]}
NUMBER: dict[str, Any] = {"type": ["number", "null"]}
LIST: dict[str, Any] = {"type": ["array", "null"], "items": {"type": "string"}}
INTEGER: dict[str, Any] = {"type": ["integer", "null"]}

MANY: Final = 12
"""Records enough for percentages to speak."""

SHARE_OF_SQL: Final = 0.01
SHARE_OF_OTHERS: Final = 0.35
SHARE_OF_PAIRS: Final = 0.6

POLICIES: list[Policy] = [Park(), Owner(CRM), Owner(WAREHOUSE), Latest(Park()), Latest(Owner(CRM)), NonEmpty()]
INITIAL: list[Initial] = [Park(), Owner(CRM), Owner(WAREHOUSE), NonEmpty()]

NO_GUARDS = Guards(max_delete=Limit(), max_change=Limit(), max_create=Limit())


@dataclass(frozen=True)
class Shape:
    """All that is fixed before a schedule begins."""

    profile: str
    kinds: dict[Side, str]
    incremental: dict[Side, bool]
    mapping: Mapping
    timed: bool  # taps say when they made each record, as those of the SDK do
    batching: bool  # targets write when a STATE comes, not at once
    records: int
    full_every: int
    sql: bool  # the ledger is a database, not the twin in memory
    rewrites: bool = False  # the CRM writes cities in capitals, the warehouse in small letters
    recalls: bool = (
        True  # of a write without an answer the targets of `hubspot` find in its histories whether it was done
    )

    @property
    def cities(self) -> list[Entity]:
        """The entities that have a city."""
        return [entity for entity in self.mapping.entities.values() if "city" in entity.fields]

    def column(self, entity: str, side: Side, field: str) -> str:
        """A field's column on a side."""
        return self.mapping.entities[entity].fields[field].columns[side]


def draw(rng: Random, profile: str | None = None, *, plain: bool = False, pairs: float = SHARE_OF_PAIRS) -> Shape:
    """A shape from a seed's own random numbers. A `plain` one has only the policies that settle by side or time.

    `pairs` is the share of those with two entities, of which one refers to the other.
    """
    profile = profile or rng.choice(sorted(PROFILES))
    kinds = dict(zip(SIDES, PROFILES[profile], strict=True))
    rules = {side: _key_rule(rng, kinds, side) for side in SIDES}
    names = ["company", "contact"] if rng.random() < pairs else ["contact"]
    with_deals = "company" in names and rng.random() < 0.25
    entities = {name: _entity(rng, name, kinds, rules, names) for name in names}
    if with_deals:
        entities["membership"] = _membership(kinds, rules)
    entities = entities if plain else enriched(rng, entities, kinds)
    guards = Guards() if rng.random() < 0.05 else NO_GUARDS
    return Shape(
        profile=profile,
        kinds=kinds,
        incremental={side: rng.random() < 0.4 and not with_deals for side in SIDES},
        mapping=Mapping("simulation", SIDES, entities, "1", guards),
        timed=rng.random() < 0.3,
        batching=rng.random() < 0.4,
        records=MANY if guards is not NO_GUARDS else rng.randint(1, 3),
        full_every=rng.randint(2, 4),
        sql=rng.random() < SHARE_OF_SQL,
    )


def longest(question: Question) -> Verdict:
    """A user's function: the longer text wins."""
    a, b = question.sides
    one, two = len(str(question.values[a] or "")), len(str(question.values[b] or ""))
    return Undecided("of one length") if one == two else Wins(a if one > two else b, "longer")


def enriched(rng: Random, entities: dict[str, Entity], kinds: dict[Side, str]) -> dict[str, Entity]:
    """The same entities, where some fields have policies of another kind: counters, orders, functions, one way."""
    return {
        name: replace(entity, fields={n: _enrich(rng, f, entity, kinds) for n, f in entity.fields.items()})
        for name, entity in entities.items()
    }


def _enrich(rng: Random, field: Field, entity: Entity, kinds: dict[Side, str]) -> Field:
    matched = any(field.name in rule for rule in entity.match)
    if rng.random() > SHARE_OF_OTHERS or field.group or matched or field.references:
        return field
    receipts = FOREIGN not in kinds.values()
    match field.name:
        case "score":
            orders: list[Policy] = [Extreme(greatest=True), Extreme(greatest=False)]
            return replace(field, policy=rng.choice([Counter(), Counter(), *orders] if receipts else orders))
        case "city":
            steps = rng.choice([(), (("template", "<{value}>"),)])
            way = rng.choice([(CRM, WAREHOUSE), (WAREHOUSE, CRM)])
            return replace(field, direction=way, keep_edits=rng.random() < 0.4, transform=steps)
        case "name":
            return replace(field, policy=Python("rules:longest", longest))
        case _:
            return field


def other(side: Side) -> Side:
    """The opposite side."""
    return WAREHOUSE if side == CRM else CRM


def _key_rule(rng: Random, kinds: dict[Side, str], side: Side) -> KeyRule:
    if kinds[side] == HUBSPOT:
        return Assigned()
    if kinds[side] == FOREIGN:
        return Uuid() if rng.random() < 0.7 else CopyFrom(other(side))
    rules: list[KeyRule] = [Uuid(), Assigned()]
    return rng.choice(rules)


def key_schema(kind: str, rule: KeyRule | None) -> dict[str, Any]:
    """How a side declares its ids."""
    return {"type": "integer"} if kind == SQL and isinstance(rule, Assigned) else {"type": "string"}


def _policy(rng: Random) -> Policy:
    return rng.choice(POLICIES)


def _entity(rng: Random, name: str, kinds: dict[Side, str], rules: dict[Side, KeyRule], names: list[str]) -> Entity:
    fields = [
        _field("name", _policy(rng)),
        _field("city", _policy(rng)),
    ]
    match: tuple[tuple[str, ...], ...] = (("name",),)
    if name == "contact":
        steps = (("strip", ""), ("lower", ""))
        fields += [
            replace(_field("email", _policy(rng)), normalize=steps),
            replace(_field("score", _policy(rng)), kind=Kind.NUMBER),
            replace(_field("tags", SetUnion()), kind=Kind.LIST, separator=";"),
        ]
        match = (("email",),)
        if "company" in names:
            fields.append(replace(_field("company", _policy(rng)), references="company"))
        if rng.random() < 0.2:
            fields = [replace(f, group="who") if f.name in ("name", "city") else f for f in fields]
    else:
        fields.append(replace(_field("parent", _policy(rng)), references="company"))
    match = match if rng.random() < 0.85 else ()
    on_delete = {side: rng.choice(list(OnDelete)) for side in SIDES}
    sides = {
        side: EntitySide(
            stream=f"{side}-{name}",
            key=("id",),
            key_rule=rules[side],
            on_delete=on_delete[side],
            receipts=kinds[side] != FOREIGN,
            deletes=kinds[side] == FOREIGN and rng.random() < 0.5,
            columns={
                "id": key_schema(kinds[side], rules[side]),
                **{f.columns[side]: _schema(f, kinds[side], rules[side]) for f in fields},
            },
        )
        for side in SIDES
    }
    initial = rng.choice(INITIAL)
    return Entity(name, sides, {f.name: f for f in fields}, match, initial)


def _membership(kinds: dict[Side, str], rules: dict[Side, KeyRule]) -> Entity:
    fields = {name: replace(_field(name, Owner(CRM)), references=name) for name in ("company", "contact")}
    sides = {
        side: EntitySide(
            stream=f"{side}-membership",
            key=tuple(f.columns[side] for f in fields.values()),
            key_rule=Derived(),
            on_delete=OnDelete.DELETE,
            receipts=kinds[side] != FOREIGN,
            deletes=kinds[side] == FOREIGN,
            columns={f.columns[side]: key_schema(kinds[side], rules[side]) for f in fields.values()},
        )
        for side in SIDES
    }
    return Entity("membership", sides, fields)


def _field(name: str, policy: Policy) -> Field:
    return Field(name, {CRM: name, WAREHOUSE: f"w_{name}"}, policy, Kind.TEXT)


def _schema(field: Field, kind: str, rule: KeyRule) -> dict[str, Any]:
    if field.references:
        return INTEGER if key_schema(kind, rule)["type"] == "integer" else TEXT
    if kind == HUBSPOT:
        return TEXT
    return {"score": NUMBER, "tags": LIST}.get(field.name, TEXT)
