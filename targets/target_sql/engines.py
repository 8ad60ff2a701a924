"""From a URL to a database that can be written: the driver, the package that brings it, and who the database is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.pool import StaticPool

from target_kit import SettingsError
from target_kit.lines import encode

_HOW = "a SQLAlchemy URL is written scheme://user:password@host:port/database, for instance {}"


@dataclass(frozen=True, slots=True)
class Support:
    """A database: the SQLAlchemy driver that writes it, what pip is told to install it, how its URL is written."""

    driver: str
    package: str
    example: str


SUPPORTED = {
    "postgresql": Support("postgresql+psycopg", "antiphon[postgres]", "postgresql://me:secret@db.example.com/shop"),
    "duckdb": Support("duckdb", "antiphon[duckdb]", "duckdb:////var/lib/shop.duckdb"),
    "sqlite": Support("sqlite", "", "sqlite:////var/lib/shop.db"),
    "mysql": Support("mysql+pymysql", "antiphon[mysql]", "mysql://me:secret@db.example.com/shop"),
    "mariadb": Support("mariadb+pymysql", "antiphon[mysql]", "mariadb://me:secret@db.example.com/shop"),
    "snowflake": Support("snowflake", "snowflake-sqlalchemy", "snowflake://me:secret@account/shop/public"),
    "bigquery": Support("bigquery", "sqlalchemy-bigquery", "bigquery://project/dataset"),
    "redshift": Support("redshift+redshift_connector", "sqlalchemy-redshift redshift_connector", "redshift://…/shop"),
    "databricks": Support("databricks", "databricks-sqlalchemy", "databricks://token:…@host?http_path=…&catalog=main"),
}
_ALIASES = {"postgres": "postgresql"}


def family(url: sa.URL) -> str:
    """The database of a URL, without its driver."""
    return url.drivername.partition("+")[0]


def parse_url(text: str) -> sa.URL:
    """The URL, with our driver where it names none. Raises `SettingsError`."""
    try:
        url = sa.make_url(text)
    except (exc.ArgumentError, ValueError) as error:
        raise SettingsError("`url` is no SQLAlchemy URL", hint=_HOW.format(SUPPORTED["postgresql"].example)) from error
    name, _, driver = url.drivername.partition("+")
    name = _ALIASES.get(name, name)
    if name not in SUPPORTED:
        raise SettingsError(
            f"`url` names the database {name!r}; target-sql writes {', '.join(SUPPORTED)}",
            hint=_HOW.format(SUPPORTED["postgresql"].example),
        )
    return url.set(drivername=f"{name}+{driver}" if driver else SUPPORTED[name].driver)


def make_engine(text: str) -> sa.Engine:
    """An engine with one connection, not opened yet. Raises `SettingsError` for a wrong URL or a missing driver."""
    url = parse_url(text)
    support = SUPPORTED[family(url)]
    options: dict[str, Any] = {}
    if family(url) != "duckdb":
        options["json_serializer"] = lambda value: encode(value).decode()
    if url.database in {None, "", ":memory:"} and family(url) in {"sqlite", "duckdb"}:
        raise SettingsError("`url` names no file", hint=_HOW.format(support.example))
    try:
        return sa.create_engine(url, poolclass=StaticPool, **options)
    except (exc.NoSuchModuleError, ModuleNotFoundError) as error:
        if not support.package:
            raise SettingsError(f"there is no driver {url.drivername!r}: {error}") from error
        raise SettingsError(
            f"the driver of {family(url)} is not installed", hint=f"pip install '{support.package}'"
        ) from error
    except (exc.ArgumentError, TypeError, ValueError) as error:
        raise SettingsError(f"`url` is refused: {error}", hint=_HOW.format(support.example)) from error


def account(connection: sa.Connection) -> str:
    """A fingerprint of the database, without any secret: the same whoever logs in; as tap-sql computes it."""
    return "sql:" + hashlib.sha256("\n".join(_identity(connection)).encode()).hexdigest()[:16]


def _identity(connection: sa.Connection) -> list[str]:
    url = connection.engine.url
    name = family(url)
    if name in {"sqlite", "duckdb"}:
        return [name, str(Path(url.database or "").resolve())]
    if name == "postgresql":
        database = str(connection.exec_driver_sql("SELECT current_database()").scalar_one())
        right = "SELECT has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')"
        if connection.exec_driver_sql(right).scalar_one():
            number = connection.exec_driver_sql("SELECT system_identifier FROM pg_control_system()").scalar_one()
            return [name, str(number), database]
        return [name, url.host or "", str(url.port or ""), database]
    return [name, url.host or "", str(url.port or ""), url.database or ""]
