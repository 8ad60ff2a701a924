"""DIFF: what changed since the last acknowledged read, found inside the database, with no column of its own for it.

The database keeps a snapshot of every row: its key, a hash of all its columns, and the *run* that last saw it change.
One statement joins table and snapshot in full and finds what was inserted, changed and deleted; these rows are stamped
with the number of this run. What goes out is every row whose run is newer than the one that STATE acknowledges, with
the values of now:

| the STATE that is handed in                         | what goes out                                            |
|-----------------------------------------------------|----------------------------------------------------------|
| of the last run                                     | what this run found                                      |
| older: runs failed on the way, or STATE was put back | that, and all that those runs found, as it is now        |
| none, or of another snapshot                        | every row there is                                       |
| newer than the snapshot: the database was put back  | every row there is; deletions in between are not known   |

So nothing is forgotten before it was acknowledged, and several readers with a STATE of their own share one snapshot.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace

import sqlalchemy as sa

from tap_sql.dialects import Snapshots
from tap_sql.engines import told
from tap_sql.errors import SettingsError
from tap_sql.events import Event, Gone, Mark, Rows, Task
from tap_sql.records import Bad
from tap_sql.relations import DELETED_AT, Column, Kind, Relation

_HASH, _RUN, _GONE = "antiphon_hash", "antiphon_run", "antiphon_gone_at"
_CHANGES = "antiphon_changes"
_ALLOW = (
    "DIFF keeps hashes in a schema of its own (setting diff_schema): have its owner GRANT CREATE and USAGE on it, "
    "or have an owner of the database create it"
)

_log = logging.getLogger("tap-sql")


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """A stream's snapshot: its identity, its table, and the number of its last run."""

    name: str
    table: str
    run: int


def diff(task: Task, connection: sa.Connection) -> Iterator[Event]:
    """What changed, and what is gone, since the run that the bookmark acknowledges."""
    if not task.relation.key:
        raise SettingsError(
            f"stream {task.relation.stream}: DIFF without a key",
            hint="name the columns that tell its rows apart in `keys`",
        )
    if task.limit is not None:  # a look at the stream: the snapshot stays as it is
        for rows in task.dialect.read(connection, task.relation, limit=task.limit):
            yield Rows(rows)
        return
    snapshots = task.dialect.snapshots(task.diff_schema)
    with told(f"stream {task.relation.stream}, the snapshot of DIFF", denied=_ALLOW):
        found = _snapshot(task, connection, snapshots)
        connection.commit()
        snapshots.begin(connection, found.table)
        acknowledged = _acknowledged(task, found)
        changed = _find(task, connection, snapshots, found)
    run = found.run + 1 if changed else found.run
    for rows in task.dialect.read(connection, _live(task, found, acknowledged)):
        yield Rows(rows)
    if acknowledged:
        for keys in task.dialect.read(connection, _gone(task, found, acknowledged)):
            yield Gone([key for key in keys if not isinstance(key, Bad)])
    with told(f"stream {task.relation.stream}, the snapshot of DIFF", denied=_ALLOW):
        connection.commit()
    yield Mark({"snapshot": found.name, "run": run})


def _snapshot(task: Task, connection: sa.Connection, snapshots: Snapshots) -> _Snapshot:
    """The stream's snapshot; made, empty, if it is not there or of another key."""
    dialect, relation = task.dialect, task.whole
    key = [_column(task, name) for name in task.relation.key]
    definition = ", ".join(f"{column.name} {column.sql_type}" for column in key)
    registry, table = snapshots.registry, snapshots.table(relation.stream)
    snapshots.prepare(connection)
    dialect.run(
        connection,
        f"CREATE TABLE IF NOT EXISTS {registry} (stream varchar(400) PRIMARY KEY, snapshot varchar(40) NOT NULL, "
        "definition text NOT NULL, run bigint NOT NULL)",
    )
    shown = dialect.run(
        connection, f"SELECT snapshot, run, definition FROM {registry} WHERE stream = :stream", stream=relation.stream
    ).first()
    if shown is not None and shown[2] == definition:
        return _Snapshot(shown[0], table, shown[1])
    made = _Snapshot(uuid.uuid4().hex, table, 0)
    names = _names(task)
    dialect.run(connection, f"DROP TABLE IF EXISTS {table}")
    dialect.run(
        connection,
        f"CREATE TABLE {table} AS SELECT {names}, {snapshots.row_hash(relation)} AS {_HASH}, "
        f"CAST(0 AS bigint) AS {_RUN}, CAST(NULL AS varchar(40)) AS {_GONE} FROM {dialect.source(relation)} LIMIT 0",
    )
    dialect.run(connection, f"CREATE UNIQUE INDEX {snapshots.index(relation.stream)} ON {table} ({names})")
    dialect.run(connection, f"DELETE FROM {registry} WHERE stream = :stream", stream=relation.stream)
    dialect.run(
        connection,
        f"INSERT INTO {registry} (stream, snapshot, definition, run) VALUES (:stream, :snapshot, :definition, 0)",
        stream=relation.stream,
        snapshot=made.name,
        definition=definition,
    )
    return made


