"""Bad input: one clear error each, an exit code, no traceback, no secret."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from antiphon_sandbox import postgres
from tap_sql.errors import DatabaseError, DriverMissing, SettingsError, TapError
from tests.taps.sql.conftest import Database
from tests.taps.sql.reader import catalog_of, discover, read, run

TABLE = "CREATE TABLE contacts (id integer PRIMARY KEY, email text, updated_at timestamptz)"


def command(folder: Path, *arguments: str, **config: Any) -> subprocess.CompletedProcess[str]:
    """The command as users run it."""
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "tap_sql", "--config", str(folder / "config.json"), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_wrong_setting_ends_with_exit_code_64_and_no_traceback(tmp_path: Path) -> None:
    ran = command(tmp_path, "--discover", url="oracle://me:hunter2@db/x")

    assert ran.returncode == 64
    assert "`url` names the database 'oracle'" in ran.stderr
    assert "it reads bigquery, databricks, duckdb" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert "hunter2" not in ran.stderr


def test_an_unreachable_server_ends_with_exit_code_1_and_no_secret(tmp_path: Path) -> None:
    ran = command(tmp_path, url="postgresql://me:hunter2@127.0.0.1:1/shop")

    assert ran.returncode == 1
    assert "connecting to postgresql+psycopg://me:…@127.0.0.1:1/shop" in ran.stderr
    assert "see that the server runs and that `url` names its host and port" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert "hunter2" not in ran.stderr
    assert ran.stdout == ""


def test_check_answers_in_json_and_with_its_exit_code(tmp_path: Path, pg: Database) -> None:
    pg.run(TABLE, "CREATE VIEW emails AS SELECT email FROM contacts")

    good = command(tmp_path, "--check", "--streams", "public-contacts", "--format=json", url=pg.url)
    bad = command(tmp_path, "--check", "--format=json", url=pg.url)

    assert good.returncode == 0
    assert [check["ok"] for check in json.loads(good.stdout)["checks"]] == [True, True, True, True]
    assert json.loads(good.stdout)["account"] == json.loads(bad.stdout)["account"]
    assert bad.returncode == 1
    failed = next(check for check in json.loads(bad.stdout)["checks"] if not check["ok"])
    assert failed["name"] == "stream public-emails"
    assert failed["message"] == "nothing in it is known to be unique"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("no url", "`url` is no SQLAlchemy URL"),
        ("postgresql+nosuchdriver://db/x", "the driver of postgresql is not installed"),
        ("snowflake://me:hunter2@account/shop", "the driver of snowflake is not installed"),
        ("bigquery://project/dataset", "the driver of bigquery is not installed"),
        ("databricks://token:x@host", "the driver of databricks is not installed"),
        ("redshift://me:x@host/x", "the driver of redshift is not installed"),
    ],
)
def test_a_url_that_cannot_be_used_says_what_can(url: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        discover(url)

    assert caught.value.hint
    if isinstance(caught.value, DriverMissing):
        assert caught.value.hint.startswith("pip install 'antiphon[")


def test_a_wrong_password_is_told_without_the_password(pg: Database) -> None:
    wrong = pg.url.replace(pg.url.split(":")[2].split("@")[0], "hunter2")

    with pytest.raises(DatabaseError, match="password authentication failed") as caught:
        discover(wrong)

    assert "hunter2" not in str(caught.value)
    assert caught.value.hint == "correct user and password in `url`"


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello " * 1000, encoding="utf-8")

    for scheme in ("sqlite", "duckdb"):
        with pytest.raises(DatabaseError) as caught:
            discover(f"{scheme}:///{tmp_path}/notes.txt")
        assert caught.value.hint == "`url` names a file of another kind"


def test_a_missing_file_is_not_made(tmp_path: Path) -> None:
    for scheme in ("sqlite", "duckdb"):
        with pytest.raises(DatabaseError, match=r"there is no file .*no\.db"):
            discover(f"{scheme}:///{tmp_path}/no.db")

    assert list(tmp_path.iterdir()) == []


def test_a_table_that_may_not_be_read_is_told_with_the_way_out(pg: Database, cluster: postgres.Cluster) -> None:
    pg.run(
        TABLE,
        "DROP ROLE IF EXISTS reader",
        "CREATE ROLE reader LOGIN PASSWORD 'reader'",
        "GRANT USAGE ON SCHEMA public TO reader",
    )
    url = f"postgresql://reader:reader@{cluster.host}:{cluster.port}/{pg.url.rpartition('/')[2]}"

    with pytest.raises(DatabaseError, match="stream public-contacts: permission denied") as caught:
        read(url, "public-contacts")

    assert "GRANT SELECT" in caught.value.hint


def test_a_stream_of_the_catalog_that_is_no_more_is_told(pg: Database) -> None:
    pg.run(TABLE)
    catalog = catalog_of(discover(pg.url)["public-contacts"])
    pg.run("DROP TABLE contacts", "CREATE TABLE people (id integer)")

    with pytest.raises(SettingsError, match="the catalog selects the stream 'public-contacts'") as caught:
        run(pg.url, catalog)

    assert caught.value.hint == "run discovery again; there are public-people"


def test_a_column_whose_type_changed_underneath_is_told(database: Database) -> None:
    database.run("CREATE TABLE contacts (id integer PRIMARY KEY, score integer)")
    stream = database.stream("contacts")
    catalog = catalog_of(discover(database.url)[stream])
    database.run("DROP TABLE contacts", "CREATE TABLE contacts (id integer PRIMARY KEY, score varchar(9))")

    with pytest.raises(SettingsError, match=f"stream {stream}: column score is "):
        run(database.url, catalog)


def test_a_column_of_the_catalog_that_is_no_more_is_told(pg: Database) -> None:
    pg.run(TABLE)
    catalog = catalog_of(discover(pg.url)["public-contacts"])
    pg.run("ALTER TABLE contacts DROP COLUMN email")

    with pytest.raises(SettingsError, match="selects the column 'email', which is no more"):
        run(pg.url, catalog)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"method": "INCREMENTAL"}, "INCREMENTAL without a replication key"),
        ({"method": "INCREMENTAL", "by": "changed"}, "no column 'changed', its replication key"),
        ({"method": "INCREMENTAL", "by": "tags"}, "has no order that a replication key could follow"),
        ({"method": "MAGIC"}, "there is no replication method 'MAGIC'"),
        ({"key": ["no"]}, "no column 'no', which is to be its key"),
    ],
)
def test_a_catalog_that_asks_for_the_impossible_is_told(pg: Database, wrong: dict[str, Any], words: str) -> None:
    pg.run("CREATE TABLE contacts (id integer PRIMARY KEY, tags jsonb)")

    with pytest.raises(SettingsError, match=words):
        read(pg.url, "public-contacts", **wrong)


def test_keys_of_the_settings_must_be_there(pg: Database) -> None:
    pg.run(TABLE)

    with pytest.raises(SettingsError, match="keys: there is no stream 'public-people'"):
        discover(pg.url, keys={"public-people": ["id"]})
    with pytest.raises(SettingsError, match="keys: stream public-contacts has no column 'mail'"):
        discover(pg.url, keys={"public-contacts": ["mail"]})


def test_a_query_that_takes_too_long_is_ended(pg: Database) -> None:
    pg.run("CREATE VIEW slow AS SELECT i AS id, pg_sleep(1)::text AS v FROM generate_series(1, 60) i")

    with pytest.raises(DatabaseError, match=r"stream public-slow: .*statement timeout") as caught:
        read(pg.url, "public-slow", statement_timeout=0.2)

    assert "statement_timeout" in caught.value.hint


def test_a_server_that_goes_away_in_the_middle_is_one_error_and_no_line_is_half_written(
    pg: Database, tmp_path: Path
) -> None:
    pg.run(
        TABLE,
        "INSERT INTO contacts SELECT i, repeat('x', 500), now() FROM generate_series(1, 50000) i",
    )
    (tmp_path / "config.json").write_text(json.dumps({"url": pg.url}), encoding="utf-8")
    tap = subprocess.Popen(
        [sys.executable, "-m", "tap_sql", "--config", str(tmp_path / "config.json")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert tap.stdout
    assert tap.stderr
    lines = [tap.stdout.readline() for _ in range(100)]  # and no more: now the tap waits for its reader

    pg.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'COPY%'"
    )
    lines += tap.stdout.readlines()

    assert tap.wait() == 1
    errors = tap.stderr.read()
    assert errors.count("| ERROR") == 1
    assert "stream public-contacts: " in errors
    assert "the server went away; what was acknowledged stays so: run again" in errors
    assert "Traceback" not in errors
    assert 100 < len(lines) < 50000
    assert {json.loads(line)["type"] for line in lines} == {"SCHEMA", "RECORD"}, "no STATE covers what was not shown"
    tap.stdout.close()
    tap.stderr.close()


def test_every_error_has_one_line_of_message() -> None:
    for kind in (TapError, SettingsError, DriverMissing, DatabaseError):
        assert kind.__doc__
        assert isinstance(kind("a message").wrong_settings, bool)
