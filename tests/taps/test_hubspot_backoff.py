"""How long is waited after each kind of failure, as HubSpot documents it or its own client does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from antiphon_sandbox.hubspot import Fault, HubSpot
from antiphon_sandbox.hubspot.errors import over_limit
from tap_hubspot.api import HubSpot as Client
from tap_hubspot.api import connect

BURST = over_limit("burst").body


@pytest.fixture
def hubspot() -> Iterator[HubSpot]:
    with HubSpot() as server:
        yield server


def waits(hubspot: HubSpot, fault: Fault, call: Any) -> list[float]:
    """The seconds waited until the call succeeds."""
    waited: list[float] = []
    client = connect({"access_token": hubspot.token, "api_base": hubspot.url}, waited.append)

    def pause(kind: str, seconds: float) -> None:
        assert kind == ("search" if call is search else "api")  # for every thread, but only for its own limit
        waited.append(seconds)

    client.session.limiter.pause = pause  # type: ignore[method-assign]
    hubspot.faults.add(fault)
    call(client)
    return waited


def look(client: Client) -> None:
    client.account()


def search(client: Client) -> None:
    client.search("contacts", {"filterGroups": [], "limit": 1})


@pytest.mark.parametrize(
    ("fault", "call", "seconds"),
    [
        (Fault("secondly", path="search", times=3), search, [1, 2, 3]),
        (Fault("status", status=429, body=BURST, times=2), look, [10, 10]),
        (Fault("status", status=429, body=BURST, retry_after=7), look, [7]),
        (Fault("status", status=423, times=3), look, [2, 4, 6]),
        (Fault("status", status=423, retry_after=9), look, [9]),
        (Fault("status", status=477, retry_after=30), look, [30]),
        (Fault("status", status=477, body={"message": "moving"}), look, [5]),
        (Fault("status", status=500, times=4), look, [0.2, 0.4, 0.8, 1.6]),
        (Fault("status", status=502), look, [0.2]),
        (Fault("status", status=503, retry_after=3), look, [3]),
        (Fault("status", status=504), look, [0.2]),
        (Fault("status", status=524), look, [0.2]),
        (Fault("cut", times=2), look, [0.2, 0.4]),
        (Fault("cut", times=2, applied=True), look, [0.2, 0.4]),
    ],
    ids=lambda value: f"{value.kind}-{value.status}-{value.retry_after}" if isinstance(value, Fault) else None,
)
def test_each_kind_of_failure_has_its_own_pause(
    hubspot: HubSpot, fault: Fault, call: Any, seconds: list[float]
) -> None:
    assert waits(hubspot, fault, call) == pytest.approx(seconds)
    assert hubspot.faults.met
