"""HubSpot's own client and the rest of the sandbox: associations, properties, lists, owners, tokens, webhooks."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import requests
from hubspot.crm.associations.v4 import ApiException as AssociationRefused
from hubspot.crm.contacts.exceptions import ApiException
from hubspot.utils.signature import Signature

from antiphon_sandbox.hubspot import Fault, HubSpot, Webhooks
from tests.sandbox.conftest import official


def test_associations_with_labels_are_made_read_and_removed(client: Any, hubspot: HubSpot) -> None:
    ann = hubspot.account.enter("contacts", {"email": "ann@example.com"})
    firms = [hubspot.account.enter("companies", {"name": name}) for name in ("Acme", "Bolt")]
    api = client.crm.associations.v4
    for firm in firms:
        api.basic_api.create(
            "contacts", ann.id, "companies", firm.id,
            [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}],
        )  # fmt: skip
    ends = api.basic_api.get_page("contacts", ann.id, "companies").results
    primary = {each.to_object_id: sorted(t.type_id for t in each.association_types) for each in ends}
    assert primary == {firms[0].id: [279], firms[1].id: [1, 279]}  # there is one primary company at most
    back = api.basic_api.get_page("companies", firms[1].id, "contacts").results
    assert sorted(t.type_id for t in back[0].association_types) == [2, 280]
    made = api.batch_api.create(
        "contacts",
        "companies",
        {"inputs": [{"from": {"id": ann.id}, "to": {"id": "404"}, "types": []}]},
    )
    assert made.errors[0].message == "No company with ID 404 exists"
    assert made.errors[0].sub_category == "crm.associations.TO_OBJECT_NOT_FOUND"
    read = api.batch_api.get_page("contacts", "companies", {"inputs": [{"id": ann.id}, {"id": "404"}]})
    assert {each.to_object_id for each in read.results[0].to} == {firm.id for firm in firms}
    assert read.num_errors == 1
    api.batch_api.archive("contacts", "companies", {"inputs": [{"from": {"id": ann.id}, "to": [{"id": firms[0].id}]}]})
    assert [each.to_object_id for each in api.basic_api.get_page("contacts", ann.id, "companies").results] == [
        firms[1].id
    ]
    with pytest.raises(AssociationRefused):
        api.basic_api.create("contacts", ann.id, "companies", "404", [])


def test_labels_of_the_users_own_have_two_ends(client: Any, hubspot: HubSpot) -> None:
    api = client.crm.associations.v4.schema.definitions_api
    made = api.create("contacts", "companies", {"label": "Advisor", "inverseLabel": "Advised by", "name": "advisor"})
    assert {each.label for each in made.results} == {"Advisor", "Advised by"}
    labels = {each.label: each.type_id for each in api.get_all("contacts", "companies").results}
    assert labels[None] == 279
    assert labels["Primary"] == 1
    assert "Advisor" in labels


def test_properties_are_defined_and_show_what_they_are(client: Any) -> None:
    core = client.crm.properties.core_api
    wanted = {
        "name": "antiphon_key", "label": "Antiphon key", "type": "string", "fieldType": "text",
        "groupName": "information", "hasUniqueValue": True,
    }  # fmt: skip
    made = core.create("contacts", wanted)
    assert made.has_unique_value
    known = {each.name: each for each in core.get_all("contacts").results}
    assert known["createdate"].modification_metadata.read_only_value
    assert [each.value for each in known["hs_lead_status"].options] == ["NEW", "OPEN", "IN_PROGRESS", "UNQUALIFIED"]
    core.archive("contacts", "antiphon_key")
    assert "antiphon_key" not in {each.name for each in core.get_all("contacts").results}


def test_custom_objects_have_schemas(client: Any, hubspot: HubSpot) -> None:
    made = client.crm.schemas.core_api.create(
        {
            "name": "boat", "labels": {"singular": "Boat", "plural": "Boats"}, "requiredProperties": ["name"],
            "primaryDisplayProperty": "name", "associatedObjects": ["CONTACT"],
            "properties": [{"name": "name", "label": "Name", "type": "string", "fieldType": "text"}],
        }
    )  # fmt: skip
    assert made.object_type_id.startswith("2-")
    assert [each.name for each in client.crm.schemas.core_api.get_all().results] == ["boat"]
    boat = hubspot.account.enter(made.object_type_id, {"name": "Ariel"})
    for name in ("boat", made.object_type_id, made.fully_qualified_name):
        assert client.crm.objects.basic_api.get_by_id(name, boat.id).id == boat.id


def test_static_lists_take_members(client: Any, hubspot: HubSpot) -> None:
    ann = hubspot.account.enter("contacts", {"email": "ann@example.com"})
    made = client.crm.lists.lists_api.create({"name": "VIP", "objectTypeId": "0-1", "processingType": "MANUAL"})
    key = made.list.list_id
    added = client.crm.lists.memberships_api.add(key, [ann.id, "404"])
    assert (added.records_ids_added, added.record_ids_missing) == ([ann.id], ["404"])
    assert [each.record_id for each in client.crm.lists.memberships_api.get_page(key).results] == [ann.id]
    assert client.crm.lists.memberships_api.remove(key, [ann.id]).record_ids_removed == [ann.id]
    assert [each.name for each in client.crm.lists.lists_api.do_search({}).lists] == ["VIP"]


def test_owners_users_and_pipelines_are_listed(client: Any) -> None:
    assert [each.email for each in client.crm.owners.get_all()] == ["olga@acme.example", "nils@acme.example"]
    assert [each.email for each in client.settings.users.users_api.get_page().results]
    (pipeline,) = client.crm.pipelines.pipelines_api.get_all("deals").results
    assert pipeline.stages[0].id == "appointmentscheduled"


def test_tokens_are_granted_described_expire_and_have_scopes(client: Any, hubspot: HubSpot) -> None:
    tokens = hubspot.tokens
    refresh = tokens.grant_refresh(("crm.objects.contacts.read",))
    granted = client.oauth.tokens_api.create(
        grant_type="refresh_token",
        client_id=tokens.client_id,
        client_secret=tokens.client_secret,
        refresh_token=refresh,
    )
    assert granted.expires_in == 1800
    theirs = official(hubspot, granted.access_token)
    assert theirs.oauth.access_tokens_api.get(granted.access_token).hub_id == hubspot.account.portal
    theirs.crm.contacts.basic_api.get_page()
    with pytest.raises(ApiException) as refused:
        theirs.crm.contacts.basic_api.create({"properties": {}})
    body = json.loads(refused.value.body)
    assert (refused.value.status, body["category"]) == (403, "MISSING_SCOPES")
    assert body["errors"][0]["context"] == {"requiredGranularScopes": ["crm.objects.contacts.write"]}
    tokens.expire()
    with pytest.raises(ApiException) as refused:
        theirs.crm.contacts.basic_api.get_page()
    body = json.loads(refused.value.body)
    assert (refused.value.status, body["category"]) == (401, "EXPIRED_AUTHENTICATION")
    assert body["message"].startswith("The OAuth token used to make this call expired ")


def test_no_token_and_an_invented_one_are_told_apart(hubspot: HubSpot) -> None:
    url = f"{hubspot.url}/crm/v3/objects/contacts"
    assert requests.get(url, timeout=5).json()["category"] == "INVALID_AUTHENTICATION"
    answer = requests.get(url, headers={"Authorization": "Bearer nonsense"}, timeout=5)
    assert answer.status_code == 401
    assert answer.json()["context"] == {"expire time": ["1970-01-01T00:00:00.000Z"]}


def test_dated_versions_answer_like_the_numbered_ones(hubspot: HubSpot) -> None:
    ann = hubspot.account.enter("contacts", {"email": "ann@example.com"})
    headers = {"Authorization": f"Bearer {hubspot.token}"}
    for version in ("2026-03", "2026-09"):
        url = f"{hubspot.url}/crm/objects/{version}/contacts/{ann.id}"
        assert requests.get(url, headers=headers, timeout=5).json()["id"] == ann.id


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("kind", ["status", "timeout", "cut"])
def test_a_write_that_goes_wrong_took_effect_or_not(hubspot: HubSpot, kind: Any, *, applied: bool) -> None:
    hubspot.faults.add(Fault(kind, path="POST", applied=applied, seconds=0.05))
    try:
        answer = requests.post(
            f"{hubspot.url}/crm/v3/objects/contacts",
            json={"properties": {"email": "ann@example.com"}},
            headers={"Authorization": f"Bearer {hubspot.token}"},
            timeout=5,
        )
        assert answer.status_code == 503
    except requests.RequestException:
        assert kind != "status"
    assert len(hubspot.account.live("contacts")) == applied


def test_pages_may_be_cut_short_or_come_twice(client: Any, hubspot: HubSpot) -> None:
    made = [hubspot.account.enter("contacts", {}).id for _ in range(250)]
    hubspot.faults.add(Fault("duplicate", path="GET /crm/v3/objects/contacts"))
    assert [each.id for each in client.crm.contacts.get_all()] == [*made[:100], *made]
    hubspot.faults.add(Fault("truncate", path="GET /crm/v3/objects/contacts"))
    assert [each.id for each in client.crm.contacts.get_all()] == made[:50]


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[tuple[dict[str, str], str]]]]:
    heard: list[tuple[dict[str, str], str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            heard.append((dict(self.headers), body))
            self.send_response(500 if len(heard) == 1 else 200)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/hook", heard
    server.shutdown()
    server.server_close()


def test_webhooks_are_signed_and_tried_again(hubspot: HubSpot, receiver: Any) -> None:
    url, heard = receiver
    hooks = Webhooks(url, hubspot.tokens.client_secret)
    hooks.start()
    hubspot.account.listeners.append(hooks.hear)
    ann = hubspot.account.enter("contacts", {"email": "ann@example.com"})
    other = hubspot.account.enter("contacts", {"email": "a@example.com"})
    hubspot.account.edit("contacts", ann.id, city="Oslo")
    hubspot.account.merge(ann, other)
    hooks.stop()
    assert len(heard) >= 2  # the first answer was an error
    events = []
    for headers, body in heard[1:]:
        assert Signature.is_valid(
            headers["X-HubSpot-Signature-v3"], hubspot.tokens.client_secret, body, url, "POST", "v3",
            headers["X-HubSpot-Request-Timestamp"],
        )  # fmt: skip
        events += json.loads(body)
    kinds = sorted(each["subscriptionType"] for each in events)
    assert kinds == [
        "contact.creation", "contact.creation", "contact.deletion", "contact.deletion", "contact.merge",
        "contact.propertyChange",
    ]  # fmt: skip
    merge = next(each for each in events if each["subscriptionType"] == "contact.merge")
    assert merge["mergedObjectIds"] == [int(ann.id), int(other.id)]


def test_the_server_runs_by_itself() -> None:
    command = [sys.executable, "-m", "antiphon_sandbox.hubspot", "--port", "0", "--contacts", "3", "--token", "pat-x"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        told = server.stdout.readline()
        url = re.search(r"http://\S+", told)
        assert url is not None, told
        headers = {"Authorization": "Bearer pat-x"}
        answer = requests.get(f"{url[0]}/crm/v3/objects/contacts", headers=headers, timeout=5)
        assert len(answer.json()["results"]) == 3
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=10) == 0
