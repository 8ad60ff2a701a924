from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.tryton.server import Server, running


@pytest.fixture(scope="session")
def tryton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that look at records of their own only."""
    with running(tmp_path_factory.mktemp("tryton")) as server:
        yield server
