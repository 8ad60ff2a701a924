"""FULL_TABLE and INCREMENTAL, the same on every database."""

import pytest

from tap_sql.errors import SettingsError
from tests.taps.sql.conftest import Database
from tests.taps.sql.reader import discover, read

CONTACTS = "CREATE TABLE contacts (id integer PRIMARY KEY, email varchar(80) NOT NULL, updated_at timestamp)"


def add(*rows: tuple[int, str, str | None]) -> str:
    values = [(str(number), f"'{email}'", f"'{at}'" if at else "NULL") for number, email, at in rows]
    return "INSERT INTO contacts VALUES " + ", ".join(f"({', '.join(row)})" for row in values)


DELETING = {"postgresql": ["DIFF", "LOG_BASED"], "duckdb": ["DIFF"], "sqlite": ["DIFF"]}


def test_a_table_becomes_a_stream_with_its_primary_key(database: Database) -> None:
    database.run(CONTACTS)

    entry = discover(database.url)[database.stream("contacts")]

    assert entry["key_properties"] == ["id"]
    assert entry["schema"]["properties"]["id"] == {"type": ["integer"]}
    assert entry["schema"]["properties"]["updated_at"] == {"type": ["string", "null"], "format": "date-time"}
    root = next(item["metadata"] for item in entry["metadata"] if not item["breadcrumb"])
    assert root["valid-replication-keys"] == ["id", "updated_at"]
    assert root["is-view"] is False
    assert root["valid-replication-methods"] == ["FULL_TABLE", "INCREMENTAL", *DELETING[database.name]]


def test_a_unique_constraint_over_filled_columns_is_a_key(database: Database) -> None:
    database.run(
        "CREATE TABLE rates (country varchar(2) NOT NULL, year integer NOT NULL, rate real, UNIQUE (country, year))"
    )

    assert discover(database.url)[database.stream("rates")]["key_properties"] == ["country", "year"]


def test_a_view_is_a_stream_and_takes_its_key_from_the_settings(database: Database) -> None:
    database.run(CONTACTS, add((1, "ada@example.com", None)), "CREATE VIEW emails AS SELECT id, email FROM contacts")
    stream = database.stream("emails")

    assert discover(database.url)[stream]["key_properties"] == []
    found = read(database.url, stream, keys={stream: ["id"]})

    assert found.schema["key_properties"] == ["id"]
    assert found.records == [{"id": 1, "email": "ada@example.com"}]


def test_a_full_table_shows_every_row_and_keeps_no_bookmark(database: Database) -> None:
    database.run(CONTACTS, add((1, "ada@example.com", "2026-11-20 10:00:00"), (2, "bob@example.com", None)))

    found = read(database.url, database.stream("contacts"))

    assert sorted(record["id"] for record in found.records) == [1, 2]
    assert found.bookmark(database.stream("contacts")) == {}


def test_schema_tells_account_and_clock(database: Database) -> None:
    database.run(CONTACTS)

    first, second = (read(database.url, database.stream("contacts")).schema["sync"] for _ in range(2))

    assert first["account"] == second["account"]
    assert first["clock"] < second["clock"]
    assert first["clock"].endswith("+00:00")


def test_columns_that_are_not_selected_are_not_read(database: Database) -> None:
    database.run(CONTACTS, add((1, "ada@example.com", None)))

    found = read(database.url, database.stream("contacts"), without="email")

    assert found.records == [{"id": 1, "updated_at": None}]
    assert set(found.properties) == {"id", "updated_at"}


def test_an_incremental_read_goes_on_at_its_bookmark_and_loses_no_tie(database: Database) -> None:
    stream = database.stream("contacts")
    database.run(
        CONTACTS, add((1, "a@example.com", "2026-11-20 10:00:00"), (2, "b@example.com", "2026-11-20 10:05:00"))
    )
    first = read(database.url, stream, method="INCREMENTAL", by="updated_at")
    database.run(add((3, "c@example.com", "2026-11-20 10:05:00"), (4, "d@example.com", "2026-11-20 10:06:00.123456")))

    second = read(database.url, stream, method="INCREMENTAL", by="updated_at", state=first.state, overlap_seconds=0)

    assert [record["id"] for record in first.records] == [1, 2]
    assert [record["id"] for record in second.records] == [2, 3, 4]
    assert second.bookmark(stream) == {
        "replication_key": "updated_at",
        "replication_key_value": "2026-11-20T10:06:00.123456",
    }
    assert second.schema["bookmark_properties"] == ["updated_at"]


