"""What a plan costs at systems that ration their calls, reckoned by the targets that can (capability `estimate`)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from antiphon.config import SyncConfig
from antiphon.model import Op, Side
from antiphon.singer.plugins import Workshop
from antiphon.sync.run import title_of

_ESTIMATE = "estimate"


@dataclass(frozen=True, slots=True)
class Cost:
    """One thing that a side's target says of the work. `affordable` is False where it says that it will not do."""

    side: Side
    name: str
    message: str
    hint: str = ""
    affordable: bool = True


def costs(operations: Iterable[Op], config: SyncConfig, shop: Workshop) -> Iterator[Cost]:
    """Ask the targets of the sides on which something is to be done."""
    planned: dict[Side, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for op in operations:
        planned[op.side][config.entities[op.entity].sides[op.side].stream][op.kind.value] += 1
    for side, work in planned.items():
        target = config.sides[side].target
        if target is None or _ESTIMATE not in shop.about(target, title_of(target, side)).get("capabilities", ()):
            continue
        for told in shop.estimate(target, title_of(target, side), work):
            name, message, hint = (str(told.get(key, "")) for key in ("name", "message", "hint"))
            yield Cost(side, name, message, hint, affordable=bool(told["ok"]))
