"""Creates of a batch in three statements, for embedded databases, which take long over each statement.

DuckDB spends some milliseconds on an INSERT of one row, and hardly more on one of five hundred.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from target_kit import Applied, Kind, Operation, Outcome, Stale
from target_sql.columns import to_json
from target_sql.operate import Operator
from target_sql.tables import SOFT

_TOO_FEW = 3


class TogetherOperator(Operator):
    """Creates whose rows can be told apart by their keys go together, all else one by one."""

    def _several(self, operations: Sequence[Operation]) -> list[Outcome]:
        outcomes: dict[int, Outcome] = {}
        creates: dict[frozenset[str], list[int]] = defaultdict(list)
        for place, operation in enumerate(operations):
            if operation.kind is Kind.CREATE and all(operation.key.get(name) is not None for name in self.key):
                creates[frozenset({*operation.values, *operation.key})].append(place)
        for places in creates.values():
            if len(places) >= _TOO_FEW:
                outcomes |= self._create_all(operations, places)
        return [outcomes.get(place) or self._one(operation) for place, operation in enumerate(operations)]

    def _create_all(self, operations: Sequence[Operation], places: list[int]) -> dict[int, Outcome]:
        some = [operations[place] for place in places]
        there = dict(self._there(some))
        missing = [op for op in some if op.op_id not in there]
        made = dict(self._made(missing)) if missing else {}
        outcomes: dict[int, Outcome] = {}
        for place in places:
            operation = operations[place]
            found = there.get(operation.op_id)
            outcomes[place] = (
                Stale(self._id(found), self._shown(found, self.names))
                if found is not None
                else Applied(self._id(made[operation.op_id]), self._shown(made[operation.op_id], operation.values))
            )
        return outcomes

    def _there(self, operations: Sequence[Operation]) -> Iterator[tuple[str, Any]]:
        """The records that are there already, under the link's key or their own, by operation."""
        core = self.table.core
        if len(self.key) == 1:
            column = core.c[self.names[self.key[0]]]
            alive = [core.c[SOFT].is_(None)] if SOFT in self.table.columns else []
            mine = sa.and_(column.in_([self._bound(op.key)[column.name] for op in operations]), *alive)
        else:
            mine = sa.or_(*(sa.and_(*self._here(operation)) for operation in operations))
        found = self._rows(sa.select(*self._all).where(mine))
        yield from self._by_key(operations, found)
        if self.sync_key in self.table.columns:
            links = {operation.sync_key: operation.op_id for operation in operations}
            link = self.table.columns[self.sync_key]
            for row in self._rows(sa.select(*self._all).where(core.c[self.sync_key].in_(list(links)))):
                yield links[str(to_json(row[self.sync_key], link))], row

    def _made(self, operations: Sequence[Operation]) -> Iterator[tuple[str, Any]]:
        """The rows that are inserted, by operation."""
        keyed = self.sync_key in self.table.columns
        values = [
            self._bound({**op.values, **op.key}) | ({self.sync_key: op.sync_key} if keyed else {}) for op in operations
        ]
        rows = self._rows(sa.insert(self.table.core).values(values).returning(*self._all))
        told = dict(self._by_key(operations, rows))
        for operation in operations:  # in the transaction that is open nobody else can have touched them
            found = told.get(operation.op_id)
            yield operation.op_id, found if found is not None else self._find(*self._key_is(operation.key))

    def _by_key(self, operations: Sequence[Operation], rows: Sequence[Any]) -> Iterator[tuple[str, Any]]:
        """Which row is whose, as far as its key is stored as it was sent."""
        wanted = {tuple(str(op.key[name]) for name in self.key): op.op_id for op in operations}
        for row in rows:
            op_id = wanted.get(tuple(map(str, self._id(row))))
            if op_id is not None:
                yield op_id, row

    def _rows(self, statement: Any) -> Sequence[Any]:
        return self.connection.execute(statement).mappings().all()
