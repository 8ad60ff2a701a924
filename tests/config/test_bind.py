from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.config import Columns, bind, scope_version, version
from antiphon.mapping import Assigned, Derived, Kind, Latest, Owner, Uuid
from antiphon.model import OpKind
from tests.config.example import loaded

TEXT = {"type": ["string", "null"]}
COLUMNS: Columns = {
    ("crm", "contact"): {
        "id": {"type": "string"},
        "email": TEXT,
        "lead_score": TEXT,
        "opened": {"type": ["string", "null"], "format": "date-time"},
    },
    ("warehouse", "contact"): {
        "contact_id": {"type": "string"},
        "email": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        "last_name": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "score": {"type": ["number", "null"]},
        "tags": {"type": "array"},
        "opened": TEXT,
        "any": {},
    },
}


def test_the_example_becomes_the_mapping_that_the_kernel_obeys(tmp_path: Path) -> None:
    mapping = bind(loaded(tmp_path), COLUMNS)
    assert mapping.name == "crm-warehouse"
    assert mapping.sides == ("crm", "warehouse")
    contact, company = mapping.entities["contact"], mapping.entities["company"]
    assert contact.match == (("email",), ("last_name", "phone"))
    assert contact.initial == Owner("crm")
    fields = ["email", "last_name", "city", "street", "phone", "score", "tags", "stage", "opened", "company"]
    assert list(contact.fields) == fields
    assert contact.fields["company"].references == "company"
    assert contact.fields["city"].columns == {"crm": "city", "warehouse": "city"}
    assert {name for name, field in contact.fields.items() if field.group == "address"} == {"street", "city"}
    assert contact.fields["email"].normalize == (("strip", ""), ("lower", ""))
    assert contact.fields["email"].policy == Latest(Owner("crm"))
    assert contact.fields["last_name"].sensitive
    assert contact.fields["tags"].separator == ";"
    assert contact.fields["opened"].direction == ("crm", "warehouse")
    assert contact.fields["opened"].keep_empty
    assert (contact.sides["crm"].key_rule, contact.sides["warehouse"].key_rule) == (Assigned(), Uuid())
    assert company.sides["warehouse"].key_rule == Derived()
    assert company.sides["warehouse"].key == ("country", "code")
    assert company.sides["warehouse"].timezone == "Europe/Rome"


def test_kinds_are_those_of_both_columns_unless_the_file_says(tmp_path: Path) -> None:
    fields = bind(loaded(tmp_path), COLUMNS).entities["contact"].fields
    assert fields["email"].kind is Kind.TEXT
    assert fields["score"].kind is Kind.NUMBER
    assert fields["tags"].kind is Kind.LIST
    assert fields["opened"].kind is Kind.DATETIME
    assert fields["city"].kind is Kind.ANY
    typed = bind(loaded(tmp_path, ("warehouse: opened,", "warehouse: opened, type: text,")), COLUMNS)
    assert typed.entities["contact"].fields["opened"].kind is Kind.TEXT


def test_columns_that_are_never_null_are_always_carried(tmp_path: Path) -> None:
    contact = bind(loaded(tmp_path), COLUMNS).entities["contact"]
    assert contact.sides["crm"].required == ()
    assert contact.sides["warehouse"].required == ("email", "tags")
    assert contact.sides["warehouse"].columns == COLUMNS["warehouse", "contact"]


def test_receipts_come_from_the_file_or_from_the_plugin(tmp_path: Path) -> None:
    def receipts(plugins: dict[str, bool] | None) -> dict[str, bool]:
        return {n: s.receipts for n, s in bind(loaded(tmp_path), {}, plugins).entities["contact"].sides.items()}

    assert receipts(None) == {"crm": True, "warehouse": False}
    assert receipts({"crm": False, "warehouse": True}) == {"crm": True, "warehouse": True}


def test_a_side_without_a_target_allows_nothing(tmp_path: Path) -> None:
    change = ("    target: {command: target-sql, config: {note: costs $$5}}\n", "")
    side = bind(loaded(tmp_path, change), {}, {"warehouse": True}).entities["contact"].sides["warehouse"]
    assert side.allow == frozenset()
    assert not side.receipts


def test_what_is_allowed_and_declared_is_handed_on(tmp_path: Path) -> None:
    sides = (
        bind(loaded(tmp_path, ("command: target-sql,", "command: target-sql, deletes: true,")), {})
        .entities["contact"]
        .sides
    )
    assert sides["warehouse"].allow == {OpKind.CREATE, OpKind.UPDATE}
    assert (sides["crm"].deletes, sides["warehouse"].deletes) == (False, True)


@pytest.mark.parametrize(
    "change",
    [
        ("policy: park}", "policy: nonempty}"),
        ("{else: crm}", "{else: park}"),
        ("[strip, lower]", "[lower]"),
        ("Europe/Rome", "UTC"),
        ("[street, city]", "[street]"),
        ("mql: marketing", "mql: marketer"),
        ("on_create: uuid", "on_create: {from: crm}"),
        ("[create, update]", "[update]"),
        ("type: number", "type: text"),
        ("{prefer: crm}", "nonempty"),
        ("{crm: delete}", "park"),
    ],
)
def test_a_change_of_merging_is_another_version(change: tuple[str, str], tmp_path: Path) -> None:
    assert version(loaded(tmp_path, change)) != version(loaded(tmp_path))


@pytest.mark.parametrize(
    "change",
    [
        ("tap-hubspot --strict", "tap-hubspot"),
        ("$HUBSPOT_TOKEN", "another"),
        ("sensitive: true", "sensitive: false"),
        ("5% or 50", "1"),
        ("name: crm-warehouse", "name: other"),
        ("overlap: 5m", "overlap: 9m"),
        ("  crm:\n    config", "  # a comment\n  crm:\n    config"),
    ],
)
def test_a_change_of_anything_else_is_not(change: tuple[str, str], tmp_path: Path) -> None:
    assert version(loaded(tmp_path, change)) == version(loaded(tmp_path))
    assert bind(loaded(tmp_path, change), COLUMNS).version == bind(loaded(tmp_path), {}).version


def test_the_scope_is_streams_keys_and_catalogs(tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.json"
    catalog.write_text('{"streams": []}')
    with_catalog = ("command: tap-sql,", "command: tap-sql, catalog: catalog.json,")
    plain, narrowed = scope_version(loaded(tmp_path)), scope_version(loaded(tmp_path, with_catalog))
    catalog.write_text('{"streams": [{}]}')
    changed = scope_version(loaded(tmp_path, with_catalog))
    stream = scope_version(loaded(tmp_path, ("stream: contacts", "stream: people")))
    key = scope_version(loaded(tmp_path, ("key: contact_id", "key: id")))
    assert len({plain, narrowed, changed, stream, key}) == 5
    assert scope_version(loaded(tmp_path, ("policy: park}", "policy: nonempty}"))) == plain
