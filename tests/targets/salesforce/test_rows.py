"""Records of ordinary taps in a Salesforce of the sandbox, by each mode."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon_sandbox.salesforce import Fault, Field, refuse
from tests.targets.salesforce.desk import Desk

NUMBER = Field("Number__c", external_id=True, unique=True)


def test_rows_are_matched_by_a_field_and_never_guessed(desk: Desk) -> None:
    org = desk.org
    ann = org.enter("Contact", {"LastName": "Ames", "Email": "ann@example.com"})
    twins = [org.enter("Contact", {"LastName": name, "Email": "two@example.com"}) for name in ("Twin", "Twain")]
    told = desk.load(
        "people",
        {"Email": "ANN@example.com", "LastName": "Ames", "MailingCity": "Oslo", "Shoe": 42},
        {"Email": "two@example.com", "LastName": "Which"},
        {"Email": "new@example.com", "LastName": "New"},
        {"Email": "bad@example.com", "LastName": ""},
        {"Email": None, "LastName": "Who"},
        object="Contact",
        match="Email",
    )
    assert ann.values["MailingCity"] == "Oslo"
    assert sorted(each.values["LastName"] for each in org.live("Contact")) == ["Ames", "New", "Twain", "Twin"]
    ids = ", ".join(sorted(each.id for each in twins))
    assert told == [
        "Email: the record has no value by which it could be found",
        f"2 records have Email = 'two@example.com': {ids}; none was written",
        "Salesforce says: Required fields are missing: [LastName]",
    ]


def test_a_number_or_a_date_finds_a_record_as_well(desk: Desk) -> None:
    desk.org.objects["Contact"].add(Field("Member__c", "double", scale=0))
    ann = desk.org.enter("Contact", {"LastName": "Ames", "Member__c": 7, "Birthdate": "1990-01-02"})
    assert desk.load("Contact", {"Member__c": "7.0", "LastName": "By number"}, match="Member__c") == []
    assert ann.values["LastName"] == "By number"
    row = {"Birthdate": "1990-01-02T00:00:00Z", "LastName": "By date"}
    assert desk.load("Contact", row, match="Birthdate") == []
    assert [each.values["LastName"] for each in desk.org.live("Contact")] == ["By date"]


def test_each_mode_does_what_it_says(desk: Desk) -> None:
    org = desk.org
    org.objects["Account"].add(NUMBER)
    old, gone = (org.enter("Account", {"Name": name, "Number__c": name}) for name in ("A1", "A2"))
    rows: list[dict[str, Any]] = [
        {"Number__c": "a1", "Name": "One"},
        {"Number__c": "A2", "Name": "Two", "_sdc_deleted_at": "2026-01-01T00:00:00Z"},
        {"Number__c": "A3", "Name": "Three"},
    ]

    def names() -> list[str]:
        return sorted(each.values["Name"] for each in org.live("Account"))

    told = desk.load("Account", *rows, match="Number__c", mode="update")
    assert (told, names()) == (["Account has no record with Number__c = 'A3'"], ["A2", "One"])
    assert desk.load("Account", *rows, match="Number__c", mode="upsert") == []
    assert names() == ["A2", "One", "Three"]
    assert desk.load("Account", *rows, match="Number__c", mode="mirror") == []
    assert (names(), gone.in_bin) == (["One", "Three"], True)
    assert desk.load("Account", {"Name": "One"}, {"Name": "One"}, mode="insert") == []
    assert names() == ["One", "One", "One", "Three"]
    assert old.values["Name"] == "One"


def test_a_mirror_purges_if_told_to_and_takes_what_is_back_out_of_the_bin(desk: Desk) -> None:
    org = desk.org
    org.objects["Account"].add(NUMBER)
    here, binned, merged, purged = (
        org.enter("Account", {"Name": "Old", "Number__c": name, "Phone": "1"}) for name in ("A1", "A2", "A3", "A4")
    )
    org.trash(binned.id)
    org.merge(here.id, merged.id)
    how = {"match": "Number__c", "mode": "mirror"}
    rows: list[dict[str, Any]] = [{"Number__c": f"A{n}", "Name": "New"} for n in (1, 2, 3)]
    gone = {"Number__c": "A4", "_sdc_deleted_at": "2026-01-01T00:00:00Z"}
    assert desk.load("Account", *rows, gone, **how, undelete=True, hard_delete=True) == []
    assert (binned.in_bin, binned.values["Name"], binned.values["Phone"]) == (False, "New", "1")
    assert purged.id not in org.records
    live = {each.values["Number__c"]: each.id for each in org.live("Account")}
    assert (live["A1"], live["A2"]) == (here.id, binned.id)
    assert live["A3"] not in {merged.id, here.id}  # what was merged into another is made anew
    org.trash(binned.id)
    desk.salesforce.faults.append(Fault("human", "Soap", does=lambda: org.purge(binned.id)))
    assert desk.load("Account", rows[1], **how, undelete=True) == [
        "Salesforce says: Entity is not in the recycle bin (UNDELETE_FAILED)"
    ]
    desk.salesforce.faults.append(Fault("status", "Soap"))
    org.trash(live["A3"])
    assert desk.load("Account", rows[2], **how, undelete=True) == []
    assert not org.records[live["A3"]].in_bin


def test_an_external_id_needs_no_look_and_breaking_off_makes_no_second_record(desk: Desk) -> None:
    desk.org.objects["Account"].add(NUMBER)
    desk.salesforce.faults.append(Fault("cut", "PATCH .*Number__c", applied=True))
    assert desk.load("Account", *({"Number__c": f"A{n}", "Name": "N"} for n in range(250)), match="Number__c") == []
    assert len(desk.org.live("Account")) == 250
    assert (desk.asked("PATCH", "/Number__c"), desk.asked("GET", "/queryAll")) == (3, 0)
    several = Field("Number__c", external_id=True)
    desk.org.objects["Account"].add(several)
    desk.org.enter("Account", {"Name": "Twin", "Number__c": "A0"})
    (told,) = desk.load("Account", {"Number__c": "A0", "Name": "Which"}, match="Number__c")
    assert told == "Salesforce says: Duplicate external id specified"


def test_what_broke_off_without_an_external_id_is_told_and_not_made_twice(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.salesforce.faults.append(Fault("cut", "POST .*composite/sobjects$", applied=True))
    sent = {"Contact": [{"record": {"LastName": "Ames", "Email": "a@example.com"}}]}
    done = desk.send(sent, (), streams={"Contact": {"match": "Email"}})
    assert (done.code, done.out) == (1, b"")
    assert "records may have been made" in caplog.text
    assert "match by an external id" in caplog.text


def test_parents_are_written_before_children_whatever_comes_first(desk: Desk) -> None:
    org = desk.org
    org.objects["Account"].add(
        NUMBER, Field("ParentId", "reference", refers_to=("Account",), relationship="Parent")
    )  # fmt: skip
    firms: list[dict[str, Any]] = [
        {"record": {"Number__c": "leaf", "Name": "Leaf", "Parent": {"Number__c": "twig"}}},
        {"record": {"Number__c": "twig", "Name": "Twig", "Parent.Number__c": "ROOT"}},
        {"record": {"Number__c": "root", "Name": "Root", "Parent": {"Number__c": None}}},
    ]
    people = [{"record": {"Email": f"{name}@example.com", "LastName": name, "Account": {"Number__c": name}}}
              for name in ("leaf", "root", "nowhere")]  # fmt: skip
    rejected = desk.folder / "rejected.jsonl"
    streams = {"Contact": {"match": "Email"}, "Account": {"match": "Number__c"}}
    done = desk.send({"Contact": people, "Account": firms}, (), streams=streams, rejected_path=str(rejected))
    assert done.code == 0, done.said
    ids = {each.values["Number__c"]: each.id for each in org.live("Account")}
    assert {each.values["Number__c"]: each.values["ParentId"] for each in org.live("Account")} == {
        "leaf": ids["twig"], "twig": ids["root"], "root": None,
    }  # fmt: skip
    assert {each.values["LastName"]: each.values["AccountId"] for each in org.live("Contact")} == {
        "leaf": ids["leaf"], "root": ids["root"],
    }  # fmt: skip
    words = "Foreign key external ID: nowhere not found for field Number__c in entity Account"
    assert words in rejected.read_text(encoding="utf-8")
    asked = desk.asked("PATCH", "/composite")
    del people[2:]
    desk.send({"Contact": people}, (), streams=streams)
    assert desk.asked("PATCH", "/composite") == asked  # the reference is seen to be the same


def test_children_of_one_parent_are_sent_together(desk: Desk) -> None:
    org, came = desk.org, list[str]()
    firms = [org.enter("Account", {"Name": f"F{n}"}).id for n in range(3)]
    org.rules["Contact"] = [lambda values: came.append(values["AccountId"])]
    rows = ({"LastName": f"N{n}", "AccountId": firms[n % 3]} for n in range(12))
    assert desk.load("Contact", *rows, mode="insert") == []
    assert came == sorted(came)


def test_a_null_clears_a_field_or_leaves_it_as_the_stream_says(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    ann = desk.org.enter("Contact", {"LastName": "Ames", "Email": "a@example.com"})
    row = {"Email": "a@example.com", "MailingCity": None, "Phone": None}
    for how, expected in (
        ({}, (None, None)),
        ({"skip_nulls": ["Phone"]}, (None, "1")),
        ({"nulls": "skip"}, ("Rome", "1")),
        ({"nulls": "skip", "clear_nulls": ["Phone"]}, ("Rome", None)),
    ):
        desk.org.edit(ann.id, MailingCity="Rome", Phone="1")
        assert desk.load("Contact", row, match="Email", **how) == []
        assert (ann.values["MailingCity"], ann.values["Phone"]) == expected
    done = desk.send({"Contact": [{"record": row}]}, (), streams={"Contact": {"clear_nulls": ["Phone"]}})
    assert done.code == 64
    assert "with `nulls: clear` every null is treated so" in caplog.text


def test_a_duplicate_rule_refuses_or_is_told_to_allow(desk: Desk) -> None:
    desk.org.duplicates["Contact"] = [lambda _: refuse("DUPLICATES_DETECTED", "Use one of these records?")]
    row = {"LastName": "Ames", "Email": "a@example.com"}
    assert desk.load("Contact", row, match="Email") == ["Salesforce says: Use one of these records?"]
    assert desk.load("Contact", row, match="Email", allow_duplicates=True) == []
    assert len(desk.org.live("Contact")) == 1
