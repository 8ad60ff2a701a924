"""HubSpot's own client reads and writes single records of the sandbox, and understands its errors."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from hubspot.crm import contacts, objects
from hubspot.crm.contacts.exceptions import ApiException

from antiphon_sandbox.hubspot import HubSpot


def body_of(refused: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(refused.value.body)
    return found


def post(hubspot: HubSpot, what: str, body: dict[str, str]) -> requests.Response:
    """Two calls that the client has no more in this version."""
    url, headers = f"{hubspot.url}/crm/v3/objects/contacts/{what}", {"Authorization": f"Bearer {hubspot.token}"}
    return requests.post(url, json=body, headers=headers, timeout=10)


def contact(**properties: str) -> Any:
    return contacts.SimplePublicObjectInputForCreate(properties=properties, associations=[])


def test_a_contact_is_created_read_changed_and_archived(client: Any, hubspot: HubSpot) -> None:
    api = client.crm.contacts.basic_api
    made = api.create(contact(email="Ann@Example.com", phone="00004", firstname="Ann"))
    assert made.properties["email"] == "ann@example.com"  # lower-cased on store
    assert made.properties["phone"] == "00004"  # verbatim
    assert made.properties["lifecyclestage"] == "lead"
    assert "lastname" not in made.properties  # a create omits what is not set
    read = api.get_by_id(made.id, properties=["email", "lastname"])
    assert read.properties["lastname"] is None  # a read shows it as null
    changed = api.update(made.id, contacts.SimplePublicObjectInput(properties={"lastname": "Abel"}))
    assert changed.properties["lastname"] == "Abel"
    assert changed.updated_at >= made.updated_at
    api.archive(made.id)
    with pytest.raises(ApiException) as refused:
        api.get_by_id(made.id)
    assert refused.value.status == 404
    assert body_of(refused)["message"] == "resource not found"
    archived = api.get_by_id(made.id, archived=True)
    assert archived.archived
    assert archived.archived_at


def test_unique_values_are_found_in_any_case(client: Any) -> None:
    made = client.crm.contacts.basic_api.create(contact(email="ann@example.com"))
    found = client.crm.contacts.basic_api.get_by_id("ANN@example.com", id_property="email")
    assert found.id == made.id
    with pytest.raises(ApiException) as refused:
        client.crm.contacts.basic_api.create(contact(email="ANN@EXAMPLE.COM"))
    assert refused.value.status == 409
    assert body_of(refused)["message"] == f"Contact already exists. Existing ID: {made.id}"
    assert body_of(refused)["category"] == "CONFLICT"


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"nope": "x"}, "PROPERTY_DOESNT_EXIST", 'Property "nope" does not exist'),
        ({"email": "000"}, "INVALID_EMAIL", "Email address 000 is invalid"),
        ({"date_of_birth": "1786334400001"}, "INVALID_DATE", "1786334400001 is at 4:0:0.1 UTC, not midnight!"),
        ({"notes_next_activity_date": "asd000"}, "INVALID_LONG", "asd000 was not a valid long."),
        ({"hs_lead_status": "NAM Only"}, "INVALID_OPTION", "NAM Only was not one of the allowed options: [NEW, OPEN"),
        ({"createdate": "2026-01-01"}, "READ_ONLY_VALUE", '"createdate" is a read only property'),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(
    client: Any, values: dict[str, str], error: str, message: str
) -> None:
    with pytest.raises(ApiException) as refused:
        client.crm.contacts.basic_api.create(contact(**values))
    assert refused.value.status == 400
    body = body_of(refused)
    assert body["category"] == "VALIDATION_ERROR"
    told = body["message"].removeprefix("Property values were not valid: ")
    (fault,) = json.loads(told)
    assert (fault["error"], fault["isValid"], fault["name"]) == (error, False, next(iter(values)))
    assert fault["message"].startswith(message)


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("date_of_birth", "2000-02-29", "2000-02-29"),
        ("date_of_birth", "951782400000", "2000-02-29"),
        ("notes_next_activity_date", "1644874576420", "2022-02-14T21:36:16.420Z"),
        ("notes_next_activity_date", "2022-02-14T22:36:16.420+01:00", "2022-02-14T21:36:16.420Z"),
        ("hs_buying_role", "BUDGET_HOLDER;CHAMPION", "BUDGET_HOLDER;CHAMPION"),
        ("num_children", "3039", "3039"),
        ("hs_email_optout", "true", "true"),
        ("city", "", None),
    ],
)
def test_a_value_is_kept_in_the_form_of_its_type(client: Any, name: str, given: str, kept: str | None) -> None:
    made = client.crm.contacts.basic_api.create(contact(**{name: given}))
    assert client.crm.contacts.basic_api.get_by_id(made.id, properties=[name]).properties[name] == kept


def test_an_update_of_nothing_is_refused(client: Any, hubspot: HubSpot) -> None:
    ann = hubspot.account.enter("contacts", {"email": "ann@example.com"})
    with pytest.raises(ApiException) as refused:
        client.crm.contacts.basic_api.update(ann.id, contacts.SimplePublicObjectInput(properties={}))
    assert body_of(refused)["message"] == "No properties found to update, please provide at least one."
    assert body_of(refused)["context"] == {"properties": ["{}"]}


def test_a_list_is_read_by_pages(client: Any, hubspot: HubSpot) -> None:
    made = [hubspot.account.enter("contacts", {"email": f"n{n}@example.com"}).id for n in range(25)]
    hubspot.account.trash("contacts", made[3])
    page = client.crm.contacts.basic_api.get_page(limit=10)
    assert len(page.results) == 10
    assert page.paging.next.after == page.results[-1].id
    everything = client.crm.contacts.get_all()  # the client's own paging
    assert [each.id for each in everything] == [key for key in made if key != made[3]]
    assert [each.id for each in client.crm.contacts.basic_api.get_page(archived=True).results] == [made[3]]


@pytest.mark.parametrize("name", ["leads", "calls", "emails", "meetings", "notes", "tasks", "0-1", "contact"])
def test_every_type_is_reached_by_its_names(client: Any, hubspot: HubSpot, name: str) -> None:
    made = hubspot.account.enter(name, {})
    assert client.crm.objects.basic_api.get_by_id(name, made.id).id == made.id


def test_an_unknown_type_is_one_clear_error(client: Any) -> None:
    with pytest.raises(objects.exceptions.ApiException) as refused:
        client.crm.objects.basic_api.get_page("credentialing_2_0")
    assert body_of(refused)["message"] == "Unable to infer object type from: credentialing_2_0"
    assert "category" not in body_of(refused)


def test_histories_tell_who_changed_what(client: Any, hubspot: HubSpot) -> None:
    ann = hubspot.account.enter("contacts", {"email": "ann@example.com", "city": "Rome"})
    client.crm.contacts.basic_api.update(ann.id, contacts.SimplePublicObjectInput(properties={"city": "Oslo"}))
    shown = client.crm.contacts.basic_api.get_by_id(ann.id, properties_with_history=["city"])
    newest, oldest = shown.properties_with_history["city"]
    assert (newest.value, newest.source_type, newest.source_id) == ("Oslo", "INTEGRATION", str(hubspot.account.app))
    assert (oldest.value, oldest.source_type, oldest.updated_by_user_id) == ("Rome", "CRM_UI", 9001)


def test_a_merge_mints_an_id_to_which_the_old_ones_lead(client: Any, hubspot: HubSpot) -> None:
    ann = hubspot.account.enter("contacts", {"email": "ann@example.com", "city": "Rome"})
    other = hubspot.account.enter("contacts", {"email": "a@example.com", "city": "Oslo", "phone": "1"})
    survivor = post(hubspot, "merge", {"primaryObjectId": ann.id, "objectIdToMerge": other.id}).json()
    assert survivor["id"] not in {ann.id, other.id}
    read = client.crm.contacts.basic_api.get_by_id(
        ann.id, properties=["city", "phone", "hs_merged_object_ids", "hs_additional_emails"]
    )
    assert read.id == survivor["id"]
    assert read.properties["city"] == "Rome"  # the primary's
    assert read.properties["phone"] == "1"  # what it lacked
    assert read.properties["hs_merged_object_ids"] == f"{ann.id};{other.id}"
    assert client.crm.contacts.basic_api.get_by_id("a@example.com", id_property="email").id == survivor["id"]
    assert not client.crm.contacts.basic_api.get_page(archived=True).results  # merged is not archived


def test_a_record_comes_back_from_the_bin_and_never_from_a_gdpr_delete(client: Any, hubspot: HubSpot) -> None:
    ann = hubspot.account.enter("contacts", {"email": "ann@example.com"})
    hubspot.account.trash("contacts", ann.id)
    hubspot.account.restore("contacts", ann.id)
    assert client.crm.contacts.basic_api.get_by_id(ann.id).id == ann.id
    assert post(hubspot, "gdpr-delete", {"objectId": ann.id}).status_code == 204
    assert not client.crm.contacts.basic_api.get_page(archived=True).results
