"""Bulk API 2.0: any number of records in one job, each result told by a key, since results come in another order.

| records            | are told by                                        |
|--------------------|----------------------------------------------------|
| update, delete     | `Id`                                               |
| upsert             | the external id                                    |
| create of a link   | the key of the link                                |
| create otherwise   | all that was sent: records that are alike are alike |

What a job cannot carry, a text that is `#N/A`, and what another transaction held, goes by collections, and so does an
object of which Salesforce takes no jobs. The job has no condition and no header for duplicate rules. Records of one
parent stand together: Salesforce works through a job in parallel, two hundred rows at a time.
"""

from __future__ import annotations

import csv
import io
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tap_salesforce.api import LARGEST, NOTHING, Ingested, Org, Refused, SObject, long_id, write_by_job
from target_kit import Failed, Fault
from target_salesforce.batches import LOCKED, Batches, Done, Result, Sent, by_parents, refusal
from target_salesforce.columns import flat
from target_salesforce.settings import KEY

_PURGE = "hardDelete"
_ERROR = re.compile(r"(?P<code>[A-Z_]+):(?P<words>.*?)(?::(?P<fields>[^:]*?)\s*--)?", re.DOTALL)

logger = logging.getLogger("target-salesforce")


@dataclass(frozen=True, slots=True)
class Bulk:
    """Writes by jobs; `small` writes what no job can carry."""

    org: Org
    object: SObject
    small: Batches

    def create(self, records: Sequence[Sent], key: str) -> list[Result]:
        """By a job of inserts."""
        return self._written("insert", records, (key,) if key else (), lambda some: self.small.create(some, key))

    def update(self, records: Sequence[Sent], seen: Mapping[str, str]) -> list[Result]:
        """By a job of updates."""
        return self._written("update", records, (KEY,), lambda some: self.small.update(some, seen))

    def upsert(self, by: str, records: Sequence[Sent]) -> list[Result]:
        """By a job of upserts."""
        return self._written("upsert", records, (by,), lambda some: self.small.upsert(by, some), by)

    def delete(self, ids: Sequence[str]) -> list[Result]:
        """By a job of deletes."""
        return self._removed("delete", ids, self.small.delete)

    def purge(self, ids: Sequence[str]) -> list[Result]:
        """Delete records past the recycle bin, which collections cannot do; what is locked is left for later."""
        held = Failed(Fault(LOCKED, f"another transaction holds the record of {self.object.name}", 503))
        return self._removed(_PURGE, ids, lambda some: [held for _ in some])

    def _removed(
        self, operation: str, ids: Sequence[str], otherwise: Callable[[Sequence[str]], list[Result]]
    ) -> list[Result]:
        records = [{KEY: each} for each in ids]
        return self._written(operation, records, (KEY,), lambda some: otherwise([each[KEY] for each in some]))

    def _written(
        self,
        operation: str,
        records: Sequence[Sent],
        key: Sequence[str],
        otherwise: Callable[[Sequence[Any]], list[Result]],
        external_id: str = "",
    ) -> list[Result]:
        rows = [_cells(each) for each in records]
        columns = sorted({name for row in rows for name in row})
        by, found = tuple(key) or tuple(columns), dict[int, Result]()
        able = [n for n in by_parents(self.object, records) if not _names_nothing(records[n], rows[n])]
        for some in _within(able, rows, columns, LARGEST):
            content = _csv(columns, [rows[n] for n in some])
            try:
                done = write_by_job(self.org.session, self.object.name, operation, content, external_id)
            except Refused as error:
                if operation == _PURGE:
                    raise
                logger.info("%s; collections write its %d records", error.message, len(some))
                continue
            results = _told(done, by)
            for n in some:
                waiting = results.get(_key(rows[n], by))
                found[n] = waiting.pop() if waiting else _untold()
        left = [n for n in range(len(records)) if n not in found or _is_locked(found[n])]
        found |= dict(zip(left, otherwise([records[n] for n in left]) if left else (), strict=True))
        return [found[n] for n in range(len(records))]


def _cells(record: Sent) -> dict[str, str]:
    """A record as text."""
    return {name: _text(value) for name, value in flat(record).items()}


def _text(value: Any) -> str:
    if value is None:
        return NOTHING
    return str(value).lower() if isinstance(value, bool) else str(value)


def _names_nothing(record: Sent, row: Mapping[str, str]) -> bool:
    """Whether a text of the record would be taken for an empty cell."""
    shown = flat(record)
    return any(text == NOTHING and shown[name] is not None for name, text in row.items())


def _within(
    numbers: Sequence[int], rows: Sequence[Mapping[str, str]], columns: Sequence[str], most: int
) -> Iterator[Sequence[int]]:
    """The rows in portions whose CSV has at most so many bytes."""
    some: list[int] = []
    size = 0
    for n in numbers:
        length = sum(len(text.encode()) + 3 for text in rows[n].values()) + len(columns)
        if some and size + length > most:
            yield some
            some, size = [], 0
        some.append(n)
        size += length
    if some:
        yield some


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row.get(name, "") for name in columns] for row in rows)
    return buffer.getvalue().encode()


def _told(ingested: Ingested, by: Sequence[str]) -> dict[tuple[str, ...], list[Result]]:
    """The results, by key; the last of each list is for the first row of its key."""
    found: dict[tuple[str, ...], list[Result]] = {}
    for row in ingested.done:
        found.setdefault(_key(row, by), []).append(Done(row["sf__Id"]))
    for row in ingested.failed:
        found.setdefault(_key(row, by), []).append(_failure(row["sf__Error"]))
    for row in ingested.left:
        found.setdefault(_key(row, by), []).append(Failed(Fault("JobFailed", ingested.why, 503)))
    return found


def _key(row: Mapping[str, str], by: Sequence[str]) -> tuple[str, ...]:
    return tuple(long_id(row.get(name, "")) if name == KEY else row.get(name, "") for name in by)


def _failure(told: str) -> Result:
    """What `CODE:words:Field, Other --` means."""
    found = _ERROR.fullmatch(told.strip())
    if found is None:
        return refusal([{"message": told}])
    fields = [each.strip() for each in (found["fields"] or "").split(",") if each.strip()]
    return refusal([{"statusCode": found["code"], "message": found["words"], "fields": fields}])


def _untold() -> Failed:
    return Failed(Fault("NoResult", "the job's results do not speak of this record", 503))


def _is_locked(result: Result) -> bool:
    return isinstance(result, Failed) and result.fault.name == LOCKED
