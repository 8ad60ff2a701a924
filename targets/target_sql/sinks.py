"""One stream into one table: plain rows in batches, operations by compare and set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from antiphon.protocol import DELETED_AT
from target_kit import Operation, OperationSink, Outcome, Rejected, Row, TargetError, split_on_error
from target_sql.arrow import all_different, fits, has_columns, rows_of
from target_sql.batches import Batch, key_of, line_of, values_of
from target_sql.bulk import BulkReader
from target_sql.columns import to_json
from target_sql.faults import RowBusy, RowRefused, fault_of, told, value_refused
from target_sql.operate import Operator, operator_class
from target_sql.tables import SOFT, Table, address_of, prepare
from target_sql.writers import Mode

if TYPE_CHECKING:
    import pyarrow as pa

    from target_sql.binary import BinaryFile
    from target_sql.target import TargetSQL
    from target_sql.writers.postgres_files import PostgresFiles

_TRIES = 3


class SQLSink(OperationSink):
    """Writes one stream."""

    target: TargetSQL

    def setup(self) -> None:
        """Find or make the table."""
        own = self.target.stream_settings(self.stream_name)
        self.connection = self.target.connection
        self.writer = self.target.writer
        self.address = address_of(
            self.stream_name,
            self.connection.dialect.name,
            self.config.get("schema"),
            own.get("table"),
            fold=self.target.rules.fold,
        )
        properties = {n: s for n, s in self.schema["properties"].items() if n != DELETED_AT}
        self.soft_rows = own.get("deletes", self.config.get("deletes", "soft")) == "soft"
        self._soft_operations = own.get("deletes", self.config.get("deletes", "hard")) == "soft"
        if DELETED_AT in self.schema["properties"] and self.soft_rows:
            properties[DELETED_AT] = {"type": ["string", "null"], "format": "date-time"}
        self.table, self.names = self._prepared(properties)
        self.key = tuple(self.names[name] for name in self.key_properties)
        self.mode = Mode(own.get("mode", self.config.get("mode", Mode.UPSERT if self.key else Mode.APPEND)))
        if self.mode is not Mode.APPEND and not self.key:
            raise TargetError(
                f"the stream {self.stream_name!r} has no key, so that its mode cannot be {self.mode}",
                hint="let its tap name `key_properties`, or set the mode append",
            )
        self.columns = tuple(c for n, c in self.names.items() if n != DELETED_AT and self.table.columns[c].writable)
        self._properties = {column: name for name, column in self.names.items()}
        self._batches: dict[tuple[str, ...], Batch] = {}
        self._deleted: set[bytes] = set()
        self._sent: set[bytes] = set()  # keys of a mirror, whose rows are not missing although they are refused
        self._refused: list[tuple[Row, Rejected]] = []
        self.fresh = self.target.begin_stream(self)
        self._operator: Operator | None = None

    def _prepared(self, properties: Mapping[str, Any]) -> tuple[Table, dict[str, str]]:
        with self.connection.begin():
            return prepare(self.connection, self.address, properties, self.key_properties, self.target.rules)

    @property
    def max_size(self) -> int:
        """Rows that are written at once."""
        return int(self.config.get("batch_size_rows", self.writer.batch_rows))

    # ---- operations

    def operate(self, operations: Sequence[Operation]) -> list[Outcome]:
        """Compare and set, with the receipt in the same transaction."""
        if self._operator is None:
            self._operator = operator_class(self.connection)(
                self.connection,
                self.writer,
                self.table,
                self.names,
                tuple(self.key_properties),
                self.target.sync_key,
                self.target.receipts_table(self.address.schema),
                self._soft_operations,
            )
        return self._operator.operate(operations)

    # ---- rows

    def load(self, rows: Sequence[Row]) -> list[tuple[Row, Rejected]]:
        """Write rows at once."""
        for row in rows:
            self.collect(row)
        return self.write_collected()

    def collect(self, row: Row) -> None:
        """Sort a row into the batch of those that have the same columns."""
        record = {column: row.record[name] for column, name in self._properties.items() if name in row.record}
        key = key_of(record, self.key) if self.key else None
        if row.deleted and key is None:
            raise TargetError(f"a deletion in {self.stream_name!r}, which has no key")
        if refused := self._unfit(record, self.key if row.deleted else self.columns):
            self._refused.append((row, Rejected(refused.fault)))
            if key is not None:
                self._sent.add(key)
            return
        if key is not None and row.deleted:
            self._write_if(key)
            self._deleted.add(key)
            return
        columns = tuple(column for column in self.columns if column in record)
        if columns not in self._batches or (key is not None and key in self._deleted):
            self._write_if(key)
        try:
            self._batch(columns).add(line_of(record, columns), key)
        except UnicodeEncodeError as error:  # a lone surrogate
            self._refused.append((row, Rejected(fault_of(error))))

    def _unfit(self, record: Mapping[str, Any], columns: Iterable[str]) -> RowRefused | None:
        """Why one of the columns does not hold its value unchanged."""
        for column in columns:
            if column in record and (refused := self.table.columns[column].refuse(record[column])):
                return refused
        return None

    def write_collected(self) -> list[tuple[Row, Rejected]]:
        """Write what was collected; of a key that came twice the later row counts."""
        self._write_rows()
        refused, self._refused = self._refused, []
        return refused

    # ---- rows in bulk

    @cached_property
    def bulk(self) -> BulkReader | None:
        """The way of plain records that need no look of their own; None if it cannot read a property of that name."""
        try:
            return BulkReader(self)
        except ValueError:
            return None

    def property_of(self, column: str) -> str:
        """The stream's name of a column."""
        return self._properties[column]

    def bulk_batch(self) -> Batch:
        """The batch of whole rows, with nothing else before it."""
        if self._deleted or any(columns != self.columns for columns in self._batches):
            self._write_rows()
        return self._batch(self.columns)

    def refuse_line(self, line: bytes, column: str, why: str) -> None:
        """A row of `bulk_batch` is not added: a value in it does not fit into a column."""
        record = dict(zip(self.columns, values_of(line), strict=True))
        refused = Rejected(value_refused(column, record[column], why).fault)
        self._refused.append((Row({self._properties[name]: value for name, value in record.items()}), refused))

    def took(self, rows: int) -> None:
        """So many rows were added to `bulk_batch`."""
        self.tally_record_read(rows)

    # ---- columns of a BATCH

    def load_columns(self, columns: pa.RecordBatch) -> None:
        """Write columns at once; row by row where the database or a value does not let that be."""
        known = [name for name in columns.schema.names if self.names.get(name) in self.columns]
        names = tuple(self.names[name] for name in known)
        picked = columns.select(known)
        places = [names.index(name) for name in self.key if name in names]
        whole = len(places) == len(self.key) and DELETED_AT not in columns.schema.names and self.mode is not Mode.MIRROR
        targets = [self.table.columns[name] for name in names]
        self._write_rows()
        if whole and self.writer.takes_columns and has_columns(targets, picked) and fits(targets, picked):
            doubled = bool(self.key) and not all_different(picked, places)
            try:
                self._in_transaction(
                    lambda: self.writer.load_columns(
                        self.table,
                        names,
                        picked,
                        self.key,
                        self.mode,
                        fresh=self.fresh and not doubled,
                        doubled=doubled,
                    )
                )
            except RowRefused:
                pass  # which row it was is found below
            else:
                self.tally_record_read(columns.num_rows)
                return
        for record in rows_of(columns):
            shown = {name: to_json(value) for name, value in record.items()}
            self.take(Row(shown, deleted=shown.get(DELETED_AT) is not None))

    def load_file(self, file: BinaryFile, files: PostgresFiles) -> None:
        """Write a file of PostgreSQL's own form at once; record by record where a type or a value does not let it."""
        targets = {n: self.table.columns[self.names[n]] for n in file.types if self.names.get(n) in self.columns}
        whole = {column.name for column in targets.values()} >= set(self.key) and DELETED_AT not in file.types
        self._write_rows()
        if whole and self.mode is not Mode.MIRROR:
            written: list[int | None] = []
            try:
                self._in_transaction(
                    lambda: written.append(files.load(self.table, file, targets, self.key, self.mode, fresh=self.fresh))
                )
            except RowRefused:
                pass  # which row it was is found below
            else:
                if written[-1] is not None:
                    self.tally_record_read(written[-1])
                    return
        records: list[Any] = []
        self._in_transaction(lambda: records.extend(files.records_of(file)))
        for record in records:
            self.take(Row(record, deleted=record.get(DELETED_AT) is not None))

    # ---- rows, written

    def _write_if(self, key: bytes | None) -> None:
        """Keep the order of what is done to one record."""
        if key is not None and (key in self._deleted or any(key in batch.keys for batch in self._batches.values())):
            self._write_rows()

    def _batch(self, columns: tuple[str, ...]) -> Batch:
        """The batch of rows that have these columns."""
        found = self._batches.get(columns)
        if found is None:
            found = self._batches[columns] = Batch(columns)
        return found

    def _write_rows(self) -> None:
        """Write all that was batched."""
        batches, self._batches = list(self._batches.values()), {}
        for batch in batches:
            if self.mode is Mode.MIRROR:
                self._sent |= batch.keys
            if batch.lines:
                self._write(batch)
        sent, self._sent = sorted(self._sent), set()
        if sent and self.mode is Mode.MIRROR:
            split_on_error(sent, self._see, RowRefused, lambda _key, _error: None)
        if self._deleted:
            deleted, self._deleted = sorted(self._deleted), set()
            if self.soft_rows:
                self.need_soft_column()
            self._in_transaction(lambda: self.writer.delete(self.table, deleted, self.key, soft=self.soft_rows))

    def need_soft_column(self) -> None:
        """See that the table has the column of soft deletions. Raises `TargetError` if it may not be added."""
        if SOFT not in self.table.columns:
            self.table, _ = self._prepared({**self.schema["properties"], SOFT: _MOMENT})

    def _write(self, batch: Batch) -> None:
        def attempt(lines: Sequence[bytes]) -> list[RowRefused | None]:
            part = batch if lines is batch.lines else Batch(batch.columns, list(lines), batch.keys, batch.doubled)
            self._in_transaction(lambda: self.writer.load(self.table, part, self.key, self.mode, fresh=self.fresh))
            return [None] * len(lines)

        results = split_on_error(batch.lines, attempt, RowRefused, lambda _line, error: error)
        for line, error in zip(batch.lines, results, strict=True):
            if error is not None:
                values = dict(zip(batch.columns, values_of(line), strict=True))
                record = {self._properties[column]: value for column, value in values.items()}
                self._refused.append((Row(record), Rejected(fault_of(_named(error, values)))))

    def _see(self, keys: Sequence[bytes]) -> list[None]:
        """Note keys of a mirror; one that no row can have is nobody's."""
        self._in_transaction(lambda: self.writer.see(self.table, keys, self.key, self.target.number_of(self)))
        return [None] * len(keys)

    def _in_transaction(self, work: Any) -> None:
        """Do it in one transaction. A lock that does not go away ends the run: plain rows have nobody to try later."""
        for attempt in range(1, _TRIES + 1):
            try:
                with told(f"writing {self.address}"), self.connection.begin():
                    self.writer.begin()
                    work()
            except RowBusy as error:
                if attempt == _TRIES:
                    raise TargetError(
                        f"{self.address}: {error}", hint="whoever holds the lock is to let go; run again"
                    ) from error
            except RowRefused:
                if not self.fresh:
                    raise
                self.fresh = False  # perhaps a key that came again: the careful way will tell
            else:
                return
        raise TargetError(f"{self.address}: the careful way failed, too")


def _named(error: Exception, values: Mapping[str, Any]) -> Exception:
    """The same by the column's name where COPY, which decodes whole lines, cannot tell it."""
    holding = (name for name, value in values.items() if isinstance(value, str) and "\0" in value)
    name = next(holding, None)
    return value_refused(name, values[name], "text in databases has no NUL byte") if name is not None else error


_MOMENT = {"type": ["string", "null"], "format": "date-time"}
