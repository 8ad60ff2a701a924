"""The merge algebra (invariant I12), by generated values, and one field exhaustively against a table of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.equivalence import EMPTY, canonical_json
from antiphon.mapping import (
    Counter,
    Extreme,
    Field,
    Initial,
    Kind,
    Ladder,
    Latest,
    NonEmpty,
    OptOut,
    Owner,
    Park,
    Policy,
    Python,
    SetUnion,
)
from antiphon.merge import Adopt, Decision, Hold, Outcome, Reading, Send, Still, Surroundings, Wait, Write, merge
from antiphon.model import MISSING, ConflictKind, Instant, Missing, Rid, Side, Value
from antiphon.represent import reference
from antiphon.verdicts import Wins
from tests.kernel.facts import CRM, SIDES, WAREHOUSE, World, entity, field, law, side
from tests.kernel.test_equivalence import json_values

SWAPPED = {CRM: WAREHOUSE, WAREHOUSE: CRM}
LINKS = {(CRM, "[7]"): "acme", (WAREHOUSE, '["c-7"]'): "acme", (CRM, "[8]"): "initech"}

TRAPS: list[Value] = [
    *(
        None,
        "",
        [],
        " ",
        0,
        1,
        -1,
        2,
        10**20,
        0.1,
        1.0,
        Decimal("1.00"),
        Decimal("0.1"),
        Decimal("1E+2"),
        100,
        True,
        False,
    ),
    *(
        "0",
        "1",
        "1.0",
        "100",
        "1_0",
        "NaN",
        "true",
        "True",
        "f",
        "no",
        "a",
        "A",
        " a",
        "b",
        "a;b",
        "b;a",
        "a;b;c",
        "x y",
    ),
    *(
        "2026-11-20",
        "2026-11-20T00:00:00Z",
        "2026-11-20T01:00:00+01:00",
        "2026-11-20 00:00:00",
        "0001-01-01T00:00+09:00",
    ),
    *(
        ["a"],
        ["b"],
        ["a", "b"],
        ["b", "a"],
        ["a", "c"],
        [None],
        [1],
        [True],
        [[]],
        {},
        {"a": 1},
        {"a": True},
        '{"a": 1}',
    ),
    *("\u00e9", "e\u0301", "STRASSE", "straße", {"$link": "acme"}, "$link", 9007199254740993, 9007199254740992.0),
]
"""Values that Python, JSON or SQL take for one another."""

POLICIES: list[Policy] = [
    Owner(CRM),
    Owner(WAREHOUSE),
    Park(),
    Latest(Park()),
    Latest(Owner(CRM)),
    NonEmpty(),
    SetUnion(),
    Extreme(greatest=True),
    Extreme(greatest=False),
    Ladder(("x", "y")),
    OptOut(("x",)),
    Counter(),
    Python("rules:crm", lambda _question: Wins(CRM, "")),
]


def around(*fields: Field, **options: Any) -> Surroundings:
    def resolve(_entity: str, where: Side, rid: Rid) -> str | None:
        return LINKS.get((where, rid))

    def member_of(lid: str, where: Side) -> Rid | None:
        return next((rid for (held, rid), link in LINKS.items() if (held, link) == (where, lid)), None)

    return Surroundings(entity(*fields, **options), resolve, member_of)


def reading(
    mine: Field,
    in_crm: Value | Missing,
    in_warehouse: Value | Missing,
    base: Any = None,
    changed_in: Mapping[Side, tuple[Instant, Instant]] | None = None,
) -> Reading:
    """A field as both sides show it. `base` is a pair; None where they never agreed."""
    pair = None if base is None else dict(zip(SIDES, base, strict=True))
    return Reading(mine, {CRM: in_crm, WAREHOUSE: in_warehouse}, pair, changed_in or {})


def outcome(
    mine: Field,
    in_crm: Value | Missing,
    in_warehouse: Value | Missing,
    base: Any = None,
    *,
    decision: Decision | None = None,
    **options: Any,
) -> Outcome:
    return merge(SIDES, [reading(mine, in_crm, in_warehouse, base)], around(mine, **options), decision)


def sent(found: Outcome) -> dict[tuple[Side, str], Value]:
    assert isinstance(found, Send)
    return {(w.side, w.field): w.value for w in found.writes}


def same(where: Surroundings, mine: Field, one: tuple[Side, Value], two: tuple[Side, Value]) -> bool:
    return where.canon(mine, *one) == where.canon(mine, *two)


# ---- the algebra

INTERVALS = [(0, 0), (0, 5), (5, 9), (3, 7), (5, 5)]
spans = st.sampled_from(
    [dict(zip(SIDES, pair, strict=True)) for pair in itertools.product(INTERVALS, repeat=2)] + [{CRM: (0, 5)}, {}]
)
values = st.sampled_from(TRAPS) | json_values
fields_of_any_kind = st.sampled_from(
    [
        field("f", kind=kind, normalize=steps, keep_empty=keep)
        for kind in Kind
        for steps in ((), (("strip", ""), ("lower", "")), (("digits", ""),))
        for keep in (False, True)
    ]
)


def mirrored(policy: Any) -> Any:
    """The policy with the sides swapped."""
    match policy:
        case Owner(owner):
            return Owner(SWAPPED[owner])
        case Latest(otherwise):
            return Latest(mirrored(otherwise))
        case _:
            return policy


def mirror(found: Outcome) -> Outcome:
    """An outcome with the sides swapped, as a comparison sees it."""
    match found:
        case Adopt(values):
            return Adopt({name: {SWAPPED[s]: v for s, v in pair.items()} for name, pair in values.items()})
        case Send(writes, adopt):
            swapped = [replace(w, side=SWAPPED[w.side], reason="") for w in writes]
            return Send(
                tuple(sorted(swapped, key=lambda w: w.side)),
                {name: {SWAPPED[s]: v for s, v in pair.items()} for name, pair in adopt.items()},
            )
        case Hold(kind):
            return Hold(kind, "")
        case _:
            return found


def without_reason(found: Outcome) -> Outcome:
    return mirror(mirror(found))


@pytest.mark.parametrize("policy", [p for p in POLICIES if not isinstance(p, Counter | Python)], ids=repr)
def test_the_algebra_of_a_policy(policy: Policy) -> None:
    @law
    @given(fields_of_any_kind, values, values, values, spans)
    def holds(mine: Field, base: Value, crm: Value, warehouse: Value, changed_in: dict[str, tuple[int, int]]) -> None:
        mine = replace(mine, policy=policy)
        where = around(mine)
        pair = (base, base)

        # the same on both sides is adopted, whatever it was before; and nothing new is nothing
        adopted = merge(SIDES, [reading(mine, crm, crm, pair, changed_in)], where)
        unchanged = same(where, mine, (CRM, crm), (CRM, base))
        assert adopted == (Still() if unchanged else Adopt({"f": {CRM: crm, WAREHOUSE: crm}}))

        # one side's change goes over
        found = merge(SIDES, [reading(mine, base, crm, pair, changed_in)], where)
        if not unchanged and not (mine.keep_empty and where.canon(mine, WAREHOUSE, crm) == EMPTY):
            if isinstance(policy, SetUnion) or where.canon(mine, CRM, crm) == EMPTY:
                assert isinstance(found, Send)
            else:
                assert isinstance(found, Send)
                assert [(w.side, w.source) for w in found.writes] == [(CRM, crm)]

        # a conflict ends in one of the values, in their combination, or with a person
        found = merge(SIDES, [reading(mine, crm, warehouse, pair, changed_in)], where)
        match found:
            case Send(writes) if not isinstance(policy, SetUnion):
                assert len(writes) == 1
                assert any(canonical_json(writes[0].source) == canonical_json(v) for v in (base, crm, warehouse))
            case Send(writes):
                assert 1 <= len(writes) <= 2
            case Hold(kind):
                assert kind is ConflictKind.FIELD
            case _:
                assert not isinstance(found, Wait)

        # the sides are alike, once the policy is swapped with them
        flipped = replace(mine, policy=mirrored(policy))
        swapped = Reading(
            flipped,
            {CRM: warehouse, WAREHOUSE: crm},
            dict.fromkeys(SIDES, base),
            {SWAPPED[s]: span for s, span in changed_in.items()},
        )
        if not isinstance(policy, SetUnion | OptOut):  # of two spellings of one meaning either may stay
            assert mirror(merge(SIDES, [swapped], around(flipped))) == without_reason(found)

    holds()


@law
@given(st.sampled_from([Owner(CRM), NonEmpty(), Latest(Owner(WAREHOUSE))]), fields_of_any_kind, values, values, values)
def test_what_was_merged_stays_merged(policy: Policy, mine: Field, base: Value, crm: Value, warehouse: Value) -> None:
    """Carry the write out, and there is nothing more to write."""
    mine = replace(mine, policy=policy)
    where = around(mine)

    found = merge(SIDES, [reading(mine, crm, warehouse, (base, base))], where)

    if isinstance(found, Send):
        (write,) = found.writes
        now = {CRM: crm, WAREHOUSE: warehouse, write.side: write.value}
        assert merge(SIDES, [Reading(mine, now, now)], where) == Still()


# ---- one field, exhaustively

X, X2, Y, NULL = "x", " X ", "y", None
TOKENS: list[Value | Missing] = [MISSING, NULL, X, Y, X2]
INITIALS: list[Initial] = [Owner(CRM), Owner(WAREHOUSE), Park(), NonEmpty()]
DIRECTIONS: list[tuple[Side, Side] | None] = [None, (CRM, WAREHOUSE), (WAREHOUSE, CRM)]
SPANS: dict[str, dict[Side, tuple[int, int]]] = {
    "crm later": {CRM: (20, 30), WAREHOUSE: (0, 10)},
    "warehouse later": {CRM: (0, 10), WAREHOUSE: (20, 30)},
    "unproven": {CRM: (0, 30), WAREHOUSE: (10, 20)},
}


@dataclass(frozen=True)
class Expected:
    """What the law says: the side that is written and what it means then, or why a person is asked, or nothing."""

    written: tuple[tuple[Side, str], ...] = ()
    ask: ConflictKind | None = None
    adopted: bool = False


def meaning(value: Value | Missing) -> str:
    """The law's own equivalence: x and " X " are one value."""
    return {MISSING: "unknown", None: "empty", X: "x", X2: "x", Y: "y"}[value]  # type: ignore[index]  # only tokens


