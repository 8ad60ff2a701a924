"""tap-salesforce run in this process against a Salesforce of the sandbox: what it prints, taken apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from antiphon_sandbox.salesforce import Salesforce
from tap_salesforce.tap import TapSalesforce
from tests.taps.printed import Printed


def settings(salesforce: Salesforce, **more: Any) -> dict[str, Any]:
    found = {"access_token": salesforce.token, "instance_url": salesforce.url, "objects": ["Contact"]}
    return {**found, **more}


def catalog_of(salesforce: Salesforce, *columns: str, method: str = "INCREMENTAL") -> dict[str, Any]:
    """A catalog that selects these columns of contacts."""
    catalog = TapSalesforce(config=settings(salesforce)).catalog_dict
    for entry in catalog["streams"]:
        entry["replication_method"] = method
        for item in entry["metadata"]:
            item["metadata"]["selected"] = not item["breadcrumb"] or item["breadcrumb"][1] in columns
    return catalog


def read(
    salesforce: Salesforce, *columns: str, state: Mapping[str, Any] | None = None, full: bool = False, **config: Any
) -> Printed:
    """What the tap prints of contacts with these columns."""
    catalog = catalog_of(salesforce, *columns, method="FULL_TABLE" if full else "INCREMENTAL")
    tap = TapSalesforce(config=settings(salesforce, **config), catalog=catalog, state=dict(state or {}))
    return Printed.by(tap)


def told(printed: Printed) -> dict[str, str]:
    """The state of each record that was printed."""
    return {each["record"]["Id"]: each["sync"]["state"] for each in printed.records.get("Contact", [])}


def queries(salesforce: Salesforce) -> list[str]:
    """The SOQL of the requests so far, without that of the account."""
    asked = [parse_qs(urlsplit(target).query).get("q", [""])[0] for _, target, _ in salesforce.seen]
    return [each for each in asked if each and "Organization" not in each]
