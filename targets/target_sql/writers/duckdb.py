"""DuckDB: a batch becomes a file that DuckDB itself parses, then one statement."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from target_kit import Fault
from target_sql.batches import Batch, csv_of
from target_sql.columns import Column, Kind
from target_sql.faults import RowRefused, told
from target_sql.tables import SOFT, Table, quoted
from target_sql.writers.base import Mode, Writer

if TYPE_CHECKING:
    import pyarrow as pa

_LINE = 1 << 20


class DuckDBWriter(Writer):
    """A file that this process alone may write."""

    batch_rows = 100_000
    takes_columns = True

    def prepare(self) -> None:
        """Moments without a zone are UTC; memory has a bound."""
        self._run("SET TimeZone = 'UTC'")
        self._run("SET memory_limit = '192MiB'")
        self._run("SET threads = 2")
        self._run("SET preserve_insertion_order = true")

    def load(self, table: Table, batch: Batch, key: Sequence[str], mode: Mode, *, fresh: bool) -> None:
        """One statement for the batch."""
        columns = [table.columns[name] for name in batch.columns]
        with tempfile.TemporaryDirectory(prefix="target-sql-") as folder:
            rows = self._source(Path(folder) / "rows.csv", columns, batch.lines)
            if batch.doubled and key and mode is not Mode.APPEND:
                rows = f"SELECT * EXCLUDE (antiphon_n) FROM ({_numbered(rows)}) {_last(key)}"
            for statement in self._over(table, columns, rows, key, mode, fresh=fresh):
                with told(f"writing {table.address}"):
                    self.connection.exec_driver_sql(statement)

    def load_columns(
        self,
        table: Table,
        names: Sequence[str],
        columns: pa.RecordBatch,
        key: Sequence[str],
        mode: Mode,
        *,
        fresh: bool,
        doubled: bool,
    ) -> None:
        """By a Parquet file, the form of columns that DuckDB reads by itself."""
        import pyarrow as pa  # noqa: PLC0415 - an extra, and at hand where columns are
        import pyarrow.parquet as pq  # noqa: PLC0415

        targets = [table.columns[name] for name in names]
        with tempfile.TemporaryDirectory(prefix="target-sql-") as folder:
            path = Path(folder) / "columns.parquet"
            pq.write_table(pa.Table.from_batches([columns.rename_columns(list(names))]), path, compression="none")
            cast = ", ".join(f"CAST({quoted(c.name)} AS {c.sql}) AS {quoted(c.name)}" for c in targets)
            rows = f"SELECT {cast} FROM read_parquet('{path}')"
            if doubled and mode is not Mode.APPEND:
                rows = f"SELECT * EXCLUDE (antiphon_n) FROM ({_numbered(rows)}) {_last(key)}"
            for statement in self._over(table, targets, rows, key, mode, fresh=fresh):
                with told(f"writing {table.address}"):
                    self.connection.exec_driver_sql(statement)

    def _over(
        self, table: Table, columns: Sequence[Column], rows: str, key: Sequence[str], mode: Mode, *, fresh: bool
    ) -> list[str]:
        name, names = table.address.quoted, ", ".join(quoted(column.name) for column in columns)
        rest = [column.name for column in columns if column.name not in key]
        into = f"INSERT INTO {name} ({names})"
        if mode is Mode.APPEND or not key or (fresh and mode is not Mode.UPDATE):
            return [f"{into} {rows}"]
        same = " AND ".join(f"t.{quoted(n)} = s.{quoted(n)}" for n in key)
        alive = [f"{quoted(SOFT)} = NULL"] if SOFT in table.columns and SOFT not in rest else []
        sets = ", ".join([*(f"{quoted(n)} = s.{quoted(n)}" for n in rest), *alive])
        update = f"UPDATE {name} AS t SET {sets} FROM ({rows}) s WHERE {same}"
        if rest:
            different = " OR ".join(f"t.{quoted(n)} IS DISTINCT FROM s.{quoted(n)}" for n in rest)
            different += f" OR t.{quoted(SOFT)} IS NOT NULL" if alive else ""
            update += f" AND ({different})"
        missing = f"{into} SELECT {names} FROM ({rows}) s WHERE NOT EXISTS (SELECT 1 FROM {name} t WHERE {same})"
        return [
            *([update] if rest and mode is not Mode.INSERT else []),
            *([missing] if mode is not Mode.UPDATE else []),
        ]

    def delete(self, table: Table, keys: Sequence[bytes], key: Sequence[str], *, soft: bool) -> None:
        """All at once."""
        with tempfile.TemporaryDirectory(prefix="target-sql-") as folder:
            rows = self._source(Path(folder) / "keys.csv", [table.columns[name] for name in key], keys)
            same = " AND ".join(f"t.{quoted(n)} = s.{quoted(n)}" for n in key)
            there = f"EXISTS (SELECT 1 FROM ({rows}) s WHERE {same})"
            name = table.address.quoted
            what = f"UPDATE {name} AS t SET {quoted(SOFT)} = now()" if soft else f"DELETE FROM {name} AS t"
            with told(f"deleting from {table.address}"):
                self.connection.exec_driver_sql(f"{what} WHERE {there}")

    def see(self, table: Table, keys: Sequence[bytes], key: Sequence[str], number: int) -> None:
        """All at once."""
        with tempfile.TemporaryDirectory(prefix="target-sql-") as folder:
            rows = self._source(Path(folder) / "keys.csv", [table.columns[name] for name in key], keys)
            with told(f"mirroring {table.address}"):
                self.connection.exec_driver_sql(f"INSERT INTO {self.seen_table}_{number} {rows}")

    def _source(self, path: Path, columns: Sequence[Column], lines: Sequence[bytes]) -> str:
        """The SELECT of the rows. Text is parsed by the type it goes into, so that decimals keep every digit."""
        try:
            rows = csv_of(lines, [column.kind in {Kind.JSON, Kind.ARRAY} for column in columns])
        except ValueError as error:
            raise RowRefused(Fault("ValueRefused", f"a value is no text: {error}")) from error
        if any(b"\0" in row for row in rows):
            raise RowRefused(Fault("ValueRefused", "text in databases has no NUL byte"))
        longest = max(_LINE, 2 * max(map(len, rows), default=0))
        path.write_bytes(b"\n".join(rows) + b"\n")
        listed = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(len(columns)))
        cast = ", ".join(
            f"{self._restored(column, f'c{number}')} AS {quoted(column.name)}" for number, column in enumerate(columns)
        )
        return (
            f"SELECT {cast} FROM read_csv('{path}', header = false, delim = ',', quote = '\"', escape = '\\', "
            "nullstr = 'null', allow_quoted_nulls = false, auto_detect = false, new_line = '\\n', parallel = false, "
            f"max_line_size = {longest}, buffer_size = {2 * longest}, columns = {{{listed}}})"
        )

    @staticmethod
    def _restored(column: Column, name: str) -> str:
        """The column's value from its text."""
        if column.kind is Kind.BYTES:
            return f"from_base64({name})"
        if column.kind is Kind.ARRAY:
            return f"CAST(from_json({name}, '[\"VARCHAR\"]') AS {column.sql})"
        if column.kind is Kind.TIMESTAMP:  # read directly, it would lose the offset of a moment that has one
            return f"CAST(CAST({name} AS TIMESTAMPTZ) AT TIME ZONE 'UTC' AS {column.sql})"
        return f"CAST({name} AS {column.sql})"


def _numbered(rows: str) -> str:
    return f"SELECT *, row_number() OVER () AS antiphon_n FROM ({rows})"


def _last(key: Sequence[str]) -> str:
    """Of a key that came more than once, the last row."""
    return f"QUALIFY row_number() OVER (PARTITION BY {', '.join(map(quoted, key))} ORDER BY antiphon_n DESC) = 1"