def by_the_law(
    mine: Field,
    initial: Initial,
    later: Side | None,
    shown: Mapping[Side, Value | Missing],
    base: Mapping[Side, Value] | None,
) -> Expected:
    """KERNEL sections 5 and 6 for one field, in the words of the tables."""
    now = {s: meaning(base[s] if base is not None and shown[s] is MISSING else shown[s]) for s in SIDES}
    changed = {s: base is not None and shown[s] is not MISSING and now[s] != meaning(base[s]) for s in SIDES}
    known = MISSING not in shown.values()
    if base is None and not known:
        return Expected()
    if base is not None and not any(changed.values()):  # U, U
        if not known or now[CRM] == now[WAREHOUSE]:
            return Expected()
        if mine.direction is None:
            return Expected(ask=ConflictKind.DIVERGED)
        source, receiver = mine.direction
        return Expected(((receiver, now[source]),))
    if now[CRM] == now[WAREHOUSE]:
        return Expected(adopted=known)  # the same change on both sides

    def over(winner: Side) -> Expected:
        return Expected(((SWAPPED[winner], now[winner]),))

    empty = next((s for s in SIDES if now[s] == "empty"), None)
    kept = empty if empty is not None and (base is None or (mine.keep_empty and changed[empty])) else None
    if mine.direction is not None:
        source, receiver = mine.direction
        stays = mine.keep_edits and base is not None and not changed[source]
        return Expected() if kept == source or (stays and changed[receiver]) else over(source)
    if kept is not None:
        return over(SWAPPED[kept])
    if base is not None and not all(changed.values()):
        return over(CRM if changed[CRM] else WAREHOUSE)
    rule: Policy = initial if base is None and not isinstance(mine.policy, SetUnion) else mine.policy
    asked = Expected(ask=ConflictKind.JOIN if base is None else ConflictKind.FIELD)
    if isinstance(rule, SetUnion):
        return union(now, base)
    winner = by_policy(rule, now, empty, later)
    return asked if winner is None else over(winner)


