"""Every other database (MySQL, Snowflake, BigQuery, Redshift, Databricks) as SQLAlchemy's inspector shows it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import types
from sqlalchemy.dialects import mysql
from sqlalchemy.engine.reflection import Inspector

from tap_sql.dialects.base import Dialect, Since, literally
from tap_sql.engines import told
from tap_sql.relations import Column, Kind, Relation

_KINDS: Sequence[tuple[type[types.TypeEngine[Any]], Kind]] = (
    (types.Boolean, Kind.BOOLEAN),
    (types.Integer, Kind.INTEGER),
    (mysql.YEAR, Kind.INTEGER),
    (types.Float, Kind.FLOAT),
    (types.Numeric, Kind.NUMBER),
    (types.DateTime, Kind.TIMESTAMP),
    (types.Date, Kind.DATE),
    (types.Time, Kind.TIME),
    (types.Uuid, Kind.UUID),
    (types.JSON, Kind.JSON),
    (types.Enum, Kind.ENUM),
    (types.String, Kind.TEXT),
    (types.LargeBinary, Kind.BYTES),
    (types._Binary, Kind.BYTES),  # noqa: SLF001 -- MySQL's BINARY, VARBINARY and BLOB share nothing else
)
_AS_TEXT = (Kind.TIME, Kind.JSON, Kind.OTHER)
_SYSTEM = ("information_schema", "performance_schema", "mysql", "sys", "pg_catalog", "pg_internal")
_DAY_SECONDS = "SET time_zone = '+00:00'"


class Reflected(Dialect):
    """A database of whose SQL nothing is known but the standard."""

    @property
    def _is_mysql(self) -> bool:
        return self.engine.dialect.name in ("mysql", "mariadb")

    def prepare(self, connection: sa.Connection) -> None:
        """MySQL: TIMESTAMP columns are shown in UTC, and double quotes are quotes of names."""
        if self._is_mysql:
            connection.execute(literally(_DAY_SECONDS))

    def relations(self, connection: sa.Connection, schemas: Sequence[str]) -> list[Relation]:
        """Tables and views of the URL's own schema, or of `schemas`."""
        with told("discovery"):
            inspector = sa.inspect(connection)
            named = schemas or [inspector.default_schema_name or ""]
            return [
                relation for schema in named if schema not in _SYSTEM for relation in self._of_schema(inspector, schema)
            ]

    def _of_schema(self, inspector: Inspector, schema: str) -> list[Relation]:
        views = inspector.get_view_names(schema or None)
        found = []
        for table in [*inspector.get_table_names(schema or None), *(v for v in views)]:
            columns = tuple(_column(shown) for shown in inspector.get_columns(table, schema or None))
            key = tuple(inspector.get_pk_constraint(table, schema or None)["constrained_columns"])
            found.append(
                Relation(self.stream_name(schema, table), columns, key, schema or None, table, is_view=table in views)
            )
        return found

    def columns_of(self, connection: sa.Connection, query: str) -> tuple[Column, ...]:
        """The names are known without running the query, the types are not: every value says its own."""
        with told("a query of `queries`"):
            shown = connection.execute(literally(f"SELECT * FROM (\n{query}\n) AS antiphon_query WHERE 1 = 0")).keys()
        return tuple(Column(name, Kind.ANY, "") for name in shown)

    def now(self, connection: sa.Connection) -> str:
        """The server's clock, in UTC where it can be asked so."""
        sql = "SELECT utc_timestamp(6)" if self._is_mysql else "SELECT current_timestamp"
        moment = connection.execute(literally(sql)).scalar_one()
        return moment.isoformat() if moment.tzinfo else f"{moment.isoformat()}+00:00"

    def reads(self, column: Column) -> str:
        """As text where Python's own value would lose something."""
        quoted = self.quote(column.name)
        if self._is_mysql and column.kind is Kind.TIMESTAMPTZ:
            return f"CONCAT(CAST({quoted} AS CHAR), '+00:00')"  # as `prepare` has the session show it
        text = "CHAR" if self._is_mysql else "VARCHAR"
        return f"CAST({quoted} AS {text})" if column.kind in _AS_TEXT else quoted

    def since_value(self, since: Since) -> Any:
        """The bookmark less the overlap. MySQL takes a moment without the T and the zone."""
        value = since.value
        if since.column.kind in (Kind.TIMESTAMP, Kind.TIMESTAMPTZ):
            moment = datetime.fromisoformat(value) - timedelta(seconds=since.overlap)
            if self._is_mysql and moment.tzinfo is not None:
                moment = moment.astimezone(UTC).replace(tzinfo=None)
            value = moment.isoformat(sep=" ")
        return value


def _column(shown: Any) -> Column:
    """One column as the inspector describes it."""
    sql_type = shown["type"]
    text = str(sql_type)
    kind = next((kind for known, kind in _KINDS if isinstance(sql_type, known)), Kind.OTHER)
    if text.startswith("TINYINT") and getattr(sql_type, "display_width", None) == 1:
        kind = Kind.BOOLEAN  # what BOOLEAN is in MySQL
    if kind is Kind.TIMESTAMP and (getattr(sql_type, "timezone", False) or isinstance(sql_type, mysql.TIMESTAMP)):
        kind = Kind.TIMESTAMPTZ
    return Column(
        shown["name"],
        kind,
        text,
        nullable=shown.get("nullable", True),
        read_only="computed" in shown,
        comment=shown.get("comment") or "",
        labels=tuple(getattr(sql_type, "enums", ()) or ()) if kind is Kind.ENUM else (),
        length=getattr(sql_type, "length", None) if kind is Kind.TEXT else None,
        precision=getattr(sql_type, "precision", None) if kind is Kind.NUMBER else None,
        scale=getattr(sql_type, "scale", None) if kind is Kind.NUMBER else None,
    )
