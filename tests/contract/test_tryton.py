"""Tryton's tap and targets keep the contract of what they list, in a real server."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from antiphon.testing import get_contract_class
from tests.contract.tryton import TrytonLab, TrytonRestLab
from tests.tryton.proxy import before
from tests.tryton.server import running

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("tryton")]


@pytest.fixture(scope="module", autouse=True)
def _served() -> Iterator[None]:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="antiphon-tryton-"))
        TrytonLab.server = stack.enter_context(running(Path(folder)))
        TrytonLab.proxy = stack.enter_context(before(TrytonLab.server.url))
        yield


TestTryton = get_contract_class(TrytonLab)
TestTrytonRest = get_contract_class(TrytonRestLab)
