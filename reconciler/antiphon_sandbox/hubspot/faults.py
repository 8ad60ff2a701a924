"""Switches for what goes wrong, drawn from a seed: which requests, how often, and whether a write took effect first.

| kind          | what happens                                                                        |
|---------------|-------------------------------------------------------------------------------------|
| `status`      | this HTTP status with a body as HubSpot's, or with the `body` that is given; 429    |
|               | comes as burst, 423 and 477 as known                                                |
| `secondly`    | the 429 of search; `daily`: the 429 of the day                                      |
| `timeout`     | nothing is answered for `seconds`, then the connection is closed                    |
| `cut`         | the connection is closed in the middle of the answer                                |
| `slow`        | the answer comes `seconds` late                                                     |
| `expire`      | every OAuth access token ends just before the request                               |
| `truncate`    | a page lacks its second half, and the paging that would lead on                     |
| `duplicate`   | a page comes twice: the cursor leads back to it once                                |
| `partial`     | half of a batch's results are missing, and an INTERNAL_ERROR names them (status 207) |
| `human`       | `does` is called before the request is carried out: a person was quicker            |

`applied` says whether the request was carried out before the answer went wrong.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Kind: TypeAlias = Literal[
    "status", "secondly", "daily", "timeout", "cut", "slow", "expire", "truncate", "duplicate", "partial", "human"
]


@dataclass(slots=True)
class Fault:
    """One switch: it is on for `times` requests whose method and path `path` finds, each with this `chance`."""

    kind: Kind
    path: str = ""
    times: int = 1
    chance: float = 1.0
    status: int = 503
    body: Mapping[str, Any] | None = None
    applied: bool = False
    seconds: float = 0.2
    retry_after: int | None = None
    after: int = 0  # so many fitting requests pass first
    does: Callable[[], object] | None = None

    def fits(self, method: str, path: str) -> bool:
        """Whether the request is one of those meant."""
        return re.search(self.path, f"{method} {path}") is not None


@dataclass(slots=True)
class Faults:
    """The switches that are on."""

    seed: int = 0
    switches: list[Fault] = field(default_factory=list)
    met: list[tuple[Kind, str]] = field(default_factory=list)  # what went wrong so far, and where
    _random: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def add(self, *switches: Fault) -> None:
        """Turn switches on."""
        self.switches += switches

    def clear(self) -> None:
        """Turn all off."""
        self.switches.clear()

    def draw(self, method: str, path: str) -> Fault | None:
        """What goes wrong with this request, if anything."""
        for switch in self.switches:
            if switch.times <= 0 or not switch.fits(method, path):
                continue
            if switch.after > 0:
                switch.after -= 1
                continue
            if self._random.random() >= switch.chance:
                continue
            switch.times -= 1
            self.met.append((switch.kind, f"{method} {path}"))
            return switch
        return None
