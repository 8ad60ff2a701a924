"""The lease on a ledger in PostgreSQL: an advisory lock of a session that lives for as long as the run.

The server frees the lock when the session ends, however the runner ended: at once if its process died, within a minute
if its host or the network did. Beside it the runner holds the file lock of `ledger.lease`, in the folder of its own
sync.yml. What each lock can know:

|                                              | file lock         | advisory lock      |
|----------------------------------------------|-------------------|--------------------|
| another run in the same folder               | keeps it off      | keeps it off       |
| another run in another folder or on a host   | cannot see it     | keeps it off       |
| plugins of a killed run, same folder         | waits for them    | cannot see them    |
| plugins of a killed run, elsewhere           | cannot see them   | cannot see them    |

So a second host knows that no other *runner* is alive, and not whether plugins that a killed runner left behind on the
first host still write to a side: only that host can, and they end when they find their pipe to the runner closed.
The ledger itself is safe from the former runner in any case: its transactions are refused, for the epoch has risen.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from antiphon.errors import LedgerBusy
from antiphon.ledger import postgres
from antiphon.ledger.database import let_go, read_url

_POLL = 0.1
_HOLDER = sa.text(
    "SELECT a.application_name, to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS+00:00') "
    "FROM pg_locks l JOIN pg_stat_activity a USING (pid) JOIN pg_database d ON d.oid = l.database "
    "WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted AND d.datname = current_database() "
    "AND l.classid::bigint = :high AND l.objid::bigint = :low"
)


def name_of_runner(command: str, pid: int) -> str:
    """Who runs, for other hosts to read: at most 63 bytes of it are kept."""
    return f"{command} (process {pid} on {socket.gethostname()})"


@contextmanager
def hold(url: str, *, name: str, wait: float, who: str) -> Iterator[None]:
    """Hold the lease of the sync's ledger; `who` is the runner, for others to read.

    Waits up to `wait` seconds, then raises `LedgerBusy` with the name of the run that holds it. Raises `ConfigError`
    and `LedgerError` as `postgres.connect`.
    """
    address, schema = read_url(url), postgres.schema_of(name)
    place = postgres.place_of(address, schema)
    connection = postgres.connect(address, schema, application=who)
    try:
        deadline = time.monotonic() + wait
        while not _taken(connection, schema, place):
            if time.monotonic() >= deadline:
                raise _busy(connection, schema, place)
            time.sleep(_POLL)
        yield
    finally:
        let_go(connection)


def _taken(connection: sa.Connection, schema: str, place: str) -> bool:
    key = postgres.lock_key(schema, "lease")
    try:
        return bool(connection.execute(sa.select(sa.func.pg_try_advisory_lock(key))).scalar_one())
    except sa.exc.DBAPIError as error:
        raise postgres.explain(error.orig, place) from error


def _busy(connection: sa.Connection, schema: str, place: str) -> LedgerBusy:
    high, low = divmod(postgres.lock_key(schema, "lease") % 2**64, 2**32)
    try:
        found = connection.execute(_HOLDER, {"high": high, "low": low}).first()
    except sa.exc.DBAPIError as error:
        raise postgres.explain(error.orig, place) from error
    who, since = found or ("it has just ended", "a moment ago")
    return LedgerBusy(
        f"another run is at work on the ledger {place}: {who}, since {since}", hint="let it finish, then run again"
    )
