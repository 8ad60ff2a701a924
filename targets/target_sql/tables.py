"""Tables: where a stream goes, what is there, and how a missing table or column is made."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc, quoted_name, types
from sqlalchemy.schema import CreateColumn, CreateTable

from antiphon.protocol import DELETED_AT
from target_kit import TargetError
from target_sql import duckdb_catalog
from target_sql.columns import Column, Kind, core_type, kind_of, new_type
from target_sql.faults import ended
from target_sql.limits import limit_of

_WITHOUT_SCHEMAS = {"sqlite"}
_WITHOUT_UNIQUE = {"snowflake", "bigquery", "redshift", "databricks"}
"""They take constraints and keep none of them."""
_ADDING_ONCE = {"postgresql", "duckdb", "mariadb", "snowflake", "bigquery"}
"""They have ADD COLUMN IF NOT EXISTS, for two that do it at once."""
_IN_URL = {"mysql", "mariadb"}  # there a schema is a database, and the URL names it


def quoted(name: str) -> str:
    """A name between the quotes of standard SQL."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True)
class Address:
    """A table's name. `schema` is None for the one that the connection looks in by itself."""

    schema: str | None
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name

    @property
    def quoted(self) -> str:
        """The name between the quotes of standard SQL."""
        return ".".join(quoted(part) for part in (self.schema, self.name) if part)

    def table(self, *columns: sa.Column[Any]) -> sa.Table:
        """For SQLAlchemy's statements; every name is quoted, since each database reserves words of its own."""
        for column in columns:
            column.name = quoted_name(column.name, quote=True)
        schema = quoted_name(self.schema, quote=True) if self.schema else None
        return sa.Table(quoted_name(self.name, quote=True), sa.MetaData(), *columns, schema=schema)


@dataclass(frozen=True)
class Table:
    """A table as it is. `unique`: the sets of columns that it holds unique."""

    address: Address
    columns: Mapping[str, Column]
    unique: frozenset[frozenset[str]]
    dialect: str
    primary: tuple[str, ...] = field(default=())

    @cached_property
    def core(self) -> sa.Table:
        """The same for SQLAlchemy's statements."""
        return self.address.table(*(sa.Column(c.name, core_type(c, self.dialect)) for c in self.columns.values()))

    def holds_unique(self, names: Sequence[str]) -> bool:
        """Whether a unique constraint or index is of these columns exactly."""
        return frozenset(names) in self.unique


def address_of(stream: str, dialect: str, schema: str | None, table: str | None, *, fold: bool) -> Address:
    """Where a stream goes: `schema-table`, as taps of databases name their streams, unless settings say otherwise."""
    *before, name = (table or stream).split("." if table else "-", 1)
    wanted = (before[0] if before else None) if table or schema is None else schema
    if schema is not None and not table:
        name = stream.rpartition("-")[2] if before else stream
    if dialect in _WITHOUT_SCHEMAS | _IN_URL:
        wanted = None
    return Address(folded(wanted, dialect) if fold and wanted else wanted, folded(name, dialect) if fold else name)


