"""tap-hubspot and target-hubspot, against the sandbox's HubSpot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Self

from antiphon.testing import Lab
from antiphon_sandbox.hubspot import Fault, HubSpot
from antiphon_sandbox.hubspot.schema import Property
from tap_hubspot.tap import TapHubSpot
from target_hubspot.target import TargetHubSpot


class HubSpotLab(Lab):
    """Contacts."""

    tap, target = TapHubSpot, TargetHubSpot
    stream, values, edit = "contacts", {"email": "n{n}@example.com", "city": "Rome"}, ("city", "Oslo")
    bad: ClassVar[Mapping[str, Any]] = {"num_children": "many"}

    def __enter__(self) -> Self:
        self.hubspot = HubSpot().__enter__()
        self.account = self.hubspot.account
        self.account.define("contacts", Property("antiphon_key", unique=True, defined_by_hubspot=False))
        return self

    def __exit__(self, *_: object) -> None:
        self.hubspot.__exit__()

    def config(self) -> Mapping[str, Any]:
        return {"access_token": self.hubspot.token, "api_base": self.hubspot.url}

    def enter(self, values: Mapping[str, Any]) -> str:
        return self.account.enter("contacts", values).id

    def change(self, key: Any, values: Mapping[str, Any]) -> None:
        self.account.edit("contacts", key, **values)

    def remove(self, key: Any) -> None:
        self.account.trash("contacts", key)

    def record(self, key: Any) -> Mapping[str, Any] | None:
        return next((each.values for each in self.account.live("contacts") if each.id == key), None)

    def count(self) -> int:
        return len(self.account.live("contacts"))

    def merge(self, loser: Any, survivor: Any) -> str:
        held = {each.id: each for each in self.account.live("contacts")}
        return self.account.merge(held[survivor], held[loser]).id

    @contextmanager
    def interpose(self, human: Callable[[], object]) -> Iterator[None]:
        self.hubspot.faults.add(Fault("human", path="batch/update", does=human))
        yield
