"""BigQuery, as bqemulator stands for it: Google's own client and SQLAlchemy dialect over HTTP.

Its API does not show a column that ALTER TABLE added, though its SQL does: what came into such a column is read by SQL.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.clouds.conftest import ROOT, STATE, Cloud, free_port, python_of, row, schema, serving, standard_suites
from tests.clouds.people import ADA, PEOPLE, SHOWN

GROWN = (
    "import json; from google.cloud import bigquery; "
    "rows = bigquery.Client().query_and_wait('SELECT id, phone FROM grown.people ORDER BY id'); "
    "print(json.dumps([list(row) for row in rows]))"
)
ROUNDED = """
import sqlalchemy, sqlalchemy_bigquery
from target_sql.limits import limit_of
from target_sql.tables import written
for kind in (sqlalchemy.Numeric(12, 2), sqlalchemy.Numeric(), sqlalchemy.Numeric(38, 20)):
    limit = limit_of(written(kind, sqlalchemy_bigquery.BigQueryDialect()), "bigquery")
    print(next(places for places in range(99) if limit.fault("0." + places * "0" + "1")))
"""
DATASET = "from google.cloud import bigquery; bigquery.Client().create_dataset('shop')"


class Tokens(BaseHTTPRequestHandler):
    """Gives a token to whoever asks, as the account's `token_uri` does."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        answer = json.dumps({"access_token": "token", "expires_in": 3600, "token_type": "Bearer"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def tokens() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Tokens)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/token"
    server.shutdown()
    server.server_close()


def account(path: Path, token_uri: str) -> Path:
    """The file of a service account whose key was made just now."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    told = {"type": "service_account", "project_id": "proj", "private_key_id": "1", "private_key": key.decode()}
    path.write_text(json.dumps({**told, "client_email": "me@proj.example.com", "token_uri": token_uri}))
    return path


@pytest.fixture(scope="module")
def bigquery(tmp_path_factory: pytest.TempPathFactory, tokens: str) -> Iterator[Cloud]:
    python, folder, port = python_of("bigquery"), tmp_path_factory.mktemp("bigquery"), free_port()
    (extension,) = python.parents[1].glob("lib/*/site-packages/duckdb_extension_spatial/extensions/*/*")
    home = folder / ".duckdb" / "extensions" / extension.parent.name / "linux_amd64"
    home.mkdir(parents=True)
    (home / extension.name).symlink_to(extension)
    ports = ["--rest-port", str(port), "--grpc-port", str(free_port())]
    command = [str(python), "-m", "bqemulator", "start", *ports, "--project", "proj", "--log-level", "error"]
    env = {
        "BIGQUERY_EMULATOR_HOST": f"http://127.0.0.1:{port}",
        "GOOGLE_APPLICATION_CREDENTIALS": str(account(folder / "account.json", tokens)),
        "GOOGLE_CLOUD_PROJECT": "proj",
    }
    with serving(command, port, folder / "server.log", {"HOME": str(folder)}):
        cloud = Cloud(python, "bigquery://proj/shop", folder, env)
        cloud.program("-c", DATASET)
        yield cloud


def test_types_survive_and_upserts_change(bigquery: Cloud) -> None:
    key = {"shop-people": ["id"]}
    bigquery.feed(schema(), row(**ADA), row(id=2), STATE, schema="shop")
    ada, nobody = bigquery.read("shop-people", schemas=["shop"], keys=key)
    assert ada == {**SHOWN, "more": '{"a":[1.5,null]}'}
    assert nobody == {**dict.fromkeys(PEOPLE), "id": 2}
    assert bigquery.schemas["shop-people"]["key_properties"] == ["id"]
    some = schema(id=PEOPLE["id"], email=PEOPLE["email"])
    bigquery.feed(some, row(id=2, email="bo"), row(id=3, email="eve"), STATE, schema="shop")
    records = bigquery.read("shop-people", schemas=["shop"], keys=key)
    assert [(record["id"], record["email"]) for record in records] == [(1, ADA["email"]), (2, "bo"), (3, "eve")]
    assert records[0]["ref"] == ADA["ref"]


def test_what_is_missing_is_made_unless_that_is_forbidden(bigquery: Cloud) -> None:
    narrow, wider = schema(id=PEOPLE["id"]), schema(id=PEOPLE["id"], phone={"type": ["string", "null"]})
    bigquery.feed(narrow, row(id=9), STATE, schema="narrow")
    for allowed, named in (("create_tables", "elsewhere.people"), ("add_columns", "narrow.people")):
        wanted = {"schema": named.partition(".")[0], allowed: False}
        said = bigquery.feed(wider, row(id=1, phone="7"), STATE, fails=True, **wanted)
        assert f"table {named}" in said
        assert allowed in said
        assert "Traceback" not in said


def test_a_schema_grows(bigquery: Cloud) -> None:
    narrow, wider = schema(id=PEOPLE["id"]), schema(id=PEOPLE["id"], phone={"type": ["string", "null"]})
    bigquery.feed(narrow, row(id=1), STATE, wider, row(id=2, phone="7"), STATE, schema="grown")
    bigquery.feed(wider, row(id=1, phone="8"), row(id=3), STATE, schema="grown")  # to which it is not shown
    out, _ = bigquery.program("-c", GROWN)
    assert json.loads(out) == [[1, "8"], [2, "7"], [3, None]]


def test_the_sdks_standard_suites_pass(bigquery: Cloud) -> None:
    """Names are folded: one of the suite's streams has a name that BigQuery allows to no table."""
    assert " passed" in standard_suites(bigquery, "suite", "suite-contacts", names="fold")


def test_decimals_are_kept_to_their_scale() -> None:
    """The emulator's API shows no scale, so that a type is asked that is as BigQuery shows it."""
    out, _ = Cloud(python_of("bigquery"), "", ROOT).program("-c", ROUNDED)
    assert out.split() == ["2", "9", "20"]
