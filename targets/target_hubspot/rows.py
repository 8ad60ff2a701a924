"""Records of ordinary taps: found by id, by a unique property, or by any other through search; then written by mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tap_hubspot.api import BATCH, HubSpot, HubSpotError, MaybeApplied, NotConvertible, Property
from target_hubspot.batches import Input, outage, written
from target_hubspot.settings import Mode, StreamSettings
from target_kit import Failed, Fault, Gone, Rejected, Row, TargetError

Refusal: TypeAlias = tuple[Row, Rejected]


@dataclass(frozen=True, slots=True)
class _Ready:
    """A row with the texts to send. `key` is its value of the property by which records are found."""

    trace: str
    row: Row
    key: str
    values: Mapping[str, str]


@dataclass(slots=True)
class Rows:
    """Writes rows of one stream, at most a hundred at a time. Ids that a search found are remembered."""

    hubspot: HubSpot
    settings: StreamSettings
    ignored: set[str] = field(default_factory=set)
    _ids: dict[str, list[str]] = field(default_factory=dict)

    @property
    def _known(self) -> Mapping[str, Property]:
        return self.hubspot.properties(self.settings.object)

    def write(self, rows: Sequence[Row], at_once: int = 1) -> Iterator[Refusal]:
        """Write the rows, so many batches at once; those that HubSpot refuses, with its words.

        Of the rows with one key the last one stands. Raises `TargetError` if HubSpot is not there.
        """
        deletes = self.settings.mode is Mode.MIRROR
        ready, refused = self._converted([row for row in rows if deletes or not row.deleted])
        yield from refused
        if self.settings.mode is not Mode.INSERT:
            ready = list({r.key: r for r in ready}.values())
        gone, stay = ([r for r in ready if r.row.deleted is deleted] for deleted in (True, False))
        try:
            with ThreadPoolExecutor(at_once) as workers:
                yield from _in_batches(workers, self._archive, gone)
                yield from _in_batches(workers, self._write, stay)
        except MaybeApplied as error:
            raise TargetError(
                f"{error.message}; records may have been made",
                hint="match by a unique property: then a repeated write makes no second record",
            ) from error
        except HubSpotError as error:
            raise TargetError(outage(error).fault.message, hint=error.hint) from error

    def _write(self, ready: Sequence[_Ready]) -> Iterator[Refusal]:
        match, mode = self.settings.match, self.settings.mode
        if mode is Mode.INSERT:
            yield from self._send("create", [Input(r.trace, "", r.values) for r in ready], ready, repeatable=False)
            return
        unique = match != "id" and self._known[match].unique
        if match == "id" or (unique and mode is Mode.UPDATE and match == "email"):
            yield from self._by_id(ready)
        elif unique and mode is Mode.UPDATE:
            yield from self._send("update", [Input(r.trace, r.key, r.values, match) for r in ready], ready)
        elif unique:
            yield from self._send("upsert", [Input(r.trace, r.key, r.values, match) for r in ready], ready)
        else:
            self._search([r.key for r in ready if r.key not in self._ids])
            yield from self._by_search(ready)

    def _by_id(self, ready: Sequence[_Ready]) -> Iterator[Refusal]:
        """Updates by record id; by e-mail HubSpot updates nobody, so the ids are looked up."""
        match = self.settings.match
        if match == "id":
            yield from self._send("update", [Input(r.trace, r.key, r.values) for r in ready], ready)
            return
        found = self.hubspot.read(self.settings.object, [r.key for r in ready], [match], by=match)
        ids = {str(each["properties"].get(match)): str(each["id"]) for each in found}
        there = [r for r in ready if r.key in ids]
        yield from ((r.row, self._nobody(r)) for r in ready if r.key not in ids)
        yield from self._send("update", [Input(r.trace, ids[r.key], r.values) for r in there], there)

    def _by_search(self, ready: Sequence[_Ready]) -> Iterator[Refusal]:
        updates, creates = [], []
        for r in ready:
            ids = self._ids.get(r.key, [])
            if len(ids) > 1:
                words = (
                    f"{len(ids)} records of {self.settings.object} have {self.settings.match} = {r.key!r}: "
                    f"{', '.join(ids)}; none was written"
                )
                yield r.row, Rejected(Fault("Ambiguous", words))
            elif ids:
                updates.append(Input(r.trace, ids[0], r.values))
            elif self.settings.mode is Mode.UPDATE:
                yield r.row, self._nobody(r)
            else:
                creates.append(Input(r.trace, "", {**r.values, self.settings.match: r.key}))
        yield from self._send("update", updates, ready)
        yield from self._send("create", creates, ready, repeatable=False)

    def _search(self, keys: Sequence[str]) -> None:
        """Which records have these values: one search for a hundred, page by page."""
        match = self.settings.match
        for start in range(0, len(keys), BATCH):
            wanted = keys[start : start + BATCH]
            self._ids |= {key: [] for key in wanted}
            folded = {key.lower(): key for key in wanted}
            after: str | None = None
            while True:
                body: dict[str, Any] = {
                    "filterGroups": [{"filters": [{"propertyName": match, "operator": "IN", "values": list(folded)}]}],
                    "properties": [match],
                    "limit": 200,
                    **({"after": after} if after else {}),
                }
                page, after = self.hubspot.search(self.settings.object, body)
                for each in page:
                    key = folded.get(str(each["properties"].get(match) or "").lower())
                    if key is not None:
                        self._ids[key].append(str(each["id"]))
                if after is None:
                    break

    def _send(
        self, action: str, inputs: Sequence[Input], ready: Sequence[_Ready], *, repeatable: bool = True
    ) -> Iterator[Refusal]:
        by_trace = {r.trace: r for r in ready}
        results = written(self.hubspot, self.settings.object, action, inputs, repeatable=repeatable)
        for trace, result in results.items():
            r = by_trace[trace]
            match result:
                case Rejected():
                    yield r.row, result
                case Failed(fault):
                    raise TargetError(fault.message, hint="run again: what was not written is sent again")
                case Gone():
                    yield r.row, self._nobody(r)
                case _:
                    self._ids[r.key] = [str(result["id"])]

    def _archive(self, ready: Sequence[_Ready]) -> Iterator[Refusal]:
        match = self.settings.match
        if match == "id":
            ids = [r.key for r in ready]
        elif self._known[match].unique:
            found = self.hubspot.read(self.settings.object, [r.key for r in ready], [match], by=match)
            ids = [str(each["id"]) for each in found]
        else:
            self._search([r.key for r in ready])
            ids = [key for r in ready for key in self._ids.get(r.key, []) if len(self._ids[r.key]) == 1]
            yield from (
                (r.row, Rejected(Fault("Ambiguous", f"several records have {match} = {r.key!r}; none was archived")))
                for r in ready
                if len(self._ids.get(r.key, [])) > 1
            )
        if ids:
            self.hubspot.archive(self.settings.object, ids)
            for r in ready:
                self._ids.pop(r.key, None)

    # ---- values

    def _converted(self, rows: Sequence[Row]) -> tuple[list[_Ready], list[Refusal]]:
        ready, refused = [], []
        for number, row in enumerate(rows):
            try:
                ready.append(self._ready(f"r{number}", row))
            except NotConvertible as wrong:
                refused.append((row, Rejected(Fault("NotConvertible", str(wrong)))))
        return ready, refused

    def _ready(self, trace: str, row: Row) -> _Ready:
        """Of a deleted row only the key is looked at."""
        match = self.settings.match
        key = row.record.get(match)
        if (key is None or key == "") and self.settings.mode is not Mode.INSERT:
            raise NotConvertible(f"{match}: the record has no value by which it could be found")
        values: dict[str, str] = {}
        for name, value in row.record.items():
            known = self._known.get(name)
            if known is None or known.read_only:
                self.ignored.add(name)
            elif not row.deleted and (value is not None or self.settings.nulls.clears(name)):
                values[name] = known.to_hubspot(value)
        if self.settings.mode is Mode.INSERT:
            values = {name: text for name, text in values.items() if text}
            return _Ready(trace, row, "", values)
        return _Ready(trace, row, self._key(match, key), {k: v for k, v in values.items() if k != match})

    def _key(self, match: str, value: Any) -> str:
        if match == "id":
            return str(value)
        text = self._known[match].to_hubspot(value)
        return text.lower() if match == "email" else text

    def _nobody(self, r: _Ready) -> Rejected:
        words = f"{self.settings.object} has no record with {self.settings.match} = {r.key!r}"
        return Rejected(Fault("NotFound", words, 404))


def _in_batches(
    workers: ThreadPoolExecutor, work: Callable[[Sequence[_Ready]], Iterator[Refusal]], ready: Sequence[_Ready]
) -> Iterator[Refusal]:
    batches = [ready[n : n + BATCH] for n in range(0, len(ready), BATCH)]
    for refused in workers.map(lambda batch: list(work(batch)), batches):
        yield from refused
