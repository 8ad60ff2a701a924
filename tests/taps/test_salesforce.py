"""tap-salesforce run in this process against a Salesforce of the sandbox: what it prints, and what its user is told."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from antiphon_sandbox.salesforce import Fault, Field, Salesforce
from tap_salesforce.api import NotAuthorized, OverLimit, Refused, SalesforceError, WrongSettings, connect
from tap_salesforce.tap import TapSalesforce
from tests.taps import documents
from tests.taps.salesforce import queries, read, settings, told


def test_columns_say_what_they_are(salesforce: Salesforce) -> None:
    contact = salesforce.org.objects["Contact"]
    contact.add(Field("Stage__c", "picklist", options=("new", "old"), restricted=True))
    contact.add(Field("antiphon_key__c", external_id=True, unique=True), Field("Secret__c"))
    contact.hidden.add("Secret__c")
    (entry,) = TapSalesforce(config=settings(salesforce)).catalog_dict["streams"]
    columns = entry["schema"]["properties"]
    assert columns["Stage__c"]["enum"] == ["new", "old", None]
    assert columns["LeadSource"]["x-options"] == ["Web", "Phone Inquiry", "Partner", "Other"]
    assert "enum" not in columns["LeadSource"]
    assert columns["AccountId"]["description"] == "Account ID. Id in Account."
    assert (columns["LastName"]["maxLength"], columns["antiphon_key__c"]["x-unique"]) == (80, True)
    assert (columns["Birthdate"]["format"], columns["SystemModstamp"]["format"]) == ("date", "date-time")
    assert [name for name in ("Id", "Name", "SystemModstamp", "LastName") if columns[name].get("readOnly")] == [
        "Id",
        "Name",
        "SystemModstamp",
    ]
    assert not {"MailingAddress", "Secret__c", "IsDeleted"} & columns.keys()
    assert ([*entry["key_properties"]], entry["replication_key"]) == (["Id"], "SystemModstamp")


def test_an_incremental_read_asks_only_for_what_is_selected_and_takes_what_came_late(salesforce: Salesforce) -> None:
    org = salesforce.org
    now = datetime.now(UTC)
    old = org.enter("Contact", {"LastName": "Old", "MailingCity": "Rome"}, now - timedelta(days=2))
    first = read(salesforce, "MailingCity")
    assert first.records["Contact"][0]["record"] == {
        "Id": old.id,
        "MailingCity": "Rome",
        "SystemModstamp": f"{(now - timedelta(days=2)).strftime('%Y-%m-%dT%H:%M:%S')}+00:00",
        "_sdc_deleted_at": None,
    }
    assert first.schemas["Contact"]["sync"]["account"] == f"salesforce:{org.id}"
    new = org.enter("Contact", {"LastName": "New"})
    second = read(salesforce, "MailingCity", state=first.state)
    assert told(second)[new.id] == "live"
    late = org.enter("Contact", {"LastName": "Late"}, now - timedelta(minutes=5))  # seen only now, stamped earlier
    third = read(salesforce, "MailingCity", state=second.state)
    assert told(third) == {late.id: "live", new.id: "live"}
    assert queries(salesforce)[-1].startswith(
        "SELECT CreatedDate, Id, IsDeleted, MailingCity, MasterRecordId, SystemModstamp FROM Contact "
        "WHERE SystemModstamp >= "
    )
    at_least = told(read(salesforce, "MailingCity", state=third.state, overlap_seconds=0))
    assert at_least == {new.id: "live"}  # stamps are whole seconds: others of the bookmark's second may follow


def test_deleted_merged_restored_and_purged_records_are_told(salesforce: Salesforce) -> None:
    org = salesforce.org
    kept, loser, binned, purged, back = (org.enter("Contact", {"LastName": f"P{number}"}).id for number in range(5))
    first = read(salesforce, "LastName")
    assert set(told(first).values()) == {"live"}
    org.trash(purged, datetime.now(UTC) - timedelta(seconds=2))
    org.empty_bin()
    org.merge(kept, loser)
    org.trash(binned)
    org.trash(back)
    second = read(salesforce, "LastName", state=first.state)
    assert told(second) == {kept: "live", loser: "merged", binned: "gone", back: "gone", purged: "gone"}
    (merged,) = [each["sync"] for each in second.records["Contact"] if each["record"]["Id"] == loser]
    assert merged["merged_into"] == kept
    org.restore(back)
    assert told(read(salesforce, "LastName", state=second.state))[back] == "live"
    assert told(read(salesforce, "LastName", full=True))[back] == "live"


def test_a_log_of_deletions_that_does_not_reach_back_is_a_warning(
    salesforce: Salesforce, caplog: pytest.LogCaptureFixture
) -> None:
    first = read(salesforce, "LastName")
    first.state["bookmarks"]["Contact:deleted"]["covered"] = "2020-01-01T00:00:00+00:00"
    read(salesforce, "LastName", state=first.state)
    assert "log of deletions begins at" in caplog.text


def test_pages_of_any_size_are_followed_and_an_expired_cursor_loses_and_doubles_nothing(salesforce: Salesforce) -> None:
    made = [salesforce.org.enter("Contact", {"LastName": f"P{number}"}).id for number in range(23)]
    salesforce.page = 5
    salesforce.faults.append(Fault("human", path="queryAll/01g", times=1, does=salesforce.cursors.clear))
    printed = read(salesforce, "LastName", full=True)
    assert [each["record"]["Id"] for each in printed.records["Contact"]] == sorted(made)
    assert "SystemModstamp >" in queries(salesforce)[-1]


def test_outages_are_waited_out_and_a_token_that_ended_is_renewed(salesforce: Salesforce) -> None:
    app, waits = salesforce.app, list[float]()
    config = {"domain": salesforce.url, "client_id": app.client_id, "client_secret": app.client_secret}
    org = connect({**config, "refresh_token": min(app.refresh)}, sleep=waits.append)
    salesforce.faults += [Fault("status", "query", times=2), Fault("cut", "query"), Fault("expire", path="describe")]
    assert org.account == f"salesforce:{salesforce.org.id}"
    assert waits == [0.5, 1.0, 2.0]
    granted = app.granted
    assert org.describe("Contact").fields["Name"].calculated is False
    assert app.granted == granted + 1
    assert all(headers["Sforce-Call-Options"] == "client=antiphon" for _, path, headers in salesforce.seen
               if "oauth2" not in path)  # fmt: skip
    org.session.close()


def test_the_app_logs_in_by_credentials_and_by_a_signed_assertion(salesforce: Salesforce) -> None:
    app = salesforce.app
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    app.public_key = (
        private.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    common = {"domain": salesforce.url, "client_id": app.client_id}
    for more in ({"client_secret": app.client_secret}, {"username": app.username, "private_key": pem}):
        org = connect({**common, **more})
        assert org.account == f"salesforce:{salesforce.org.id}"
        org.session.close()


@pytest.mark.parametrize(
    ("config", "error", "words"),
    [
        ({"access_token": "old"}, NotAuthorized, "Session expired or invalid (INVALID_SESSION_ID)"),
        ({"access_token": ""}, WrongSettings, "the settings do not say who logs in"),
        (
            {"access_token": "", "client_id": "3MVG9sandbox", "client_secret": "wrong"},
            NotAuthorized,
            "no token could be had: Salesforce says: invalid client credentials (invalid_client)",
        ),
        (
            {
                "access_token": "",
                "client_id": "3MVG9sandbox",
                "client_secret": "sandbox-secret",
                "refresh_token": "old",
            },
            NotAuthorized,
            "expired access/refresh token (invalid_grant)",
        ),
        (
            {"access_token": "", "client_id": "3MVG9sandbox", "username": "olga", "private_key": "none"},
            WrongSettings,
            "`private_key` is no private key",
        ),
    ],
)
def test_who_cannot_log_in_is_told_why(
    salesforce: Salesforce, config: dict[str, Any], error: type[SalesforceError], words: str
) -> None:
    def ask() -> None:
        org = connect({**settings(salesforce), "domain": salesforce.url, **config})
        try:
            assert org.account
        finally:
            org.session.close()

    with pytest.raises(error) as refused:
        ask()
    assert words in str(refused.value)
    assert refused.value.hint
    assert "sandbox-secret" not in str(refused.value)


def test_the_run_stops_at_its_share_of_the_requests_of_a_day(salesforce: Salesforce) -> None:
    salesforce.daily = 100
    org = connect(settings(salesforce, share_of_requests=0.05))
    for _ in range(5):
        org.names()
    with pytest.raises(OverLimit, match=r"5 of the 100 requests of a day are used, and our share is 5%"):
        org.names()
    assert salesforce.used == 5
    salesforce.used = 100
    other = connect(settings(salesforce))
    with pytest.raises(OverLimit, match=r"TotalRequests Limit exceeded\. \(REQUEST_LIMIT_EXCEEDED\)"):
        other.names()
    salesforce.used = 0
    with pytest.raises(Refused, match="The requested resource does not exist"):
        other.describe("Nonsense__c")
    for each in (org, other):
        each.session.close()


def test_a_check_says_what_may_be_read_and_a_mistake_is_one_line(salesforce: Salesforce, tmp_path: Path) -> None:
    def run(config: dict[str, Any], *words: str) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "config.json"
        path.write_text(json.dumps(config), encoding="utf-8")
        command = [sys.executable, "-m", "tap_salesforce", "--config", str(path), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    done = run(settings(salesforce), "--check", "--streams", "Contact,Nonsense", "--format=json")
    shown = json.loads(done.stdout)
    assert (done.returncode, shown["account"]) == (1, f"salesforce:{salesforce.org.id}")
    assert [(each["name"], each["ok"]) for each in shown["checks"]] == [
        ("login", True),
        ("requests", True),
        ("Contact", True),
        ("Nonsense", False),
    ]
    wrong = run({"objects": ["Contact"]}, "--discover")
    assert (wrong.returncode, "Traceback" in wrong.stderr) == (64, False)
    assert "the settings do not say who logs in" in wrong.stderr


def test_the_readme_tells_the_settings() -> None:
    path = documents.READMES["tap_salesforce"]
    assert path.read_text(encoding="utf-8") == documents.written("tap_salesforce")


def test_a_deletion_that_is_committed_late_is_told_though_it_bears_an_earlier_time(salesforce: Salesforce) -> None:
    org, now = salesforce.org, datetime.now(UTC)
    ann = org.enter("Contact", {"LastName": "Ames"}, now - timedelta(days=1)).id
    org.open_since = now - timedelta(hours=1)  # a transaction that has deleted her, and is not at its end
    first = read(salesforce, "LastName")
    org.open_since = None
    org.trash(ann, now - timedelta(minutes=50))
    org.empty_bin()
    assert told(read(salesforce, "LastName", state=first.state)) == {ann: "gone"}
