"""Every type of the type table through tap-sql and target-sql: by records and by files of each form the same table."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tap_sql.errors import SettingsError
from tap_sql.values import encode
from target_kit import TargetError
from target_kit.errors import ProtocolError
from tests.taps.sql.reader import read
from tests.taps.sql.type_table import POSTGRESQL
from tests.targets.sql.conftest import Database

COLUMNS = ", ".join(f"c{number} {case[0]}" for number, case in enumerate(POSTGRESQL))
VALUES = ", ".join(case[1] for case in POSTGRESQL)
TYPES = ("CREATE TYPE mood AS ENUM ('happy', 'so so')", "CREATE DOMAIN email AS text CHECK (value LIKE '%%@%%')")
NAMED = ("mood", "email")
SPECIAL = """
CREATE TABLE special (id int PRIMARY KEY, n numeric, f float8, d date, t timestamptz, x time, a int[])
"""
SPECIALS = """
INSERT INTO special VALUES (1, 'NaN', 'Infinity', '-infinity', '0044-03-15 10:00 BC', '24:00', '{{1,2},{3,4}}'),
                           (2, NULL, NULL, NULL, NULL, NULL, NULL)
"""


@pytest.fixture
def source(pg: Database) -> Database:
    pg.sql(
        *TYPES,
        f"CREATE TABLE everything (id int PRIMARY KEY, {COLUMNS})",
        f"INSERT INTO everything VALUES (1, {VALUES.replace('%', '%%')})",
        "INSERT INTO everything (id) VALUES (2)",
        "CREATE SCHEMA own",
        "CREATE TABLE own.everything (LIKE public.everything INCLUDING ALL)",
    )
    return pg


def messages(database: Database, form: str, stream: str = "public-everything", **config: Any) -> list[Any]:
    """What the tap prints, as lines that keep every digit."""
    if form != "records":
        folder = database.folder / "files"
        folder.mkdir(exist_ok=True)
        config["batch_config"] = {"encoding": {"format": form}, "storage": {"root": folder.as_uri()}}
    return [encode(message).decode() + "\n" for message in read(database.url, stream, **config).messages]


def content(database: Database, table: str, *, json_as_stored: bool = True) -> list[Any]:
    """The rows, each value as its text."""
    shown = [
        f"{name}::text" if json_as_stored or kind != "json" else f"nullif({name}::jsonb, 'null')::text"
        for name, kind in database.sql(
            "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute "
            f"WHERE attrelid = '{table}'::regclass AND attnum > 0 ORDER BY attnum"
        )
    ]
    return database.sql(f"SELECT {', '.join(shown)} FROM {table} ORDER BY id")


@pytest.mark.parametrize("form", ["records", "postgres-copy"])
def test_every_type_comes_into_a_table_of_the_same_types_as_it_was(source: Database, form: str) -> None:
    for _ in range(2):  # straight, and over what is there
        source.feed(*messages(source, form), schema="own")
        exact = form == "postgres-copy"  # records have no line ends between JSON's words, and no null that is one
        wanted = content(source, "public.everything", json_as_stored=exact)
        assert content(source, "own.everything", json_as_stored=exact) == wanted


@pytest.mark.parametrize("form", ["records", "postgres-copy"])
def test_a_table_that_the_target_makes_shows_the_same_records(source: Database, form: str) -> None:
    wanted = read(source.url, "public-everything").records
    source.feed(*messages(source, form), schema="made")
    found = {record["id"]: record for record in read(source.url, "made-everything").records}
    for record in wanted:
        for name, value in record.items():
            shown = found[record["id"]][name]
            moment = isinstance(value, str) and value == "2026-11-20T10:00:00.123456"  # without a zone: it is UTC here
            assert shown == (f"{value}+00:00" if moment else value), name


@pytest.mark.parametrize("schema", ["own", "made"])
def test_files_make_the_table_that_records_make(pg: Database, schema: str) -> None:
    values = {kind: literal for kind, literal, *_ in reversed(POSTGRESQL)}
    fit = [kind for kind in values if "[]" not in kind and kind not in ("numeric", "json", "jsonb", "bytea", *NAMED)]
    columns = ", ".join(f"c{number} {kind}" for number, kind in enumerate(fit))
    pg.sql(
        f"CREATE TABLE shown (id int PRIMARY KEY, {columns})",
        f"INSERT INTO shown SELECT n, {', '.join(values[kind] for kind in fit)} FROM generate_series(1, 20) n",
        "CREATE SCHEMA own",
        "CREATE TABLE own.shown (LIKE public.shown INCLUDING ALL)",
    )
    pg.feed(*messages(pg, "records", "public-shown"), schema=schema)
    wanted = content(pg, f"{schema}.shown")
    for form in ("parquet", "arrow", "postgres-copy"):
        pg.sql(f"TRUNCATE {schema}.shown")
        for _ in range(2):  # straight, and over what is there
            pg.feed(*messages(pg, form, "public-shown"), schema=schema)
            assert content(pg, f"{schema}.shown") == wanted, form


def test_postgres_copy_carries_what_json_cannot_hold(pg: Database) -> None:
    pg.sql(SPECIAL, SPECIALS, "CREATE SCHEMA own", "CREATE TABLE own.special (LIKE public.special INCLUDING ALL)")
    pg.feed(*messages(pg, "postgres-copy", "public-special"), schema="own")
    assert content(pg, "own.special") == content(pg, "public.special")


def test_a_row_of_a_file_that_is_refused_is_the_only_one(pg: Database) -> None:
    pg.sql(
        "CREATE TABLE people (id int PRIMARY KEY, email varchar(80), raw bytea)",
        "INSERT INTO people SELECT n, 'p' || n, '\\x00ff' FROM generate_series(1, 50) n",
        "CREATE SCHEMA own",
        "CREATE TABLE own.people (id bigint PRIMARY KEY, email varchar(3) CHECK (email <> 'p7'), raw bytea)",
        "INSERT INTO people VALUES (51, 'longer', NULL)",
    )
    kept = pg.folder / "rejected.jsonl"
    pg.feed(*messages(pg, "postgres-copy", "public-people"), schema="own", rejected_path=str(kept))
    assert pg.sql("SELECT count(*), count(DISTINCT raw), min(encode(raw, 'hex')) FROM own.people") == [(49, 1, "00ff")]
    assert {json.loads(line)["record"]["id"] for line in kept.read_text().splitlines()} == {7, 51}


@pytest.mark.parametrize("mode", ["upsert", "insert", "update", "mirror", "append"])
def test_files_keep_every_mode(pg: Database, mode: str) -> None:
    pg.sql(
        "CREATE TABLE people (id int PRIMARY KEY, email text)",
        "INSERT INTO people VALUES (1, 'new'), (2, 'new')",
        "CREATE SCHEMA own",
        f"CREATE TABLE own.people (id bigint {'' if mode == 'append' else 'PRIMARY KEY'}, email text)",
        "INSERT INTO own.people VALUES (2, 'old'), (3, 'old')",
    )
    pg.feed(*messages(pg, "postgres-copy", "public-people"), schema="own", mode=mode)
    assert (
        pg.sql("SELECT id, email FROM own.people ORDER BY id, email")
        == {
            "upsert": [(1, "new"), (2, "new"), (3, "old")],
            "insert": [(1, "new"), (2, "old"), (3, "old")],
            "update": [(2, "new"), (3, "old")],
            "mirror": [(1, "new"), (2, "new"), (3, "old")],
            "append": [(1, "new"), (2, "new"), (2, "old"), (3, "old")],
        }[mode]
    )
    if mode == "mirror":  # softly
        assert pg.sql("SELECT id FROM own.people WHERE _sdc_deleted_at IS NOT NULL") == [(3,)]


def test_a_stream_map_sees_the_records_of_a_file(pg: Database) -> None:
    pg.sql("CREATE TABLE people (id int PRIMARY KEY, email text)", "INSERT INTO people VALUES (1, 'A'), (2, 'B')")
    maps = {"public-people": {"id": "id", "email": "email.lower()", "__else__": None}}
    pg.feed(*messages(pg, "postgres-copy", "public-people"), schema="own", stream_maps=maps)
    assert pg.sql("SELECT email FROM own.people ORDER BY id") == [("a",), ("b",)]


def test_an_empty_table_has_no_file(pg: Database) -> None:
    pg.sql("CREATE TABLE people (id int PRIMARY KEY)")
    assert not any('"BATCH"' in line for line in messages(pg, "postgres-copy", "public-people"))
    assert list((pg.folder / "files").iterdir()) == []


def test_a_file_for_postgresql_is_refused_by_others_in_one_sentence(pg: Database, duck: Database) -> None:
    pg.sql("CREATE TABLE people (id int PRIMARY KEY)", "INSERT INTO people VALUES (1)")
    with pytest.raises(TargetError, match="which is for PostgreSQL alone"):
        duck.feed(*messages(pg, "postgres-copy", "public-people"))


def test_a_type_that_no_file_has_is_refused(pg: Database) -> None:
    pg.sql("CREATE TABLE people (id int PRIMARY KEY)", "INSERT INTO people VALUES (1)")
    lines = [line.replace('"id":"integer"', '"id":"int); DROP TABLE people; --"') for line in messages(
        pg, "postgres-copy", "public-people"
    )]  # fmt: skip
    with pytest.raises(ProtocolError, match="is of the type 'int"):
        pg.feed(*lines, schema="own")


def test_a_key_that_is_not_unique_stops_a_read_into_files_too(pg: Database) -> None:
    pg.sql("CREATE VIEW two AS SELECT 1 AS id UNION ALL SELECT 1")
    with pytest.raises(SettingsError, match="its key id is not unique"):
        messages(pg, "postgres-copy", "public-two", keys={"public-two": ["id"]})
