"""The org: its records, and everything that can be done to them, by people and by the API."""

from __future__ import annotations

import copy
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

from antiphon_sandbox.salesforce.changes import ChangeLog
from antiphon_sandbox.salesforce.errors import (
    Refused,
    deleted,
    duplicate,
    in_our_words,
    locked,
    no_such_column,
    no_such_external_id,
    no_such_parent,
    not_found,
    not_writable,
    refuse,
    required,
)
from antiphon_sandbox.salesforce.schema import Field, SObject, standard
from antiphon_sandbox.salesforce.values import LONG, SHORT, long_id, stamp, stored

Values: TypeAlias = Mapping[str, Any]
Rule: TypeAlias = Callable[[Values], Refused | None]
"""Looks at the values that a record would have; what it answers is why it is refused."""

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_MOST_MERGED = 3
_KINDS: Mapping[Any, str] = {True: "DELETE", False: "UNDELETE"}  # by what became of `IsDeleted`
_ORG = "Organization"


@dataclass(slots=True)
class Record:
    """A record; `values` has every field that was ever set."""

    kind: str
    id: str
    values: dict[str, Any]

    @property
    def in_bin(self) -> bool:
        """Whether it lies in the recycle bin."""
        return bool(self.values["IsDeleted"])


@dataclass(slots=True)
class Org:
    """All that the API speaks of. `lock` is held for each request.

    `rules` are validation rules; `duplicates` are duplicate rules, of which `saves_duplicates` makes light for as long
    as one request lasts.

    `changes` is what Change Data Capture tells.
    """

    id: str = "00D5g000000SANDEAA"
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    objects: dict[str, SObject] = field(default_factory=lambda: dict(standard()))
    records: dict[str, Record] = field(default_factory=dict)
    purged: dict[str, tuple[str, str]] = field(default_factory=dict)  # id: its type, when it was deleted
    rules: dict[str, list[Rule]] = field(default_factory=dict)
    duplicates: dict[str, list[Rule]] = field(default_factory=dict)
    saves_duplicates: bool = False
    customizable: bool = True  # whether the user of the API may make fields
    open_since: datetime | None = None  # when the oldest transaction began that is not committed yet
    most_listed: int = 600_000  # ids that the logs of changes and deletions tell at once
    locked: set[str] = field(default_factory=set)  # ids that another transaction holds
    changes: ChangeLog = field(default_factory=ChangeLog)
    lock: threading.RLock = field(default_factory=threading.RLock)
    _held: dict[tuple[str, str], dict[str, dict[str, None]]] = field(default_factory=dict)  # type, field: value: ids
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.objects.setdefault(_ORG, SObject.of(_ORG, "00D", Field("Name", length=80)))
        self.records[self.id] = Record(_ORG, self.id, {"Id": self.id, "Name": "Acme", "IsDeleted": False})

    # ---- what people do

    def enter(self, kind: str, values: Values, at: datetime | None = None) -> Record:
        """Make a record; `at` backdates its stamps, as of a transaction that began earlier."""
        with self.lock:
            self.changes.begin()
            return self.create(kind, values, at)

    def edit(self, record_id: str, at: datetime | None = None, **values: Any) -> None:
        """Change a record."""
        with self.lock:
            self.changes.begin()
            self.update(self.records[record_id].kind, record_id, values, at)

    def trash(self, record_id: str, at: datetime | None = None) -> None:
        """Put a record into the recycle bin."""
        with self.lock:
            self.changes.begin()
            self.delete(self.records[record_id].kind, record_id, at)

    def restore(self, record_id: str) -> None:
        """Take a record out of the recycle bin."""
        with self.lock:
            self.changes.begin()
            self._touch(self.records[record_id], {"IsDeleted": False, "MasterRecordId": None})

    def empty_bin(self) -> None:
        """Purge what lies in the recycle bin; `queryAll` does not see it any more."""
        with self.lock:
            for each in [each for each in self.records.values() if each.in_bin]:
                self.purge(each.id)

    def purge(self, record_id: str) -> None:
        """Take a record out of the recycle bin for good."""
        gone = self.records.pop(record_id)
        self.purged[gone.id] = (gone.kind, gone.values["SystemModstamp"])

    def merge(self, winner: str, *losers: str) -> Record:
        """Merge at most two others into a record: they go to the bin, what pointed to them points to it."""
        with self.lock:
            self.changes.begin()
            master = self.records[winner]
            if not self.objects[master.kind].merges or not 0 < len(losers) < _MOST_MERGED:
                raise in_our_words("INVALID_OPERATION", "records of this type or number cannot be merged")
            for loser in losers:
                self._touch(self.records[loser], {"IsDeleted": True, "MasterRecordId": winner})
                self._repoint(loser, winner)
            self._touch(master, {})
            return master

    def savepoint(self) -> Callable[[], None]:
        """What takes back all that is done to records from now on, and what changes tell of it."""
        records, told = copy.deepcopy(self.records), len(self.changes.events)

        def take_back() -> None:
            self.records = records
            del self.changes.events[told:]

        return take_back

    def covered(self, end: datetime) -> datetime:
        """Up to when the logs of changes and deletions are whole: a transaction that is open may still add to them."""
        return min(end, self.clock(), self.open_since or end)

    def live(self, kind: str) -> list[Record]:
        """The records of a type that are not in the bin."""
        with self.lock:
            return [each for each in self.records.values() if each.kind == kind and not each.in_bin]

    # ---- what the API does; the caller holds the lock

    def kind(self, name: str) -> SObject:
        """The object type of a name, in whatever case. Raises `Refused`."""
        found = next((each for each in self.objects.values() if each.name.lower() == name.lower()), None)
        if found is None:
            raise not_found()
        return found

    def find(self, kind: str, key: str) -> Record:
        """The record with this id, in the bin or not. Raises `Refused`."""
        found = self.records.get(long_id(key)) if len(key) in {SHORT, LONG} else None
        if found is None or found.kind != kind:
            raise not_found()
        return found

    def holding(self, kind: str, name: str, value: str) -> list[Record]:
        """The records with this value in a field of external ids; upper and lower case are the same."""
        wanted = value.lower()
        if (kind, name) not in self._held:
            self._held[kind, name] = {}
            for each in self.records.values():
                if each.kind == kind:
                    self._note(each, (name,))
        found = (self.records.get(key) for key in self._held[kind, name].get(wanted, ()))
        return [each for each in found if each and not each.in_bin and _folded(each.values.get(name)) == wanted]

    def _note(self, record: Record, names: Iterable[str]) -> None:
        """Remember who holds, or held, a value of the fields that were asked for."""
        for name in names:
            held = self._held.get((record.kind, name))
            if held is not None:
                held.setdefault(_folded(record.values.get(name)), {})[record.id] = None

    def create(self, kind: str, values: Values, at: datetime | None = None) -> Record:
        """Make a record. Raises `Refused`."""
        sobject = self.objects[kind]
        given = self._given(sobject, values, creating=True)
        now = stamp(at or self.clock())
        empty: dict[str, Any] = {
            name: stored(each, each.default) if each.createable else None for name, each in sobject.fields.items()
        }
        whole = {**empty, **given, "IsDeleted": False}
        missing = [name for name, each in sobject.fields.items() if each.required and whole[name] is None]
        if missing:
            raise required(missing)
        self._check(sobject, None, given, whole)
        made = Record(kind, self.new_id(sobject.prefix), whole)
        made.values |= {"Id": made.id, "CreatedDate": now, "LastModifiedDate": now, "SystemModstamp": now}
        _derive(made)
        self.records[made.id] = made
        self._note(made, made.values)
        self.changes.add(sobject, "CREATE", made.id, made.values, self.clock())
        return made

    def update(self, kind: str, key: str, values: Values, at: datetime | None = None) -> Record:
        """Change a record. Raises `Refused`."""
        record = self._writable(kind, key)
        sobject = self.objects[kind]
        given = self._given(sobject, values, creating=False)
        emptied = [name for name, value in given.items() if value is None and sobject.fields[name].required]
        if emptied:
            raise required(emptied)
        self._check(sobject, record.id, given, {**record.values, **given})
        self._touch(record, given, at)
        return record

    def delete(self, kind: str, key: str, at: datetime | None = None) -> None:
        """Put a record into the recycle bin. Raises `Refused`."""
        self._touch(self._writable(kind, key), {"IsDeleted": True}, at)

    def _writable(self, kind: str, key: str) -> Record:
        record = self.find(kind, key)
        if record.in_bin:
            raise deleted()
        if record.id in self.locked:
            raise locked(record.id)
        return record

    def _given(self, sobject: SObject, values: Values, *, creating: bool) -> dict[str, Any]:
        """The values to store. Raises `Refused`."""
        found, refused = {}, []
        for name, value in values.items():
            if name == "attributes":
                continue
            known = sobject.known(name)
            if isinstance(value, Mapping):
                known, value = self._by_external_id(sobject, name, value)  # noqa: PLW2901 - the same, by its id
            if known is None:
                raise no_such_column(name, sobject.name)
            if not (known.createable if creating else known.updateable):
                refused.append(known.name)
            else:
                found[known.name] = stored(known, value)
        if refused:
            raise not_writable(refused)
        return found

    def _by_external_id(self, sobject: SObject, name: str, value: Values) -> tuple[Field | None, Any]:
        """The reference that a relationship names, and the id of the record that it means. Raises `Refused`."""
        known = next((each for each in sobject.visible if (each.relationship or "").lower() == name.lower()), None)
        if known is None:
            return None, None
        parent = self.kind(known.refers_to[0])
        ((by, wanted),) = [(by, wanted) for by, wanted in value.items() if by != "attributes"] or [("", "")]
        field = parent.known(by)
        if field is None or not (field.external_id or field.name == "Id"):
            raise no_such_external_id(by, parent.name)
        found = self.holding(parent.name, field.name, str(wanted))
        if len(found) > 1:
            raise in_our_words("INVALID_FIELD", f"More than one record found for external id field: {by}")
        if not found:
            raise no_such_parent(str(wanted), by, parent.name)
        return known, found[0].id

    def _check(self, sobject: SObject, own_id: str | None, given: Values, whole: Values) -> None:
        for name, value in given.items():
            known = sobject.fields[name]
            if value is None:
                continue
            if known.refers_to:
                self._check_reference(value)
            if known.unique:
                other = next((each for each in self.holding(sobject.name, name, str(value)) if each.id != own_id), None)
                if other is not None:
                    raise duplicate(name, other.id)
        for rule in (
            *self.rules.get(sobject.name, ()),
            *(() if self.saves_duplicates else self.duplicates.get(sobject.name, ())),
        ):
            refused = rule(whole)
            if refused is not None:
                raise refused

    def _check_reference(self, record_id: str) -> None:
        found = self.records.get(record_id)
        if found is None:
            raise refuse("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        if found.in_bin:
            raise deleted()

    def _touch(self, record: Record, values: Values, at: datetime | None = None) -> None:
        sobject = self.objects[record.kind]
        now = stamp(at or self.clock())
        before = dict(record.values)
        record.values |= {name: value for name, value in values.items() if name in sobject.fields}
        record.values |= {"LastModifiedDate": now, "SystemModstamp": now}
        _derive(record)
        self._note(record, values)
        changed = {name: value for name, value in record.values.items() if before.get(name) != value}
        kind = _KINDS.get(changed.get("IsDeleted"), "UPDATE")
        told = {"UNDELETE": record.values, "DELETE": {}}.get(kind, {**changed, "LastModifiedDate": now})
        self.changes.add(sobject, kind, record.id, told, self.clock())

    def _repoint(self, loser: str, winner: str) -> None:
        for each in self.records.values():
            fields = self.objects[each.kind].fields
            moved = {
                name: winner
                for name, value in each.values.items()
                if value == loser and fields[name].refers_to and name != "MasterRecordId"
            }
            if moved:
                self._touch(each, moved)

    def new_id(self, prefix: str) -> str:
        """An id that nothing else has, of the type that the prefix stands for."""
        number, digits = next(self._numbers), ""
        while number:
            number, place = divmod(number, len(_DIGITS))
            digits = _DIGITS[place] + digits
        return long_id(f"{prefix}5g{digits.rjust(SHORT - 5, '0')}")


def _folded(value: Any) -> str:
    return str("" if value is None else value).lower()


def _derive(record: Record) -> None:
    """Set the fields that follow from others."""
    values = record.values
    if record.kind == "Contact":
        values["Name"] = _joined(values, ("FirstName", "LastName"))
    if record.kind == "Opportunity":
        amount, chance = values.get("Amount"), values.get("Probability")
        values["ExpectedRevenue"] = None if amount is None or chance is None else round(amount * chance / 100, 2)


def _joined(values: Values, names: Sequence[str]) -> str:
    return " ".join(str(values[name]) for name in names if values.get(name))
