"""The SDK's own suite of tests for taps, run on tap-salesforce against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from antiphon_sandbox.salesforce import Salesforce
from tap_salesforce.tap import TapSalesforce
from tests.taps.suite import EachByItself

_SERVED = Salesforce().__enter__()  # the suite asks for the streams when its class is made
_OPPORTUNITY = {"Name": "Deal", "StageName": "Prospecting", "CloseDate": "2026-12-31", "Amount": 1, "Probability": 50}
for _kind, _values in {
    "Contact": {"LastName": "Ames", "HasOptedOutOfEmail": True, "Birthdate": "1990-01-02"},
    "Account": {"Name": "Acme", "AnnualRevenue": 1.5e6, "NumberOfEmployees": 12},
    "Opportunity": _OPPORTUNITY,
}.items():  # each attribute that the suite has a test for has a value
    _SERVED.org.enter(_kind, _values)
    _SERVED.org.trash(_SERVED.org.enter(_kind, _values).id)
_Suite: Any = get_tap_test_class(
    TapSalesforce,
    config={
        "access_token": _SERVED.token,
        "instance_url": _SERVED.url,
        "objects": ["Account", "Contact", "Opportunity"],
    },
    suite_config=SuiteConfig(max_records_limit=50),
)


class TestTapSalesforce(EachByItself, _Suite):  # type: ignore[misc]  # made by the SDK
    """The suite."""


@pytest.fixture(scope="module", autouse=True)
def _served() -> Iterator[None]:
    yield
    _SERVED.__exit__()