def test_an_incremental_read_goes_back_for_transactions_that_were_slow_to_commit(database: Database) -> None:
    stream = database.stream("contacts")
    database.run(CONTACTS, add((1, "a@example.com", "2026-11-20 10:05:00")))
    first = read(database.url, stream, method="INCREMENTAL", by="updated_at")
    database.run(add((2, "late@example.com", "2026-11-20 10:04:30"), (3, "old@example.com", "2026-11-20 10:03:00")))

    second = read(database.url, stream, method="INCREMENTAL", by="updated_at", state=first.state, overlap_seconds=60)

    assert [record["id"] for record in second.records] == [2, 1]


def test_rows_without_a_replication_key_are_shown_by_every_incremental_read(database: Database) -> None:
    stream = database.stream("contacts")
    database.run(CONTACTS, add((1, "a@example.com", "2026-11-20 10:05:00"), (2, "b@example.com", None)))
    first = read(database.url, stream, method="INCREMENTAL", by="updated_at")

    second = read(database.url, stream, method="INCREMENTAL", by="updated_at", state=first.state)

    assert [record["id"] for record in first.records] == [2, 1]
    assert [record["id"] for record in second.records] == [2, 1]


def test_a_row_stamped_in_the_future_does_not_hide_those_written_until_then(database: Database) -> None:
    stream = database.stream("contacts")
    database.run(CONTACTS, add((1, "a@example.com", "2999-01-01 00:00:00")))
    first = read(database.url, stream, method="INCREMENTAL", by="updated_at")
    database.run(add((2, "b@example.com", "2998-01-01 00:00:00")))

    second = read(database.url, stream, method="INCREMENTAL", by="updated_at", state=first.state)

    assert [record["id"] for record in second.records] == [2, 1]


def test_a_growing_number_is_a_replication_key(database: Database) -> None:
    stream = database.stream("contacts")
    database.run(CONTACTS, add((1, "a@example.com", None), (2, "b@example.com", None)))
    first = read(database.url, stream, method="INCREMENTAL", by="id")
    database.run(add((10, "c@example.com", None)))

    second = read(database.url, stream, method="INCREMENTAL", by="id", state=first.state)

    assert [record["id"] for record in second.records] == [2, 10]


def test_a_decimal_of_many_digits_is_a_replication_key_to_the_last_of_them(pg: Database) -> None:
    pg.run("CREATE TABLE t (id integer PRIMARY KEY, v numeric)", "INSERT INTO t VALUES (1, 0.12345678901234567891)")
    first = read(pg.url, "public-t", method="INCREMENTAL", by="v")
    pg.run("INSERT INTO t VALUES (2, 0.12345678901234567892), (3, 0.12345678901234567890)")

    second = read(pg.url, "public-t", method="INCREMENTAL", by="v", state=first.state)

    assert [record["id"] for record in second.records] == [1, 2]


def test_a_day_of_the_future_does_not_hide_those_until_then(database: Database) -> None:
    database.run("CREATE TABLE t (id integer PRIMARY KEY, day date)", "INSERT INTO t VALUES (1, '2999-01-01')")
    first = read(database.url, database.stream("t"), method="INCREMENTAL", by="day")
    database.run("INSERT INTO t VALUES (2, '2998-01-01')")

    second = read(database.url, database.stream("t"), method="INCREMENTAL", by="day", state=first.state)

    assert [record["id"] for record in second.records] == [2, 1]


def test_a_name_that_needs_quoting_is_quoted(database: Database) -> None:
    database.run(
        'CREATE TABLE "Order ""lines"" 100% :x" ("select" integer PRIMARY KEY, "a ""b"" %s :c" text, "é" integer)',
        'INSERT INTO "Order ""lines"" 100% :x" VALUES (1, \'x\', 2)',
    )
    stream = database.stream('Order "lines" 100% :x')

    found = read(
        database.url,
        stream,
        method="INCREMENTAL",
        by="select",
        state={"bookmarks": {stream: {"replication_key": "select", "replication_key_value": 1}}},
    )

    assert found.records == [{"select": 1, 'a "b" %s :c': "x", "é": 2}]


def test_stream_maps_still_work(database: Database) -> None:
    database.run(CONTACTS, add((1, "ada@example.com", "2026-11-20 10:00:00")))
    stream = database.stream("contacts")

    found = read(database.url, stream, stream_maps={stream: {"email": "email.upper()", "updated_at": "__NULL__"}})

    assert found.records == [{"id": 1, "email": "ADA@EXAMPLE.COM"}]


def test_a_key_of_the_settings_that_is_not_unique_is_refused(database: Database) -> None:
    database.run(CONTACTS, add((1, "same@example.com", None), (2, "same@example.com", None)))
    stream = database.stream("contacts")

    with pytest.raises(SettingsError, match=r"its key email is not unique, same@example\.com stands there twice"):
        read(database.url, stream, keys={stream: ["email"]})