def by_policy(rule: Policy, now: Mapping[Side, str], empty: Side | None, later: Side | None) -> Side | None:
    """Section 6: the side whose value wins; None if a person is asked."""
    match rule:
        case Owner(owner):
            return owner
        case Park() | SetUnion() | Counter():  # words are no numbers to count with
            return None
        case Python():
            return CRM
        case Latest(otherwise):
            return later or by_policy(otherwise, now, empty, later)
        case NonEmpty():
            return SWAPPED[empty] if empty else None
        case Extreme() | Ladder():
            last = isinstance(rule, Ladder) or rule.greatest
            return SWAPPED[empty] if empty else next(s for s in SIDES if (now[s] == "y") is last)
        case OptOut():
            return next((s for s in SIDES if now[s] == "x"), None)


def union(now: Mapping[Side, str], base: Mapping[Side, Value] | None) -> Expected:
    was = [{meaning(base[s])} - {"empty"} if base else set() for s in SIDES]
    has = [{now[s]} - {"empty"} for s in SIDES]
    removed = (was[0] - has[0]) | (was[1] - has[1])
    added = (has[0] - was[0]) | (has[1] - was[1])
    made = ";".join(sorted(((has[0] | has[1]) - removed) | added)) or "empty"
    return Expected(tuple((s, made) for s in SIDES if now[s] != made))


