"""The in-memory twin of the database: for tests and simulation, kept honest by the contract suite both pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeAlias, TypeVar

from antiphon.errors import LedgerError
from antiphon.ledger.store import Key
from antiphon.ledger.tables import TABLES, Table
from antiphon.model import replace

R = TypeVar("R")
_Journal: TypeAlias = list[tuple[Table[Any], Key, Any]]
"""What was changed, and the row that stood there before."""


class _Transaction(AbstractContextManager[None]):
    """One block of a transaction. Not a generator: simulated rounds make dozens."""

    __slots__ = ("durable", "store")

    def __init__(self, store: MemoryStore, *, durable: bool) -> None:
        self.store, self.durable = store, durable

    def __enter__(self) -> None:
        self.store.begin()

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        self.store.end(failed=kind is not None, durable=self.durable)


class MemoryStore:
    """Dictionaries with indexes. A failed transaction is undone by its journal."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[Key, Any]] = {table.name: {} for table in TABLES}
        self._indexes: dict[str, dict[str, dict[Key, set[Key]]]] = {
            table.name: {index: {} for index in table.indexes} for table in TABLES
        }
        self._journal: _Journal | None = None
        self._unsure: _Journal = []  # since the last durable transaction

    def transaction(self, *, durable: bool = True) -> AbstractContextManager[None]:
        """As `Store.transaction`."""
        return _Transaction(self, durable=durable)

    def begin(self) -> None:
        """A transaction begins."""
        if self._journal is not None:
            raise RuntimeError("transactions are not nested")
        self._journal = []

    def end(self, *, failed: bool, durable: bool) -> None:
        """The transaction ends; if it failed, everything is as it was before."""
        journal, self._journal = self._journal or [], None
        if failed:
            self._undo(journal)
        elif durable:
            self._unsure.clear()
        else:
            self._unsure += journal

    def cut_power(self) -> None:
        """Everything is as the last durable transaction left it."""
        lost, self._unsure = self._unsure, []
        self._undo(lost)

    def _undo(self, journal: _Journal) -> None:
        for table, key, before in reversed(journal):
            self._set(table, key, before)

    def get(self, table: Table[R], keys: Iterable[Key]) -> dict[Key, R]:
        """As `Store.get`."""
        rows = self._rows[table.name]
        return {key: rows[key] for key in keys if key in rows}

    def find(self, table: Table[R], index: str, values: Iterable[Key]) -> list[R]:
        """As `Store.find`."""
        entries, rows = self._indexes[table.name][index], self._rows[table.name]
        found = [entries[value] for value in values if value in entries]
        return [rows[key] for key in sorted(set().union(*found))] if found else []

    def count(self, table: Table[R], index: str, value: Key, most: int | None = None) -> int:
        """As `Store.count`."""
        found = len(self._indexes[table.name][index].get(value, ()))
        return found if most is None else min(found, most)

    def pick(self, table: Table[R], names: Sequence[str], index: str | None, values: Iterable[Key]) -> Iterator[Key]:
        """As `Store.pick`."""
        rows = self.get(table, values).values() if index is None else self.find(table, index, values)
        yield from [tuple(getattr(row, name) for name in names) for row in rows]

    def latest(self, table: Table[R], index: str, value: Key, least: int = 0) -> Iterator[R]:
        """As `Store.latest`."""
        riders = table.ridden[index]
        rows = [
            row for row in self.find(table, index, [value]) if (first := riders(row)[0]) is not None and first >= least
        ]
        return iter(sorted(rows, key=riders, reverse=True))

    def newest(self, table: Table[Any], index: str, values: Iterable[Key]) -> dict[Key, int]:
        """As `Store.newest`."""
        first = {value: [table.ridden[index](row)[0] for row in self.find(table, index, [value])] for value in values}
        known = {value: [rider for rider in riders if rider is not None] for value, riders in first.items()}
        return {value: max(riders) for value, riders in known.items() if riders}

    def scan(self, table: Table[R]) -> Iterator[R]:
        """As `Store.scan`."""
        rows = self._rows[table.name]
        return iter([rows[key] for key in sorted(rows)])

    def put(self, table: Table[R], rows: Sequence[R]) -> None:
        """As `Store.put`."""
        for row in rows:
            self._change(table, table.key_of(row), row)

    def set(self, table: Table[R], keys: Sequence[Key], name: str, value: object) -> None:
        """As `Store.set`."""
        rows = self._rows[table.name]
        for key in keys:
            if key in rows and getattr(rows[key], name) != value:
                self._change(table, key, replace(rows[key], **{name: value}))

    def remove(self, table: Table[R], keys: Sequence[Key]) -> None:
        """As `Store.remove`."""
        for key in keys:
            self._change(table, key, None)

    def remember(self) -> None:
        """As `Store.remember`: every row is here."""

    def scrub(self) -> list[str]:
        """As `Store.scrub`: what is removed is gone."""
        return []

    def close(self) -> None:
        """Nothing to let go of."""

    def _change(self, table: Table[Any], key: Key, row: Any) -> None:
        if self._journal is None:
            raise RuntimeError("writes happen in transactions")
        self._journal.append((table, key, self._rows[table.name].get(key)))
        self._set(table, key, row)

    def _set(self, table: Table[Any], key: Key, row: Any) -> None:
        rows = self._rows[table.name]
        if table.indexes:
            self._enter(table, key, rows.get(key), row)
        if row is not None:
            rows[key] = row
        else:
            rows.pop(key, None)

    def _enter(self, table: Table[Any], key: Key, before: Any, row: Any) -> None:
        """Bring the indexes up to date with a row that stands in place of the one before it."""
        indexes = self._indexes[table.name]
        for index in table.unique if row is not None else ():
            entry = table.entry_of(index, row)
            if entry is not None and False not in entry and indexes[index].get(entry, set()) - {key}:
                raise LedgerError(
                    f"the ledger refused rows of {table.name!r} that contradict each other",
                    hint="nothing of it was written; please report this, it is a fault of Antiphon",
                )
        for index, entry_of in table.entries.items():
            old = entry_of(before) if before is not None else None
            new = entry_of(row) if row is not None else None
            if old == new:
                continue
            entries = indexes[index]
            if old is not None:
                entries[old].discard(key)
                if not entries[old]:
                    del entries[old]
            if new is not None:
                entries.setdefault(new, set()).add(key)
