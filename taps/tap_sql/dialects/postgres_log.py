"""PostgreSQL's logical slot and publication, by SQL."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from tap_sql.dialects.base import FETCH, ChangeLog, Dialect
from tap_sql.dialects.postgres_stream import PostgreSQLStream
from tap_sql.engines import told
from tap_sql.errors import DatabaseError, SettingsError
from tap_sql.metrics import report_kept
from tap_sql.pgoutput import Begin, Change, Malformed, changes, lsn_number
from tap_sql.relations import Relation

_ALLOW = "this user needs the attribute REPLICATION (ALTER ROLE … REPLICATION), and to own the published tables"
_log = logging.getLogger("tap-sql")

_SLOT = """
SELECT plugin, database = current_database(), confirmed_flush_lsn::text, coalesce(wal_status, '') = 'lost'
FROM pg_replication_slots WHERE slot_name = :slot
"""
_KEPT = """
SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint, wal_status
FROM pg_replication_slots WHERE slot_name = :slot
"""
_IDENTITY = """
SELECT c.relreplident::text,
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary),
       EXISTS (SELECT FROM pg_publication_tables p
               WHERE p.pubname = :publication AND p.schemaname = n.nspname AND p.tablename = c.relname),
       c.relkind = 'p' AND EXISTS (SELECT FROM pg_publication WHERE pubname = :publication AND NOT pubviaroot)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = :schema AND c.relname = :table
