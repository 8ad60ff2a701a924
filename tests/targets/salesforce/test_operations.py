"""target-salesforce run in this process against a Salesforce of the sandbox: what becomes of records and receipts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from antiphon_sandbox.salesforce import Fault, refuse
from tests.taps import documents
from tests.targets.salesforce.desk import Desk, create, delete, update


@pytest.mark.parametrize(
    "fault",
    [
        Fault("cut", "POST .*composite/sobjects$", applied=True),
        Fault("cut", "POST .*composite/sobjects$"),
        Fault("status", "POST .*composite/sobjects$", status=503, applied=True),
        Fault("status", "q=SELECT"),
        Fault("cut", "q=SELECT"),
    ],
)
def test_whatever_breaks_off_a_create_is_done_once(desk: Desk, fault: Fault) -> None:
    desk.salesforce.faults.append(fault)
    receipts = desk.operate("Contact", *(create(LastName=f"P{number}") for number in range(3)))
    assert [each["status"] for each in receipts] == ["applied"] * 3
    held = {each.id: each.values["antiphon_key__c"] for each in desk.org.live("Contact")}
    assert held == {each["id"]["Id"]: f"k{number}" for number, each in enumerate(receipts)}
    assert receipts[0]["stored"] == {"LastName": "P0"}


def test_a_delete_and_an_update_that_broke_off_are_known_to_be_done(desk: Desk) -> None:
    ann, bob = (desk.org.enter("Contact", {"LastName": name, "MailingCity": "Rome"}) for name in ("Ames", "Bond"))
    desk.salesforce.faults.append(Fault("cut", "PATCH", applied=True))
    desk.salesforce.faults.append(Fault("cut", "DELETE .*composite", applied=True))
    changed, removed = desk.operate(
        "Contact", update(ann, {"MailingCity": "Rome"}, MailingCity="Oslo"), delete(bob, LastName="Bond")
    )
    assert (changed["status"], changed["stored"], removed["status"]) == ("applied", {"MailingCity": "Oslo"}, "applied")
    assert [each.values["MailingCity"] for each in desk.org.live("Contact")] == ["Oslo"]


def test_each_refused_row_has_one_receipt_in_the_words_of_salesforce(desk: Desk) -> None:
    org = desk.org
    org.objects["Contact"].alter("LeadSource", restricted=True)
    org.rules["Contact"] = [
        lambda values: refuse("DUPLICATES_DETECTED", "Use one of these records?") if values["Phone"] == "1" else None,
        lambda values: (
            refuse("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Ask Olga first") if values["Phone"] == "2" else None
        ),
    ]
    receipts = desk.operate(
        "Contact",
        create(LastName="Good"),
        create(FirstName="Ann"),
        create(LastName="A", Email="badone"),
        create(LastName="A", LeadSource="Dream"),
        create(LastName="A", Phone="1"),
        create(LastName="A", Phone="2"),
        create(LastName="A", MailingCity="x" * 41),
        create(LastName="A", Birthdate="yesterday"),
        create(LastName="A", Name="A"),
        create(LastName="A", Nonsense="A"),
        create(LastName="Good too"),
    )
    told = [(each["status"], each.get("error", {}).get("class"), each.get("error", {}).get("message"))
            for each in receipts]  # fmt: skip
    assert told == [
        ("applied", None, None),
        ("rejected", "REQUIRED_FIELD_MISSING", "Salesforce says: Required fields are missing: [LastName]"),
        ("rejected", "INVALID_EMAIL_ADDRESS", "Salesforce says: Email: invalid email address: badone"),
        (
            "rejected",
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            "Salesforce says: Lead Source: bad value for restricted picklist field: Dream (LeadSource)",
        ),
        ("rejected", "DUPLICATES_DETECTED", "Salesforce says: Use one of these records?"),
        ("rejected", "FIELD_CUSTOM_VALIDATION_EXCEPTION", "Salesforce says: Ask Olga first"),
        (
            "rejected",
            "STRING_TOO_LONG",
            f"Salesforce says: Mailing City: data value too large: {'x' * 41} (max length=40) (MailingCity)",
        ),
        ("rejected", "NotConvertible", "Birthdate: 'yesterday' is no date"),
        (
            "rejected",
            "NotConvertible",
            "Name: cannot be written when a record is made; map it one way, from Salesforce",
        ),
        (
            "rejected",
            "NotConvertible",
            "Nonsense: Contact has no such field, or the user may not see it; add it, or map another",
        ),
        ("applied", None, None),
    ]
    assert sorted(each.values["LastName"] for each in org.live("Contact")) == ["Good", "Good too"]


def test_a_locked_record_is_written_again_and_told_as_failed_if_it_stays_locked(desk: Desk) -> None:
    free, held = (desk.org.enter("Contact", {"LastName": name}) for name in ("Free", "Held"))
    desk.org.locked |= {free.id, held.id}
    faults = desk.salesforce.faults
    faults += [
        Fault("human", "composite$", does=lambda: None),
        Fault("human", "composite$", does=lambda: desk.org.locked.discard(free.id)),
    ]
    receipts = desk.operate("Contact", update(free, {}, FirstName="Fay"), update(held, {}, FirstName="Hal"))
    assert [each["status"] for each in receipts] == ["applied", "failed"]
    error = receipts[1]["error"]
    assert (error["class"], error["status"]) == ("UNABLE_TO_LOCK_ROW", 503)
    assert error["message"].endswith(f"unable to obtain exclusive access to this record or 1 records: {held.id}")


def test_only_what_is_as_expected_is_written_and_only_what_differs(desk: Desk) -> None:
    org = desk.org
    acme = org.enter("Account", {"Name": "Acme"})
    values = {"StageName": "Prospecting", "CloseDate": "2026-12-31", "Amount": 10.5, "AccountId": acme.id}
    deal, other, gone, merged = (org.enter("Opportunity", {"Name": f"D{n}", **values}) for n in range(4))
    org.trash(gone.id)
    stamp = dict(deal.values)
    receipts = desk.operate(
        "Opportunity",
        update(
            deal, {"Amount": "10.500"}, Name=" D0 ", Amount="10.504", AccountId=acme.id[:15]
        ),  # the same to Salesforce
        update(other, {"Amount": 11}, Amount=12),
        update(gone, {}, Name="X"),
        delete(merged, Name="Other"),
    )
    assert [each["status"] for each in receipts] == ["applied", "stale", "gone", "stale"]
    assert deal.values == stamp
    assert receipts[0]["stored"] == {"AccountId": acme.id, "Amount": 10.5, "Name": "D0"}
    assert (receipts[1]["found"], receipts[3]["found"]) == ({"Amount": 10.5}, {"Name": "D3"})
    assert not [path for method, path, _ in desk.salesforce.seen if method in {"PATCH", "DELETE"}]
    emptied = desk.operate("Opportunity", update(deal, {"Amount": 10.5}, Amount="", CloseDate="2027-01-01"))
    assert emptied[0]["stored"] == {"Amount": None, "CloseDate": "2027-01-01"}


@pytest.mark.parametrize("others", [0, 3])
def test_a_few_records_are_written_only_if_nobody_else_did_since_the_look(desk: Desk, others: int) -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    ann, bob, *rest = (
        desk.org.enter("Contact", {"LastName": f"N{n}", "MailingCity": "Rome"}, at) for n in range(2 + others)
    )
    beside = [update(each, {"MailingCity": "Rome"}, MailingCity="Oslo") for each in rest]
    write = "POST .*composite$" if others else "PATCH"
    desk.salesforce.faults.append(Fault("human", write, does=lambda: desk.org.edit(ann.id, MailingCity="Bonn")))
    stale, *done = desk.operate("Contact", update(ann, {"MailingCity": "Rome"}, MailingCity="Oslo"), *beside)
    assert (stale["status"], stale["found"], ann.values["MailingCity"]) == ("stale", {"MailingCity": "Bonn"}, "Bonn")
    assert [each["status"] for each in done] == ["applied"] * others
    desk.salesforce.faults.append(Fault("human", write, does=lambda: desk.org.edit(bob.id, Phone="1")))
    beside = [update(each, {"MailingCity": "Oslo"}, MailingCity="Graz") for each in rest]
    first, *done = desk.operate("Contact", update(bob, {"MailingCity": "Rome"}, MailingCity="Oslo"), *beside)
    assert (first["status"], bob.values["Phone"], bob.values["MailingCity"]) == ("applied", "1", "Oslo")
    assert [each["status"] for each in done] == ["applied"] * others


def test_more_than_a_few_go_by_collections_which_know_no_condition(desk: Desk) -> None:
    people = [desk.org.enter("Contact", {"LastName": f"N{n}"}) for n in range(30)]
    ops = [update(each, {}, FirstName="F") for each in people]
    desk.operate("Contact", *ops)
    assert (desk.asked("POST", "/composite/sobjects"), desk.asked("PATCH", "/composite/sobjects")) == (2, 1)
    desk.operate("Contact", *(update(each, {}, FirstName="G") for each in people), conditional_up_to=30)
    assert desk.asked("PATCH", "/composite/sobjects") == 1
    assert {each.values["FirstName"] for each in people} == {"G"}


@pytest.mark.parametrize("how", [{}, {"api": "bulk"}, {"conditional_up_to": 300}])
def test_what_is_planned_is_reckoned_beforehand_and_costs_that_much(desk: Desk, how: dict[str, Any]) -> None:
    def reckoned(**numbers: int) -> int:
        done = desk.run("--check", "--planned", json.dumps({"Contact": numbers}), "--format=json", **how)
        told = {each["name"]: each["message"] for each in json.loads(done.out)["checks"]}
        assert told["daily requests"].endswith("of 100,000 are left of our share of a day's")
        (number,) = (int(word) for word in told["Contact"].split() if word.isdigit() and word not in {"300", "1"})
        return number

    def counted(*ops: dict[str, Any]) -> int:
        before = len(desk.salesforce.seen)
        assert {each["status"] for each in desk.operate("Contact", *ops, **how)} == {"applied"}
        return len(desk.salesforce.seen) - before

    needed = reckoned(create=300)
    made = counted(*(create(LastName=f"N{n}") for n in range(300)))
    assert abs(needed - made) <= (0 if not how.get("api") else 1), (needed, made)
    people = desk.org.live("Contact")
    assert abs(reckoned(update=300) - counted(*(update(each, {}, FirstName="F") for each in people))) <= 1
    assert abs(reckoned(delete=300) - counted(*(delete(each) for each in people))) <= 1


def test_without_the_field_for_the_key_nothing_is_made_until_it_is_added(desk: Desk) -> None:
    (receipt,) = desk.operate("Account", create(Name="Acme"))
    assert (receipt["status"], receipt["error"]["class"]) == ("failed", "NoKeyField")
    assert "target-salesforce --check --fix" in receipt["error"]["message"]
    assert desk.org.live("Account") == []
    words = ["--check", "--streams", "Account,Contact", "--format=json"]
    done = desk.run(*words)
    shown = json.loads(done.out)
    assert (done.code, shown["account"]) == (1, f"salesforce:{desk.org.id}")
    assert [(each["name"], each["ok"], each["fixable"]) for each in shown["checks"]] == [
        ("login", True, False), ("Account", False, True), ("Contact", True, False),
    ]  # fmt: skip
    desk.salesforce.faults.append(Fault("cut", "POST .*FieldPermissions"))
    broken = json.loads(desk.run(*words, "--fix").out)["checks"][1]
    assert "Salesforce did not say whether it was done" in broken["message"]
    assert "antiphon_key__c" in desk.org.objects["Account"].hidden  # made, and not seen by anybody yet
    mended = json.loads(desk.run(*words, "--fix").out)
    assert [each["ok"] for each in mended["checks"]] == [True, True, True]
    (receipt,) = desk.operate("Account", create(Name="Acme"))
    assert receipt["status"] == "applied"
    assert len(desk.org.live("PermissionSet")) == len(desk.org.live("PermissionSetAssignment")) == 1


def test_a_field_that_cannot_be_made_is_for_a_person_who_is_told_how(desk: Desk) -> None:
    desk.org.customizable = False
    words = ["--check", "--streams", "Account,Contact,Nothing", "--fix", "--format=json"]
    desk.org.objects["Contact"].alter("antiphon_key__c", unique=False)
    account, contact, nothing = json.loads(desk.run(*words).out)["checks"][1:]
    assert account["message"].endswith("Salesforce says: insufficient access rights (INSUFFICIENT_ACCESS)")
    assert "permission set" in account["hint"]
    assert contact["message"].startswith("Contact.antiphon_key__c is no unique external id")
    assert "External ID and Unique" in contact["hint"]
    assert "The requested resource does not exist" in nothing["message"]


def test_the_readme_tells_the_settings() -> None:
    path = documents.READMES["target_salesforce"]
    assert path.read_text(encoding="utf-8") == documents.written("target_salesforce")
