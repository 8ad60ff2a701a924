"""The SQL that all databases share: row by row, in one transaction a batch."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import quoted_name
from sqlalchemy.dialects import mysql, sqlite

from target_sql.batches import Batch, values_of
from target_sql.columns import Column, to_bind
from target_sql.tables import SOFT, Address, Table

if TYPE_CHECKING:
    import pyarrow as pa

    from target_sql.writers.postgres_files import PostgresFiles


class Mode(enum.StrEnum):
    """What a stream's rows do to its table."""

    APPEND = "append"  # every row is added
    INSERT = "insert"  # rows whose key is new are added, the others left as they are
    UPDATE = "update"  # rows whose key is there are changed, the others passed over
    UPSERT = "upsert"  # both
    MIRROR = "mirror"  # both, and what was not sent is deleted once all was sent


class Writer:
    """Writes batches over one connection; each method works in the transaction that its caller opened.

    This class knows the SQL that all databases understand, and the upserts of SQLite and MySQL.
    """

    batch_rows = 10_000
    seen_table = "antiphon_seen"
    takes_columns = False

    def __init__(self, connection: sa.Connection, *, lock_timeout: float) -> None:
        """`lock_timeout`: seconds to wait for a row that somebody else has locked."""
        self.connection = connection
        self.dialect = connection.dialect.name
        self.lock_timeout = lock_timeout
        self.prepare()

    def prepare(self) -> None:
        """Set up the session."""
        match self.dialect:
            case "mysql" | "mariadb":
                self._run(f"SET SESSION innodb_lock_wait_timeout = {max(1, round(self.lock_timeout))}")
                self._run("SET SESSION time_zone = '+00:00'")
                self._run("SET SESSION sql_mode = concat(@@sql_mode, ',STRICT_ALL_TABLES,NO_ZERO_DATE')")
            case "sqlite":
                self._run(f"PRAGMA busy_timeout = {round(self.lock_timeout * 1000)}")
                self._run("PRAGMA foreign_keys = ON")
            case _:
                pass

    def _run(self, statement: str) -> None:
        self.connection.exec_driver_sql(statement)
        self.connection.commit()

    @property
    def files(self) -> PostgresFiles | None:
        """Who writes files of PostgreSQL's own form; None in any other database."""
        return None

    def begin(self) -> None:
        """What each transaction starts with."""

    def close(self) -> None:
        """Let go of what the writer opened beside the connection."""

    # ---- rows

    def load(self, table: Table, batch: Batch, key: Sequence[str], mode: Mode, *, fresh: bool) -> None:
        """Write a batch. `fresh`: the table held nothing when the run began, so no key can be there yet."""
        del fresh
        columns = [table.columns[name] for name in batch.columns]
        rows = [self._bound(columns, line) for line in batch.lines]
        if batch.doubled and mode is not Mode.APPEND:
            rows = list({tuple(row[name] for name in key): row for row in rows}.values())
        if mode is Mode.UPDATE:
            self._update(table, rows, key)
            return
        if mode is Mode.APPEND or not key:
            self.connection.execute(sa.insert(table.core), rows)
            return
        statement = self._upsert(table, batch.columns, key, mode)
        if statement is not None:
            self.connection.execute(statement, rows)
            return
        if mode is not Mode.INSERT:
            self._update(table, rows, key)
        self.connection.execute(self._insert_where_missing(table, batch.columns, key), rows)

    def load_columns(
        self,
        table: Table,
        names: Sequence[str],
        columns: pa.RecordBatch,
        key: Sequence[str],
        mode: Mode,
        *,
        fresh: bool,
        doubled: bool,
    ) -> None:
        """Write columns as `load` writes rows; only where `takes_columns`."""
        raise NotImplementedError

    def _bound(self, columns: Sequence[Column], line: bytes) -> dict[str, Any]:
        return {
            column.name: to_bind(value, column, self.dialect)
            for column, value in zip(columns, values_of(line), strict=True)
        }

    def _upsert(self, table: Table, columns: Sequence[str], key: Sequence[str], mode: Mode) -> Any:
        """One statement for both, where the dialect has it and the key is unique."""
        if not table.holds_unique(key):
            return None
        rest = [name for name in columns if name not in key]
        if self.dialect == "sqlite":
            insert = sqlite.insert(table.core)
            if mode is Mode.INSERT or not rest:
                return insert.on_conflict_do_nothing(index_elements=list(key))
            return insert.on_conflict_do_update(
                index_elements=list(key), set_={name: insert.excluded[name] for name in rest} | _alive(table, columns)
            )
        if self.dialect in {"mysql", "mariadb"}:
            insert_my = mysql.insert(table.core)
            if mode is Mode.INSERT or not rest:
                return insert_my.on_duplicate_key_update({key[0]: table.core.c[key[0]]})
            # SQLAlchemy's `inserted` quotes a percent sign in a name twice
            changed: dict[str, Any] = {n: sa.func.values(sa.column(quoted_name(n, quote=True))) for n in rest}
            return insert_my.on_duplicate_key_update(changed | _alive(table, columns))
        return None

    def _update(self, table: Table, rows: Sequence[dict[str, Any]], key: Sequence[str]) -> None:
        rest = [name for name in rows[0] if name not in key]
        if not rest:
            return
        statement = (
            sa.update(table.core)
            .where(*(table.core.c[name] == sa.bindparam(f"k_{name}") for name in key))
            .values({name: sa.bindparam(f"v_{name}") for name in rest} | _alive(table, rest))
        )
        self.connection.execute(
            statement,
            [{**{f"k_{n}": row[n] for n in key}, **{f"v_{n}": row[n] for n in rest}} for row in rows],
        )

    def _insert_where_missing(self, table: Table, columns: Sequence[str], key: Sequence[str]) -> Any:
        there = sa.exists().where(
            *(table.core.c[name] == sa.bindparam(name, type_=table.core.c[name].type) for name in key)
        )
        source = sa.select(*(sa.bindparam(name, type_=table.core.c[name].type) for name in columns)).where(~there)
        return sa.insert(table.core).from_select(list(columns), source)

    def delete(self, table: Table, keys: Sequence[bytes], key: Sequence[str], *, soft: bool) -> None:
        """Remove rows by their key tokens, or set their `_sdc_deleted_at`."""
        columns = [table.columns[name] for name in key]
        rows = [{f"k_{n}": v for n, v in self._bound(columns, line).items()} for line in keys]
        here = [table.core.c[name] == sa.bindparam(f"k_{name}") for name in key]
        if soft:
            now = sa.func.current_timestamp()
            self.connection.execute(sa.update(table.core).where(*here).values({SOFT: now}), rows)
        else:
            self.connection.execute(sa.delete(table.core).where(*here), rows)

    # ---- mirror

    def see(self, table: Table, keys: Sequence[bytes], key: Sequence[str], number: int) -> None:
        """Note the keys that were sent, in a temporary table of stream `number`."""
        seen = self._seen(table, key, number)
        columns = [table.columns[name] for name in key]
        self.connection.execute(sa.insert(seen), [self._bound(columns, line) for line in keys])

    def start_mirror(self, table: Table, key: Sequence[str], number: int) -> None:
        """An empty table for `see`."""
        core = table.core
        like = sa.select(*(core.c[name] for name in key)).where(sa.false()).compile(dialect=self.connection.dialect)
        self.connection.exec_driver_sql(
            f"CREATE TEMPORARY TABLE {self.seen_table}_{number} AS {like}", tuple(like.params.values())
        )

    def _seen(self, table: Table, key: Sequence[str], number: int) -> sa.Table:
        columns = [sa.Column(name, table.core.c[name].type) for name in key]
        return Address(None, f"{self.seen_table}_{number}").table(*columns)

    def unseen(self, table: Table, key: Sequence[str], number: int) -> tuple[int, int]:
        """How many rows were not sent, of how many."""
        counted = sa.select(sa.func.count()).select_from(table.core)
        total = int(self.connection.execute(counted).scalar_one())
        return int(self.connection.execute(counted.where(self._not_seen(table, key, number))).scalar_one()), total

    def delete_unseen(self, table: Table, key: Sequence[str], number: int, *, soft: bool) -> None:
        """Remove them."""
        where = self._not_seen(table, key, number)
        if soft:
            now = sa.func.current_timestamp()
            self.connection.execute(
                sa.update(table.core).where(where, table.core.c[SOFT].is_(None)).values({SOFT: now})
            )
        else:
            self.connection.execute(sa.delete(table.core).where(where))

    def _not_seen(self, table: Table, key: Sequence[str], number: int) -> Any:
        seen = self._seen(table, key, number)
        return ~sa.exists().where(*(seen.c[name] == table.core.c[name] for name in key))


def _alive(table: Table, columns: Sequence[str]) -> dict[str, Any]:
    """A row that is written is not deleted."""
    return {SOFT: None} if SOFT in table.columns and SOFT not in columns else {}
