"""From two catalogs to a sync.yml that can be run as it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from antiphon.config import lint, load
from antiphon.propose import Ability, SidePart, propose, streams_of, write

TEXT: dict[str, Any] = {"type": ["string", "null"]}
NUMBER: dict[str, Any] = {"type": ["integer", "null"]}
SIDES = ("crm", "warehouse")
PART = SidePart("tap-x", "target-x")


def catalog(**streams: dict[str, Any]) -> dict[str, Any]:
    """Streams with the key `id`, or the column named `key`; a schema that is only a word is text."""
    return {
        "streams": [
            {
                "stream": name.replace("__", "-"),
                "key_properties": ["id"],
                "schema": {"properties": {"id": {"type": "string"}, **columns}},
            }
            for name, columns in streams.items()
        ]
    }


def proposed(
    crm: dict[str, Any], warehouse: dict[str, Any], *, receipts: bool = False, region: str = ""
) -> dict[str, Any]:
    """The entities of the proposal, read back from its text."""
    catalogs = dict(zip(SIDES, (streams_of(crm), streams_of(warehouse)), strict=True))
    able = dict.fromkeys(SIDES, Ability(receipts=receipts))
    text = write("s", dict.fromkeys(SIDES, PART), propose(catalogs, able, prefer="crm", region=region))
    found: dict[str, Any] = YAML(typ="safe").load(text)["entities"] or {}
    return found


def field(crm: Any, warehouse: Any, name: str = "thing", **options: Any) -> Any:
    """The one field that is proposed for two columns of the same name."""
    sides = [catalog(contacts={"email": TEXT, name: schema}) for schema in (crm, warehouse)]
    return proposed(*sides, **options)["contact"]["fields"][name]


def test_streams_meet_by_their_names_and_columns() -> None:
    crm = catalog(contacts={"email": TEXT, "city": TEXT}, companies={"name": TEXT, "domain": TEXT}, tickets={"a": TEXT})
    warehouse = catalog(
        public__organizations={"name": TEXT, "domain": TEXT}, public__customers={"Email": TEXT, "city": TEXT}
    )
    found = proposed(crm, warehouse)
    assert {name: [side["stream"] for side in entity["sides"].values()] for name, entity in found.items()} == {
        "contact": ["contacts", "public-customers"],
        "company": ["companies", "public-organizations"],
    }
    assert found["contact"]["match"] == ["email"]
    assert found["company"]["match"] == ["domain", "name"]


def test_streams_with_nothing_in_common_do_not_meet() -> None:
    assert proposed(catalog(contacts={"email": TEXT}), catalog(invoices={"amount": NUMBER})) == {}
    assert proposed(catalog(contacts={"a": TEXT}), catalog(contacts={"b": TEXT})) == {}


def test_ids_of_the_sides_are_not_taken_for_one() -> None:
    found = proposed(catalog(contacts={"email": TEXT}), catalog(contacts={"email": TEXT}))
    assert list(found["contact"]["fields"]) == ["email"]


def test_a_key_that_both_sides_share_names_new_records() -> None:
    sides = [catalog(products={"sku": TEXT, "name": TEXT}) for _ in SIDES]
    for side in sides:
        side["streams"][0]["key_properties"] = ["sku"]
    found = proposed(*sides)["product"]
    assert found["sides"]["crm"] == {"stream": "products", "key": "sku"}
    assert found["match"] == ["sku"]


@pytest.mark.parametrize(
    ("key", "receipts", "expected"),
    [
        ({"type": "string", "format": "uuid"}, False, {"on_create": "uuid"}),
        (TEXT, False, {"on_create": "uuid"}),
        (NUMBER, False, {"allow": ["update", "delete"]}),
        (NUMBER, True, {"on_create": "assigned"}),
        ({**TEXT, "readOnly": True}, False, {"allow": ["update", "delete"]}),
        ({**TEXT, "readOnly": True}, True, {"on_create": "assigned"}),
        ({**TEXT, "maxLength": 18}, True, {"allow": ["update", "delete"]}),
    ],
)
def test_new_records_are_named_as_the_key_and_the_target_allow(
    key: dict[str, Any], *, receipts: bool, expected: dict[str, Any]
) -> None:
    sides = [catalog(contacts={"email": TEXT, "id": key}) for _ in SIDES]
    found = proposed(*sides, receipts=receipts)["contact"]["sides"]["crm"]
    assert found == {"stream": "contacts", "key": "id", **expected}


def test_a_side_without_a_target_gets_no_rule() -> None:
    streams = {side: streams_of(catalog(contacts={"email": TEXT})) for side in SIDES}
    able = {"crm": Ability(writes=False), "warehouse": Ability()}
    text = write("s", {"crm": SidePart("tap-x", None), "warehouse": PART}, propose(streams, able, prefer="crm"))
    shown = YAML(typ="safe").load(text)
    assert "target" not in shown["sides"]["crm"]
    assert shown["entities"]["contact"]["sides"]["crm"] == {"stream": "contacts", "key": "id"}


def test_addresses_and_numbers_are_compared_as_people_read_them() -> None:
    assert field(TEXT, TEXT, "phone")["normalize"] == ["e164"]
    assert field(TEXT, TEXT, "phone", region="IT")["normalize"] == [{"e164": "IT"}]
    crm, warehouse = (catalog(contacts={"email": TEXT}) for _ in SIDES)
    assert proposed(crm, warehouse)["contact"]["fields"]["email"]["normalize"] == ["strip", "lower"]


def test_what_one_side_cannot_write_flows_from_there() -> None:
    assert field(TEXT, {**TEXT, "readOnly": True})["direction"] == {"from": "warehouse", "to": "crm"}


def test_what_neither_side_can_write_and_their_stamps_are_left_out() -> None:
    both = {"email": TEXT, "x": {**TEXT, "readOnly": True}, "updated_at": {"type": "string", "format": "date-time"}}
    found = proposed(catalog(contacts=both), catalog(contacts=both))
    assert list(found["contact"]["fields"]) == ["email"]


def test_consent_is_never_lost() -> None:
    assert field({"type": "boolean"}, {"type": "boolean"}, "email_optout")["policy"] == {"optout": [True]}
    assert field({"type": "boolean"}, {"type": "boolean"}, "marketing_consent")["policy"] == "optout"


def test_sets_are_merged() -> None:
    array = {"type": "array", "items": {"type": "string"}}
    assert field(array, array)["policy"] == "set"
    assert field(array, TEXT) == {"crm": "thing", "warehouse": "thing", "policy": "set", "separator": ";"}
    assert field(TEXT, TEXT, "tags")["policy"] == "set"


def test_picklists_meet_by_what_their_values_say() -> None:
    found = field({"enum": ["Lead", "Sales qualified", "Won"]}, {"enum": ["lead", "sales_qualified", "lost"]}, "stage")
    assert found["values"] == {
        "crm": {"Lead": "Lead", "Sales qualified": "Sales qualified"},
        "warehouse": {"Lead": "lead", "Sales qualified": "sales_qualified"},
    }
    assert field({"enum": ["a", "b"]}, {"enum": ["b", "a"]}, "stage") == "stage"


def test_references_are_found_by_the_name_of_what_they_point_to() -> None:
    crm = catalog(
        contacts={"email": TEXT, "associatedcompanyid": TEXT}, companies={"name": TEXT, "domain": TEXT, "city": TEXT}
    )
    warehouse = catalog(
        contacts={"email": TEXT, "company_id": NUMBER}, companies={"name": TEXT, "domain": TEXT, "city": TEXT}
    )
    warehouse["streams"][0]["schema"]["properties"]["associated_company_id"] = TEXT
    found = proposed(crm, warehouse)["contact"]
    assert found["references"]["company"] == {
        "crm": "associatedcompanyid",
        "warehouse": "associated_company_id",
        "entity": "company",
    }


def test_what_the_tap_reads_by_its_own_bookmark_is_read_in_full_once_a_day() -> None:
    crm, warehouse = (catalog(contacts={"email": TEXT, "seen_at": TEXT}) for _ in SIDES)
    crm["streams"][0] |= {"replication_method": "INCREMENTAL", "replication_key": "seen_at"}
    found = proposed(crm, warehouse)["contact"]["sides"]
    assert found["crm"]["full_read"] == "every 24h"
    assert "replication" not in found["warehouse"]


SCHEMAS = st.sampled_from(
    [
        TEXT,
        NUMBER,
        {"type": "boolean"},
        {"type": "number"},
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "date"},
        {"type": "array"},
        {"type": "object"},
        {"enum": ["a", "B c"]},
        {"enum": ["b_c", "d", None]},
        {**TEXT, "readOnly": True},
        {"type": "string", "maxLength": 10},
        {},
    ]
)
NAMES = st.sampled_from(
    [
        "id",
        "email",
        "E-Mail",
        "tags",
        "tag",
        "phone",
        "company_id",
        "NO",
        "on",
        "1st",
        "ünï",
        "a b",
        "code",
        "x: y",
        "#",
        "name",
    ]
)
STREAMS = st.dictionaries(
    st.sampled_from(["contacts", "public-customers", "companies", "Account", "sides", "people", "42", "match"]),
    st.tuples(st.dictionaries(NAMES, SCHEMAS, min_size=1, max_size=8), st.integers(0, 2)),
    max_size=4,
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault
@given(one=STREAMS, two=STREAMS, receipts=st.booleans(), writes=st.booleans())
def test_every_proposal_passes_lint(
    tmp_path_factory: pytest.TempPathFactory, one: Any, two: Any, *, receipts: bool, writes: bool
) -> None:
    catalogs = {
        side: streams_of(
            {
                "streams": [
                    {"stream": name, "key_properties": list(columns)[:keys], "schema": {"properties": columns}}
                    for name, (columns, keys) in shown.items()
                ]
            }
        )
        for side, shown in zip(SIDES, (one, two), strict=True)
    }
    able = {"crm": Ability(receipts=receipts), "warehouse": Ability(writes=writes, receipts=receipts and writes)}
    proposal = propose(catalogs, able, prefer="warehouse")
    if not proposal.entities:
        return
    parts = {"crm": PART, "warehouse": SidePart("tap-x", "target-x" if writes else None)}
    file: Path = tmp_path_factory.mktemp("proposal") / "sync.yml"
    file.write_text(write("s", parts, proposal), encoding="utf-8")
    config = load(file, {})
    columns = {
        (side, entity.name): {name: column.schema for name, column in there.stream.columns.items()}
        for entity in proposal.entities
        for side, there in entity.streams.items()
    }
    found = lint(config, columns, {"crm": receipts, "warehouse": receipts and writes})
    assert [finding.message for finding in found if finding.severity == "error"] == []
