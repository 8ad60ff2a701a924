"""The SDK's standard suite for targets, in each database.

Its strings with a NUL byte, which no text column holds, are refused rows: they go to `rejected_path`.
"""

from __future__ import annotations

import atexit
import itertools
import shutil
import tempfile

import pytest
from singer_sdk.testing import get_target_test_class
from singer_sdk.testing.runners import TargetTestRunner

from antiphon_sandbox import postgres
from target_sql.target import TargetSQL
from tests.targets.sql import mariadb

_FOLDER = tempfile.mkdtemp(prefix="target-sql-suite-")
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
_NUMBERS = itertools.count()
_REJECTED = {"rejected_path": f"{_FOLDER}/rejected.jsonl"}
_DUCKDB = {"url": f"duckdb:///{_FOLDER}/suite.duckdb", **_REJECTED}
_SQLITE = {"url": f"sqlite:///{_FOLDER}/suite.db", **_REJECTED}

TestDuckDB = get_target_test_class(TargetSQL, config=_DUCKDB)
TestSQLite = get_target_test_class(TargetSQL, config=_SQLITE)


class TestPostgreSQL(get_target_test_class(TargetSQL, config=_SQLITE)):  # type: ignore[misc]
    """The server's address is known only once it runs."""

    @pytest.fixture
    def runner(self, cluster: postgres.Cluster) -> TargetTestRunner:
        return TargetTestRunner(target_class=TargetSQL, config={"url": cluster.url(), **_REJECTED})


class TestMariaDB(get_target_test_class(TargetSQL, config=_SQLITE)):  # type: ignore[misc]
    """The same, where Debian's server is installed."""

    @pytest.fixture
    def runner(self, maria: str) -> TargetTestRunner:
        url = mariadb.make_database(maria, f"suite{next(_NUMBERS)}")
        return TargetTestRunner(target_class=TargetSQL, config={"url": url, **_REJECTED})
