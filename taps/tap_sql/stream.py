"""One stream: SCHEMA with what only this tap knows, then records and deletions, then how far it got."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, assert_never
from urllib.parse import unquote, urlparse

import sqlalchemy as sa
from singer_sdk import Stream, Tap
from singer_sdk.helpers._batch import BatchConfig
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib import SchemaMessage

from tap_sql.dialects import Batches, Dialect
from tap_sql.diff import diff
from tap_sql.errors import SettingsError, ValueRefused
from tap_sql.events import Event, Gone, Mark, Rows, Task
from tap_sql.log_based import log_based
from tap_sql.output import Output
from tap_sql.pgoutput import lsn_number
from tap_sql.reading import full_table, incremental
from tap_sql.records import Bad
from tap_sql.relations import Relation, json_schema
from tap_sql.values import decode

METHODS = {"FULL_TABLE": full_table, "INCREMENTAL": incremental, "DIFF": diff, "LOG_BASED": log_based}
DELETING = ("DIFF", "LOG_BASED")
"""The methods that show deletions."""
WRITING = ("DIFF", "LOG_BASED")
"""The methods that keep something in the database."""


@dataclass(frozen=True, slots=True)
class Source:
    """The database of a run: its fingerprint, and its time when the run began."""

    dialect: Dialect
    account: str
    now: str
    given: Mapping[str, Any] = field(default_factory=dict)  # the STATE that was handed in: what is acknowledged


def _says_what_is_wrong(record: logging.LogRecord) -> bool:
    """Not the SDK's word that a stream ended by an error: the error that follows says which."""
    return not str(record.msg).startswith("An unhandled error occurred while syncing")


