"""What a policy was asked, kept with the write it led to: `antiphon backtest` asks other policies the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from antiphon.equivalence import is_empty
from antiphon.merge import Reading, Surroundings, has_changed
from antiphon.model import MISSING, Missing, Side


def contest_of(sides: tuple[Side, Side], readings: list[Reading], around: Surroundings) -> dict[str, Any] | None:
    """The contest that the readings of one unit are, None if they are none: one side alone changed it, say.

    `values` and `base` are by side, then by field; `changed_in` is, by side, when the last change happened.
    """
    if any(value is MISSING for reading in readings for value in reading.values.values()):
        return None
    joining = [reading for reading in readings if reading.base is None]
    if joining:
        if any(all(is_empty(_known(r.values[side])) for r in joining) for side in sides):
            return None
    elif not all(any(has_changed(r, side, around) for r in readings) for side in sides):
        return None
    return {
        "values": values_of(sides, readings),
        "base": {side: {r.field.name: r.base[side] for r in readings if r.base is not None} for side in sides},
        "changed_in": spans_of(readings),
    }


def values_of(sides: tuple[Side, Side], readings: list[Reading]) -> dict[Side, dict[str, Any]]:
    """What each side shows, by field; what it does not show is left out."""
    return {side: {r.field.name: v for r in readings if not isinstance(v := r.values[side], Missing)} for side in sides}


def spans_of(readings: list[Reading]) -> dict[Side, list[int]]:
    """By side, when its last change to any of the fields happened."""
    found: dict[Side, list[int]] = {}
    for reading in readings:
        for side, (since, until) in reading.changed_in.items():
            lo, hi = found.get(side, [since, until])
            found[side] = [max(lo, since), max(hi, until)]
    return found


def readings_of(contest: Mapping[str, Any], fields: Mapping[str, Any], names: list[str]) -> list[Reading]:
    """The contest as it was, for the `fields` of another mapping. A field that this one does not have is left out."""
    sides = list(contest["values"])
    spans = {side: (int(lo), int(hi)) for side, (lo, hi) in contest["changed_in"].items()}
    return [
        Reading(
            fields[name],
            {side: contest["values"][side].get(name, MISSING) for side in sides},
            {side: contest["base"][side][name] for side in sides} if _has_base(contest, name) else None,
            spans,
        )
        for name in names
        if name in fields
    ]


def _has_base(contest: Mapping[str, Any], name: str) -> bool:
    base = contest["base"]
    return bool(base) and all(name in base.get(side, {}) for side in contest["values"])


def _known(value: Any) -> Any:
    return None if isinstance(value, Missing) else value
