"""From a URL to one connection that writes. What URLs mean, and who a database is, is tap-sql's knowledge."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.util import find_spec
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.pool import StaticPool

from tap_sql.dialects import dialect_of
from tap_sql.engines import SUPPORTED, family, parsed
from tap_sql.errors import TapError
from target_kit import SettingsError, TargetError
from target_kit.lines import encode

_FILES = {"sqlite", "duckdb"}
_SERIALIZING = {"postgresql", "mysql", "mariadb", "sqlite"}
"""Their dialects let us say how JSON is written: with every digit."""


def make_engine(text: str) -> sa.Engine:
    """An engine with one connection, not opened yet. Raises `SettingsError` for a wrong URL or a missing driver."""
    with _as_settings():
        url = parsed(text)
    support = SUPPORTED[family(url)]
    if url.database in {None, "", ":memory:"} and family(url) in _FILES:
        raise SettingsError("`url` names no file", hint=f"for instance {support.example}")
    options: dict[str, Any] = {}
    if family(url) == "duckdb":
        _spare_searches()
    elif family(url) in _SERIALIZING:
        options["json_serializer"] = lambda value: encode(value).decode()
    try:
        return sa.create_engine(url, poolclass=StaticPool, **options)
    except (exc.NoSuchModuleError, ModuleNotFoundError) as error:
        if not support.extra:
            raise SettingsError(f"there is no driver {url.drivername!r}: {error}") from error
        hint = f"pip install 'antiphon[{support.extra}]'"
        raise SettingsError(f"the driver of {family(url)} is not installed", hint=hint) from error
    except (exc.ArgumentError, TypeError, ValueError) as error:
        raise SettingsError(f"`url` is refused: {error}", hint=f"for instance {support.example}") from error


class _Absent(MetaPathFinder):
    """Says of one module that it is not installed, before Python searches the disk for it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(self, fullname: str, _path: object, _target: object = None) -> None:
        """Nothing, of any other module."""
        if fullname == self.name:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def _spare_searches() -> None:
    """DuckDB's driver looks for pandas with each parameter it binds: where it is not there, Python searches no more."""
    known = "pandas" in sys.modules or any(isinstance(finder, _Absent) for finder in sys.meta_path)
    if not known and find_spec("pandas") is None:
        sys.meta_path.insert(0, _Absent("pandas"))


def account(connection: sa.Connection) -> str:
    """The database's fingerprint, the same as tap-sql tells."""
    try:
        return dialect_of(connection.engine).account(connection)
    except TapError as error:
        raise TargetError(error.message, hint=error.hint) from error


@contextmanager
def _as_settings() -> Iterator[None]:
    try:
        yield
    except TapError as error:
        raise SettingsError(error.message, hint=error.hint) from error
