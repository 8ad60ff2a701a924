"""How tap-salesforce reads much, or many columns: by Bulk API 2.0, or record by record in the body of a request."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from antiphon_sandbox.salesforce import Fault, Field, Salesforce
from tap_salesforce.api import JobFailed, Refused
from tap_salesforce.api.fields import Field as Column
from tap_salesforce.tap import TapSalesforce
from tests.taps.printed import Printed
from tests.taps.salesforce import catalog_of, read, settings, told


def calls(salesforce: Salesforce, word: str) -> int:
    """Requests with this word in the address."""
    return sum(word in target for _, target, _ in salesforce.seen)


def test_a_large_read_is_done_by_a_job_and_says_the_same_as_a_small_one(salesforce: Salesforce) -> None:
    contact = salesforce.org.objects["Contact"]
    contact.add(Field("Rate__c", "double", precision=18, scale=6), Field("Note__c", "textarea", length=150_000))
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    for number in range(7):
        note = f'"{number}",\n\nnull é'.ljust(150_000, "x") if number % 2 else None
        values = {"LastName": f"P{number}", "Rate__c": 1.1 * number * 10**number, "Note__c": note, "Birthdate": None}
        salesforce.org.enter("Contact", {**values, "HasOptedOutOfEmail": number == 3}, at)
    salesforce.org.merge(*list(salesforce.org.records)[1:3])
    salesforce.org.trash(list(salesforce.org.records)[3])
    columns = ("LastName", "Rate__c", "Note__c", "Birthdate", "HasOptedOutOfEmail", "CreatedDate")
    small = read(salesforce, *columns, bulk_from=8)
    assert calls(salesforce, "/jobs/") == 0
    salesforce.jobs.page, salesforce.jobs.polls = 3, 1
    large = read(salesforce, *columns, bulk_from=7)
    assert calls(salesforce, "/jobs/query") == 6  # made, asked about twice, three pages

    def rows(printed: Any) -> list[Any]:
        return sorted(([each["record"], each["sync"]] for each in printed.records["Contact"]), key=lambda e: e[0]["Id"])

    assert rows(large) == rows(small)
    assert sorted(told(large).values()) == ["gone", *["live"] * 5, "merged"]
    assert large.state["bookmarks"]["Contact"]["replication_key_value"] > "2026-01-02T03:04:05"
    changed = salesforce.org.enter("Contact", {"LastName": "New"})
    salesforce.jobs.polls = 0
    later = read(salesforce, *columns, state=large.state, api="bulk", overlap_seconds=0)
    assert changed.id in told(later)
    assert len(told(later)) < 5


@pytest.mark.parametrize("written", ["123456789012345.67", "1.2345678901234567E14", "123456789012345.670"])
def test_a_number_is_kept_to_its_last_digit(written: str) -> None:
    field = Column("Amount", "currency", scale=2)
    assert field.from_salesforce(written) == Decimal("123456789012345.67")
    assert repr(field.from_salesforce("12.0")) == "12"


def test_a_page_that_breaks_off_is_read_again_and_none_of_its_rows_is_lost(salesforce: Salesforce) -> None:
    made = {salesforce.org.enter("Contact", {"LastName": f"P{number}"}).id for number in range(50)}
    salesforce.jobs.page = 20
    salesforce.faults += [
        Fault("half", path="/results", times=2),
        Fault("status", path="/results", times=1),
        Fault("cut", path="jobs/query/750", times=1),
    ]
    printed = read(salesforce, "LastName", full=True, api="bulk")
    assert told(printed).keys() == made


def test_what_bulk_does_not_read_is_read_by_rest_unless_bulk_is_what_was_asked_for(
    salesforce: Salesforce, caplog: pytest.LogCaptureFixture
) -> None:
    ann = salesforce.org.enter("Contact", {"LastName": "Ames"})
    salesforce.jobs.doomed += ["InternalServerError : it ran too long"] * 2
    assert told(read(salesforce, "LastName", bulk_from=1)) == {ann.id: "live"}
    assert "is Failed: InternalServerError : it ran too long; it is read by REST" in caplog.text
    with pytest.raises(JobFailed, match="it ran too long") as failed:
        read(salesforce, "LastName", api="bulk")
    assert failed.value.hint == "`api: rest` reads without jobs"
    salesforce.org.objects["Contact"].bulk = False
    assert told(read(salesforce, "LastName", bulk_from=1)) == {ann.id: "live"}
    assert "Entity 'Contact' is not supported by the Bulk API. (INVALIDENTITY); it is read by REST" in caplog.text
    with pytest.raises(Refused, match="is not supported by the Bulk API"):
        read(salesforce, "LastName", api="bulk")


def test_a_job_that_an_administrator_aborts_ends_the_run_with_its_name(salesforce: Salesforce) -> None:

    def abort() -> None:
        for each in salesforce.jobs.held.values():
            each.state = "Aborted"

    salesforce.faults.append(Fault("human", path="GET .*jobs/query/750", does=abort))
    with pytest.raises(JobFailed, match=r"job 750\w+ of Bulk API 2\.0 is Aborted: no reason is given"):
        read(salesforce, "LastName", api="bulk")


@pytest.mark.parametrize("api", ["auto", "rest"])
def test_more_columns_than_an_address_holds_are_all_read(salesforce: Salesforce, api: str) -> None:
    many = [f"Custom_column_number_{number:03}_of_many__c" for number in range(500)]
    salesforce.org.objects["Contact"].add(*(Field(name) for name in many))
    salesforce.page = 2
    values = {name: name[21:24] for name in many}
    made = [salesforce.org.enter("Contact", {"LastName": f"P{number}", **values}).id for number in range(3)]
    salesforce.org.trash(made[2])
    printed = read(salesforce, "LastName", *many, api=api)
    assert told(printed) == {made[0]: "live", made[1]: "live", made[2]: "gone"}
    for each in printed.records["Contact"][:2]:
        assert {name: each["record"][name] for name in many} == values
    assert (calls(salesforce, "/jobs/") > 0, calls(salesforce, "/composite/sobjects/Contact")) == (
        (True, 0) if api == "auto" else (False, 2)
    )


def test_columns_say_which_are_formulas_or_parts_and_hidden_ones_are_named(
    salesforce: Salesforce, caplog: pytest.LogCaptureFixture
) -> None:
    config = settings(salesforce, objects=["Contact", "Opportunity"])
    contact, opportunity = TapSalesforce(config=config).catalog_dict["streams"]
    assert opportunity["schema"]["properties"]["ExpectedRevenue"]["x-calculated"] is True
    assert contact["schema"]["properties"]["MailingCity"]["x-part-of"] == "MailingAddress"
    salesforce.org.enter("Contact", {"LastName": "Ames"})
    catalog = catalog_of(salesforce, "LastName", "Email")
    salesforce.org.objects["Contact"].hidden |= {"Email", "Phone"}
    (shown,) = Printed.by(TapSalesforce(config=settings(salesforce), catalog=catalog)).records["Contact"]
    assert "Email" not in shown["record"]
    assert "Contact: the catalog asks for Email, which is not there, or hidden from the user" in caplog.text
