"""LOG_BASED: what tap-salesforce makes of change events, of their gaps, and of events that are kept no longer."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
import requests

from antiphon_sandbox.salesforce import Field, Salesforce, SObject
from antiphon_sandbox.salesforce.changes import OVERFLOW_ID
from antiphon_sandbox.salesforce.pubsub import PubSub
from tap_salesforce.api import NotAuthorized, Refused, Unavailable, WrongSettings, connect
from tap_salesforce.api.events import Events
from tap_salesforce.tap import TapSalesforce
from tests.taps.printed import Printed
from tests.taps.salesforce import catalog_of, queries, settings, told

COLUMNS = ("LastName", "FirstName", "MailingCity", "Email", "CreatedDate")


@pytest.fixture
def events(salesforce: Salesforce) -> Iterator[PubSub]:
    salesforce.org.changes.on.add("Contact")
    with PubSub(salesforce, keepalive=0.1) as server:
        yield server


def follow(salesforce: Salesforce, events: PubSub, state: Mapping[str, Any] | None = None, **config: Any) -> Printed:
    """What the tap prints of contacts by their log."""
    given = settings(salesforce, pubsub_address=f"http://{events.address}", **config)
    catalog = catalog_of(salesforce, *COLUMNS, method="LOG_BASED")
    return Printed.by(TapSalesforce(config=given, catalog=catalog, state=dict(state or {})))


def fate(printed: Printed, key: str) -> dict[str, Any]:
    """The envelope of a record, which was printed once."""
    (sync,) = [each["sync"] for each in printed.records["Contact"] if each["record"]["Id"] == key]
    assert isinstance(sync, dict)
    return sync


def write(salesforce: Salesforce, key: str, client: str, **values: Any) -> None:
    """A write by the API."""
    headers = {"Authorization": f"Bearer {salesforce.token}", "Sforce-Call-Options": f"client={client}"}
    url = f"{salesforce.url}/services/data/v66.0/sobjects/Contact/{key}"
    requests.patch(url, json=values, headers=headers, timeout=5).raise_for_status()


def test_the_log_is_read_from_its_bookmark_and_says_who_changed_which_column_when(
    salesforce: Salesforce, events: PubSub
) -> None:
    org, start = salesforce.org, datetime.now(UTC)
    ann, bob, cy, loser = (org.enter("Contact", {"LastName": name}).id for name in ("Ames", "Bard", "Cole", "Kohl"))
    first = follow(salesforce, events)
    assert told(first).keys() == {ann, bob, cy, loser}
    asked = len(queries(salesforce))
    assert told(follow(salesforce, events, first.state)) == {}
    assert len(queries(salesforce)) == asked  # where nothing was changed, nothing is asked of REST
    org.clock = lambda: start + timedelta(minutes=1)
    write(salesforce, ann, "antiphon", FirstName="Ann", MailingCity="Rome")
    org.clock = lambda: start + timedelta(minutes=2)
    write(salesforce, ann, "antiphon", MailingCity=None)
    write(salesforce, bob, "antiphon", FirstName="Bob")
    org.edit(bob, Email="bob@example.com")
    org.merge(cy, loser)
    dora = org.enter("Contact", {"LastName": "Dean", "MailingCity": "Bonn"}).id
    second = follow(salesforce, events, first.state)
    assert told(second) == {ann: "live", bob: "live", cy: "live", loser: "merged", dora: "live"}
    assert fate(second, ann)["origin"] == "sync"
    times = {name: datetime.fromisoformat(at) - start for name, at in fate(second, ann)["field_times"].items()}
    assert {name: round(at.total_seconds()) for name, at in times.items()} == {"FirstName": 60, "MailingCity": 120}
    assert fate(second, bob)["origin"] == "foreign"
    assert fate(second, bob)["field_times"].keys() == {"FirstName", "Email"}
    assert fate(second, dora)["field_times"].keys() == {"LastName", "MailingCity", "CreatedDate"}
    assert fate(second, loser)["merged_into"] == cy
    (row,) = [each["record"] for each in second.records["Contact"] if each["record"]["Id"] == ann]
    assert (row["FirstName"], row["MailingCity"]) == ("Ann", None)
    org.trash(dora)
    org.empty_bin()
    third = follow(salesforce, events, second.state)
    assert told(third) == {dora: "gone"}


def test_an_edit_that_no_event_has_told_yet_is_not_dated_by_an_older_one(
    salesforce: Salesforce, events: PubSub
) -> None:
    org, start = salesforce.org, datetime.now(UTC)
    ann = org.enter("Contact", {"LastName": "Ames"}).id
    first = follow(salesforce, events)
    org.edit(ann, FirstName="Ann")
    org.changes.on.clear()  # its event is late
    org.edit(ann, start + timedelta(seconds=30), FirstName="Anna")
    org.changes.on.add("Contact")
    assert "field_times" not in fate(follow(salesforce, events, first.state), ann)


@pytest.mark.parametrize("why", ["expired", "moved", "overflow", "many", "silent"])
def test_what_the_log_does_not_tell_is_looked_for(
    salesforce: Salesforce, events: PubSub, caplog: pytest.LogCaptureFixture, why: str
) -> None:
    org, start = salesforce.org, datetime.now(UTC)
    org.changes.on.clear()
    old = org.enter("Contact", {"LastName": "Old"}, start - timedelta(days=9)).id
    ann = org.enter("Contact", {"LastName": "Ames"}, start - timedelta(days=9)).id
    org.changes.on.add("Contact")
    first = follow(salesforce, events)
    assert told(first).keys() == {old, ann}
    org.changes.on.clear()
    org.edit(ann, FirstName="Ann")  # of which there is no event
    org.changes.on.add("Contact")
    state = first.state
    match why:
        case "expired":
            org.clock = lambda: start + timedelta(hours=73)
        case "moved":
            org.changes.epoch += 1
        case "overflow":
            org.changes.gap("Contact", "GAP_OVERFLOW", [OVERFLOW_ID], start)
        case "many":
            org.changes.gap("Contact", "GAP_UPDATE", ["003*"], start)
        case _:
            del state["bookmarks"]["Contact:log"]["replay_id"]
            state["bookmarks"]["Contact"]["covered"] = (start - timedelta(days=5)).isoformat()
    second = follow(salesforce, events, state)
    assert told(second) == {ann: "live"}
    assert "is looked for" in caplog.text
    late = org.enter("Contact", {"LastName": "Late"}).id
    assert late in told(follow(salesforce, events, second.state))


def test_records_of_a_gap_are_read_though_nothing_is_said_of_their_columns(
    salesforce: Salesforce, events: PubSub
) -> None:
    org = salesforce.org
    ids = [org.enter("Contact", {"LastName": f"P{number}"}).id for number in range(3)]
    first = follow(salesforce, events)
    org.changes.gap("Contact", "GAP_UPDATE", ids[:2], datetime.now(UTC))
    second = follow(salesforce, events, first.state)
    assert told(second) == {ids[0]: "live", ids[1]: "live"}
    assert "field_times" not in fate(second, ids[0])


def test_a_stream_that_breaks_off_is_taken_up_where_it_was_and_a_token_is_renewed(
    salesforce: Salesforce, events: PubSub
) -> None:
    made = [salesforce.org.enter("Contact", {"LastName": "Old"}).id]
    app = salesforce.app
    login: dict[str, Any] = {
        "domain": salesforce.url,
        "client_id": app.client_id,
        "client_secret": app.client_secret,
        "access_token": "",
    }
    first = follow(salesforce, events, **login)
    made += [salesforce.org.enter("Contact", {"LastName": f"P{number}"}).id for number in range(250)]
    events.breaks.append(130)
    events.refuse += [(grpc.StatusCode.UNAUTHENTICATED, "sfdc.platform.eventbus.grpc.service.auth.error")]
    begun = events.calls.count("Subscribe")
    second = follow(salesforce, events, first.state, **login)
    assert told(second).keys() == set(made[1:])
    assert events.calls.count("Subscribe") - begun == 3


def test_silence_is_no_proof_that_nothing_was_changed(salesforce: Salesforce, events: PubSub) -> None:
    org, start = salesforce.org, datetime.now(UTC)
    events.holds, events.keepalive = True, 100.0
    state: Mapping[str, Any] = {}
    for hours in range(3):
        org.clock = lambda hours=hours: start + timedelta(hours=hours)  # type: ignore[misc]
        made = org.enter("Contact", {"LastName": f"P{hours}"}).id
        silent = follow(salesforce, events, state, log_seconds=0.1)
        assert (made in told(silent)) is (hours == 0)
        state = silent.state
    events.holds = False
    assert len(told(follow(salesforce, events, state, log_seconds=0.5))) == 3


@pytest.mark.parametrize("there", ["nobody", "somebody who does not speak"])
def test_a_server_that_is_not_to_be_had_is_an_error(salesforce: Salesforce, there: str) -> None:
    waits = list[float]()
    org = connect(settings(salesforce), sleep=waits.append)
    with socket.socket() as listener, closing(org.session):
        listener.bind(("127.0.0.1", 0))
        if there != "nobody":
            listener.listen()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with (
            closing(Events(org.session, org.id, address, 0.1, patience=0.2)) as stream,
            pytest.raises(Unavailable, match="the change events of Contact: ") as refused,
        ):
            list(stream.of("Contact", None))
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0]
    assert "`pubsub_address`" in refused.value.hint


def test_an_object_of_the_orgs_own_has_its_own_topic(salesforce: Salesforce, events: PubSub) -> None:
    org = salesforce.org
    org.objects["Invoice__c"] = SObject.of("Invoice__c", "a00", Field("Name"), Field("Due__c", "date"))
    org.changes.on.add("Invoice__c")
    config = settings(salesforce, objects=["Invoice__c"], pubsub_address=f"http://{events.address}")
    catalog = TapSalesforce(config=config).catalog_dict
    for entry in catalog["streams"]:
        entry["replication_method"] = "LOG_BASED"
    first = Printed.by(TapSalesforce(config=config, catalog=catalog))
    made = org.enter("Invoice__c", {"Name": "17", "Due__c": "2026-12-31"}).id
    (shown,) = Printed.by(TapSalesforce(config=config, catalog=catalog, state=first.state)).records["Invoice__c"]
    assert (shown["record"]["Id"], shown["record"]["Due__c"]) == (made, "2026-12-31")
    assert {"Name", "Due__c"} <= shown["sync"]["field_times"].keys()


def test_who_cannot_have_the_log_is_told_what_to_do(
    salesforce: Salesforce, events: PubSub, monkeypatch: pytest.MonkeyPatch
) -> None:
    salesforce.org.changes.on.clear()
    with pytest.raises(Refused, match=r"the change events of Contact: .* /data/ContactChangeEvent") as refused:
        follow(salesforce, events)
    assert refused.value.hint.startswith("select the object in Setup, Change Data Capture")
    salesforce.org.changes.on.add("Contact")
    events.refuse.append((grpc.StatusCode.UNAUTHENTICATED, "sfdc.platform.eventbus.grpc.service.auth.error"))
    with pytest.raises(NotAuthorized, match=r"the change events of Contact: .*auth\.error"):
        follow(salesforce, events)
    for name in [name for name in sys.modules if name.startswith("tap_salesforce.api.events")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(WrongSettings, match="LOG_BASED needs grpc") as missing:
        follow(salesforce, events)
    assert missing.value.hint == "pip install 'antiphon[salesforce-cdc]'"