def cells() -> Iterator[tuple[Any, Any, Value | Missing, Value | Missing]]:
    yield from itertools.product(TOKENS, repeat=4)


def described(found: Outcome) -> Expected:
    match found:
        case Send(writes):
            said = {w.side: w.value for w in writes}
            return Expected(tuple((s, _said(said[s])) for s in SIDES if s in said))
        case Hold(kind):
            return Expected(ask=kind)
        case Adopt():
            return Expected(adopted=True)
        case _:
            return Expected()


def _said(value: Value) -> str:
    words = [] if value is None else str(value).split(";")
    return ";".join(sorted(word.strip().lower() for word in words)) or "empty"


@pytest.mark.parametrize(
    ("direction", "keep_edits"), [*((way, False) for way in DIRECTIONS), ((CRM, WAREHOUSE), True)], ids=repr
)
@pytest.mark.parametrize("keep_empty", [False, True], ids=["clear", "keep"])
@pytest.mark.parametrize("policy", POLICIES, ids=repr)
def test_every_cell_of_one_field_is_as_the_law_says(
    policy: Policy,
    *,
    keep_empty: bool,
    direction: tuple[Side, Side] | None,
    keep_edits: bool,
) -> None:
    mine = field(
        "f",
        policy,
        kind=Kind.TEXT,
        normalize=(("strip", ""), ("lower", "")),
        keep_empty=keep_empty,
        direction=direction,
        keep_edits=keep_edits,
    )
    wrong = []
    for base_crm, base_warehouse, crm, warehouse in cells():
        base = None if MISSING in (base_crm, base_warehouse) else {CRM: base_crm, WAREHOUSE: base_warehouse}
        shown = {CRM: crm, WAREHOUSE: warehouse}
        for initial in INITIALS if base is None else INITIALS[:1]:
            texts = side(columns={"f": {"type": "string"}})
            where = around(mine, initial=initial, crm=texts, warehouse=texts)
            for span in SPANS if isinstance(policy, Latest) else ["unproven"]:
                later = {"crm later": CRM, "warehouse later": WAREHOUSE}.get(span)
                expected = by_the_law(mine, initial, later, shown, base)
                found = described(merge(SIDES, [Reading(mine, shown, base, SPANS[span])], where))
                if found != expected:
                    wrong.append((base, shown, initial, span, found, expected))
    assert not wrong[:3], f"{len(wrong)} cells differ"


