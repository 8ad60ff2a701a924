from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from antiphon.config import Columns, Severity, lint
from tests.config.example import loaded

ERROR, WARNING = Severity.ERROR, Severity.WARNING
CRM_TARGET = "    target: {command: [target-hubspot], receipts_path: out/receipts.jsonl}\n"
SQL_TARGET = "    target: {command: target-sql, config: {note: costs $$5}}\n"
KEYS = "it can name a new record there, but never be changed"

FINDINGS: dict[str, tuple[list[tuple[str, str]], tuple[Severity, str, str]]] = {
    "assigned without receipts": (
        [(", receipts_path: out/receipts.jsonl", "")],
        (ERROR, "entities.contact.sides.crm.on_create", "its target writes no receipts"),
    ),
    "uuid for a composite key": (
        [("key: contact_id", "key: [contact_id, tenant]")],
        (ERROR, "entities.contact.sides.warehouse.on_create", "has 2 columns, and one UUID"),
    ),
    "the id of a side with another key": (
        [("key: [country, code]", "key: [a, b], on_create: {from: crm}")],
        (ERROR, "entities.company.sides.warehouse.on_create", "has 2 columns, that of crm 1"),
    ),
    "nobody names new records": (
        [("        on_create: uuid\n", "")],
        (WARNING, "entities.contact.sides.warehouse", "nothing says who names a new contact"),
    ),
    "a one-way field that its receiver owns": (
        [("empty: keep}", "policy: {owner: warehouse}}")],
        (ERROR, "entities.contact.fields.opened.policy", "two owners"),
    ),
    "a policy that is never asked": (
        [("empty: keep}", "policy: nonempty}")],
        (ERROR, "entities.contact.fields.opened.policy", "never asked"),
    ),
    "a counter whose target writes no receipts": (
        [("policy: park", "policy: counter")],
        (ERROR, "entities.contact.fields.phone.policy", "the target of warehouse writes no receipts"),
    ),
    "a rung that is never reached": (
        [("policy: nonempty", "policy: {ladder: [lead, mql]}")],
        (ERROR, "entities.contact.fields.stage.policy", "the rung 'lead' is never reached"),
    ),
    "a name that is no rung": (
        [
            ("policy: nonempty", "policy: {ladder: [lead, mql]}"),
            ("{mql: marketing}", "{mql: marketing, lead: l, lost: x}"),
        ],
        (WARNING, "entities.contact.fields.stage.policy", "'lost' of `values:` is no rung"),
    ),
    "deletes by a target that may pass over them": (
        [("[create, update]", "[create, update, delete]"), ("{crm: delete}", "{warehouse: delete}")],
        (ERROR, "entities.contact.on_delete.warehouse", "neither writes receipts nor is declared"),
    ),
    "archiving by such a target": (
        [("[create, update]", "[create, update, delete]"), ("{crm: delete}", "archive")],
        (ERROR, "entities.contact.on_delete", "neither writes receipts nor is declared"),
    ),
    "deletes that the side does not allow": (
        [("{crm: delete}", "delete")],
        (WARNING, "entities.contact.on_delete", "warehouse allows no deletes"),
    ),
    "deletions that an incremental read never shows": (
        [("        full_read: every 24h\n", ""), ("command: target-sql,", "command: target-sql, receipts_path: r,")],
        (WARNING, "entities.contact.sides.warehouse", "deletions go unnoticed"),
    ),
    "no way to know who is who": (
        [("    match: [email, [last_name, phone]]\n", "")],
        (WARNING, "entities.contact", "created twice"),
    ),
    "a side that is only read": (
        [(SQL_TARGET, "")],
        (WARNING, "entities.contact.fields.email", "warehouse has no target"),
    ),
    "two sides that are only read": (
        [(CRM_TARGET, ""), (SQL_TARGET, "")],
        (ERROR, "sides", "neither side has a target"),
    ),
    "a target that may do nothing": (
        [("[create, update]", "[]")],
        (WARNING, "sides.warehouse.allow", "never runs"),
    ),
    "a key column that is also given out": (
        [("key: contact_id", "key: email")],
        (ERROR, "entities.contact.fields.email.warehouse", "two would write it"),
    ),
    "a key column that is a field": (
        [],
        (WARNING, "entities.company.fields.code.warehouse", KEYS),
    ),
    "a reference to a composite key": (
        [],
        (ERROR, "entities.contact.references.company.entity", "the key of company has 2 columns on warehouse"),
    ),
    "a set in a text without a separator": (
        [('policy: set, separator: ";"', "policy: set")],
        (WARNING, "entities.contact.fields.tags", "no `separator` says"),
    ),
}


@pytest.mark.parametrize("name", FINDINGS)
def test_a_finding(name: str, tmp_path: Path) -> None:
    changes, (severity, where, message) = FINDINGS[name]
    found = lint(loaded(tmp_path, *changes), columns(), {})
    assert [f for f in found if (f.severity, f.where) == (severity, where) and message in f.message]


