"""Our connectors keep the contract of what they list."""

from __future__ import annotations

from antiphon.testing import get_contract_class
from tests.contract.hubspot import HubSpotLab
from tests.contract.salesforce import SalesforceLab
from tests.contract.sql import SqlLab

TestHubSpot = get_contract_class(HubSpotLab)
TestSalesforce = get_contract_class(SalesforceLab)
TestSql = get_contract_class(SqlLab)