# ---- what a write says


def test_a_change_expects_what_the_other_side_showed_and_remembers_its_source() -> None:
    found = outcome(field("f", kind=Kind.NUMBER), 2, "1", (1, "1"), warehouse=side(columns={"f": {"type": "string"}}))

    assert found == Send((Write("f", WAREHOUSE, "2", "1", 2, "only crm changed it"),), {})


def test_a_side_that_does_not_show_the_field_is_expected_to_hold_its_base() -> None:
    found = outcome(field("f"), 2, MISSING, (1, 1))

    assert found == Send((Write("f", WAREHOUSE, 2, 1, 2, "only crm changed it"),), {})


def test_an_edit_that_loses_is_kept() -> None:
    found = outcome(field("f", Owner(CRM)), "mine", "theirs", ("old", "old"))

    assert isinstance(found, Send)
    assert found.writes[0].loser == "theirs"


def test_a_value_that_a_join_overwrites_is_kept() -> None:
    found = outcome(field("f"), "mine", "theirs", initial=Owner(CRM))

    assert isinstance(found, Send)
    assert found.writes[0].loser == "theirs"


def test_filling_an_empty_field_overwrites_nothing() -> None:
    found = outcome(field("f"), "mine", None)

    assert isinstance(found, Send)
    assert found.writes[0].loser is MISSING


# ---- one-way fields

ONE_WAY = field("f", direction=(CRM, WAREHOUSE))


def test_a_one_way_field_takes_back_what_its_target_edited() -> None:
    found = outcome(ONE_WAY, "x", "edited", ("x", "x"))

    assert sent(found) == {(WAREHOUSE, "f"): "x"}
    assert isinstance(found, Send)
    assert found.writes[0].loser == "edited"


def test_an_empty_one_way_source_never_empties_a_record_that_it_joins() -> None:
    assert outcome(ONE_WAY, None, "theirs") == Still()


def test_emptying_a_one_way_source_empties_the_target_unless_the_field_is_kept() -> None:
    assert sent(outcome(ONE_WAY, None, "x", ("x", "x"))) == {(WAREHOUSE, "f"): None}
    assert outcome(replace(ONE_WAY, keep_empty=True), None, "x", ("x", "x")) == Still()


# ---- empty: keep


def test_a_field_that_is_kept_is_filled_again_from_the_other_side() -> None:
    assert sent(outcome(field("f", keep_empty=True), None, "x", ("x", "x"))) == {(CRM, "f"): "x"}


# ---- python's traps


@pytest.mark.parametrize(("before", "after"), [(1, True), ([1], [True]), ({"a": 0}, {"a": False})], ids=repr)
def test_a_number_that_becomes_a_boolean_has_changed(before: Value, after: Value) -> None:
    assert list(sent(outcome(field("f"), after, before, (before, before)))) == [(WAREHOUSE, "f")]


# ---- groups move together

STREET, CITY = (field(name, Owner(CRM), group="address") for name in ("street", "city"))


def address(street: Any, city: Any, *, policy: Policy | None = None, joining: bool = False) -> list[Reading]:
    """Each field as (crm, warehouse); the base is "old" unless they join."""
    base = None if joining else ("old", "old")
    fields = [replace(f, policy=policy or f.policy) for f in (STREET, CITY)]
    return [reading(f, pair[0], pair[1], base) for f, pair in zip(fields, (street, city), strict=True)]


def merged(readings: list[Reading], **options: Any) -> Outcome:
    return merge(SIDES, readings, around(*[r.field for r in readings], **options))


def test_a_group_has_one_winner_for_all_its_fields() -> None:
    found = merged(address(street=("mine", "old"), city=("old", "theirs")))

    assert sent(found) == {(WAREHOUSE, "street"): "mine", (WAREHOUSE, "city"): "old"}


