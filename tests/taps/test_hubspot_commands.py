"""tap-hubspot and target-hubspot as commands: what their user sees when something is not as it should be."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from antiphon_sandbox.hubspot import Fault, HubSpot
from antiphon_sandbox.hubspot import errors as said
from antiphon_sandbox.hubspot.schema import Property
from tap_hubspot.api import Unavailable, connect
from tests.taps import documents
from tests.taps.hubspot import catalog_of


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    out: str
    err: str


def run(package: str, folder: Path, config: dict[str, Any], *words: str, feed: str = "") -> Ran:
    path = folder / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", package, "--config", str(path), *words],
        input=feed, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def hubspot() -> Iterator[HubSpot]:
    with HubSpot() as server:
        server.account.enter("contacts", {"email": "ann@example.com"})
        yield server


def config(hubspot: HubSpot, **more: Any) -> dict[str, Any]:
    return {"access_token": hubspot.token, "api_base": hubspot.url, **more}


@pytest.mark.parametrize("package", list(documents.READMES))
def test_the_readme_has_the_settings_that_about_tells(package: str) -> None:
    text = documents.READMES[package].read_text(encoding="utf-8")
    assert documents.written(package) == text, "python -m tests.taps.documents writes it anew"


@pytest.mark.parametrize("package", ["tap_hubspot", "target_hubspot"])
def test_capabilities_are_those_that_are_kept(package: str) -> None:
    known = documents.about(package)["capabilities"]
    ours = {
        "tap_hubspot": {"deletes", "merges", "field-times"},
        "target_hubspot": {"receipts", "preflight", "read-back", "idempotent-create", "deletes", "history"},
    }
    assert ours[package] | {"check", "envelope"} <= set(known)
    assert "compare-and-set" not in known


@pytest.mark.parametrize("package", ["tap_hubspot", "target_hubspot"])
@pytest.mark.parametrize(
    ("wrong", "code", "words"),
    [
        ({"access_token": None}, 64, "the settings name no token"),
        ({"access_token": None, "client_id": "x"}, 64, "client_secret, refresh_token missing"),
        ({"access_token": "nonsense-token"}, 1, "The OAuth token used to make this call expired"),
        ({"api_version": "v9"}, 64, "'v9' is not one of ['v3', '2026-03', '2026-09']"),
        (
            {"access_token": None, "client_id": "x", "client_secret": "secret-x", "refresh_token": "secret-y"},
            1,
            "no OAuth token could be had: HubSpot says: missing or invalid client secret",
        ),
    ],
    ids=["no token", "half of OAuth", "unknown token", "unknown version", "wrong secret"],
)  # fmt: skip
def test_wrong_settings_are_one_clear_error(
    hubspot: HubSpot, tmp_path: Path, package: str, wrong: dict[str, Any], code: int, words: str
) -> None:
    given = {name: value for name, value in {**config(hubspot), **wrong}.items() if value is not None}
    ran = run(package, tmp_path, given, "--check", "--format=json")
    assert words in ran.out + ran.err
    assert ran.code == (1 if ran.out else code)
    assert "nonsense-token" not in ran.out + ran.err
    assert "secret-" not in ran.out + ran.err


@pytest.mark.parametrize("package", ["tap_hubspot", "target_hubspot"])
def test_a_check_names_the_scope_that_is_missing(hubspot: HubSpot, tmp_path: Path, package: str) -> None:
    right = "read" if package == "tap_hubspot" else "write"
    token = hubspot.tokens.grant(("crm.objects.deals.read", "crm.schemas.contacts.read", "crm.schemas.deals.read"))
    ran = run(package, tmp_path, config(hubspot, access_token=token), "--check", "--streams", "contacts")
    assert ran.code == 1
    assert f"crm.objects.contacts.{right}" in ran.out
    assert "account: hubspot:62515" in ran.out


@pytest.mark.parametrize("package", ["tap_hubspot", "target_hubspot"])
@pytest.mark.parametrize("body", [said.not_found(), said.no_credentials(), said.missing_scopes(["oauth"])])
def test_a_token_of_which_hubspot_tells_nothing_is_as_good_as_any(
    hubspot: HubSpot, tmp_path: Path, package: str, body: said.Refused
) -> None:
    hubspot.faults.add(Fault("status", path="access-token-info", status=body.status, body=body.body, times=9))
    hubspot.account.define("contacts", Property("antiphon_key", unique=True))
    ran = run(package, tmp_path, config(hubspot), "--check", "--streams", "contacts")
    assert ran.code == 0, ran.out
    assert "account: hubspot:62515" in ran.out
    assert hubspot.faults.met


def test_a_check_makes_the_unique_property_on_request(hubspot: HubSpot, tmp_path: Path) -> None:
    words = ("--check", "--streams", "contacts,companies", "--format=json")
    before = run("target_hubspot", tmp_path, config(hubspot), *words)
    assert before.code == 1
    missing = [each for each in json.loads(before.out)["checks"] if not each["ok"]]
    assert [(each["name"], each["fixable"]) for each in missing] == [
        ("contacts: antiphon_key", True), ("companies: antiphon_key", True),
    ]  # fmt: skip
    fixed = run("target_hubspot", tmp_path, config(hubspot), *words, "--fix")
    assert fixed.code == 0, fixed.out
    assert json.loads(fixed.out)["account"] == "hubspot:62515"
    assert hubspot.account.kind("companies").properties["antiphon_key"].unique


def test_a_check_tells_a_property_of_that_name_which_is_not_unique(hubspot: HubSpot, tmp_path: Path) -> None:
    ran = run("target_hubspot", tmp_path, config(hubspot, sync_key="city"), "--check", "--streams", "contacts", "--fix")
    assert ran.code == 1
    assert "the property 'city' of contacts is not unique" in ran.out


def read(hubspot: HubSpot, tmp_path: Path, **more: Any) -> Ran:
    catalog = tmp_path / "catalog.json"
    catalog.write_text(json.dumps(catalog_of(hubspot, {"contacts": ["email"]})), encoding="utf-8")
    return run("tap_hubspot", tmp_path, config(hubspot, **more), "--catalog", str(catalog))


def test_a_read_without_the_scope_says_which_one(hubspot: HubSpot, tmp_path: Path) -> None:
    ran = read(hubspot, tmp_path, access_token=hubspot.tokens.grant(("crm.schemas.contacts.read",)))
    assert ran.code == 1
    assert "needed is crm.objects.contacts.read" in ran.err
    assert "grant it to the private app or service key" in ran.err
    assert '"type":"STATE"' not in ran.out


def test_a_day_whose_calls_are_used_up_ends_the_read_with_hubspots_words(hubspot: HubSpot, tmp_path: Path) -> None:
    hubspot.faults.add(Fault("daily", path="GET /crm/v3/objects", times=9))
    ran = read(hubspot, tmp_path)
    assert ran.code == 1
    assert "You have reached your daily limit." in ran.err
    assert "HubSpot counts anew from midnight" in ran.err
    assert "correlation id" in ran.err


def test_a_server_that_is_not_there_is_said_plainly() -> None:
    hubspot = connect({"access_token": "x", "api_base": "http://127.0.0.1:9"}, lambda _seconds: None)
    with pytest.raises(Unavailable) as unavailable:
        hubspot.account()
    assert str(unavailable.value) == (
        "GET /account-info/v3/details: HubSpot could not be had in 8 attempts "
        "(the connection broke (ConnectionError))\n  try again later"
    )


def test_a_stream_that_is_none_is_named(hubspot: HubSpot, tmp_path: Path) -> None:
    ran = run("tap_hubspot", tmp_path, config(hubspot), "--check", "--streams", "contcats")
    assert "Unable to infer object type from: contcats" in ran.out
    assert ran.code == 1


def test_the_target_without_records_does_nothing_and_says_nothing(hubspot: HubSpot, tmp_path: Path) -> None:
    ran = run("target_hubspot", tmp_path, config(hubspot), feed='{"type": "STATE", "value": {"a": 1}}\n')
    assert (ran.code, ran.out) == (0, '{"a":1}\n')
    assert not hubspot.seen


def test_the_target_says_where_its_input_is_wrong(hubspot: HubSpot, tmp_path: Path) -> None:
    ran = run("target_hubspot", tmp_path, config(hubspot), feed='{"type": "STATE", "value": {}}\nno json\n')
    assert ran.code == 1
    assert "line 2: this is no Singer message" in ran.err
