"""Records of ordinary taps: found by id or by another field, then written by mode.

| mode   | found by an external id           | found by another field                                      |
|--------|-----------------------------------|-------------------------------------------------------------|
| insert | made                              | made                                                        |
| update | a look, and what differs          | a look, and what differs; refused if nothing is found       |
| upsert | one request: Salesforce finds it  | a look; made if nothing is found                            |
| mirror | as upsert; deleted if it is gone at its source, purged if wanted; if it is back, out of the bin |

Of several records with the value none is written. A row that refers to another of the same batch is written after it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tap_salesforce.api import DELETED, MASTER, STAMP, MaybeApplied, NotConvertible, SalesforceError, folded, undelete
from tap_salesforce.api.org import Shown
from target_kit import Failed, Fault, Gone, Rejected, Row, TargetError
from target_salesforce.batches import Result, Writer
from target_salesforce.columns import flat
from target_salesforce.records import Records
from target_salesforce.settings import KEY, Mode, StreamSettings

Refusal: TypeAlias = tuple[Row, Rejected]


@dataclass(frozen=True, slots=True)
class _Ready:
    """A row whose values are told apart. `key` is its value of the field by which records are found, folded."""

    row: Row
    key: str
    values: Mapping[str, Any]


@dataclass(slots=True)
class Rows:
    """Writes rows of one stream. `purge` deletes past the recycle bin; `ignored`: columns left out."""

    records: Records
    settings: StreamSettings
    purge: Callable[[Sequence[str]], list[Result]]
    ignored: set[str] = field(default_factory=set)

    def write(self, rows: Sequence[Row], writer: Writer) -> Iterator[Refusal]:
        """Write the rows, the later of one key over the earlier; those that are refused, with the reason.

        Raises `TargetError` if Salesforce cannot be had, or a record could not be written now and may be later.
        """
        ready, gone = list[_Ready](), list[_Ready]()
        for row in rows:
            each = self._ready(row)
            if isinstance(each, Rejected):
                yield row, each
            else:
                (gone if row.deleted else ready).append(each)
        try:
            if self.settings.mode is Mode.INSERT:
                yield from self._create(ready, writer)
                return
            last = {each.key: each for each in ready}
            if self.settings.mode is Mode.MIRROR and self.settings.undelete:
                yield from self._undelete(last)
            for wave in self._waves(last):
                yield from self._write(wave, writer)
            if self.settings.mode is Mode.MIRROR:
                yield from self._delete(gone, writer)
        except MaybeApplied as error:
            hint = "match by an external id: then a repeated write makes no second record"
            raise TargetError(f"{error.message}; records may have been made", hint=hint) from error
        except SalesforceError as error:
            raise TargetError(error.message, hint=error.hint) from error

    # ---- values

    def _ready(self, row: Row) -> _Ready | Rejected:
        match, values = self.settings.match, flat(row.record)
        key = values.get(match)
        if (key is None or key == "") and self.settings.mode is not Mode.INSERT:
            words = f"{match}: the record has no value by which it could be found"
            return Rejected(Fault("NotConvertible", words))
        known = {}
        for name, value in values.items():
            if self.records.column(name) is None:
                self.ignored.add(name)
            elif value is not None or self.settings.nulls.clears(name):
                known[name] = value
        return _Ready(row, folded(self.records.object.fields[match], key), known)

    def _sent(self, each: _Ready, *, creating: bool) -> dict[str, Any]:
        """What of the row can be sent. Raises `NotConvertible`."""
        return self.records.to_send(self._writable(each, creating=creating), creating=creating)

    def _writable(self, each: _Ready, *, creating: bool) -> dict[str, Any]:
        found = {}
        for name, value in each.values.items():
            if self.records.is_writable(name, creating=creating):
                found[name] = value
            elif name != KEY:
                self.ignored.add(name)
        return found

    # ---- writing

    def _write(self, rows: Sequence[_Ready], writer: Writer) -> Iterator[Refusal]:
        match, mode = self.settings.match, self.settings.mode
        if mode is not Mode.UPDATE and self.records.object.fields[match].external_id:
            yield from self._upsert(rows, writer)
            return
        there = self._there(rows)
        creates, updates = list[_Ready](), list[tuple[_Ready, Any]]()
        for each in rows:
            found = there.get(each.key, [])
            try:
                if len(found) > 1:
                    yield each.row, self._ambiguous(each, found)
                elif found:
                    if changed := self.records.changed(self._writable(each, creating=False), found[0]):
                        updates.append((each, {KEY: found[0][KEY], **changed}))
                elif match == KEY or mode is Mode.UPDATE:
                    words = f"{self.records.object.name} has no record with {match} = {self._key(each)!r}"
                    yield each.row, Rejected(Fault("NotFound", words, 404))
                else:
                    creates.append(each)
            except NotConvertible as wrong:
                yield each.row, Rejected(Fault("NotConvertible", str(wrong)))
        sent = [record for _, record in updates]
        yield from _refused([each for each, _ in updates], writer.update(sent, {}) if sent else [])
        yield from self._create(creates, writer)

    def _create(self, rows: Sequence[_Ready], writer: Writer) -> Iterator[Refusal]:
        ready, sent = yield from self._converted(rows)
        yield from _refused(ready, writer.create(sent, "") if sent else [])

    def _upsert(self, rows: Sequence[_Ready], writer: Writer) -> Iterator[Refusal]:
        ready, sent = yield from self._converted(rows)
        yield from _refused(ready, writer.upsert(self.settings.match, sent) if sent else [])

    def _converted(self, rows: Sequence[_Ready]) -> Generator[Refusal, None, tuple[list[_Ready], list[dict[str, Any]]]]:
        """The rows that can be sent, with what to send; the others are refused."""
        ready, sent = list[_Ready](), list[dict[str, Any]]()
        for each in rows:
            try:
                record = self._sent(each, creating=True)
            except NotConvertible as wrong:
                yield each.row, Rejected(Fault("NotConvertible", str(wrong)))
            else:
                ready.append(each)
                sent.append(record)
        return ready, sent

    def _delete(self, rows: Sequence[_Ready], writer: Writer) -> Iterator[Refusal]:
        there = self._there(rows) if rows else {}
        doomed = []
        for each in rows:
            found = there.get(each.key, [])
            if len(found) > 1:
                yield each.row, self._ambiguous(each, found)
            elif found:
                doomed.append((each, str(found[0][KEY])))
        remove = self.purge if self.settings.hard_delete else writer.delete
        results = remove([key for _, key in doomed]) if doomed else []
        there_still = [
            (each, result)
            for (each, _), result in zip(doomed, results, strict=True)
            if not isinstance(result, Gone)
        ]  # fmt: skip
        yield from _refused([each for each, _ in there_still], [result for _, result in there_still])

    def _undelete(self, rows: dict[str, _Ready]) -> Iterator[Refusal]:
        """Take out of the recycle bin what is back and has no live record; rows of what cannot be had are refused."""
        match, known = self.settings.match, self.records.object
        live, binned = set[str](), dict[str, Shown]()
        keys = [self._key(each) for each in rows.values()]
        for shown in self.records.look(match, keys, [MASTER]):
            key = folded(known.fields[match], shown[match])
            if not shown.get(DELETED):
                live.add(key)
            elif not shown.get(MASTER) and shown[STAMP] >= binned.get(key, shown)[STAMP]:
                binned[key] = shown
        back = sorted(binned.keys() - live)
        what = f"the taking of {len(back)} records of {known.name} out of the recycle bin"
        told = undelete(self.records.org.session, [str(binned[key][KEY]) for key in back], what) if back else []
        for key, words in zip(back, told, strict=True):
            if words:
                yield rows.pop(key).row, Rejected(Fault("UNDELETE_FAILED", f"Salesforce says: {words}", 400))

    # ---- finding

    def _there(self, rows: Sequence[_Ready]) -> dict[str, list[Shown]]:
        """The live records, by the folded value by which they are found."""
        match = self.settings.match
        field, found = self.records.object.fields[match], dict[str, list[Shown]]()
        names = {name for each in rows for name in each.values}
        for shown in self.records.look(match, [self._key(each) for each in rows], names):
            if not shown.get(DELETED):
                found.setdefault(folded(field, shown[match]), []).append(shown)
        return found

    def _key(self, each: _Ready) -> str:
        return str(flat(each.row.record)[self.settings.match])

    def _ambiguous(self, each: _Ready, found: Sequence[Shown]) -> Rejected:
        ids = ", ".join(sorted(str(shown[KEY]) for shown in found))
        words = f"{len(found)} records have {self.settings.match} = {self._key(each)!r}: {ids}; none was written"
        return Rejected(Fault("Ambiguous", words))

    def _waves(self, rows: Mapping[str, _Ready]) -> Iterator[Sequence[_Ready]]:
        """The rows in the order in which they refer to one another; those of a ring come last, together."""
        own = self.records.object
        names = [
            f"{each.relationship}.{self.settings.match}"
            for each in own.fields.values()
            if each.relationship and own.name in each.refers_to
        ]
        field, waiting = own.fields[self.settings.match], dict(rows)

        def waits(each: _Ready) -> bool:
            wanted = {folded(field, each.values[name]) for name in names if each.values.get(name)}
            return any(key in waiting for key in wanted - {each.key})

        while waiting:
            wave = [each for each in waiting.values() if not waits(each)] or list(waiting.values())
            yield wave
            for each in wave:
                del waiting[each.key]


def _refused(rows: Sequence[_Ready], results: Sequence[Result]) -> Iterator[Refusal]:
    for each, result in zip(rows, results, strict=True):
        match result:
            case Rejected():
                yield each.row, result
            case Failed(fault):
                raise TargetError(fault.message, hint="run again: what was written is not written twice")
            case Gone():
                yield each.row, Rejected(Fault("Gone", "the record was deleted while it was written"))
            case _:
                pass