def test_the_fields_of_a_group_that_agree_are_adopted_beside() -> None:
    found = merged(address(street=("mine", "theirs"), city=("same", "same")))

    assert sent(found) == {(WAREHOUSE, "street"): "mine"}
    assert isinstance(found, Send)
    assert found.adopt == {"city": {CRM: "same", WAREHOUSE: "same"}}


def test_one_sides_change_of_a_group_goes_over_without_the_policy() -> None:
    found = merged(address(street=("old", "theirs"), city=("old", "old"), policy=Park()))

    assert sent(found) == {(CRM, "street"): "theirs"}


def test_a_group_is_parked_as_a_whole() -> None:
    assert isinstance(merged(address(street=("mine", "old"), city=("old", "theirs"), policy=Park())), Hold)


def test_the_last_edit_of_any_of_its_fields_decides_a_group() -> None:
    policy = Latest(Park())
    street, city = address(street=("mine", "old"), city=("mine", "theirs"), policy=policy)
    found = merged(
        [replace(street, changed_in={CRM: (40, 50)}), replace(city, changed_in={CRM: (0, 10), WAREHOUSE: (20, 30)})]
    )

    assert sent(found) == {(WAREHOUSE, "street"): "mine", (WAREHOUSE, "city"): "mine"}


def test_an_edit_of_a_field_that_is_as_it_was_does_not_count() -> None:
    policy = Latest(Park())
    street, city = address(street=("old", "old"), city=("mine", "theirs"), policy=policy)
    found = merged(
        [replace(street, changed_in={CRM: (40, 50)}), replace(city, changed_in={CRM: (0, 10), WAREHOUSE: (20, 30)})]
    )

    assert sent(found) == {(CRM, "city"): "theirs"}


def test_a_group_that_joins_takes_the_side_that_has_values() -> None:
    found = merged(address(street=(None, "theirs"), city=("", "theirs"), joining=True), initial=Park())

    assert sent(found) == {(CRM, "street"): "theirs", (CRM, "city"): "theirs"}


def test_two_groups_of_values_are_no_case_for_nonempty() -> None:
    found = merged(address(street=("mine", "theirs"), city=(None, "theirs"), policy=NonEmpty()))

    assert isinstance(found, Hold)


def test_a_group_of_values_beats_an_empty_one() -> None:
    found = merged(address(street=(None, "theirs"), city=("", "theirs"), policy=NonEmpty()))

    assert sent(found) == {(CRM, "street"): "theirs", (CRM, "city"): "theirs"}


def test_a_field_of_a_group_that_was_never_agreed_and_is_not_shown_is_left_out() -> None:
    street, city = address(street=("mine", "old"), city=(MISSING, "theirs"))

    found = merged([street, replace(city, base=None)])

    assert sent(found) == {(WAREHOUSE, "street"): "mine"}


# ---- picklists and sets

STAGE = field("stage", picklist={CRM: {"mql": "marketing"}, WAREHOUSE: {"mql": "M"}})


def test_an_unmapped_value_is_parked_and_never_written() -> None:
    found = outcome(STAGE, "brand new", "M", ("marketing", "M"))

    assert found == Hold(ConflictKind.UNMAPPED, "crm holds 'brand new' in stage, which `values:` does not name")


def test_an_unmapped_value_that_was_there_before_stops_nothing() -> None:
    found = merged(
        [
            reading(replace(STAGE, group="g"), "odd", "odd", ("odd", "odd")),
            reading(field("name", group="g"), "new", "old", ("old", "old")),
        ]
    )

    assert sent(found) == {(WAREHOUSE, "name"): "new"}


def test_a_set_is_written_to_both_in_their_own_words() -> None:
    tags = field(
        "tags",
        SetUnion(),
        picklist={CRM: {"on": "off", "off": "on"}, WAREHOUSE: {"on": "1", "off": "0"}},
        separator=",",
    )
    found = outcome(tags, "off", "0", ("", ""), warehouse=side(columns={"tags": {"type": "string"}}))

    assert sent(found) == {(CRM, "tags"): ["on", "off"], (WAREHOUSE, "tags"): "0,1"}


