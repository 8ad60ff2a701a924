"""LOG_BASED: what PostgreSQL's log tells, deletions among them."""

import logging
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from singer_sdk.metrics import METRICS_LOGGER_NAME

from tap_sql.errors import DatabaseError, SettingsError, TapError
from tap_sql.metrics import LogMetric
from tests.taps.sql.conftest import Database
from tests.taps.sql.reader import Read, read

CONTACTS = "CREATE TABLE contacts (id integer PRIMARY KEY, email text, score numeric(8, 2))"
ROWS = "INSERT INTO contacts VALUES (1, 'ada@example.com', 1.50), (2, 'bob@example.com', 2), (3, 'eve@example.com', 3)"
STREAM = "public-contacts"


@pytest.fixture
def log(pg: Database) -> Iterator[Database]:
    """A database whose slot is dropped in the end."""
    yield pg
    pg.run(f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{slot(pg)}'")


def slot(database: Database) -> str:
    return database.url.rpartition("/")[2]


def follow(database: Database, state: dict[str, Any] | None = None, stream: str = STREAM, **config: Any) -> Read:
    return read(database.url, stream, method="LOG_BASED", state=state, slot=slot(database), **config)


def live(found: Read) -> list[dict[str, Any]]:
    return [record for record in found.records if "_sdc_deleted_at" not in record]


def gone(found: Read) -> list[int]:
    return [message["record"]["id"] for message in found.messages if message.get("sync", {}).get("state") == "gone"]


def test_the_first_read_shows_everything_and_the_next_one_what_changed(log: Database) -> None:
    log.run(CONTACTS, ROWS)
    first = follow(log)
    log.run(
        "INSERT INTO contacts VALUES (4, 'new@example.com', 4.50)",
        "UPDATE contacts SET score = NULL WHERE id = 1",
        "DELETE FROM contacts WHERE id = 2",
    )

    second = follow(log, first.state)
    third = follow(log, second.state)

    assert [record["id"] for record in live(first)] == [1, 2, 3]
    assert live(second) == [
        {"id": 4, "email": "new@example.com", "score": Decimal("4.50")},
        {"id": 1, "email": "ada@example.com", "score": None},
    ]
    assert gone(second) == [2]
    assert third.records == []


def test_how_much_of_the_log_is_kept_is_a_metric(log: Database, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "singer_sdk.metrics")
    log.run(CONTACTS, ROWS)
    first = follow(log)
    log.run("INSERT INTO contacts SELECT n, repeat('x', 1000) FROM generate_series(10, 2000) n")

    second = follow(log, first.state)
    follow(log, second.state)

    before, after = (point.value for point in points(caplog) if point.metric is LogMetric.KEPT)
    assert before > 1_990_000  # bytes since the first STATE, which alone was acknowledged
    assert after < before / 10


def points(caplog: pytest.LogCaptureFixture) -> list[Any]:
    found = (each.args for each in caplog.records if each.name == METRICS_LOGGER_NAME)
    return [args[0] for args in found if isinstance(args, tuple)]


def test_the_log_is_let_go_of_only_when_state_acknowledges_it(log: Database) -> None:
    log.run(CONTACTS, ROWS)
    first = follow(log)
    log.run("UPDATE contacts SET email = 'second@example.com' WHERE id = 1")
    follow(log, first.state)  # its STATE is lost
    log.run("UPDATE contacts SET email = 'third@example.com' WHERE id = 1")

    again = follow(log, first.state)

    assert [record["email"] for record in live(again)] == ["third@example.com"]


def test_a_changed_key_is_one_row_gone_and_one_new(log: Database) -> None:
    log.run(CONTACTS, ROWS)
    first = follow(log)
    log.run("UPDATE contacts SET id = 30 WHERE id = 3")

    second = follow(log, first.state)

    assert [record["id"] for record in live(second)] == [30]
    assert gone(second) == [3]


def test_a_row_deleted_and_inserted_again_is_live(log: Database) -> None:
    log.run(CONTACTS, ROWS)
    first = follow(log)
    log.run("DELETE FROM contacts WHERE id = 1", "INSERT INTO contacts VALUES (1, 'back@example.com', 0)")

    second = follow(log, first.state)

    assert [record["email"] for record in live(second)] == ["back@example.com"]
    assert gone(second) == []


def test_a_partitioned_table_is_one_stream(log: Database) -> None:
    log.run(
        "CREATE TABLE contacts (id integer PRIMARY KEY, email text) PARTITION BY RANGE (id)",
        "CREATE TABLE contacts_1 PARTITION OF contacts FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE contacts_2 PARTITION OF contacts FOR VALUES FROM (10) TO (20)",
        "INSERT INTO contacts VALUES (1, 'a')",
    )
    first = follow(log)
    log.run("INSERT INTO contacts VALUES (11, 'b')", "DELETE FROM contacts WHERE id = 1")

    second = follow(log, first.state)

    assert [record["id"] for record in live(second)] == [11]
    assert gone(second) == [1]


def test_a_publication_that_tells_changes_by_partition_is_refused(log: Database) -> None:
    log.run(
        "CREATE TABLE contacts (id integer PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE contacts_1 PARTITION OF contacts FOR VALUES FROM (0) TO (10)",
        "CREATE PUBLICATION antiphon FOR TABLE contacts",
    )

    with pytest.raises(SettingsError, match="tells changes by partition"):
        follow(log)


def test_a_rolled_back_transaction_is_not_told(log: Database) -> None:
    log.run(CONTACTS, ROWS)
    first = follow(log)
    with psycopg.connect(log.url.replace("+psycopg", "")) as connection:
        connection.execute("UPDATE contacts SET score = 9")
        connection.rollback()

    assert follow(log, first.state).records == []


def test_a_long_value_that_no_change_touched_is_left_out_as_unknown(log: Database) -> None:
    log.run("CREATE TABLE contacts (id integer PRIMARY KEY, email text, story text)")
    log.run(
        "ALTER TABLE contacts ALTER story SET STORAGE EXTERNAL",
        "INSERT INTO contacts VALUES (1, 'a', repeat('x', 9000))",
    )
    first = follow(log)
    log.run("UPDATE contacts SET email = 'b' WHERE id = 1")
    second = follow(log, first.state)
    log.run(
        "UPDATE contacts SET story = repeat('y', 9000) WHERE id = 1", "UPDATE contacts SET email = 'c' WHERE id = 1"
    )
    third = follow(log, second.state)

    assert second.records == [{"id": 1, "email": "b"}]
    assert third.records == [{"id": 1, "email": "c", "story": "y" * 9000}], "what the same read saw is not forgotten"


def test_full_replica_identity_knows_them(log: Database) -> None:
    log.run("CREATE TABLE contacts (id integer PRIMARY KEY, email text, story text)")
    log.run("ALTER TABLE contacts ALTER story SET STORAGE EXTERNAL", "ALTER TABLE contacts REPLICA IDENTITY FULL")
    log.run("INSERT INTO contacts VALUES (1, 'a', repeat('x', 9000))")
    first = follow(log)
    log.run("UPDATE contacts SET email = 'b' WHERE id = 1")

    assert follow(log, first.state).records == [{"id": 1, "email": "b", "story": "x" * 9000}]


def test_a_second_stream_joins_the_slot_and_neither_loses_anything(log: Database) -> None:
    log.run(CONTACTS, ROWS, "CREATE TABLE orders (id integer PRIMARY KEY, total integer)")
    contacts = follow(log)
    log.run("UPDATE contacts SET score = 7 WHERE id = 1")
    orders = follow(log, contacts.state, stream="public-orders")  # alone: contacts is not selected here
    log.run("INSERT INTO orders VALUES (1, 100)")

    assert follow(log, orders.state, stream="public-orders").records == [{"id": 1, "total": 100}]


def test_values_look_as_they_do_in_a_full_read(log: Database) -> None:
    log.run("CREATE TYPE mood AS ENUM ('happy', 'so so')")
    log.run(
        "CREATE TABLE contacts (id integer PRIMARY KEY, n numeric, f float8, b bool, d date, ts timestamptz, "
        "t timestamp, j jsonb, u uuid, raw bytea, ia integer[], ta text[], m mood, ma mood[], iv interval, c char(3), "
        "na numeric(6,2)[])"
    )
    first = follow(log)
    log.run(
        "INSERT INTO contacts VALUES "
        "(1, 1.50, 0.1, true, '2026-11-20', '2026-11-20 10:00:00.12+01', '2026-11-20 10:00', "
        "'{\"a\": [1.50]}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '\\x00ff', '{1,NULL,3}', "
        "ARRAY['a \"b\" \\ c,{}', '', 'NULL', NULL], 'so so', '{happy,\"so so\"}', '1 month', 'a', '{1.50}'), "
        "(2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{}', '{}', NULL, NULL, NULL, NULL, NULL)"
    )

    told = follow(log, first.state)
    full = read(log.url, STREAM)

    assert told.records == full.records


def test_a_value_that_json_cannot_hold_is_refused_here_too(log: Database) -> None:
    log.run("CREATE TABLE contacts (id integer PRIMARY KEY, v numeric, a integer[])")
    first = follow(log)
    log.run("INSERT INTO contacts VALUES (1, 'NaN', NULL), (2, 1, '{{1},{2}}'), (3, 1, NULL)")

    told = follow(log, first.state, bad_rows="report")

    assert [envelope.get("state") for envelope in told.envelopes] == ["error", "error", None]
    with pytest.raises(TapError, match="row id 1: column v"):
        follow(log, first.state)


def test_a_truncated_table_is_told(log: Database) -> None:
    log.run(CONTACTS, ROWS)
    first = follow(log)
    log.run("TRUNCATE contacts")

    with pytest.raises(TapError, match="stream public-contacts: its table was truncated") as caught:
        follow(log, first.state)

    assert "remove the bookmark of public-contacts" in caught.value.hint


def test_a_dropped_slot_means_a_full_read(log: Database) -> None:
    log.run(CONTACTS, ROWS)
    first = follow(log)
    log.run(f"SELECT pg_drop_replication_slot('{slot(log)}')", "UPDATE contacts SET score = 9 WHERE id = 2")

    assert [record["id"] for record in follow(log, first.state).records] == [1, 3, 2]


def test_a_table_without_a_key_is_refused_before_it_is_published(log: Database) -> None:
    log.run("CREATE TABLE contacts (id integer, email text)")

    with pytest.raises(SettingsError, match="the log would not tell which row"):
        follow(log, key=["id"])

    log.run("INSERT INTO contacts VALUES (1, 'a')", "UPDATE contacts SET email = 'b'")  # the users' writes still work


def test_another_database_has_no_log(lite: Database) -> None:
    lite.run("CREATE TABLE contacts (id integer PRIMARY KEY)")

    with pytest.raises(SettingsError, match="LOG_BASED does not know sqlite"):
        read(lite.url, "contacts", method="LOG_BASED")


def test_a_user_who_may_not_replicate_is_told(log: Database) -> None:
    log.run(CONTACTS, ROWS, "DROP ROLE IF EXISTS listener", "CREATE ROLE listener LOGIN PASSWORD 'listener'")
    log.run("GRANT SELECT ON contacts TO listener")
    url = log.url.replace(log.url.split("//")[1].split("@")[0], "listener:listener")

    with pytest.raises(DatabaseError, match="permission denied") as caught:
        read(url, STREAM, method="LOG_BASED", slot=slot(log))

    assert "REPLICATION" in caught.value.hint
