"""tap-salesforce and target-salesforce, against the sandbox's Salesforce."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from antiphon.testing import Lab
from antiphon_sandbox.salesforce import Field, Salesforce
from tap_salesforce.tap import TapSalesforce
from target_salesforce.target import TargetSalesforce


class SalesforceLab(Lab):
    """Contacts."""

    tap, target, stream, key = TapSalesforce, TargetSalesforce, "Contact", "Id"
    values, edit = {"LastName": "N{n}", "MailingCity": "Rome"}, ("MailingCity", "Oslo")
    bad: ClassVar[Mapping[str, Any]] = {"Email": "badone"}

    def __enter__(self) -> Self:
        self.salesforce = Salesforce().__enter__()
        self.org = self.salesforce.org
        self.org.objects["Contact"].add(Field("antiphon_key__c", external_id=True, unique=True))
        return self

    def __exit__(self, *_: object) -> None:
        self.salesforce.__exit__()

    def config(self) -> Mapping[str, Any]:
        return {"access_token": self.salesforce.token, "instance_url": self.salesforce.url, "objects": ["Contact"]}

    def enter(self, values: Mapping[str, Any]) -> str:
        return self.org.enter("Contact", values).id

    def change(self, key: Any, values: Mapping[str, Any]) -> None:
        self.org.edit(key, **values)

    def remove(self, key: Any) -> None:
        self.org.trash(key)

    def record(self, key: Any) -> Mapping[str, Any] | None:
        return next((each.values for each in self.org.live("Contact") if each.id == key), None)

    def count(self) -> int:
        return len(self.org.live("Contact"))

    def merge(self, loser: Any, survivor: Any) -> str:
        return self.org.merge(survivor, loser).id