def test_a_set_adopts_no_base_until_both_sides_are_seen_to_hold_it() -> None:
    found = outcome(field("tags", SetUnion()), ["a", "b"], ["a", "c"], (["a"], ["a"]))

    assert isinstance(found, Send)
    assert {w.source for w in found.writes} == {MISSING}
    assert {w.side: w.loser for w in found.writes} == {CRM: ["a", "b"], WAREHOUSE: ["a", "c"]}


# ---- references

COMPANY = field("company", references="company")


def test_a_changed_reference_goes_over_as_the_other_sides_id() -> None:
    assert sent(outcome(COMPANY, 7, None, (None, None))) == {(WAREHOUSE, "company"): "c-7"}


def test_a_reference_to_a_record_without_an_id_there_goes_over_open() -> None:
    assert sent(outcome(COMPANY, 8, None, (None, None))) == {(WAREHOUSE, "company"): reference("initech")}


def test_a_reference_to_a_record_that_is_not_linked_waits() -> None:
    found = outcome(COMPANY, 9, "c-7", (7, "c-7"))

    assert found == Wait("company names company [9] of crm, which is not linked yet")


# ---- what a person decided


def test_a_person_takes_a_side() -> None:
    found = outcome(field("f"), "mine", "theirs", ("old", "old"), decision=Decision(take=WAREHOUSE))

    assert sent(found) == {(CRM, "f"): "theirs"}


def test_a_person_gives_a_value_for_both() -> None:
    found = outcome(field("f"), "mine", "theirs", ("old", "old"), decision=Decision(value="ours"))

    assert sent(found) == {(CRM, "f"): "ours", (WAREHOUSE, "f"): "ours"}


def test_a_person_may_empty_both() -> None:
    found = outcome(field("f"), "mine", "theirs", ("old", "old"), decision=Decision(value=None))

    assert sent(found) == {(CRM, "f"): None, (WAREHOUSE, "f"): None}


def test_a_value_that_one_side_holds_already_is_written_to_the_other_only() -> None:
    found = outcome(field("f"), "mine", "theirs", ("old", "old"), decision=Decision(value="mine"))

    assert sent(found) == {(WAREHOUSE, "f"): "mine"}


@pytest.mark.parametrize("word", ["mql", "M", "marketing"])
def test_a_person_may_use_either_sides_word(word: str) -> None:
    stages = {CRM: {"mql": "marketing", "lead": "lead", "sql": "sql"}, WAREHOUSE: {"mql": "M", "lead": "L", "sql": "S"}}
    found = outcome(replace(STAGE, picklist=stages), "lead", "S", decision=Decision(value=word))

    assert sent(found) == {(CRM, "stage"): "marketing", (WAREHOUSE, "stage"): "M"}


def test_a_person_may_give_a_whole_set() -> None:
    found = outcome(field("tags", SetUnion()), ["a"], ["b"], ([], []), decision=Decision(value=["c", "d"]))

    assert sent(found) == {(CRM, "tags"): ["c", "d"], (WAREHOUSE, "tags"): ["c", "d"]}


def test_an_id_given_for_a_reference_means_nothing_to_the_other_side() -> None:
    found = outcome(COMPANY, 7, "c-7", (8, None), decision=Decision(value=8))
    conflict = outcome(COMPANY, 8, "c-7", (None, None), decision=Decision(value=8))

    assert isinstance(found, Adopt)
    assert isinstance(conflict, Hold)


def test_an_edit_in_a_group_wins_though_another_field_of_it_was_never_agreed() -> None:
    """When the record was made on the CRM, its column of the city could not be written."""
    street, city = (field(name, Park(), group="address") for name in ("street", "city"))
    world = World(entity(street, city, initial=Owner(CRM)))
    world.pair(1, 2, street="Via Roma 1")
    world.show(CRM, 1, city=None)
    world.show(WAREHOUSE, 2, street="Via Roma 2", city="Trieste")

    (op,) = world.round().operations

    assert (op.side, op.patch) == (CRM, {"street": "Via Roma 2", "city": "Trieste"})
