"""The SQL of the ledger's tables: SQLAlchemy describes them, and writes each statement once for each kind of database.

The two differ in how they look for many keys at once. SQLite searches its index for each row of a list that it joins,
and reads the whole table for `(a, b) IN (VALUES …)`; PostgreSQL joins an array at once.
Both use a partial index only for a term that repeats the index's own condition.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from operator import itemgetter
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from antiphon.ledger.columns import Codec
from antiphon.ledger.store import Key
from antiphon.ledger.tables import TABLES, Table

R = TypeVar("R")

PAGE = 5000
"""How many rows are written, or read by a scan, at a time."""
_SIZES = (1, 10, 100)  # how many entries one list has: few texts, so that each is prepared once


class Statements(Generic[R]):
    """The SQL of one table, each statement compiled once. Parameters are positional."""

    def __init__(self, table: Table[R], dialect: sa.Dialect) -> None:
        self.name, self._key, self._table = table.name, table.key, table
        self._on_postgresql = dialect.name == "postgresql"
        self.codec = Codec(table, null_character=not self._on_postgresql)
        self.key_of = _picker([list(self.codec.columns).index(name) for name in table.key])
        self._dialect = dialect
        self._looks: dict[tuple[str | None, Key, int, tuple[str, ...]], str] = {}
        self._shaped: dict[str | None, bool] = {}
        self._sets: dict[str, str] = {}
        self._counts: dict[tuple[str, Key, bool], str] = {}
        self._latest: dict[str, str] = {}
        self._newests: dict[tuple[str, int], str] = {}
        self._target = target = METADATA.tables[table.name]
        self._columns = target.c
        insert = postgresql.insert if self._on_postgresql else sqlite.insert
        upsert = insert(target).values({name: sa.bindparam(name) for name in self.codec.columns})
        replaced = {name: upsert.excluded[name] for name in self.codec.columns if name not in table.key}
        self.put = self._text(upsert.on_conflict_do_update(index_elements=table.key, set_=replaced))
        self.remove = self._text(sa.delete(target).where(self._equal(table.key)))
        key = [self._columns[name] for name in table.key]
        page = sa.select(*self._columns).order_by(*key)
        later = sa.tuple_(*key) > sa.tuple_(*(sa.bindparam(None, type_=column.type) for column in key))
        self.first_page = f"{self._text(page)} LIMIT {PAGE}"
        self.next_page = f"{self._text(page.where(later))} LIMIT {PAGE}"

    def set(self, name: str) -> str:
        """What gives one column of a row another value: bound are the value and the key."""
        text = self._sets.get(name)
        if text is None:
            update = sa.update(self._target).where(self._equal(self._key)).values({name: sa.bindparam(None)})
            text = self._sets[name] = self._text(update)
        return text

    def lookups(
        self, index: str | None, entries: Iterable[Key], shown: tuple[str, ...] = ()
    ) -> Iterator[tuple[str, Key]]:
        """Queries for the rows with one of these encoded entries in an index, or as primary key, and what to bind.

        No row is found by two of them. They give the columns `shown`, or all.
        """
        shapes = _by_shape(entries) if self._has_shapes(index) else {(...,) * len(self.names(index)): list(entries)}
        for shape, wanted in shapes.items():
            many = self._on_postgresql and ... in shape and len(wanted) > 1
            step = PAGE if many else _SIZES[-1]
            for start in range(0, len(wanted), step):
                chunk = wanted[start : start + step]
                if many:
                    yield self._look_up(index, shape, shown), tuple(list(values) for values in zip(*chunk, strict=True))
                else:
                    size = next(size for size in _SIZES if size >= len(chunk))
                    chunk += [(None,) * shape.count(...)] * (size - len(chunk))
                    yield self.look(index, shape, size, shown), tuple(chain.from_iterable(chunk))

    def names(self, index: str | None) -> tuple[str, ...]:
        """The columns of an index, or of the primary key."""
        return self._key if index is None else self._table.indexes[index]

    def _has_shapes(self, index: str | None) -> bool:
        """Whether some values of these columns stand in the SQL itself: null and booleans."""
        if index not in self._shaped:
            columns = [self._columns[name] for name in self.names(index)]
            self._shaped[index] = any(column.nullable or isinstance(column.type, sa.Boolean) for column in columns)
        return self._shaped[index]

    def _look_up(self, index: str | None, shape: Key, shown: tuple[str, ...]) -> str:
        text = self._looks.get((index, shape, 0, shown))
        if text is None:
            names = self.names(index)
            free = [name for name, fixed in zip(names, shape, strict=True) if fixed is ...]
            fixed_names = tuple(name for name in names if name not in free)
            fixed = self._equal(fixed_names, tuple(value for value in shape if value is not ...), index)
            arrays = (sa.bindparam(None, type_=postgresql.ARRAY(self._columns[name].type)) for name in free)
            wanted = sa.func.unnest(*arrays).table_valued(*free).render_derived()
            among = sa.tuple_(*(self._columns[name] for name in free)).in_(
                sa.select(*(wanted.c[name] for name in free))
            )
            text = self._text(self._select(shown).where(fixed, among))
            self._looks[(index, shape, 0, shown)] = text
        return text

    def look(self, index: str | None, shape: Key, size: int, shown: tuple[str, ...] = ()) -> str:
        """The query for `size` entries of one shape."""
        text = self._looks.get((index, shape, size, shown))
        if text is None:
            names = self.names(index)
            free = [name for name, fixed in zip(names, shape, strict=True) if fixed is ...]
            if size == 1 or not free:
                query = self._select(shown).where(self._equal(names, shape, index))
            else:
                query = self._among(index, shape, free, size, shown)
            text = self._looks[(index, shape, size, shown)] = self._text(query)
        return text

    def _among(
        self, index: str | None, shape: Key, free: list[str], size: int, shown: tuple[str, ...]
    ) -> sa.Select[Any]:
        """The rows that have one of `size` entries; no row has an entry of nulls, with which a list is filled up."""
        names = tuple(name for name in self.names(index) if name not in free)
        fixed = self._equal(names, tuple(v for v in shape if v is not ...), index)
        if len(free) == 1:
            return self._select(shown).where(fixed, self._columns[free[0]].in_([sa.bindparam(None)] * size))
        entry: Key = tuple(sa.bindparam(None) for _ in free)
        wanted = sa.values(*(sa.column(name) for name in free), name="wanted").data([entry] * size).cte("wanted")
        joined = sa.and_(fixed, *(self._columns[name] == wanted.c[name] for name in free))
        return self._select(shown).select_from(sa.join(wanted, self._target, joined))

    def latest(self, index: str, entry: Key, size: int, start: int) -> tuple[str, Key]:
        """The query for some of the rows with one encoded entry, by falling riders, and what to bind.

        The entry ends with the least that the first rider may be.
        """
        text = self._latest.get(index)
        if text is None:
            riders = [self._columns[name] for name in self._table.riders[index]]
            least = riders[0] >= sa.bindparam(None, type_=riders[0].type)
            found = self._select(()).where(self._equal(self._table.indexes[index]), least)
            text = self._latest[index] = self._text(found.order_by(*(column.desc() for column in riders)))
        return f"{text} LIMIT {size} OFFSET {start}", entry

    def newest(self, index: str, entries: list[Key]) -> Iterator[tuple[str, Key]]:
        """Queries for the highest first rider of each encoded entry, after the entry itself, and what to bind."""
        step = PAGE if self._on_postgresql else _SIZES[-1]
        for start in range(0, len(entries), step):
            chunk = entries[start : start + step]
            if self._on_postgresql:
                yield self._newest(index, 0), tuple(list(values) for values in zip(*chunk, strict=True))
            else:
                size = next(size for size in _SIZES if size >= len(chunk))
                chunk += [(None,) * len(self._table.indexes[index])] * (size - len(chunk))
                yield self._newest(index, size), tuple(chain.from_iterable(chunk))

    def _newest(self, index: str, size: int) -> str:
        text = self._newests.get((index, size))
        if text is None:
            names = self._table.indexes[index]
            wanted: sa.FromClause
            if self._on_postgresql:
                arrays = (sa.bindparam(None, type_=postgresql.ARRAY(self._columns[name].type)) for name in names)
                wanted = sa.func.unnest(*arrays).table_valued(*names).render_derived(name="wanted")
            else:
                entry: Key = tuple(sa.bindparam(None) for _ in names)
                wanted = (
                    sa.values(*(sa.column(name) for name in names), name="wanted").data([entry] * size).cte("wanted")
                )
            rider = self._columns[self._table.riders[index][0]]
            highest = sa.select(sa.func.max(rider)).where(*(self._columns[name] == wanted.c[name] for name in names))
            told = sa.select(*(wanted.c[name] for name in names), highest.correlate(wanted).scalar_subquery())
            text = self._newests[index, size] = self._text(told)
        return text

    def _select(self, shown: tuple[str, ...]) -> sa.Select[Any]:
        return sa.select(*(self._columns[name] for name in shown or self.codec.columns))

    def count(self, index: str, entry: Key, most: int | None) -> tuple[str, Key]:
        """The query for the number of rows with one encoded entry, counted to `most`, and what to bind."""
        shape = _shape(entry)
        text = self._counts.get((index, shape, most is None))
        if text is None:
            found = sa.select(self._columns[self._key[0]]).where(self._equal(self.names(index), shape, index))
            if most is not None:
                found = found.limit(sa.bindparam(None, type_=sa.Integer)).offset(sa.literal_column("0"))
            counted = sa.select(sa.func.count()).select_from(found.subquery())
            text = self._counts[index, shape, most is None] = self._text(counted)
        bound = _bound(entry)
        return text, bound if most is None else (*bound, most)

    def _equal(
        self, names: tuple[str, ...], shape: Key | None = None, index: str | None = None
    ) -> sa.ColumnElement[bool]:
        """That these columns have the bound values, or those of a shape, and what an index says of all its rows."""
        terms: list[sa.ColumnElement[bool]] = []
        if index is not None and index in self._table.covers:
            decisive, covered = self._table.covers[index]
            terms.append(sa.or_(*(self._columns[decisive] == sa.literal_column(f"'{value}'") for value in covered)))
        for name, fixed in zip(names, shape or (...,) * len(names), strict=True):
            column = self._columns[name]
            if fixed is ...:
                terms.append(column == sa.bindparam(None))
            elif fixed is None:
                terms.append(column.is_(None))
            else:
                terms.append(_is(column, truth=fixed))
        return sa.and_(sa.true(), *terms)

    def _text(self, statement: sa.ClauseElement) -> str:
        return str(statement.compile(dialect=self._dialect))


def _by_shape(entries: Iterable[Key]) -> dict[Key, list[Key]]:
    """What to bind, by what stands in the SQL itself: null and booleans, as an index may be made for them."""
    found: dict[Key, list[Key]] = {}
    for entry in entries:
        found.setdefault(_shape(entry), []).append(_bound(entry))
    return found


def _shape(entry: Key) -> Key:
    return tuple(value if _stands(value) else ... for value in entry)


def _bound(entry: Key) -> Key:
    return tuple(value for value in entry if not _stands(value))


def _stands(value: Any) -> bool:
    return value is None or value is True or value is False


def _picker(places: list[int]) -> Any:  # a function of a row
    if len(places) > 1:
        return itemgetter(*places)
    (place,) = places
    return lambda row: (row[place],)


_TRUE = {"sqlite": "1", "postgresql": "true"}  # as SQLAlchemy writes it in each database's queries


def _is(column: sa.ColumnElement[Any], *, truth: bool) -> sa.ColumnElement[bool]:
    return column == (sa.true() if truth else sa.false())


def _define(metadata: sa.MetaData, table: Table[Any]) -> None:
    """Describe a table and its indexes; one that repeats the beginning of the primary key or of another is left out."""
    described = sa.Table(
        table.name,
        metadata,
        *(
            sa.Column(column.name, column.type, nullable=column.nullable, autoincrement=False)
            for column in Codec(table).columns.values()
        ),
        sa.PrimaryKeyConstraint(*table.key),
    )
    if table.is_narrow:
        described.dialect_kwargs["sqlite_with_rowid"] = False
    for name, columns in table.indexes.items():
        flags = [c for c in columns if isinstance(described.c[c].type, sa.Boolean)]
        decisive, covered = table.covers.get(name, ("", ()))
        rest = [described.c[c] for c in columns if c not in flags]
        where = {
            dialect: " AND ".join(f"{c} = {true}" for c in flags)
            or " OR ".join(f"{decisive} = '{value}'" for value in covered)
            for dialect, true in _TRUE.items()
        }
        others = [table.key, *(other for other in table.indexes.values() if other != columns)]
        if where["sqlite"] or all(columns != other[: len(columns)] for other in others):
            sa.Index(
                f"{table.name}_{name}",
                *(rest or [described.c[c] for c in table.key]),
                *(described.c[c] for c in table.riders.get(name, ())),
                unique=name in table.unique,
                sqlite_where=sa.text(where["sqlite"]) if where["sqlite"] else None,
                postgresql_where=sa.text(where["postgresql"]) if where["postgresql"] else None,
            )


METADATA = sa.MetaData()
"""The tables of `ledger.tables`, as SQLAlchemy describes them."""
for _table in TABLES:
    _define(METADATA, _table)
