"""BATCH: records in files beside the tap's output, as lines of JSON or as Parquet."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from antiphon.errors import PluginFailed
from antiphon.ledger import Ledger
from antiphon.ledger.memory import MemoryStore
from antiphon.ledger.tables import OBS
from antiphon.singer.messages import Lines, Record
from antiphon.sync.collect import Collector, Counts, Stream

COLUMNS = ("amount", "at", "day", "id", "name", "ok", "tags")
SCHEMA = {"type": "SCHEMA", "stream": "people", "key_properties": ["id"]}
SCHEMA["schema"] = {"properties": {name: {} for name in COLUMNS}}  # type: ignore[assignment]
ROWS = [
    {
        "id": number,
        "name": None if number == 3 else f"Ünë {number}",
        "amount": Decimal("1.50"),
        "ok": True,
        "at": dt.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=dt.UTC),
        "day": dt.date(2026, 1, 2),
        "tags": ["a", "b"],
    }
    for number in range(1, 5001)
]


def message(path: Path, **encoding: str) -> bytes:
    batch = {"type": "BATCH", "stream": "people", "encoding": encoding, "manifest": [f"file://{path}"]}
    return json.dumps(batch).encode()


def read(ledger: Ledger, path: Path, **encoding: str) -> Counts:
    collector = Collector(ledger, "crm", [Stream("contact", "people", ("id",), COLUMNS)], lambda: 1, tap="tap-x")
    collector.take(Lines([json.dumps(SCHEMA).encode(), message(path, **encoding)], "tap-x"))
    return collector.ended()[0]


@pytest.fixture
def ledger() -> Ledger:
    made = Ledger(MemoryStore())
    made.create(ledger_id="0001", name="contacts", now=1)
    return made


def seen(ledger: Ledger) -> dict[str, Any]:
    with ledger.transaction():
        ledger.mark([row.key for row in ledger.store.scan(OBS)], touched=False)
    return {row.rid: (row.hash, row.state) for row in ledger.store.scan(OBS)}


def test_parquet_says_what_lines_of_json_say(ledger: Ledger, tmp_path: Path) -> None:
    parquet.write_table(pa.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    assert (read(ledger, tmp_path / "rows.parquet", format="parquet").seen, len(seen(ledger))) == (5000, 5000)
    shown = [{**row, "at": "2026-01-02T03:04:05.678901Z", "day": "2026-01-02"} for row in ROWS]
    texts = [json.dumps({**row, "amount": 7.25}).replace("7.25", "1.50").encode() for row in shown]
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(b"\n".join(texts)))
    before = seen(ledger)
    counts = read(ledger, tmp_path / "rows.jsonl.gz", format="jsonl", compression="gzip")
    assert (counts.seen, counts.changed, counts.missing) == (5000, 0, 0)
    assert seen(ledger) == before
    row = ledger.store.get(OBS, [("crm", "contact", "[1]")])["crm", "contact", "[1]"]
    assert row.fields["amount"] == Decimal("1.50")
    assert row.fields["at"] == "2026-01-02T03:04:05.678901Z"


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_rows_of_a_file_that_were_shown_before_are_not_even_parsed(
    ledger: Ledger, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows"
    if form == "parquet":
        parquet.write_table(pa.Table.from_pylist(ROWS), path)
    else:
        path.write_text("\n".join(json.dumps({"id": row["id"], "name": row["name"]}) for row in ROWS))
    read(ledger, path, format=form)
    before = seen(ledger)
    parsed = []
    monkeypatch.setattr("antiphon.sync.reading.Reading.observe", lambda *row: parsed.append(row))
    counts = read(ledger, path, format=form)
    assert (counts.seen, counts.changed, counts.missing, parsed) == (5000, 0, 0, [])
    assert seen(ledger) == before


def test_nanoseconds_are_cut_as_python_knows_none(tmp_path: Path) -> None:
    column = pa.array([1767322805678901234, None], pa.timestamp("ns", "UTC"))
    parquet.write_table(pa.table({"at": column}), tmp_path / "rows")
    shown = Lines([message(tmp_path / "rows", format="parquet")], "tap-x").message(0)
    assert not isinstance(shown, Record)
    texts = [text for lines in shown.lines() for text in lines.texts]  # type: ignore[union-attr]
    assert texts == [b'{"at":"2026-01-02T03:00:05.678901Z"}', b'{"at":null}']


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"x": [1.0, float("nan")]}, "row 2: x is nan, which is no number"),
        ({"x": [float("-inf")]}, "row 1: x is -inf, which is no number"),
        (None, "is no whole Parquet file"),
        ("", "cannot be read"),
    ],
)
def test_a_parquet_file_that_cannot_be_believed_is_one_clear_error(
    ledger: Ledger, tmp_path: Path, table: Any, complaint: str
) -> None:
    path = tmp_path / "rows"
    if table is None:
        path.write_bytes(b"PAR1 and no more")
    elif table:
        parquet.write_table(pa.table(table), path)
    with pytest.raises(PluginFailed) as caught:
        read(ledger, path, format="parquet")
    assert "tap-x, line 2: the BATCH file file://" in caught.value.message
    assert complaint in caught.value.message
    assert caught.value.hint
    assert seen(ledger) == {}


def test_without_pyarrow_the_way_on_is_told(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(PluginFailed) as caught:
        read(ledger, tmp_path / "rows", format="parquet")
    assert caught.value.hint == "pip install 'antiphon[arrow]'"


def test_another_format_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(PluginFailed, match="a BATCH in the format 'avro'") as caught:
        read(ledger, tmp_path / "rows", format="avro")
    assert "jsonl or parquet" in caught.value.hint
