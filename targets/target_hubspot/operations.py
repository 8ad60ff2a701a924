"""The reconciler's operations on records: look, compare, write what differs, look who was in between.

| operation | requests for a hundred                                                                 |
|-----------|----------------------------------------------------------------------------------------|
| create    | by the key: is it there, is it in the recycle bin; then one upsert by the key          |
| update    | one read to compare with `expect`; one update of what differs; two reads of histories  |
| delete    | one read to compare with `expect`; one archive                                         |

HubSpot gives a new record values of its own where none were sent: a contact is a lead, a company has its domain as
website. The receipt of a create says that our write stored nothing there, so that the next read shows such a value as
what it is, an edit of HubSpot's, which crosses or meets one of the other side as any does.

HubSpot cannot compare and set in one step: an edit of somebody else between our read and our write is overwritten. The
histories show it, and the receipt tells it under `found`; also if nobody heard of that write, and it is sent once more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from tap_hubspot.api import BATCH, HubSpot, HubSpotError, MaybeApplied, NotConvertible, Property
from tap_hubspot.api.types import BATCH_WITH_HISTORY
from target_hubspot.batches import Input, Shown, outage, written
from target_kit import Applied, Failed, Fault, Gone, Kind, Operation, Outcome, Rejected, Stale

_REQUESTS = {Kind.CREATE: 3, Kind.UPDATE: 4, Kind.DELETE: 2}
_CLOCKS = timedelta(minutes=1)
"""HubSpot's clock and ours may be so far apart."""
_CREATE_ATTEMPTS = 5
_PAUSE = 0.5
"""Seconds after which a create of unknown fate is looked for, growing with each attempt."""


def requests(numbers: Mapping[Kind, int]) -> int:
    """The requests that so many operations of each kind take, if nothing goes wrong."""
    return sum(_REQUESTS[kind] * math.ceil(number / BATCH) for kind, number in numbers.items())


