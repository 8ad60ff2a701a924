"""What a ledger needs of its database. `memory.MemoryStore` and `sql.SqlStore` keep the same contract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from antiphon.ledger.tables import Table

R = TypeVar("R")
Key = tuple[Any, ...]


class Store(Protocol):
    """Rows in tables, changed only inside a transaction that happens whole or not at all."""

    def transaction(self, *, durable: bool = True) -> AbstractContextManager[None]:
        """Everything written inside is committed when the block ends, and undone if it raises. Not to be nested.

        What is not `durable` outlives this process as all else does, but a power cut may take it, with whatever was
        committed later, until the next durable one. It is for what nobody outside is told before that one.
        """

    def get(self, table: Table[R], keys: Iterable[Key]) -> dict[Key, R]:
        """The rows with these primary keys, as far as they exist."""

    def find(self, table: Table[R], index: str, values: Iterable[Key]) -> list[R]:
        """The rows with one of these values in an index, in the order of their primary keys."""

    def count(self, table: Table[R], index: str, value: Key, most: int | None = None) -> int:
        """How many rows `find` would give, counted no further than to `most`."""

    def pick(self, table: Table[R], names: Sequence[str], index: str | None, values: Iterable[Key]) -> Iterator[Key]:
        """These columns of the rows with one of these values in an index, or with these primary keys; in no order.

        For many rows of which little is asked. Nothing may be written until the last one was given.
        """

    def latest(self, table: Table[R], index: str, value: Key, least: int = 0) -> Iterator[R]:
        """The rows with this value in an index that has riders, in falling order of these, read as they are asked for.

        Those whose first rider is null or below `least` are left out. Nothing may be written until the last one was
        asked for.
        """

    def newest(self, table: Table[Any], index: str, values: Iterable[Key]) -> dict[Key, int]:
        """The highest first rider of the rows with each of these values, as far as there is one."""

    def scan(self, table: Table[R]) -> Iterator[R]:
        """Every row, in the order of primary keys."""

    def put(self, table: Table[R], rows: Sequence[R]) -> None:
        """Insert the rows, or replace those with the same primary key."""

    def set(self, table: Table[R], keys: Sequence[Key], name: str, value: object) -> None:
        """Give one column of the rows with these primary keys, as far as they exist, another value."""

    def remove(self, table: Table[R], keys: Sequence[Key]) -> None:
        """Delete the rows with these primary keys, as far as they exist."""

    def remember(self) -> None:
        """Nobody else writes from here on, or whoever does keeps us from writing: what was read may be kept."""

    def scrub(self) -> list[str]:
        """Leave nothing of removed rows where it is kept. Returns, in sentences, what is not in its power."""

    def close(self) -> None:
        """Let go of the database."""
