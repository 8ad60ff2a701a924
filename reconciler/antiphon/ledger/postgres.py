"""What is special about PostgreSQL: a schema for each sync, one writer at a time, and what its errors ask for.

Connect to the server itself, or through a pooler that keeps a session for each client: search path, lease and time
limits belong to the session (PgBouncer documentation, "SQL feature map for pooling modes").
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from functools import partial
from hashlib import sha256

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from antiphon.errors import ConfigError, LedgerBusy, LedgerError
from antiphon.ledger.database import Database, let_go

_NOT_ALLOWED = "42501"
_LONGEST_NAME = 63  # bytes (PostgreSQL documentation, 4.1.1 "Identifiers and Key Words")
_INSTALL = "pip install 'antiphon[postgres]'"
_CONNECT = {"connect_timeout": "10", "keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3"}
_SETTINGS = {
    # No limit that an administrator set for other work may cut a run short …
    "statement_timeout": "0",
    "transaction_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    # … and a runner whose host is gone is noticed within a minute, so that its locks are freed.
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
_SET = sa.text(  # as far as this version knows them
    "SELECT set_config(name, value, false) FROM json_each_text(CAST(:settings AS json)) AS s(name, value) "
    "JOIN (SELECT name FROM pg_settings) AS known USING (name)"
)
_STANDING = sa.text(
    "SELECT current_setting('server_encoding'), current_user::text, count(*) > 0, "
    "bool_or(has_schema_privilege(oid, 'USAGE')) FROM pg_namespace WHERE nspname = :schema"
)


def schema_of(name: str) -> str:
    """The schema of a sync's ledger: `antiphon_` and its name in small letters, digits and `_`.

    Two names may come out the same; `Ledger.create` then refuses the second.
    """
    plain = "antiphon_" + re.sub(r"[^a-z0-9_]", "_", name.lower())
    if len(plain) <= _LONGEST_NAME:
        return plain
    return f"{plain[: _LONGEST_NAME - 9]}_{sha256(name.encode()).hexdigest()[:8]}"


def place_of(url: sa.URL, schema: str) -> str:
    """Where the ledger is, for messages."""
    port = f":{url.port}" if url.port else ""
    return f"{schema} in {url.database or 'the database'} at {url.host or 'localhost'}{port}"


def lock_key(schema: str, purpose: str) -> int:
    """The number of an advisory lock, which all of a database share: 64 bits of a hash, as PostgreSQL wants them."""
    return int.from_bytes(sha256(f"antiphon {purpose} {schema}".encode()).digest()[:8], signed=True)


def connect(url: sa.URL, schema: str, *, busy_timeout: float = 10.0, application: str = "antiphon") -> sa.Connection:
    """A session in autocommit mode that names this schema's tables alone; nothing is written yet.

    Raises `ConfigError` if the driver is not installed, `LedgerError` if the server lets nobody in.
    """
    if "@" in (url.host or ""):  # and what stands before it is the end of a password, so it is not repeated
        raise ConfigError("`ledger:` has a second `@`", hint="write an @ in a user's name or password as %40")
    place = place_of(url, schema)
    options = {name: value for name, value in _CONNECT.items() if name not in url.query}
    options |= {"application_name": application[:_LONGEST_NAME], "client_encoding": "utf8"}
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # it warns of what it then raises
    try:
        engine = sa.create_engine(
            url,
            poolclass=NullPool,
            pool_reset_on_return=None,
            isolation_level="AUTOCOMMIT",
            paramstyle="format",
            connect_args=options,
        )
    except ImportError as error:
        raise ConfigError(
            f"a ledger in PostgreSQL needs the driver psycopg, which is not installed ({error})", hint=_INSTALL
        ) from error
    try:
        connection = engine.connect()
    except sa.exc.DBAPIError as error:
        raise _shut_out(str(error.orig), place) from error
    try:
        settings = {**_SETTINGS, "search_path": schema, "lock_timeout": f"{max(1, int(busy_timeout * 1000))}ms"}
        connection.execute(_SET, {"settings": json.dumps(settings)})
    except sa.exc.DBAPIError as error:
        let_go(connection)
        raise explain(error.orig, place) from error
    return connection


def open_database(url: sa.URL, *, name: str, busy_timeout: float) -> Database:
    """The database of a sync's ledger. Raises as `connect`, and `LedgerError` if it cannot hold one."""
    schema = schema_of(name)
    connection = connect(url, schema, busy_timeout=busy_timeout)
    place = place_of(url, schema)
    try:
        grant = _admitted(connection, schema, place)
    except BaseException:
        let_go(connection)
        raise
    # READ COMMITTED: what is read after the lock was granted is what the last writer left.
    key = lock_key(schema, "transaction")
    begin = f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT pg_advisory_xact_lock({key})"
    return Database(
        connection,
        place,
        begin={True: (begin,), False: (f"{begin}; SET LOCAL synchronous_commit = off",)},
        explain=partial(explain, place=place, grant=grant),
        prepare=partial(_prepare, connection),
        found=partial(_found, connection, schema),
        foreign="rename the sync, or name another database at `ledger:`; this one is left as it is",
        scrub=partial(_scrub, connection, place),
        schema=schema,
        analyses=True,
    )


