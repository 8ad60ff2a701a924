"""MariaDB, as Debian's package `mariadb-server` brings it; skipped where that is not installed."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from decimal import Decimal

import pytest

pytest.importorskip("pymysql")

import sqlalchemy as sa
from sqlalchemy import exc

from tap_sql.engines import make_engine
from tap_sql.errors import DatabaseError, SettingsError, ValueRefused
from tests.taps.sql.reader import discover, read
from tests.taps.sql.test_standard import ROWS, TABLE, standard_suite

TYPES = """
CREATE TABLE t (
    id integer PRIMARY KEY, i bigint unsigned, n decimal(30, 10), f double, b boolean, d date, t datetime(6),
    ts timestamp(6) NULL, x time(3), s varchar(9) CHARACTER SET utf8mb4, j json, raw varbinary(9),
    e enum('happy', 'so so'), y year, g integer AS (id + 1) VIRTUAL
) COMMENT 'Everything.'
"""
VALUES = """
INSERT INTO t (id, i, n, f, b, d, t, ts, x, s, j, raw, e, y) VALUES (
    1, 18446744073709551615, 1.5000000000, 0.1, true, '2026-11-20', '2026-11-20 10:00:00.123456',
    '2026-11-20 10:00:00.12', '10:00:00.5', 'é😀"', '{"a": [1.50]}', x'00ff', 'so so', 2026
), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a server of the test's own, without its database."""
    program = shutil.which("mariadbd")
    if program is None:
        pytest.skip("there is no mariadbd: apt-get install mariadb-server")
    with (
        tempfile.TemporaryDirectory(prefix="antiphon-mariadb-") as name,
        socket.create_server(("127.0.0.1", 0)) as free,
    ):
        port = free.getsockname()[1]
        free.close()
        process = subprocess.Popen(
            [
                program, "--no-defaults", "--skip-grant-tables", "--user=root", f"--datadir={name}", f"--port={port}",
                "--bind-address=127.0.0.1", f"--socket={name}/socket", "--default-time-zone=+02:00",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        url = f"mysql://root@127.0.0.1:{port}"
        try:
            _wait(url, process)
            yield url
        finally:
            process.kill()
            process.wait()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    engine = make_engine(url)
    for _ in range(100):
        try:
            engine.connect().close()
        except exc.OperationalError:
            assert process.poll() is None
            time.sleep(0.2)
        else:
            return
    pytest.fail("the server did not start")


@pytest.fixture
def maria(server: str) -> str:
    """The URL of an empty database."""
    with make_engine(server).begin() as connection:
        connection.execute(sa.text("DROP DATABASE IF EXISTS shop"))
        connection.execute(sa.text("CREATE DATABASE shop"))
    return f"{server}/shop"


def run(url: str, *statements: str) -> None:
    with make_engine(url).begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_every_type_keeps_what_it_holds(maria: str) -> None:
    run(maria, TYPES, VALUES)

    found = read(maria, "shop-t")

    assert found.schema["key_properties"] == ["id"]
    assert found.records[0] == {
        "id": 1,
        "i": 18446744073709551615,
        "n": Decimal("1.5000000000"),
        "f": Decimal("0.1"),
        "b": True,
        "d": "2026-11-20",
        "t": "2026-11-20T10:00:00.123456",
        "ts": "2026-11-20T08:00:00.12+00:00",
        "x": "10:00:00.5",
        "s": 'é😀"',
        "j": '{"a": [1.50]}',  # MariaDB's JSON is text of its own
        "raw": "AP8=",
        "e": "so so",
        "y": 2026,
        "g": 2,
    }
    assert all(value is None for name, value in found.records[1].items() if name not in ("id", "g"))
    assert found.properties["e"]["enum"] == ["happy", "so so", None]
    assert found.properties["g"]["readOnly"] is True
    assert found.properties["n"] == {"type": ["number", "null"], "precision": 30, "scale": 10}


def test_an_incremental_read_goes_on_at_its_bookmark(maria: str) -> None:
    run(maria, "CREATE TABLE `my ``t` (id integer PRIMARY KEY, at datetime(6), stamp timestamp(6) NULL)")
    run(maria, "INSERT INTO `my ``t` VALUES (1, '2026-11-20 10:00:00', NULL), (2, '2026-11-20 10:05:00.5', NULL)")
    first = read(maria, "shop-my `t", method="INCREMENTAL", by="at")
    run(maria, "INSERT INTO `my ``t` VALUES (3, '2026-11-20 10:05:00.5', NULL), (4, '2026-11-20 10:04:30', NULL)")

    second = read(maria, "shop-my `t", method="INCREMENTAL", by="at", state=first.state, overlap_seconds=0)
    third = read(maria, "shop-my `t", method="INCREMENTAL", by="at", state=first.state, overlap_seconds=60)

    assert [record["id"] for record in second.records] == [2, 3]
    assert [record["id"] for record in third.records] == [4, 2, 3]


def test_a_moment_that_is_none_is_refused(maria: str) -> None:
    run(
        maria,
        "SET sql_mode = ''",
        "CREATE TABLE t (id integer PRIMARY KEY, x time)",
        "INSERT INTO t VALUES (1, '99:00:00')",
    )

    with pytest.raises(ValueRefused, match="row id 1: column x: "):
        read(maria, "shop-t")


def test_what_only_other_databases_can_do_is_told(maria: str) -> None:
    run(maria, "CREATE TABLE t (id integer PRIMARY KEY)")

    with pytest.raises(SettingsError, match="DIFF does not know mysql"):
        read(maria, "shop-t", method="DIFF")
    with pytest.raises(DatabaseError, match="Unknown database 'nowhere'") as caught:
        discover(maria.replace("/shop", "/nowhere"))
    assert caught.value.hint == "run discovery again, or correct the name"


def test_the_standard_suite_for_taps_passes(maria: str) -> None:
    run(maria, TABLE, ROWS, "CREATE VIEW emails AS SELECT contact_id, email FROM contacts")

    assert " passed" in standard_suite(maria)
