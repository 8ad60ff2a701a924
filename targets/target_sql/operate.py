"""Operations of the reconciler as SQL: compare and set, read back, never twice.

| operation | statement                                            | where no row was touched                |
|-----------|------------------------------------------------------|-----------------------------------------|
| update    | UPDATE … WHERE key AND column IS NOT DISTINCT FROM … | stale with what is there, or gone       |
| delete    | DELETE (soft: UPDATE) under the same condition       | stale with what is there, or gone       |
| create    | INSERT, unless the link's key or its own is there    | stale with that record's id and values  |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from target_kit import Applied, Failed, Gone, Kind, Operation, Outcome, Rejected, Stale, split_on_error
from target_sql.columns import Kind as ColumnKind
from target_sql.columns import to_bind, to_json
from target_sql.faults import RowBusy, RowRefused, fault_of, told, value_refused
from target_sql.receipts import ReceiptsTable
from target_sql.tables import SOFT, Table
from target_sql.writers import Writer

AT_ONCE = 500
"""Operations in one transaction."""


@dataclass(frozen=True)
class Operator:
    """Does the operations of one stream. `names`: the column of each property; `key`: the key's properties."""

    connection: sa.Connection
    writer: Writer
    table: Table
    names: Mapping[str, str]
    key: Sequence[str]
    sync_key: str
    receipts: ReceiptsTable
    soft: bool

    def operate(self, operations: Sequence[Operation]) -> list[Outcome]:
        """One outcome each. A row that is refused or locked fails alone; the others of its batch are written."""
        outcomes: list[Outcome] = []
        for start in range(0, len(operations), AT_ONCE):
            outcomes += self._batch(operations[start : start + AT_ONCE])
        return outcomes

    def _batch(self, operations: Sequence[Operation]) -> list[Outcome]:
        try:
            return self._together(operations)
        except RowBusy:  # whoever waits for a lock waits alone
            return [split_on_error([op], self._together, RowRefused, _answer)[0] for op in operations]
        except RowRefused:
            middle = (len(operations) + 1) // 2
            return [
                outcome
                for half in (operations[:middle], operations[middle:])
                for outcome in split_on_error(half, self._together, RowRefused, _answer)
            ]

    def _together(self, operations: Sequence[Operation]) -> list[Outcome]:
        """All of them in one transaction, or `RowRefused` and none."""
        with told(f"writing {self.table.address}"), self.connection.begin():
            self.writer.begin()
            answered = self.receipts.answered(op.op_id for op in operations)
            before = {op.op_id: self._by_now(op, answered[op.op_id]) for op in operations if op.op_id in answered}
            new = [op for op in operations if op.op_id not in before]
            outcomes = dict(zip((op.op_id for op in new), self._several(new), strict=True))
            done = {op_id: outcome for op_id, outcome in outcomes.items() if isinstance(outcome, Applied)}
            self.receipts.keep(done)
        return [before.get(op.op_id) or outcomes[op.op_id] for op in operations]

    def _by_now(self, operation: Operation, done: Applied) -> Applied:
        """What was done before is told as it was then; since then somebody may have put something else there."""
        if operation.kind is Kind.DELETE or not done.stored:
            return done
        row = self._find(*self._key_is(dict(zip(self.key, done.id, strict=True))))
        return done if row is None else replace(done, current=self._shown(row, done.stored))

    def _several(self, operations: Sequence[Operation]) -> list[Outcome]:
        """One outcome each; no two are of one record."""
        return [self._one(operation) for operation in operations]

    def _one(self, operation: Operation) -> Outcome:
        match operation.kind:
            case Kind.CREATE:
                return self._create(operation)
            case Kind.UPDATE:
                return self._update(operation)
            case Kind.DELETE:
                return self._delete(operation)

    def _update(self, operation: Operation) -> Outcome:
        values = self._bound(operation.values)
        if not values:
            return self._standing(operation)
        statement = sa.update(self.table.core).where(*self._here(operation), *self._expected(operation)).values(values)
        row = self._write(statement, operation.key)
        return Applied(self._id(row), self._shown(row, operation.values)) if row is not None else self._other(operation)

    def _delete(self, operation: Operation) -> Outcome:
        if self.soft or operation.extra.get("archive"):
            if SOFT not in self.table.columns:
                raise RowRefused(
                    value_refused(SOFT, None, "there is no such column; --check --fix adds it for soft deletes").fault
                )
            values = {SOFT: sa.func.current_timestamp()}
            statement: Any = sa.update(self.table.core).values(values)
        else:
            statement = sa.delete(self.table.core)
        where = [*self._here(operation), *self._expected(operation)]
        found = self.connection.execute(self._locked(sa.select(*self._all).where(*where))).mappings().first()
        if found is None:
            return self._other(operation)
        if not self.connection.execute(statement.where(*where)).rowcount:
            return self._other(operation)
        return Applied(self._id(found), found=self._shown(found, self.names))

    def _create(self, operation: Operation) -> Outcome:
        core = self.table.core
        record = {**operation.values, **operation.key}
        keyed = self.sync_key in self.table.columns
        if keyed and (found := self._find(core.c[self.sync_key] == operation.sync_key)) is not None:
            return Stale(self._id(found), self._shown(found, self.names))
        if operation.key and (found := self._find(*self._here(operation))) is not None:
            return Stale(self._id(found), self._shown(found, self.names))
        values = self._bound(record) | ({self.sync_key: operation.sync_key} if keyed else {})
        statement = sa.insert(core).values(values)
        row = self._insert(statement, values)
        return Applied(self._id(row), self._shown(row, operation.values))

    def _insert(self, statement: sa.Insert, values: Mapping[str, Any]) -> Any:
        if self.connection.dialect.insert_returning:
            return self.connection.execute(statement.returning(*self._all)).mappings().one()
        result = self.connection.execute(statement)
        columns = [self.names[name] for name in self.key]
        where = [self.table.core.c[c] == values.get(c, result.lastrowid) for c in columns]
        found = self._find(*where)
        return found if found is not None else dict(values)

    def _write(self, statement: Any, key: Mapping[str, Any]) -> Any:
        """Run it; the row as stored, or None if none was touched."""
        if self.connection.dialect.update_returning:
            return self.connection.execute(statement.returning(*self._all)).mappings().first()
        if not self.connection.execute(statement).rowcount:
            return None
        return self._find(*self._key_is(key))

    def _standing(self, operation: Operation) -> Outcome:
        """An update of nothing: the record is looked at."""
        found = self._find(*self._here(operation), *self._expected(operation))
        return Applied(self._id(found)) if found is not None else self._other(operation)

    def _other(self, operation: Operation) -> Outcome:
        """What is there instead."""
        found = self._find(*self._here(operation))
        if found is None:
            return Gone()
        return Stale(self._id(found), self._shown(found, {*operation.expect, *operation.values}))

    # ---- pieces

    @cached_property
    def _all(self) -> list[Any]:
        """Every column as it is read back; DuckDB's driver would ask for one more package to make a moment."""
        core = self.table.core
        return [
            sa.cast(core.c[c.name], sa.Text).label(c.name)
            if c.sql and c.kind is ColumnKind.TIMESTAMPTZ
            else core.c[c.name]
            for c in self.table.columns.values()
        ]

    def _find(self, *where: Any) -> Any:
        return self.connection.execute(sa.select(*self._all).where(*where)).mappings().first()

    def _locked(self, statement: Any) -> Any:
        return (
            statement.with_for_update()
            if self.connection.dialect.name in {"postgresql", "mysql", "mariadb"}
            else statement
        )

    def _key_is(self, key: Mapping[str, Any]) -> list[Any]:
        return [self.table.core.c[column] == value for column, value in self._bound(key).items()]

    def _here(self, operation: Operation) -> list[Any]:
        alive = [self.table.core.c[SOFT].is_(None)] if SOFT in self.table.columns else []
        return [*self._key_is(operation.key), *alive]

    def _expected(self, operation: Operation) -> list[Any]:
        conditions = []
        for name, value in operation.expect.items():
            column = self.table.columns[self._column(name)]
            here = self.table.core.c[column.name]
            bound = to_bind(value, column, self.table.dialect)
            if bound is not None and column.kind is ColumnKind.JSON:
                shown = sa.cast(here, sa.Text) if self.table.dialect != "postgresql" else here
                conditions.append(self._json_is(shown, here, value))
            else:
                conditions.append(here.is_not_distinct_from(bound))
        return conditions

    def _json_is(self, shown: Any, here: Any, value: Any) -> Any:
        if self.table.dialect == "postgresql":
            return sa.cast(here, sa.dialects.postgresql.JSONB).is_not_distinct_from(
                sa.cast(value, sa.dialects.postgresql.JSONB)
            )
        return shown.is_not_distinct_from(sa.cast(sa.literal(value, here.type), sa.Text))

    def _bound(self, values: Mapping[str, Any]) -> dict[str, Any]:
        bound = {}
        for name, value in values.items():
            column = self.table.columns[self._column(name)]
            if not column.writable:
                raise value_refused(column.name, value, "the database computes it")
            if refused := column.refuse(value):
                raise refused
            bound[column.name] = to_bind(value, column, self.table.dialect)
        return bound

    def _column(self, name: str) -> str:
        column = self.names.get(name, name)
        if column not in self.table.columns:
            raise value_refused(column, None, f"the table {self.table.address} has no such column")
        return column

    def _id(self, row: Any) -> list[Any]:
        columns = [self.table.columns[self.names[name]] for name in self.key]
        return [to_json(row[column.name], column) for column in columns]

    def _shown(self, row: Any, names: Iterable[str]) -> dict[str, Any]:
        shown = {}
        for name in names:
            column = self.table.columns[self._column(name)]
            if name not in self.key:
                shown[name] = to_json(row[column.name], column)
        return shown


def operator_class(connection: sa.Connection) -> type[Operator]:
    """The operator of a database."""
    if (connection.dialect.name, connection.dialect.driver) == ("postgresql", "psycopg"):
        from target_sql.operate_postgres import PostgresOperator  # noqa: PLC0415 - its driver is an extra

        return PostgresOperator
    if connection.dialect.name in {"duckdb", "sqlite"}:
        from target_sql.operate_together import TogetherOperator  # noqa: PLC0415 - it is one of this

        return TogetherOperator
    return Operator


def _answer(operation: Operation, error: Exception) -> Outcome:
    del operation
    return Failed(fault_of(error)) if isinstance(error, RowBusy) else Rejected(fault_of(error))
