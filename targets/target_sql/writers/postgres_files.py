"""Files in PostgreSQL's own binary form of COPY: straight into the table, or by way of a stage of the file's types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from target_kit import Fault
from target_sql.binary import BinaryFile, ColumnType, casts, declared, is_same, json_of
from target_sql.columns import Column
from target_sql.faults import RowRefused, told
from target_sql.tables import Table, quoted
from target_sql.writers.base import Mode

if TYPE_CHECKING:
    from target_sql.writers.postgres import PostgresWriter

STAGE = "pg_temp.antiphon_stage"
_TYPES = """
SELECT attname, format_type(atttypid, atttypmod), format_type(atttypid, -1) FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
"""
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class PostgresFiles:
    """Writes such files through a writer's connection, in the transaction that is open."""

    def __init__(self, writer: PostgresWriter) -> None:
        self._writer = writer

    def load(
        self,
        table: Table,
        file: BinaryFile,
        targets: Mapping[str, Column],
        key: Sequence[str],
        mode: Mode,
        *,
        fresh: bool,
    ) -> int | None:
        """COPY a file; how many rows, or None if its types are not sure to fit the table's.

        `targets`: the column for each of the file's names. Straight in where types are the same and no key can be there
        yet, else into a stage of the file's types and over from there.
        """
        here = self._types(table)
        straight = mode is Mode.APPEND or not key or (fresh and mode is not Mode.UPDATE)
        same = all(is_same(file.types[name], here[column.name]) for name, column in targets.items())
        if straight and same and len(targets) == len(file.types) and not any(c.always for c in targets.values()):
            return self._copy_file(table.address.quoted, [column.name for column in targets.values()], file)
        shown = casts(file, targets, here)
        if shown is None:
            return None
        rows = self._stage_file(file)
        columns = list(targets.values())
        if changes := [cast.changes for cast in shown if cast.changes]:
            self._refuse_any(" OR ".join(changes))
        listed = ", ".join(f"{cast.expression} AS {quoted(c.name)}" for cast, c in zip(shown, columns, strict=True))
        source = f"(SELECT {listed}, ctid FROM {STAGE})"
        doubled = not straight and self._is_doubled(source, key)
        for statement in self._writer.over(
            table, columns, key, Mode.APPEND if straight else mode, doubled=doubled, source=source
        ):
            self._writer.do(statement)
        return rows

    def records_of(self, file: BinaryFile) -> list[Any]:
        """The records of a file, as JSON would show them."""
        self._stage_file(file)
        with told("reading a BATCH file"):
            rows = self._writer.connection.exec_driver_sql(
                f"SELECT row_to_json(s)::text FROM (SELECT {json_of(file)} FROM {STAGE}) s".replace("%", "%%")
            )
            return [_decode(row) for (row,) in rows]

    def _refuse_any(self, condition: str) -> None:
        """Raise `RowRefused` if the stage has a row that the table would hold changed."""
        with told("looking at a stage"):
            query = f"SELECT 1 FROM {STAGE} WHERE {condition} LIMIT 1".replace("%", "%%")
            if self._writer.connection.exec_driver_sql(query).first() is not None:
                raise RowRefused(Fault("ValueRefused", "a value does not fit into its column"))

    def _stage_file(self, file: BinaryFile) -> int:
        self._writer.do(f"DROP TABLE IF EXISTS {STAGE}")
        self._writer.do(f"CREATE TEMPORARY TABLE antiphon_stage ({declared(file)}) ON COMMIT DROP")
        return self._copy_file(STAGE, list(file.types), file)

    def _is_doubled(self, source: str, key: Sequence[str]) -> bool:
        keys = ", ".join(map(quoted, key))
        with told("looking at a stage"):
            found = self._writer.connection.exec_driver_sql(
                f"SELECT 1 FROM {source} s GROUP BY {keys} HAVING count(*) > 1 LIMIT 1".replace("%", "%%")
            )
            return found.first() is not None

    def _copy_file(self, name: str, columns: Sequence[str], file: BinaryFile) -> int:
        return self._writer.copy_text(name, columns, file.pieces(), "(FORMAT binary)")

    def _types(self, table: Table) -> Mapping[str, ColumnType]:
        with told(f"looking at {table.address}"):
            rows = self._writer.connection.exec_driver_sql(_TYPES, (table.address.quoted,))
            return {name: ColumnType(whole, bare) for name, whole, bare in rows}