class SqlStream(Stream):
    """A table, a view or a query."""

    def __init__(self, tap: Tap, relation: Relation, source: Source) -> None:
        """`source` is the database that holds the `relation`."""
        self.relation = relation
        self.source = source
        super().__init__(tap, name=relation.stream, schema=json_schema(relation))
        self.logger.addFilter(_says_what_is_wrong)
        self.primary_keys = relation.key

    # ---- what was asked for

    @property
    def selected_relation(self) -> Relation:
        """The relation with the columns that are selected, its key and its replication key among them.

        Raises `SettingsError` for a key that it does not have.
        """
        needed = {*self.primary_keys, *([self.replication_key] if self.replication_key else [])}
        for name in self.primary_keys:
            if self.relation.column(name) is None:
                raise SettingsError(
                    f"stream {self.name}: it has no column {name!r}, which is to be its key",
                    hint=f"it has {', '.join(self.relation.names)}",
                )
        names = (name for name in self.relation.names if name in needed or self.mask.get(("properties", name), True))
        key = tuple(self.primary_keys)
        guarded = self.relation.key_is_guarded and bool(self.relation.key) and set(key) >= set(self.relation.key)
        return replace(self.relation.only(names), key=key, key_is_guarded=guarded)

    @property
    def methods(self) -> list[str]:
        """The replication methods that can read it. Whether the server and its rights allow it, a read tells."""
        known = ["FULL_TABLE", "INCREMENTAL", *self.source.dialect.deleting]
        logged = self.relation.query is None and not self.relation.is_view
        return [method for method in known if logged or method != "LOG_BASED"]

    @property
    def task(self) -> Task:
        """What is to be read of it, from its bookmark on."""
        bookmark = dict(self.tap_state.get("bookmarks", {}).get(self.name, {}))
        return Task(
            self.source.dialect,
            self.selected_relation,
            self.relation,
            bookmark,
            self.source.now,
            self.replication_key,
            float(self.config["overlap_seconds"]),
            self.ABORT_AT_RECORD_COUNT,
            self.config["diff_schema"],
            self.config["slot"],
            self.config["publication"],
            self._acknowledged,
        )

    @property
    def _acknowledged(self) -> str | None:
        """The oldest position of the log that a selected stream of the slot still needs; None if one has none yet."""
        given = self.source.given.get("bookmarks", {})
        needed = [
            given.get(stream.name, {}).get("lsn")
            for stream in self._tap.streams.values()
            if stream.selected and stream.replication_method == "LOG_BASED"
        ]
        return None if None in needed else min(needed, key=lsn_number, default=None)

    def events(self) -> Iterator[Event]:
        """The read of it, from its bookmark on. Raises `TapError`."""
        try:
            read = METHODS[self.replication_method]
        except KeyError:
            raise SettingsError(
                f"stream {self.name}: there is no replication method {self.replication_method!r}",
                hint=f"it is one of {', '.join(METHODS)}",
            ) from None
        task = self.task
        writing = self.replication_method in WRITING and task.limit is None
        with self.source.dialect.session(writing=writing) as connection:
            self._require_unique_key(connection, task.relation)
            yield from read(task, connection)

    def _require_unique_key(self, connection: sa.Connection, relation: Relation) -> None:
        repeated = self.source.dialect.repeated_key(connection, relation)
        if repeated is not None:
            raise SettingsError(
                f"stream {self.name}: its key {', '.join(relation.key)} is not unique, {repeated} stands there twice",
                hint="name a key that tells its rows apart: keys: {stream: [column, …]}",
            )

    def get_records(self, context: Mapping[str, Any] | None) -> Iterable[dict[str, Any]]:
        """The records as Python values, for stream maps."""
        del context
        for event in self.events():
            if isinstance(event, Rows):
                for row in event.rows:
                    if isinstance(row, Bad):
                        raise self._refusal(row)
                    yield decode(row)

    def get_replication_key_signpost(self, context: Mapping[str, Any] | None = None) -> None:
        """The newest possible replication key: `reading.incremental` sees to it."""
        del context

    # ---- what is said

    @property
    def is_plain(self) -> bool:
        """Whether records go out as they are read, under the stream's own name."""
        maps = self.stream_maps
        return len(maps) == 1 and isinstance(maps[0], SameRecordTransform) and not maps[0].flattening_enabled

    def _output(self) -> Output:
        return Output(self.name, extracted_at=datetime.now(UTC).isoformat(), version=self._stream_version)

    def _write_schema_message(self) -> None:
        """SCHEMA with the envelope that lets a sync know the account and the clock that it reads."""
        if not self.is_plain:
            super()._write_schema_message()
            return
        output = self._output()
        output.message(self.schema_message(self.source.now))
        output.flush()

    def schema_message(self, clock: str) -> dict[str, Any]:
        """SCHEMA, with the account, and the server's `clock` now."""
        deleting = self.replication_method in DELETING
        marks = [self.replication_key] if self.replication_method == "INCREMENTAL" and self.replication_key else None
        message = SchemaMessage(
            self.name, json_schema(self.selected_relation, deletions=deleting), list(self.primary_keys), marks
        )
        return {**message.to_dict(), "sync": {"account": self.source.account, "clock": clock}}

    def _sync_records(
        self, context: Mapping[str, Any] | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        """Read the stream, and write what was read without looking at it again. Yields nothing."""
        if not self.is_plain or not write_messages:
            yield from super()._sync_records(context, write_messages=write_messages)
            return
        output = self._output()
        with self.get_record_counter() as counter, self.get_sync_timer():
            for event in self.events():
                match event:
                    case Mark(bookmark):
                        self._write_bookmark(output, bookmark)
                    case Rows() | Gone():
                        counter.increment(self.say(output, event))
                    case unknown:
                        assert_never(unknown)
        output.flush()

    def say(self, output: Output, event: Rows | Gone) -> int:
        """Write records and deletions; how many."""
        match event:
            case Rows(rows):
                self._write_rows(output, rows)
                return len(rows)
            case Gone(records):
                for record in records:
                    output.record(record, {"state": "gone"})
                return len(records)
            case unknown:
                assert_never(unknown)

    def _sync_batches(self, batch_config: BatchConfig, context: Mapping[str, Any] | None = None) -> None:
        """BATCH messages of files of columns, where stream and database can; else records, or what the SDK does."""
        form = batch_config.encoding.format
        if form == "jsonl" or (form == "parquet" and not self.is_plain):
            super()._sync_batches(batch_config, context)
            return
        folder = Path(unquote(urlparse(batch_config.storage.root).path)).absolute()
        if not folder.is_dir():
            raise SettingsError(
                f"batch_config: there is no folder {batch_config.storage.root} on this machine",
                hint="storage.root is a folder that the target can read too, for instance file:///var/tmp/batches",
            )
        task = self.task
        with self.source.dialect.session() as connection:
            batches = None
            if self.is_plain and self.replication_method == "FULL_TABLE" and task.limit is None:
                batches = self.source.dialect.batches(connection, task.relation, folder, form)
            if batches is not None:
                self._require_unique_key(connection, task.relation)
                self._write_batches(connection, batches, batch_config.storage.prefix or "")
                return
        self.logger.info("stream %s goes out as records: not all of it has a form in %s", self.name, form)
        for _ in self._sync_records(context):
            pass

    def _write_batches(self, connection: sa.Connection, batches: Batches, prefix: str) -> None:
        output = self._output()
        if batches.bad is not None:
            for rows in self.source.dialect.read(connection, batches.bad):
                self._write_rows(output, rows)
        with self.get_record_counter() as counter:
            for path, count in batches.files:
                file = path.rename(path.with_name(f"{prefix}{path.name}"))
                message = {"type": "BATCH", "stream": self.name, "encoding": batches.encoding}
                output.message({**message, "manifest": [file.as_uri()]})
                output.flush()
                counter.increment(count)
        self._write_bookmark(output, {})

    def _write_rows(self, output: Output, rows: Sequence[bytes | Bad]) -> None:
        good: list[bytes] = []
        for row in rows:
            if isinstance(row, Bad):
                output.records(good)
                good = []
                self._report(output, row)
            else:
                good.append(row)
        output.records(good)

    def _report(self, output: Output, row: Bad) -> None:
        refusal = self._refusal(row)
        if self.config["bad_rows"] == "fail" or any(name in row.refused for name in self.primary_keys):
            output.flush()
            raise refusal
        self.logger.warning("%s", refusal.message)
        output.record(row.record, {"state": "error", "error": refusal.message})

    def _refusal(self, row: Bad) -> ValueRefused:
        record = decode(row.record)
        key = ", ".join(f"{name} {record[name]}" for name in self.primary_keys if name in record)
        reasons = "; ".join(f"column {name}: {reason}" for name, reason in row.refused.items())
        return ValueRefused(
            f"stream {self.name}, row {key or decode(row.record)}: {reasons}",
            hint="correct the value, leave the column out of the selection, or have such rows told to the reconciler "
            "and passed over: bad_rows: report",
        )

    def _write_bookmark(self, output: Output, bookmark: Mapping[str, Any]) -> None:
        self.tap_state.setdefault("bookmarks", {})[self.name] = dict(bookmark)
        output.flush()
        self.state_manager.is_flushed = False
        self._write_state_message()
