"""Change events of the sandbox's Salesforce, judged by a plain gRPC client and Apache's Avro.

The client's messages and calls were compiled by others from the published definition of the Pub/Sub API.
"""

from __future__ import annotations

import io
import json
import queue
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import avro.io
import avro.schema
import grpc
import pytest
from pysfpubsub import pubsub_api_pb2 as published
from pysfpubsub import pubsub_api_pb2_grpc as calls

from antiphon_sandbox.salesforce import Salesforce
from antiphon_sandbox.salesforce.pubsub import PubSub

TOPIC = "/data/ContactChangeEvent"


class Subscriber:
    """A client as Salesforce's own examples have it."""

    def __init__(self, salesforce: Salesforce, channel: grpc.Channel, token: str | None = None) -> None:
        self.stub: Any = calls.PubSubStub(channel)
        self.metadata = (
            ("accesstoken", token or salesforce.token),
            ("instanceurl", salesforce.url),
            ("tenantid", salesforce.org.id),
        )

    def fetch(self, *numbers: int, preset: int = published.EARLIEST, replay_id: bytes = b"") -> Iterator[Any]:
        """The answers to a request for so many events, and to further ones, which come at once."""
        requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for number in numbers:
            asked = published.FetchRequest(num_requested=number, replay_preset=preset, replay_id=replay_id)
            asked.topic_name = TOPIC
            requests.put(asked)
        yield from self.stub.Subscribe(iter(requests.get, None), metadata=self.metadata, timeout=5)

    def events(self, many: int, **more: Any) -> list[tuple[bytes, dict[str, Any]]]:
        """So many events: replay id, and what it says, with names for bitmaps."""
        found: list[tuple[bytes, dict[str, Any]]] = []
        for response in self.fetch(many, **more):
            for each in response.events:
                text = self.stub.GetSchema(
                    published.SchemaRequest(schema_id=each.event.schema_id), metadata=self.metadata
                ).schema_json
                reader = avro.io.DatumReader(avro.schema.parse(text))
                told: Any = reader.read(avro.io.BinaryDecoder(io.BytesIO(each.event.payload)))
                found.append((each.replay_id, named(told, json.loads(text))))
            if len(found) == many:
                return found
        raise AssertionError(found)


