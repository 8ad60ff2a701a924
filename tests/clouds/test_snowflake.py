"""Snowflake, as fakesnow stands for it: its own driver and SQLAlchemy dialect over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clouds.conftest import STATE, Cloud, free_port, python_of, row, schema, serving, standard_suites
from tests.clouds.people import ADA, PEOPLE, SHOWN

LEGACY = {"SNOWFLAKE_SQLALCHEMY_LEGACY_URL_PARAMS": "1"}
"""A URL may name a host of its own."""


@pytest.fixture(scope="module")
def snowflake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    python, folder, port = python_of("snowflake"), tmp_path_factory.mktemp("snowflake"), free_port()
    command = [str(python), "-m", "uvicorn", "fakesnow.server:app", "--port", str(port), "--log-level", "error"]
    with serving(command, port, folder / "server.log", {}):
        url = f"snowflake://me:secret@fake/shop/public?host=127.0.0.1&port={port}&protocol=http"
        yield Cloud(python, url, folder, LEGACY)


def test_types_survive_upserts_change_and_schemas_grow(snowflake: Cloud) -> None:
    snowflake.feed(schema(), row(**ADA), row(**{**ADA, "id": 2}), STATE)
    assert snowflake.read("PUBLIC-people") == [
        {**SHOWN, "more": '{"a":[1.5,null]}'},
        {**SHOWN, "id": 2, "more": '{"a":[1.5,null]}'},
    ]
    wider = {**{name: PEOPLE[name] for name in ("id", "email")}, "phone": {"type": ["string", "null"]}}
    snowflake.feed(schema(**wider), row(id=2, email="bo", phone="7"), row(id=3, email="eve", phone=None), STATE)
    records = snowflake.read("PUBLIC-people")
    assert [(record["id"], record["email"], record["phone"]) for record in records] == [
        (1, ADA["email"], None),
        (2, "bo", "7"),
        (3, "eve", None),
    ]
    assert records[1]["ref"] == ADA["ref"]
    narrow = schema(id=PEOPLE["id"], email=PEOPLE["email"])
    snowflake.feed(narrow, row(id=1, email="ada"), STATE, mode="mirror", deletes="hard", max_delete=100)
    assert [record["id"] for record in snowflake.read("PUBLIC-people")] == [1]


def test_names_are_upper_case_where_they_are_folded(snowflake: Cloud) -> None:
    narrow = {**schema(id=PEOPLE["id"], email=PEOPLE["email"]), "stream": "guests"}
    snowflake.feed(narrow, {**row(id=1, email="ada"), "stream": "guests"}, STATE, names="fold")
    snowflake.feed(narrow, {**row(id=1, email="bo"), "stream": "guests"}, STATE, names="fold")
    assert snowflake.read("PUBLIC-GUESTS") == [{"ID": 1, "EMAIL": "bo"}]
    assert snowflake.schemas["PUBLIC-GUESTS"]["key_properties"] == ["ID"]


def test_a_number_that_is_none_or_would_be_rounded_refuses_its_row_alone(snowflake: Cloud) -> None:
    declared = {**schema(id=PEOPLE["id"], amount=PEOPLE["amount"]), "stream": "sums"}
    rows = [{**row(id=number, amount=amount), "stream": "sums"} for number, amount in enumerate([1, "many", 2, 1.005])]
    said = snowflake.feed(declared, *rows, STATE, fails=True)
    assert "sums: the record {'id': 1} was refused: the column 'amount' cannot hold 'many'" in said
    assert "sums: the record {'id': 3} was refused: the column 'amount' cannot hold 1.005: it keeps 2 dec" in said
    assert [record["id"] for record in snowflake.read("PUBLIC-sums")] == [0, 2]


def test_a_wrong_database_is_one_clear_error(snowflake: Cloud) -> None:
    away = f"snowflake://me:secret@fake/shop/public?host=127.0.0.1&port={free_port()}&protocol=http&login_timeout=1"
    said = snowflake.feed(schema(), row(**ADA), fails=True, url=away)
    assert said.count("| ERROR") == 1
    assert "Traceback" not in said
    assert "secret" not in said


def test_the_sdks_standard_suites_pass(snowflake: Cloud) -> None:
    assert " passed" in standard_suites(snowflake, "SUITE", "SUITE-contacts")
