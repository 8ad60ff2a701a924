"""BATCH: PostgreSQL's rows as Parquet files, read by ADBC."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("adbc_driver_postgresql")

import pyarrow.parquet as pq

from tap_sql.errors import SettingsError, ValueRefused
from tests.taps.sql.conftest import Database
from tests.taps.sql.reader import Read, read

TABLE = """
CREATE TABLE t (id integer PRIMARY KEY, n numeric(12, 2), f float8, r real, b boolean, d date, ts timestamptz,
                t timestamp, x time, s text, u uuid, iv interval)
"""
ROWS = """
INSERT INTO t SELECT i, i * 1.10, i / 3.0, 0.1, i % 2 = 0, '2026-01-01'::date + i, '2026-01-01 10:00:00.12+01',
       '2026-01-01 10:00:00.12', '10:00:00.5', 'é' || i, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '1 month'
FROM generate_series(1, 1000) i
"""


def batches(database: Database, folder: Path, stream: str = "public-t", **config: Any) -> Read:
    settings = {"encoding": {"format": "parquet"}, "storage": {"root": folder.as_uri(), "prefix": "x-"}}
    return read(database.url, stream, batch_config=settings, **config)


def rows_of(found: Read) -> list[dict[str, Any]]:
    told = [message for message in found.messages if message["type"] == "BATCH"]
    assert all(message["encoding"] == {"format": "parquet", "compression": "none"} for message in told)
    paths = [Path(unquote(urlparse(url).path)) for message in told for url in message["manifest"]]
    assert all(path.name.startswith("x-public-t-") for path in paths)
    return [row for path in paths for row in pq.ParquetFile(path).read().to_pylist()]


def moment(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value is not None else None


def plain(value: Any) -> Any:
    """Values that mean the same, the same: floats and decimals of JSON are both decimals here."""
    if isinstance(value, float | Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, date) and not isinstance(value, datetime) else value


def test_the_files_hold_what_the_records_show(pg: Database, tmp_path: Path) -> None:
    pg.run(TABLE, ROWS, "INSERT INTO t (id) VALUES (0)")

    found = batches(pg, tmp_path)
    shown = {record["id"]: record for record in read(pg.url, "public-t").records}

    rows = rows_of(found)
    assert found.records == []
    assert len(rows) == len(shown) == 1001
    for row in rows:
        assert {name: plain(value) for name, value in row.items()} == {
            name: plain(moment(value) if name in ("ts", "t") else value) for name, value in shown[row["id"]].items()
        }
    assert found.state["bookmarks"]["public-t"] == {}


def test_a_value_that_json_cannot_hold_is_refused_in_files_too(pg: Database, tmp_path: Path) -> None:
    pg.run(TABLE, ROWS, "UPDATE t SET ts = 'infinity' WHERE id = 7")

    with pytest.raises(ValueRefused, match="row id 7: column ts"):
        batches(pg, tmp_path)
    found = batches(pg, tmp_path, bad_rows="report")

    assert len(rows_of(found)) == 999
    assert [record["id"] for record in found.records] == [7]


def test_a_stream_that_does_not_fit_goes_out_as_records(database: Database, tmp_path: Path) -> None:
    database.run("CREATE TABLE t (id integer PRIMARY KEY, j json)", "INSERT INTO t VALUES (1, '[1]')")

    assert batches(database, tmp_path, database.stream("t")).records == [{"id": 1, "j": [1]}]


def test_a_folder_that_is_not_there_is_told(pg: Database, tmp_path: Path) -> None:
    pg.run(TABLE)

    with pytest.raises(SettingsError, match="batch_config: there is no folder"):
        batches(pg, tmp_path / "no")