def test_errors_come_first_then_the_order_of_the_file(tmp_path: Path) -> None:
    config = loaded(tmp_path, (", receipts_path: out/receipts.jsonl", ""))
    found = lint(config, None, {})
    order = [(f.severity is WARNING, config.line(f.where)) for f in found]
    assert order == sorted(order)
    assert found[0].severity is ERROR


def test_receipts_that_a_plugin_speaks_of_are_enough(tmp_path: Path) -> None:
    config = loaded(tmp_path, (", receipts_path: out/receipts.jsonl", ""), ("{crm: delete}", "delete"))
    assert not [f for f in lint(config, None, {"crm": True, "warehouse": True}) if "receipts" in f.message]


def test_what_fails_for_want_of_receipts_is_a_warning_until_the_target_was_asked(tmp_path: Path) -> None:
    config = loaded(tmp_path, (", receipts_path: out/receipts.jsonl", ""))
    for receipts, severity in ((None, WARNING), ({}, ERROR), ({"crm": False}, ERROR)):
        found = {f.where: f.severity for f in lint(config, None, receipts) if "writes" in f.message}
        assert found["entities.contact.sides.crm.on_create"] is severity
        assert found["entities.contact.on_delete.crm"] is severity


def test_a_sound_file_has_no_findings(tmp_path: Path) -> None:
    changes = [
        ("key: [country, code]", "key: company_id, on_create: uuid"),
        ("country: {crm: country, warehouse: country, normalize: [upper]}", "country: country"),
    ]
    assert lint(loaded(tmp_path, *changes), columns()) == []


def columns(**changed: dict[str, Any]) -> Columns:
    """The columns of the example's contacts; the companies' are not known. `changed` is by side."""
    text = {"type": ["string", "null"]}
    crm = [
        "id",
        "email",
        "lastname",
        "city",
        "street",
        "phone",
        "lead_score",
        "tags",
        "lifecycle",
        "opened",
        "company_id",
    ]
    sql = [
        "contact_id",
        "email",
        "last_name",
        "city",
        "street",
        "phone",
        "score",
        "tags",
        "stage",
        "opened",
        "company_id",
    ]
    return {
        ("crm", "contact"): {**dict.fromkeys(crm, text), **changed.get("crm", {})},
        ("warehouse", "contact"): {**dict.fromkeys([*sql, "updated_at"], text), **changed.get("warehouse", {})},
    }


NUMBER, INTEGER, BOOLEAN, LIST = ({"type": [name, "null"]} for name in ("number", "integer", "boolean", "array"))
INSTANT, DATE = ({"type": "string", "format": name} for name in ("date-time", "date"))

BY_COLUMNS: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[Severity, str, str]]] = {
    "numbers against booleans": (
        {"phone": NUMBER},
        {"phone": BOOLEAN},
        (ERROR, "entities.contact.fields.phone", "crm holds a number, warehouse a boolean"),
    ),
    "instants against dates": (
        {"opened": INSTANT},
        {"opened": DATE},
        (ERROR, "entities.contact.fields.opened", "crm holds a datetime, warehouse a date"),
    ),
    "lists against numbers": (
        {"phone": LIST},
        {"phone": NUMBER},
        (ERROR, "entities.contact.fields.phone", "crm holds a list, warehouse a number"),
    ),
    "lists against text": (
        {"phone": LIST},
        {},
        (ERROR, "entities.contact.fields.phone", "would never be equal"),
    ),
    "fractions against whole numbers": (
        {"phone": NUMBER},
        {"phone": INTEGER},
        (WARNING, "entities.contact.fields.phone", "warehouse holds whole numbers only"),
    ),
    "fewer decimal places": (
        {"phone": {**NUMBER, "scale": 4}},
        {"phone": {**NUMBER, "scale": 2}},
        (WARNING, "entities.contact.fields.phone", "warehouse holds 2 decimal places, crm 4: a finer number"),
    ),
    "less room for text": (
        {"phone": {"type": "string", "maxLength": 10}},
        {"phone": {"type": "string", "maxLength": 40}},
        (WARNING, "entities.contact.fields.phone", "crm holds 10 characters, warehouse 40: a longer text of"),
    ),
    "a set in a number": (
        {"tags": NUMBER},
        {},
        (ERROR, "entities.contact.fields.tags", "crm holds a number, which cannot hold the members"),
    ),
    "a column that nobody may write": (
        {"phone": {"type": "string", "readOnly": True}},
        {},
        (ERROR, "entities.contact.fields.phone.crm", "crm lets nobody write phone"),
    ),
    "picklists that share no value": (
        {"phone": {"type": "string", "enum": ["a", "b"]}},
        {"phone": {"type": ["string", "null"], "enum": ["A", "B", None]}},
        (ERROR, "entities.contact.fields.phone", "the picklists of crm and warehouse differ: A, B, a"),
    ),
    "picklists that share some": (
        {"phone": {"type": "string", "enum": ["a", "b"]}},
        {"phone": {"type": "string", "enum": ["b"]}},
        (WARNING, "entities.contact.fields.phone", "the picklists of crm and warehouse differ: a would"),
    ),
    "a UUID for a serial": (
        {},
        {"contact_id": INTEGER},
        (ERROR, "entities.contact.sides.warehouse.on_create", "a UUID is none"),
    ),
}


