"""Queries of the settings and models of a dbt project as streams."""

import json
from pathlib import Path
from typing import Any

import pytest

from tap_sql.errors import DatabaseError, SettingsError
from tests.taps.sql.conftest import Database
from tests.taps.sql.reader import discover, read

CONTACTS = "CREATE TABLE contacts (id integer PRIMARY KEY, email varchar(80), score numeric(8, 2))"
ROWS = "INSERT INTO contacts VALUES (1, 'ada@example.com', 1.50), (2, 'bob%:x@example.com', NULL)"


def test_a_query_is_a_stream_with_the_types_of_its_columns(database: Database) -> None:
    database.run(CONTACTS, ROWS)
    sql = "SELECT id, email, score FROM contacts WHERE email LIKE '%:x%' -- bobs;"

    found = read(database.url, "bobs", queries={"bobs": {"sql": sql, "key": ["id"], "description": "All bobs."}})

    assert found.records == [{"id": 2, "email": "bob%:x@example.com", "score": None}]
    assert found.schema["key_properties"] == ["id"]
    assert found.properties["score"]["type"] == ["number", "null"]
    assert discover(database.url, queries={"bobs": {"sql": sql}})["bobs"]["key_properties"] == []


def test_a_query_can_be_read_incrementally_and_by_its_differences(database: Database) -> None:
    database.run(CONTACTS, ROWS)
    queries = {"scored": {"sql": "SELECT id, score FROM contacts WHERE score IS NOT NULL;", "key": ["id"]}}
    first = read(database.url, "scored", method="INCREMENTAL", by="id", queries=queries)
    start = read(database.url, "scored", method="DIFF", queries=queries)
    database.run("UPDATE contacts SET score = 2 WHERE id = 2")

    second = read(database.url, "scored", method="INCREMENTAL", by="id", queries=queries, state=first.state)
    changed = read(database.url, "scored", method="DIFF", queries=queries, state=start.state)

    assert [record["id"] for record in second.records] == [1, 2]
    assert [record["id"] for record in changed.records] == [2]


def test_a_query_that_is_wrong_is_told_in_the_databases_words(database: Database) -> None:
    database.run(CONTACTS)
    with pytest.raises(DatabaseError, match="a query of `queries`: "):
        discover(database.url, queries={"no": {"sql": "SELECT nothing FROM nowhere"}})
    with pytest.raises(SettingsError, match="queries: one has no column 'id', which is to be its key"):
        discover(database.url, queries={"one": {"sql": "SELECT 1 AS n", "key": ["id"]}})


def node(name: str, **facts: Any) -> dict[str, Any]:
    base = {
        "resource_type": "model",
        "name": name,
        "alias": name,
        "schema": "public",
        "unique_id": f"model.shop.{name}",
    }
    return {**base, "config": {"materialized": "table"}, "columns": {}, "description": "", **facts}


def dbt_test(model: str, test: str, **kwargs: Any) -> dict[str, Any]:
    return {
        "resource_type": "test",
        "unique_id": f"test.shop.{model}.{test}.{kwargs}",
        "attached_node": f"model.shop.{model}",
        "test_metadata": {"name": test, "kwargs": kwargs},
    }


def manifest(folder: Path, *nodes: dict[str, Any]) -> str:
    path = folder / "manifest.json"
    path.write_text(json.dumps({"nodes": {each["unique_id"]: each for each in nodes}}), encoding="utf-8")
    return str(path)


def test_a_dbt_model_is_a_stream_of_its_own_name_with_its_descriptions(pg: Database, tmp_path: Path) -> None:
    pg.run("CREATE TABLE dim_contacts_v2 (id integer, email text)", "INSERT INTO dim_contacts_v2 VALUES (1, 'a')")
    path = manifest(
        tmp_path,
        node(
            "contacts",
            alias="dim_contacts_v2",
            description="One row per person.",
            columns={"ID": {"description": "Given by the CRM."}, "email": {"description": "Lower case."}},
        ),
        node("gone", config={"materialized": "ephemeral"}),
        dbt_test("contacts", "unique", column_name="email"),
        dbt_test("contacts", "unique", column_name="id"),
        dbt_test("contacts", "not_null", column_name="id"),
    )

    entry = discover(pg.url, dbt_manifest=path)["contacts"]
    found = read(pg.url, "contacts", dbt_manifest=path)

    assert set(discover(pg.url, dbt_manifest=path)) == {"contacts"}
    assert entry["description"] == "One row per person."
    assert entry["key_properties"] == ["id"]
    assert found.properties["id"]["description"] == "Given by the CRM."
    assert found.records == [{"id": 1, "email": "a"}]


@pytest.mark.parametrize(
    ("facts", "tests", "key"),
    [
        ({"constraints": [{"type": "primary_key", "columns": ["a", "b"]}]}, [], ["a", "b"]),
        ({"columns": {"a": {"constraints": [{"type": "primary_key"}]}}}, [], ["a"]),
        ({"config": {"materialized": "incremental", "unique_key": "b"}}, [], ["b"]),
        ({"config": {"materialized": "incremental", "unique_key": ["a", "b"]}}, [], ["a", "b"]),
        ({}, [dbt_test("t", "unique_combination_of_columns", combination_of_columns=["a", "b"])], ["a", "b"]),
        ({}, [dbt_test("t", "unique", column_name="b")], ["b"]),
        ({}, [dbt_test("t", "not_null", column_name="b")], []),
    ],
)
def test_a_models_key_is_what_its_project_says_is_unique(
    pg: Database, tmp_path: Path, facts: dict[str, Any], tests: list[dict[str, Any]], key: list[str]
) -> None:
    pg.run("CREATE VIEW t AS SELECT 1 AS a, 2 AS b")

    assert discover(pg.url, dbt_manifest=manifest(tmp_path, node("t", **facts), *tests))["t"]["key_properties"] == key


def test_a_file_that_is_no_manifest_is_told(lite: Database, tmp_path: Path) -> None:
    lite.run(CONTACTS)
    (tmp_path / "wrong.json").write_text("[]", encoding="utf-8")

    with pytest.raises(SettingsError, match=r"dbt_manifest: .*wrong\.json is no manifest of dbt"):
        discover(lite.url, dbt_manifest=str(tmp_path / "wrong.json"))
    with pytest.raises(SettingsError, match=r"dbt_manifest: .*missing\.json cannot be read"):
        discover(lite.url, dbt_manifest=str(tmp_path / "missing.json"))
