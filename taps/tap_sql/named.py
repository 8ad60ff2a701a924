"""Streams that the user names: queries of the settings, and the models of a dbt project.

A dbt model is read through the project's `manifest.json` (dbt's documentation, "Manifest JSON file", version 12):
where it lives, its descriptions, and its key, which is the first of these that is there:

| key                                                        | where                                |
|------------------------------------------------------------|--------------------------------------|
| a constraint `primary_key` of the model or of its columns  | `constraints`, `columns.*.constraints` |
| the `unique_key` of an incremental model                   | `config.unique_key`                  |
| a test `unique_combination_of_columns`                     | `test_metadata`                      |
| a column with the test `unique`, best with `not_null` too  | `test_metadata`                      |
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tap_sql.dialects import Dialect
from tap_sql.errors import SettingsError
from tap_sql.relations import Relation

_log = logging.getLogger("tap-sql")


@dataclass(frozen=True, slots=True)
class Model:
    """A model of a dbt project that is a table or a view in the database."""

    name: str
    schema: str
    table: str
    description: str
    comments: Mapping[str, str]
    key: tuple[str, ...]


def query_streams(
    dialect: Dialect, connection: sa.Connection, queries: Mapping[str, Mapping[str, Any]]
) -> Iterator[Relation]:
    """The streams of the setting `queries`. Raises `SettingsError` for a key that a query does not have."""
    for name, query in queries.items():
        sql = str(query["sql"]).strip().rstrip(";")
        relation = Relation(
            name,
            dialect.columns_of(connection, sql),
            tuple(query.get("key") or ()),
            query=sql,
            description=str(query.get("description") or ""),
            key_is_guarded=False,
        )
        for column in relation.key:
            if relation.column(column) is None:
                hint = f"it has {', '.join(relation.names)}"
                raise SettingsError(f"queries: {name} has no column {column!r}, which is to be its key", hint=hint)
        yield relation


def model_streams(path: str, relations: Sequence[Relation]) -> list[Relation]:
    """The relations, those that a dbt project makes under the names of its models, with what it knows of them."""
    places = {(relation.schema or "", relation.table): relation for relation in relations}
    bare = {relation.table: relation for relation in relations if relation.schema is None}
    named: dict[str, Relation] = {}
    for model in read_manifest(path):
        found = places.get((model.schema, model.table)) or bare.get(model.table)
        if found is None:
            _log.warning("dbt model %s is not in the database (%s.%s)", model.name, model.schema, model.table)
            continue
        named[found.stream] = _as_model(found, model)
    return [named.get(relation.stream, relation) for relation in relations]


def _as_model(relation: Relation, model: Model) -> Relation:
    real = {name.lower(): name for name in relation.names}  # dbt writes names as its user did
    comments = {real.get(name.lower(), name): text for name, text in model.comments.items()}
    columns = tuple(replace(column, comment=comments.get(column.name) or column.comment) for column in relation.columns)
    key = tuple(real.get(name.lower(), name) for name in model.key)
    return replace(
        relation,
        stream=model.name,
        columns=columns,
        description=model.description or relation.description,
        key=relation.key or key,
        key_is_guarded=bool(relation.key),
    )


def read_manifest(path: str) -> list[Model]:
    """The models of a manifest. Raises `SettingsError` naming the file."""
    try:
        shown = json.loads(Path(path).read_text(encoding="utf-8"))
        nodes = list(shown["nodes"].values())
        return [
            _model(node, [test for test in nodes if test.get("attached_node") == node["unique_id"]])
            for node in nodes
            if node["resource_type"] == "model" and node["config"].get("materialized") != "ephemeral"
        ]
    except OSError as error:
        raise SettingsError(
            f"dbt_manifest: {path} cannot be read: {error.strerror}",
            hint="`dbt parse` or `dbt run` writes target/manifest.json",
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"dbt_manifest: {path} is no manifest of dbt: {type(error).__name__}: {error}",
            hint="name the file target/manifest.json of a dbt project, version 1.6 or newer",
        ) from error


def _model(node: Mapping[str, Any], tests: Sequence[Mapping[str, Any]]) -> Model:
    return Model(
        node["name"],
        node["schema"],
        node.get("alias") or node["name"],
        node.get("description", ""),
        {name: column.get("description", "") for name, column in node.get("columns", {}).items()},
        _key(node, tests),
    )


def _key(node: Mapping[str, Any], tests: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    for constraint in node.get("constraints", ()):
        if constraint["type"] == "primary_key" and constraint.get("columns"):
            return tuple(constraint["columns"])
    keyed = tuple(
        name
        for name, column in node.get("columns", {}).items()
        if any(constraint["type"] == "primary_key" for constraint in column.get("constraints", ()))
    )
    unique_key = node["config"].get("unique_key")
    if keyed or unique_key:
        return keyed or ((unique_key,) if isinstance(unique_key, str) else tuple(unique_key))
    facts = [test["test_metadata"] for test in tests if test.get("test_metadata")]
    for fact in facts:
        if fact["name"] == "unique_combination_of_columns":
            return tuple(fact["kwargs"]["combination_of_columns"])
    filled = {fact["kwargs"].get("column_name") for fact in facts if fact["name"] == "not_null"}
    unique = [fact["kwargs"]["column_name"] for fact in facts if fact["name"] == "unique"]
    best = next((name for name in unique if name in filled), unique[0] if unique else None)
    return (best,) if best is not None else ()
