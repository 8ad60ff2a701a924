"""`target-sql`: the target, its settings, its one connection."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import sqlalchemy as sa
from singer_sdk import typing as th
from singer_sdk.helpers.capabilities import CapabilitiesEnum

from tap_sql.engines import connected
from target_kit import Capability, CheckReport, OperationSink, OperationTarget, SettingsError, TargetError
from target_kit.batches import local_files
from target_kit.reading import ChunkReader
from target_sql import binary
from target_sql.arrow import FORMATS, record_batches, rows_of
from target_sql.bulk import stream_of
from target_sql.checks import check
from target_sql.engines import make_engine
from target_sql.faults import ended
from target_sql.receipts import ReceiptsTable
from target_sql.sinks import SQLSink
from target_sql.tables import Rules
from target_sql.writers import Mode, Writer, writer_for

if TYPE_CHECKING:
    import pyarrow as pa

    from target_sql.writers.postgres_files import PostgresFiles

_MODES = [mode.value for mode in Mode]
_DELETES = ["hard", "soft"]


class TargetSQL(OperationTarget):
    """Writes Singer streams into databases: PostgreSQL, DuckDB, SQLite, MySQL, MariaDB and others of SQLAlchemy.

    One setting is enough: `url`. Operations of the reconciler are compared and set, each with its receipt, exactly
    once; any other tap's records are loaded in bulk.
    """

    name = "target-sql"
    default_sink_class = SQLSink
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        *OperationTarget.capabilities,
        Capability.COMPARE_AND_SET,
        Capability.READ_BACK,
        Capability.IDEMPOTENT_CREATE,
        Capability.DELETES,
    ]
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property(
            "url",
            th.StringType,
            required=True,
            secret=True,
            title="Database",
            description="A SQLAlchemy URL, for instance `postgresql://me:secret@db.example.com/shop`, "
            "`duckdb:////var/lib/shop.duckdb`, `sqlite:////var/lib/shop.db`.",
        ),
        th.Property(
            "schema",
            th.StringType,
            title="Schema",
            description="Schema for all tables. Without it a stream `sales-orders` is the table `orders` of the schema "
            "`sales`, and a stream `orders` is in the schema that the connection looks in by itself.",
        ),
        th.Property(
            "mode",
            th.StringType,
            allowed_values=_MODES,
            title="Mode",
            description="What rows do to their table. `upsert` (streams with a key): add and change; `append` (streams "
            "without): add every row; `insert`: add rows whose key is new; `update`: change rows whose key is there; "
            "`mirror`: upsert, and when all was sent delete what was not.",
        ),
        th.Property(
            "deletes",
            th.StringType,
            allowed_values=_DELETES,
            title="Deletes",
            description="What a deletion does: `hard` removes the row, `soft` sets `_sdc_deleted_at`. Without it: hard "
            "for operations of the reconciler, soft for records of ordinary taps.",
        ),
        th.Property(
            "streams",
            th.ObjectType(
                additional_properties=th.ObjectType(
                    th.Property("table", th.StringType, description="`table` or `schema.table`."),
                    th.Property("mode", th.StringType, allowed_values=_MODES),
                    th.Property("deletes", th.StringType, allowed_values=_DELETES),
                )
            ),
            title="Streams",
            description="Per stream: `table`, `mode`, `deletes`.",
        ),
        th.Property(
            "names",
            th.StringType,
            allowed_values=["keep", "fold"],
            default="keep",
            title="Names",
            description="Names of new tables and columns: `keep` them as they are, or `fold` them to what needs no "
            "quotes. A column that differs from its property in case alone is found either way.",
        ),
        th.Property("create_tables", th.BooleanType, default=True, description="Whether missing tables are created."),
        th.Property("add_columns", th.BooleanType, default=True, description="Whether missing columns are added."),
        th.Property(
            "widen_columns",
            th.BooleanType,
            default=False,
            description="Whether a column becomes wider when its stream says so: whole numbers to decimals, anything "
            "to text (PostgreSQL and DuckDB).",
        ),
        th.Property(
            "lock_timeout",
            th.NumberType,
            default=5.0,
            description="Seconds to wait for a row that somebody else has locked.",
        ),
        th.Property(
            "max_delete",
            th.NumberType,
            default=50.0,
            description="Per cent of a table that `mirror` may delete in one run; more stops it before it deletes.",
        ),
    ).to_dict()

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._engine = make_engine(self.config["url"])
        weakref.finalize(self, self._engine.dispose)
        self._receipts_tables: dict[str | None, ReceiptsTable] = {}
        self._streams: dict[str, int] = {}
        self._fresh: dict[str, bool] = {}
        self._last_was_state = False
        if isinstance(self.message_reader, ChunkReader):
            self.message_reader.bulk = self._take_in_bulk

    # ---- records

    def _take_in_bulk(self, chunk: bytes, start: int) -> int:
        """Take a run of plain records of one stream; up to where it goes."""
        stream = stream_of(chunk, start)
        sink = self._sinks_active.get(stream) if stream is not None else None
        if stream is None or not isinstance(sink, SQLSink) or sink.has_operations() or not self.is_plain(stream):
            return start
        if sink.bulk is None or sink.connection is not self.connection:
            return start
        end = sink.bulk.take(chunk, start)
        if end > start:
            self.plain_records_came(stream)
            self._last_was_state = False
        if sink.is_full:
            self.drain_one(sink)
        return end

    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        """Files of columns go in as columns; anything else as in every target of ours."""
        encoding = message_dict.get("encoding") or {}
        form, stream = encoding.get("format"), str(message_dict.get("stream"))
        if form not in (*FORMATS, binary.FORMAT):
            super()._process_batch_message(message_dict)
            return
        where = f"line {self.message_reader.line}" if isinstance(self.message_reader, ChunkReader) else "the input"
        if form == binary.FORMAT:
            types, files = binary.types_in(encoding, where), self.writer.files
            if files is None:
                raise TargetError(
                    f"{where}: a BATCH in the format {form!r}, which is for PostgreSQL alone",
                    hint="set `batch_config.encoding.format` of the tap to parquet",
                )
            for path in local_files(message_dict, where):
                self._load_file(stream, binary.BinaryFile(path, types), files)
            return
        for path in local_files(message_dict, where):
            for columns in record_batches(path, form, where):
                self._load_columns(stream, columns)

    def _load_columns(self, stream: str, columns: pa.RecordBatch) -> None:
        sink = self._direct_sink(stream)
        if sink is None:
            self._take_records(stream, rows_of(columns))
            return
        sink.load_columns(columns)
        self._took_batch(stream)

    def _load_file(self, stream: str, file: binary.BinaryFile, files: PostgresFiles) -> None:
        sink = self._direct_sink(stream)
        if sink is None:
            with ended(f"reading {file.path}"), self.connection.begin():
                records = files.records_of(file)
            self._take_records(stream, records)
            return
        sink.load_file(file, files)
        self._took_batch(stream)

    def _direct_sink(self, stream: str) -> SQLSink | None:
        """The sink of a stream whose records go in as they come, whole batches at once."""
        sink = self._sinks_active.get(stream)
        if not isinstance(sink, SQLSink) or sink.has_operations() or not self.is_plain(stream):
            return None
        return sink if sink.connection is self.connection else None

    def _took_batch(self, stream: str) -> None:
        self.plain_records_came(stream)
        self._last_was_state = False

    def _take_records(self, stream: str, records: Iterable[Mapping[str, Any]]) -> None:
        for record in records:
            self._process_record_message({"stream": stream, "record": dict(record)})

    # ---- what the sinks share

    @cached_property
    def connection(self) -> sa.Connection:
        """The one connection. Raises `TargetError`."""
        with ended("connecting"):
            return connected(self._engine, float(self.config.get("lock_timeout", 5.0)))

    @cached_property
    def writer(self) -> Writer:
        """How this database is written."""
        with ended("connecting"):
            return writer_for(self.connection, lock_timeout=float(self.config.get("lock_timeout", 5.0)))

    @property
    def rules(self) -> Rules:
        """What may be done to tables."""
        return Rules(
            create=self.config.get("create_tables", True),
            add_columns=self.config.get("add_columns", True),
            widen=self.config.get("widen_columns", False),
            fold=self.config.get("names") == "fold",
        )

    def stream_settings(self, stream: str) -> Mapping[str, Any]:
        """What `streams` says of one."""
        found = self.config.get("streams", {}).get(stream, {})
        if not isinstance(found, dict):
            raise SettingsError(f"`streams.{stream}` is no object", hint="it holds `table`, `mode`, `deletes`")
        return found

    def receipts_table(self, schema: str | None) -> ReceiptsTable:
        """The receipts beside the tables of a schema."""
        if schema not in self._receipts_tables:
            table = ReceiptsTable(self.connection, schema)
            table.prepare()
            self._receipts_tables[schema] = table
        return self._receipts_tables[schema]

    def begin_stream(self, sink: SQLSink) -> bool:
        """Whether the sink's table held nothing when the run began; its mirror is started."""
        name = str(sink.address)
        if name not in self._streams:
            self._streams[name] = len(self._streams)
            with ended(f"looking at {name}"), self.connection.begin():
                one = sa.select(sa.literal(1)).select_from(sink.table.core).limit(1)
                empty = self.connection.execute(one).first() is None
                self._fresh[name] = empty and sink.table.holds_unique(sink.key)
                if sink.mode is Mode.MIRROR:
                    self.writer.start_mirror(sink.table, sink.key, self._streams[name])
        return self._fresh[name]

    def number_of(self, sink: SQLSink) -> int:
        """The stream's place in the run."""
        return self._streams[str(sink.address)]

    # ---- the end

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        super()._process_state_message(message_dict)
        self._last_was_state = True

    def _write_state_message(self, state: dict[str, Any]) -> None:
        """Print the STATE; whoever reads it may look at what was written, also where one process at a time may."""
        if self.config.get("follow") and self._engine.dialect.name == "duckdb":
            self._let_go()
        super()._write_state_message(state)

    def _let_go(self) -> None:
        """Give the database back, until there is more to write."""
        self.close()
        self._receipts_tables.clear()
        for name in ("writer", "connection"):
            self.__dict__.pop(name, None)

    def _operation_sink(self, stream: str) -> OperationSink:
        sink = super()._operation_sink(stream)
        if isinstance(sink, SQLSink) and sink.connection is not self.connection:
            sink.setup()
        return sink

    def _hand_over(self, stream: str, work: Any) -> None:
        self._last_was_state = False
        super()._hand_over(stream, work)

    def process_endofpipe(self) -> None:
        """Write the rest; then mirrors lose what was not sent."""
        self.wake()
        if not self._refused:
            self._finish_mirrors()
        super().process_endofpipe()
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        if "writer" in self.__dict__:
            self.writer.close()
        if "connection" in self.__dict__:
            self.connection.close()
        self._engine.dispose()

    def _finish_mirrors(self) -> None:
        for sink in self._sinks_active.values():
            if not isinstance(sink, SQLSink) or sink.mode is not Mode.MIRROR:
                continue
            if not self._last_was_state:
                self.logger.warning(
                    "%s: the input ended without a STATE behind its last record, so that nobody knows whether all "
                    "was sent: nothing is deleted.",
                    sink.stream_name,
                )
                continue
            number = self.number_of(sink)
            soft = sink.soft_rows
            if soft:
                sink.need_soft_column()
            with ended(f"mirroring {sink.address}"), self.connection.begin():
                unseen, total = self.writer.unseen(sink.table, sink.key, number)
                allowed = float(self.config.get("max_delete", 50.0))
                if unseen * 100 > total * allowed:
                    raise TargetError(
                        f"{sink.stream_name}: {unseen} of {total} rows were not sent, more than the {allowed:g} % that "
                        "`mirror` may delete, and none was",
                        hint="see that the tap sends everything, or raise `max_delete` for this run",
                    )
                self.writer.delete_unseen(sink.table, sink.key, number, soft=soft)

    # ---- checks

    def check(self, streams: Sequence[str], *, fix: bool) -> CheckReport:
        """Look at the connection, the rights, and the table and link key of each stream."""
        return check(self, streams, fix=fix)
