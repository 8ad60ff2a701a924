"""The SDK's own suite of tests for taps, run on tap-hubspot against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from antiphon_sandbox.hubspot import HubSpot
from tap_hubspot.tap import TapHubSpot

_HUBSPOT = HubSpot().__enter__()  # the suite asks for the streams when its class is made
_ACCOUNT = _HUBSPOT.account
for _name in ("companies", "deals", "tickets", "products", "line_items", "leads", "calls", "emails", "meetings",
              "notes", "tasks"):  # fmt: skip
    _ACCOUNT.enter(_name, {})
_ANN = _ACCOUNT.enter("contacts", {"email": "ann@example.com", "hs_email_optout": "true"})
_ACCOUNT.links.add(_ANN, _ACCOUNT.live("companies")[0], [1])

_Suite: Any = get_tap_test_class(
    TapHubSpot,
    config={"access_token": _HUBSPOT.token, "api_base": _HUBSPOT.url, "associations": ["contacts_to_companies"]},
    suite_config=SuiteConfig(
        ignore_no_records_for_streams=["lists", "list_memberships"],
        max_records_limit=50,
    ),
)


@pytest.fixture(scope="module", autouse=True)
def _served() -> Iterator[None]:
    yield
    _HUBSPOT.__exit__()


class TestTapHubSpot(_Suite):  # type: ignore[misc]  # made by the SDK
    """The suite."""