def _admitted(connection: sa.Connection, schema: str, place: str) -> str:
    """What an administrator does for an account that may not go on. Raises `LedgerError` if that is clear by now."""
    try:
        encoding, user, exists, usable = connection.execute(_STANDING, {"schema": schema}).one()
    except sa.exc.DBAPIError as error:
        raise explain(error.orig, place) from error
    if encoding != "UTF8":
        raise LedgerError(
            f"the ledger {place} would hold texts in {encoding}, which has no place for every letter",
            hint="make a database WITH ENCODING 'UTF8' and name it at `ledger:`",
        )
    change = f"ALTER SCHEMA {schema} OWNER TO" if exists else f"CREATE SCHEMA {schema} AUTHORIZATION"
    grant = f'have an administrator run: {change} "{user}"'
    if exists and not usable:
        raise LedgerError(f"the ledger {place} is closed to the account {user}", hint=grant)
    return grant


def _prepare(connection: sa.Connection) -> None:
    """What was committed stays, whatever an administrator chose for other work."""
    off = "current_setting('synchronous_commit') = 'off'"
    connection.exec_driver_sql(f"SELECT set_config('synchronous_commit', 'on', false) WHERE {off}")


def _found(connection: sa.Connection, schema: str) -> None:
    if not sa.inspect(connection).has_schema(schema):
        connection.execute(sa.schema.CreateSchema(schema))


def _scrub(connection: sa.Connection, place: str) -> list[str]:
    """Write the tables anew, and the server's statistics of them, which quote values.

    The old files are gone with the next checkpoint. Some of it is an administrator's to do.
    """
    try:
        for table in sa.inspect(connection).get_table_names(schema=_current_schema(connection)):
            connection.exec_driver_sql(f"VACUUM (FULL, ANALYZE) {table}")
    except sa.exc.DBAPIError as error:
        raise explain(error.orig, place) from error
    left = []
    for command, what in (("VACUUM FULL pg_catalog.pg_statistic", "statistics"), ("CHECKPOINT", "data files")):
        try:
            connection.exec_driver_sql(command)
        except sa.exc.DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _NOT_ALLOWED:
                raise explain(error.orig, place) from error
            left.append(f"the server's {what} may quote erased values until an administrator runs: {command}")
    left.append(
        "the server's write-ahead log, its backups and its replicas hold erased values for as long as they are kept"
    )
    return left


def _current_schema(connection: sa.Connection) -> str:
    return str(connection.exec_driver_sql("SELECT current_schema()").scalar_one())


def _shut_out(text: str, place: str) -> LedgerError:
    """Why the server let nobody in. The protocol gives no code for it to a client, only words."""
    words = " ".join(text.split())
    reason, hint = next((found for sign, *found in _CLOSED if sign in words), _NO_ANSWER)
    return LedgerError(f"the ledger {place} cannot be reached: {reason} ({words})", hint=hint)


_NO_ANSWER = ["no server answered", "see that the server runs and that host and port at `ledger:` are right"]
_CLOSED = (
    ("password authentication failed", "wrong user or password", "correct them at `ledger:`, or in the environment"),
    ("no password supplied", "the password is missing", "write postgresql+psycopg://user:$PASSWORD@host/database"),
    ("no pg_hba.conf entry", "the server admits no such login", "have an administrator add it to pg_hba.conf"),
    ("permission denied for database", "the account may not connect", "have an administrator GRANT CONNECT on it"),
    ("too many", "the server has no connection left", "end others, or raise max_connections, then run again"),
    ("remaining connection slots", "the server has no connection left", "end others, then run again"),
    ("starting up", "the server is starting", "wait a moment, then run again"),
    ("shutting down", "the server is stopping", "start it again, then run again"),
    ("does not exist", "no such database or user", "make it by CREATE DATABASE or CREATE ROLE, or correct `ledger:`"),
)


def explain(error: BaseException | None, place: str, grant: str = "") -> LedgerError:
    """What an error of the driver asks of the user (PostgreSQL documentation, appendix A "Error Codes").

    The server's details are left out: they show values of records.
    """
    code = getattr(error, "sqlstate", None) or ""
    said = getattr(getattr(error, "diag", None), "message_primary", None) or " ".join(str(error).split())
    found = next((meaning for begin, meaning in _MEANINGS.items() if code.startswith(begin)), None)
    make, message, hint = found or (_UNKNOWN if code else _LOST)
    return make(f"{message.format(place=place)} ({said})", hint=hint or grant)


_RETRY = "nothing of it was written; run again"
_LOST = (LedgerError, "the connection to the ledger {place} was lost", "see that the server runs, then run again")
_UNKNOWN = (LedgerError, "the ledger {place} cannot be used", _RETRY)
_BUSY = (LedgerBusy, "the ledger {place} is locked by another process", "let it finish, then run again")
_MEANINGS: dict[str, tuple[Callable[..., LedgerError], str, str]] = {
    "08": _LOST,
    "57P": _LOST,
    "55P03": _BUSY,
    "40": _BUSY,
    "42501": (LedgerError, "the account may not make or use the ledger {place}", ""),
    "42P01": (
        LedgerError,
        "tables of the ledger {place} are gone",
        "restore the last backup; what is left is left as it is",
    ),
    "25006": (LedgerError, "the ledger {place} is read-only", "name the server that takes writes at `ledger:`"),
    "53100": (
        LedgerError,
        "the server's disk is full: the ledger {place} cannot grow",
        "make room, then run again; nothing half-written is kept",
    ),
    "54": (
        LedgerError,
        "the ledger {place} cannot index a record's key of more than 2,700 bytes",
        "match by a shorter field, or keep this ledger in SQLite",
    ),
    "XX00": (LedgerError, "the ledger {place} is damaged", "restore the server's last backup"),
    "23": (
        LedgerError,
        "the ledger {place} refused rows that contradict each other",
        "nothing of it was written; please report this, it is a fault of Antiphon",
    ),
}
