"""The ways of reading a stream, as events: records, deletions, and how far the read is.

| method      | reads                                                | its bookmark                                 |
|-------------|------------------------------------------------------|----------------------------------------------|
| FULL_TABLE  | every row                                            | none                                         |
| INCREMENTAL | rows at or after the bookmark less `overlap_seconds` | the newest replication key, never the future |
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from tap_sql.dialects import Since
from tap_sql.errors import SettingsError
from tap_sql.events import Event, Mark, Rows, Task
from tap_sql.records import Bad, Row
from tap_sql.relations import Column, Kind
from tap_sql.values import decode

STATE_SECONDS = 5.0
"""How often an incremental read says how far it is."""

_WIDEST_ZONE = timedelta(hours=14)
_NO_KEYS = (Kind.JSON, Kind.BYTES, Kind.ARRAY, Kind.BOOLEAN, Kind.ENUM)


def full_table(task: Task, connection: sa.Connection) -> Iterator[Event]:
    """Every row, in no order."""
    for rows in task.dialect.read(connection, task.relation, limit=task.limit):
        yield Rows(rows)
    yield Mark({})


def incremental(task: Task, connection: sa.Connection) -> Iterator[Event]:
    """Rows at or after the bookmark, oldest first, so that the read can be taken up where it was broken off.

    Rows of equal replication key as the last one come again in the next read: none of a tie is lost. So do those within
    the overlap, which a transaction may have stamped before it committed them.
    """
    column = replication_column(task)
    start = task.bookmark.get("replication_key_value") if task.bookmark.get("replication_key") == column.name else None
    newest, told = start, time.monotonic()
    for rows in task.dialect.read(connection, task.relation, Since(column, start, task.overlap), task.limit):
        yield Rows(rows)
        newest = _last(rows, column.name, newest)
        if time.monotonic() - told > STATE_SECONDS:
            yield _mark(column, newest, task.now)
            told = time.monotonic()
    yield _mark(column, newest, task.now)


def replication_column(task: Task) -> Column:
    """The column of the replication key. Raises `SettingsError` if there is none, or none that grows."""
    stream = task.relation.stream
    if not task.replication_key:
        raise SettingsError(
            f"stream {stream}: INCREMENTAL without a replication key",
            hint="name one in the catalog: a column that grows whenever a row changes",
        )
    column = task.relation.column(task.replication_key)
    if column is None:
        raise SettingsError(
            f"stream {stream}: it has no column {task.replication_key!r}, its replication key",
            hint=f"it has {', '.join(task.relation.names)}",
        )
    if column.kind in _NO_KEYS:
        raise SettingsError(
            f"stream {stream}: {column.name} ({column.sql_type}) has no order that a replication key could follow",
            hint="take a column of moments or numbers, or the method DIFF, which needs none",
        )
    return column


def _last(rows: Sequence[Row], name: str, before: Any) -> Any:
    """The replication key of the last row that has one."""
    for row in reversed(rows):
        value = decode(row.record if isinstance(row, Bad) else row).get(name)
        if value is not None:
            return value
    return before


def _mark(column: Column, newest: Any, now: str) -> Mark:
    if newest is None:
        return Mark({})
    return Mark({"replication_key": column.name, "replication_key_value": _not_future(column, newest, now)})


def _not_future(column: Column, newest: Any, now: str) -> Any:
    """A row stamped in the future must not hide what is written until then."""
    if isinstance(newest, Decimal):
        return str(newest)  # a STATE that passes through floats would round it
    limit = datetime.fromisoformat(now).astimezone(UTC)
    if column.kind is Kind.DATE:
        return min(newest, (limit + _WIDEST_ZONE).date().isoformat())
    if column.kind not in (Kind.TIMESTAMP, Kind.TIMESTAMPTZ):
        return newest
    moment = datetime.fromisoformat(newest)
    if moment.tzinfo is None:  # in some zone
        limit = (limit + _WIDEST_ZONE).replace(tzinfo=None)
    return newest if moment <= limit else limit.isoformat()
