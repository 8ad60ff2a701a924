"""Associations and members of static lists: pairs that are there or not, so that adding twice is as good as once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from tap_hubspot.api import HubSpot, HubSpotError, Refused
from target_hubspot.batches import outage, refusal
from target_kit import Failed, Fault, Gone, Rejected

Pair: TypeAlias = tuple[str, str, int | None]
"""Two ids, and the number of the kind of association; None is the plain one."""

Fate: TypeAlias = Rejected | Failed | None
"""Why a pair could not be written; None if it was."""


class Pairs(Protocol):
    """Whatever holds pairs."""

    def add(self, pairs: Sequence[Pair]) -> dict[Pair, Fate]:
        """Put pairs in."""

    def remove(self, pairs: Sequence[Pair]) -> dict[Pair, Fate]:
        """Take pairs out."""


@dataclass(slots=True)
class Associations:
    """The associations of two object types."""

    hubspot: HubSpot
    from_type: str
    to_type: str
    _labels: dict[int, str] = field(default_factory=dict)

    def add(self, pairs: Sequence[Pair]) -> dict[Pair, Fate]:
        """Associate; a pair whose end is not there is refused, all others are written."""
        try:
            answer = self.hubspot.associate(self.from_type, self.to_type, [self._input(pair) for pair in pairs])
        except Refused as error:
            if len(pairs) == 1:
                return {pairs[0]: _fate(error.body, error.status)}
            middle = len(pairs) // 2
            return self.add(pairs[:middle]) | self.add(pairs[middle:])
        except HubSpotError as error:
            return dict.fromkeys(pairs, outage(error))
        done = {(str(each["fromObjectId"]), str(each["toObjectId"])) for each in answer.results}
        fates: dict[Pair, Fate] = {pair: None for pair in pairs if pair[:2] in done}
        lost = [pair for pair in pairs if pair not in fates]
        if len(pairs) == 1 and lost:
            return {pairs[0]: _fate(answer.errors[0] if answer.errors else {}, None)}
        for pair in lost:  # HubSpot's error names an end, not the pair
            fates |= self.add([pair])
        return fates

    def remove(self, pairs: Sequence[Pair]) -> dict[Pair, Fate]:
        """Part; a pair that is not associated is so already. A pair without a kind is parted whole."""
        fates: dict[Pair, Fate] = {}
        for labels in (False, True):
            some = [pair for pair in pairs if (pair[2] is not None) == labels]
            if not some:
                continue
            inputs = [
                {**self._input(pair), "types": self._types(pair)}
                if labels
                else {"from": {"id": pair[0]}, "to": [{"id": pair[1]}]}
                for pair in some
            ]
            try:
                self.hubspot.part(self.from_type, self.to_type, inputs, labels=labels)
                fates |= dict.fromkeys(some)
            except Refused as error:
                fates |= dict.fromkeys(some, _fate(error.body, error.status))
            except HubSpotError as error:
                fates |= dict.fromkeys(some, outage(error))
        return fates

    def _input(self, pair: Pair) -> dict[str, Any]:
        return {"from": {"id": pair[0]}, "to": {"id": pair[1]}, "types": self._types(pair)}

    def _types(self, pair: Pair) -> list[Mapping[str, Any]]:
        if not self._labels:
            shown = self.hubspot.labels(self.from_type, self.to_type)
            self._labels = {int(each["typeId"]): str(each["category"]) for each in shown}
            self._labels[0] = next((str(each["typeId"]) for each in shown if not each.get("label")), "")
        wanted = pair[2] if pair[2] is not None else int(self._labels[0] or 0)
        category = self._labels.get(wanted, "HUBSPOT_DEFINED")
        return [{"associationCategory": category, "associationTypeId": wanted}] if wanted else []


@dataclass(slots=True)
class Members:
    """The members of static lists: (list id, record id)."""

    hubspot: HubSpot

    def add(self, pairs: Sequence[Pair]) -> dict[Pair, Fate]:
        """Put records into lists."""
        return self._change(pairs, add=True)

    def remove(self, pairs: Sequence[Pair]) -> dict[Pair, Fate]:
        """Take records out of lists."""
        return self._change(pairs, add=False)

    def _change(self, pairs: Sequence[Pair], *, add: bool) -> dict[Pair, Fate]:
        fates: dict[Pair, Fate] = {}
        for list_id in dict.fromkeys(pair[0] for pair in pairs):
            some = [pair for pair in pairs if pair[0] == list_id]
            ids = [pair[1] for pair in some]
            try:
                shown = self.hubspot.change_members(list_id, ids if add else [], [] if add else ids)
            except Refused as error:
                fates |= dict.fromkeys(some, _fate(error.body, error.status))
                continue
            except HubSpotError as error:
                fates |= dict.fromkeys(some, outage(error))
                continue
            missing = {str(each) for each in shown.get("recordIdsMissing") or ()}
            for pair in some:
                words = f"there is no record {pair[1]} that list {list_id} could hold"
                fates[pair] = Rejected(Fault("NotFound", words, 404)) if pair[1] in missing else None
        return fates


def _fate(error: Mapping[str, Any], status: int | None) -> Rejected | Failed:
    found = refusal(error, status)
    if isinstance(found, Gone):
        return Rejected(Fault("NotFound", str(error.get("message") or "a record of the pair is not there"), 404))
    return found