@dataclass(slots=True)
class Operations:
    """Carries out operations on the records of one object type, at most a hundred of one kind at a time."""

    hubspot: HubSpot
    name: str
    key: tuple[str, ...]
    sync_key: str
    verify: bool = True

    @property
    def _known(self) -> Mapping[str, Property]:
        return self.hubspot.properties(self.name)

    def update(self, operations: Sequence[Operation]) -> dict[str, Outcome]:
        """Change what differs, where what is expected is there."""
        outcomes, ready = self._converted(operations)
        try:
            there = self._look([op for op in operations if op.op_id in ready])
            earlier = self._replaced_before([op for op in operations if _id(op) in there], ready)
            inputs, befores = [], {}
            for op in operations:
                if op.op_id not in ready:
                    continue
                before = there.get(_id(op))
                outcomes[op.op_id] = early = self._compared(op, before)
                changed = {} if before is None else self._changed(ready[op.op_id], before)
                if early is None and not changed and before is not None:
                    outcomes[op.op_id] = self._applied(op, before, earlier.get(op.op_id))
                elif early is None and before is not None:
                    inputs.append(Input(op.op_id, _id(op), changed))
                    befores[op.op_id] = before
            results = written(self.hubspot, self.name, "update", inputs)
            clobbered = self._clobbered(inputs, befores, results)
        except HubSpotError as error:
            return _all(operations, outcomes, outage(error))
        for op in operations:
            result = results.get(op.op_id)
            if isinstance(result, Rejected | Failed | Gone):
                outcomes[op.op_id] = Gone(_id(op)) if isinstance(result, Gone) else result
            elif result is not None:
                shown = {**befores[op.op_id]["properties"], **_held(result)}
                lost = {**earlier.get(op.op_id, {}), **clobbered.get(op.op_id, {})}
                outcomes[op.op_id] = self._applied(op, {**result, "properties": shown}, lost)
        return _all(operations, outcomes, _missed())

    def create(self, operations: Sequence[Operation]) -> dict[str, Outcome]:
        """Make records, each once, however often it is asked for: the unique key tells which are there already."""
        if not self._known.get(self.sync_key, Property("")).unique:
            words = (
                f"{self.name} has no unique property {self.sync_key!r}, without which a create could be done twice: "
                "run `antiphon doctor --fix`, or `target-hubspot --check --fix`"
            )
            return {op.op_id: Failed(Fault("NoKeyProperty", words, 503)) for op in operations}
        outcomes, ready = self._converted(operations)
        waiting = [op for op in operations if op.op_id in ready]
        last: HubSpotError | None = None
        for attempt in range(_CREATE_ATTEMPTS):
            if not waiting:
                break
            if attempt:
                self.hubspot.session.sleep(_PAUSE * attempt)
            try:
                outcomes |= self._made_before(waiting, ready)
                waiting = [op for op in waiting if op.op_id not in outcomes]
                outcomes |= self._make(waiting, ready)
                waiting = []
            except MaybeApplied as error:
                last = error  # whether it was done is seen by the key
            except HubSpotError as error:
                return _all(operations, outcomes, outage(error))
        return _all(operations, outcomes, outage(last) if last is not None else _missed())

    def delete(self, operations: Sequence[Operation]) -> dict[str, Outcome]:
        """Archive records that are as expected."""
        outcomes: dict[str, Outcome | None] = {}
        try:
            there = self._look(operations)
            doomed = []
            for op in operations:
                outcomes[op.op_id] = early = self._compared(op, there.get(_id(op)))
                if early is None:
                    doomed.append(op)
            if doomed:
                self.hubspot.archive(self.name, [_id(op) for op in doomed])
            for op in doomed:
                outcomes[op.op_id] = Applied(self._key_of(_id(op)))
        except HubSpotError as error:
            return _all(operations, outcomes, outage(error))
        return _all(operations, outcomes, _missed())

    # ---- looking

    def _look(self, operations: Sequence[Operation]) -> dict[str, Shown]:
        """The records as they are, by id; one that is gone, or merged into another, is not there."""
        if not operations:
            return {}
        names = {name for op in operations for name in (*op.expect, *op.values) if name in self._known}
        found = self.hubspot.read(self.name, [_id(op) for op in operations], sorted(names) or ["hs_object_id"])
        return {str(shown["id"]): shown for shown in found}

    def _compared(self, op: Operation, there: Shown | None) -> Outcome | None:
        """Why the operation ends here; None if it may go on. What is there already as wanted is no surprise."""
        if there is None:
            return Gone(self._key_of(_id(op)))
        held = there["properties"]
        for name, expected in op.expect.items():
            known = self._known.get(name)
            if known is None or known.same(held.get(name), expected):
                continue
            if name in op.values and known.same(held.get(name), op.values[name]):
                continue
            return Stale(self._key_of(_id(op)), self._shown(held, {*op.expect, *op.values}), str(there["updatedAt"]))
        return None

    def _changed(self, values: Mapping[str, str], there: Shown) -> dict[str, str]:
        held = there["properties"]
        return {name: text for name, text in values.items() if not self._known[name].same(held.get(name), text)}

    def _clobbered(
        self, inputs: Sequence[Input], befores: Mapping[str, Shown], results: Mapping[str, Any]
    ) -> dict[str, dict[str, Any]]:
        """What somebody else entered between our look and our write, by operation and property."""
        if not self.verify:
            return {}
        done = [each for each in inputs if isinstance(results.get(each.trace), Mapping)]
        found: dict[str, dict[str, Any]] = {}
        for start in range(0, len(done), BATCH_WITH_HISTORY):
            batch = done[start : start + BATCH_WITH_HISTORY]
            histories = self._histories({each.id: each.values for each in batch})
            for each in batch:
                seen, history = befores[each.trace]["properties"], histories.get(each.id, {})
                lost: dict[str, Any] = {}
                for name, text in each.values.items():
                    lost |= self._under(name, (self._written(name, text, history) or [()])[0], seen.get(name))
                if lost:
                    found[each.trace] = lost
        return found

    def _replaced_before(
        self, operations: Sequence[Operation], ready: Mapping[str, Mapping[str, str]]
    ) -> dict[str, dict[str, Any]]:
        """Of operations that are sent once more, what they replaced the first time though it was not as expected."""
        again = [op for op in operations if op.sent_before is not None and op.op_id in ready and self.verify]
        found: dict[str, dict[str, Any]] = {}
        for start in range(0, len(again), BATCH_WITH_HISTORY):
            batch = again[start : start + BATCH_WITH_HISTORY]
            histories = self._histories({_id(op): ready[op.op_id] for op in batch})
            for op in batch:
                for name, text in ready[op.op_id].items():
                    for versions in self._written(name, text, histories.get(_id(op), {})):
                        if name in op.expect and op.sent_before and _at(versions[0]) >= op.sent_before - _CLOCKS:
                            found.setdefault(op.op_id, {}).update(self._under(name, versions, op.expect[name]))
        return {op_id: lost for op_id, lost in found.items() if lost}

    def _histories(self, wanted: Mapping[str, Mapping[str, str]]) -> dict[str, Mapping[str, Any]]:
        """The histories of these properties, by record; the newest version first."""
        names = sorted({name for values in wanted.values() for name in values})
        return {
            str(each["id"]): each.get("propertiesWithHistory") or {}
            for each in self.hubspot.read(self.name, list(wanted), names, history=names)
        }

    def _written(self, name: str, text: str, history: Mapping[str, Any]) -> list[Sequence[Mapping[str, Any]]]:
        """The history of a property from each of our writes of this value on, the newest first."""
        known, versions = self._known[name], history.get(name) or ()
        return [versions[n:] for n, v in enumerate(versions) if self._is_ours(v) and known.same(v["value"], text)]

    def _under(self, name: str, versions: Sequence[Mapping[str, Any]], seen: Any) -> dict[str, Any]:
        """The value that our write replaced, by its property, if it is not what was seen there and not ours."""
        known = self._known[name]
        if len(versions) <= 1 or self._is_ours(versions[1]) or known.same(versions[1]["value"], seen):
            return {}
        return {name: known.from_hubspot(versions[1]["value"])}

    def _is_ours(self, version: Mapping[str, Any]) -> bool:
        app = self.hubspot.account().app
        return version.get("sourceType") == "INTEGRATION" and (app is None or str(version.get("sourceId")) == app)

    # ---- creating

    def _made_before(
        self, operations: Sequence[Operation], ready: Mapping[str, Mapping[str, str]]
    ) -> dict[str, Outcome]:
        """Creates that took effect before: the record is there, or lies in the recycle bin."""
        by_key = {op.sync_key: op for op in operations}
        names = [*dict.fromkeys(name for op in operations for name in ready[op.op_id]), self.sync_key]
        found: dict[str, Outcome] = {}
        for shown in self.hubspot.read(self.name, list(by_key), names, by=self.sync_key):
            op = by_key.get(str(shown["properties"].get(self.sync_key)))
            if op is not None:
                found[op.op_id] = (
                    Stale(self._key_of(str(shown["id"])), self._shown(shown["properties"], op.values))
                    if self._changed(_sent(ready[op.op_id]), shown)
                    else self._made(op, ready[op.op_id], shown)
                )
        rest = [key for key, op in by_key.items() if op.op_id not in found]
        if rest:
            for shown in self.hubspot.read(self.name, rest, [self.sync_key], by=self.sync_key, archived=True):
                op = by_key.get(str(shown["properties"].get(self.sync_key)))
                if op is not None:
                    found[op.op_id] = Gone(self._key_of(str(shown["id"])))
        return found

    def _make(self, operations: Sequence[Operation], ready: Mapping[str, Mapping[str, str]]) -> dict[str, Outcome]:
        inputs = [Input(op.op_id, op.sync_key, _sent(ready[op.op_id]), self.sync_key) for op in operations]
        results = written(self.hubspot, self.name, "upsert", inputs, repeatable=False)
        outcomes: dict[str, Outcome] = {}
        for op in operations:
            result = results.get(op.op_id)
            if isinstance(result, Rejected | Failed | Gone):
                outcomes[op.op_id] = result
            elif result is not None:
                outcomes[op.op_id] = self._made(op, ready[op.op_id], result)
        return outcomes

    def _made(self, op: Operation, ready: Mapping[str, str], shown: Shown) -> Applied:
        """A create that took effect. It stored nothing where nothing was sent, whatever HubSpot put there."""
        applied = self._applied(op, shown)
        return replace(applied, stored={**applied.stored, **{name: None for name, text in ready.items() if not text}})

    # ---- values

    def _converted(
        self, operations: Sequence[Operation]
    ) -> tuple[dict[str, Outcome | None], dict[str, dict[str, str]]]:
        """The texts to send, by operation; an operation with a value that HubSpot would refuse is rejected here."""
        outcomes: dict[str, Outcome | None] = {}
        ready: dict[str, dict[str, str]] = {}
        for op in operations:
            try:
                ready[op.op_id] = {name: self._text(name, value) for name, value in op.values.items()}
            except NotConvertible as wrong:
                outcomes[op.op_id] = Rejected(Fault("NotConvertible", str(wrong), 400))
        return outcomes, ready

    def _text(self, name: str, value: Any) -> str:
        known = self._known.get(name)
        if known is None:
            raise NotConvertible(f"{name}: {self.name} has no such property; make it in HubSpot, or map another")
        if known.read_only:
            raise NotConvertible(f"{name}: HubSpot alone sets this property; map it one way, from HubSpot")
        return known.to_hubspot(value)

    def _applied(self, op: Operation, shown: Shown, found: Mapping[str, Any] | None = None) -> Applied:
        stored = self._shown(shown["properties"], op.values)
        return Applied(self._key_of(str(shown["id"])), stored, str(shown.get("updatedAt") or "") or None, found or {})

    def _shown(self, held: Mapping[str, Any], names: Any) -> dict[str, Any]:
        return {name: self._known[name].from_hubspot(held.get(name)) for name in sorted(names) if name in self._known}

    def _key_of(self, record_id: str) -> dict[str, str]:
        return dict.fromkeys(self.key or ("id",), record_id)


def _sent(ready: Mapping[str, str]) -> dict[str, str]:
    """What a create sends: nothing for what is empty."""
    return {name: text for name, text in ready.items() if text}


def _id(op: Operation) -> str:
    return str(next(iter(op.key.values()), ""))


def _at(version: Mapping[str, Any]) -> datetime:
    """When a version of a property was entered, as HubSpot writes it: in ISO 8601, in UTC."""
    return datetime.fromisoformat(str(version["timestamp"]))


def _held(shown: Shown) -> Mapping[str, Any]:
    held: Mapping[str, Any] = shown["properties"]
    return held


def _missed() -> Failed:
    return Failed(Fault("NoResult", "HubSpot's answer does not speak of this record", 503))


def _all(
    operations: Sequence[Operation], outcomes: Mapping[str, Outcome | None], otherwise: Outcome
) -> dict[str, Outcome]:
    return {op.op_id: outcomes.get(op.op_id) or otherwise for op in operations}
