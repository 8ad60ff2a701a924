"""Our connectors keep the contract of what they list."""

from __future__ import annotations

from antiphon.testing import get_contract_class
from tests.contract.hubspot import HubSpotLab
from tests.contract.sql import SqlLab

TestHubSpot = get_contract_class(HubSpotLab)
TestSql = get_contract_class(SqlLab)
