"""HubSpot's own client, unmodified: one call at least of each family of endpoints, read and understood by its models.

What the answers hold is asked in the other files; here every family is reached.
"""

from __future__ import annotations

from typing import Any

import pytest

from antiphon_sandbox.hubspot import HubSpot

PRIMARY = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}]
FAMILIES = [
    "contacts", "companies", "deals", "tickets", "products", "line_items", "objects.leads", "objects.calls",
    "objects.emails", "objects.meetings", "objects.notes", "objects.tasks",
]  # fmt: skip


def family_of(client: Any, name: str) -> Any:
    found = client.crm
    for part in name.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("name", FAMILIES)
def test_records_of_each_kind_live_from_create_to_archive(client: Any, hubspot: HubSpot, name: str) -> None:
    family, kind = family_of(client, name), name.rpartition(".")[2]
    basic, batch = family.basic_api, family.batch_api
    text = next(
        p.name for p in hubspot.account.kind(kind).properties.values() if p.type == "string" and not p.read_only
    )
    value = "a@example.com" if text == "email" else "x"
    made = basic.create({"properties": {text: value}, "associations": []})
    assert basic.get_by_id(made.id, properties=[text]).properties[text] == value
    assert basic.update(made.id, {"properties": {text: f"b{value}"}}).properties[text] == f"b{value}"
    assert [each.id for each in basic.get_page().results] == [made.id]
    more = batch.create({"inputs": [{"properties": {text: f"c{value}"}, "associations": []}]})
    ids = [{"id": made.id}, {"id": more.results[0].id}]
    read = batch.read({"inputs": ids, "properties": [text], "propertiesWithHistory": [text]})
    assert {each.properties[text] for each in read.results} == {f"b{value}", f"c{value}"}
    batch.update({"inputs": [{"id": made.id, "properties": {text: f"d{value}"}}]})
    assert family.search_api.do_search({"filterGroups": [], "limit": 10}).total == 2
    basic.archive(made.id)
    batch.archive({"inputs": ids})
    assert not basic.get_page().results
    assert {each.id for each in basic.get_page(archived=True).results} == {each["id"] for each in ids}


def test_associations_have_every_call(client: Any, hubspot: HubSpot) -> None:
    ann, firm = hubspot.account.enter("contacts", {}), hubspot.account.enter("companies", {})
    ends = {"from": {"id": ann.id}, "to": {"id": firm.id}}
    v4 = client.crm.associations.v4

    def kinds() -> set[int]:
        found = v4.basic_api.get_page("contacts", ann.id, "companies").results
        return {kind.type_id for each in found for kind in each.association_types}

    v4.basic_api.create_default("contacts", ann.id, "companies", firm.id)
    assert kinds() == {279}
    v4.batch_api.create("contacts", "companies", {"inputs": [{**ends, "types": PRIMARY}]})
    assert kinds() == {279, 1}
    v4.batch_api.archive_labels("contacts", "companies", {"inputs": [{**ends, "types": PRIMARY}]})
    assert kinds() == {279}
    v4.basic_api.archive("contacts", ann.id, "companies", firm.id)
    assert kinds() == set()
    v4.batch_api.create_default("contacts", "companies", {"inputs": [ends]})
    assert len(v4.batch_api.get_page("contacts", "companies", {"inputs": [{"id": ann.id}]}).results[0].to) == 1
    assert {each.label for each in v4.schema.definitions_api.get_all("contacts", "companies").results} == {
        None, "Primary",
    }  # fmt: skip


def test_definitions_people_processes_lists_and_tokens_have_every_call(client: Any, hubspot: HubSpot) -> None:
    crm, ann = client.crm, hubspot.account.enter("contacts", {})
    wanted = {"inputs": [{"name": "email"}], "archived": False}
    assert [each.name for each in crm.properties.batch_api.read("contacts", wanted).results] == ["email"]
    assert crm.properties.core_api.get_by_name("contacts", "email").has_unique_value
    assert [each.name for each in crm.properties.groups_api.get_all("contacts").results] == ["information"]
    assert crm.pipelines.pipelines_api.get_by_id("deals", "default").label == "Sales pipeline"
    assert len(crm.pipelines.pipeline_stages_api.get_all("deals", "default").results) == 4
    assert crm.pipelines.pipeline_stages_api.get_by_id("deals", "default", "closedwon").metadata["isClosed"] == "true"
    assert crm.owners.owners_api.get_by_id("1001").email == "olga@acme.example"
    assert len(client.settings.users.users_api.get_page().results) == 2
    made = crm.lists.lists_api.create({"name": "VIP", "objectTypeId": "0-1", "processingType": "MANUAL"}).list
    assert crm.lists.lists_api.get_by_id(made.list_id).list.name == "VIP"
    assert [each.name for each in crm.lists.lists_api.get_all(list_ids=[made.list_id]).lists] == ["VIP"]
    change = {"recordIdsToAdd": [ann.id], "recordIdsToRemove": []}
    assert crm.lists.memberships_api.add_and_remove(made.list_id, change).records_ids_added == [ann.id]
    assert crm.schemas.core_api.get_all().results == []
    assert client.oauth.access_tokens_api.get(hubspot.token).hub_id == hubspot.account.portal


def test_contacts_merge_and_are_erased(client: Any, hubspot: HubSpot) -> None:
    ann, other = (hubspot.account.enter("contacts", {"email": f"n{n}@example.com"}) for n in range(2))
    api = client.crm.contacts.basic_api
    survivor = api.merge({"primaryObjectId": ann.id, "objectIdToMerge": other.id})
    assert api.get_by_id(ann.id).id == survivor.id
    api.purge({"objectId": survivor.id})
    assert not api.get_page().results
    assert not api.get_page(archived=True).results
