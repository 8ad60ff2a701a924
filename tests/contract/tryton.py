"""tap-tryton and both of its targets, in a real Tryton."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from antiphon.testing import Lab, Program
from tap_tryton.tap import TapTryton
from target_tryton.target import TargetTryton, TargetTrytonRest
from tests.tryton.proxy import Fault, Proxy
from tests.tryton.server import Server


class TrytonLab(Lab):
    """Parties, over JSON-RPC. One server is shared: a test looks at records of its own only."""

    tap: ClassVar[Program | None] = TapTryton
    target: ClassVar[Program | None] = TargetTryton
    stream, values, edit = "party-party", {"name": "P{n}"}, ("name", "Oslo")
    bad: ClassVar[Mapping[str, Any]] = {"nonsense": 1}
    api = "json-rpc"
    server: ClassVar[Server]
    proxy: ClassVar[Proxy]

    def config(self) -> Mapping[str, Any]:
        return {**self.server.settings(self.api), "url": self.proxy.url, "models": ["party.party"]}

    def enter(self, values: Mapping[str, Any]) -> int:
        return self.server.make("party.party", **values)

    def change(self, key: Any, values: Mapping[str, Any]) -> None:
        self.server.edit("party.party", key, **values)

    def remove(self, key: Any) -> None:
        self.server.delete("party.party", key)

    def record(self, key: Any) -> Mapping[str, Any] | None:
        return next((each for each in self.server.show("party.party", "name") if each["id"] == key), None)

    def count(self) -> int:
        return len(self.server.show("party.party", "name"))

    def merge(self, loser: Any, survivor: Any) -> int:
        self.server.replace(loser, survivor)
        return int(survivor)

    @contextmanager
    def interpose(self, human: Callable[[], object]) -> Iterator[None]:
        self.proxy.faults.append(Fault("human", r"\.write|^PUT ", do=human))
        yield


class TrytonRestLab(TrytonLab):
    """Parties, over REST; the tap is the same, and is not asked again."""

    tap, target, api = None, TargetTrytonRest, "rest"
