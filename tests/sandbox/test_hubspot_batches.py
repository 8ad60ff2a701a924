"""HubSpot's own client writes and reads a hundred records of the sandbox at a time."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hubspot.crm import contacts
from hubspot.crm.contacts.exceptions import ApiException

from antiphon_sandbox.hubspot import HubSpot
from antiphon_sandbox.hubspot.schema import Property


def creates(*properties: dict[str, str], trace: bool = False) -> Any:
    return contacts.BatchInputSimplePublicObjectBatchInputForCreate(
        inputs=[
            contacts.SimplePublicObjectBatchInputForCreate(
                properties=each, associations=[], object_write_trace_id=str(5000 + n) if trace else None
            )
            for n, each in enumerate(properties)
        ]
    )


def test_results_do_not_come_in_the_order_of_the_inputs(client: Any) -> None:
    names = [f"n{n}" for n in range(20)]
    made = client.crm.contacts.batch_api.create(creates(*({"firstname": name} for name in names)))
    assert sorted(each.properties["firstname"] for each in made.results) == sorted(names)
    assert [each.properties["firstname"] for each in made.results] != names


def test_one_bad_input_spoils_a_batch_without_trace_ids(client: Any, hubspot: HubSpot) -> None:
    hubspot.account.enter("contacts", {"email": "ann@example.com"})
    with pytest.raises(ApiException) as refused:
        client.crm.contacts.batch_api.create(creates({"email": "bob@example.com"}, {"email": "ann@example.com"}))
    assert refused.value.status == 409
    assert len(hubspot.account.live("contacts")) == 1


def test_with_trace_ids_the_good_inputs_are_taken(client: Any, hubspot: HubSpot) -> None:
    hubspot.account.enter("contacts", {"email": "ann@example.com"})
    made = client.crm.contacts.batch_api.create(
        creates({"email": "bob@example.com"}, {"email": "ann@example.com"}, {"email": "x"}, trace=True)
    )
    assert [each.object_write_trace_id for each in made.results] == ["5000"]
    assert {each.context["objectWriteTraceId"][0]: each.category for each in made.errors} == {
        "5001": "CONFLICT",
        "5002": "VALIDATION_ERROR",
    }
    assert made.num_errors == 2


def test_a_batch_read_names_what_it_did_not_find(client: Any, hubspot: HubSpot) -> None:
    ann = hubspot.account.enter("contacts", {"email": "ann@example.com"})
    read = client.crm.contacts.batch_api.read(
        contacts.BatchReadInputSimplePublicObjectId(
            properties=["email"],
            properties_with_history=[],
            id_property="email",
            inputs=[{"id": "ann@example.com"}, {"id": "x@y"}],
        )
    )
    assert [each.id for each in read.results] == [ann.id]
    assert read.num_errors == 1
    assert read.errors[0].context == {"ids": ["x@y"]}
    assert read.errors[0].message == (
        "Could not get some CONTACT objects, they may be deleted or not exist. Check that ids are valid."
    )


def test_updates_by_a_non_unique_property_and_twice_the_same_id_are_refused(client: Any, hubspot: HubSpot) -> None:
    ann = hubspot.account.enter("contacts", {"email": "ann@example.com"})

    def update(**more: str) -> Any:
        each = {"id": ann.id, "properties": {"city": "Oslo"}, **more}
        return client.crm.contacts.batch_api.update({"inputs": [each] if more else [each, each]})

    with pytest.raises(ApiException) as refused:
        update()
    assert json.loads(refused.value.body)["message"] == (
        f"Duplicate IDs found in batch input: [{ann.id}]. IDs must be unique"
    )
    with pytest.raises(ApiException) as refused:
        update(idProperty="email", id="ann@example.com")
    assert json.loads(refused.value.body)["message"] == "Unable to perform update/upsert by non-unique 0-1 property"


def test_an_upsert_by_a_unique_property_says_what_is_new(client: Any, hubspot: HubSpot) -> None:
    hubspot.account.define("contacts", Property("antiphon_key", unique=True))
    inputs = [{"id": f"k{n}", "idProperty": "antiphon_key", "properties": {"city": "Oslo"}} for n in (1, 2)]
    first = client.crm.contacts.batch_api.upsert({"inputs": inputs[:1]})
    assert [each.new for each in first.results] == [True]
    second = client.crm.contacts.batch_api.upsert({"inputs": inputs})
    assert {each.properties["antiphon_key"]: each.new for each in second.results} == {"k1": False, "k2": True}
    with pytest.raises(ApiException):
        client.crm.contacts.batch_api.upsert({"inputs": [{**inputs[0], "idProperty": "city"}]})


def test_an_archive_of_many_is_idempotent(client: Any, hubspot: HubSpot) -> None:
    ann = hubspot.account.enter("contacts", {"email": "ann@example.com"})
    for _ in range(2):
        client.crm.contacts.batch_api.archive({"inputs": [{"id": ann.id}, {"id": "404"}]})
    assert not hubspot.account.live("contacts")
    read = client.crm.contacts.batch_api.read(
        {"inputs": [{"id": ann.id}], "properties": ["email"], "propertiesWithHistory": []}, archived=True
    )
    assert [each.id for each in read.results] == [ann.id]


def test_more_than_a_hundred_inputs_are_refused(client: Any) -> None:
    with pytest.raises(ApiException) as refused:
        client.crm.contacts.batch_api.create(creates(*({"firstname": "x"} for _ in range(101))))
    assert refused.value.status == 400
