"""PostgreSQL: COPY of JSON tokens into a staging table, then one statement for the whole batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import psycopg

from target_kit import Fault
from target_sql.arrow import binary_form, to_csv
from target_sql.batches import Batch, csv_of
from target_sql.columns import Column, Kind
from target_sql.faults import RowRefused, told_by_driver
from target_sql.tables import SOFT, Table, quoted
from target_sql.writers.base import Mode, Writer
from target_sql.writers.postgres_files import STAGE, PostgresFiles

if TYPE_CHECKING:
    import pyarrow as pa

_FORM = "(FORMAT csv, NULL 'null', QUOTE '\"', ESCAPE '\\')"
_CHUNK = 2_000


class PostgresWriter(Writer):
    """A server of version 12 or newer, through psycopg."""

    batch_rows = 100_000
    takes_columns = True

    def prepare(self) -> None:
        """Text means the same whatever the server's, the database's or the role's settings."""
        self._adbc: Any = None
        for statement in (
            "SET TimeZone = 'UTC'",
            "SET DateStyle = 'ISO, YMD'",
            "SET client_encoding = 'UTF8'",
            "SET standard_conforming_strings = on",
            "SET bytea_output = 'hex'",
            "SET client_min_messages = warning",
            f"SET lock_timeout = {round(self.lock_timeout * 1000)}",
        ):
            self.connection.exec_driver_sql(statement)
        self.connection.commit()

    @property
    def files(self) -> PostgresFiles:
        """Files of the server's own form."""
        return PostgresFiles(self)

    def load(self, table: Table, batch: Batch, key: Sequence[str], mode: Mode, *, fresh: bool) -> None:
        """COPY straight into the table where no key can be there yet, else into a stage and over from there."""
        columns = [table.columns[name] for name in batch.columns]
        straight = mode is Mode.APPEND or not key or (fresh and not batch.doubled and mode is not Mode.UPDATE)
        if straight and not any(_converted(column) or column.always for column in columns):
            self._copy(table.address.quoted, columns, batch.lines)
            return
        self._stage(table, columns, batch.lines)
        for statement in self.over(table, columns, key, mode, doubled=batch.doubled):
            self.do(statement)

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
        """Straight by ADBC's binary COPY where types allow, else COPY of CSV that Arrow writes."""
        targets = [table.columns[name] for name in names]
        straight = mode is Mode.APPEND or not key or (fresh and mode is not Mode.UPDATE)
        if straight and self._ingest(table, targets, columns):
            return
        text = to_csv(columns)
        if straight and not any(_converted(column) or column.always for column in targets):
            self.copy_text(table.address.quoted, names, [text], "(FORMAT csv)")
            return
        self._make_stage(table, targets)
        self.copy_text(STAGE, names, [text], "(FORMAT csv)")
        for statement in self.over(table, targets, key, mode, doubled=doubled):
            self.do(statement)

    def _ingest(self, table: Table, targets: Sequence[Column], columns: pa.RecordBatch) -> bool:
        """Whether the columns went in by ADBC, over a connection and in a transaction of its own."""
        if any(column.always for column in targets) or (binary := binary_form(targets, columns)) is None:
            return False
        try:
            import adbc_driver_manager  # noqa: PLC0415 - an extra
            import adbc_driver_postgresql.dbapi as adbc  # type: ignore[import-untyped]  # noqa: PLC0415
        except ModuleNotFoundError:
            return False
        with told_by_driver(f"writing {table.address}", adbc_driver_manager.Error):
            if self._adbc is None:
                url = self.connection.engine.url.set(drivername="postgresql")
                self._adbc = adbc.connect(url.render_as_string(hide_password=False))
            try:
                with self._adbc.cursor() as cursor:
                    cursor.adbc_ingest(table.address.name, binary, mode="append", db_schema_name=table.address.schema)
                self._adbc.commit()
            except adbc_driver_manager.Error:
                self._adbc.rollback()
                raise
        return True

    def close(self) -> None:
        """Close ADBC's connection."""
        if self._adbc is not None:
            self._adbc.close()
            self._adbc = None

    def delete(self, table: Table, keys: Sequence[bytes], key: Sequence[str], *, soft: bool) -> None:
        """All at once."""
        self._stage(table, [table.columns[name] for name in key], keys)
        here = self._same(key, "t", "s")
        if soft:
            self.do(f"UPDATE {table.address.quoted} t SET {quoted(SOFT)} = now() FROM {STAGE} s WHERE {here}")
        else:
            self.do(f"DELETE FROM {table.address.quoted} t USING {STAGE} s WHERE {here}")

    def see(self, table: Table, keys: Sequence[bytes], key: Sequence[str], number: int) -> None:
        """All at once."""
        self._copy(f"pg_temp.{quoted(f'{self.seen_table}_{number}')}", [table.columns[name] for name in key], keys)

    # ---- statements

    def _stage(self, table: Table, columns: Sequence[Column], lines: Sequence[bytes]) -> None:
        self._make_stage(table, columns)
        self._copy(STAGE, columns, lines)

    def _make_stage(self, table: Table, columns: Sequence[Column]) -> None:
        listed = ", ".join(f"{_staged(column)} AS {quoted(column.name)}" for column in columns)
        like = f"SELECT {listed} FROM {table.address.quoted} LIMIT 0"
        self.do(f"DROP TABLE IF EXISTS {STAGE}")
        self.do(f"CREATE TEMPORARY TABLE antiphon_stage ON COMMIT DROP AS {like}")

    def over(
        self,
        table: Table,
        columns: Sequence[Column],
        key: Sequence[str],
        mode: Mode,
        *,
        doubled: bool,
        source: str = "",
    ) -> list[str]:
        """From the stage into the table; from `source`, if given, where every column is in its final type.

        Of a key that came more than once the last row counts: COPY fills a fresh heap in order, so that `ctid` tells.
        Rows that are the same already are left alone: no trigger, no bloat.
        """
        names = [quoted(column.name) for column in columns]
        keys = [quoted(name) for name in key]
        rest = [column for column in columns if column.name not in key]
        restored = (lambda column: f"s.{quoted(column.name)}") if source else self._restored
        source = source or STAGE
        values = ", ".join(restored(column) for column in columns)
        once = f"DISTINCT ON ({', '.join(keys)}) " if doubled else ""
        order = f" ORDER BY {', '.join(keys)}, ctid DESC" if doubled else ""
        rows = f"SELECT {once}{values} FROM {source} s{order}"
        over = "OVERRIDING SYSTEM VALUE " if any(column.always for column in columns) else ""
        into = f"INSERT INTO {table.address.quoted} AS t ({', '.join(names)}) {over}"
        alive = [f"{quoted(SOFT)} = NULL"] if SOFT in table.columns and SOFT not in [c.name for c in columns] else []
        differs = _differs(rest, "t", "{}") + (f" OR t.{quoted(SOFT)} IS NOT NULL" if alive else "")
        if mode is Mode.APPEND or not key:
            return [f"{into}{rows}"]
        if mode is not Mode.UPDATE and table.holds_unique(key):
            if mode is Mode.INSERT or not rest:
                return [f"{into}{rows} ON CONFLICT ({', '.join(keys)}) DO NOTHING"]
            sets = ", ".join([*(f"{quoted(c.name)} = excluded.{quoted(c.name)}" for c in rest), *alive])
            where = differs.format(*["excluded"] * len(rest))
            return [f"{into}{rows} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {sets} WHERE {where}"]
        statements = []
        if mode is not Mode.INSERT and rest:
            sets = ", ".join([*(f"{quoted(c.name)} = s.{quoted(c.name)}" for c in rest), *alive])
            shown = ", ".join(f"{restored(c)} AS {quoted(c.name)}" for c in columns)
            new = f"(SELECT {once}{shown} FROM {source} s{order}) s"
            where = differs.format(*["s"] * len(rest))
            statements.append(
                f"UPDATE {table.address.quoted} t SET {sets} FROM {new} WHERE {self._same(key, 't', 's')} AND ({where})"
            )
        if mode is not Mode.UPDATE:
            there = f"EXISTS (SELECT FROM {table.address.quoted} t WHERE {self._same(key, 't', 's')})"
            statements.append(f"{into}SELECT {once}{values} FROM {source} s WHERE NOT {there}{order}")
        return statements

    def _same(self, key: Sequence[str], left: str, right: str) -> str:
        return " AND ".join(f"{left}.{quoted(name)} = {right}.{quoted(name)}" for name in key)

    def _restored(self, column: Column) -> str:
        name = f"s.{quoted(column.name)}"
        if column.kind is Kind.BYTES:
            return f"decode({name}, 'base64')"
        if column.kind is Kind.TIMESTAMP:
            return f"({name} AT TIME ZONE 'UTC')"
        if column.kind is Kind.ARRAY:
            kind = column.type.compile(dialect=self.connection.dialect)
            filled = f"ARRAY(SELECT jsonb_array_elements_text({name}))::{kind}"
            text = f"({name} #>> '{{}}')::{kind}"  # an array of more than one dimension or of JSON comes as its text
            return f"CASE WHEN jsonb_typeof({name}) = 'array' THEN {filled} ELSE {text} END"
        return name

    # ---- the driver

    def _copy(self, name: str, columns: Sequence[Column], lines: Sequence[bytes]) -> None:
        try:
            rows = csv_of(lines, [column.kind in {Kind.JSON, Kind.ARRAY} for column in columns])
        except ValueError as error:  # a lone surrogate: JSON can write it, no text is
            raise RowRefused(Fault("ValueRefused", f"a value is no text: {error}")) from error
        pieces = (b"\n".join(rows[start : start + _CHUNK]) + b"\n" for start in range(0, len(rows), _CHUNK))
        self.copy_text(name, [column.name for column in columns], pieces, _FORM)

    def copy_text(self, name: str, columns: Sequence[str], pieces: Iterable[bytes | memoryview], form: str) -> int:
        """COPY pieces of text or bytes; how many rows."""
        listed = ", ".join(map(quoted, columns))
        raw: Any = self.connection.connection.driver_connection
        statement = f"COPY {name} ({listed}) FROM STDIN {form}".encode()
        with told_by_driver(f"writing {name}", psycopg.Error), raw.cursor() as cursor:
            with cursor.copy(statement) as copy:
                for piece in pieces:
                    copy.write(piece)
            return int(cursor.rowcount)

    def do(self, statement: str) -> None:
        """Run a statement; percent signs are what they are."""
        raw: Any = self.connection.connection.driver_connection
        with told_by_driver("writing", psycopg.Error), raw.cursor() as cursor:
            cursor.execute(statement.encode())


def _converted(column: Column) -> bool:
    """Whether the JSON text is not what the type itself reads."""
    return column.kind in {Kind.ARRAY, Kind.BYTES, Kind.TIMESTAMP}


def _staged(column: Column) -> str:
    if column.kind is Kind.ARRAY:
        return "NULL::jsonb"
    if column.kind is Kind.TIMESTAMP:  # read directly, it would lose the offset of a moment that has one
        return "NULL::timestamptz"
    return "NULL::text" if column.kind is Kind.BYTES else quoted(column.name)


def _differs(columns: Sequence[Column], left: str, right: str) -> str:
    """Whether any of the columns is not the same; `json` has no equality of its own."""
    if not columns:
        return "false"

    def shown(of: str, column: Column) -> str:
        plain = f"{of}.{quoted(column.name).replace('{', '{{').replace('}', '}}')}"
        return f"{plain}::text" if column.kind in {Kind.JSON, Kind.OTHER} else plain

    pairs = [(shown(left, column), shown(right, column)) for column in columns]
    return f"({', '.join(a for a, _ in pairs)}) IS DISTINCT FROM ({', '.join(b for _, b in pairs)})"
