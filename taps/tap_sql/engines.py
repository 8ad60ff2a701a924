"""From a URL to a database: the driver that reads it, the extra that brings the driver, and errors in plain words."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from tap_kit.errors import hide
from tap_sql.errors import DatabaseError, DriverMissing, SettingsError

_URLS = "a SQLAlchemy URL is written scheme://user:password@host:port/database, for instance {example}"


@dataclass(frozen=True, slots=True)
class Support:
    """A database: the SQLAlchemy driver that reads it, the extra that brings it, and how its URL is written."""

    driver: str
    extra: str
    example: str


SUPPORTED: Mapping[str, Support] = {
    "postgresql": Support("postgresql+psycopg", "postgres", "postgresql://me:secret@db.example.com/shop"),
    "duckdb": Support("duckdb", "duckdb", "duckdb:////var/lib/shop.duckdb"),
    "sqlite": Support("sqlite", "", "sqlite:////var/lib/shop.db"),
    "mysql": Support("mysql+pymysql", "mysql", "mysql://me:secret@db.example.com/shop"),
    "mariadb": Support("mariadb+pymysql", "mysql", "mariadb://me:secret@db.example.com/shop"),
    "snowflake": Support("snowflake", "snowflake", "snowflake://me:secret@account/shop/public?warehouse=small"),
    "bigquery": Support("bigquery", "bigquery", "bigquery://project/dataset"),
    "redshift": Support(
        "redshift+redshift_connector", "redshift", "redshift://me:secret@cluster.example.com:5439/shop"
    ),
    "databricks": Support(
        "databricks", "databricks", "databricks://token:dapi…@host?http_path=…&catalog=main&schema=shop"
    ),
}
_FILES = ("duckdb", "sqlite")
_ALIASES = {"postgres": "postgresql"}


def make_engine(text: str | sa.URL, *, read_only: bool = True) -> sa.Engine:
    """An engine for a SQLAlchemy URL. Connects to nothing yet. Raises `SettingsError`, `DriverMissing`.

    `read_only` lets a DuckDB file be read while others read it too.
    """
    url = parsed(text)
    support = SUPPORTED[family(url)]
    arguments: dict[str, Any] = {}
    if read_only and family(url) in _FILES and url.database not in (None, "", ":memory:"):
        if not Path(str(url.database)).exists():  # a driver would make it
            raise DatabaseError(f"there is no file {url.database}", hint=f"correct `url`; {_how(family(url))}")
        if family(url) == "duckdb":
            arguments["connect_args"] = {"read_only": True}
    try:
        return sa.create_engine(url, poolclass=sa.pool.NullPool if family(url) != "sqlite" else None, **arguments)
    except (exc.NoSuchModuleError, ModuleNotFoundError) as error:
        if not support.extra:
            raise SettingsError(f"{url.drivername} is no driver that this machine has: {error}") from error
        raise DriverMissing(
            f"the driver of {family(url)} is not installed",
            hint=f"pip install 'antiphon[{support.extra}]'",
        ) from error
    except exc.ArgumentError as error:
        raise SettingsError(f"`url` is refused: {hide(str(error))}", hint=_how(family(url))) from error


def connected(engine: sa.Engine, patience: float) -> sa.Connection:
    """A connection; a program that has a file of DuckDB just now is waited for, but no longer than so many seconds."""
    ends = time.monotonic() + patience
    while True:
        try:
            return engine.connect()
        except exc.DBAPIError as error:
            if _TAKEN not in str(error) or time.monotonic() >= ends:
                raise
            time.sleep(_LOOK)


def parsed(text: str | sa.URL) -> sa.URL:
    """The URL, with the driver that this tap uses where it names none. Raises `SettingsError`."""
    try:
        url = sa.make_url(text)
    except (exc.ArgumentError, ValueError, TypeError) as error:
        raise SettingsError("`url` is no SQLAlchemy URL", hint=_how("postgresql")) from error
    name, _, driver = url.drivername.partition("+")
    name = _ALIASES.get(name, name)
    if name not in SUPPORTED:
        raise SettingsError(
            f"`url` names the database {name!r}", hint=f"it reads {', '.join(sorted(SUPPORTED))}; {_how('postgresql')}"
        )
    return url.set(drivername=f"{name}+{driver}" if driver else SUPPORTED[name].driver)


def family(url: sa.URL) -> str:
    """The database of a URL, without its driver."""
    return url.drivername.partition("+")[0]


@contextmanager
def told(what: str, *, denied: str = "") -> Iterator[None]:
    """Turn what a driver raises while doing `what` into one `DatabaseError` in the database's own words.

    `denied` is the hint for a right that is missing, where reading is not all that is done.
    """
    try:
        yield
    except exc.SQLAlchemyError as error:
        plain = _plain(what, (error.orig if isinstance(error, exc.DBAPIError) else None) or error)
        if denied and re.search(_DENIED, plain.message, re.IGNORECASE):
            plain.hint = denied
        raise plain from error


def told_by_driver(what: str, error: BaseException) -> DatabaseError:
    """The same for what a driver raised by itself."""
    return _plain(what, error)


def _plain(what: str, error: BaseException) -> DatabaseError:
    words = hide(_first_line(error))
    for pattern, hint in _HINTS:
        if re.search(pattern, words, re.IGNORECASE):
            return DatabaseError(f"{what}: {words}", hint=hint)
    return DatabaseError(f"{what}: {words}")


def _first_line(error: BaseException) -> str:
    code, *rest = error.args or ("",)
    text = str(rest[0]) if rest and isinstance(code, int) else str(error)  # MySQL: (number, words)
    return next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)


_TAKEN, _LOOK = "Could not set lock on file", 0.02
"""What DuckDB says then, and how often, in seconds, it is asked again."""

_DENIED = r"permission denied|command denied|read-only"
_HINTS = (
    (
        r"password authentication failed|access denied for user|no password supplied",
        "correct user and password in `url`",
    ),
    (_DENIED, "have the owner GRANT SELECT on it (and USAGE on its schema) to this user"),
    (r"statement timeout|maximum statement execution time", "raise `statement_timeout` (seconds; 0 for none)"),
    (r"does not exist|no such table|unknown database|catalog error", "run discovery again, or correct the name"),
    (
        r"could not connect|connection refused|name or service|failed to resolve|can't connect|timeout expired",
        "see that the server runs and that `url` names its host and port",
    ),
    (
        r"terminat|server closed|lost connection|ssl connection|consuming input|connection is lost|gone away",
        "the server went away; what was acknowledged stays so: run again",
    ),
    (
        r"conflicting lock|database is locked|could not set lock",
        "another process is writing to the file; run again when it has ended",
    ),
    (
        r"unable to open database file|cannot open file|cannot open database",
        "see that the file is there and may be read by this user",
    ),
    (r"not a database|not a valid duckdb", "`url` names a file of another kind"),
)


def _how(name: str) -> str:
    return _URLS.format(example=SUPPORTED[name].example)
