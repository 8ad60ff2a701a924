"""Rows that were read and not written since: a round asks for the same ones when it collects, plans and settles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from antiphon.ledger.store import Key
from antiphon.ledger.tables import Table

R = TypeVar("R")

_MOST = 4_000
"""So many rows of a table are kept: those of a portion of a plan, on both sides. Then it begins anew."""


class Recent:
    """The rows of these tables, for a store that nobody else writes to; of any other table none."""

    def __init__(self, *tables: Table[Any]) -> None:
        self._rows: dict[str, dict[Key, Any]] = {table.name: {} for table in tables}

    def of(self, table: Table[R]) -> Mapping[Key, R]:
        """What is known of the table, by primary key."""
        return self._rows.get(table.name, {})

    def keep(self, table: Table[R], rows: Sequence[R]) -> None:
        """These were read."""
        known = self._rows.get(table.name)
        if known is not None:
            if len(known) + len(rows) > _MOST:
                known.clear()
            known.update((table.key_of(row), row) for row in rows[-_MOST:])

    def drop(self, table: Table[Any], keys: Iterable[Key]) -> None:
        """The rows with these primary keys are written, or removed."""
        known = self._rows.get(table.name)
        if known:
            for key in keys:
                known.pop(key, None)

    def clear(self) -> None:
        """Whatever was written is undone, and what was read of it never was."""
        for known in self._rows.values():
            known.clear()
