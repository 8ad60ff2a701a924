"""Records of ordinary taps: found by id or by another field, then updated, or made where that field is new."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tap_tryton.api import (
    STAMP,
    Changed,
    MaybeApplied,
    NotConvertible,
    Refused,
    ServerFault,
    Shown,
    Tryton,
    TrytonError,
)
from target_kit import Fault, Rejected, Row, TargetError
from target_kit import split_on_error as split
from target_tryton.settings import StreamSettings
from target_tryton.values import Values

Refusal: TypeAlias = tuple[Row, Rejected]
Found: TypeAlias = dict[str, list[Shown]]
_ONE_ROW = (Refused, ServerFault, Changed)


@dataclass(slots=True)
class Rows:
    """Writes rows of one stream. Rows that their tap shows as deleted are left alone."""

    tryton: Tryton
    settings: StreamSettings
    ignored: set[str] = field(default_factory=set)

    def write(self, rows: Sequence[Row]) -> Iterator[Refusal]:
        """Write the rows, the later of one key over the earlier; those that are refused, with the reason.

        Raises `TargetError` if Tryton cannot be had.
        """
        last: dict[str, tuple[Row, dict[str, Any]]] = {}
        for row in rows:
            if row.deleted:
                continue
            try:
                last[self._key(row)] = (row, self._known(row))
            except NotConvertible as wrong:
                yield row, Rejected(Fault("NotConvertible", str(wrong)))
        try:
            yield from self._write(last)
        except MaybeApplied as error:
            raise TargetError(
                f"{error.message}; records may have been made",
                hint="see which of the last ones are there before you run again",
            ) from error
        except TrytonError as error:
            raise TargetError(error.message, hint=error.hint) from error

    @property
    def _values(self) -> Values:
        return Values(self.tryton.model(self.settings.model))

    def _key(self, row: Row) -> str:
        value = row.record.get(self.settings.match)
        if value is None or value == "":
            raise NotConvertible(f"{self.settings.match}: the record has no value by which it could be found")
        return str(value)

    def _known(self, row: Row) -> dict[str, Any]:
        """What of the row the model can hold."""
        fields = self._values.model.fields
        found = {}
        for name, value in row.record.items():
            if name in fields and not fields[name].read_only:
                found[name] = value
            elif name != "id":
                self.ignored.add(name)
        self._values.checked(found)
        return found

    def _write(self, rows: Mapping[str, tuple[Row, dict[str, Any]]]) -> Iterator[Refusal]:
        there = self._look(list(rows), {name for _, values in rows.values() for name in values})
        creates, updates = [], []
        for key, (row, values) in rows.items():
            found = there.get(key, [])
            if len(found) > 1:
                ids = ", ".join(str(each["id"]) for each in found)
                words = f"{len(found)} records have {self.settings.match} = {key!r}: {ids}; none was written"
                yield row, Rejected(Fault("Ambiguous", words))
            elif found and (changed := self._values.changed(values, found[0])):
                updates.append((row, found[0], changed))
            elif not found and self.settings.match == "id":
                yield row, Rejected(Fault("NotFound", f"{self.settings.model} has no record {key}", 404))
            elif not found:
                creates.append((row, values))
        size, session = self.tryton.session.writes_at_once, self.tryton.session

        def update(some: Sequence[tuple[Row, Shown, dict[str, Any]]]) -> list[None]:
            stamps = {int(shown["id"]): str(shown[STAMP]) for _, shown, _ in some}
            session.write(self.settings.model, [(int(shown["id"]), sent) for _, shown, sent in some], stamps)
            return [None] * len(some)

        def create(some: Sequence[tuple[Row, dict[str, Any]]]) -> list[None]:
            self.tryton.create(self.settings.model, [self._values.to_create(values) for _, values in some])
            return [None] * len(some)

        for start in range(0, len(updates), size):
            yield from filter(None, split(updates[start : start + size], update, _ONE_ROW, _refusal))
        yield from filter(None, split(creates, create, _ONE_ROW, _refusal))

    def _look(self, keys: Sequence[str], names: set[str]) -> Found:
        match = self.settings.match
        field = self._values.model.fields[match]
        wanted = [field.to_tryton(key) for key in keys]
        found: Found = {}
        for page in self.tryton.pages(
            self.settings.model, [[match, "in", wanted]], sorted({"id", STAMP, match, *names})
        ):
            for each in page:
                found.setdefault(str(each[match]), []).append(each)
        return found


def _refusal(item: tuple[Any, ...], error: Exception) -> Refusal:
    words = error.message if isinstance(error, TrytonError) else str(error)
    return item[0], Rejected(Fault(type(error).__name__, words))
