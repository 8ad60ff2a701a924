"""The catalog: what `--discover` prints, and what of a catalog that was handed in is still true."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tap_sql.errors import SettingsError
from tap_sql.relations import Kind, Relation, json_schema
from tap_sql.stream import SqlStream

_GROWING = (Kind.INTEGER, Kind.NUMBER, Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ)
_TYPE = "sql-datatype"


def entry_of(stream: SqlStream) -> dict[str, Any]:
    """A stream's entry, with what the SDK's form of it leaves out: `readOnly`, `sql-datatype`."""
    relation = stream.relation
    metadata = []
    for item in stream.metadata.to_list():
        crumb, facts = list(item["breadcrumb"]), dict(item["metadata"])
        column = relation.column(crumb[1]) if crumb else None
        if column is not None:
            facts[_TYPE] = column.sql_type
        else:
            facts["is-view"] = relation.is_view
            facts["valid-replication-methods"] = stream.methods
            facts["valid-replication-keys"] = [c.name for c in relation.columns if c.kind in _GROWING]
            if relation.schema:
                facts["schema-name"] = relation.schema
        metadata.append({"breadcrumb": crumb, "metadata": facts})
    found = {
        "tap_stream_id": stream.name,
        "stream": stream.name,
        "table_name": relation.table,
        "key_properties": list(stream.primary_keys),
        "replication_method": stream.replication_method,
        "schema": json_schema(relation),
        "metadata": metadata,
    }
    return {**found, "description": relation.description} if relation.description else found


def asked_for(catalog: Mapping[str, Any], relations: Sequence[Relation]) -> list[Relation]:
    """The relations that a catalog names.

    Raises `SettingsError` for a selected stream that is no more, or a column whose type changed since discovery.
    """
    known = {relation.stream: relation for relation in relations}
    found = []
    for entry in catalog.get("streams", ()):
        name = entry.get("tap_stream_id") or entry.get("stream")
        if name in known:
            _check_types(entry, known[name])
            found.append(known[name])
        elif _is_selected(entry):
            raise SettingsError(
                f"the catalog selects the stream {name!r}, which is not in the database",
                hint=f"run discovery again; there are {', '.join(sorted(known)) or 'no streams at all'}",
            )
    return found


def _check_types(entry: Mapping[str, Any], relation: Relation) -> None:
    for name, facts in _metadata(entry):
        then = facts.get(_TYPE)
        column = relation.column(name)
        if column is None and facts.get("selected"):
            raise SettingsError(
                f"stream {relation.stream}: the catalog selects the column {name!r}, which is no more",
                hint=f"run discovery again; it has {', '.join(relation.names)}",
            )
        if column is not None and then is not None and then != column.sql_type and facts.get("selected") is not False:
            raise SettingsError(
                f"stream {relation.stream}: column {name} is {column.sql_type} now; the catalog has {then}",
                hint="run discovery again, and see that the target can take the new type",
            )


def _metadata(entry: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for item in entry.get("metadata", ()):
        crumb = item.get("breadcrumb", ())
        if len(crumb) == len(("properties", "name")):
            yield crumb[1], item.get("metadata", {})


def _is_selected(entry: Mapping[str, Any]) -> bool:
    roots = [item.get("metadata", {}) for item in entry.get("metadata", ()) if not item.get("breadcrumb")]
    return any(root.get("selected") for root in roots)
