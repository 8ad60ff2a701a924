"""Checkpoints of a SQLite ledger happen beside its commits, not within them.

Once in a thousand pages SQLite would make the very commit that comes along write the whole write-ahead log back into
the file: the slowest commit in a hundred takes forty times as long as the others. So that is turned off. Whenever the
log has grown by `LIMIT`, another connection in a thread of its own writes it back while commits go on, and then empties
it; the log that is left at the end goes when the last connection closes, as ever. Both are SQLite's own ways: a process
that is killed at any moment leaves a log that the next one reads (https://sqlite.org/wal.html, section 3.1).
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Thread

LIMIT = 32 << 20
"""Bytes by which the log grows between two checkpoints."""
PATIENCE = 8
"""A commit waits for the checkpoint under way when the log has become so many times longer than `LIMIT`."""


class Checkpoints:
    """Those of one database file. For the thread that commits."""

    def __init__(self, path: Path, *, limit: int = LIMIT) -> None:
        self._path, self._limit = path, limit
        self._log = path.with_name(f"{path.name}-wal")
        self._due = limit
        self._thread: Thread | None = None
        self._error: sqlite3.Error | None = None

    def committed(self) -> None:
        """See after a commit whether a checkpoint is due. Raises the `sqlite3.Error` by which the last one failed."""
        size = self._size()
        if size < self._due:
            return
        if self._thread is not None:
            if self._thread.is_alive() and size < PATIENCE * self._limit:
                return
            self.wait()
            if self._size() < self._due:
                return
        self._thread = Thread(target=self._checkpoint, name="checkpoint", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait for the checkpoint under way. Raises the `sqlite3.Error` by which it failed."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _size(self) -> int:
        try:
            return self._log.stat().st_size
        except FileNotFoundError:
            return 0

    def _checkpoint(self) -> None:
        try:
            with closing(sqlite3.connect(self._path, isolation_level=None, timeout=1.0)) as connection:
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()  # most of it, while others write
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # the rest, unless somebody reads it
        except sqlite3.Error as error:
            self._error = error
        self._due = self._size() + self._limit