"""


class PostgreSQLLog(ChangeLog):
    """One slot and one publication for all streams of a tap."""

    def __init__(self, dialect: Dialect, slot: str, publication: str) -> None:
        """Names as PostgreSQL has them; what is not there is made."""
        self.dialect, self.slot, self.publication = dialect, slot, publication

    def open(
        self, connection: sa.Connection, relation: Relation, bookmark: str | None, acknowledged: str | None
    ) -> str | None:
        """See to publication and slot, and let go of the log before `acknowledged`.

        Returns where the stream's changes start: its bookmark, or None if the log does not go back that far.
        """
        with told(f"stream {relation.stream}, the publication {self.publication}", denied=_ALLOW):
            published = self._publish(connection, relation)
        with told(f"stream {relation.stream}, the slot {self.slot}", denied=_ALLOW):
            confirmed = self._slot(connection)
            if bookmark is None or not published or confirmed is None or lsn_number(bookmark) < lsn_number(confirmed):
                return None
            if acknowledged is not None and lsn_number(acknowledged) > lsn_number(confirmed):
                self._go_on(connection)
                self.dialect.run(
                    connection,
                    "SELECT pg_replication_slot_advance(:slot, CAST(:lsn AS pg_lsn))",
                    slot=self.slot,
                    lsn=acknowledged,
                )
            connection.commit()
            self._report(connection)
        return bookmark

    def _report(self, connection: sa.Connection) -> None:
        """Tell how much of the log is kept for the slot, and if it is about to be more than the server allows."""
        kept, status = self.dialect.run(connection, _KEPT, slot=self.slot).one()
        connection.commit()
        report_kept(self.slot, kept)
        if status == "unreserved":
            _log.warning(
                "slot %s keeps more of the log than max_slot_wal_keep_size allows, and will be invalidated unless its "
                "STATE is acknowledged soon: run the tap more often, or raise that setting",
                self.slot,
            )

    def position(self, connection: sa.Connection) -> str:
        """How far the log is written out."""
        with told("the log"):
            position = str(self.dialect.run(connection, "SELECT pg_current_wal_flush_lsn()::text").scalar_one())
            self._go_on(connection)
        return position

    def _go_on(self, connection: sa.Connection) -> None:
        """Have the log go on beyond where it is now: who reads to its end waits for the record that comes next.

        After a restart there may be none for a long time, if nobody writes.
        """
        self.dialect.run(connection, "SET LOCAL synchronous_commit = on")
        self.dialect.run(connection, "SELECT pg_logical_emit_message(true, 'antiphon', '')")
        connection.commit()

    def changes(self, connection: sa.Connection, start: str, until: str) -> Iterator[Change]:
        """What was committed from `start` on, up to `until`."""
        sql = (
            "SELECT data FROM pg_logical_slot_peek_binary_changes(:slot, CAST(:until AS pg_lsn), NULL, "
            "'proto_version', '1', 'publication_names', :publication)"
        )
        passed, first = False, lsn_number(start)
        with told(f"the slot {self.slot}", denied=_ALLOW):
            result = self.dialect.run(
                connection.execution_options(stream_results=True, yield_per=FETCH),
                sql,
                slot=self.slot,
                until=until,
                publication=_listed(self.publication),
            )
            try:
                for change in changes(bytes(row[0]) for row in result):
                    if isinstance(change, Begin):
                        passed = change.lsn >= first
                    if passed:
                        yield change
            except (Malformed, KeyError) as error:
                raise DatabaseError(
                    f"the slot {self.slot}: {error}", hint="report it, with the server's version"
                ) from error
            finally:
                result.close()

    @contextmanager
    def stream(self, connection: sa.Connection, start: str) -> Iterator[PostgreSQLStream]:
        """By a replication connection of its own."""
        with told(f"the slot {self.slot}", denied=_ALLOW):
            asking = connection.execution_options(isolation_level="AUTOCOMMIT")
            asking.exec_driver_sql("SET synchronous_commit = on").close()
        plugin = f"proto_version '1', publication_names {_literal(_listed(self.publication))}"
        stream = PostgreSQLStream(self.dialect.engine, asking, self.slot, plugin)
        try:
            stream.start(start)
            yield stream
        finally:
            stream.close()

    def _publish(self, connection: sa.Connection, relation: Relation) -> bool:
        """Whether the table was published before. Published it is now."""
        shown = self.dialect.run(
            connection, _IDENTITY, publication=self.publication, schema=relation.schema, table=relation.table
        ).one()
        identity, has_primary_key, published, by_partition = shown
        if by_partition:
            raise SettingsError(
                f"stream {relation.stream}: the publication {self.publication} tells changes by partition",
                hint=f"ALTER PUBLICATION {self.publication} SET (publish_via_partition_root = true)",
            )
        if identity == "n" or (identity == "d" and not has_primary_key):
            raise SettingsError(
                f"stream {relation.stream}: the log would not tell which row of it was changed or deleted",
                hint=f"give {relation.table} a primary key, or: ALTER TABLE … REPLICA IDENTITY USING INDEX …",
            )
        if published:
            return True
        table = self.dialect.source(relation)
        name = self.dialect.quote(self.publication)
        sql = "SELECT 1 FROM pg_publication WHERE pubname = :publication"
        there = self.dialect.run(connection, sql, publication=self.publication).first() is not None
        if there:
            self.dialect.run(connection, f"ALTER PUBLICATION {name} ADD TABLE {table}")
        else:
            options = "WITH (publish_via_partition_root = true)"
            self.dialect.run(connection, f"CREATE PUBLICATION {name} FOR TABLE {table} {options}")
        connection.commit()
        return False

    def _slot(self, connection: sa.Connection) -> str | None:
        """Where the slot's log starts; None if the slot had to be made (anew)."""
        shown = self.dialect.run(connection, _SLOT, slot=self.slot).first()
        if shown is not None:
            plugin, here, confirmed, lost = shown
            if plugin != "pgoutput" or not here:
                raise SettingsError(
                    f"the slot {self.slot} is another one's: its plugin is {plugin}, "
                    f"{'' if here else 'and it is of another database'}",
                    hint="name one of its own in the setting `slot`",
                )
            if not lost:
                return str(confirmed)
            _log.warning("slot %s was invalidated by the server; it is made anew", self.slot)
            self.dialect.run(connection, "SELECT pg_drop_replication_slot(:slot)", slot=self.slot)
        level = str(self.dialect.run(connection, "SHOW wal_level").scalar_one())
        if level != "logical":
            raise DatabaseError(
                f"LOG_BASED needs wal_level = logical, the server has {level}",
                hint="ALTER SYSTEM SET wal_level = logical and restart the server, or take DIFF, which needs neither",
            )
        connection.commit()  # a slot is made in a transaction of its own
        sql = "SELECT pg_create_logical_replication_slot(:slot, 'pgoutput')"
        self.dialect.run(connection, sql, slot=self.slot)
        connection.commit()
        return None


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _listed(name: str) -> str:
    """A name as an item of pgoutput's list."""
    return '"' + name.replace('"', '""') + '"'
