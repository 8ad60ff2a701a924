"""An account of HubSpot or an org of Salesforce for each test, and a client of others pointed at it, unmodified."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hubspot import Client
from simple_salesforce.api import Salesforce as SimpleSalesforce

from antiphon_sandbox.hubspot import HubSpot
from antiphon_sandbox.salesforce import Field, Salesforce
from tests.sandbox.simple import transport


@pytest.fixture
def hubspot() -> Iterator[HubSpot]:
    with HubSpot() as server:
        yield server


@pytest.fixture
def client(hubspot: HubSpot) -> Any:
    return official(hubspot)


@pytest.fixture
def salesforce() -> Iterator[Salesforce]:
    with Salesforce() as server:
        key = Field("antiphon_key__c", label="Antiphon Key", external_id=True, unique=True)
        server.org.objects["Contact"].add(key)
        yield server


@pytest.fixture
def simple(salesforce: Salesforce) -> Iterator[Any]:
    """simple-salesforce, logged in."""
    with transport(salesforce) as session:
        token = salesforce.token
        yield SimpleSalesforce(instance="acme.my.salesforce.com", session_id=token, version="66.0", session=session)


def official(hubspot: HubSpot, token: str | None = None) -> Any:
    """HubSpot's client. Its `api_factory` is the documented place to set the host; everything else is as it comes."""

    def factory(package: Any, name: str, config: dict[str, Any]) -> Any:
        configuration = package.Configuration()
        configuration.host = hubspot.url
        configuration.access_token = config["access_token"]
        return getattr(package, name)(api_client=package.ApiClient(configuration=configuration))

    return Client.create(access_token=token or hubspot.token, api_factory=factory)
