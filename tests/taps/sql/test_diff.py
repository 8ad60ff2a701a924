"""DIFF: what changed since the last acknowledged read, with no column of its own for it."""

from typing import Any

import pytest

from tap_sql.errors import DatabaseError, SettingsError
from tests.taps.sql.conftest import Database
from tests.taps.sql.reader import Read, discover, read

CONTACTS = "CREATE TABLE contacts (id integer PRIMARY KEY, email varchar(80), score numeric(8, 2))"
ROWS = "INSERT INTO contacts VALUES (1, 'ada@example.com', 1), (2, 'bob@example.com', 2), (3, 'eve@example.com', 3)"


def diff(database: Database, state: dict[str, Any] | None = None, **config: Any) -> Read:
    return read(database.url, database.stream("contacts"), method="DIFF", state=state, **config)


def live(found: Read) -> dict[int, str]:
    return {r["id"]: r["email"] for r in found.records if r.get("_sdc_deleted_at") is None}


def gone(found: Read) -> list[int]:
    told = [m["record"]["id"] for m in found.messages if m.get("sync", {}).get("state") == "gone"]
    assert told == [record["id"] for record in found.records if record.get("_sdc_deleted_at")]
    return told


def test_the_first_read_shows_everything_and_the_next_one_nothing(database: Database) -> None:
    database.run(CONTACTS, ROWS)

    first = diff(database)
    second = diff(database, first.state)

    assert sorted(live(first)) == [1, 2, 3]
    assert second.records == []
    assert second.state == first.state
    assert first.properties["_sdc_deleted_at"] == {"type": ["string", "null"], "format": "date-time"}


def test_inserted_changed_and_deleted_rows_travel_and_no_others(database: Database) -> None:
    database.run(CONTACTS, ROWS)
    first = diff(database)
    database.run(
        "INSERT INTO contacts VALUES (4, 'new@example.com', 4)",
        "UPDATE contacts SET score = 1.5 WHERE id = 1",
        "DELETE FROM contacts WHERE id = 2",
    )

    second = diff(database, first.state)

    assert live(second) == {1: "ada@example.com", 4: "new@example.com"}
    assert gone(second) == [2]
    assert diff(database, second.state).records == []


def test_a_run_that_was_not_acknowledged_shows_its_rows_again_with_the_latest_values(database: Database) -> None:
    database.run(CONTACTS, ROWS)
    first = diff(database)
    database.run("UPDATE contacts SET email = 'second@example.com' WHERE id = 1", "DELETE FROM contacts WHERE id = 3")
    diff(database, first.state)  # its STATE is lost
    database.run("UPDATE contacts SET email = 'third@example.com' WHERE id = 1")

    third = diff(database, first.state)

    assert live(third) == {1: "third@example.com"}
    assert gone(third) == [3]


def test_a_state_put_back_shows_all_that_changed_since(database: Database) -> None:
    database.run(CONTACTS, ROWS)
    states = [diff(database).state]
    for number in (1, 2, 3):
        database.run(f"UPDATE contacts SET email = 'changed@example.com' WHERE id = {number}")
        states.append(diff(database, states[-1]).state)

    assert sorted(live(diff(database, states[1]))) == [2, 3]
    assert sorted(live(diff(database, states[0]))) == [1, 2, 3]
    assert sorted(live(diff(database))) == [1, 2, 3]


def test_a_row_that_comes_back_is_live_again(database: Database) -> None:
    database.run(CONTACTS, ROWS)
    first = diff(database)
    database.run("DELETE FROM contacts WHERE id = 2")
    second = diff(database, first.state)
    database.run("INSERT INTO contacts VALUES (2, 'bob@example.com', 2)")

    third = diff(database, second.state)

    assert gone(second) == [2]
    assert live(third) == {2: "bob@example.com"}
    assert gone(third) == []


def test_several_readers_share_one_snapshot(database: Database) -> None:
    database.run(CONTACTS, ROWS)
    one, other = diff(database), diff(database)
    database.run("UPDATE contacts SET email = 'x@example.com' WHERE id = 1")

    assert live(diff(database, one.state)) == {1: "x@example.com"}
    assert live(diff(database, other.state)) == {1: "x@example.com"}


def test_every_column_counts_also_those_not_selected(database: Database) -> None:
    database.run(CONTACTS, ROWS)
    first = diff(database, without="score")
    database.run("UPDATE contacts SET score = 9 WHERE id = 1")

    assert diff(database, first.state, without="score").records == [{"id": 1, "email": "ada@example.com"}]


