"""A Salesforce org for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from antiphon_sandbox.salesforce import Salesforce


@pytest.fixture
def salesforce() -> Iterator[Salesforce]:
    with Salesforce() as server:
        server.jobs.polls = 0  # jobs are done at once
        yield server
