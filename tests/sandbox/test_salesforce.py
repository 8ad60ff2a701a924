"""The Salesforce of the sandbox, judged by simple-salesforce, which runs against it unmodified."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from simple_salesforce.api import Salesforce as Client
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceRefusedRequest,
    SalesforceResourceNotFound,
)

from antiphon_sandbox.salesforce import Salesforce, refuse
from tests.sandbox.simple import transport

NOT_WRITABLE = (
    "Unable to create/update fields: Name. Please check the security settings of this field and verify that it is "
    "read/write for your profile or permission set."
)
NO_DATE = (
    "Cannot deserialize instance of date from VALUE_STRING value yesterday or request may be missing a required field "
    "at [line:1, column:2]"
)


def told_by(refused: SalesforceMalformedRequest) -> dict[str, Any]:
    """The one error that the client was told; its types call the body a number."""
    body: Any = refused.content
    (error,) = body
    assert isinstance(error, dict)
    return error


def test_a_record_is_made_read_changed_and_deleted(salesforce: Salesforce, simple: Any) -> None:
    made = simple.Contact.create({"LastName": " Ames ", "Email": "ann@example.com", "MailingCity": ""})
    assert made["success"] is True
    assert len(made["id"]) == 18
    shown = simple.Contact.get(made["id"])
    assert (shown["Name"], shown["MailingCity"], shown["HasOptedOutOfEmail"]) == ("Ames", None, False)
    assert shown["SystemModstamp"].endswith(".000+0000")
    assert simple.Contact.update(made["id"], {"FirstName": "Ann"}) == 204
    assert simple.Contact.get(made["id"][:15])["Name"] == "Ann Ames"
    assert simple.Contact.delete(made["id"]) == 204
    with pytest.raises(SalesforceResourceNotFound, match="The requested resource does not exist"):
        simple.Contact.get(made["id"])
    with pytest.raises(SalesforceResourceNotFound, match="ENTITY_IS_DELETED"):
        simple.Contact.update(made["id"], {"FirstName": "Anna"})
    gone = simple.query("SELECT Id, IsDeleted FROM Contact", include_deleted=True)["records"]
    assert [(each["Id"], each["IsDeleted"]) for each in gone] == [(made["id"], True)]
    assert simple.query("SELECT COUNT() FROM Contact")["totalSize"] == 0
    assert simple.api_usage["api-usage"].total == salesforce.daily


def test_describe_says_what_fields_are(simple: Any) -> None:
    listed = {each["name"]: each["keyPrefix"] for each in simple.describe()["sobjects"]}
    assert listed == {
        "Account": "001", "Contact": "003", "Opportunity": "006", "Organization": "00D",
        "PermissionSet": "0PS", "PermissionSetAssignment": "0Pa", "FieldPermissions": "01k",
    }  # fmt: skip
    fields = {each["name"]: each for each in simple.Opportunity.describe()["fields"]}
    assert fields["StageName"]["picklistValues"][0]["value"] == "Prospecting"
    assert (fields["Amount"]["precision"], fields["Amount"]["scale"]) == (18, 2)
    assert (fields["ExpectedRevenue"]["calculated"], fields["ExpectedRevenue"]["updateable"]) == (True, False)
    assert (fields["AccountId"]["referenceTo"], fields["AccountId"]["relationshipName"]) == (["Account"], "Account")


def test_queries_filter_sort_follow_parents_and_pages(salesforce: Salesforce, simple: Any) -> None:
    salesforce.page = 3
    acme = salesforce.org.enter("Account", {"Name": "Acme"})
    for number in range(8):
        values = {"LastName": f"P{number}", "FirstName": "O'Hara", "AccountId": acme.id if number % 2 else None}
        salesforce.org.enter("Contact", values, datetime(2026, 1, 1 + number, tzinfo=UTC))
    found = simple.query_all("SELECT LastName, Account.Name FROM Contact ORDER BY LastName DESC")
    assert [each["LastName"] for each in found["records"]] == [f"P{number}" for number in range(7, -1, -1)]
    assert found["records"][0]["Account"]["Name"] == "Acme"
    assert found["records"][1]["Account"] is None

    def names(where: str) -> list[str]:
        shown = simple.query_all(f"SELECT LastName FROM Contact WHERE {where} ORDER BY SystemModstamp, Id")  # noqa: S608
        return [each["LastName"] for each in shown["records"]]

    assert names("SystemModstamp >= 2026-01-07T00:00:00Z") == ["P6", "P7"]
    assert names("LastName IN ('p1', 'P2') AND NOT (AccountId = null)") == ["P1"]
    assert names(f"Account.Name LIKE 'ac%' AND AccountId = '{acme.id[:15]}' AND LastName > 'P4'") == ["P5", "P7"]
    assert names(r"FirstName = 'O\'Hara' AND (LastName = 'P0' OR LastName = 'P3')") == ["P0", "P3"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT Id, Nonsense FROM Contact", "No such column 'Nonsense' on entity 'Contact'"),
        ("SELECT Id FROM Nonsense", "sObject type 'Nonsense' is not supported"),
        ("SELECT Id FROM Contact WHERE", "unexpected token: '<EOF>'"),
        ("SELECT Id Contact", "unexpected token: 'Contact'"),
        ("SELECT Owner.Name FROM Contact", "Didn't understand relationship 'Owner' in field path"),
    ],
)
def test_a_query_that_is_wrong_is_refused_with_its_place(simple: Any, query: str, words: str) -> None:
    with pytest.raises(SalesforceMalformedRequest) as refused:
        simple.query(query)
    assert words in told_by(refused.value)["message"]


def test_every_refusal_has_the_words_of_salesforce(salesforce: Salesforce, simple: Any) -> None:
    org = salesforce.org
    org.objects["Contact"].alter("LeadSource", restricted=True)
    org.rules["Contact"] = [
        lambda values: refuse("DUPLICATES_DETECTED", "Use one of these records?") if values["Phone"] == "1" else None
    ]
    held = org.enter("Contact", {"LastName": "Held", "antiphon_key__c": "k1"})
    told = {}
    for name, values in {
        "required": {"FirstName": "Ann"},
        "column": {"LastName": "A", "Nonsense": 1},
        "computed": {"LastName": "A", "Name": "A"},
        "email": {"LastName": "A", "Email": "badone"},
        "long": {"LastName": "A" * 81},
        "picklist": {"LastName": "A", "LeadSource": "Dream"},
        "unique": {"LastName": "A", "antiphon_key__c": "K1"},
        "rule": {"LastName": "A", "Phone": "1"},
        "reference": {"LastName": "A", "AccountId": "001000000000000AAA"},
        "date": {"LastName": "A", "Birthdate": "yesterday"},
    }.items():
        with pytest.raises(SalesforceMalformedRequest) as refused:
            simple.Contact.create(values)
        error = told_by(refused.value)
        told[name] = (error["errorCode"], error["message"], error.get("fields"))
    assert told == {
        "required": ("REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName]", ["LastName"]),
        "column": ("INVALID_FIELD", "No such column 'Nonsense' on sobject of type Contact", None),
        "computed": (
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            NOT_WRITABLE,
            ["Name"],
        ),
        "email": ("INVALID_EMAIL_ADDRESS", "Email: invalid email address: badone", ["Email"]),
        "long": ("STRING_TOO_LONG", f"Last Name: data value too large: {'A' * 81} (max length=80)", ["LastName"]),
        "picklist": (
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            "Lead Source: bad value for restricted picklist field: Dream",
            ["LeadSource"],
        ),
        "unique": (
            "DUPLICATE_VALUE",
            f"duplicate value found: antiphon_key__c duplicates value on record with id: {held.id[:15]}",
            ["antiphon_key__c"],
        ),
        "rule": ("DUPLICATES_DETECTED", "Use one of these records?", []),
        "reference": ("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", []),
        "date": (
            "JSON_PARSER_ERROR",
            NO_DATE,
            None,
        ),
    }
    assert len(org.live("Contact")) == 1


def test_upsert_by_external_id_makes_changes_and_refuses_to_guess(salesforce: Salesforce, simple: Any) -> None:
    assert simple.Contact.upsert("antiphon_key__c/k1", {"LastName": "Ames"}) == 201
    assert simple.Contact.upsert("antiphon_key__c/k1", {"FirstName": "Ann"}) == 200
    assert simple.Contact.get_by_custom_id("antiphon_key__c", "k1")["Name"] == "Ann Ames"
    with pytest.raises(SalesforceResourceNotFound, match="Provided external ID field does not exist or is not access"):
        simple.Contact.upsert("Email/ann@example.com", {"LastName": "Ames"})
    salesforce.org.objects["Contact"].alter("antiphon_key__c", unique=False)
    salesforce.org.enter("Contact", {"LastName": "Twin", "antiphon_key__c": "k1"})
    with pytest.raises(SalesforceMoreThanOneRecord):
        simple.Contact.upsert("antiphon_key__c/k1", {"FirstName": "Anna"})


def test_a_collection_answers_for_each_record_in_order(salesforce: Salesforce, simple: Any) -> None:
    def records(*values: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"attributes": {"type": "Contact"}, **each} for each in values]

    def collect(method: str, path: str = "", **body: Any) -> Any:
        return simple.restful(f"composite/sobjects{path}", method=method, json=body)

    made = collect("POST", records=records({"LastName": "Ames"}, {"FirstName": "Bo"}, {"LastName": "Cole"}))
    assert [each["success"] for each in made] == [True, False, True]
    missing = {"statusCode": "REQUIRED_FIELD_MISSING", "message": "Required fields are missing: [LastName]"}
    assert made[1] == {"success": False, "errors": [{**missing, "fields": ["LastName"]}]}
    ann, cy = made[0]["id"], made[2]["id"]
    salesforce.org.locked.add(cy)
    changed = collect("PATCH", records=records({"Id": ann, "FirstName": "Ann"}, {"Id": cy, "FirstName": "Cy"}))
    assert [each["success"] for each in changed] == [True, False]
    assert changed[1]["errors"][0]["statusCode"] == "UNABLE_TO_LOCK_ROW"
    salesforce.org.locked.clear()
    undone = collect("PATCH", allOrNone=True, records=records({"Id": ann, "FirstName": "X"}, {"Id": cy, "Email": "x"}))
    assert [each["errors"][0]["statusCode"] for each in undone] == [
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "INVALID_EMAIL_ADDRESS",
    ]
    assert simple.Contact.get(ann)["FirstName"] == "Ann"
    keyed = records({"antiphon_key__c": "k1", "LastName": "Dean"})
    assert collect("PATCH", "/Contact/antiphon_key__c", records=keyed)[0]["created"] is True
    assert collect("PATCH", "/Contact/antiphon_key__c", records=keyed)[0]["created"] is False
    read = collect("POST", "/Contact", ids=[ann, "003000000000000AAA", cy], fields=["LastName"])
    assert [each and each["LastName"] for each in read] == ["Ames", None, "Cole"]
    removed = simple.restful("composite/sobjects", params={"ids": f"{ann},{cy}"}, method="DELETE")
    assert [each["success"] for each in removed] == [True, True]
    with pytest.raises(SalesforceMalformedRequest, match="200"):
        collect("POST", records=records(*[{"LastName": "Many"}] * 201))


def test_merged_deleted_and_purged_records_leave_their_traces(salesforce: Salesforce, simple: Any) -> None:
    org = salesforce.org
    winner, loser = org.enter("Account", {"Name": "Acme"}), org.enter("Account", {"Name": "ACME"})
    ann = org.enter("Contact", {"LastName": "Ames", "AccountId": loser.id})
    org.merge(winner.id, loser.id)
    assert simple.Contact.get(ann.id)["AccountId"] == winner.id
    (gone,) = simple.query_all("SELECT Id, MasterRecordId FROM Account WHERE IsDeleted = true", include_deleted=True)[
        "records"
    ]
    assert (gone["Id"], gone["MasterRecordId"]) == (loser.id, winner.id)
    org.empty_bin()
    assert simple.query("SELECT COUNT() FROM Account", include_deleted=True)["totalSize"] == 1
    now = datetime.now(UTC)
    window = (now - timedelta(hours=1), now + timedelta(hours=1))
    assert [each["id"] for each in simple.Account.deleted(*window)["deletedRecords"]] == [loser.id]
    assert simple.Account.updated(*window)["ids"] == [winner.id]
    org.trash(ann.id)
    org.restore(ann.id)
    assert simple.Contact.get(ann.id)["LastName"] == "Ames"


def test_an_edit_since_is_not_overwritten_where_the_header_asks_for_it(salesforce: Salesforce, simple: Any) -> None:
    ann = salesforce.org.enter("Contact", {"LastName": "Ames"}, datetime(2026, 1, 1, 12, tzinfo=UTC))
    salesforce.org.edit(ann.id, datetime(2026, 1, 2, 12, tzinfo=UTC), FirstName="Ann")
    early, late = "Thu, 01 Jan 2026 12:00:00 GMT", "Fri, 02 Jan 2026 12:00:00 GMT"
    answer = requests.patch(
        f"{salesforce.url}/services/data/v66.0/sobjects/Contact/{ann.id}",
        json={"FirstName": "Anna"},
        headers={"Authorization": f"Bearer {salesforce.token}", "If-Unmodified-Since": early},
        timeout=5,
    )
    assert answer.status_code == 412
    assert simple.Contact.update(ann.id, {"FirstName": "Anna"}, headers={"If-Unmodified-Since": late}) == 204


def test_tokens_come_by_three_flows_and_end(salesforce: Salesforce) -> None:
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
    with transport(salesforce) as session:
        more: dict[str, Any] = {"session": session, "version": "66.0", "consumer_key": app.client_id}
        by_secret = Client(domain="acme.my", consumer_secret=app.client_secret, **more)
        assert by_secret.query("SELECT COUNT() FROM Contact")["totalSize"] == 0
        by_jwt = Client(username=app.username, privatekey=pem, **more)
        assert by_jwt.query("SELECT COUNT() FROM Contact")["totalSize"] == 0
        with pytest.raises(SalesforceAuthenticationFailed, match="invalid client credentials"):
            Client(domain="acme.my", consumer_secret="wrong", **more)
        with (
            pytest.raises(SalesforceAuthenticationFailed, match="user hasn't approved"),
            pytest.warns(match="self-authorize"),
        ):
            Client(username="nobody@example.com", privatekey=pem, **more)
        form = {"grant_type": "refresh_token", "client_id": app.client_id, "client_secret": app.client_secret}
        url = f"{salesforce.url}/services/oauth2/token"
        granted = requests.post(url, {**form, "refresh_token": min(app.refresh)}, timeout=5).json()
        assert granted["instance_url"] == salesforce.url
        refused = requests.post(url, {**form, "refresh_token": "old"}, timeout=5)
        assert (refused.status_code, refused.json()) == (
            400,
            {"error": "invalid_grant", "error_description": "expired access/refresh token"},
        )
        app.expire()
        expired = Client(instance="acme.my.salesforce.com", session_id=granted["access_token"], session=session)
        with pytest.raises(SalesforceExpiredSession, match="INVALID_SESSION_ID"):
            expired.query("SELECT Id FROM Contact")


def test_a_day_that_is_used_up_is_told_in_salesforces_words(salesforce: Salesforce, simple: Any) -> None:
    salesforce.daily = salesforce.used + 1
    simple.limits()
    with pytest.raises(SalesforceRefusedRequest, match=r"TotalRequests Limit exceeded\."):
        simple.limits()
