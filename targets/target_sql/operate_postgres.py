"""The same operations on PostgreSQL, a whole batch in a few statements.

The batch travels as one JSON document; `jsonb_populate_record` makes of it rows of the table's own types, so that the
server itself reads, compares and stores the values.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, time
from typing import Any

import psycopg
from psycopg.rows import dict_row

from target_kit import Applied, Gone, Kind, Operation, Outcome, Stale
from target_kit.lines import encode
from target_sql.columns import Column, to_bind
from target_sql.columns import Kind as ColumnKind
from target_sql.faults import told_by_driver
from target_sql.operate import Operator
from target_sql.tables import SOFT, quoted

_PLACE = "antiphon_place"
_TOO_FEW = 3


class PostgresOperator(Operator):
    """Updates by one statement for each set of columns; creates likewise, where their rows can be told apart."""

    def _several(self, operations: Sequence[Operation]) -> list[Outcome]:
        if len(operations) < _TOO_FEW:
            return super()._several(operations)
        outcomes: dict[int, Outcome] = {}
        updates: dict[tuple[Any, ...], list[int]] = defaultdict(list)
        creates: dict[tuple[Any, ...], list[int]] = defaultdict(list)
        for place, operation in enumerate(operations):
            match operation.kind:
                case Kind.UPDATE if operation.values:
                    updates[frozenset(operation.values), frozenset(operation.expect)].append(place)
                case Kind.CREATE if self._told_apart(operation):
                    creates[frozenset({**operation.values, **operation.key}), bool(operation.key)].append(place)
                case _:
                    outcomes[place] = self._one(operation)
        for places in updates.values():
            outcomes |= self._update_all(operations, places)
        for places in creates.values():
            outcomes |= self._create_all(operations, places)
        return [outcomes[place] for place in range(len(operations))]

    def _told_apart(self, operation: Operation) -> bool:
        """Whether an inserted row shows whose it is."""
        return bool(operation.key) or self.sync_key in self.table.columns

    # ---- updates

    def _update_all(self, operations: Sequence[Operation], places: list[int]) -> dict[int, Outcome]:
        first = operations[places[0]]
        sets = ", ".join(f"{quoted(c.name)} = (v.n).{quoted(c.name)}" for c in self._columns(first.values))
        expected = [self._same(c, "e") for c in self._columns(first.expect)]
        alive = [f"t.{quoted(SOFT)} IS NULL"] if SOFT in self.table.columns else []
        where = " AND ".join(
            [*(f"t.{quoted(c.name)} = (v.k).{quoted(c.name)}" for c in self._key_columns()), *expected, *alive]
        )
        source = self._source(operations, places)
        written = self._rows(
            f"UPDATE {self._name} t SET {sets} FROM ({_VALUES.format(table=self._name)}) v WHERE {where} "
            f"RETURNING v.{_PLACE}, t.*",
            source,
        )
        outcomes: dict[int, Outcome] = {
            row[_PLACE]: Applied(self._id(row), self._shown(row, operations[row[_PLACE]].values)) for row in written
        }
        missed = [place for place in places if place not in outcomes]
        standing = self._standing_rows(operations, missed)
        for place in missed:
            found, operation = standing.get(place), operations[place]
            names = {*operation.expect, *operation.values}
            outcomes[place] = Gone() if found is None else Stale(self._id(found), self._shown(found, names))
        return outcomes

    def _standing_rows(self, operations: Sequence[Operation], places: list[int]) -> dict[int, Mapping[str, Any]]:
        """The rows that are there under the operations' keys."""
        if not places:
            return {}
        same = [f"t.{quoted(c.name)} = (v.k).{quoted(c.name)}" for c in self._key_columns()]
        alive = [f"t.{quoted(SOFT)} IS NULL"] if SOFT in self.table.columns else []
        query = f"SELECT v.{_PLACE}, t.* FROM ({_VALUES.format(table=self._name)}) v JOIN {self._name} t ON "
        rows = self._rows(query + " AND ".join([*same, *alive]), self._source(operations, places))
        return {row[_PLACE]: row for row in rows}

    # ---- creates

    def _create_all(self, operations: Sequence[Operation], places: list[int]) -> dict[int, Outcome]:
        first = operations[places[0]]
        there = self._created_before(operations, places)
        if first.key:
            there = {**self._standing_rows(operations, [p for p in places if p not in there]), **there}
        outcomes: dict[int, Outcome] = {
            place: Stale(self._id(found), self._shown(found, self.names)) for place, found in there.items()
        }
        missing = [place for place in places if place not in there]
        if not missing:
            return outcomes
        keyed = self.sync_key in self.table.columns
        columns = [*self._columns({**first.values, **first.key})]
        names = [*(quoted(c.name) for c in columns), *([quoted(self.sync_key)] if keyed else [])]
        values = [*(f"(v.n).{quoted(c.name)}" for c in columns), *(["v.link"] if keyed else [])]
        over = "OVERRIDING SYSTEM VALUE " if any(column.always for column in columns) else ""
        rows = self._rows(
            f"INSERT INTO {self._name} ({', '.join(names)}) {over}SELECT {', '.join(values)} "
            f"FROM ({_VALUES.format(table=self._name)}) v RETURNING *",
            self._source(operations, missing),
        )
        if keyed:
            by_link = {row[self.sync_key]: row for row in rows}
            made: Mapping[int, Mapping[str, Any]] = {place: by_link[operations[place].sync_key] for place in missing}
        else:  # in one transaction nobody else has changed what was just inserted
            made = self._standing_rows(operations, missing)
        for place in missing:
            shown = self._shown(made[place], operations[place].values)
            outcomes[place] = Applied(self._id(made[place]), shown)
        return outcomes

    def _created_before(self, operations: Sequence[Operation], places: list[int]) -> dict[int, Mapping[str, Any]]:
        if self.sync_key not in self.table.columns:
            return {}
        links = {operations[place].sync_key: place for place in places}
        query = f"SELECT * FROM {self._name} WHERE {quoted(self.sync_key)} = ANY ({_DOCUMENT})"
        return {links[row[self.sync_key]]: row for row in self._rows(query, list(links))}

    # ---- pieces

    def _source(self, operations: Sequence[Operation], places: Iterable[int]) -> str:
        """The batch as a document: [place, link, key, new values, expected values]."""
        document = []
        for place in places:
            operation = operations[place]
            new = self._document({**operation.values, **operation.key}, write=True)
            key, expect = self._document(operation.key), self._document(operation.expect)
            document.append([place, operation.sync_key, key, new, expect])
        return encode(document).decode()

    def _document(self, values: Mapping[str, Any], *, write: bool = False) -> dict[str, Any]:
        if write:
            self._bound(values)  # refuses by the column's name what it cannot hold
        shown = {}
        for name, value in values.items():
            column = self.table.columns[self._column(name)]
            bound = to_bind(value, column, self.table.dialect)
            shown[column.name] = _text(bound, value)
        return shown

    def _columns(self, names: Iterable[str]) -> list[Column]:
        return [self.table.columns[self._column(name)] for name in sorted(names)]

    def _key_columns(self) -> list[Column]:
        return [self.table.columns[self.names[name]] for name in self.key]

    def _same(self, column: Column, of: str) -> str:
        """What is there IS NOT DISTINCT FROM what is expected; `json` and the like have no equality of their own."""
        left, right = f"t.{quoted(column.name)}", f"(v.{of}).{quoted(column.name)}"
        if column.kind is ColumnKind.JSON:
            left, right = f"{left}::jsonb", f"{right}::jsonb"
        elif column.kind is ColumnKind.OTHER:
            left, right = f"{left}::text", f"{right}::text"
        return f"{left} IS NOT DISTINCT FROM {right}"

    @property
    def _name(self) -> str:
        return self.table.address.quoted

    def _rows(self, statement: str, parameter: Any) -> list[dict[str, Any]]:
        raw: Any = self.connection.connection.driver_connection
        escaped = statement.replace("%", "%%").replace(_DOCUMENT, "%s")
        with told_by_driver(f"writing {self.table.address}", psycopg.Error), raw.cursor(row_factory=dict_row) as cursor:
            rows: list[dict[str, Any]] = cursor.execute(escaped.encode(), [parameter]).fetchall()
            return rows


_DOCUMENT = ":antiphon_document"
_VALUES = (
    f"SELECT (x ->> 0)::int AS {_PLACE}, x ->> 1 AS link, jsonb_populate_record(NULL::{{table}}, x -> 2) AS k, "
    "jsonb_populate_record(NULL::{table}, x -> 3) AS n, jsonb_populate_record(NULL::{table}, x -> 4) AS e "
    f"FROM jsonb_array_elements({_DOCUMENT}::jsonb) x"
)


def _text(bound: Any, value: Any) -> Any:
    """What the server reads as the value. A moment with an offset would lose it in a column without a zone."""
    if isinstance(bound, bytes):
        return f"\\x{bound.hex()}"
    return bound.isoformat() if isinstance(bound, date | time) else value
