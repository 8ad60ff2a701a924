"""An open database, and the URLs that name one. SQLite and PostgreSQL each make theirs in a module of their own."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import sqlalchemy as sa

from antiphon.errors import ConfigError, LedgerError
from antiphon.ledger.checkpoints import Checkpoints

DRIVERS: Mapping[str, str] = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
"""How a ledger's URL may begin, and what SQLAlchemy calls that."""
ALLOWED = "sqlite:///path/to/ledger.db or postgresql+psycopg://user:password@host/database"


@dataclass(frozen=True, slots=True)
class Database:
    """A connection in autocommit mode, and what its kind of database does in its own way.

    `place` names it in messages, without a password. `begin` are the statements that start a transaction which no
    other writer is in the middle of, by whether it is durable. `explain` turns an error of the driver into ours.
    `prepare` chooses settings, `found` makes the room for the tables of a new ledger, inside a transaction. `scrub`
    leaves nothing of deleted rows on the disk, and tells in sentences what is not in its power. `foreign` is the way on
    if somebody else's tables are there. `checkpoints` are told of each commit, where they are in our hands.
    `analyses` if it chooses indexes by statistics, which by itself it takes only minutes after much was written.
    """

    connection: sa.Connection
    place: str
    begin: Mapping[bool, Sequence[str]]
    explain: Callable[[BaseException | None], LedgerError]
    prepare: Callable[[], None]
    found: Callable[[], None]
    foreign: str
    scrub: Callable[[], list[str]]
    checkpoints: Checkpoints | None = None
    schema: str | None = None
    analyses: bool = False

    def close(self) -> None:
        """Let go of it; a second time does nothing."""
        if self.checkpoints is not None:
            with suppress(sqlite3.Error):  # the log stays beside the file, and whoever opens it next reads both
                self.checkpoints.wait()
        let_go(self.connection)


def let_go(connection: sa.Connection) -> None:
    """Close a connection, broken or not."""
    with suppress(sa.exc.DBAPIError):  # closing asks the server to roll back
        connection.close()
    connection.engine.dispose()


def missing(place: str) -> ConfigError:
    """The error of looking at a ledger before there is one."""
    return ConfigError(f"there is no ledger at {place}", hint="run `antiphon sync` or `antiphon plan` first")


def read_url(text: str) -> sa.URL:
    """The URL of a ledger. Raises `ConfigError`, which never repeats it: it may hold a password."""
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise ConfigError("`ledger:` is no database URL", hint=f"write {ALLOWED}") from error
    if url.drivername not in DRIVERS:
        raise ConfigError(f"no ledger can be kept in {url.drivername!r}", hint=f"write {ALLOWED}")
    return url.set(drivername=DRIVERS[url.drivername])
