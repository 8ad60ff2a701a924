"""Checkpoints of a SQLite ledger happen beside its commits, not within them.

Once in a thousand pages SQLite would make the very commit that comes along write the whole write-ahead log back into
the file: the slowest commit in a hundred takes forty times as long as the others. So that is turned off. Whenever the
log has grown by `LIMIT`, another connection in a thread of its own writes it back while commits go on. Once all of it
is written back, the next commit begins at its start; its file is not shortened, for new blocks cost more than old ones.
Only when it has become very long must commits wait until it is emptied. The log that is left at the end goes when the
last connection closes. All are SQLite's own ways: a process that is killed at any moment leaves a log that the next one
reads (https://sqlite.org/wal.html, sections 2.2 and 3.1).
"""

from __future__ import annotations

import os
import sqlite3
import struct
from contextlib import closing
from pathlib import Path
from threading import Thread

LIMIT = 32 << 20
"""Bytes by which the log grows between two checkpoints."""
PATIENCE = 8
"""Commits wait for the log to be emptied when it has become so many times longer than `LIMIT`."""

_TURNS = 3
"""So often the log is written back in a row, as each time something is committed meanwhile."""
_HEAD = struct.Struct(">8xI4x8s")
"""The log's head: how long a page is, and its frames' salts (https://sqlite.org/fileformat2.html, section 4.1)."""
_BEFORE_FRAMES = 32
_BEFORE_PAGE = 24
_SALTS = slice(8, 16)
"""Where the salts stand before each page. Frames with others are left from before the log began anew."""


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
        if not self._reaches(self._due):
            return
        if self._thread is not None:
            if self._thread.is_alive() and not self._reaches(PATIENCE * self._limit):
                return
            self.wait()
            if not self._reaches(self._due):
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

    def _reaches(self, size: int) -> bool:
        """Whether the log is so many bytes long, without what is left in its file from before it began anew.

        Only this file may be read so: SQLite locks the others, and to close them would give its locks away.
        """
        try:
            if self._log.stat().st_size <= size:
                return False
            log = os.open(self._log, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            page, salts = _HEAD.unpack(os.pread(log, _HEAD.size, 0))
            length = _BEFORE_PAGE + page
            frame = os.pread(log, _BEFORE_PAGE, _BEFORE_FRAMES + size // length * length)
            return frame[_SALTS] == bytes(salts)
        finally:
            os.close(log)

    def _checkpoint(self) -> None:
        try:
            with closing(sqlite3.connect(self._path, isolation_level=None, timeout=1.0)) as connection:
                connection.execute("PRAGMA synchronous = FULL")
                for _ in range(_TURNS):
                    ((_, frames, written),) = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
                    if written == frames:
                        break
                if self._log.stat().st_size > PATIENCE * self._limit:
                    ((_, frames, written),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                ((page,),) = connection.execute("PRAGMA page_size").fetchall()
        except sqlite3.Error as error:
            self._error = error
            return
        self._due = self._limit + (frames * (_BEFORE_PAGE + page) if written < frames else 0)
