"""What Change Data Capture keeps: an event for each change of a record of the objects that it is on for, for 72 hours.

| an event says         | of                                                                                      |
|-----------------------|-----------------------------------------------------------------------------------------|
| `CREATE`, `UNDELETE`  | all values                                                                              |
| `UPDATE`              | the values that changed                                                                 |
| `DELETE`              | nothing                                                                                 |
| `GAP_…`               | nothing: the change is known, its values are not                                        |
| `GAP_OVERFLOW`        | that more changed in one transaction than is told                                       |

Records that one transaction changed in the same way have one event. Source: Salesforce docs, "Change Data Capture
Developer Guide", "Change Event Header Fields", "Gap Events".
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from antiphon_sandbox.salesforce.schema import SObject

KEPT = timedelta(hours=72)
BY_PEOPLE = "com/salesforce/api/soap/66.0;client=SfdcInternalAPI/"
OVERFLOW_ID = "000000000000000AAA"
TYPES = (
    "CREATE", "UPDATE", "DELETE", "UNDELETE", "GAP_CREATE", "GAP_UPDATE", "GAP_DELETE", "GAP_UNDELETE", "GAP_OVERFLOW",
)  # fmt: skip
_NOT_TOLD = frozenset({"Id", "IsDeleted", "SystemModstamp", "MasterRecordId"})


@dataclass(slots=True)
class Event:
    """One event; `values` are those that it tells, `number` is its place among all."""

    number: int
    object: str
    type: str
    ids: list[str]
    values: Mapping[str, Any]
    at: datetime
    origin: str
    transaction: str


@dataclass(slots=True)
class ChangeLog:
    """The events of an org. `on`: the objects that have any; `origin`: who is changing records now.

    `epoch` begins every replay id: Salesforce takes none of those that it gave before an org was moved.
    """

    on: set[str] = field(default_factory=set)
    origin: str = BY_PEOPLE
    epoch: int = 1
    transaction: str = ""
    events: list[Event] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)
    _number: int = 0

    def begin(self, origin: str = BY_PEOPLE) -> None:
        """What changes from now on belongs to one transaction of whom `origin` names."""
        self.origin, self.transaction = origin, secrets.token_hex(8)

    def add(self, sobject: SObject, kind: str, key: str, values: Mapping[str, Any], at: datetime) -> None:
        """A record was changed."""
        if sobject.name not in self.on:
            return
        told = {
            name: value
            for name, value in values.items()
            if name not in _NOT_TOLD and name in sobject.fields and not sobject.fields[name].calculated
        }
        last = self.events[-1] if self.events else None
        if (
            last is not None
            and kind != "CREATE"
            and self.transaction
            and (last.transaction, last.object, last.type, last.values) == (self.transaction, sobject.name, kind, told)
        ):
            last.ids.append(key)
        else:
            self._append(sobject.name, kind, [key], told, at)

    def gap(self, name: str, kind: str, ids: Sequence[str], at: datetime) -> None:
        """Records were changed past the application, as by its own upkeep."""
        self._append(name, kind, list(ids), {}, at)

    def kept(self, now: datetime) -> list[Event]:
        """The events that are not yet forgotten."""
        return [each for each in self.events if each.at >= now - KEPT]

    def _append(self, name: str, kind: str, ids: list[str], values: Mapping[str, Any], at: datetime) -> None:
        self._number += 1
        with self.news:
            self.events.append(Event(self._number, name, kind, ids, values, at, self.origin, self.transaction))
            self.news.notify_all()