def test_null_differs_from_empty_and_a_column_from_its_neighbour(database: Database) -> None:
    database.run("CREATE TABLE contacts (id integer PRIMARY KEY, email varchar(9), name varchar(9))")
    database.run("INSERT INTO contacts VALUES (1, NULL, 'a'), (2, 'ab', ''), (3, 'x', NULL)")
    first = diff(database)
    database.run(
        "UPDATE contacts SET email = '' WHERE id = 1", "UPDATE contacts SET email = 'a', name = 'b' WHERE id = 2"
    )
    database.run("UPDATE contacts SET email = NULL, name = 'x' WHERE id = 3")

    assert sorted(live(diff(database, first.state))) == [1, 2, 3]


def test_a_key_of_several_columns_is_a_key(database: Database) -> None:
    database.run(
        'CREATE TABLE rates (country varchar(2), "the year" integer, rate integer, PRIMARY KEY (country, "the year"))'
    )
    database.run("INSERT INTO rates VALUES ('IT', 2025, 1), ('IT', 2026, 2), ('DE', 2026, 3)")
    stream = database.stream("rates")
    first = read(database.url, stream, method="DIFF")
    database.run("DELETE FROM rates WHERE country = 'DE'", 'UPDATE rates SET rate = 5 WHERE "the year" = 2025')

    second = read(database.url, stream, method="DIFF", state=first.state)

    assert [{k: v for k, v in r.items() if k != "_sdc_deleted_at"} for r in second.records] == [
        {"country": "IT", "the year": 2025, "rate": 5},
        {"country": "DE", "the year": 2026},
    ]


def test_a_view_can_be_read_by_its_differences(database: Database) -> None:
    database.run(CONTACTS, ROWS, "CREATE VIEW good AS SELECT id, email FROM contacts WHERE score > 1")
    stream = database.stream("good")
    first = read(database.url, stream, method="DIFF", keys={stream: ["id"]})
    database.run("UPDATE contacts SET score = 0 WHERE id = 3")

    second = read(database.url, stream, method="DIFF", keys={stream: ["id"]}, state=first.state)

    assert gone(second) == [3]


def test_another_key_is_another_snapshot(database: Database) -> None:
    database.run(CONTACTS, ROWS)
    first = diff(database)

    second = read(database.url, database.stream("contacts"), method="DIFF", key=["email"], state=first.state)

    assert sorted(live(second)) == [1, 2, 3]


def test_a_database_put_back_to_an_older_time_shows_everything(database: Database) -> None:
    database.run(CONTACTS, ROWS)
    ahead = diff(database).state
    ahead["bookmarks"][database.stream("contacts")]["run"] += 7

    found = diff(database, ahead)

    assert sorted(live(found)) == [1, 2, 3]


def test_the_snapshots_are_no_streams(database: Database) -> None:
    database.run(CONTACTS, ROWS)
    diff(database)

    assert set(discover(database.url)) == {database.stream("contacts")}


def test_no_key_is_told(database: Database) -> None:
    database.run("CREATE TABLE contacts (email varchar(80))")

    with pytest.raises(SettingsError, match="DIFF without a key"):
        diff(database)


def test_the_missing_right_to_keep_a_snapshot_is_told(pg: Database) -> None:
    pg.run(CONTACTS, ROWS, "DROP ROLE IF EXISTS looker", "CREATE ROLE looker LOGIN PASSWORD 'looker'")
    pg.run("GRANT SELECT ON contacts TO looker")
    url = pg.url.replace(pg.url.split("//")[1].split("@")[0], "looker:looker")

    with pytest.raises(DatabaseError, match="the snapshot of DIFF: permission denied") as caught:
        read(url, "public-contacts", method="DIFF")

    assert "have its owner GRANT CREATE" in caught.value.hint


def test_nothing_is_kept_of_a_run_that_fails(pg: Database) -> None:
    pg.run("CREATE TABLE contacts (id integer PRIMARY KEY, email text, score numeric)", ROWS)
    first = diff(pg)
    pg.run("UPDATE contacts SET email = 'x' WHERE id = 1", "UPDATE contacts SET score = 'NaN' WHERE id = 2")
    with pytest.raises(Exception, match="NaN"):
        diff(pg, first.state)
    pg.run("UPDATE contacts SET score = 2 WHERE id = 2")

    assert live(diff(pg, first.state)) == {1: "x"}
