"""Records of ordinary taps: found by id or by another field, then updated, or made where that field's value is new."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tap_salesforce.api import DELETED, NotConvertible, SalesforceError
from tap_salesforce.api.org import Shown
from target_kit import Failed, Fault, Gone, Rejected, Row, TargetError
from target_salesforce.batches import Batches, Result
from target_salesforce.records import KEY, Records

Refusal: TypeAlias = tuple[Row, Rejected]


@dataclass(slots=True)
class Rows:
    """Writes rows of one stream. `match`: the field by which a record is found; `ignored`: columns left out."""

    records: Records
    match: str
    ignored: set[str] = field(default_factory=set)

    def write(self, rows: Sequence[Row]) -> Iterator[Refusal]:
        """Write the rows, the later of one key over the earlier; those that are refused, with the reason.

        Raises `TargetError` if Salesforce cannot be had, or a record could not be written now and may be later.
        """
        last: dict[str, Row] = {}
        for row in rows:
            key = row.record.get(self.match)
            if row.deleted:
                continue
            if key is None or key == "":
                words = f"{self.match}: the record has no value by which it could be found"
                yield row, Rejected(Fault("NotConvertible", words))
            else:
                last[str(key)] = row
        try:
            yield from self._write(last)
        except SalesforceError as error:
            raise TargetError(error.message, hint=error.hint) from error

    def _write(self, rows: dict[str, Row]) -> Iterator[Refusal]:
        fields = self.records.object.fields
        names = {name for row in rows.values() for name in row.record if name in fields}
        there: dict[str, list[Shown]] = {}
        for each in self.records.look(self.match, rows, names):
            if not each[DELETED]:
                there.setdefault(str(each[self.match]).lower(), []).append(each)
        creates, updates = list[tuple[Row, Any]](), list[tuple[Row, Any]]()
        for key, row in rows.items():
            found = there.get(key.lower(), [])
            try:
                if len(found) > 1:
                    ids = ", ".join(str(each[KEY]) for each in found)
                    words = f"{len(found)} records have {self.match} = {key!r}: {ids}; none was written"
                    yield row, Rejected(Fault("Ambiguous", words))
                elif found:
                    if changed := self.records.changed(self._known(row, creating=False), found[0]):
                        updates.append((row, {KEY: found[0][KEY], **changed}))
                elif self.match == KEY:
                    yield row, Rejected(Fault("NotFound", f"{self.records.object.name} has no record {key}", 404))
                else:
                    creates.append((row, self.records.to_send(self._known(row, creating=True), creating=True)))
            except NotConvertible as wrong:
                yield row, Rejected(Fault("NotConvertible", str(wrong)))
        batches = Batches(self.records.org, self.records.object.name)
        yield from _refused(updates, batches.update([sent for _, sent in updates]))
        yield from _refused(creates, batches.create([sent for _, sent in creates]))

    def _known(self, row: Row, *, creating: bool) -> dict[str, Any]:
        """What of the row the object can hold."""
        found = {}
        for name, value in row.record.items():
            known = self.records.object.fields.get(name)
            if known is not None and (known.createable if creating else known.updateable):
                found[name] = value
            elif name != KEY:
                self.ignored.add(name)
        return found


def _refused(rows: Sequence[tuple[Row, Any]], results: Sequence[Result]) -> Iterator[Refusal]:
    for (row, _), result in zip(rows, results, strict=True):
        match result:
            case Rejected():
                yield row, result
            case Failed(fault):
                raise TargetError(fault.message, hint="run again: what was written is not written twice")
            case Gone():
                yield row, Rejected(Fault("Gone", "the record was deleted while it was written"))
            case _:
                pass
