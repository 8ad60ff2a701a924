"""Records of ordinary taps in every database: modes, deletions, what changes shape, what is refused."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from target_kit import SettingsError, TargetError
from tests.targets.sql.conftest import PEOPLE, Database, operation, row, schema, state


def emails(database: Database) -> dict[int, str]:
    return {row[0]: row[1] for row in database.sql("SELECT id, email FROM people ORDER BY id")}


def start(database: Database) -> None:
    database.feed(schema(), person(1, "ada"), person(2, "bo"), state())


def person(number: int, email: str | None, **more: Any) -> dict[str, Any]:
    return row(id=number, email=email, phone=None, amount=None, seen=None, **more)


def test_one_setting_is_enough_and_what_comes_again_is_written_over(database: Database) -> None:
    run = database.feed(schema(), person(1, "ada"), person(2, "bo"), person(1, "ada again"), state())
    assert run.states == [state()["value"]]
    assert emails(database) == {1: "ada again", 2: "bo"}
    database.feed(schema(), person(2, "bo again"), person(3, "cy"), state())
    assert emails(database) == {1: "ada again", 2: "bo again", 3: "cy"}


def test_a_column_that_a_record_lacks_is_left_as_it_is(database: Database) -> None:
    start(database)
    database.feed(schema(), row(id=1, phone="7"), row(id=2, email=None), row(id=1, amount=1.5), state())
    assert emails(database) == {1: "ada", 2: None}
    assert database.sql("SELECT phone, CAST(amount AS FLOAT) FROM people WHERE id = 1") == [("7", 1.5)]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("insert", {1: "ada", 2: "bo", 3: "new"}),
        ("update", {1: "other", 2: "bo"}),
        ("upsert", {1: "other", 2: "bo", 3: "new"}),
        ("mirror", {1: "other", 3: "new"}),
    ],
)
def test_modes(database: Database, mode: str, expected: dict[int, str]) -> None:
    start(database)
    deletes = {"streams": {"people": {"mode": mode, "deletes": "hard"}}}
    database.feed(schema(), person(1, "other"), person(3, "new"), state(), **deletes)
    assert emails(database) == expected


def test_without_a_key_every_row_is_added(database: Database) -> None:
    for _ in range(2):
        database.feed(schema(key=()), person(1, "ada"), person(1, "ada"), state())
    assert database.sql("SELECT count(*) FROM people") == [(4,)]


def test_modes_work_on_a_table_whose_key_is_not_unique(database: Database) -> None:
    database.sql("CREATE TABLE people (id bigint, email varchar(20))", "INSERT INTO people VALUES (1, 'ada')")
    narrow = schema("people", ("id",), id={"type": "integer"}, email={"type": "string"})
    database.feed(narrow, row(id=1, email="a"), row(id=2, email="b"), row(id=2, email="c"), state())
    assert emails(database) == {1: "a", 2: "c"}


def test_a_mirror_deletes_nothing_unless_it_knows_that_all_was_sent(database: Database) -> None:
    start(database)
    database.feed(schema(), person(1, "ada"), mode="mirror", deletes="hard")
    assert set(emails(database)) == {1, 2}
    with pytest.raises(TargetError, match="1 of 2 rows were not sent"):
        database.feed(schema(), person(1, "ada"), state(), mode="mirror", deletes="hard", max_delete=10)
    assert set(emails(database)) == {1, 2}


def test_deletions_of_ordinary_taps_are_soft_unless_asked_otherwise(database: Database) -> None:
    start(database)
    gone = row(id=1, _sdc_deleted_at="2026-01-01T00:00:00Z")
    with_column = schema(
        "people", ("id",), **PEOPLE, _sdc_deleted_at={"type": ["string", "null"], "format": "date-time"}
    )
    database.feed(with_column, gone, person(3, "cy"), state())
    assert database.sql("SELECT id FROM people WHERE _sdc_deleted_at IS NOT NULL") == [(1,)]
    database.feed(with_column, person(1, "back"), state())
    assert database.sql("SELECT id FROM people WHERE _sdc_deleted_at IS NOT NULL") == []
    database.feed(with_column, gone, {**row(id=3), "sync": {"state": "gone"}}, state(), deletes="hard")
    assert set(emails(database)) == {2}


def test_what_is_done_to_one_record_is_done_in_order(database: Database) -> None:
    gone = row(id=1, _sdc_deleted_at="2026-01-01T00:00:00Z")
    messages = [schema(), person(1, "ada"), gone, person(1, "back"), row(id=1, phone="9"), person(2, "bo"), state()]
    database.feed(*messages, deletes="hard")
    assert database.sql("SELECT id, email, phone FROM people ORDER BY id") == [(1, "back", "9"), (2, "bo", None)]


def test_a_new_column_is_added_or_refused_as_the_settings_say(database: Database) -> None:
    start(database)
    wider = schema("people", ("id",), **PEOPLE, city={"type": ["string", "null"]})
    with pytest.raises(TargetError, match="no column 'city'"):
        database.feed(wider, person(1, "ada", city="Rome"), state(), add_columns=False)
    database.feed(wider, person(1, "ada", city="Rome"), state())
    assert database.sql("SELECT city FROM people ORDER BY id") == [("Rome",), (None,)]


@pytest.mark.parametrize("name", ["postgresql", "duckdb"])
def test_a_column_becomes_wider_only_where_that_is_allowed(request: pytest.FixtureRequest, name: str) -> None:
    database: Database = request.getfixturevalue("pg" if name == "postgresql" else "duck")
    whole, fraction = ({"id": {"type": "integer"}, "n": {"type": kind}} for kind in ("integer", "number"))
    database.feed(schema("t", ("id",), **whole), row("t", id=1, n=1), state())
    with pytest.raises(TargetError, match="1 records were refused"):
        database.feed(schema("t", ("id",), **fraction), row("t", id=2, n=1.5), state())
    database.feed(schema("t", ("id",), **fraction), row("t", id=2, n=1.5), state(), widen_columns=True)
    assert [float(n) for (n,) in database.sql("SELECT n FROM t ORDER BY id")] == [1.0, 1.5]


def test_names_are_kept_or_folded_and_quoted_whatever_is_in_them(database: Database) -> None:
    odd = {"id": {"type": "integer"}, 'Full "Name" %s': {"type": "string"}, "order": {"type": "string"}}
    record = {"id": 1, 'Full "Name" %s': "Ada", "order": "first"}
    database.feed(schema("My {Table}:x", ("id",), **odd), row("My {Table}:x", **record), state())
    database.feed(schema("My {Table}:x", ("id",), **odd), row("My {Table}:x", **{**record, "order": "last"}), state())
    quoted = "`{}`" if database.dialect == "mariadb" else '"{}"'
    assert database.sql(f"SELECT * FROM {quoted.format('My {Table}:x')}") == [(1, "Ada", "last")]
    database.feed(schema("fullNames", ("id",), **odd), row("fullNames", **record), state(), names="fold")
    assert database.sql(f"SELECT full_name_s, {quoted.format('order')} FROM full_names") == [("Ada", "first")]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"email": "nul\0byte"}, "'email' cannot hold 'nul\\x00byte': text in databases has no NUL byte"),
        ({"amount": "much"}, "much|amount"),
        ({"seen": "never"}, "never"),
    ],
)
def test_bad_values_refuse_their_row_and_no_other(database: Database, bad: dict[str, Any], said: str) -> None:
    if database.dialect == "sqlite" and bad.keys() != {"email"}:
        pytest.skip("SQLite holds anything in any column")
    rejected = database.folder / "rejected.jsonl"
    rows = [person(number, "x") for number in range(20)]
    rows[13]["record"].update(bad)
    run = database.feed(schema(), *rows, state(), rejected_path=str(rejected))
    assert run.states == [state()["value"]]
    assert set(emails(database)) == set(range(20)) - {13}
    (kept,) = [json.loads(line) for line in rejected.read_text(encoding="utf-8").splitlines()]
    assert kept["record"]["id"] == 13
    assert any(word in kept["error"]["message"] for word in said.split("|"))


def test_every_character_comes_through(database: Database) -> None:
    texts = [
        'quote " and \\ back',
        "line\nbreak\ttab\r",
        "null",
        "",
        ",",
        "\\N",
        "è 日本 🎶",
        "\x01\x1f",
        "a" * 200_000,
    ]
    database.feed(schema(), *(person(number, text) for number, text in enumerate(texts)), person(99, None), state())
    assert emails(database) == {**dict(enumerate(texts)), 99: None}


def test_numbers_keep_every_digit(pg: Database) -> None:
    record = '{"id":1,"n":12345678901234567890.123456789012345678,"f":0.1,"j":{"a":1.10}}'
    line = f'{{"type":"RECORD","stream":"t","record":{record}}}\n'
    declared = {"id": {"type": "integer"}, "n": {"type": "number"}, "f": {"type": "number"}, "j": {"type": "object"}}
    pg.feed(schema("t", ("id",), **declared), line, state())
    assert pg.sql("SELECT n::text, f::text, j::text FROM t") == [
        ("12345678901234567890.123456789012345678", "0.1", '{"a": 1.10}')
    ]


@pytest.mark.parametrize("name", ["pg", "duck"])
def test_a_moment_with_an_offset_keeps_it_in_a_column_without_a_zone(request: pytest.FixtureRequest, name: str) -> None:
    database: Database = request.getfixturevalue(name)
    database.sql("CREATE TABLE t (id integer PRIMARY KEY, moment timestamp)")
    declared = {"id": {"type": "integer"}, "moment": {"type": "string", "format": "date-time"}}
    key, moment = {"id": 2}, "2026-01-01T12:00:00+02:00"
    made = operation("a", "create", key, {"moment": moment}, stream="t")
    changed = operation(
        "b", "update", key, {"moment": "2026-01-01T13:00:00+02:00"}, stream="t", expect={"moment": moment}
    )
    others = [operation(f"n{n}", "create", {"id": n}, {"moment": moment}, stream="t") for n in (3, 4)]
    run = database.feed(
        schema("t", ("id",), **declared), row("t", id=1, moment=moment), made, *others, changed, state()
    )
    assert run.statuses == ["applied"] * 4
    assert [str(at) for (at,) in database.sql("SELECT moment FROM t ORDER BY id")] == [
        "2026-01-01 10:00:00",
        "2026-01-01 11:00:00",
        "2026-01-01 10:00:00",
        "2026-01-01 10:00:00",
    ]


def test_arrays_and_bytes_of_a_table_that_is_there_are_filled(pg: Database) -> None:
    pg.sql("CREATE TABLE t (id int PRIMARY KEY, tags text[], raw bytea, total int GENERATED ALWAYS AS (id * 2) STORED)")
    declared = {"id": {"type": "integer"}, "tags": {"type": "array"}, "raw": {"type": "string"}, "total": {}}
    for tags in (["a", 'b"c', None], [], None):
        pg.feed(schema("t", ("id",), **declared), row("t", id=1, tags=tags, raw="aGk=", total=9), state())
        assert pg.sql("SELECT tags, raw, total FROM t") == [(tags, b"hi", 2)]


def test_streams_of_two_tables_and_a_changed_schema_in_one_run(database: Database) -> None:
    narrow = schema("people", ("id",), id={"type": "integer"}, phone={"type": "string"})
    firm = schema("firms", ("id",), id={"type": "string"}, name={"type": "string"})
    database.feed(
        schema(),
        firm,
        person(1, "ada"),
        row("firms", id="f", name="F"),
        person(2, "bo"),
        narrow,
        row(id=1, phone="7"),
        state(),
    )
    assert database.sql("SELECT id, email, phone FROM people ORDER BY id") == [(1, "ada", "7"), (2, "bo", None)]
    assert database.sql("SELECT name FROM firms") == [("F",)]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "no SQLAlchemy URL"),
        ("oracle://x/y", "oracle"),
        ("duckdb://", "names no file"),
        ("snowflake://me:hunter22@account/shop", "antiphon\\[snowflake\\]"),
    ],
)
def test_a_wrong_url_or_a_missing_driver_is_one_clear_error(database: Database, url: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as told:
        database.feed(schema(), url=url)
    assert "hunter22" not in str(told.value)


def test_a_server_that_cannot_be_reached_or_refuses_is_one_clear_error(pg: Database) -> None:
    with pytest.raises(TargetError, match="see that the server runs"):
        pg.feed(schema(), url="postgresql://me:hunter22@127.0.0.1:1/x")
    pg.sql("CREATE ROLE reader LOGIN PASSWORD 'reader'", "CREATE TABLE people (id int PRIMARY KEY, email text)")
    url = pg.url.replace(pg.url.split("//")[1].split("@")[0], "reader:reader")
    with pytest.raises(TargetError, match="permission denied") as told:
        pg.feed(schema("people", ("id",), id={}, email={}), row(id=1, email="x"), state(), url=url)
    assert "GRANT" in told.value.hint
    pg.sql("DROP TABLE people", "DROP ROLE reader")


def test_a_table_without_the_streams_key_is_one_clear_error(database: Database) -> None:
    database.sql("CREATE TABLE people (number integer)")
    with pytest.raises(TargetError, match="no column 'id', which is the key"):
        database.feed(schema(), person(1, "ada"))
    assert database.sql("SELECT count(*) FROM people") == [(0,)]


def test_a_lock_on_the_table_and_a_mirror_that_others_refer_to_end_the_run_with_one_clear_error(pg: Database) -> None:
    pg.sql(
        "CREATE TABLE people (id int PRIMARY KEY)",
        "CREATE TABLE orders (person int REFERENCES people)",
        "INSERT INTO people VALUES (1), (2)",
        "INSERT INTO orders VALUES (2)",
    )
    only = schema("people", ("id",), id={"type": "integer"})
    with pytest.raises(TargetError, match=r"mirroring people: .*violates foreign key constraint"):
        pg.feed(only, row(id=1), state(), mode="mirror", deletes="hard")
    with psycopg.connect(pg.url.replace("+psycopg", "")) as other:
        other.execute("LOCK TABLE people")
        with pytest.raises(TargetError, match=r"looking at people: .*lock timeout") as told:
            pg.feed(only, row(id=3), state(), lock_timeout=0.1)
    assert "another program holds a lock" in told.value.hint
