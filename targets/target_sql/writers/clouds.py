"""Snowflake, BigQuery, Redshift, Databricks: many rows in one statement, since each statement takes its time there.

| database                        | rows with a key                          | source                            |
|---------------------------------|------------------------------------------|-----------------------------------|
| Snowflake, BigQuery, Databricks | MERGE … USING (SELECT … UNION ALL …)     | each one's SQL reference, "MERGE" |
| Redshift, whose MERGE takes a   | UPDATE … FROM and                        | Amazon Redshift Developer Guide,  |
| table as its source alone       | INSERT … WHERE NOT EXISTS                | "MERGE", "UPDATE", "INSERT"       |

They keep no key unique, so that a key in the table more than once stays so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from target_sql.batches import Batch
from target_sql.columns import Column, Kind
from target_sql.tables import SOFT, Table
from target_sql.writers.base import Mode, Writer

_PARAMETERS = {"snowflake": 10_000, "bigquery": 5_000, "redshift": 30_000, "databricks": 250}
"""Values in one statement, below what each allows."""
_FROM_HEX = {
    "snowflake": "TO_BINARY({}, 'HEX')",
    "bigquery": "FROM_HEX({})",
    "redshift": "TO_VARBYTE({}, 'hex')",
}
_AS_BOUND = {Kind.TEXT, Kind.BYTES, Kind.OTHER}


class CloudWriter(Writer):
    """Writes batches in sets."""

    batch_rows = 5_000

    def prepare(self) -> None:
        """A moment that is bound without a zone is UTC."""
        if self.dialect == "databricks":
            self._run("SET TIME ZONE 'UTC'")

    def load(self, table: Table, batch: Batch, key: Sequence[str], mode: Mode, *, fresh: bool) -> None:
        """In as few statements as the number of parameters allows."""
        del fresh
        columns = [table.columns[name] for name in batch.columns]
        rows = [[self._sent(value) for value in self._bound(columns, line).values()] for line in batch.lines]
        if batch.doubled and mode is not Mode.APPEND:
            places = [batch.columns.index(name) for name in key]
            rows = list({tuple(row[place] for place in places): row for row in rows}.values())
        for some in self._pieces(rows, len(columns)):
            source = " UNION ALL ".join(self._row(columns, number) for number in range(len(some)))
            given = {f"p{n}_{m}": value for n, row in enumerate(some) for m, value in enumerate(row)}
            kinds = [
                sa.bindparam(f"p{n}_{m}", type_=sa.types.String() if self._by_hex(column) else column.type)
                for n in range(len(some))
                for m, column in enumerate(columns)
            ]
            for statement in self._over(table, batch.columns, source, key, mode):
                self.connection.execute(sa.text(statement).bindparams(*kinds), given)

    def _pieces(self, rows: Sequence[Any], width: int) -> Iterator[Sequence[Any]]:
        size = max(1, _PARAMETERS[self.dialect] // width)
        for start in range(0, len(rows), size):
            yield rows[start : start + size]

    def _row(self, columns: Sequence[Column], number: int) -> str:
        values = (self._value(column, f":p{number}_{place}") for place, column in enumerate(columns))
        return f"SELECT {', '.join(values)}"

    def _value(self, column: Column, parameter: str) -> str:
        """A value of its column's type; text is left as it is bound, since a cast would cut it to the length."""
        if self._by_hex(column):
            return f"{_FROM_HEX[self.dialect].format(parameter)} AS {self._quoted(column.name)}"
        if column.kind in _AS_BOUND:
            return f"{parameter} AS {self._quoted(column.name)}"
        kind = column.type.compile(dialect=self.connection.dialect)
        return f"CAST({parameter} AS {kind}) AS {self._quoted(column.name)}"

    def _by_hex(self, column: Column) -> bool:
        return self.dialect in _FROM_HEX and column.kind is Kind.BYTES

    def _sent(self, value: Any) -> Any:
        return value.hex() if self.dialect in _FROM_HEX and isinstance(value, bytes) else value

    def _over(self, table: Table, columns: Sequence[str], source: str, key: Sequence[str], mode: Mode) -> list[str]:
        """The statements that bring the rows of `source` into the table."""
        name = self.connection.dialect.identifier_preparer.format_table(table.core).replace(":", r"\:")
        names = [self._quoted(column) for column in columns]
        listed, shown = ", ".join(names), ", ".join(f"s.{each}" for each in names)
        if mode is Mode.APPEND or not key:
            return [f"INSERT INTO {name} ({listed}) SELECT {shown} FROM ({source}) s"]
        here = " AND ".join(f"t.{self._quoted(column)} = s.{self._quoted(column)}" for column in key)
        sets = [f"{self._quoted(column)} = s.{self._quoted(column)}" for column in columns if column not in key]
        if sets and SOFT in table.columns and SOFT not in columns:
            sets.append(f"{self._quoted(SOFT)} = NULL")
        changing, adding = bool(sets) and mode is not Mode.INSERT, mode is not Mode.UPDATE
        if self.dialect == "redshift":
            there = f"SELECT 1 FROM {name} t WHERE {here}"
            update = f"UPDATE {name} t SET {', '.join(sets)} FROM ({source}) s WHERE {here}"
            insert = f"INSERT INTO {name} ({listed}) SELECT {shown} FROM ({source}) s WHERE NOT EXISTS ({there})"
            return [update] * changing + [insert] * adding
        update = f" WHEN MATCHED THEN UPDATE SET {', '.join(sets)}" if changing else ""
        insert = f" WHEN NOT MATCHED THEN INSERT ({listed}) VALUES ({shown})" if adding else ""
        return [f"MERGE INTO {name} t USING ({source}) s ON {here}{update}{insert}"] if update or insert else []

    def _quoted(self, name: str) -> str:
        return self.connection.dialect.identifier_preparer.quote_identifier(name).replace(":", r"\:")
