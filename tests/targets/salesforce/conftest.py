"""A target of the tests: run in this process, against a Salesforce of the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from antiphon_sandbox.salesforce import Field, Salesforce
from target_salesforce import batches, operations
from tests.targets.salesforce.desk import Desk


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits before something is tried again."""
    for module in (batches, operations):
        monkeypatch.setattr(module, "_PAUSE", 0.0)
    monkeypatch.setattr("tap_salesforce.api.ingest._FIRST", 0.0)
    monkeypatch.setattr("tap_salesforce.api.session._LONGEST", 0.0)


@pytest.fixture
def salesforce(quick: None) -> Iterator[Salesforce]:
    with Salesforce() as server:
        for name in ("Contact", "Opportunity"):
            server.org.objects[name].add(Field("antiphon_key__c", length=36, external_id=True, unique=True))
        yield server


@pytest.fixture
def desk(salesforce: Salesforce, tmp_path: Path) -> Desk:
    return Desk(salesforce, tmp_path)
