"""BATCH messages of Parquet and Arrow files: the same table as the same records one by one."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from target_kit import TargetError
from tests.targets.sql.conftest import Database, row, schema, state

MOMENT = dt.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=dt.UTC)
COLUMNS: dict[str, list[Any]] = {
    "id": [1, 2, 3],
    "email": ['a "quoted", text\n', "", None],
    "phone": ["1", None, "null"],
    "amount": [Decimal("1.50"), None, Decimal("-2.00")],
    "seen": [MOMENT, None, MOMENT],
}
READ = "SELECT id, email, phone, CAST(amount AS FLOAT), CAST(seen AS CHAR(40)) FROM people ORDER BY id"


def batch(path: Path, columns: dict[str, list[Any]], form: str) -> dict[str, Any]:
    table = pa.table(columns)
    if form == "parquet":
        pq.write_table(table, path)
    else:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table)
    return {"type": "BATCH", "stream": "people", "encoding": {"format": form}, "manifest": [path.as_uri()]}


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_columns_make_the_table_that_rows_make(database: Database, form: str) -> None:
    rows = [dict(zip(COLUMNS, values, strict=True)) for values in zip(*COLUMNS.values(), strict=True)]
    shown = [
        {**r, "amount": r["amount"] and float(r["amount"]), "seen": r["seen"] and r["seen"].isoformat()} for r in rows
    ]
    database.feed(schema(), *(row(**record) for record in shown), state())
    wanted = database.sql(READ)
    database.sql("DELETE FROM people")
    for _ in range(2):
        run = database.feed(schema(), batch(database.folder / f"b.{form}", COLUMNS, form), state())
        assert run.states == [state()["value"]]
        assert database.sql(READ) == wanted


def test_columns_of_postgresqls_own_types_go_in_by_adbc_and_by_sql_once_a_key_is_there(pg: Database) -> None:
    pg.sql(
        "CREATE TABLE people (id int PRIMARY KEY, email varchar(80), phone text, amount numeric(12, 2), "
        "seen timestamptz, at timestamp, day date, small smallint, big bigint, f float8, yes boolean)"
    )
    more: dict[str, list[Any]] = {
        "at": [MOMENT, None, MOMENT],
        "day": [MOMENT.date(), None, MOMENT.date()],
        "small": [1, None, -1],
        "big": [1 << 60, None, 0],
        "f": [0.1, None, -2.5],
        "yes": [True, None, False],
    }
    columns = {**COLUMNS, "amount": ["1.50", None, "-2.00"], **more}
    everything = schema("people", ("id",), **{name: {} for name in columns})
    read = "SELECT * FROM people ORDER BY id"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("target_sql.writers.postgres.to_csv", None)  # the other way would fail
        pg.feed(everything, batch(pg.folder / "b.parquet", columns, "parquet"), state())
    by_adbc = pg.sql(read)
    pg.feed(everything, batch(pg.folder / "c.parquet", columns, "parquet"), state())
    assert pg.sql(read) == by_adbc
    pg.sql("DELETE FROM people")
    pg.feed(everything, batch(pg.folder / "d.parquet", columns, "parquet"), state(), mode="update")
    assert pg.sql("SELECT count(*) FROM people") == [(0,)]
    twice = batch(pg.folder / "e.parquet", columns, "parquet")
    pg.feed(everything, twice, twice, state())
    assert pg.sql(read) == by_adbc
    assert by_adbc[0][3:7] == (Decimal("1.50"), MOMENT, MOMENT.replace(tzinfo=None), MOMENT.date())


def test_of_a_key_that_comes_twice_the_last_row_counts_and_other_columns_stay(database: Database) -> None:
    database.feed(schema(), row(id=1, email="a", phone="7"), state())
    twice: dict[str, list[Any]] = {"id": [1, 1, 2], "email": ["b", "c", "d"]}
    database.feed(schema(), batch(database.folder / "b.parquet", twice, "parquet"), state())
    assert database.sql("SELECT id, email, phone FROM people ORDER BY id") == [(1, "c", "7"), (2, "d", None)]


def test_one_bad_value_in_a_file_refuses_its_row_alone(pg: Database) -> None:
    pg.sql("CREATE TABLE people (id int PRIMARY KEY, email text CHECK (email <> 'bad'))")
    narrow = schema("people", ("id",), id={"type": "integer"}, email={"type": "string"})
    columns: dict[str, list[Any]] = {"id": list(range(50)), "email": [f"{n}" for n in range(49)] + ["bad"]}
    kept = pg.folder / "rejected.jsonl"
    pg.feed(narrow, batch(pg.folder / "b.parquet", columns, "parquet"), state(), rejected_path=str(kept))
    assert pg.sql("SELECT count(*) FROM people") == [(49,)]
    assert '"id":49' in kept.read_text(encoding="utf-8")


def test_a_file_that_is_none_is_one_clear_error(pg: Database) -> None:
    path = pg.folder / "b.parquet"
    message = batch(path, {"id": [1]}, "parquet")
    path.write_bytes(b"nonsense")
    with pytest.raises(TargetError, match=r"b\.parquet cannot be read"):
        pg.feed(schema(), message, state())
