from __future__ import annotations

import io
import itertools
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from antiphon_sandbox import postgres
from target_sql.target import TargetSQL
from tests.targets.sql import mariadb

_NUMBERS = itertools.count()
DATABASES = ["postgresql", "duckdb", "sqlite", "mariadb"]

PEOPLE = {
    "id": {"type": "integer"},
    "email": {"type": ["string", "null"]},
    "phone": {"type": ["string", "null"]},
    "amount": {"type": ["number", "null"], "precision": 12, "scale": 2},
    "seen": {"type": ["string", "null"], "format": "date-time"},
}


@pytest.fixture(scope="session")
def cluster() -> Iterator[postgres.Cluster]:
    with tempfile.TemporaryDirectory(prefix="antiphon-target-sql-") as name:
        cluster = postgres.start(Path(name) / "cluster")
        yield cluster
        postgres.stop(cluster, mode="immediate")  # nobody needs what a checkpoint of a hundred databases would keep


@pytest.fixture(scope="session")
def maria() -> Iterator[str]:
    if mariadb.PROGRAM is None:
        pytest.skip("there is no mariadbd: apt-get install mariadb-server")
    with mariadb.running() as url:
        yield url


@dataclass
class Run:
    """What a run of the target said."""

    states: list[Any]
    receipts: list[Any] = field(default_factory=list)

    @property
    def statuses(self) -> list[str]:
        return [receipt["status"] for receipt in self.receipts]


class Database:
    """An empty database, and the target that writes it."""

    def __init__(self, url: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.url = url
        self.folder = folder
        self.capsys = capsys
        self.config: dict[str, Any] = {"url": url}

    @property
    def dialect(self) -> str:
        return sa.make_url(self.url).drivername.partition("+")[0]

    @property
    def receipts_path(self) -> Path:
        return self.folder / "receipts.jsonl"

    def target(self, **config: Any) -> TargetSQL:
        return TargetSQL(config={**self.config, **config})

    def feed(self, *messages: Any, **config: Any) -> Run:
        """Run the target in this process; its errors are raised."""
        self.receipts_path.unlink(missing_ok=True)
        self.capsys.readouterr()
        lines = b"".join(m.encode() if isinstance(m, str) else json.dumps(m).encode() + b"\n" for m in messages)
        target = self.target(receipts_path=str(self.receipts_path), **config)
        try:
            target.listen(io.BytesIO(lines))  # type: ignore[arg-type]
        finally:
            target.close()
            text = self.receipts_path.read_text(encoding="utf-8")
            receipts = [json.loads(line, parse_float=str) for line in text.splitlines()]
            self.last = Run([json.loads(line) for line in self.capsys.readouterr().out.splitlines()], receipts)
        return self.last

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run SQL as another user would; the rows of the last statement."""
        engine = sa.create_engine(self.url)
        rows: list[tuple[Any, ...]] = []
        try:
            with engine.begin() as connection:
                for statement in statements:
                    result = connection.exec_driver_sql(statement)
                    rows = [tuple(row) for row in result] if result.returns_rows else []
        finally:
            engine.dispose()
        return rows


def _database(name: str, request: pytest.FixtureRequest, folder: Path) -> Database:
    match name:
        case "postgresql":
            cluster: postgres.Cluster = request.getfixturevalue("cluster")
            database = f"db{next(_NUMBERS)}"
            postgres.create_database(cluster, database)
            url = cluster.url(database)
        case "mariadb":
            url = mariadb.make_database(request.getfixturevalue("maria"), f"db{next(_NUMBERS)}")
        case _:
            url = f"{name}:///{folder}/a.{name}"
    return Database(url, folder, request.getfixturevalue("capsys"))


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    return _database(request.param, request, tmp_path)


@pytest.fixture
def pg(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    return _database("postgresql", request, tmp_path)


@pytest.fixture
def duck(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    return _database("duckdb", request, tmp_path)


def schema(stream: str = "people", key: tuple[str, ...] = ("id",), **properties: Any) -> dict[str, Any]:
    declared = properties or PEOPLE
    return {"type": "SCHEMA", "stream": stream, "key_properties": list(key), "schema": {"properties": declared}}


def row(stream: str = "people", **record: Any) -> dict[str, Any]:
    return {"type": "RECORD", "stream": stream, "record": record}


def operation(
    op_id: str, op: str, key: dict[str, Any], values: dict[str, Any], *, stream: str = "people", **envelope: Any
) -> dict[str, Any]:
    sync = {"op_id": op_id, "op": op, "key": key, "sync_key": f"link-{op_id}", "expect": {}, **envelope}
    return {"type": "RECORD", "stream": stream, "record": {**values, **key}, "sync": sync}


def state(number: int = 1) -> dict[str, Any]:
    return {"type": "STATE", "value": {"bookmarks": {"people": {"at": number}}}}