def _acknowledged(task: Task, snapshot: _Snapshot) -> int:
    """The run that STATE covers, 0 for none."""
    run = task.bookmark.get("run", 0)
    if task.bookmark and task.bookmark.get("snapshot") != snapshot.name:
        _log.warning("stream %s: STATE is of another snapshot; every row goes out", task.relation.stream)
        return 0
    if run > snapshot.run:
        _log.warning(
            "stream %s: STATE is newer than the snapshot, so the database was put back to an older time; every row "
            "goes out, what was deleted in between is not known",
            task.relation.stream,
        )
        return 0
    return int(run)


def _find(task: Task, connection: sa.Connection, snapshots: Snapshots, snapshot: _Snapshot) -> bool:
    """Find what differs from the snapshot, and note it there under a new run. Whether there was anything."""
    dialect, names = task.dialect, _names(task)
    quoted = [dialect.quote(name) for name in task.relation.key]
    either = ", ".join(f"coalesce(t.{name}, s.{name}) AS {name}" for name in quoted)
    dialect.run(connection, f"DROP TABLE IF EXISTS {snapshots.temporary}{_CHANGES}")
    dialect.run(
        connection,
        f"CREATE TEMPORARY TABLE {_CHANGES} AS "
        f"SELECT {either}, t.{_HASH}, CASE WHEN t.{_HASH} IS NULL THEN :now END AS {_GONE} "
        f"FROM (SELECT {names}, {snapshots.row_hash(task.whole)} AS {_HASH} FROM {dialect.source(task.whole)}) AS t "
        f"FULL JOIN (SELECT {names}, {_HASH} FROM {snapshot.table} WHERE {_GONE} IS NULL) AS s USING ({names}) "
        f"WHERE t.{_HASH} IS DISTINCT FROM s.{_HASH}",
        now=task.now,
    )
    if dialect.run(connection, f"SELECT 1 FROM {_CHANGES} LIMIT 1").first() is None:
        return False
    updates = ", ".join(f"{name} = excluded.{name}" for name in (_HASH, _RUN, _GONE))
    dialect.run(
        connection,
        f"INSERT INTO {snapshot.table} ({names}, {_HASH}, {_RUN}, {_GONE}) "
        f"SELECT {names}, {_HASH}, :run, {_GONE} FROM {_CHANGES} WHERE true "
        f"ON CONFLICT ({names}) DO UPDATE SET {updates}",
        run=snapshot.run + 1,
    )
    dialect.run(
        connection,
        f"UPDATE {snapshots.registry} SET run = :run WHERE stream = :stream",
        run=snapshot.run + 1,
        stream=task.whole.stream,
    )
    snapshots.found(connection, _CHANGES)
    return True


def _live(task: Task, snapshot: _Snapshot, acknowledged: int) -> Relation:
    """The rows to show, with the values that they have now."""
    if not acknowledged:
        return task.relation
    names = _names(task)
    query = (
        f"SELECT t.* FROM (SELECT * FROM {task.dialect.source(task.whole)}) AS t "
        f"JOIN (SELECT {names} FROM {_newer(snapshot, acknowledged)} WHERE {_GONE} IS NULL) AS c USING ({names})"
    )
    return replace(task.relation, query=query, table="", schema=None)


def _gone(task: Task, snapshot: _Snapshot, acknowledged: int) -> Relation:
    """The keys of rows that are no more, and when that was found."""
    newer = _newer(snapshot, acknowledged)
    query = f"SELECT {_names(task)}, {_GONE} AS {DELETED_AT} FROM {newer} WHERE {_GONE} IS NOT NULL"
    key = [_column(task, name) for name in task.relation.key]
    columns = (*key, Column(DELETED_AT, Kind.TEXT, "text"))
    return Relation(task.relation.stream, columns, task.relation.key, query=query)


def _newer(snapshot: _Snapshot, acknowledged: int) -> str:
    """What changed since: what was just found, if nothing else is unacknowledged."""
    if acknowledged == snapshot.run:
        return _CHANGES
    return f"(SELECT * FROM {snapshot.table} WHERE {_RUN} > {acknowledged}) AS n"


def _names(task: Task) -> str:
    return ", ".join(task.dialect.quote(name) for name in task.relation.key)


def _column(task: Task, name: str) -> Column:
    return next(column for column in task.whole.columns if column.name == name)