@pytest.mark.parametrize("name", BY_COLUMNS)
def test_a_finding_by_the_types_of_columns(name: str, tmp_path: Path) -> None:
    crm, warehouse, (severity, where, message) = BY_COLUMNS[name]
    found = lint(loaded(tmp_path), columns(crm=crm, warehouse=warehouse))
    assert [f for f in found if (f.severity, f.where) == (severity, where) and message in f.message]
    before = lint(loaded(tmp_path), columns())
    assert not [f for f in before if f.where == where and message in f.message]


def test_a_type_that_the_file_gives_settles_the_pair(tmp_path: Path) -> None:
    found = lint(loaded(tmp_path), columns(crm={"lead_score": BOOLEAN}, warehouse={"score": NUMBER}))
    assert not [f for f in found if f.where == "entities.contact.fields.score"]


@pytest.mark.parametrize(
    ("change", "where", "message"),
    [
        (
            ("crm: phone", "crm: phonee"),
            "entities.contact.fields.phone.crm",
            "of crm has no column 'phonee'; did you mean 'phone'?",
        ),
        (("key: contact_id", "key: contact"), "entities.contact.sides.warehouse.key", "has no column 'contact'"),
        (("updated_at", "updated"), "entities.contact.sides.warehouse.replication_key", "did you mean 'updated_at'?"),
        (("crm: company_id", "crm: company"), "entities.contact.references.company.crm", "did you mean 'company_id'?"),
    ],
)
def test_columns_that_are_not_there(change: tuple[str, str], where: str, message: str, tmp_path: Path) -> None:
    found = lint(loaded(tmp_path, change), columns())
    assert [f for f in found if f.severity is ERROR and f.where == where and message in f.message]


@pytest.mark.parametrize(
    ("listed", "allowed"),
    [(("FULL_TABLE", "INCREMENTAL", "DIFF"), "full, incremental, diff"), (("LOG_BASED", "FULL_TABLE"), ""), ((), "")],
)
def test_a_method_that_the_tap_does_not_list(listed: tuple[str, ...], allowed: str, tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        ("replication: incremental", "replication: log"),
        ("        replication_key: updated_at\n", ""),
        ("        overlap: 5m\n", ""),
    )
    where = "entities.contact.sides.warehouse.replication"
    found = [f for f in lint(config, methods={("warehouse", "contact"): listed}) if f.where == where]
    assert [(f.severity, f.message.partition("allowed: ")[2]) for f in found] == ([(ERROR, allowed)] if allowed else [])


@pytest.mark.parametrize(
    ("policy", "kind", "message"),
    [("counter", BOOLEAN, "a counter adds up numbers, and crm holds a boolean"), ("max", LIST, "max needs an order")],
)
def test_a_policy_that_cannot_weigh_what_the_column_holds(
    policy: str, kind: dict[str, Any], message: str, tmp_path: Path
) -> None:
    config = loaded(tmp_path, ("policy: park", f"policy: {policy}"))
    found = lint(config, columns(crm={"phone": kind}, warehouse={"phone": kind}), {"warehouse": True})
    where = "entities.contact.fields.phone.policy"
    assert [f for f in found if f.severity is ERROR and f.where == where and message in f.message]
    assert not [f for f in lint(config, columns(), {"warehouse": True}) if f.where == where]


def test_a_counter_is_a_warning_until_the_targets_were_asked(tmp_path: Path) -> None:
    config = loaded(tmp_path, ("policy: park", "policy: counter"))
    for receipts, severities in ((None, [WARNING]), ({}, [ERROR]), ({"warehouse": True}, [])):
        found = [f.severity for f in lint(config, columns(), receipts) if f.where.endswith("phone.policy")]
        assert found == severities


def test_a_read_only_column_may_be_the_source_of_a_one_way_field(tmp_path: Path) -> None:
    shown = columns(crm={"opened": {"type": "string", "readOnly": True}})
    assert not [f for f in lint(loaded(tmp_path), shown) if "opened" in f.where]


@pytest.mark.parametrize(
    ("step", "mine", "theirs", "sound"),
    [
        ("date", INSTANT, DATE, True),
        ("month", DATE, {"type": "string"}, True),
        ("{decimal: 2}", NUMBER, NUMBER, True),
        ("sha256", {"type": "string"}, NUMBER, True),  # text is compared as text: only the target may refuse it
        ("{decimal: 2}", NUMBER, BOOLEAN, False),
        ("date", INSTANT, NUMBER, False),
    ],
    ids=repr,
)
def test_what_a_transform_makes_must_fit_the_column_that_receives_it(
    step: str,
    mine: dict[str, Any],
    theirs: dict[str, Any],
    sound: bool,  # noqa: FBT001 a case
    tmp_path: Path,
) -> None:
    config = loaded(tmp_path, ("empty: keep}", f"transform: {step}}}"))
    found = lint(config, columns(crm={"opened": mine}, warehouse={"opened": theirs}), {})
    errors = [f for f in found if f.severity is ERROR and f.where == "entities.contact.fields.opened"]
    assert bool(errors) is not sound
