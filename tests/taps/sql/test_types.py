"""What a value of each type looks like in a record; docs/types.md says the same as a table."""

from decimal import Decimal

import pytest

from antiphon_sandbox import postgres
from tap_sql.errors import ValueRefused
from tests.taps.sql.conftest import Database
from tests.taps.sql.reader import LAST, Read, read
from tests.taps.sql.type_table import DUCKDB, POSTGRESQL, REFUSED, SETUP, SQLITE, Case


@pytest.fixture(scope="module")
def shown(cluster: postgres.Cluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Read]:
    """One table per database, with a column for each case, read once."""
    folder = tmp_path_factory.mktemp("types")
    postgres.create_database(cluster, "shown")
    found = {}
    for database, cases in (
        (Database("postgresql", cluster.url("shown")), POSTGRESQL),
        (Database("duckdb", f"duckdb:///{folder}/shown.duckdb"), DUCKDB),
        (Database("sqlite", f"sqlite:///{folder}/shown.db"), SQLITE),
    ):
        columns = ", ".join(f"v{number} {case[0]}" for number, case in enumerate(cases))
        database.run(
            *(SETUP if database.name == "postgresql" else ()),
            f"CREATE TABLE t (id integer PRIMARY KEY, {columns})",
            f"INSERT INTO t VALUES (1, {', '.join(case[1] for case in cases)})",
            "INSERT INTO t (id) VALUES (2)",
        )
        found[database.name] = read(database.url, database.stream("t"))
    return found


def check(found: Read, number: int, case: Case) -> None:
    _, _, expected, schema = case
    values = {record["id"]: record[f"v{number}"] for record in found.records}
    assert values[1] == expected
    assert type(values[1]) is type(expected) or isinstance(values[1], int)
    if isinstance(expected, Decimal) and isinstance(values[1], Decimal) and "E" not in str(expected):
        assert str(values[1]) == str(expected), "the digits are those stored"
    assert values[2] is None
    if schema is not None:
        nullable = {**schema, "type": [*schema["type"], "null"]}
        if "enum" in nullable:
            nullable["enum"] = [*nullable["enum"], None]
        assert found.properties[f"v{number}"] == nullable


def cases(table: list[Case]) -> pytest.MarkDecorator:
    names = [f"{number}-{case[0] or 'no type'}" for number, case in enumerate(table)]
    return pytest.mark.parametrize(("number", "case"), list(enumerate(table)), ids=names)


@cases(POSTGRESQL)
def test_a_value_of_postgresql(shown: dict[str, Read], number: int, case: Case) -> None:
    check(shown["postgresql"], number, case)


@cases(DUCKDB)
def test_a_value_of_duckdb(shown: dict[str, Read], number: int, case: Case) -> None:
    check(shown["duckdb"], number, case)


@cases(SQLITE)
def test_a_value_of_sqlite(shown: dict[str, Read], number: int, case: Case) -> None:
    check(shown["sqlite"], number, case)


@pytest.fixture(scope="module")
def refusing(cluster: postgres.Cluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Database]:
    """One table per refused value."""
    folder = tmp_path_factory.mktemp("refused")
    postgres.create_database(cluster, "refused")
    databases = {
        "pg": Database("postgresql", cluster.url("refused")),
        "duck": Database("duckdb", f"duckdb:///{folder}/refused.duckdb"),
        "lite": Database("sqlite", f"sqlite:///{folder}/refused.db"),
    }
    for name, database in databases.items():
        database.run(
            *(
                statement
                for number, (kind, sql_type, literal) in enumerate(REFUSED)
                if kind == name
                for statement in (
                    f"CREATE TABLE t{number} (id integer PRIMARY KEY, v {sql_type}, kept integer)",
                    f"INSERT INTO t{number} VALUES (1, NULL, 5), (2, {literal}, 6), (3, NULL, 7)",
                )
            )
        )
    return databases


@pytest.mark.parametrize("number", range(len(REFUSED)), ids=["-".join(case) for case in REFUSED])
def test_what_json_cannot_hold_is_refused_with_its_column_and_row(refusing: dict[str, Database], number: int) -> None:
    database = refusing[REFUSED[number][0]]
    stream = database.stream(f"t{number}")

    with pytest.raises(ValueRefused, match=f"stream {stream}, row id 2: column v: "):
        read(database.url, stream)
    assert all(record["id"] != 2 for record in LAST[0].records)

    told = read(database.url, stream, bad_rows="report")
    assert {record["id"] for record in told.records} == {1, 2, 3}
    bad = next(m for m in told.messages if m["type"] == "RECORD" and m["record"]["id"] == 2)
    assert bad["record"] == {"id": 2, "kept": 6}
    assert bad["sync"]["state"] == "error"
    assert "column v: " in bad["sync"]["error"]


def test_a_row_whose_key_cannot_be_shown_ends_the_run(lite: Database) -> None:
    lite.run("CREATE TABLE t (id uuid PRIMARY KEY, v text)", "INSERT INTO t VALUES ('no uuid', 'x')")

    with pytest.raises(ValueRefused, match="column id"):
        read(lite.url, "t", bad_rows="report")


def test_columns_that_the_database_fills_by_itself_are_read_only(pg: Database) -> None:
    pg.run(
        "CREATE TABLE t (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a integer, "
        "b integer GENERATED ALWAYS AS (a + 1) STORED)",
        "COMMENT ON COLUMN t.a IS 'How many.'",
    )

    properties = read(pg.url, "public-t").properties

    assert [name for name, shape in properties.items() if shape.get("readOnly")] == ["id", "b"]
    assert properties["a"]["description"] == "How many."
