"""The table of receipts in the target's own schema: a row and its receipt are committed together, so exactly once.

An operation whose id is found there was done before, by a run whose receipts file or STATE was lost: it is answered
from the table and not done again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from target_kit import Applied
from target_kit.lines import encode
from target_sql.batches import values_of
from target_sql.faults import ended
from target_sql.tables import Address

NAME = "antiphon_receipts"
KEPT = timedelta(days=30)
_ASKED_AT_ONCE = 500


class ReceiptsTable:
    """`antiphon_receipts`, made when the first operation comes; receipts older than 30 days are removed then."""

    def __init__(self, connection: sa.Connection, schema: str | None) -> None:
        self._connection = connection
        text = sa.String(64) if connection.dialect.name in {"mysql", "mariadb"} else sa.Text()
        self.table = Address(schema, NAME).table(
            sa.Column("op_id", text, primary_key=True),
            sa.Column("at", sa.BigInteger, nullable=False),  # microseconds since 1970
            sa.Column("receipt", sa.Text, nullable=False),
        )

    def prepare(self) -> None:
        """Make the table and remove what is old. Raises `TargetError` if that is not allowed."""
        with ended(f"creating {self.table.fullname}"), self._connection.begin():
            self.table.create(self._connection, checkfirst=True)
        with ended(f"cleaning {self.table.fullname}"), self._connection.begin():
            before = _micros(datetime.now(UTC) - KEPT)
            self._connection.execute(sa.delete(self.table).where(self.table.c.at < before))

    def answered(self, op_ids: Iterable[str]) -> dict[str, Applied]:
        """What was done before, by operation."""
        wanted, found = list(op_ids), {}
        for start in range(0, len(wanted), _ASKED_AT_ONCE):
            some = wanted[start : start + _ASKED_AT_ONCE]
            columns = sa.select(self.table.c.op_id, self.table.c.receipt)
            for op_id, receipt in self._connection.execute(columns.where(self.table.c.op_id.in_(some))):
                identity, stored, rest = values_of(receipt.encode()[1:-1])
                found[op_id] = Applied(identity, stored, found=rest)
        return found

    def keep(self, done: Mapping[str, Applied]) -> None:
        """Write receipts in the transaction that is open."""
        if not done:
            return
        at = _micros(datetime.now(UTC))
        rows: list[dict[str, Any]] = [
            {"op_id": op_id, "at": at, "receipt": encode([a.id, a.stored, a.found]).decode()}
            for op_id, a in done.items()
        ]
        if self._connection.dialect.name == "duckdb":  # which takes long over each statement, and sends each row in one
            self._connection.execute(sa.insert(self.table).values(rows))
        else:
            self._connection.execute(sa.insert(self.table), rows)


def _micros(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)
