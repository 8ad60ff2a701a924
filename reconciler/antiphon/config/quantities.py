"""Durations and limits, as the schema of sync.yml admits them."""

from __future__ import annotations

import re

from antiphon.mapping import Limit
from antiphon.model import Instant

_UNITS: dict[str, Instant] = {
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 604_800_000_000,
}


def duration(text: str) -> Instant:
    """`30s`, `5m`, `every 24h`, `7d`, `2w` in microseconds."""
    number, unit = text.removeprefix("every").strip()[:-1], text[-1]
    return int(number) * _UNITS[unit]


def limit(given: str | int) -> Limit:
    """`1000`, `50%` or `5% or 50`."""
    percent = re.search(r"([0-9.]+)%", str(given))
    count = re.search(r"([0-9]+)$", str(given))
    return Limit(float(percent[1]) if percent else None, int(count[1]) if count else None)
