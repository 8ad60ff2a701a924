"""PostgreSQL's logical slot as a stream: the server sends each transaction as it commits.

The protocol is PostgreSQL's documentation, section "Streaming Replication Protocol": after START_REPLICATION the
connection is in COPY both ways. The server sends `w` (data) and `k` (keepalive), we send `r` (how far we are).
"""

from __future__ import annotations

import select
import struct
import time
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from psycopg import OperationalError, pq
from psycopg.conninfo import make_conninfo

from tap_sql.dialects.base import Position
from tap_sql.dialects.postgres_session import SESSION
from tap_sql.engines import told, told_by_driver
from tap_sql.errors import DatabaseError
from tap_sql.pgoutput import Begin, Change, Commit, Decoder, Malformed, lsn_number, lsn_text

_DATA, _KEEPALIVE = b"w", b"k"
_HEAD = struct.Struct(">cqqq")
_ALIVE = struct.Struct(">cqqb")
_STATUS = struct.Struct(">cqqqqb")
_EPOCH = 946_684_800
"""2000-01-01 in seconds since 1970: the protocol counts from there."""
_POSITION = """
SELECT pg_current_wal_insert_lsn()::text, pg_current_wal_insert_lsn() > pg_current_wal_flush_lsn(),
       to_json(clock_timestamp()) #>> '{}'
"""


class PostgreSQLStream:
    """One slot, read as it grows. What it sends is confirmed by `confirm` only.

    `connection` answers where the log is now; it is in autocommit mode, with every commit made durable.
    """

    def __init__(self, engine: sa.Engine, connection: sa.Connection, slot: str, plugin: str) -> None:
        """`plugin`: pgoutput's options."""
        self._connection, self._slot, self._plugin = connection, slot, plugin
        arguments: dict[str, Any] = dict(engine.dialect.create_connect_args(engine.url)[1])
        arguments.pop("context", None)
        self._where = f"the slot {slot}"
        self._conn = pq.PGconn.connect(make_conninfo("", **arguments, replication="database").encode())
        self._decoder = Decoder()
        self._reached = 0
        self._confirmed = 0
        self._open_transaction = False
        self.received = 0
        if self._conn.status != pq.ConnStatus.OK:
            raise self._broken()

    def start(self, lsn: str) -> None:
        """Have everything sent that was committed from `lsn` on. Raises `DatabaseError`, also if another reads it."""
        for statement in SESSION:
            self._execute(statement, pq.ExecStatus.COMMAND_OK)
        self._reached = self._confirmed = lsn_number(lsn)
        name = '"' + self._slot.replace('"', '""') + '"'
        self._execute(f"START_REPLICATION SLOT {name} LOGICAL {lsn} ({self._plugin})", pq.ExecStatus.COPY_BOTH)
        self._conn.nonblocking = 1

    def fileno(self) -> int:
        """What is readable when the server has sent something."""
        return self._conn.socket

    def now(self) -> Position:
        """Where the log is now: all that others can see is before it, and is made durable, so that it will be sent."""
        with told("the log"):
            lsn, waits, clock = self._connection.exec_driver_sql(_POSITION).one()
            if waits:  # of a session that does not wait for the disk
                self._connection.exec_driver_sql("SELECT pg_logical_emit_message(true, 'antiphon', '')").close()
        return Position(str(lsn), str(clock))

    def sent(self) -> Iterator[Change]:
        """What the server has sent and was not read yet. Does not wait."""
        try:
            self._conn.consume_input()
        except OperationalError as error:
            raise told_by_driver(self._where, error) from error
        while (message := self._message()) is not None:
            kind = message[:1]
            if kind == _KEEPALIVE:
                _, reached, _, wanted = _ALIVE.unpack_from(message)
                self._reached = max(self._reached, reached)
                if wanted:
                    self._tell(answer=False)
            elif kind == _DATA:
                self.received += len(message)
                change = self._decoded(message[_HEAD.size :])
                if change is not None:
                    yield change

    def until(self, lsn: str, patience: float) -> Iterator[Change]:
        """What was committed before `lsn`, and what came with it, to the end of a transaction."""
        wanted, ends = lsn_number(lsn), time.monotonic() + patience
        while True:
            yield from self.sent()
            if self._reached >= wanted and not self._open_transaction:
                return
            if time.monotonic() > ends:
                raise DatabaseError(
                    f"{self._where}: the server did not send the log up to {lsn} in {patience:g} seconds",
                    hint="see that the server is not overloaded; what was acknowledged stays so: run again",
                )
            self._tell(answer=True)
            select.select([self._conn.socket], [], [], min(1.0, patience))

    @property
    def reached(self) -> str:
        """Everything before this was sent."""
        return lsn_text(self._reached)

    @property
    def confirmed(self) -> str:
        """The log before this may go."""
        return lsn_text(self._confirmed)

    def confirm(self, lsn: str) -> None:
        """Let go of the log before `lsn`."""
        if lsn_number(lsn) > self._confirmed:
            self._confirmed = lsn_number(lsn)
            self._tell(answer=False)

    def close(self) -> None:
        """Let go of the slot."""
        self._conn.finish()

    # ---- messages

    def _message(self) -> bytes | None:
        try:
            size, data = self._conn.get_copy_data(1)
        except OperationalError as error:
            raise told_by_driver(self._where, error) from error
        if size > 0:
            return bytes(data)
        if size < 0:  # the server ended the stream
            raise self._broken()
        return None

    def _decoded(self, payload: bytes) -> Change | None:
        try:
            change = self._decoder.decode(payload)
        except (Malformed, KeyError) as error:
            raise DatabaseError(f"{self._where}: {error}", hint="report it, with the server's version") from error
        if isinstance(change, Begin):
            self._open_transaction = True
        elif isinstance(change, Commit):
            self._open_transaction = False
            self._reached = max(self._reached, change.lsn)
        return change

    def _tell(self, *, answer: bool) -> None:
        """Say how far we are, and ask for an answer."""
        clock = int((time.time() - _EPOCH) * 1_000_000)
        lsn = self._confirmed
        try:
            self._conn.put_copy_data(_STATUS.pack(b"r", self._reached, lsn, lsn, clock, answer))
            while self._conn.flush():
                select.select([], [self._conn.socket], [], 1.0)
        except OperationalError as error:
            raise told_by_driver(self._where, error) from error

    def _execute(self, command: str, expected: pq.ExecStatus) -> Any:
        result = self._conn.exec_(command.encode())
        if result.status != expected:
            raise self._broken()
        return result

    def _broken(self) -> DatabaseError:
        words = self._conn.error_message.decode(errors="replace").strip() or "the server ended the stream"
        return told_by_driver(self._where, OperationalError(words))
