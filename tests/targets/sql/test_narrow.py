"""What a column cannot hold unchanged is refused with the column's name: its database would round it or cut it."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_kit.lines import encode
from target_sql.limits import limit_of
from tests.targets.sql import documents
from tests.targets.sql.conftest import Database, operation, row, schema, state
from tests.targets.sql.narrow import CASES
from tests.targets.sql.test_columns import batch
from tests.targets.sql.test_round_trip import messages

FIRST_GOOD, FIRST_SHORT = 100, 200


def line(message: Any) -> str:
    """A message that keeps every digit."""
    return encode(message).decode() + "\n"


@pytest.fixture
def narrow(database: Database) -> Database:
    return made_by_users(database)


def made_by_users(database: Database) -> Database:
    """The table `t` with a column for each case."""
    if database.dialect == "postgresql":
        database.sql("CREATE DOMAIN price_base AS numeric(10,2)", "CREATE DOMAIN price AS price_base")
    columns = ", ".join(f"c{number} {case.type}" for number, case in enumerate(CASES[database.dialect]))
    database.sql(f"CREATE TABLE t (id integer PRIMARY KEY, {columns})")
    return database


def declared(database: Database) -> Any:
    return schema("t", ("id",), id={}, **{f"c{number}": {} for number in range(len(CASES[database.dialect]))})


def kept(path: Path) -> dict[int, str]:
    """The refused rows: what each was told."""
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {each["record"]["id"]: each["error"]["message"] for each in found}


@pytest.mark.parametrize("name", ["postgresql", "duckdb"])
def test_without_a_look_the_database_would_change_them(request: pytest.FixtureRequest, name: str) -> None:
    database: Database = request.getfixturevalue("pg" if name == "postgresql" else "duck")
    made_by_users(database)
    for number, case in enumerate(CASES[name]):
        database.sql(
            f"INSERT INTO t (id, c{number}) VALUES ({number}, CAST({literal(case.value, name)} AS {case.type}))"
        )
        ((found,),) = database.sql(f"SELECT CAST(c{number} AS varchar) FROM t WHERE id = {number}")
        assert found == case.becomes or (case.becomes.startswith(("its ", "the ")) and found != case.value), case


def test_rows_are_refused_by_the_columns_name_and_no_other(narrow: Database) -> None:
    cases = CASES[narrow.dialect]
    nothing = {f"c{number}": None for number in range(len(cases))}
    bad = [{"id": n, **nothing, f"c{n}": case.value} for n, case in enumerate(cases)]
    good = [{"id": FIRST_GOOD + n, **nothing, f"c{n}": case.fits} for n, case in enumerate(cases)]
    short = [{"id": FIRST_SHORT + n, f"c{n}": case.value} for n, case in enumerate(cases)]
    rejected = narrow.folder / "rejected.jsonl"

    run = narrow.feed(
        line(declared(narrow)),
        *(line(row("t", **record)) for record in (*bad, *good, *short)),
        state(),
        rejected_path=str(rejected),
    )

    told = kept(rejected)
    assert set(told) == {record["id"] for record in (*bad, *short)}
    for number, message in told.items():
        assert f"the column 'c{number % FIRST_GOOD}' cannot hold" in message
    filled = (narrow.sql(f"SELECT id FROM t WHERE c{n} IS NOT NULL") for n in range(len(cases)))
    assert list(filled) == [[(record["id"],)] for record in good]
    assert narrow.sql("SELECT count(*) FROM t") == [(len(good),)]
    assert run.states == [state()["value"]]


def test_operations_are_refused_by_the_columns_name_and_their_batch_goes_on(narrow: Database) -> None:
    cases = CASES[narrow.dialect]
    narrow.sql(*(f"INSERT INTO t (id) VALUES ({n})" for n in range(len(cases))))
    updates = [
        operation(f"u{n}", "update", {"id": n}, {f"c{n}": case.value}, stream="t") for n, case in enumerate(cases)
    ]
    creates = [
        operation(f"c{n}", "create", {"id": FIRST_GOOD + n}, {f"c{n}": case.value}, stream="t")
        for n, case in enumerate(cases)
    ]
    last = operation("last", "create", {"id": FIRST_SHORT}, {"c0": cases[0].fits}, stream="t")

    run = narrow.feed(line(declared(narrow)), *map(line, (*updates, *creates, last)), state())

    said = {receipt["op_id"]: receipt for receipt in run.receipts}
    assert said.pop("last")["status"] == "applied"
    for op_id, receipt in said.items():
        assert receipt["status"] == "rejected", receipt
        assert f"the column 'c{op_id[1:]}' cannot hold" in receipt["error"]["message"]
    assert narrow.sql("SELECT count(*) FROM t") == [(len(cases) + 1,)]
    for number in range(len(cases)):
        assert narrow.sql(f"SELECT c{number} IS NULL FROM t WHERE id = {number}") == [(True,)]


def test_a_key_that_would_become_another_ones_touches_nobody(database: Database) -> None:
    if database.dialect == "sqlite":
        pytest.skip("its numbers are kept as they are")
    database.sql("CREATE TABLE t (id decimal(10,2) PRIMARY KEY, name varchar(9))", "INSERT INTO t VALUES (1.01, 'ada')")
    keyed = schema("t", ("id",), id={"type": "number"}, name={})
    rejected = database.folder / "rejected.jsonl"

    run = database.feed(
        keyed,
        row("t", id=1.0101, name="other"),
        {**row("t", id=1.0102), "sync": {"state": "gone"}},
        operation("a", "update", {"id": 1.0103}, {"name": "other"}, stream="t"),
        operation("b", "delete", {"id": 1.0104}, {}, stream="t"),
        state(),
        rejected_path=str(rejected),
        deletes="hard",
    )

    assert sorted(kept(rejected)) == [1.0101, 1.0102]
    assert run.statuses == ["rejected", "rejected"]
    assert [tuple(map(str, found)) for found in database.sql("SELECT id, name FROM t")] == [("1.01", "ada")]


def test_a_mirror_keeps_the_former_version_of_a_row_that_is_refused(database: Database) -> None:
    if database.dialect == "sqlite":
        pytest.skip("its numbers are kept as they are")
    database.sql(
        "CREATE TABLE t (id integer PRIMARY KEY, n decimal(10,2))", "INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)"
    )
    rows = [row("t", id=1, n=1.005), row("t", id=2, n=2.5)]

    settings = {"mode": "mirror", "deletes": "hard", "rejected_path": str(database.folder / "rejected.jsonl")}
    database.feed(schema("t", ("id",), id={}, n={}), *rows, state(), **settings)

    assert [tuple(map(float, found)) for found in database.sql("SELECT id, n FROM t ORDER BY id")] == [(1, 1), (2, 2.5)]


MOMENT = dt.datetime(2026, 1, 1, 10, tzinfo=dt.UTC)
NANOSECONDS = 1_767_261_600_123_456_789
FILE: dict[str, tuple[str, tuple[Any, Any], Any]] = {
    "amount": ("decimal(10,2)", (Decimal("12.345"), Decimal("12.340")), pa.decimal128(12, 3)),
    "price": ("decimal(10,2)", (12.345, 12.34), pa.float64()),
    "cost": ("decimal(10,2)", ("12.345", "12.34"), pa.string()),
    "count": ("bigint", (1.5, None), pa.float64()),
    "ratio": ("double precision", ((1 << 53) + 1, 1), pa.int64()),
    "day": ("date", (MOMENT, MOMENT.replace(hour=0)), pa.timestamp("us", "UTC")),
    "seen": ("timestamptz", (NANOSECONDS, NANOSECONDS // 1000 * 1000), pa.timestamp("ns", "UTC")),
    "coarse": ("timestamp", (NANOSECONDS, NANOSECONDS // 1000 * 1000), pa.timestamp("ns")),
    "clock": ("time", (1001, 1000), pa.time64("ns")),
}
"""Column of a file: its type in the database, a value that is refused and one that is not, its type in the file."""


@pytest.mark.parametrize("name", ["postgresql", "duckdb"])
@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_a_row_of_columns_is_refused_alone(request: pytest.FixtureRequest, name: str, form: str) -> None:
    database: Database = request.getfixturevalue("pg" if name == "postgresql" else "duck")
    columns = ", ".join(f"{column} {kind}" for column, (kind, *_) in FILE.items())
    database.sql(f"CREATE TABLE people (id bigint PRIMARY KEY, {columns}, short varchar(3))")
    table: dict[str, Any] = {
        column: pa.array([*(bad if at == place else None for at in range(len(FILE))), fits], kind)
        for place, (column, (_, (bad, fits), kind)) in enumerate(FILE.items())
    }
    table["id"] = pa.array(range(len(FILE) + 1), pa.int64())
    rejected = database.folder / "rejected.jsonl"
    everything = schema("people", ("id",), id={}, **{column: {} for column in FILE})

    database.feed(everything, batch(database.folder / "b", table, form), state(), rejected_path=str(rejected))

    told = kept(rejected)
    assert set(told) == set(range(len(FILE)))
    for place, column in enumerate(FILE):
        assert f"column '{column}' cannot hold" in told[place] or told[place].endswith(f"; column {column}")
    everywhere = " AND ".join(f"{column} IS NOT NULL" for column, (_, (_, fits), _) in FILE.items() if fits is not None)
    assert database.sql(f"SELECT count(*) FROM people WHERE {everywhere}") == [(1,)]


def test_a_row_of_postgresqls_own_form_is_refused_alone(pg: Database) -> None:
    cases = [case for case in CASES["postgresql"] if case.type in SOURCES and not str(case.value).startswith("{")]
    pg.sql("CREATE DOMAIN price_base AS numeric(10,2)", "CREATE DOMAIN price AS price_base", "CREATE SCHEMA own")
    for place, case in enumerate(cases):
        wide, stream = SOURCES[case.type], f"t{place}"
        pg.sql(
            f"CREATE TABLE {stream} (id int PRIMARY KEY, c {wide})",
            f"INSERT INTO {stream} VALUES (1, {literal(case.value)}), (2, {literal(case.fits)})",
            f"CREATE TABLE own.{stream} (id int PRIMARY KEY, c {case.type})",
        )
        if place % 2:  # else the file could go straight in
            pg.sql(f"INSERT INTO own.{stream} VALUES (2, NULL), (3, NULL)")
        rejected = pg.folder / f"{stream}.jsonl"
        pg.feed(*messages(pg, "postgres-copy", f"public-{stream}"), schema="own", rejected_path=str(rejected))
        assert list(kept(rejected)) == [1], case
        assert "the column 'c' cannot hold" in kept(rejected)[1]
        assert pg.sql(f"SELECT id FROM own.{stream} WHERE c IS NOT NULL") == [(2,)]


def literal(value: Any, dialect: str = "postgresql") -> str:
    if isinstance(value, list):
        items = ",".join("NULL" if each is None else str(each) for each in value)
        return f"'{{{items}}}'" if dialect == "postgresql" else f"[{items}]"
    return f"'{value}'"


SOURCES = {
    "numeric(10,2)": "numeric",
    "numeric(5,-2)": "numeric",
    "price": "numeric(12,3)",
    "varchar(3)": "text",
    "timestamp(0)": "timestamptz",
    "time(0)": "time",
    "double precision": "bigint",
    "real": "bigint",
    "numeric(6,2)[]": "numeric[]",
}
"""What is read from, by what is written to."""


@given(
    st.one_of(
        st.decimals(allow_nan=False, allow_infinity=False),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False).map(lambda number: Decimal(repr(number))),
        st.from_regex(r"(now|\d{4}-\d\d-\d\d)[T ]\d\d:\d\d:\d\d[.,]?\d{0,9}(Z|\+02:00)?", fullmatch=True),
        st.lists(st.one_of(st.none(), st.decimals(allow_nan=False, allow_infinity=False, places=3)), max_size=3),
        st.text(max_size=8),
    ),
    st.sampled_from(sorted({(dialect, case.type) for dialect, cases in CASES.items() for case in cases})),
)
def test_what_fits_at_a_glance_fits_on_a_closer_look(value: Any, kind: tuple[str, str]) -> None:
    dialect, written = kind
    limit = limit_of(written, dialect)
    token = encode(value) + b"\n"

    if limit is not None and limit.takes(token):
        assert limit.fault(value) == ""


def test_the_page_of_types_has_these_tables() -> None:
    text = documents.TYPES.read_text(encoding="utf-8")

    assert documents.put(text, "narrow", documents.narrow()) == text, (
        "python -m tests.targets.sql.documents writes it anew"
    )
