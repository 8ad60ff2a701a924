"""The SQL of the ledger's tables: SQLAlchemy describes them, and writes each statement once.

Nothing here is special to SQLite but the name of `insert`, which PostgreSQL's dialect offers in the same words.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from antiphon.ledger.columns import Codec
from antiphon.ledger.store import Key
from antiphon.ledger.tables import TABLES, Table

R = TypeVar("R")

PAGE = 5000
"""How many rows are written, or read by a scan, at a time."""


class Statements(Generic[R]):
    """The SQL of one table, each statement compiled once."""

    def __init__(self, table: Table[R], dialect: sa.Dialect) -> None:
        self.name = table.name
        self.codec = Codec(table)
        self.key_of = _picker([list(self.codec.columns).index(name) for name in table.key])
        self._dialect = dialect
        self._looks: dict[tuple[tuple[str, ...], Key, int], str] = {}
        self._counts: dict[tuple[tuple[str, ...], Key], str] = {}
        self._target = target = METADATA.tables[table.name]
        self._columns = target.c
        upsert = insert(target).values({name: sa.bindparam(name) for name in self.codec.columns})
        replaced = {name: upsert.excluded[name] for name in self.codec.columns if name not in table.key}
        self.put = self._text(upsert.on_conflict_do_update(index_elements=table.key, set_=replaced))
        self.remove = self._text(sa.delete(target).where(self._equal(table.key)))
        key = [self._columns[name] for name in table.key]
        page = sa.select(*self._columns).order_by(*key)
        later = sa.tuple_(*key) > sa.tuple_(*(sa.bindparam(None, type_=column.type) for column in key))
        self.first_page = f"{self._text(page)} LIMIT {PAGE}"
        self.next_page = f"{self._text(page.where(later))} LIMIT {PAGE}"

    def look(self, names: tuple[str, ...], shape: Key, size: int) -> str:
        """The query for `size` entries of one shape."""
        text = self._looks.get((names, shape, size))
        if text is None:
            # SQLite searches its index for each term of an OR, and reads the whole table for `(a, b) IN (VALUES …)`.
            # It uses a partial index only for a term that repeats the index's own condition.
            terms = [self._equal(names, shape) for _ in range(size)]
            text = self._text(sa.select(*self._columns).where(sa.or_(*terms)))
            self._looks[(names, shape, size)] = text
        return text

    def count(self, names: tuple[str, ...], shape: Key) -> str:
        """The query for the number of rows with one entry."""
        text = self._counts.get((names, shape))
        if text is None:
            counted = sa.select(sa.func.count()).select_from(self._target)
            text = self._counts[(names, shape)] = self._text(counted.where(self._equal(names, shape)))
        return text

    def _equal(self, names: tuple[str, ...], shape: Key | None = None) -> sa.ColumnElement[bool]:
        terms: list[sa.ColumnElement[bool]] = []
        for name, fixed in zip(names, shape or (...,) * len(names), strict=True):
            column = self._columns[name]
            if fixed is ...:
                terms.append(column == sa.bindparam(None))
            elif fixed is None:
                terms.append(column.is_(None))
            else:
                terms.append(_is(column, truth=fixed))
        return sa.and_(*terms)

    def _text(self, statement: sa.ClauseElement) -> str:
        return str(statement.compile(dialect=self._dialect))


def _picker(places: list[int]) -> Any:  # a function of a row
    if len(places) > 1:
        return itemgetter(*places)
    (place,) = places
    return lambda row: (row[place],)


def _is(column: sa.ColumnElement[Any], *, truth: bool) -> sa.ColumnElement[bool]:
    return column == (sa.true() if truth else sa.false())


def _define(metadata: sa.MetaData, table: Table[Any]) -> None:
    """Describe a table and its indexes; one that repeats the beginning of the primary key is left out."""
    described = sa.Table(
        table.name,
        metadata,
        *(
            sa.Column(column.name, column.type, nullable=column.nullable, autoincrement=False)
            for column in Codec(table).columns.values()
        ),
        sa.PrimaryKeyConstraint(*table.key),
    )
    for name, columns in table.indexes.items():
        flags = [c for c in columns if isinstance(described.c[c].type, sa.Boolean)]
        rest = [described.c[c] for c in columns if c not in flags]
        where = sa.and_(*(_is(described.c[c], truth=True) for c in flags)) if flags else None
        if flags or columns != table.key[: len(columns)]:
            sa.Index(
                f"{table.name}_{name}",
                *(rest or [described.c[c] for c in table.key]),
                unique=name in table.unique,
                sqlite_where=where,
                postgresql_where=where,
            )


METADATA = sa.MetaData()
"""The tables of `ledger.tables`, as SQLAlchemy describes them."""
for _table in TABLES:
    _define(METADATA, _table)