def folded(name: str, dialect: str) -> str:
    """The name as the dialect writes it without quotes."""
    plain = re.sub(r"\W+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)).strip("_") or "_"
    return plain.upper() if dialect == "snowflake" else plain.lower()


def look(connection: sa.Connection, address: Address) -> Table | None:
    """The table as it is now; None if there is none. Raises `TargetError` for a view."""
    dialect = connection.dialect.name
    with ended(f"looking at {address}"):
        if dialect == "duckdb":
            columns = duckdb_catalog.columns(connection, address.schema, address.name)
            primary, unique = duckdb_catalog.unique(connection, address.schema, address.name)
            return Table(address, columns, frozenset(unique), dialect, primary) if columns else None
        inspector = sa.inspect(connection)
        name = _asked(connection, address.name)
        schema = _asked(connection, address.schema) if address.schema else None
        if not inspector.has_table(name, schema=schema):
            return None
        shown = {_stored(connection, each["name"]): each for each in inspector.get_columns(name, schema=schema)}
        keyed = inspector.get_pk_constraint(name, schema=schema).get("constrained_columns") or ()
        primary = tuple(_stored(connection, column) for column in keyed)
        unique = {frozenset(primary)} if primary else set()
        if dialect not in _WITHOUT_UNIQUE:
            unique |= _unique(inspector, name, schema, dialect)
        bases = _base_types(connection, address) if dialect == "postgresql" else {}
        columns = {column: _column(connection, column, each, bases.get(column)) for column, each in shown.items()}
    return Table(address, columns, frozenset(unique), dialect, primary)


def _unique(inspector: sa.Inspector, name: str, schema: str | None, dialect: str) -> set[frozenset[str]]:
    found = {frozenset(each["column_names"]) for each in inspector.get_unique_constraints(name, schema=schema)}
    for index in inspector.get_indexes(name, schema=schema):
        partial = (index.get("dialect_options") or {}).get(f"{dialect}_where") is not None
        if index["unique"] and not partial and None not in index["column_names"]:
            found.add(frozenset(column for column in index["column_names"] if column))
    return found


def _asked(connection: sa.Connection, name: str) -> str:
    """A name to ask SQLAlchemy's inspector about: exactly this, where it takes lower case for upper."""
    return quoted_name(name, quote=True) if connection.dialect.requires_name_normalize else name


def _stored(connection: sa.Connection, name: str) -> str:
    """A name that the inspector tells, as the database stores it."""
    if not connection.dialect.requires_name_normalize or getattr(name, "quote", None):
        return str(name)
    return str(connection.dialect.denormalize_name(name))


_BASE_TYPES = """
WITH RECURSIVE column_type AS (
    SELECT attname::text AS name, atttypid AS type, atttypmod AS measure, '' AS brackets
    FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT name, CASE typtype WHEN 'd' THEN typbasetype ELSE typelem END,
           CASE typtype WHEN 'd' THEN typtypmod ELSE measure END,
           CASE typtype WHEN 'd' THEN brackets ELSE '[]' END
    FROM column_type JOIN pg_type t ON t.oid = type
    WHERE typtype = 'd' OR (typcategory = 'A' AND typelem <> 0)
)
SELECT name, format_type(type, measure) || brackets AS kind FROM column_type JOIN pg_type t ON t.oid = type
WHERE typtype <> 'd' AND NOT (typcategory = 'A' AND typelem <> 0)
"""


def _base_types(connection: sa.Connection, address: Address) -> dict[str, str]:
    """PostgreSQL's types with their measures; of domains the type below."""
    rows = connection.exec_driver_sql(_BASE_TYPES, (address.quoted,))
    return {row.name: row.kind for row in rows}


def _column(connection: sa.Connection, name: str, shown: Mapping[str, Any], base: str | None) -> Column:
    """`base`: the type as the database writes it, if that is known."""
    identity = shown.get("identity") or {}
    kind, dialect = shown["type"], connection.dialect
    return Column(
        name,
        kind_of(kind),
        kind,
        bool(shown.get("nullable", True)),
        "computed" not in shown,
        bool(identity.get("always")),
        limit=limit_of(base or written(kind, dialect), dialect.name),
    )


def written(kind: types.TypeEngine[Any], dialect: sa.Dialect) -> str:
    """A reflected type as its database writes it, with its measures; empty for one that SQLAlchemy does not know."""
    if isinstance(kind, types.Numeric) and not isinstance(kind, types.Float) and kind.precision is not None:
        return f"numeric({kind.precision},{kind.scale or 0})"  # which BigQuery's dialect leaves out
    try:
        return kind.compile(dialect=dialect)
    except exc.CompileError:
        return ""


@dataclass(frozen=True, slots=True)
class Rules:
    """What may be done to tables for the sake of a stream."""

    create: bool = True
    add_columns: bool = True
    widen: bool = False
    fold: bool = False


def prepare(
    connection: sa.Connection,
    address: Address,
    properties: Mapping[str, Mapping[str, Any]],
    key: Sequence[str],
    rules: Rules,
) -> tuple[Table, dict[str, str]]:
    """The table, made or extended to hold the stream, and the column of each property.

    Raises `TargetError` if something is missing that the rules do not allow to be made.
    """
    table = look(connection, address)
    dialect = connection.dialect.name
    if table is None:
        if not rules.create:
            raise TargetError(f"there is no table {address}", hint="create it, or set `create_tables`")
        names = {name: folded(name, dialect) if rules.fold else name for name in properties}
        _distinct(names, address)
        _create(connection, address, {names[n]: s for n, s in properties.items()}, [names[n] for n in key])
        return _seen(connection, address), names
    names = {name: _match(name, table, fold=rules.fold) for name in properties}
    _distinct(names, address)
    missing = {names[name]: schema for name, schema in properties.items() if names[name] not in table.columns}
    lacking = [names[name] for name in key if names[name] in missing]
    if lacking:
        raise TargetError(
            f"the table {address} has no column {lacking[0]!r}, which is the key of the stream",
            hint=f"its columns are {', '.join(table.columns)}; name the right table in `streams`",
        )
    if missing and not rules.add_columns:
        raise TargetError(
            f"the table {address} has no column {next(iter(missing))!r}", hint="add it, or set `add_columns`"
        )
    added = {name: new_type(schema, dialect, in_key=False) for name, schema in missing.items()}
    with ended(f"adding columns to {address}"):
        for name, kind in added.items():
            _add_column(connection, address, sa.Column(name, kind))
    widened = rules.widen and _widen(connection, table, {names[n]: s for n, s in properties.items()}, key)
    return (_with(_seen(connection, address), connection, added) if missing or widened else table), names


def _with(table: Table, connection: sa.Connection, added: Mapping[str, types.TypeEngine[Any]]) -> Table:
    """The table with columns that were just added, should its database not show them yet."""
    unseen = {name: kind for name, kind in added.items() if name not in table.columns}
    columns = {name: _column(connection, name, {"type": kind}, None) for name, kind in unseen.items()}
    return replace(table, columns={**table.columns, **columns}) if unseen else table


def _seen(connection: sa.Connection, address: Address) -> Table:
    table = look(connection, address)
    if table is None:
        raise TargetError(f"the table {address} is not there although it was just made")
    return table


def _match(name: str, table: Table, *, fold: bool) -> str:
    """The column of a property: its own name, else the only one that differs in case alone."""
    if name in table.columns:
        return name
    wanted = folded(name, table.dialect) if fold else name
    alike = [column for column in table.columns if column.lower() == wanted.lower()]
    return alike[0] if len(alike) == 1 else wanted


def _distinct(names: Mapping[str, str], address: Address) -> None:
    seen: dict[str, str] = {}
    for name, column in names.items():
        if column in seen:
            raise TargetError(
                f"the properties {seen[column]!r} and {name!r} are one column {column!r} of {address}",
                hint="set `names` to keep, or rename one with `stream_maps`",
            )
        seen[column] = name


def _create(
    connection: sa.Connection, address: Address, schemas: Mapping[str, Mapping[str, Any]], key: Sequence[str]
) -> None:
    dialect = connection.dialect.name
    columns = [
        sa.Column(name, new_type(schema, dialect, in_key=name in key), primary_key=name in key, autoincrement=False)
        for name, schema in schemas.items()
    ]
    if not columns:
        raise TargetError(f"the stream of {address} has no columns", hint="its SCHEMA lists no `properties`")
    table = address.table(*columns)
    if dialect in _IN_URL:
        table.dialect_kwargs[f"{dialect}_charset"] = "utf8mb4"  # whatever the database's default, every character fits
    with ended(f"creating {address}"):
        if address.schema and (dialect == "duckdb" or not sa.inspect(connection).has_schema(address.schema)):
            connection.execute(sa.schema.CreateSchema(quoted_name(address.schema, quote=True), if_not_exists=True))
        connection.execute(CreateTable(table, if_not_exists=True))


def _add_column(connection: sa.Connection, address: Address, column: sa.Column[Any]) -> None:
    table = address.table(column)
    preparer = connection.dialect.identifier_preparer
    ddl = CreateColumn(table.c[column.name]).compile(dialect=connection.dialect)
    once = "IF NOT EXISTS " if connection.dialect.name in _ADDING_ONCE else ""
    statement = f"ALTER TABLE {preparer.format_table(table)} ADD COLUMN {once}{ddl}"
    connection.exec_driver_sql(statement.replace("%", "%%"))


def add_column(connection: sa.Connection, address: Address, column: sa.Column[Any]) -> None:
    """Add a column that nothing needs yet. Raises `TargetError`."""
    with ended(f"adding {column.name} to {address}"):
        _add_column(connection, address, column)


_WIDER = {
    (Kind.INTEGER, Kind.NUMBER),
    (Kind.INTEGER, Kind.FLOAT),
    (Kind.INTEGER, Kind.TEXT),
    (Kind.NUMBER, Kind.TEXT),
    (Kind.FLOAT, Kind.TEXT),
    (Kind.BOOLEAN, Kind.TEXT),
    (Kind.DATE, Kind.TEXT),
    (Kind.TIMESTAMPTZ, Kind.TEXT),
    (Kind.TIMESTAMP, Kind.TEXT),
    (Kind.TIME, Kind.TEXT),
    (Kind.UUID, Kind.TEXT),
}
"""(what a column holds, what the stream now says): every old value has a form in the new type."""


def _widen(
    connection: sa.Connection, table: Table, schemas: Mapping[str, Mapping[str, Any]], key: Sequence[str]
) -> bool:
    """Give columns whose stream now shows more than they hold the wider type; whether any was changed."""
    if table.dialect not in {"postgresql", "duckdb"}:
        return False  # SQLite holds anything anywhere; the others refuse the row
    changed = False
    preparer = connection.dialect.identifier_preparer
    for name, schema in schemas.items():
        column = table.columns.get(name)
        if column is None or name in key or not column.writable or "type" not in schema:
            continue
        wanted = new_type(schema, table.dialect, in_key=False)
        if (column.kind, kind_of(wanted)) not in _WIDER:
            continue
        ddl = wanted.compile(dialect=connection.dialect)
        quoted = preparer.quote_identifier(name)
        using = f" USING {quoted}::{ddl}" if table.dialect == "postgresql" else ""
        with ended(f"widening {name} of {table.address}"):
            connection.exec_driver_sql(
                f"ALTER TABLE {preparer.format_table(table.core)} ALTER COLUMN {quoted} TYPE {ddl}{using}"
            )
        changed = True
    return changed


SOFT = DELETED_AT
"""The column that tells a soft deletion."""
