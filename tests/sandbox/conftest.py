"""A HubSpot account for each test, and HubSpot's own client pointed at it, unmodified."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hubspot import Client

from antiphon_sandbox.hubspot import HubSpot


@pytest.fixture
def hubspot() -> Iterator[HubSpot]:
    with HubSpot() as server:
        yield server


@pytest.fixture
def client(hubspot: HubSpot) -> Any:
    return official(hubspot)


def official(hubspot: HubSpot, token: str | None = None) -> Any:
    """HubSpot's client. Its `api_factory` is the documented place to set the host; everything else is as it comes."""

    def factory(package: Any, name: str, config: dict[str, Any]) -> Any:
        configuration = package.Configuration()
        configuration.host = hubspot.url
        configuration.access_token = config["access_token"]
        return getattr(package, name)(api_client=package.ApiClient(configuration=configuration))

    return Client.create(access_token=token or hubspot.token, api_factory=factory)
