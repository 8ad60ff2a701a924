"""Rows as JSON text built by the server, taken over by COPY: no Python object is made of any value.

COPY in CSV form with quote and delimiter that JSON text cannot hold (control characters are escaped there) gives each
row as it is, without escapes: one row is one line. A row that holds a value without a JSON form starts with `MARK`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import ClientCursor

from tap_sql.dialects.base import SINCE, Query
from tap_sql.engines import told_by_driver
from tap_sql.records import Bad, Row
from tap_sql.relations import Column, Kind, Relation
from tap_sql.values import decode, encode

MARK = 3
CHUNK = 2000
_FORM = r"(FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')"
_MOMENTS = (Kind.TIMESTAMP, Kind.TIMESTAMPTZ)


def line(relation: Relation, inner: str, quote: Callable[[str], str]) -> str:
    """The SELECT of JSON texts around `inner`, which has a place for `{columns}`."""
    columns = ", ".join(f"{_expression(c, quote)} AS {quote(c.name)}" for c in relation.columns)
    body = inner.replace("{columns}", columns, 1)
    row = "antiphon_row"
    while relation.column(row) is not None:  # a column of that name would be meant
        row += "_"
    tests = {
        column.name: test for column in relation.columns if (test := refusal(column, f"{row}.{quote(column.name)}"))
    }
    if not tests:
        return f"SELECT row_to_json({row})::text FROM ({body}) {row}"
    reasons = ", ".join(
        f"{_literal(name)}, CASE WHEN {test} THEN {row}.{quote(name)}::text END" for name, test in tests.items()
    )
    return (
        f"SELECT CASE WHEN {' OR '.join(tests.values())} "
        f"THEN chr({MARK}) || json_build_array(row_to_json({row}), json_build_object({reasons}))::text "
        f"ELSE row_to_json({row})::text END FROM ({body}) {row}"
    )


def copied(connection: sa.Connection, relation: Relation, query: Query) -> Iterator[Sequence[Row]]:
    """The records of a query made by `line`, in chunks. Raises `DatabaseError`."""
    raw: Any = connection.connection.dbapi_connection
    sql = query.sql
    if SINCE in query.values:
        sql = sql.replace("%", "%%").replace(f":{SINCE}", "%s", 1)
        sql = ClientCursor(raw).mogrify(sql, [query.values[SINCE]])
    chunk: list[Row] = []
    try:
        with raw.cursor() as cursor, cursor.copy(f"COPY ({sql}) TO STDOUT {_FORM}") as copy:
            for row in copy:
                chunk.append(bytes(row[:-1]) if row[0] != MARK else _bad(bytes(row)))
                if len(chunk) == CHUNK:
                    yield chunk
                    chunk = []
    except psycopg.Error as error:
        raise told_by_driver(f"stream {relation.stream}", error) from error
    yield chunk


def _bad(row: bytes) -> Bad:
    record, reasons = decode(row[1:])
    refused = {name: f"{text} has no JSON form" for name, text in reasons.items() if text is not None}
    return Bad(encode({name: value for name, value in record.items() if name not in refused}), refused)


def _expression(column: Column, quote: Callable[[str], str]) -> str:
    name = quote(column.name)
    match column.kind:
        case Kind.BYTES:
            return f"translate(encode({name}, 'base64'), chr(10), '')"
        case Kind.JSON if column.sql_type == "json":  # as stored, line ends between its words included
            return f"translate({name}::text, chr(10) || chr(13), '  ')::json"
        case Kind.OTHER | Kind.ENUM:
            return f"{name}::text"
        case _:
            return name


def refusal(column: Column, name: str) -> str:
    """The SQL test for values that `row_to_json` would write as something else than the SCHEMA says."""
    kind = column.item if column.kind is Kind.ARRAY else column.kind
    each = f"ANY ({name})" if column.kind is Kind.ARRAY else name
    tests = [f"array_ndims({name}) > 1 OR array_lower({name}, 1) <> 1"] if column.kind is Kind.ARRAY else []
    match kind:
        case Kind.NUMBER if column.precision is None or column.kind is Kind.ARRAY:
            tests += [f"'{word}' = {each}" for word in ("NaN", "Infinity", "-Infinity")]
        case Kind.NUMBER:  # with a precision there is no infinity
            tests.append(f"'NaN' = {each}")
        case Kind.FLOAT:
            tests += [f"'{word}' = {each}" for word in ("NaN", "Infinity", "-Infinity")]
        case Kind.DATE:
            tests += [f"'0001-01-01' > {each}", f"'9999-12-31' < {each}"]
        case Kind.TIMESTAMP | Kind.TIMESTAMPTZ:
            tests += [f"'0001-01-01 00:00:00' > {each}", f"'9999-12-31 23:59:59.999999' < {each}"]
        case Kind.TIME:
            tests.append(f"'24:00:00' = {each}")
        case _:
            pass
    return f"({' OR '.join(tests)})" if tests else ""


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
