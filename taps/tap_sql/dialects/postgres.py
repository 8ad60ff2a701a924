"""PostgreSQL, first class: read from the catalogs themselves, rows built into JSON by the server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tap_sql.dialects import postgres_batch, postgres_binary
from tap_sql.dialects.base import SINCE, Batches, ChangeLog, Dialect, Query, Since, literally
from tap_sql.dialects.postgres_copy import copied, line
from tap_sql.dialects.postgres_log import PostgreSQLLog
from tap_sql.dialects.postgres_session import SESSION
from tap_sql.dialects.snapshots import PostgreSQLSnapshots, Snapshots
from tap_sql.engines import told
from tap_sql.records import Row
from tap_sql.relations import Column, Kind, Relation

_KINDS = {
    **dict.fromkeys(("int2", "int4", "int8", "oid"), Kind.INTEGER),
    **dict.fromkeys(("float4", "float8"), Kind.FLOAT),
    **dict.fromkeys(("text", "varchar", "bpchar", "name", "citext", "char"), Kind.TEXT),
    **dict.fromkeys(("json", "jsonb"), Kind.JSON),
    "numeric": Kind.NUMBER,
    "bool": Kind.BOOLEAN,
    "date": Kind.DATE,
    "timestamp": Kind.TIMESTAMP,
    "timestamptz": Kind.TIMESTAMPTZ,
    "time": Kind.TIME,
    "uuid": Kind.UUID,
    "bytea": Kind.BYTES,
}
_NOT_IN_ARRAYS = (Kind.JSON, Kind.BYTES, Kind.ARRAY)
_AS_THEY_ARE = (Kind.INTEGER, Kind.BOOLEAN, Kind.BYTES, Kind.TEXT)
_VIEWS = ("v", "m")

_COLUMN = """
SELECT {head} a.attname, format_type(a.atttypid, a.atttypmod), b.typname, b.typtype::text, e.typname, e.typtype::text,
       a.attnotnull, a.attgenerated <> '' OR a.attidentity = 'a', coalesce(col_description({relation}, a.attnum), ''),
       ARRAY(SELECT enumlabel::text FROM pg_enum
             WHERE enumtypid = CASE b.typtype WHEN 'e' THEN b.oid ELSE e.oid END ORDER BY enumsortorder),
       CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END
"""
_TYPES = """
JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
LEFT JOIN pg_type e ON e.oid = b.typelem AND b.typcategory = 'A'
"""
_OF_TABLE = "n.nspname, c.relname, c.relkind::text, coalesce(obj_description(c.oid, 'pg_class'), ''),"
_TABLES = f"""
{_COLUMN.format(head=_OF_TABLE, relation="c.oid")}
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
{_TYPES}
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
  AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
ORDER BY n.nspname, c.relname, a.attnum
"""
_OF_VIEW = f"""
{_COLUMN.format(head="", relation="a.attrelid")}
FROM pg_attribute a {_TYPES}
WHERE a.attrelid = 'pg_temp.antiphon_query'::regclass
ORDER BY a.attnum
"""
_KEYS = """
SELECT n.nspname, c.relname,
       ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
             WHERE k.place <= i.indnkeyatts ORDER BY k.place)
FROM pg_index i
JOIN pg_class c ON c.oid = i.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
  AND NOT EXISTS (SELECT FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
                  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
                  WHERE k.place <= i.indnkeyatts AND NOT a.attnotnull)
