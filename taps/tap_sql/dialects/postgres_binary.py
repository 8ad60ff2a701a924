"""PostgreSQL's rows in the server's own binary form of COPY, for another PostgreSQL: nothing is made of them here.

Every value goes over as it is stored, what has no JSON form (NaN, infinity, years before Christ) too. PostgreSQL 18
documentation, COPY, section "Binary Format".
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import psycopg
import sqlalchemy as sa

from tap_sql.dialects.base import Dialect
from tap_sql.dialects.postgres_batch import stem_of
from tap_sql.engines import told_by_driver
from tap_sql.relations import Column, Kind, Relation

BYTES_PER_FILE = 8 << 20
_ROWS = 1_000
_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_INTEGERS = ("smallint", "integer", "bigint")
_MEASURED = ("character varying(", "character(", "timestamp(", "time(")
"""Types that say how much a value has, by which target-sql knows that it fits."""
_TYPES = {
    Kind.BOOLEAN: "boolean",
    Kind.DATE: "date",
    Kind.TIMESTAMP: "timestamp without time zone",
    Kind.TIMESTAMPTZ: "timestamp with time zone",
    Kind.TIME: "time without time zone",
    Kind.UUID: "uuid",
    Kind.BYTES: "bytea",
}


def types_of(relation: Relation) -> Mapping[str, str]:
    """The type in which each column goes out; each is one that every PostgreSQL has from the start."""
    return {column.name: _type(column) for column in relation.columns}


def binary_files(
    dialect: Dialect, connection: sa.Connection, relation: Relation, folder: Path
) -> Iterator[tuple[Path, int]]:
    """Files of the relation's rows, and how many each holds. Raises `DatabaseError`."""
    columns = ", ".join(_expression(column, dialect.quote(column.name)) for column in relation.columns)
    sql = f"COPY (SELECT {columns} FROM {dialect.source(relation)}) TO STDOUT (FORMAT binary)"
    raw: Any = connection.connection.dbapi_connection
    stem = stem_of(relation)
    try:
        with raw.cursor() as cursor, cursor.copy(sql.encode()) as copy:
            rows = iter(copy)
            first = [row] if (row := _without_head(bytes(next(rows)))) else []
            for number in itertools.count(1):
                path = folder / f"{stem}-{number:05}.pgcopy"
                with path.open("wb") as file:
                    count = _fill(file, itertools.chain(first, rows))
                if not count:
                    path.unlink()
                    return
                yield path, count
                first = []
    except psycopg.Error as error:
        raise told_by_driver(f"stream {relation.stream}", error) from error


def _without_head(piece: bytes) -> bytes:
    """The first row, or the end, behind what stands before it."""
    return piece[len(_HEAD) + int.from_bytes(piece[len(_HEAD) - 4 : len(_HEAD)], "big") :]


def _fill(file: BinaryIO, rows: Iterator[bytes | memoryview]) -> int:
    """Write a file's share of the rows, as libpq hands them over one by one; how many."""
    file.write(_HEAD)
    count = 0
    while file.tell() < BYTES_PER_FILE and (some := list(itertools.islice(rows, _ROWS))):
        if some[-1] == _END:  # it is the last piece of all, and stands for itself
            some.pop()
        file.write(b"".join(some))
        count += len(some)
    file.write(_END)
    return count


def _type(column: Column) -> str:
    if column.kind is Kind.ARRAY:
        return f"{_plain(column, column.item or Kind.TEXT, column.sql_type.removesuffix('[]'))}[]"
    return _plain(column, column.kind, column.sql_type)


def _plain(column: Column, kind: Kind, sql_type: str) -> str:
    """Of domains the type below; of types that another server may lack, text."""
    match kind:
        case Kind.INTEGER:
            return sql_type if sql_type in _INTEGERS else "bigint"
        case Kind.FLOAT:
            return "real" if sql_type == "real" else "double precision"
        case Kind.JSON:
            return "json" if sql_type == "json" else "jsonb"
        case Kind.NUMBER if column.precision is not None:
            return f"numeric({column.precision},{column.scale})"
        case Kind.NUMBER:
            return "numeric"
        case Kind.TEXT | Kind.TIMESTAMP | Kind.TIMESTAMPTZ | Kind.TIME if sql_type.startswith(_MEASURED):
            return sql_type
        case _:
            return _TYPES.get(kind, "text")


def _expression(column: Column, name: str) -> str:
    if column.sql_type.startswith("character("):  # a cast would take the blanks off its end
        return name
    return f"{name}::{_type(column)}"
