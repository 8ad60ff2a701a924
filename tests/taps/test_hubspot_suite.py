"""The SDK's own suite of tests for taps, run on tap-hubspot against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from antiphon_sandbox.hubspot import HubSpot
from antiphon_sandbox.hubspot.lists import List
from antiphon_sandbox.hubspot.records import Record
from tap_hubspot.tap import TapHubSpot
from tests.taps.suite import EachByItself

_HUBSPOT = HubSpot().__enter__()  # the suite asks for the streams when its class is made
_ACCOUNT = _HUBSPOT.account
_OF_TYPE = {"number": "1", "bool": "true", "date": "1990-01-02", "datetime": "2026-01-02T03:04:05Z"}


def _fill(kind: str, **more: str) -> Record:
    """A record with a value for each attribute that the suite has a test for, and one that was archived."""
    known = _ACCOUNT.kind(kind).properties.values()
    typed = {each.name: _OF_TYPE[each.type] for each in known if each.type in _OF_TYPE and not each.read_only}
    _ACCOUNT.trash(kind, _ACCOUNT.enter(kind, {}).id)
    return _ACCOUNT.enter(kind, {**typed, **more})


for _name in ("deals", "tickets", "products", "line_items", "leads", "calls", "emails", "meetings", "notes", "tasks"):
    _fill(_name)
_ANN = _fill("contacts", email="ann@example.com")
_ACCOUNT.links.add(_ANN, _fill("companies"), [1])
_HUBSPOT.portal.lists["1"] = List("1", "VIP", "0-1", dynamic=False, created=_ACCOUNT.clock())
_HUBSPOT.portal.lists["1"].members[_ANN.id] = _ACCOUNT.clock()

_Suite: Any = get_tap_test_class(
    TapHubSpot,
    config={"access_token": _HUBSPOT.token, "api_base": _HUBSPOT.url, "associations": ["contacts_to_companies"]},
    suite_config=SuiteConfig(max_records_limit=50),
)


@pytest.fixture(scope="module", autouse=True)
def _served() -> Iterator[None]:
    yield
    _HUBSPOT.__exit__()


class TestTapHubSpot(EachByItself, _Suite):  # type: ignore[misc]  # made by the SDK
    """The suite."""