ORDER BY NOT i.indisprimary, NOT i.indisreplident, i.indnkeyatts, i.indexrelid
"""


class PostgreSQL(Dialect):
    """A server of version 10 or newer."""

    deleting = ("DIFF", "LOG_BASED")

    def prepare(self, connection: sa.Connection) -> None:
        """Every value is shown the same whatever the server's, the database's or the role's settings."""
        for statement in SESSION:
            connection.execute(literally(statement))
        connection.execute(literally(f"SET statement_timeout = {round(self.statement_timeout * 1000)}"))

    # ---- what is there

    def relations(self, connection: sa.Connection, schemas: Sequence[str]) -> list[Relation]:
        """Tables, partitioned tables as one, foreign tables, views and materialised views."""
        columns: dict[tuple[str, str], list[Column]] = {}
        facts: dict[tuple[str, str], tuple[str, str]] = {}
        keys: dict[tuple[str, str], tuple[str, ...]] = {}
        with told("discovery"):
            for schema, table, kind, description, *shown in connection.execute(literally(_TABLES)):
                if not schemas or schema in schemas:
                    columns.setdefault((schema, table), []).append(_column(*shown))
                    facts[schema, table] = kind, description
            for schema, table, names in connection.execute(literally(_KEYS)):
                keys.setdefault((schema, table), tuple(names))
        return [
            Relation(
                self.stream_name(*where),
                tuple(found),
                keys.get(where, ()),
                *where,
                is_view=facts[where][0] in _VIEWS,
                description=facts[where][1],
            )
            for where, found in columns.items()
        ]

    def columns_of(self, connection: sa.Connection, query: str) -> tuple[Column, ...]:
        """A temporary view tells a query's columns without running it."""
        with told("a query of `queries`"):
            connection.execute(literally(f"CREATE TEMP VIEW antiphon_query AS {query}"))
            found = connection.execute(literally(_OF_VIEW)).all()
            connection.execute(literally("DROP VIEW pg_temp.antiphon_query"))
        return tuple(_column(*shown) for shown in found)

    def now(self, connection: sa.Connection) -> str:
        """The server's clock."""
        shown = connection.execute(literally("SELECT to_json(clock_timestamp())::text"))
        return str(shown.scalar_one()).strip('"')

    def snapshots(self, schema: str) -> Snapshots:
        """In a schema of their own."""
        return PostgreSQLSnapshots(self, schema)

    def batches(self, connection: sa.Connection, relation: Relation, folder: Path, form: str) -> Batches | None:
        """For PostgreSQL by its own COPY; else by ADBC, where every column has a type in Arrow."""
        if form == "postgres-copy":
            files = postgres_binary.binary_files(self, connection, relation, folder)
            return Batches({"format": form, "columns": postgres_binary.types_of(relation)}, files)
        if not postgres_batch.fits(relation):
            return None
        self.run(connection, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        bad = postgres_batch.bad_rows(self, relation)
        files = postgres_batch.column_files(self, connection, relation, folder, form)
        return Batches({"format": form, "compression": "none"}, files, bad)

    def change_log(self, slot: str, publication: str) -> ChangeLog:
        """A logical slot with pgoutput."""
        return PostgreSQLLog(self, slot, publication)

    def _identity(self, connection: sa.Connection) -> list[str]:
        """The cluster's own number and the database's name; without the right to see the number, host and port."""
        name = str(connection.execute(literally("SELECT current_database()")).scalar_one())
        allowed = connection.execute(
            literally("SELECT has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')")
        ).scalar_one()
        if not allowed:
            url = self.engine.url
            return ["postgresql", url.host or "", str(url.port or ""), name]
        number = connection.execute(literally("SELECT system_identifier FROM pg_control_system()")).scalar_one()
        return ["postgresql", str(number), name]

    # ---- reading

    def reads(self, column: Column) -> str:
        """For the path through Python: as text where Python's own value would lose something."""
        quoted = self.quote(column.name)
        if column.kind in _AS_THEY_ARE:
            return quoted
        return f"to_json({quoted})::text" if column.kind is Kind.ARRAY else f"{quoted}::text"

    def starts(self, since: Since) -> str:
        """The bookmark as the column's own type, less the overlap."""
        start = f"CAST(:{SINCE} AS {since.column.sql_type})"
        moment = since.column.kind in (Kind.TIMESTAMP, Kind.TIMESTAMPTZ)
        return f"{start} - make_interval(secs => {since.overlap})" if moment and since.overlap else start

    def since_value(self, since: Since) -> Any:
        """As text: the server casts it."""
        return str(since.value)

    def read(
        self, connection: sa.Connection, relation: Relation, since: Since | None = None, limit: int | None = None
    ) -> Iterator[Sequence[Row]]:
        """Rows leave the server as JSON, by COPY."""
        rest = self.condition(relation, since)
        limited = f" LIMIT {limit}" if limit is not None else ""
        inner = f"SELECT {{columns}} FROM {self.source(relation)}{rest.sql}{limited}"
        yield from copied(connection, relation, Query(line(relation, inner, self.quote), rest.values))


def _column(
    name: str,
    sql_type: str,
    base: str,
    base_class: str,
    item: str | None,
    item_class: str | None,
    not_null: bool,  # noqa: FBT001 -- a row of the catalog
    read_only: bool,  # noqa: FBT001
    comment: str,
    labels: list[str],
    modifier: int,
) -> Column:
    """One row of `_COLUMN`. PostgreSQL's `numeric.c` and `varchar.c` explain the modifiers of numeric and varchar."""
    kind = Kind.ENUM if base_class == "e" else _KINDS.get(base, Kind.OTHER)
    item_kind = None
    if item is not None:
        item_kind = Kind.ENUM if item_class == "e" else _KINDS.get(item, Kind.OTHER)
        kind = Kind.OTHER if item_kind in (*_NOT_IN_ARRAYS, Kind.OTHER) else Kind.ARRAY
        item_kind = item_kind if kind is Kind.ARRAY else None
    precision, scale, length = None, None, None
    if modifier > 0 and Kind.NUMBER in (kind, item_kind):
        precision, scale = ((modifier - 4) >> 16) & 0xFFFF, (((modifier - 4) & 0x7FF) ^ 1024) - 1024
    if modifier > 0 and base in ("varchar", "bpchar"):
        length = modifier - 4
    return Column(
        name, kind, sql_type, not not_null, read_only, comment, tuple(labels), length, precision, scale, item_kind
    )
