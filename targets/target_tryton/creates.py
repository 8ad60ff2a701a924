"""New records, each made once however often it is asked for: the key of its link tells whether it is there already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tap_tryton.api import STAMP, MaybeApplied, NotAuthorized, TrytonError
from target_kit import Failed, Fault, Gone, Operation, Outcome, Stale
from target_kit import split_on_error as split
from target_tryton.records import ATTEMPTS, ONE_ROW, Outcomes, Records, outage, row_fault
from target_tryton.settings import Place


@dataclass(slots=True)
class Creates:
    """Makes some records. `made`: the ids of those that were made, by operation."""

    records: Records
    made: dict[str, int] = field(default_factory=dict)

    def carry_out(self, operations: Sequence[Operation]) -> Outcomes:
        """One outcome per operation. Raises `NotAuthorized`."""
        records, place = self.records, self.records.place
        if place is None:
            words = (
                f"{records.model} has no known place for the key of the link, without which a create could be done "
                "twice: name a text field of it in the setting `keys`"
            )
            return {op.op_id: Failed(Fault("NoKeyField", words, 503)) for op in operations}
        outcomes, waiting = records.convertible(operations)
        last: TrytonError | None = None
        for attempt in range(ATTEMPTS):
            if not waiting:
                break
            records.pause(attempt)
            try:
                outcomes |= self._made_before(waiting, place)
                waiting = [op for op in waiting if op.op_id not in outcomes]
                answers = split(waiting, lambda some: self._make(some, place), ONE_ROW, row_fault)
                outcomes |= {op.op_id: answer for op, answer in zip(waiting, answers, strict=True) if answer}
                waiting = []
            except MaybeApplied as error:
                last = error  # whether it was done is seen by the key
                waiting = [op for op in waiting if op.op_id not in self.made]
            except NotAuthorized:
                raise
            except TrytonError as error:
                last = error
                break
        outcomes |= records.read_back(operations, self.made)
        return outcomes | {op.op_id: outage(last) for op in waiting if last is not None and op.op_id not in outcomes}

    def _make(self, operations: Sequence[Operation], place: Place) -> list[Outcome | None]:
        values = self.records.values
        rows = [{**values.to_create(op.values), **place.values(op.sync_key)} for op in operations]
        ids = self.records.tryton.create(self.records.model, rows) if rows else []
        self.made |= {op.op_id: key for op, key in zip(operations, ids, strict=True)}
        return [None] * len(ids)

    def _made_before(self, operations: Sequence[Operation], place: Place) -> Outcomes:
        """What an earlier try has made."""
        records = self.records
        found = self._by_key([op.sync_key for op in operations], place)
        there = records.look(sorted(found.values()), operations)
        outcomes: Outcomes = {}
        for op in operations:
            key = found.get(op.sync_key)
            if key is None:
                continue
            shown = there.get(key)
            if shown is None or records.is_gone(shown):
                outcomes[op.op_id] = Gone(records.key_of(key))
            elif records.values.changed(op.values, shown):
                stored = records.values.shown(shown, op.values)
                outcomes[op.op_id] = Stale(records.key_of(key), stored, str(shown[STAMP]))
            else:
                outcomes[op.op_id] = records.applied(op, key, shown)
        return outcomes

    def _by_key(self, keys: Sequence[str], place: Place) -> dict[str, int]:
        """The records that hold these keys, inactive ones too."""
        tryton, model = self.records.tryton, self.records.model
        if not place.children:
            pages = tryton.pages(model, [[place.field, "in", list(keys)]], [place.field])
            return {str(each[place.field]): int(each["id"]) for page in pages for each in page}
        known = tryton.model(model)
        child, parent = known.children[place.children], known.parents[place.children]
        pages = tryton.pages(child, [[place.field, "in", list(keys)]], [place.field, parent])
        return {str(each[place.field]): int(each[parent]) for page in pages for each in page if each[parent]}
