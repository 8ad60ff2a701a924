"""LOG_BASED: the changes that PostgreSQL's write-ahead log tells, deletions among them.

A logical slot with the output plugin pgoutput is read by SQL (`pg_logical_slot_peek_binary_changes`), so that no
replication connection is needed, and keeps the log until it is told to let go of it. It is told so only at the start of
a run, and only up to what every stream's STATE acknowledges.

The first read of a stream is a full one. Each later read shows one record per key, with what the log says of it since
the bookmark taken together. A TOASTed value that no change touched is not in the log: its column is left out of the
record, which means *unknown*, not empty (REPLICA IDENTITY FULL would have it).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

import sqlalchemy as sa

from tap_sql.errors import Refused, SettingsError, TapError
from tap_sql.events import Event, Gone, Mark, Rows, Task
from tap_sql.pgoutput import UNCHANGED, Begin, Change, Commit, Delete, Table, Truncate, Upsert, Value, elements
from tap_sql.records import Bad, Row
from tap_sql.relations import DELETED_AT, Column, Kind, Relation
from tap_sql.values import Render, encode, renderer

_log = logging.getLogger("tap-sql")


def log_based(task: Task, connection: sa.Connection) -> Iterator[Event]:
    """Everything at first, then what the log tells."""
    if task.limit is not None:  # a look at the stream: slot and publication stay as they are
        for rows in task.dialect.read(connection, task.relation, limit=task.limit):
            yield Rows(rows)
        return
    stream = task.relation.stream
    if task.relation.query is not None or task.whole.is_view or not task.relation.key:
        raise SettingsError(
            f"stream {stream}: LOG_BASED needs a table with a primary key",
            hint="take INCREMENTAL, FULL_TABLE or DIFF for views, queries and tables without a key",
        )
    log = task.dialect.change_log(task.slot, task.publication)
    bookmark = task.bookmark.get("lsn") if task.bookmark.get("slot") == task.slot else None
    start = log.open(connection, task.whole, bookmark, task.acknowledged)
    until = log.position(connection)
    if start is None:
        if task.bookmark:
            _log.warning(
                "stream %s: the log since its bookmark is gone; every row goes out, deletions in between are not known",
                stream,
            )
        for rows in task.dialect.read(connection, task.relation):
            yield Rows(rows)
    else:
        yield from _told(task, log.changes(connection, start, until))
    yield Mark({"slot": task.slot, "lsn": until})


def _told(task: Task, changes: Iterator[Change]) -> Iterator[Event]:
    """What the log says, taken together by key."""
    batch = Batch(task)
    for change in changes:
        batch.take(change)
    yield Rows(list(batch.rows()))
    yield Gone(list(batch.gone()))


class Batch:
    """The last word on every key, in the order in which the keys were last touched."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._columns = {column.name: column for column in task.whole.columns}
        self._last: dict[tuple[Value, ...], Mapping[str, Value] | None] = {}  # None: gone

    def __len__(self) -> int:
        """How many keys were touched."""
        return len(self._last)

    def take(self, change: Change) -> None:
        """Take in what the log tells next. Raises `TapError` for what it does not tell enough of."""
        match change:
            case Upsert(table, row, old) if self._is_ours(table):
                before = self._key(old, table) if old else None
                key = self._key(row, table)
                known = {**(old if table.full else {}), **(self._last.pop(before or key, None) or {})}
                if before is not None and before != key:
                    self._last[before] = None
                self._last.pop(key, None)
                self._last[key] = {
                    name: known.get(name, UNCHANGED) if value is UNCHANGED else value for name, value in row.items()
                }
            case Delete(table, old) if self._is_ours(table):
                key = self._key(old, table)
                self._last.pop(key, None)
                self._last[key] = None
            case Truncate(tables) if any(self._is_ours(table) for table in tables):
                stream = self._task.relation.stream
                raise TapError(
                    f"stream {stream}: its table was truncated; the log does not tell which rows were in it",
                    hint=f"read it anew: remove the bookmark of {stream} from the STATE, or `antiphon sync --full`",
                )
            case Begin() | Commit() | Upsert() | Delete() | Truncate():
                return

    def rows(self) -> Iterator[Row]:
        """The rows as they are."""
        for row in self._last.values():
            if row is not None:
                yield self._record(row)

    def gone(self) -> Iterator[bytes]:
        """The rows that are no more."""
        renders = [_from_text(self._columns[name]) for name in self._task.relation.key]
        for key, row in self._last.items():
            if row is None:
                parts = zip(self._task.relation.key, key, renders, strict=True)
                shown = [encode(name) + b":" + render(value) for name, value, render in parts]
                shown.append(encode(DELETED_AT) + b":" + encode(self._task.now))
                yield b"{" + b",".join(shown) + b"}"

    def _record(self, row: Mapping[str, Value]) -> Row:
        kept, refused = [], {}
        for column in self._task.relation.columns:
            value = row.get(column.name, UNCHANGED)
            if value is UNCHANGED:
                continue
            try:
                text = b"null" if value is None else _from_text(column)(value)
                kept.append(encode(column.name) + b":" + text)
            except Refused as error:
                refused[column.name] = str(error)
        record = b"{" + b",".join(kept) + b"}"
        return Bad(record, refused) if refused else record

    def _is_ours(self, table: Table) -> bool:
        whole: Relation = self._task.whole
        return (table.schema, table.name) == (whole.schema, whole.table)

    def _key(self, row: Mapping[str, Value], table: Table) -> tuple[Value, ...]:
        key = self._task.relation.key
        if not set(key) <= set(row) or any(row[name] is UNCHANGED for name in key):
            raise SettingsError(
                f"stream {self._task.relation.stream}: the log tells rows by {', '.join(table.key) or 'nothing'}, "
                f"not by its key {', '.join(key)}",
                hint="have the table's REPLICA IDENTITY use the index of that key",
            )
        return tuple(row[name] for name in key)


def _from_text(column: Column) -> Render:
    """How a value of the log is written: arrays stand there in PostgreSQL's own form."""
    if column.kind is not Kind.ARRAY:
        return renderer(column)
    whole = renderer(column)

    def array(value: object) -> bytes:
        try:
            return whole(elements(str(value)))
        except Refused:
            raise
        except ValueError as error:
            raise Refused(f"an array that has no form in its SCHEMA: {error}") from None

    return array