def named(told: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The event with the names of fields for the bits that stand for them."""
    for which in ("changedFields", "nulledFields"):
        names = []
        for bitmap in told["ChangeEventHeader"][which]:
            place, _, bits = bitmap.rpartition("-")
            within = schema["fields"][int(place)]["type"][1] if place else schema
            names += [field["name"] for at, field in enumerate(within["fields"]) if int(bits, 16) >> at & 1]
        told["ChangeEventHeader"][which] = names
    return told


@pytest.fixture
def events(salesforce: Salesforce) -> Iterator[PubSub]:
    salesforce.org.changes.on.add("Contact")
    with PubSub(salesforce, keepalive=0.1) as server:
        yield server


@contextmanager
def subscriber(salesforce: Salesforce, events: PubSub, token: str | None = None) -> Iterator[Subscriber]:
    with grpc.insecure_channel(events.address) as channel:
        yield Subscriber(salesforce, channel, token)


def test_each_change_is_an_event_that_says_what_changed_and_by_whom(
    salesforce: Salesforce, events: PubSub, simple: Any
) -> None:
    org = salesforce.org
    ann = org.enter("Contact", {"LastName": "Ames", "Birthdate": "1990-01-02", "MailingCity": "Rome"}).id
    simple.Contact.update(
        ann, {"FirstName": "Ann", "MailingCity": None}, headers={"Sforce-Call-Options": "client=antiphon"}
    )
    org.edit(ann, Email="ann@example.com", Birthdate=None)
    org.trash(ann)
    org.restore(ann)
    with subscriber(salesforce, events) as client:
        found = [event for _, event in client.events(5)]
        assert client.stub.GetTopic(published.TopicRequest(topic_name=TOPIC), metadata=client.metadata).can_subscribe
    heads = [event["ChangeEventHeader"] for event in found]
    assert [head["changeType"] for head in heads] == ["CREATE", "UPDATE", "UPDATE", "DELETE", "UNDELETE"]
    assert {(head["entityName"], *head["recordIds"]) for head in heads} == {("Contact", ann)}
    assert heads[1]["changeOrigin"] == "com/salesforce/api/rest/66.0;client=antiphon"
    assert "client=antiphon" not in heads[2]["changeOrigin"]
    assert set(heads[1]["changedFields"]) == {"FirstName", "City", "LastModifiedDate"}
    assert heads[1]["nulledFields"] == ["City"]
    assert set(heads[2]["changedFields"]) == {"Email", "Birthdate", "LastModifiedDate"}
    assert found[0]["Name"] == {"FirstName": None, "LastName": "Ames"}
    assert found[0]["MailingAddress"]["City"] == "Rome"
    assert found[0]["Birthdate"] == int(datetime(1990, 1, 2, tzinfo=UTC).timestamp() * 1000)
    assert (found[2]["Email"], found[2]["Name"]) == ("ann@example.com", None)


def test_records_changed_alike_in_one_request_have_one_event_and_gaps_tell_no_values(
    salesforce: Salesforce, events: PubSub, simple: Any
) -> None:
    ids = [salesforce.org.enter("Contact", {"LastName": f"P{number}"}).id for number in range(2)]
    records = [{"attributes": {"type": "Contact"}, "Id": each, "Phone": "1"} for each in ids]
    simple.restful("composite/sobjects", method="PATCH", json={"records": records})
    refused = [*records, {"attributes": {"type": "Contact"}, "Id": ids[0], "Email": "none"}]
    simple.restful("composite/sobjects", method="PATCH", json={"records": refused, "allOrNone": True})
    salesforce.org.changes.gap("Contact", "GAP_UPDATE", ids, datetime.now(UTC))
    with subscriber(salesforce, events) as client:
        heads = [event["ChangeEventHeader"] for _, event in client.events(4)]
    assert [head["changeType"] for head in heads] == ["CREATE", "CREATE", "UPDATE", "GAP_UPDATE"]
    assert [head["recordIds"] for head in heads[2:]] == [ids, ids]
    assert heads[3]["changedFields"] == []


def test_a_subscription_goes_on_from_a_replay_id_as_long_as_its_event_is_kept(
    salesforce: Salesforce, events: PubSub
) -> None:
    org, start = salesforce.org, datetime.now(UTC)
    made = [org.enter("Contact", {"LastName": f"P{number}"}).id for number in range(5)]

    def ids(found: list[tuple[bytes, dict[str, Any]]]) -> list[str]:
        return [event["ChangeEventHeader"]["recordIds"][0] for _, event in found]

    with subscriber(salesforce, events) as client:
        first = client.events(2)
        rest = client.events(3, preset=published.CUSTOM, replay_id=first[1][0])
        assert (ids(first), ids(rest)) == (made[:2], made[2:])
        answers = client.fetch(2, 1, preset=published.EARLIEST)
        assert sum(len(response.events) for response in (next(answers), next(answers))) == 3
        silent = next(client.fetch(1, preset=published.LATEST))
        assert (list(silent.events), silent.latest_replay_id) == ([], rest[-1][0])
        org.clock = lambda: start + timedelta(hours=73)
        for replay_id in (first[1][0], b"none"):
            with pytest.raises(grpc.RpcError) as expired:
                list(client.fetch(1, preset=published.CUSTOM, replay_id=replay_id))
            error: Any = expired.value
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert dict(error.trailing_metadata())["error-code"].endswith("fetch.replayid.corrupted")
        late = org.enter("Contact", {"LastName": "Late"}).id
        assert ids(client.events(1)) == [late]


def test_who_may_not_subscribe_is_told(salesforce: Salesforce, events: PubSub) -> None:
    with subscriber(salesforce, events, "old") as client, pytest.raises(grpc.RpcError) as refused:
        list(client.fetch(1))
    error: Any = refused.value
    assert error.code() == grpc.StatusCode.UNAUTHENTICATED
    salesforce.org.changes.on.clear()
    with subscriber(salesforce, events) as client:
        for numbers, code in (((1,), grpc.StatusCode.NOT_FOUND), ((0,), grpc.StatusCode.INVALID_ARGUMENT)):
            with pytest.raises(grpc.RpcError) as refused:
                list(client.fetch(*numbers))
            error = refused.value
            assert error.code() == code
            salesforce.org.changes.on.add("Contact")


def test_an_empty_answer_never_stands_behind_an_event_that_was_not_told(salesforce: Salesforce, events: PubSub) -> None:
    for number in range(3):
        salesforce.org.enter("Contact", {"LastName": f"P{number}"})
    with subscriber(salesforce, events) as client:
        answers = client.fetch(1)
        told, silent = next(answers), next(answers)
        assert (list(silent.events), silent.latest_replay_id) == ([], told.events[0].replay_id)
        assert len(client.events(2, preset=published.CUSTOM, replay_id=silent.latest_replay_id)) == 2
