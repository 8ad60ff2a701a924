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
_BY_NAME = {
    **dict.fromkeys(("TIMESTAMP_TZ", "TIMESTAMP_LTZ"), Kind.TIMESTAMPTZ),
    "TIMESTAMP_NTZ": Kind.TIMESTAMP,
    **dict.fromkeys(("VARIANT", "OBJECT", "ARRAY"), Kind.JSON),
}
"""Snowflake's own types, which are none of SQLAlchemy's."""
_TEXT = {"mysql": "CHAR", "mariadb": "CHAR", "bigquery": "STRING", "databricks": "STRING"}
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
        for shown in dict.fromkeys([*inspector.get_table_names(schema or None), *views]):
            columns = [self._column(each) for each in inspector.get_columns(shown, schema or None)]
            key = inspector.get_pk_constraint(shown, schema or None)["constrained_columns"]
            where, table = self._stored(schema), self._stored(shown)
            found.append(
                Relation(
                    self.stream_name(where, table),
                    tuple(columns),
                    tuple(map(self._stored, key)),
                    where or None,
                    table,
                    is_view=shown in views,
                )
            )
        return found

    def _stored(self, name: str) -> str:
        """The name as the database stores it; where unquoted names are upper case, SQLAlchemy shows them in lower."""
        dialect = self.engine.dialect
        if not dialect.requires_name_normalize or getattr(name, "quote", None):
            return str(name)
        return str(dialect.denormalize_name(name))

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
        name = self.engine.dialect.name
        match name, column.kind:
            case "snowflake", Kind.JSON:
                return f"TO_JSON({quoted})"
            case "bigquery", Kind.JSON:
                return f"TO_JSON_STRING({quoted})"
            case _, kind if kind in _AS_TEXT:
                return f"CAST({quoted} AS {_TEXT.get(name, 'VARCHAR')})"
            case _:
                return quoted

    def since_value(self, since: Since) -> Any:
        """The bookmark less the overlap. MySQL takes a moment without the T and the zone."""
        value = since.value
        if since.column.kind in (Kind.TIMESTAMP, Kind.TIMESTAMPTZ):
            moment = datetime.fromisoformat(value) - timedelta(seconds=since.overlap)
            if self._is_mysql and moment.tzinfo is not None:
                moment = moment.astimezone(UTC).replace(tzinfo=None)
            value = moment.isoformat(sep=" ")
        return value

    def _column(self, shown: Any) -> Column:
        """One column as the inspector describes it."""
        sql_type = shown["type"]
        kind = self._kind(sql_type)
        return Column(
            self._stored(shown["name"]),
            kind,
            str(sql_type),
            nullable=shown.get("nullable", True),
            read_only="computed" in shown,
            comment=shown.get("comment") or "",
            labels=tuple(getattr(sql_type, "enums", ()) or ()) if kind is Kind.ENUM else (),
            length=getattr(sql_type, "length", None) if kind is Kind.TEXT else None,
            precision=getattr(sql_type, "precision", None) if kind is Kind.NUMBER else None,
            scale=getattr(sql_type, "scale", None) if kind is Kind.NUMBER else None,
        )

    def _kind(self, sql_type: types.TypeEngine[Any]) -> Kind:
        name = self.engine.dialect.name
        kind = _BY_NAME.get(type(sql_type).__name__.upper()) if name == "snowflake" else None
        kind = kind or next((kind for known, kind in _KINDS if isinstance(sql_type, known)), Kind.OTHER)
        if getattr(sql_type, "display_width", None) == 1 and isinstance(sql_type, mysql.TINYINT):
            return Kind.BOOLEAN  # what BOOLEAN is in MySQL
        if kind is Kind.NUMBER and name == "snowflake" and getattr(sql_type, "scale", None) == 0:
            return Kind.INTEGER  # every whole number is NUMBER(38, 0) there
        zoned = getattr(sql_type, "timezone", False) or isinstance(sql_type, mysql.TIMESTAMP)
        zoned = zoned or (name in ("bigquery", "databricks") and isinstance(sql_type, types.TIMESTAMP))
        return Kind.TIMESTAMPTZ if kind is Kind.TIMESTAMP and zoned else kind
